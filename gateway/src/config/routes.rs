//! `[[routes]]`: who may pass where.

use std::{sync::Arc, time::Duration};

use auth_core::policy::{Allow, MaxStale};
use http::{HeaderName, Method};

/// `[[routes]]`: one path prefix, and who may pass there.
#[derive(Clone, Debug)]
pub struct Route {
    /// The prefix, canonical; it matches whole segments.
    pub path: String,
    /// The host, lower case, if the route serves only one.
    pub host: Option<String>,
    /// The methods, if the route serves only some.
    pub methods: Option<Vec<Method>>,
    /// The name of its upstream; it exists.
    pub upstream: Arc<str>,
    /// Who may pass; any one suffices. Never empty.
    pub allow: Vec<Allow>,
    /// What to do when the upstream denies somebody we vouch for. Default dispute.
    pub on_denial: OnDenial,
    /// What the upstream's answers are; `None`: anything.
    pub expect: Option<Expect>,
    /// How old a last-known-good may be. Default 12 h for people and services, 72 h for devices.
    pub max_stale: MaxStale,
    /// How long the upstream may take to its response head. Default 30 s.
    pub response_timeout: Duration,
    /// How long a body may stand still, in either direction. Default 30 s.
    pub idle_body_timeout: Duration,
    /// The upstream's own sign-in pages: a redirect there is a denial.
    pub login_paths: Vec<String>,
    /// Challenge schemes that are the application's own business, lower case. Default `basic`.
    pub own_challenges: Vec<String>,
    /// The largest request body, in bytes; `None`: any.
    pub max_body: Option<u64>,
    /// Who is asking, if the route knows better than the request's headers.
    pub asker: Option<RouteAsker>,
    /// Whether an `Authorization` that is not ours goes upstream. Default no.
    pub forward_authorization: bool,
    /// Header names with `_` that go upstream, lower case.
    pub underscore_headers: Vec<HeaderName>,
}

/// What to do with an upstream's denial of somebody we vouch for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnDenial {
    /// Do not believe it: 503.
    Dispute,
    /// Pass it on, marked as the upstream's.
    Pass,
}

/// What a route's answers are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// JSON: HTML instead of it is a denial on routes that allow devices.
    Json,
    /// HTML.
    Html,
}

/// An asker that a route names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouteAsker {
    /// A display or another device.
    Device,
    /// A person's browser.
    Browser,
    /// A script or a program.
    Script,
}
