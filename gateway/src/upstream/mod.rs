//! Sending a request on, and judging what comes back.
//!
//! Forwarding takes a [`Permit`], as an argument; what comes back is [`VettedResponse`] or a [`Fault`]. This module does not
//! know how either is shown. A 101 to an upgrade that was asked for becomes a [`Tunnel`]; any other upgrade goes on as a
//! plain request.

pub mod address;
mod affinity;
mod attempt_report;
mod attempts;
mod choice;
mod connection;
mod endpoint;
mod exchange;
mod health;
mod http2;
pub mod identity_fields;
pub mod legacy_authority;
mod metrics;
mod pool;
mod probe;
pub mod request_fields;
pub mod response_fields;
pub(crate) mod shared_cache;
pub mod signed_identity;
mod socket;
mod stream;
mod tls;
mod tunnel;
mod vetting;

use std::{
    collections::BTreeMap,
    rc::Rc,
    sync::{Arc, atomic::AtomicUsize},
};

use auth_core::{
    Now,
    policy::{Holder, Permit},
};
use http::{Extensions, HeaderMap, HeaderValue, Request, StatusCode, Uri, Version, header, request, response};
use hyper::{body::Body as _, upgrade::OnUpgrade};
use ipnet::IpNet;
use tokio::time::timeout;
use url::Url;

pub use address::Resolver;
pub use endpoint::Endpoints;
pub use pool::Pools;
pub use tunnel::{CLOSE_WITHIN, Tunnel, TunnelEnd, TunnelOutcome, keep_alive};
pub use vetting::VettedResponse;

use self::{
    affinity::AffinityKey,
    attempts::{Answered, Switched},
    endpoint::Endpoint,
    exchange::{Deadlines, Exchange},
    identity_fields::IdentityFields,
    metrics::UpstreamMetrics,
    request_fields::{RequestFields, to_upstream},
    response_fields::{ResponseFields, from_upstream},
    signed_identity::IdentitySigner,
    tunnel::UpgradeRequest,
    vetting::{UnvettedResponse, VettedHead},
};
use crate::{
    body::{Body, MinRate, Received, Upload, Watch},
    config::{self, Affinity, Config, UpstreamProtocol, site::Site},
    fault::{Fault, FaultContext},
    headers::{CookieNames, grpc, reserved::Reserved},
    limits::Prefix,
    request::{Forwarded, RequestHead},
    route::{Cache, Route},
};

/// A request's body that says it is no longer than this is read whole before it takes a place at an endpoint: a slow
/// client occupies none, and no answer can come before its end.
pub const SMALL: usize = 64 * 1024;

/// Every upstream of one configuration.
#[derive(Debug)]
pub struct Upstreams {
    upstreams: BTreeMap<Arc<str>, Upstream>,
    signer: IdentitySigner,
    reserved: Reserved,
    cookies: CookieNames,
    public_url: Url,
    /// The path of our own sign-in.
    sign_in: String,
    /// Who stands for everybody behind them.
    proxies: Vec<IpNet>,
}

#[derive(Debug)]
struct Upstream {
    config: Arc<config::UpstreamConfig>,
    endpoints: Vec<Arc<Endpoint>>,
    /// Counts choices, so that endpoints with as much to do take turns.
    turn: AtomicUsize,
    metrics: UpstreamMetrics,
}

/// By which route and right a request goes on, and what goes with it.
#[derive(Debug)]
pub struct Forwarding<'a> {
    /// The route.
    pub route: &'a Route,
    /// The right, for this very route.
    pub permit: &'a Permit,
    /// The access token of the person who holds the permit, if the upstream is to be handed it.
    pub access_token: Option<HeaderValue>,
    /// Whether they may go on sending, if they send for long.
    pub watch: Option<Watch>,
}

/// An upgrade that a client asks for, and its side of the connection.
struct Asked {
    upgrade: UpgradeRequest,
    client: OnUpgrade,
}

