//! `[[routes]]`: who may pass where.

use std::time::Duration;

use auth_core::policy::{Allow, MaxStale, Requirement, RequirementId};
use http::{HeaderName, HeaderValue, Method, uri::PathAndQuery};
use url::Url;

use super::{allow, file::Section, issuer_names::IssuerNames, value::Value};
pub use crate::route::{Cache, Expect, OnDenial, Route, RouteClientKind};
use crate::{
    headers::reserved::{self, Reserved},
    request::path::CanonicalPath,
    route::CrossOrigin,
};

/// What one `[[routes]]` says, and where, for the checks that look at more than one section.
pub(super) struct Written<'a> {
    pub(super) route: Route,
    pub(super) allowed: Vec<Allow>,
    /// Where each of these stands.
    pub(super) allowed_at: Vec<Value<'a>>,
    pub(super) path: Value<'a>,
    pub(super) upstream: Value<'a>,
    pub(super) allow: Value<'a>,
    pub(super) host: Option<Value<'a>>,
    pub(super) methods: Option<Value<'a>>,
    pub(super) on_denial: Option<Value<'a>>,
    pub(super) underscore_headers: Option<Value<'a>>,
    pub(super) own_challenges: Option<Value<'a>>,
    pub(super) cache: Option<Value<'a>>,
    pub(super) forward_access_token: Option<Value<'a>>,
}

const MONTH: Duration = Duration::from_secs(30 * 24 * 3600);
const HOUR: Duration = Duration::from_secs(3600);

impl<'a> Written<'a> {
    /// Reads one `[[routes]]`, the `index`th; `None` if something that has no default is missing or wrong, or if what
    /// tells it from other routes is: it would seem to be one of those.
    pub(super) fn read(index: u32, section: &Section<'a>, named: &IssuerNames) -> Option<Self> {
        let path_value = section.required("path", "\"/\"");
        let upstream_value = section.required("upstream", "\"monolith\"");
        let allow_value = section.required("allow", allow::EXAMPLE);
        let (host_value, methods_value) = (section.value("host"), section.value("methods"));
        let (on_denial_value, own_challenges_value) = (section.value("on_denial"), section.value("own_challenges"));
        let cache_value = section.value("cache");
        let access_token_value = section.value("forward_access_token");
        let underscore_value = section.value("underscore_headers");
        let timeout = |key| section.value(key).and_then(|value| value.duration(Duration::from_millis(10)..=HOUR));
        let (response_timeout, idle_body_timeout) = (timeout("response_timeout"), timeout("idle_body_timeout"));
        let path = path_value.as_ref().and_then(path);
        let upstream = upstream_value.as_ref().and_then(|value| value.text("\"monolith\""));
        let allowed = allow_value.as_ref().and_then(|value| allow::read(value, named));
        let on_denial = on_denial_value
            .as_ref()
            .and_then(|value| value.choice(&[("dispute", OnDenial::Dispute), ("pass", OnDenial::Pass)]));
        let flag = |key| section.value(key).and_then(|value| value.boolean()).unwrap_or(false);
        let max_stale = section.value("max_stale").and_then(|value| value.duration(Duration::ZERO..=MONTH));
        let max_stale = max_stale.map_or(MaxStale::DEFAULT, MaxStale::all);
        let (allowed, allowed_at): (Vec<_>, Vec<_>) = allowed.unwrap_or_default().into_iter().unzip();
        let mut route = Route {
            path: path.unwrap_or_default(),
            host: host_value.as_ref().and_then(host),
            methods: methods_value.as_ref().and_then(methods),
            by_method: false,
            upstream: upstream.unwrap_or_default().into(),
            requirement: Requirement::new(RequirementId(index), allowed.clone(), max_stale),
            on_denial: on_denial.unwrap_or(OnDenial::Dispute),
            expect: section.value("expect").and_then(|value| value.choice(&[("json", Expect::Json)])),
            response_timeout: response_timeout.unwrap_or(Duration::from_secs(30)),
            idle_body_timeout: idle_body_timeout.unwrap_or(Duration::from_secs(30)),
            min_body_rate: section.value("min_body_rate").and_then(|value| value.size(0..=1 << 30)).unwrap_or(256),
            login_paths: section
                .value("login_paths")
                .and_then(|value| value.each("[\"/accounts/login\"]", login_path))
                .unwrap_or_default(),
            own_challenges: own_challenges_value
                .as_ref()
                .and_then(|value| value.each("[\"Basic\"]", challenge))
                .unwrap_or_default(),
            max_body: section.value("max_body").and_then(|value| value.size(0..=1 << 50)),
            client_kind: client_kind(section),
            cache: cache_value
                .as_ref()
                .and_then(|value| value.choice(&[("private", Cache::Private), ("pass", Cache::Pass)]))
                .unwrap_or(Cache::Private),
            retry: section.value("retry").and_then(|value| value.boolean()).unwrap_or(true),
            forward_authorization: flag("forward_authorization"),
            forward_access_token: access_token_value.as_ref().and_then(Value::boolean).unwrap_or(false),
            underscore_headers: underscore_value
                .as_ref()
                .and_then(|value| value.each("[\"x_legacy\"]", underscore_header))
                .unwrap_or_default(),
            cross_origin: None,
            websocket_origins: section
                .value("websocket_origins")
                .and_then(|value| value.each("[\"https://wall.example.com\"]", websocket_origin))
                .unwrap_or_default(),
            upgrades: section
                .value("upgrades")
                .and_then(|value| value.each("[\"example/1\"]", upgrade))
                .unwrap_or_default(),
            tunnel_idle_timeout: section
                .value("tunnel_idle_timeout")
                .and_then(|value| value.duration(Duration::from_millis(10)..=24 * HOUR))
                .unwrap_or(HOUR),
        };
        if response_timeout.is_none() && route.is_for_devices_only() {
            // A display that waits for longer shows nothing meanwhile.
            route.response_timeout = Duration::from_secs(5);
        }
        route.cross_origin = cross_origin(section, &route);
        section.finish();
        if route.path.is_empty() || route.upstream.is_empty() || allowed.is_empty() {
            return None;
        }
        if route.host.is_some() != host_value.is_some() || route.methods.is_some() != methods_value.is_some() {
            return None;
        }
        Some(Self {
            route,
            allowed,
            allowed_at,
            path: path_value?,
            upstream: upstream_value?,
            allow: allow_value?,
            host: host_value,
            methods: methods_value,
            on_denial: on_denial_value,
            underscore_headers: underscore_value,
            own_challenges: own_challenges_value,
            cache: cache_value,
            forward_access_token: access_token_value,
        })
    }
}

