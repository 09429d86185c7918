//! `[server]`, `[log]`, `[admin]`, `[forward_auth]`, `[store]` and `[sessions]`: the gateway itself.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use auth_core::{database::DatabaseAddress, keyring::LONGEST_SEALED, policy::Allow, session::RenewalPolicy};
use ipnet::IpNet;
use tracing::Level;
use url::{Host, Url};

use super::{allow, file::Section, issuer_names::IssuerNames, tls::TlsConfig, value::Value};
use crate::{limits::Allowance, telemetry::Format};

/// `[server]`: the public listener, and where our own files lie.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// Addresses to listen on; at least one. Default `127.0.0.1:8080`.
    pub listen: Vec<SocketAddr>,
    /// The address that people type: scheme, host and perhaps a port, no path.
    pub public_url: Url,
    /// The folder of keyring, SQLite, last-known-good and revocations. Default `data`, beside the file.
    pub data: PathBuf,
    /// Whose `X-Forwarded-*` we believe, and who may ask on the forward-auth listener. Default: nobody.
    pub trusted_proxies: Vec<IpNet>,
    /// How long a request head may take. Default 10 s.
    pub head_timeout: Duration,
    /// How long a connection may be idle between requests. Default 75 s.
    pub idle_timeout: Duration,
    /// How long what is under way may take to end when the gateway stops. Default 30 s.
    pub drain: Duration,
    /// How long it goes on accepting while it says that it is not ready any more. Default 0 s.
    pub ready_off_for: Duration,
    /// The longest request target, in bytes. Default 8 KiB.
    pub max_target: usize,
    /// The largest request head, in bytes. Default 16 KiB.
    pub max_head: usize,
    /// How many clients may be connected at once; `None`: as many as the limit of open files leaves room for.
    pub max_client_connections: Option<usize>,
    /// How TLS is spoken.
    pub tls: TlsConfig,
}

/// `[log]`.
#[derive(Clone, Debug)]
pub struct LogConfig {
    /// Lines for people or for programs. Default human.
    pub format: Format,
    /// The least severe level that is written. Default info.
    pub level: Level,
}

/// `[admin]`: the listener for operators and load balancers.
#[derive(Clone, Debug)]
pub struct AdminConfig {
    /// Where it listens. Default `127.0.0.1:9090`.
    pub listen: SocketAddr,
    /// Who may confirm the PINs of devices. Default nobody.
    pub installer: Vec<Allow>,
    /// Who may end sessions, sign people out and release what is held. Default nobody.
    pub security_admin: Vec<Allow>,
    /// Who may see people's sessions besides. Default nobody.
    pub viewer: Vec<Allow>,
}

/// What `[admin]` says, and where, for the checks that look at more than one section.
pub(super) struct WrittenAdmin<'a> {
    pub(super) config: AdminConfig,
    /// Where `allow` stands, if it does.
    pub(super) allow: Option<Value<'a>>,
    /// Everybody whom some role names, and where.
    pub(super) roles: WrittenRoles<'a>,
}

