//! The checks that look at more than one section: each says something sensible, and together they do not.

mod admin;
mod devices;
mod known;

use std::net::{IpAddr, SocketAddr};

use auth_core::{
    idp::ResponseMode,
    policy::{Allow, Attribute},
    principal::{Kind, UserClaim},
};
use http::Method;
use url::{Host, Url};

use super::{
    devices::WrittenDevices,
    file::{Section, nearest},
    issuers::{BearerConfig, IdentityConfig},
    routes::{Cache, OnDenial, Written},
    server::{ForwardAuthConfig, ServerConfig, WrittenAdmin},
    upstreams::{IdentityHeaders, UpstreamConfig},
    value::Value,
};
use crate::{headers::reserved::Reserved, request::path::NameRules};

/// What is compared: each part with where it stands. What could not be read is a problem already, and counts as there.
pub(super) struct Parts<'p, 'a> {
    pub(super) own_prefix: &'p str,
    pub(super) server: Option<&'p ServerConfig>,
    pub(super) admin: (&'p WrittenAdmin<'a>, &'p Section<'a>),
    pub(super) devices: Option<&'p WrittenDevices<'a>>,
    pub(super) forward_auth: Option<(&'p ForwardAuthConfig, &'p Section<'a>)>,
    pub(super) identity: &'p [(Option<IdentityConfig>, Section<'a>)],
    pub(super) bearer: &'p [(Option<BearerConfig>, Section<'a>)],
    pub(super) upstreams: &'p [(Option<UpstreamConfig>, Section<'a>, Value<'a>)],
    /// All of them, also those that could not be read.
    pub(super) upstream_names: Vec<&'a str>,
    pub(super) routes: &'p [Written<'a>],
}

impl Parts<'_, '_> {
    /// Reports everything that does not fit together.
    pub(super) fn check(&self) {
        self.listeners();
        self.issuers();
        self.user_claims();
        self.upstreams();
        self.devices();
        self.administrators();
        for (index, written) in self.routes.iter().enumerate() {
            self.upstream_exists(&written.route.upstream, &written.upstream);
            self.is_reached(index, written);
            self.has_one_reading(written);
            self.carries_no_identity(written);
            self.can_be_met(written);
            self.is_one_issuers(written.allowed.iter().zip(&written.allowed_at));
            self.is_on_the_public_host(written);
            own_challenges_apply(written);
            self.access_tokens_exist(written);
            if let Some(value) = written.cache.as_ref().filter(|_| written.route.cache == Cache::Pass)
                && !written.route.requirement.is_open()
            {
                let instead = "leave it out, unless what is here is no secret";
                value.warning("a shared cache may give these answers to people who may not pass here", instead);
            }
            if written.route.on_denial == OnDenial::Pass
                && !written.allowed.contains(&Allow::Anyone)
                && let Some(value) = &written.on_denial
            {
                let instead = "leave it out, unless this upstream knows better than the gateway who may pass";
                value.warning("a 401 from this upstream reaches people whose sign-in is good", instead);
            }
        }
    }

    /// An access token that is handed on is that of somebody who signed in.
    fn access_tokens_exist(&self, written: &Written<'_>) {
        let Some(value) = written.forward_access_token.as_ref().filter(|_| written.route.forward_access_token) else {
            return;
        };
        let requirement = &written.route.requirement;
        if requirement.is_open() {
            let instead = "give what is for people a route of its own";
            value.problem("where anyone may pass nobody waits for an access token", instead);
        } else if !requirement.may_allow(Kind::User) || !self.people_can_sign_in() {
            value.problem("nobody who signs in passes here, and others have no access token", "leave it out");
        }
    }

    fn people_can_sign_in(&self) -> bool {
        !self.identity.is_empty()
    }

    fn listeners(&self) {
        let public = self.server.map(|server| &server.listen[..]).unwrap_or_default();
        let (WrittenAdmin { config: admin, .. }, section) = self.admin;
        if let Some(public) = public.iter().find(|public| clash(**public, admin.listen)) {
            let message = format!("the admin listener {} and the public one {public} are the same", admin.listen);
            section.problem(message, Some("give it a port of its own, not reachable from outside".to_owned()));
        }
        let Some((forward_auth, section)) = self.forward_auth else { return };
        for listen in &forward_auth.listen {
            let taken = public.iter().map(|public| (public, "public")).chain([(&admin.listen, "admin")]);
            for (other, whose) in taken.filter(|(other, _)| clash(**other, *listen)) {
                let message = format!("the forward-auth listener {listen} and the {whose} one {other} are the same");
                section.problem(message, Some("give it a port of its own, that only your proxy reaches".to_owned()));
            }
        }
        if self.server.is_some_and(|server| server.trusted_proxies.is_empty()) {
            let message = "nobody may ask on the forward-auth listener: there are no `trusted_proxies`".to_owned();
            section.warning(message, "name the proxy that asks there in `server.trusted_proxies`");
        }
    }