/// For which scripts of other origins `route` is: `cors` and `cors_origins`, which belong together.
fn cross_origin(section: &Section<'_>, route: &Route) -> Option<CrossOrigin> {
    const ORIGINS: &str = "[\"https://app.example.com\"]";
    let (passes, listed) = (section.value("cors"), section.value("cors_origins"));
    let passes_value = passes.as_ref().and_then(|value| value.choice(&[("pass", ())]));
    match (&passes, &listed) {
        (Some(passes), None) => {
            let why = "`cors` needs `cors_origins`: our own answers are for the scripts of those alone";
            passes.problem(why, format!("name them, for example cors_origins = {ORIGINS}"));
        }
        (None, Some(listed)) => listed.problem("`cors_origins` does nothing by itself", "write cors = \"pass\" too"),
        (Some(_), Some(_)) | (None, None) => {}
    }
    let origins = listed?.each(ORIGINS, origin)?;
    passes_value.map(|()| CrossOrigin::new(route, origins))
}

/// An origin as browsers name it: a scheme, a host and perhaps a port.
fn origin(value: &Value<'_>) -> Option<HeaderValue> {
    let url = value.url("\"https://app.example.com\"")?;
    let origin = url.origin().ascii_serialization();
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        value.problem("an origin is a scheme and a host, nothing more", format!("write {origin:?}"));
        return None;
    }
    HeaderValue::from_str(&origin).ok()
}

/// In which form clients of the route are answered. `asker` is the key's former name, and still read.
fn client_kind(section: &Section<'_>) -> Option<RouteClientKind> {
    let (named, formerly) = (section.value("client_kind"), section.value("asker"));
    if let (Some(_), Some(formerly)) = (&named, &formerly) {
        formerly.problem("`asker` is the former name of `client_kind`, which is here too", "leave out `asker`");
    }
    named.or(formerly).and_then(|value| value.choice(&[("device", RouteClientKind::Device)]))
}