/// Whom the roles name, and where.
#[derive(Default)]
pub(super) struct WrittenRoles<'a> {
    pub(super) installer: Vec<(Allow, Value<'a>)>,
    pub(super) security_admin: Vec<(Allow, Value<'a>)>,
    pub(super) viewer: Vec<(Allow, Value<'a>)>,
}

/// `[forward_auth]`: the listener where another proxy asks whether a request may pass.
#[derive(Clone, Debug, Default)]
pub struct ForwardAuthConfig {
    /// Where it listens. Default nowhere.
    pub listen: Vec<SocketAddr>,
}

/// `[store]`: the database of sessions.
#[derive(Clone, Debug)]
pub struct StoreConfig {
    /// Where it is: under `server.data`.
    pub address: DatabaseAddress,
}

/// `[sessions]`: how long sessions live.
#[derive(Clone, Copy, Debug)]
pub struct SessionsConfig {
    /// The life of a session that is not renewed. Default 12 h.
    pub hard_without_refresh: Duration,
    /// How the others are renewed. Default every 15 min, without waiting for 5 min, then for 3 s, up to 7 d.
    pub renewal: RenewalPolicy,
    /// How many sign-ins one address may begin. Default 60 at once and 120 a minute.
    pub sign_in_limit: Allowance,
}

impl ServerConfig {
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

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

impl ServerConfig {
    /// Reads `[server]`; `None` if something that has no default is missing or wrong.
    pub(super) fn read(section: &Section<'_>) -> Option<Self> {
        let timeout = |key, default| {
            section.value(key).and_then(|value| value.duration(Duration::from_millis(10)..=HOUR)).unwrap_or(default)
        };
        let (head_timeout, idle_timeout) = (timeout("head_timeout", 10 * SECOND), timeout("idle_timeout", 75 * SECOND));
        let stopping = |key, default| {
            section.value(key).and_then(|value| value.duration(Duration::ZERO..=HOUR)).unwrap_or(default)
        };
        let (drain, ready_off_for) = (stopping("drain", 30 * SECOND), stopping("ready_off_for", Duration::ZERO));
        let max_target = section.value("max_target").and_then(|value| value.size(256..=64 << 10));
        let max_head_value = section.value("max_head");
        // hyper reads a head into a buffer of at least 8 KiB.
        let max_head = max_head_value.as_ref().and_then(|value| value.size(8 << 10..=1 << 20)).unwrap_or(16 << 10);
        let max_target = max_target.unwrap_or(8 << 10);
        if max_target > max_head {
            section.problem("`max_target` is larger than `max_head`, which holds it".to_owned(), None);
        }
        let most = section.value("max_client_connections").and_then(|value| value.count(8..=1_000_000));
        let listen = match section.value("listen") {
            Some(value) => listeners(&value),
            None => vec![SocketAddr::from(([127, 0, 0, 1], 8080))],
        };
        let trusted = section.value("trusted_proxies").and_then(|value| value.each("[\"10.0.0.0/8\"]", network));
        let data = section.value("data").and_then(|value| value.path("\"data\""));
        let public_url = section.required("public_url", "\"https://app.example.com\"").and_then(|value| public(&value));
        let trusted_proxies = trusted.unwrap_or_default();
        let secure = public_url.as_ref().map(|url| url.scheme() == "https");
        let tls = TlsConfig::read(section, secure);
        if secure == Some(true) && trusted_proxies.is_empty() && !section.has("tls") {
            let message = "something before the gateway speaks https, and every client will seem to be that";
            section.warning(message.to_owned(), "name its address in `trusted_proxies`, for example [\"127.0.0.1\"]");
        }
        Some(Self {
            listen,
            public_url: public_url?,
            data: data.unwrap_or_else(|| section.file.base.join("data")),
            trusted_proxies,
            head_timeout,
            idle_timeout,
            drain,
            ready_off_for,
            max_target: usize::try_from(max_target).ok()?,
            max_head: usize::try_from(max_head).ok()?,
            max_client_connections: most,
            tls,
        })
    }
}

impl LogConfig {
    /// Reads `[log]`.
    pub(super) fn read(section: &Section<'_>) -> Self {
        let format =
            section.value("format").and_then(|value| value.choice(&[("human", Format::Human), ("json", Format::Json)]));
        let level = section.value("level").and_then(|value| {
            value.choice(&[
                ("error", Level::ERROR),
                ("warn", Level::WARN),
                ("info", Level::INFO),
                ("debug", Level::DEBUG),
                ("trace", Level::TRACE),
            ])
        });
        Self { format: format.unwrap_or(Format::Human), level: level.unwrap_or(Level::INFO) }
    }
}

/// The roles of people who look after the gateway, as far as there is something for them to do.
const ROLES: [&str; 3] = ["installer", "security-admin", "viewer"];
/// Those for whom there is nothing yet.
const ROLES_NOT_BUILT: [&str; 2] = ["auditor", "device-admin"];

impl<'a> WrittenAdmin<'a> {
    /// Reads `[admin]`.
    pub(super) fn read(section: &Section<'a>, named: &IssuerNames) -> Self {
        section.not_built(
            "public_url",
            "leave it out: nobody signs in at the admin listener, where bearer tokens alone count",
        );
        let value = section.value("listen");
        let listen = value.as_ref().and_then(address).unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 9090)));
        if let Some(value) = value.filter(|_| !listen.ip().is_loopback()) {
            let why = "the admin listener shows metrics to whoever asks, and tokens travel there in the clear";
            value.warning(why, "keep it on a loopback or private address");
        }
        let allow = section.value("allow");
        let roles = allow.as_ref().map(|value| roles(value, named)).unwrap_or_default();
        section.finish();
        let of = |role: &[(Allow, Value<'_>)]| role.iter().map(|(allow, _)| allow.clone()).collect();
        let config = AdminConfig {
            listen,
            installer: of(&roles.installer),
            security_admin: of(&roles.security_admin),
            viewer: of(&roles.viewer),
        };
        Self { config, allow, roles }
    }
}

/// `allow` of `[admin]`: a table of roles.
fn roles<'a>(value: &Value<'a>, named: &IssuerNames) -> WrittenRoles<'a> {
    const FORM: &str = "for example { installer = [\"group:displays\"] }";
    let mut read = WrittenRoles::default();
    let Some(roles) = value.entries() else {
        value.problem("`allow` must be a table of roles", FORM);
        return read;
    };
    for (role, who) in roles {
        match role.key() {
            "installer" => read.installer.extend(allow::read(&who, named).unwrap_or_default()),
            "security-admin" => read.security_admin.extend(allow::read(&who, named).unwrap_or_default()),
            "viewer" => read.viewer.extend(allow::read(&who, named).unwrap_or_default()),
            word if ROLES_NOT_BUILT.contains(&word) => {
                let instead = "leave it out: devices are revoked by `gateway device` on the machine itself";
                role.problem(format!("the role `{word}` is not built yet"), instead);
            }
            word => {
                let instead = match super::file::nearest(word, &ROLES) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => FORM.to_owned(),
                };
                role.problem(format!("there is no role `{}`", word.escape_debug()), instead);
            }
        }
    }
    read
}