    fn issuers(&self) {
        for (index, (identity, section)) in self.identity.iter().enumerate() {
            let same = |other: &Option<IdentityConfig>| names(other) == names(identity) && identity.is_some();
            if self.identity[..index].iter().any(|(other, _)| same(other)) {
                section.problem("another [[identity]] has the same name".to_owned(), Some("rename one".to_owned()));
            }
            if let (Some(identity), Some(server)) = (identity, self.server)
                && identity.response_mode == ResponseMode::FormPost
                && !cookie_comes_back(&server.public_url, &identity.issuer)
            {
                let message =
                    "over http, browsers send no cookie along with a form_post: nobody can sign in".to_owned();
                section.warning(message, "use https, or response_mode = \"query\"");
            }
            // What is known of an issuer is known once: two ways to it would mean that one is silently not taken.
            let way = |it: &IdentityConfig| (it.ca.clone(), it.discovery_url.clone(), it.endpoint_hosts.clone());
            let earlier = self.identity[..index].iter().filter_map(|(other, _)| other.as_ref());
            if let Some(identity) = identity
                && earlier.filter(|it| it.issuer == identity.issuer).any(|it| way(it) != way(identity))
            {
                let instead = "give both the same `ca`, `discovery_url` and `endpoint_hosts`".to_owned();
                section
                    .problem("another [[identity]] reaches the same issuer in another way".to_owned(), Some(instead));
            }
        }
        for (index, (bearer, section)) in self.bearer.iter().enumerate() {
            let Some(bearer) = bearer else { continue };
            let one_name = |other: &str| bearer.name.as_deref() == Some(other);
            let of_another = |it: &IdentityConfig| one_name(&it.name) && it.issuer != bearer.issuer;
            let earlier = self.bearer[..index].iter().filter_map(|(other, _)| other.as_ref()?.name.as_deref());
            if earlier.into_iter().any(one_name)
                || self.identity.iter().any(|(it, _)| it.as_ref().is_some_and(of_another))
            {
                section.problem("another issuer has the same name".to_owned(), Some("rename one".to_owned()));
            }
            let same = |other: &Option<BearerConfig>| other.as_ref().is_some_and(|other| other.issuer == bearer.issuer);
            if self.bearer[..index].iter().any(|(other, _)| same(other)) {
                let instead = "keep one, with the audiences of both".to_owned();
                section.problem("another [[bearer]] has the same issuer".to_owned(), Some(instead));
            }
            let asked_too = |(other, _): &(Option<BearerConfig>, _)| {
                other.as_ref().is_some_and(|other| other.introspection.is_some())
            };
            if bearer.introspection.is_some() && self.bearer[..index].iter().any(asked_too) {
                let instead =
                    "leave `introspection` to one: a token that nobody here can read does not say whose it is";
                section.problem("another [[bearer]] has `introspection` already".to_owned(), Some(instead.to_owned()));
            }
            if bearer.introspection.is_some() && self.devices_of_before_are_bearers() {
                let instead = "have devices of before show their tokens in another field (`legacy.header`), or leave \
                               `introspection` out: they would erase themselves if the issuer were asked about them";
                let what = "an opaque token in `Authorization` could be the issuer's or a device's of before";
                section.problem(what.to_owned(), Some(instead.to_owned()));
            }
            let signs_people_in = |(identity, _): &(Option<IdentityConfig>, _)| {
                let same = identity.as_ref().filter(|identity| identity.issuer == bearer.issuer);
                same.is_some_and(|identity| bearer.audience.iter().any(|audience| **audience == *identity.client_id))
            };
            if self.identity.iter().any(signs_people_in) {
                let instead = "register an application of its own for the API, and name that in `audience`";
                section.warning("tokens that people sign in with could pass as access tokens".to_owned(), instead);
            }
        }
    }

