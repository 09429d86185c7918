//! `[upstreams.NAME]`: the services behind us.

use std::{sync::Arc, time::Duration};

use http::{HeaderName, HeaderValue};
use url::Url;

pub use crate::headers::{HostHeader, IdentityHeaders, NamedHeaders};

use super::{
    ProbeConfig,
    file::Section,
    upstream_tls::{UpstreamTls, is_https, name_of},
    value::Value,
};
use crate::{headers::reserved, request::path::NameRules};

/// Which version of HTTP an upstream speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum UpstreamProtocol {
    /// HTTP/1.1 (RFC 9112).
    #[default]
    Http1,
    /// HTTP/2 (RFC 9113): over TLS by ALPN, else by prior knowledge.
    Http2,
}

/// `[upstreams.NAME]`: a service behind us.
#[derive(Clone, Debug)]
pub struct UpstreamConfig {
    /// Its name.
    pub name: Arc<str>,
    /// Where it answers: each `http://host:port`, `https://host:port`, no path, or `unix:/path/of/a/socket`. At least one, and
    /// none twice.
    pub endpoints: Vec<Url>,
    /// Which version of HTTP it speaks. Default HTTP/1.1.
    pub protocol: UpstreamProtocol,
    /// How TLS is spoken with its https endpoints. Default by the public authorities, by the endpoint's name, as nobody.
    pub tls: Arc<UpstreamTls>,
    /// The `Host` that it sees. Default the public one.
    pub host: HostHeader,
    /// The most connections to one endpoint, all workers together. Default 512.
    pub max_connections: usize,
    /// How long connecting may take. Default 2 s.
    pub connect_timeout: Duration,
    /// Under what names it is told who is asking. Default `x-auth-request`.
    pub identity_headers: IdentityHeaders,
    /// By what the same endpoint is chosen again. Default nothing.
    pub affinity: Option<Affinity>,
    /// How its endpoints are probed. Default not at all.
    pub probe: Option<ProbeConfig>,
    /// Whether a connection serves on after a request with a body. Not where the service may leave bodies unread, and
    /// take them for the next request. Default yes.
    pub reuse_after_body: bool,
    /// How it tells names in paths apart: `case_sensitive` and `windows`. Default in a way that we do not know.
    pub names: NameRules,
}

/// By what the same endpoint is chosen again, where a service keeps sessions in its own memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Affinity {
    /// Who asks.
    Principal,
    /// The service's own session cookie of this name.
    Cookie(String),
}

const ENDPOINT: &str = "[\"http://127.0.0.1:9000\"]";

/// The most endpoints of one upstream: each request looks at all of them.
const MOST_ENDPOINTS: usize = 64;

/// The longest path of a socket (`sun_path`, with the zero at its end).
const LONGEST_SOCKET: usize = 107;

/// Names that mean something to HTTP or to us: none of them can carry an identity.
const RESERVED: [&str; 14] = [
    "accept",
    "authorization",
    "content-type",
    "cookie",
    "expect",
    "forwarded",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-prefix",
    "x-forwarded-proto",
    "x-real-ip",
    "x-request-id",
];