/// A prefix that has one reading: what a request must spell to reach it cannot be in doubt.
pub(super) fn path(value: &Value<'_>) -> Option<String> {
    let text = value.text("\"/app/\"")?;
    let dots = text.split('/').any(|segment| matches!(segment, "." | ".."));
    let plain = text.bytes().all(|byte| byte.is_ascii_graphic() && !b"%;\\?*#\"<>^`{|}".contains(&byte));
    if text.starts_with('/') && !text.contains("//") && !dots && plain && has_one_reading(text) {
        return Some(text.to_owned());
    }
    let instead = if text.starts_with('/') && plain && text.contains([':', '.']) && !dots {
        "a segment that ends in a dot, or holds `:$`, is another one to some readers".to_owned()
    } else if text.contains('%') {
        "write it as it reads when decoded, in plain characters".to_owned()
    } else if text.contains(['*', '?']) {
        "a path is a prefix already: leave out the pattern".to_owned()
    } else {
        let plain: Vec<&str> = text.split('/').filter(|segment| !matches!(*segment, "" | "." | "..")).collect();
        format!("for example \"/{}\"", plain.join("/").escape_default())
    };
    value.problem(format!("{text:?} is not a canonical path"), instead);
    None
}

fn has_one_reading(path: &str) -> bool {
    let target = PathAndQuery::try_from(path).ok();
    target.and_then(|target| CanonicalPath::read(&target).ok()).is_some_and(|path| path.readings().count() == 1)
}

fn host(value: &Value<'_>) -> Option<String> {
    value.parsed("a host name, without a port", "\"api.example.com\"", |text| {
        let plain = !text.contains(['/', '@', '*', '%']) && (!text.contains(':') || text.starts_with('['));
        let host = url::Host::parse(text).ok().filter(|_| plain)?.to_string();
        crate::request::host::canonical(&host)
    })
}

fn methods(value: &Value<'_>) -> Option<Vec<Method>> {
    let example = "[\"GET\", \"HEAD\"]";
    let methods = value.each(example, |one| {
        one.parsed("a method, in capitals", "\"GET\"", |text| {
            let capitals = text.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-');
            Method::from_bytes(text.as_bytes()).ok().filter(|method| capitals && *method != Method::CONNECT)
        })
    })?;
    if value.list(example)?.is_empty() {
        value.problem("`methods` is empty: the route would serve nothing", "leave it out for every method");
    }
    Some(methods)
}

fn login_path(value: &Value<'_>) -> Option<String> {
    value.parsed("a path", "\"/accounts/login\"", |text| text.starts_with('/').then(|| text.to_owned()))
}

fn challenge(value: &Value<'_>) -> Option<String> {
    let scheme = value.parsed("an authentication scheme", "\"Basic\"", |text| {
        text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-').then(|| text.to_ascii_lowercase())
    })?;
    if matches!(&*scheme, "ntlm" | "negotiate") {
        let why = "it signs in a connection, and connections to upstreams are shared between people";
        value.warning(format!("{scheme} does not work through the gateway: {why}"), "use another scheme there");
    }
    Some(scheme)
}

/// A page's scheme, host and port.
fn websocket_origin(value: &Value<'_>) -> Option<Url> {
    let url = value.url("\"https://wall.example.com\"")?;
    if !url.origin().is_tuple() || url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        value.problem("an origin is a scheme and a host, nothing more", "for example \"https://wall.example.com\"");
        return None;
    }
    Some(url)
}

/// A protocol that is nobody's to judge once it is spoken: not one whose requests would pass unjudged.
fn upgrade(value: &Value<'_>) -> Option<HeaderValue> {
    let token = value.parsed("a protocol's token", "\"example/1\"", |text| {
        let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~/".contains(&byte));
        HeaderValue::from_str(text).ok().filter(|_| plain && !text.is_empty())
    })?;
    let name = token.to_str().unwrap_or_default().split('/').next().unwrap_or_default().to_ascii_lowercase();
    match name.as_str() {
        "h2c" | "h2" | "http" | "tls" => {
            let why = "requests would pass in it that nobody has judged";
            value.problem(format!("{token:?} cannot be upgraded to: {why}"), "leave it out");
            None
        }
        "websocket" => {
            value.problem("`websocket` passes on every route", "leave it out");
            None
        }
        _ => Some(token),
    }
}

fn underscore_header(value: &Value<'_>) -> Option<HeaderName> {
    let name = value.parsed("a header name with `_`", "\"x_legacy\"", |text| {
        HeaderName::from_bytes(text.as_bytes()).ok().filter(|name| name.as_str().contains('_'))
    })?;
    if Reserved::default().covers(name.as_str()) || reserved::is_disguised(name.as_str()) {
        value.problem(
            format!("`{name}` spells a name that is the gateway's to set"),
            "leave it out: requests with it are refused",
        );
        return None;
    }
    Some(name)
}