impl Upstreams {
    /// The upstreams of `config`, who are told by `signer` who is asking. Of `endpoints` they hold those that `config`
    /// names, which have as many slots as it says from now on.
    pub fn new(config: &Config, site: &Site, signer: IdentitySigner, endpoints: &Endpoints) -> Self {
        let upstream = |upstream: &Arc<config::UpstreamConfig>| {
            let endpoints = upstream.endpoints.iter().map(|url| endpoints.get(upstream, url)).collect();
            Upstream::new(upstream.clone(), endpoints)
        };
        Self {
            upstreams: config.upstreams.iter().map(|(name, config)| (name.clone(), upstream(config))).collect(),
            signer,
            reserved: config.reserved(),
            cookies: site.cookies(),
            public_url: config.server.public_url.clone(),
            sign_in: site.own("login"),
            proxies: config.server.trusted_proxies.clone(),
        }
    }

    /// Sends `request` on as `forwarding` says, and judges the answer. Dropping the future takes the request back.
    ///
    /// # Errors
    /// A fault; nothing of the upstream's answer leaves with it.
    pub async fn send(
        &self,
        pools: &Rc<Pools>,
        forwarding: Forwarding<'_>,
        head: &RequestHead,
        now: Now,
        request: Request<Received>,
    ) -> Result<VettedResponse, Fault> {
        let Forwarding { route, permit, access_token, watch } = forwarding;
        if permit.requirement() != route.requirement.id() {
            return Err(Fault::PermitMismatch);
        }
        let (mut parts, received) = request.into_parts();
        let asked = self.asked(&mut parts, received.is_end_stream(), route)?;
        if route.max_body.is_some_and(|max| received.size_hint().lower() > max) {
            return Err(Fault::BodyTooLarge);
        }
        let upstream = self.find(route)?;
        if asked.is_some() && upstream.config.protocol == UpstreamProtocol::Http2 {
            let at = FaultContext::new(route.upstream.clone(), "HTTP/2 has no upgrades: `protocol = \"http1\"` has");
            return Err(Fault::UpgradeFailed(at));
        }
        let identity = self.identity(route, permit, now)?;
        let key = upstream.affinity_of(permit, &mut parts.headers);
        let target = self.prepare(&mut parts, upstream, (route, head, identity))?;
        request_fields::hand(&mut parts.headers, access_token.as_ref());
        if let Some(Asked { upgrade, .. }) = &asked {
            upgrade.write_to(&mut parts.headers);
        }
        let bare = received.is_end_stream();
        if !bare {
            upstream.frame(&mut parts);
        }
        let deadlines = upstream.deadlines(route, &parts.headers);
        let upload = Upload::new();
        let body = Body::from_client(received, deadlines.idle_body, route.max_body, upload.clone(), watch);
        let body = body.buffered(SMALL).await.map_err(exchange::of_upload)?;
        let least = MinRate { bytes: route.min_body_rate, over: deadlines.idle_body };
        // A stream of messages is as slow as what it tells of.
        let body = if is_grpc(&parts.headers) { body } else { body.at_least(least) };

        let repeatable = exchange::is_idempotent(&parts.method) && bare && route.retry;
        #[cfg(candor_mutants)]
        let repeatable = repeatable || bare && auth_core::mutants::is("post-is-repeated");
        let exchange = Exchange { pools, deadlines, upload: &upload, repeatable, client: self.client(&head.forwarded) };
        let request = Request::from_parts(parts, body);
        let judge = |endpoint: &Arc<str>, head: response::Parts| {
            let unvetted = UnvettedResponse { route, permit, target: &target, endpoint, sign_in: &self.sign_in };
            match &asked {
                Some(asked) if head.status == StatusCode::SWITCHING_PROTOCOLS => {
                    unvetted.vet_switch(head, &asked.upgrade)
                }
                Some(_) | None => unvetted.vet(head),
            }
        };
        let Answered { head: vetted, body, endpoint, switched } =
            upstream.ask(exchange, request, &head.forwarded, &judge, key).await?;
        let private = is_private(route, permit);
        match asked.zip(switched) {
            None => Ok(vetted.pass(body.at_least(least), |head| {
                self.clean(head, upstream, private);
                upstream.bind(head, &endpoint);
            })),
            Some((asked, switched)) => self.switch(asked, switched, vetted, (upstream, route)).await,
        }
    }

