//! `[upstreams.NAME]`: the services behind us.

use std::{sync::Arc, time::Duration};

use http::{HeaderName, HeaderValue};
use url::Url;

/// `[upstreams.NAME]`: a service behind us.
#[derive(Clone, Debug)]
pub struct Upstream {
    /// Its name.
    pub name: Arc<str>,
    /// Where it answers: `http://host:port`, no path. Exactly one: spreading load is not built yet.
    pub endpoints: Vec<Url>,
    /// The `Host` that it sees. Default the public one.
    pub host: HostHeader,
    /// The most connections to one endpoint, all workers together. Default 512.
    pub max_connections: usize,
    /// How long connecting may take. Default 2 s.
    pub connect_timeout: Duration,
    /// Under what names it is told who is asking. Default `x-auth-request`.
    pub identity_headers: IdentityHeaders,
    /// Whether its paths differ by case: then case is not folded when a path's readings are compared. Default no.
    pub case_sensitive: bool,
}

/// The `Host` that an upstream sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostHeader {
    /// That of the request, which is the public one.
    Public,
    /// That of the endpoint.
    Endpoint,
    /// This one.
    Literal(HeaderValue),
}

/// The names of the plain identity headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdentityHeaders {
    /// `X-Auth-Request-User`, `-Email`, `-Groups`, `-Preferred-Username`.
    XAuthRequest,
    /// `X-Forwarded-User`, `-Email`, `-Groups`, `-Preferred-Username`.
    XForwarded,
    /// `Remote-User`, `-Email`, `-Groups`, `-Name`.
    RemoteUser,
    /// Names of your own.
    Named(NamedHeaders),
}

/// Names of your own for the plain identity headers; what has no name is not sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NamedHeaders {
    /// The subject.
    pub user: Option<HeaderName>,
    /// The e-mail address.
    pub email: Option<HeaderName>,
    /// The name to show.
    pub name: Option<HeaderName>,
    /// The groups, separated by commas.
    pub groups: Option<HeaderName>,
}
