//! `[[identity]]` and `[[bearer]]`: who may vouch for people and programs.

use std::{sync::Arc, time::Duration};

use secrecy::SecretString;
use url::Url;

/// `[[identity]]`: an OpenID provider that signs people in.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Names it in the callback's path and in logs.
    pub name: Arc<str>,
    /// Its dialect. Default plain OpenID Connect.
    pub kind: ProviderKind,
    /// Its issuer, exactly as its discovery document and its tokens say it (OpenID Connect Discovery 1.0 §3).
    pub issuer: Arc<str>,
    /// Our name there.
    pub client_id: String,
    /// Our secret there; `None` for a public client.
    pub client_secret: Option<SecretString>,
    /// What we ask for, `openid` among it. Default `openid profile offline_access`.
    pub scopes: Vec<String>,
    /// The `prompt` parameter.
    pub prompt: Option<String>,
    /// Where the discovery document is, if not below the issuer.
    pub discovery_url: Option<Url>,
    /// The certificate authorities that its hosts are checked by, PEM, instead of the public ones.
    pub ca: Option<Arc<[u8]>>,
    /// The algorithms that its ID tokens may be signed with. Default `RS256`.
    pub algorithms: Vec<String>,
    /// Hosts, besides the issuer's, that its endpoints may be on.
    pub endpoint_hosts: Vec<String>,
    /// The claim that holds the name to show. Default `name`.
    pub name_claim: String,
    /// The claim that holds the groups. Default `groups`.
    pub groups_claim: String,
    /// How the provider answers the browser. Default by query.
    pub response_mode: ResponseMode,
}

/// A provider's dialect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProviderKind {
    /// Plain OpenID Connect.
    Oidc,
    /// Entra ID with one tenant's own issuer.
    Entra,
}

/// How the provider sends its answer through the browser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponseMode {
    /// In the address of a GET (OAuth 2.0 Multiple Response Type Encoding Practices §2.1).
    Query,
    /// In the body of a POST (OAuth 2.0 Form Post Response Mode).
    FormPost,
}

/// `[[bearer]]`: an issuer whose JWT access tokens we take (RFC 9068).
#[derive(Clone, Debug)]
pub struct Bearer {
    /// The tokens' `iss`, exactly.
    pub issuer: Arc<str>,
    /// The audiences that are ours; a token must name one of them. Never empty.
    pub audience: Vec<String>,
    /// The algorithms that its tokens may be signed with. Default `RS256`.
    pub algorithms: Vec<String>,
    /// How far clocks may differ. Default 30 s.
    pub leeway: Duration,
    /// Whom its tokens speak for. Default services.
    pub kind: BearerKind,
    /// Where its keys are; `None`: by discovery.
    pub jwks_uri: Option<Url>,
}

/// Whom an issuer's tokens speak for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BearerKind {
    /// Programs.
    Service,
    /// People.
    User,
}