    /// What a request asks its connection to become, if its route allows that.
    ///
    /// # Errors
    /// A handshake that is none, or from a page of another site.
    fn asked(&self, head: &mut request::Parts, bare: bool, route: &Route) -> Result<Option<Asked>, Fault> {
        let Some(upgrade) = UpgradeRequest::read(head, bare, route, &self.public_url)? else { return Ok(None) };
        let client = head.extensions.remove::<OnUpgrade>();
        let client = client.ok_or_else(|| Fault::Internal("a connection that cannot be upgraded".into()))?;
        Ok(Some(Asked { upgrade, client }))
    }

    /// The tunnel that a vetted 101 opens.
    ///
    /// # Errors
    /// The endpoint's connection cannot be had.
    async fn switch(
        &self,
        Asked { upgrade, client }: Asked,
        Switched { connection, slot }: Switched,
        vetted: VettedHead,
        (upstream, route): (&Upstream, &Route),
    ) -> Result<VettedResponse, Fault> {
        let mut theirs = None;
        let passed = vetted.pass(Body::empty(), |head| {
            theirs = head.extensions.remove::<OnUpgrade>();
            self.clean(head, upstream, false);
            upstream.bind(head, slot.endpoint());
            upgrade.grant_in(head);
        });
        let failed = |seen: &str| Fault::UpgradeFailed(slot.endpoint().at(seen));
        let theirs = theirs.ok_or_else(|| failed("a 101 without a connection"))?;
        let theirs = timeout(upstream.config.connect_timeout, theirs).await;
        let theirs = theirs.map_err(|_| failed("its connection was not given up"))?;
        let theirs = theirs.map_err(|error| failed(&error.to_string()))?;
        // What carried the exchange has given the connection up, and has nothing left to end.
        drop(connection);
        let is_websocket = upgrade.is_websocket();
        let (idle, stall) = (route.tunnel_idle_timeout, route.idle_body_timeout);
        Ok(passed.with_tunnel(Tunnel { is_websocket, client, upstream: theirs, slot, idle, stall }))
    }

    /// What the route's upstream is told of who holds `permit`.
    ///
    /// # Errors
    /// [`Fault::Internal`], if our key cannot sign: nobody is told anything then.
    pub fn identity<'p>(&self, route: &Route, permit: &'p Permit, now: Now) -> Result<IdentityFields<'p>, Fault> {
        Ok(match permit.holder() {
            Holder::Anyone | Holder::Lapsed => IdentityFields::Nobody,
            Holder::Undecided(unavailable) => IdentityFields::Undecided(unavailable.dependency),
            Holder::Known(principal) => {
                let signed = self.signer.sign(principal, &route.upstream, now)?;
                IdentityFields::Known { principal, signed }
            }
        })
    }

    /// Makes of a client's head the one that the upstream is sent, but for what depends on the endpoint; and its target.
    fn prepare(
        &self,
        parts: &mut request::Parts,
        upstream: &Upstream,
        (route, head, identity): (&Route, &RequestHead, IdentityFields<'_>),
    ) -> Result<Uri, Fault> {
        let fields = RequestFields {
            forwarded: &head.forwarded,
            request_id: head.id.header(),
            identity,
            naming: &upstream.config.identity_headers,
            reserved: &self.reserved,
            cookies: self.cookies,
            underscore_headers: &route.underscore_headers,
            authorization: route.forward_authorization,
            own_challenges: &route.own_challenges,
            method_override: !route.by_method,
        };
        to_upstream(&mut parts.headers, &fields);
        // The bytes that were judged are the bytes that are sent, in origin form.
        let target = parts.uri.path_and_query().cloned();
        parts.uri = target.map(Uri::from).ok_or_else(|| Fault::Internal("a target without a path".into()))?;
        parts.version = Version::HTTP_11;
        parts.extensions = Extensions::new();
        Ok(parts.uri.clone())
    }

    /// Makes of an upstream's head the one that leaves.
    fn clean(&self, head: &mut response::Parts, upstream: &Upstream, private: bool) {
        let fields = ResponseFields {
            endpoints: &upstream.config.endpoints,
            public_url: &self.public_url,
            cookies: self.cookies,
            private,
        };
        from_upstream(&mut head.headers, &fields);
        head.version = Version::HTTP_11;
        head.extensions = Extensions::new();
    }

    /// Whose share a request takes. A proxy that names no client is nobody in particular.
    fn client(&self, forwarded: &Forwarded) -> Option<Prefix> {
        let is_proxy = self.proxies.iter().any(|network| network.contains(&forwarded.client));
        (!is_proxy).then(|| Prefix::of(forwarded.client))
    }

    fn find(&self, route: &Route) -> Result<&Upstream, Fault> {
        self.upstreams.get(&route.upstream).ok_or_else(|| Fault::NoEndpoint { upstream: route.upstream.clone() })
    }
}