impl UpstreamConfig {
    /// Reads one `[upstreams.NAME]`; `None` if something that has no default is missing or wrong.
    pub(super) fn read(name: &Value<'_>, section: &Section<'_>) -> Option<Self> {
        let name = name.parsed("1 to 64 of a-z, A-Z, 0-9, - and _", "monolith", |text| {
            let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
            (text.len() <= 64 && text.bytes().all(fits)).then(|| text.to_owned())
        });
        let endpoints = section.required("endpoints", ENDPOINT).and_then(|value| endpoints(&value));
        let tls = UpstreamTls::read(section, endpoints.as_deref().unwrap_or_default()).unwrap_or_default();
        if tls.server_name.is_none()
            && let (Some(endpoints), Some(at)) = (&endpoints, section.value("endpoints"))
            && let Some(nameless) = endpoints.iter().find(|url| is_https(url) && name_of(url).is_none())
        {
            at.problem(format!("no certificate can be for {nameless}"), "say `tls = { server_name = \"…\" }`");
        }
        let versions = [("http1", UpstreamProtocol::Http1), ("http2", UpstreamProtocol::Http2)];
        let protocol = section.value("protocol").and_then(|value| value.choice(&versions));
        let host = section.value("host").and_then(|value| host(&value));
        let max_connections = section.value("max_connections").and_then(|value| value.count(1..=65_536));
        let connect_timeout = section
            .value("connect_timeout")
            .and_then(|value| value.duration(Duration::from_millis(10)..=Duration::from_secs(60)));
        let identity_headers = section.value("identity_headers").and_then(|value| identity_headers(&value));
        let affinity = section.value("affinity").and_then(|value| affinity(&value));
        let probe = section.section("health").map(ProbeConfig::read);
        let reuse_after_body = section.value("reuse_after_body").and_then(|value| value.boolean());
        let names = names(section);
        section.finish();
        Some(Self {
            name: name?.into(),
            endpoints: endpoints?,
            tls,
            protocol: protocol.unwrap_or_default(),
            affinity,
            probe: probe.unwrap_or(None).map(|probe| with_host(probe, host.as_ref())),
            host: host.unwrap_or(HostHeader::Public),
            max_connections: max_connections.unwrap_or(512),
            connect_timeout: connect_timeout.unwrap_or(Duration::from_secs(2)),
            identity_headers: identity_headers.unwrap_or(IdentityHeaders::XAuthRequest),
            reuse_after_body: reuse_after_body.unwrap_or(true),
            names,
        })
    }
}

fn affinity(value: &Value<'_>) -> Option<Affinity> {
    value.parsed("\"principal\", or \"cookie:NAME\" with a cookie's name", "\"cookie:JSESSIONID\"", |text| {
        if text == "principal" {
            return Some(Affinity::Principal);
        }
        let name = text.strip_prefix("cookie:")?;
        // A token, as cookies' names are (RFC 6265 §4.1.1): the same as a header's.
        HeaderName::from_bytes(name.as_bytes()).ok().map(|_| Affinity::Cookie(name.to_owned()))
    })
}

/// A probe is sent the `Host` that requests are, if it is the same for all.
fn with_host(probe: ProbeConfig, host: Option<&HostHeader>) -> ProbeConfig {
    match (&probe.host, host) {
        (None, Some(HostHeader::Literal(host))) => ProbeConfig { host: Some(host.clone()), ..probe },
        (None, Some(HostHeader::Public | HostHeader::Endpoint) | None) | (Some(_), _) => probe,
    }
}

fn names(section: &Section<'_>) -> NameRules {
    let (by_case, windows) = (section.value("case_sensitive"), section.value("windows"));
    let says = |value: &Option<Value<'_>>| value.as_ref().and_then(Value::boolean).unwrap_or(false);
    match (says(&by_case), says(&windows), windows) {
        (true, true, Some(value)) => {
            value.problem("names on Windows are not told apart by case", "leave out `case_sensitive`");
            NameRules::Windows
        }
        (_, true, _) => NameRules::Windows,
        (true, false, _) => NameRules::ByCase,
        (false, false, _) => NameRules::AnyCase,
    }
}

fn endpoints(value: &Value<'_>) -> Option<Vec<Url>> {
    let listed = value.list(ENDPOINT)?;
    if listed.is_empty() {
        value.problem("`endpoints` is empty", format!("for example {ENDPOINT}"));
        return None;
    }
    if let Some(one_too_many) = listed.get(MOST_ENDPOINTS) {
        let message = format!("an upstream has at most {MOST_ENDPOINTS} endpoints");
        one_too_many.problem(message, "put a balancer before them, and name that");
        return None;
    }
    let mut read = Vec::with_capacity(listed.len());
    for one in &listed {
        let url = endpoint(one)?;
        if read.contains(&url) {
            one.problem("this endpoint is named twice", "leave one out: each is as likely to be chosen as the others");
            return None;
        }
        read.push(url);
    }
    Some(read)
}

