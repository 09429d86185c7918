//! The configuration: what the rest of the gateway reads, and [`parse`], which makes it from the file's text.
//!
//! Parsing asks nobody on the network, and reports every problem at once. Whether a provider or the monolith answers is
//! for `check.rs`. Deliberately absent: defaults that depend on the machine, and values from anywhere but the file.

mod allow;
mod consistency;
mod devices;
#[cfg(test)]
mod devices_tests;
mod file;
mod fixed;
mod hash;
mod issuer_names;
mod issuers;
mod legacy;
mod probes;
mod problem;
mod routes;
mod server;
pub mod site;
mod source;
#[cfg(test)]
mod tests;
mod tls;
mod units;
mod upstream_tls;
mod upstreams;
mod value;

use std::{collections::BTreeMap, path::Path, sync::Arc};

use toml::de::DeTable;

use self::{
    consistency::Parts,
    devices::WrittenDevices,
    file::{File, Section},
    issuer_names::IssuerNames,
    routes::Written,
    server::WrittenAdmin,
    value::Value,
};

use crate::headers::reserved::Reserved;

pub use devices::{DevicesConfig, TenantConfig, WipedData};
pub use hash::ConfigHash;
pub use issuers::{BearerConfig, IdentityConfig, ProviderKind};
pub use legacy::{LegacyConfig, LegacyFields, LegacyPinConfig};
pub use probes::ProbeConfig;
pub use problem::ConfigProblem;
pub use routes::{Cache, Expect, OnDenial, Route, RouteClientKind};
pub use server::{AdminConfig, ForwardAuthConfig, LogConfig, ServerConfig, SessionsConfig, StoreConfig};
pub use source::SourceFile;
pub use tls::{Hsts, TlsConfig};
pub use upstream_tls::UpstreamTls;
pub use upstreams::{Affinity, HostHeader, IdentityHeaders, NamedHeaders, UpstreamConfig, UpstreamProtocol};
pub use value::Secrets;

/// Everything that the file says, with the defaults of what it does not say.
#[derive(Clone, Debug)]
pub struct Config {
    /// The prefix of the gateway's own paths, without a closing slash: `/.candor`.
    pub own_prefix: String,
    /// The public listener, and where our own files lie.
    pub server: ServerConfig,
    /// The access log and the diagnostic log.
    pub log: LogConfig,
    /// The listener for operators.
    pub admin: AdminConfig,
    /// The listener for other proxies.
    pub forward_auth: ForwardAuthConfig,
    /// The database of sessions.
    pub store: StoreConfig,
    /// How long sessions live.
    pub sessions: SessionsConfig,
    /// The providers that sign people in, in the file's order; the first is the default.
    pub identity: Vec<IdentityConfig>,
    /// The issuers whose access tokens we take, in the file's order.
    pub bearer: Vec<BearerConfig>,
    /// The fleet of devices, if there is one.
    pub devices: Option<DevicesConfig>,
    /// The services behind us, by name.
    pub upstreams: BTreeMap<Arc<str>, Arc<UpstreamConfig>>,
    /// The routes, in the file's order. A route's requirement is named by its index here.
    pub routes: Vec<Route>,
    /// What is allowed and probably not meant.
    pub warnings: Vec<ConfigProblem>,
    /// Of the text that it was read from.
    pub hash: ConfigHash,
}

impl Config {
    /// The header names that no client sends for us: our own, and those by which upstreams are told who is asking.
    pub fn reserved(&self) -> Reserved {
        Reserved::with(self.upstreams.values().flat_map(|upstream| upstream.identity_headers.names()).flatten())
    }
}

/// Reads a configuration.
///
/// `base` is the folder of the file, where relative paths start. Nobody on the network is asked; the files that secrets and
/// certificates are in are read.
///
/// # Errors
/// Every problem found, in the order of the file.
pub fn parse(text: &str, base: &Path, secrets: Secrets<'_>) -> Result<Config, Vec<ConfigProblem>> {
    parse_with_files(text, base, secrets).0
}

