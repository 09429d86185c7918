//! Routes: who may pass where, how a request finds its route, and which addresses are safe to come back to.
//!
//! A route is found by path, host and method and by nothing else: not by query, fragment or a header of the client's.

pub mod cross_origin;
mod own_path;
mod return_to;
mod table;

use std::{sync::Arc, time::Duration};

use auth_core::policy::Requirement;
use http::{HeaderName, HeaderValue, Method};
use url::Url;

use crate::fault::ClientKind;

pub use cross_origin::{CrossOrigin, ListedOrigin};
pub use own_path::{DevicePath, OwnPath, ProblemWord};
pub use return_to::ReturnTo;
pub use table::{RouteTable, Target};

/// One path prefix, and who may pass there.
#[derive(Clone, Debug)]
pub struct Route {
    /// The prefix, of plain characters; it matches whole segments, and `/x/` also `/x`.
    pub path: String,
    /// The host, in its canonical form, if the route serves only one.
    pub host: Option<String>,
    /// The methods, if the route serves only some. `GET` brings `HEAD` with it.
    pub methods: Option<Vec<Method>>,
    /// Whether this route or another of its path and host names methods, so that the method decides who may pass and
    /// nothing in the request may name another. The table says so.
    pub by_method: bool,
    /// The name of its upstream; it exists.
    pub upstream: Arc<str>,
    /// Who may pass, and on how old a knowledge. Its id is the route's index in the configuration.
    pub requirement: Requirement,
    /// What to do when the upstream denies somebody we vouch for. Default dispute.
    pub on_denial: OnDenial,
    /// What the upstream's answers are; `None`: anything.
    pub expect: Option<Expect>,
    /// How long the upstream may take to its response head. Default 30 s, and 5 s where nobody but devices uses the route.
    pub response_timeout: Duration,
    /// How long a body may stand still, in either direction. Default 30 s.
    pub idle_body_timeout: Duration,
    /// How slow a client may be that occupies a place at the upstream, in bytes a second: at sending its body, and at taking
    /// the answer, averaged over `idle_body_timeout` of waiting for it. Default 256; 0: as slow as it likes.
    pub min_body_rate: u64,
    /// The upstream's own sign-in pages: a redirect there is a denial.
    pub login_paths: Vec<String>,
    /// Challenge schemes that are the application's own business, lower case; only where nobody but people may pass.
    /// Default none.
    pub own_challenges: Vec<String>,
    /// The largest request body, in bytes; `None`: any.
    pub max_body: Option<u64>,
    /// Who is asking, if the route knows better than the request's headers.
    pub client_kind: Option<RouteClientKind>,
    /// Whether shared caches may keep what is answered to somebody known. Default private.
    pub cache: Cache,
    /// Whether a request that may be repeated without harm is sent once more where the first attempt failed. Default yes.
    pub retry: bool,
    /// Whether `Authorization` goes upstream. Default no.
    pub forward_authorization: bool,
    /// Whether the person's access token, which their provider gave, goes upstream. Default no.
    pub forward_access_token: bool,
    /// Header names with `_` that go upstream, lower case.
    pub underscore_headers: Vec<HeaderName>,
    /// For which scripts of other origins it is. Default none: a preflight is a request like any other.
    pub cross_origin: Option<CrossOrigin>,
    /// Other pages than those of `public_url` that may open a WebSocket with a cookie. Default none.
    pub websocket_origins: Vec<Url>,
    /// Protocols besides WebSocket that a connection may be upgraded to, by their tokens. Default none.
    pub upgrades: Vec<HeaderValue>,
    /// How long nothing may move in a tunnel. Default 1 h.
    pub tunnel_idle_timeout: Duration,
}

impl Route {
    /// Whether a challenge of the application's own could pass here: nobody but people may use it, and it is not answered
    /// as devices are.
    pub fn may_have_own_challenges(&self) -> bool {
        self.requirement.is_for_people_only() && self.client_kind.is_none()
    }

