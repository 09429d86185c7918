//! The configuration: what the rest of the gateway reads, and [`parse`], which makes it from the file's text.
//!
//! Parsing is pure: it opens no socket and asks nobody, and it reports every problem at once. Whether a provider or the
//! monolith answers is for `check.rs`. Reloading is not built yet.

mod issuers;
mod problem;
mod routes;
mod upstreams;

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use ipnet::IpNet;
use url::Url;

use crate::telemetry::Format;

pub use issuers::{Bearer, BearerKind, Identity, ProviderKind, ResponseMode};
pub use problem::Problem;
pub use routes::{Expect, OnDenial, Route, RouteAsker};
pub use upstreams::{HostHeader, IdentityHeaders, NamedHeaders, Upstream};

/// Everything that the file says, with the defaults of what it does not say.
#[derive(Clone, Debug)]
pub struct Config {
    /// The prefix of the gateway's own paths, without a closing slash: `/.candor`.
    pub own_prefix: String,
    /// The public listener, and where our own files lie.
    pub server: Server,
    /// The access log and the diagnostic log.
    pub log: Log,
    /// The listener for operators.
    pub admin: Admin,
    /// The database of sessions.
    pub store: Store,
    /// How long sessions live.
    pub sessions: Sessions,
    /// The providers that sign people in, in the file's order; the first is the default.
    pub identity: Vec<Identity>,
    /// The issuers whose access tokens we take, in the file's order.
    pub bearer: Vec<Bearer>,
    /// The services behind us, by name.
    pub upstreams: BTreeMap<Arc<str>, Arc<Upstream>>,
    /// The routes, in the file's order. A route's requirement is named by its index here.
    pub routes: Vec<Route>,
    /// What is allowed and probably not meant.
    pub warnings: Vec<Problem>,
}

/// `[server]`: the public listener, and where our own files lie.
#[derive(Clone, Debug)]
pub struct Server {
    /// Addresses to listen on; at least one. Default `127.0.0.1:8080`.
    pub listen: Vec<SocketAddr>,
    /// The address that people type: scheme, host and perhaps a port, no path.
    pub public_url: Url,
    /// The folder of keyring, SQLite, last-known-good and revocations. Default `data`, beside the file.
    pub data: PathBuf,
    /// Whose `X-Forwarded-*` we believe, and who may ask `verify`. Default: nobody.
    pub trusted_proxies: Vec<IpNet>,
    /// How long a request head may take. Default 10 s.
    pub head_timeout: Duration,
    /// How long a connection may be idle between requests. Default 75 s.
    pub idle_timeout: Duration,
    /// The longest request target, in bytes. Default 8 KiB.
    pub max_target: usize,
    /// The largest request head, in bytes. Default 16 KiB.
    pub max_head: usize,
}

/// `[log]`.
#[derive(Clone, Debug)]
pub struct Log {
    /// Lines for people or for programs. Default human.
    pub format: Format,
    /// The least severe level that is written. Default info.
    pub level: tracing::Level,
}

/// `[admin]`: the listener for operators and load balancers.
#[derive(Clone, Debug)]
pub struct Admin {
    /// Where it listens. Default `127.0.0.1:9090`.
    pub listen: SocketAddr,
}

/// `[store]`: the database of sessions.
#[derive(Clone, Debug)]
pub struct Store {
    /// The SQLite file: `candor.sqlite` under `server.data`.
    pub sqlite: PathBuf,
}

/// `[sessions]`: how long sessions live.
#[derive(Clone, Copy, Debug)]
pub struct Sessions {
    /// The life of a session that is not renewed. Default 12 h.
    pub hard_without_refresh: Duration,
}

impl Server {
    /// The host of `public_url`, with its port if that is not the scheme's own: what a `Host` header says.
    pub fn public_authority(&self) -> String {
        let host = self.public_url.host_str().unwrap_or_default();
        match self.public_url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        }
    }

    /// Whether people reach us by https: then cookies are `__Host-` and `Secure`.
    pub fn is_secure(&self) -> bool {
        self.public_url.scheme() == "https"
    }
}

/// Reads a configuration.
///
/// `base` is the folder of the file, where relative paths start; `env` looks up an environment variable.
///
/// # Errors
/// Every problem found, in the order of the file.
pub fn parse(text: &str, base: &std::path::Path, env: &dyn Fn(&str) -> Option<String>) -> Result<Config, Vec<Problem>> {
    let _ = (text, base, env);
    todo!()
}