/// The same, with the files that the configuration names and that were read or tried: it is another one when they change.
pub fn parse_with_files(
    text: &str,
    base: &Path,
    secrets: Secrets<'_>,
) -> (Result<Config, Vec<ConfigProblem>>, Vec<SourceFile>) {
    // A byte-order mark is not ours to complain about.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let (tree, faults) = DeTable::parse_recoverable(text);
    let mut file = File::new(text, base, secrets);
    file.note_syntax(faults);
    let config = read(&file, tree.get_ref());
    let named = file.named();
    let (problems, warnings) = file.findings();
    let config = match config {
        Some(config) if problems.is_empty() => Ok(Config { warnings, ..config }),
        Some(_) | None => Err(problems),
    };
    (config, named)
}

fn read<'a>(file: &'a File<'a>, tree: &'a DeTable<'a>) -> Option<Config> {
    let empty = DeTable::new();
    let root = Section::new(file, "the file".to_owned(), 0..0, tree);
    let table =
        |key: &'static str| root.section(key).unwrap_or_else(|| Section::new(file, format!("[{key}]"), 0..0, &empty));
    let own_prefix = root.value("own_prefix").and_then(|value| own_prefix(&value));
    let own_prefix = own_prefix.unwrap_or_else(|| "/.candor".to_owned());
    let (in_server, in_log, in_admin) = (table("server"), table("log"), table("admin"));
    let (in_store, in_sessions, in_upstreams) = (table("store"), table("sessions"), table("upstreams"));
    let server = ServerConfig::read(&in_server);
    let (log, sessions) = (LogConfig::read(&in_log), SessionsConfig::read(&in_sessions));
    let in_forward_auth = root.section("forward_auth");
    let forward_auth = in_forward_auth.as_ref().map(ForwardAuthConfig::read).unwrap_or_default();
    let store = StoreConfig::read(&in_store, server.as_ref().map_or(file.base, |server| &server.data));
    for section in [&in_server, &in_log, &in_store, &in_sessions].into_iter().chain(&in_forward_auth) {
        section.finish();
    }
    let identity: Vec<_> = root.sections("identity").into_iter().map(|at| (IdentityConfig::read(&at), at)).collect();
    let bearer: Vec<_> = root.sections("bearer").into_iter().map(|at| (BearerConfig::read(&at), at)).collect();
    let upstreams: Vec<_> =
        in_upstreams.named().into_iter().map(|(name, at)| (UpstreamConfig::read(&name, &at), at, name)).collect();
    let in_routes = root.sections("routes");
    if !root.has("routes") {
        root.problem(
            "there is no [[routes]]: nothing is forwarded".to_owned(),
            Some("add one, for path = \"/\"".to_owned()),
        );
    }
    let named = IssuerNames::new(&identity, &bearer);
    let admin = WrittenAdmin::read(&in_admin, &named);
    let devices = root.section("devices").map(|section| WrittenDevices::read(section, &named));
    let routes: Vec<_> = (0_u32..).zip(&in_routes).filter_map(|(index, at)| Written::read(index, at, &named)).collect();
    root.finish();
    let parts = Parts {
        own_prefix: &own_prefix,
        server: server.as_ref(),
        admin: (&admin, &in_admin),
        devices: devices.as_ref(),
        forward_auth: in_forward_auth.as_ref().map(|section| (&forward_auth, section)),
        identity: &identity,
        bearer: &bearer,
        upstreams: &upstreams,
        upstream_names: in_upstreams.keys(),
        routes: &routes,
    };
    parts.check();
    let upstreams = upstreams.into_iter().filter_map(|(upstream, ..)| upstream);
    Some(Config {
        own_prefix,
        server: server?,
        log,
        admin: admin.config,
        forward_auth,
        store,
        sessions,
        identity: identity.into_iter().filter_map(|(identity, _)| identity).collect(),
        bearer: bearer.into_iter().filter_map(|(bearer, _)| bearer).collect(),
        devices: devices.map(|devices| devices.config),
        upstreams: upstreams.map(|upstream| (upstream.name.clone(), Arc::new(upstream))).collect(),
        routes: routes.into_iter().map(|written| written.route).collect(),
        warnings: Vec::new(),
        hash: ConfigHash::of(file.text()),
    })
}

/// A prefix for our own paths: canonical, not everything, and without a closing slash.
fn own_prefix(value: &Value<'_>) -> Option<String> {
    let path = routes::path(value)?;
    if path.ends_with('/') {
        let trimmed = path.trim_end_matches('/');
        let instead = if trimmed.is_empty() { "/.candor" } else { trimmed };
        value.problem("`own_prefix` must not end in a slash", format!("write {instead:?}"));
        return None;
    }
    Some(path)
}