impl Upstream {
    fn new(config: Arc<config::UpstreamConfig>, endpoints: Vec<Arc<Endpoint>>) -> Self {
        let metrics = UpstreamMetrics::new(&config.name);
        Self { config, endpoints, turn: AtomicUsize::new(0), metrics }
    }

    /// Says how long a request's body is, if its head does not, and that nothing comes after a body that it may leave
    /// unread: what it does not read, it would take for the next request.
    fn frame(&self, head: &mut request::Parts) {
        if !head.headers.contains_key(header::CONTENT_LENGTH) {
            // hyper would take a GET for one without a body, and drop it.
            head.headers.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
        #[cfg(candor_mutants)]
        if auth_core::mutants::is("unread-body-kept") {
            return;
        }
        if !self.config.reuse_after_body || !exchange::expects_a_body(&head.method) {
            head.headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
    }

    /// Where a request of who holds `permit` belongs, if that can be told. Takes out of `headers` what is for us alone.
    fn affinity_of(&self, permit: &Permit, headers: &mut HeaderMap) -> Option<AffinityKey> {
        match (&self.config.affinity, permit.holder()) {
            (Some(Affinity::Cookie(name)), _) => AffinityKey::of_cookie(name, headers),
            (Some(Affinity::Principal), Holder::Known(principal)) => {
                Some(AffinityKey::of_principal(&principal.subject))
            }
            (Some(Affinity::Principal), Holder::Anyone | Holder::Lapsed | Holder::Undecided(_)) | (None, _) => None,
        }
    }

    /// Says beside the service's own session cookie that `endpoint` has set it.
    fn bind(&self, head: &mut response::Parts, endpoint: &Endpoint) {
        if let Some(Affinity::Cookie(name)) = &self.config.affinity {
            affinity::bind(&mut head.headers, name, endpoint.tag());
        }
    }

    /// How long each part may take. A gRPC client may wait for less than the route does, and is not waited with for longer.
    fn deadlines(&self, route: &Route, headers: &HeaderMap) -> Deadlines {
        let asked = if grpc::is_grpc(headers) { grpc::timeout(headers) } else { None };
        Deadlines {
            connect: self.config.connect_timeout,
            response: asked.map_or(route.response_timeout, |asked| asked.min(route.response_timeout)),
            idle_body: route.idle_body_timeout,
        }
    }
}

/// Whether a request is one of gRPC, whose content may be a stream of messages that goes on for days.
fn is_grpc(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"))
}

/// Whether the answer to who holds `permit` must not be kept by a shared cache: it may be for them alone. What was said
/// to somebody whom we could not tell is not for everybody either: it would outlive the outage that it comes from.
fn is_private(route: &Route, permit: &Permit) -> bool {
    #[cfg(candor_mutants)]
    if auth_core::mutants::is("shared-cache-keeps-it") {
        return false;
    }
    match permit.holder() {
        Holder::Anyone | Holder::Lapsed => false,
        Holder::Undecided(_) | Holder::Known(_) => route.cache == Cache::Private,
    }
}