fn endpoint(value: &Value<'_>) -> Option<Url> {
    if let Some(path) = value.text(ENDPOINT)?.strip_prefix("unix:") {
        return unix(value, path);
    }
    let url = value.url("\"http://127.0.0.1:9000\"")?;
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        let origin = url.origin().ascii_serialization();
        value.problem(
            "an endpoint is a scheme, a host and a port: paths go through as they are",
            format!("write {origin:?}"),
        );
        return None;
    }
    Some(url)
}

/// A socket of this machine. Its path is a plain one: it stands in an address, where much would be escaped.
fn unix(value: &Value<'_>, path: &str) -> Option<Url> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+@,=:".contains(&byte);
    let fits = path.starts_with('/') && !path.starts_with("//") && path.bytes().all(is_plain);
    if !fits || path.len() > LONGEST_SOCKET || path.split('/').any(|segment| matches!(segment, "." | "..")) {
        let message = format!(
            "the path of a socket is absolute, in letters, digits and `/._-+@,=:`, and has {LONGEST_SOCKET} bytes at most"
        );
        value.problem(message, "for example \"unix:/run/monolith.sock\"");
        return None;
    }
    Url::parse(&format!("unix:{path}")).ok()
}

fn host(value: &Value<'_>) -> Option<HostHeader> {
    value.parsed("\"public\", \"endpoint\" or a host name", "\"public\"", |text| match text {
        "public" => Some(HostHeader::Public),
        "endpoint" => Some(HostHeader::Endpoint),
        text => {
            let authority: http::uri::Authority = text.parse().ok()?;
            let plain = !text.contains('@') && !authority.host().is_empty();
            plain.then(|| HeaderValue::from_str(text).ok().map(HostHeader::Literal)).flatten()
        }
    })
}

fn identity_headers(value: &Value<'_>) -> Option<IdentityHeaders> {
    let Some(entries) = value.entries() else {
        return value.choice(&[
            ("x-auth-request", IdentityHeaders::XAuthRequest),
            ("x-forwarded", IdentityHeaders::XForwarded),
            ("remote-user", IdentityHeaders::RemoteUser),
        ]);
    };
    let mut named = NamedHeaders::default();
    for (fact, value) in entries {
        let place = match fact.text("user") {
            Some("user") => &mut named.user,
            Some("issuer") => &mut named.issuer,
            Some("kind") => &mut named.kind,
            Some("email") => &mut named.email,
            Some("name") => &mut named.name,
            Some("preferred_username") => &mut named.preferred_username,
            Some("groups") => &mut named.groups,
            Some(_) | None => {
                let forms = "for example { user = \"x-user\", email = \"x-email\" }";
                fact.problem(
                    "`identity_headers` can name `user`, `issuer`, `kind`, `email`, `name`, `preferred_username` and `groups`",
                    forms,
                );
                continue;
            }
        };
        *place = header(&value);
    }
    let headers = IdentityHeaders::Named(Box::new(named));
    let names: Vec<_> = headers.names().into_iter().flatten().collect();
    let twin = |(at, name): (usize, &HeaderName)| {
        names[..at].iter().find(|other| reserved::are_one(name.as_str(), other.as_str())).cloned()
    };
    if let Some(twin) = names.iter().enumerate().find_map(twin) {
        value.problem(
            format!("`{twin}` stands for two facts, to a service that folds names"),
            "give each a name of its own",
        );
    }
    Some(headers)
}

fn header(value: &Value<'_>) -> Option<HeaderName> {
    let name = value.parsed("a header name", "\"x-user\"", |text| HeaderName::from_bytes(text.as_bytes()).ok())?;
    if is_taken(name.as_str()) || name.as_str().contains('_') {
        value.problem(format!("`{name}` cannot carry an identity"), "choose a name of its own, such as \"x-user\"");
        return None;
    }
    Some(name)
}

/// Whether `name` spells one that means something to HTTP, to a framework that takes the method from it, or to us.
fn is_taken(name: &str) -> bool {
    RESERVED.iter().any(|taken| reserved::are_one(name, taken))
        || reserved::is_gateways(name)
        || reserved::is_framing(name)
        || reserved::is_hop_by_hop(name)
        || reserved::overrides_method(name)
}