    /// Whether everybody has one name at the services, and no two people the same.
    fn user_claims(&self) {
        let several = self.issuers_of(None).len() > 1;
        for (index, (identity, section)) in self.identity.iter().enumerate() {
            let Some(identity) = identity else { continue };
            let mut earlier = self.identity[..index].iter().filter_map(|(other, _)| other.as_ref());
            if earlier.any(|it| it.issuer == identity.issuer && it.user_claim != identity.user_claim) {
                let message = "another [[identity]] of the same issuer has another `user_claim`".to_owned();
                section.problem(message, Some("give both the same: a person has one name".to_owned()));
            }
            if several && identity.user_claim != UserClaim::Subject {
                let message = format!("another issuer may state the same `{}` of somebody else", identity.user_claim);
                section.warning(message, "have services read the issuer too, or take one issuer only");
            }
        }
        for (bearer, section) in self.bearer {
            let Some(bearer) = bearer.as_ref().filter(|it| it.kind == Kind::User) else { continue };
            let mut identities = self.identity.iter().filter_map(|(it, _)| it.as_ref());
            if identities.any(|it| it.issuer == bearer.issuer && it.user_claim != bearer.user_claim) {
                let message = "the [[identity]] of the same issuer has another `user_claim`".to_owned();
                section.warning(message, "give both the same, or services take one person for two");
            }
            if several && bearer.user_claim != UserClaim::Subject {
                let message = format!("another issuer may state the same `{}` of somebody else", bearer.user_claim);
                section.warning(message, "have services read the issuer too, or take one issuer only");
            }
        }
    }

    fn upstreams(&self) {
        for (upstream, section, name) in self.upstreams {
            let name = name.key();
            if !self.routes.iter().any(|written| *written.route.upstream == *name) {
                section.warning(format!("no route leads to the upstream `{name}`"), "add one, or leave it out");
            }
            if let Some(UpstreamConfig { identity_headers: IdentityHeaders::Named(named), .. }) = upstream
                && named.user.is_some()
                && named.issuer.is_none()
                && self.issuers_of(None).len() > 1
            {
                let instead = "name a header for `issuer` too: a subject means nothing without who vouches for it";
                section.warning(format!("`{name}` cannot tell subjects of several issuers apart"), instead);
            }
            let public = self.server.map(|server| &server.listen[..]).unwrap_or_default();
            let listens = || public.iter().chain(self.forward_auth.iter().flat_map(|(it, _)| &it.listen));
            for endpoint in upstream.iter().flat_map(|upstream| &upstream.endpoints) {
                if literal(endpoint).is_some_and(|at| listens().any(|listen| clash(*listen, at))) {
                    let instead = "name the service's own address".to_owned();
                    section.problem(format!("the endpoint {endpoint} is the gateway itself"), Some(instead));
                }
            }
        }
    }

    fn upstream_exists(&self, named: &str, at: &Value<'_>) {
        let names = &self.upstream_names;
        if names.contains(&named) {
            return;
        }
        let suggestion = match (nearest(named, names), &names[..]) {
            (Some(near), _) => format!("did you mean {near:?}?"),
            (None, []) => format!("add [upstreams.{named}]"),
            (None, names) => format!("the upstreams are {}", names.join(", ")),
        };
        at.problem(format!("there is no upstream {named:?}"), suggestion);
    }

    /// Whether some request can find this route: no earlier one is the same, and it is not the gateway's own.
    fn is_reached(&self, index: usize, written: &Written<'_>) {
        let route = &written.route;
        if within(&route.path, self.own_prefix) {
            let instead = format!("choose a path outside {}, or another `own_prefix`", self.own_prefix);
            written.path.problem("the gateway's own paths shadow this route: it is never reached", instead);
        }
        for other in self.routes[..index].iter().map(|written| &written.route).filter(|other| other.host == route.host)
        {
            let (one, two) = (trimmed(&other.path), trimmed(&route.path));
            if one != two
                && one.eq_ignore_ascii_case(two)
                && !(self.by_case(&other.upstream) && self.by_case(&route.upstream))
            {
                let instead = "write both alike, or set `case_sensitive = true` on the upstream if it tells them apart";
                written
                    .path
                    .warning(format!("{:?} differs only by case: requests to either are refused", other.path), instead);
            }
            let shared = if one == two { overlap(other.methods.as_deref(), route.methods.as_deref()) } else { None };
            if let Some(shared) = shared {
                let at =
                    if shared.is_empty() { &written.path } else { written.methods.as_ref().unwrap_or(&written.path) };
                at.problem(
                    format!("another route serves {:?} already{shared}", route.path),
                    "remove one, or tell them apart by `host` or by `methods` that do not overlap",
                );
            }
        }
    }

    fn by_case(&self, upstream: &str) -> bool {
        self.names(upstream) == NameRules::ByCase
    }

    fn names(&self, upstream: &str) -> NameRules {
        let named = |it: &&UpstreamConfig| *it.name == *upstream;
        self.upstreams.iter().filter_map(|(it, ..)| it.as_ref()).find(named).map(|it| it.names).unwrap_or_default()
    }

    /// Whether a service on Windows takes the route's path for what it says.
    fn has_one_reading(&self, written: &Written<'_>) {
        if written.route.path.contains([':', '~']) && self.names(&written.route.upstream) == NameRules::Windows {
            let instead = "choose a path without `:` and `~`, or leave out `windows` if the service is not there";
            written.path.problem("Windows reads a `:` as the start of a stream, and a `~` as a short name", instead);
        }
    }