    /// Whether nobody but devices uses it, as far as the configuration says.
    pub fn is_for_devices_only(&self) -> bool {
        self.client_kind == Some(RouteClientKind::Device) || self.requirement.is_for_devices_only()
    }

    /// Who asks on this route, of a request that by its head alone is `presumed`'s.
    pub fn client_kind(&self, presumed: ClientKind) -> ClientKind {
        if self.is_for_devices_only() { ClientKind::Device } else { presumed }
    }

    /// Who asks, where another proxy asks about a request on this route. A display stays one: it is shown what its proxy
    /// is told.
    pub fn client_kind_by_proxy(&self) -> ClientKind {
        #[cfg(candor_mutants)]
        if auth_core::mutants::is("verify-forgets-who-asks") {
            return ClientKind::ForwardAuth;
        }
        self.client_kind(ClientKind::ForwardAuth)
    }
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
}

/// What shared caches may keep of what is answered to somebody known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cache {
    /// Nothing: such answers leave with `Cache-Control: private`.
    Private,
    /// What the upstream says: its answers are the same for everybody.
    Pass,
}

/// A kind of client that a route names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouteClientKind {
    /// A display or another device.
    Device,
}

#[cfg(test)]
pub(crate) mod tests {
    use auth_core::{
        policy::{Allow, MaxStale, RequirementId},
        principal::Kind,
        refusal_guard::Harm,
    };

    use super::*;

    /// A route for everything, with the defaults of the configuration.
    pub(crate) fn route(allow: &[Allow]) -> Route {
        Route {
            path: "/".to_owned(),
            host: None,
            methods: None,
            by_method: false,
            upstream: "monolith".into(),
            requirement: Requirement::new(RequirementId(0), allow.to_vec(), MaxStale::DEFAULT),
            on_denial: OnDenial::Dispute,
            expect: None,
            response_timeout: Duration::from_secs(30),
            idle_body_timeout: Duration::from_secs(30),
            min_body_rate: 256,
            login_paths: Vec::new(),
            own_challenges: Vec::new(),
            max_body: None,
            client_kind: None,
            cache: Cache::Private,
            retry: true,
            forward_authorization: false,
            forward_access_token: false,
            underscore_headers: Vec::new(),
            cross_origin: None,
            websocket_origins: Vec::new(),
            upgrades: Vec::new(),
            tunnel_idle_timeout: Duration::from_secs(3600),
        }
    }

    const USER: Allow = Allow::kind(Kind::User);
    const DEVICE: Allow = Allow::kind(Kind::Device);

    #[test]
    fn the_route_may_know_better_who_asks() {
        let (browser, script) = (ClientKind::Browser, ClientKind::Script);
        assert_eq!(route(&[USER]).client_kind(browser), ClientKind::Browser);
        assert_eq!(route(&[USER]).client_kind(script), ClientKind::Script);
        assert_eq!(route(&[DEVICE]).client_kind(browser), ClientKind::Device);
        assert_eq!(route(&[DEVICE, USER]).client_kind(browser), ClientKind::Browser);
        let told = Route { client_kind: Some(RouteClientKind::Device), ..route(&[USER]) };
        assert_eq!(told.client_kind(browser), ClientKind::Device);
        assert_eq!(told.client_kind(browser).harm(), Harm::Destroys);
        assert_eq!(route(&[USER]).client_kind(browser).harm(), Harm::None);
    }

    #[test]
    fn another_proxy_asks_for_itself_except_for_a_display() {
        assert_eq!(route(&[USER]).client_kind_by_proxy(), ClientKind::ForwardAuth);
        let told = Route { client_kind: Some(RouteClientKind::Device), ..route(&[USER]) };
        assert_eq!(told.client_kind_by_proxy(), ClientKind::Device);
        assert_eq!(route(&[DEVICE]).client_kind_by_proxy(), ClientKind::Device);
    }
}