impl ForwardAuthConfig {
    /// Reads `[forward_auth]`.
    pub(super) fn read(section: &Section<'_>) -> Self {
        let value = section.required("listen", "[\"127.0.0.1:9091\"]");
        Self { listen: value.as_ref().map(one_or_more).unwrap_or_default() }
    }
}

impl StoreConfig {
    /// Reads `[store]`.
    pub(super) fn read(section: &Section<'_>, data: &std::path::Path) -> Self {
        section.not_built("database", "leave it out: sessions lie in SQLite under `server.data`");
        Self { address: DatabaseAddress::in_folder(data) }
    }
}

impl SessionsConfig {
    /// Reads `[sessions]`.
    pub(super) fn read(section: &Section<'_>) -> Self {
        let duration = |key, least, most, default| {
            let value = section.value(key).and_then(|value| value.duration(least..=most));
            value.unwrap_or(default)
        };
        let (default, second, day) = (RenewalPolicy::default(), Duration::from_secs(1), 24 * HOUR);
        let renewal = RenewalPolicy {
            renew: duration("renew", second, day, default.renew),
            grace: duration("renew_grace", Duration::ZERO, day, default.grace),
            wait: duration("renew_wait", Duration::ZERO, 30 * second, default.wait),
            hard: duration("hard", 60 * second, LONGEST_SEALED, default.hard),
        };
        let life = duration("hard_without_refresh", 60 * second, LONGEST_SEALED, 12 * HOUR);
        let count = |key, most: u32, default: u32| {
            let value = section.value(key).and_then(|value| value.count(1..=most as usize));
            value.and_then(|count| u32::try_from(count).ok()).unwrap_or(default)
        };
        let Allowance { at_once, per_minute } = Allowance::DEFAULT;
        let sign_in_limit = Allowance {
            at_once: count("sign_ins_at_once", 10_000, at_once),
            per_minute: count("sign_ins_per_minute", 60_000, per_minute),
        };
        Self { hard_without_refresh: life, renewal, sign_in_limit }
    }
}

/// One address, or a list of them.
fn one_or_more(value: &Value<'_>) -> Vec<SocketAddr> {
    if value.is_text() { address(value).into_iter().collect() } else { listeners(value) }
}

pub(super) fn listeners(value: &Value<'_>) -> Vec<SocketAddr> {
    let Some(addresses) = value.each("[\"127.0.0.1:8080\"]", address) else { return Vec::new() };
    if value.list("[]").is_some_and(|list| list.is_empty()) {
        value.problem(format!("`{}` names no address", value.key()), "for example [\"127.0.0.1:8080\"]");
    }
    for (at, address) in addresses.iter().enumerate() {
        if address.port() != 0 && addresses[..at].contains(address) {
            value.problem(format!("`{}` names {address} twice", value.key()), "");
        }
    }
    addresses
}

/// An address and port to listen on.
fn address(value: &Value<'_>) -> Option<SocketAddr> {
    let text = value.text("\"127.0.0.1:8080\"")?;
    let parsed = text.parse().ok();
    if parsed.is_none() {
        let instead = match (text.rsplit_once(':'), text.parse::<u16>()) {
            (_, Ok(port)) => format!("\"127.0.0.1:{port}\""),
            (Some(("", port)), _) => format!("\"0.0.0.0:{port}\""),
            (Some(("localhost", port)), _) => format!("\"127.0.0.1:{port}\""),
            _ => "\"127.0.0.1:8080\" or \"[::1]:8080\"".to_owned(),
        };
        value.problem(format!("{text:?} is not an IP address with a port"), format!("write {instead}"));
    }
    parsed
}

/// A network, or one address.
fn network(value: &Value<'_>) -> Option<IpNet> {
    let network = value.parsed("a network", "\"10.0.0.0/8\"", |text| {
        text.parse::<IpNet>().ok().or_else(|| text.parse().ok().map(|ip: std::net::IpAddr| IpNet::from(ip)))
    })?;
    if network.prefix_len() == 0 {
        value.warning("everybody is a trusted proxy, and may say who asks", "name the proxies' own networks");
    }
    Some(network)
}

/// The address that people type.
fn public(value: &Value<'_>) -> Option<Url> {
    let url = value.url("\"https://app.example.com\"")?;
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        let origin = url.origin().ascii_serialization();
        value.problem("`public_url` is a scheme and a host, nothing more", format!("write {origin:?}"));
        return None;
    }
    let host = url.host_str().unwrap_or_default();
    if crate::request::host::canonical(host).as_deref() != Some(host) {
        let instead = format!("without a dot at its end, for example {:?}", host.trim_end_matches('.'));
        value.problem(format!("`public_url` must name one host in its usual form, not {host:?}"), instead);
        return None;
    }
    if url.scheme() == "http" && !is_loopback(&url) {
        value.warning(
            "cookies travel in the clear over http",
            "use https, with `tls`, or with TLS spoken before the gateway",
        );
    }
    Some(url)
}

/// Whether an address can only lead to this machine.
pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}