    /// Whether a field that passes with its `_` could be taken for one that says who is asking.
    fn carries_no_identity(&self, written: &Written<'_>) {
        let upstreams = self.upstreams.iter().filter_map(|(it, ..)| it.as_ref());
        let ours = Reserved::with(upstreams.flat_map(|it| it.identity_headers.names()).flatten());
        let taken = written.route.underscore_headers.iter().find(|name| ours.covers(name.as_str()));
        if let (Some(name), Some(value)) = (taken, &written.underscore_headers) {
            let instead = "leave it out: requests with it are refused";
            value.problem(format!("`{name}` spells a name by which an upstream is told who is asking"), instead);
        }
    }

    /// People come with a cookie that only the public host gets.
    fn is_on_the_public_host(&self, written: &Written<'_>) {
        let route = &written.route;
        let public = self.server.and_then(|server| server.public_url.host_str());
        let (Some(value), Some(host), Some(public)) = (&written.host, route.host.as_deref(), public) else { return };
        if host == public || !self.people_can_sign_in() || !names_people(&written.allowed) {
            return;
        }
        let message = format!("people cannot be known on {host}: their cookie is only for {public}");
        let by_name =
            |allow: &Allow| matches!(allow, Allow::Known { is: Attribute::Kind(Kind::User) | Attribute::Group(_), .. });
        if written.allowed.iter().any(by_name) {
            value.problem(message, format!("write host = {public:?}, or leave it out"));
        } else {
            value.warning(message, "only programs can pass here");
        }
    }
}

/// Whether a challenge of the application's own could ever pass: a setting without effect is a mistake.
fn own_challenges_apply(written: &Written<'_>) {
    let Some(value) = written.own_challenges.as_ref().filter(|_| !written.route.own_challenges.is_empty()) else {
        return;
    };
    if !written.route.may_have_own_challenges() {
        let message = "a challenge passes only where nobody but people may go: never on this route";
        let instead = "leave it out; where the service needs `Authorization`, write forward_authorization = true";
        value.problem(message, instead);
    }
}

/// Whether people could be among those allowed, other than as anyone.
fn names_people(allowed: &[Allow]) -> bool {
    allowed.iter().any(|allow| match allow {
        Allow::Known { is, from: _ } => is.may_be(Kind::User),
        Allow::Anyone => false,
    })
}

fn names(identity: &Option<IdentityConfig>) -> Option<&str> {
    identity.as_ref().map(|identity| &*identity.name)
}

/// The methods that two routes of one place both name, to be said after "already"; `None` if one can tell them apart.
fn overlap(one: Option<&[Method]>, other: Option<&[Method]>) -> Option<String> {
    match (one, other) {
        (None, None) => Some(String::new()),
        // A route that names the method goes before one that takes all.
        (None, Some(_)) | (Some(_), None) => None,
        (Some(one), Some(other)) => {
            let shared: Vec<&str> = other.iter().filter(|method| one.contains(method)).map(Method::as_str).collect();
            (!shared.is_empty()).then(|| format!(" for {}", shared.join(", ")))
        }
    }
}

/// Whether the cookie of a sign-in comes back with a form that `issuer`'s page sends: a cookie that crosses sites must be
/// `Secure`.
fn cookie_comes_back(public_url: &Url, issuer: &str) -> bool {
    let same_site = |issuer: Url| issuer.scheme() == "http" && issuer.host() == public_url.host();
    public_url.scheme() == "https" || Url::parse(issuer).is_ok_and(same_site)
}

/// Whether two listeners cannot both have their address. Port 0 is always another port.
fn clash(one: SocketAddr, other: SocketAddr) -> bool {
    let everywhere = one.ip().is_unspecified() || other.ip().is_unspecified();
    one.port() == other.port() && one.port() != 0 && (one.ip() == other.ip() || everywhere)
}

/// The socket address that an address names without asking a resolver.
fn literal(url: &Url) -> Option<SocketAddr> {
    let ip = match url.host()? {
        Host::Ipv4(ip) => IpAddr::V4(ip),
        Host::Ipv6(ip) => IpAddr::V6(ip),
        Host::Domain(_) => return None,
    };
    Some(SocketAddr::new(ip, url.port_or_known_default()?))
}

/// Whether every path under `path` is one of the gateway's own.
fn within(path: &str, own_prefix: &str) -> bool {
    path.strip_prefix(own_prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// `/x/` also matches `/x`: they are one place.
fn trimmed(path: &str) -> &str {
    path.trim_end_matches('/')
}
