//! One address of an upstream, and how many requests may be there at once. Endpoints belong to the process: a
//! configuration that names the same one as that before it goes on with its connections, and with who is there already.

use std::{
    convert::Infallible,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use auth_core::{background::Background, clock::Clock, lock::lock};
use http::{HeaderValue, Request, header, uri::Scheme};
use tokio::{
    sync::{Notify, Semaphore},
    time::{Instant, timeout, timeout_at},
};
use url::{Position, Url};

use super::{
    address::{Address, Resolver},
    affinity::EndpointTag,
    health::{AttemptEnd, Eligibility, EndpointHealth, HealthChange, ProbeRule},
    http2::ask_once,
    metrics::EndpointMetrics,
    probe::Probing,
    stream::EndpointStream,
    tls::{HandshakeFailure, TlsClient},
};
use crate::{
    config::{ProbeConfig, UpstreamConfig, UpstreamProtocol, UpstreamTls},
    fault::{ConnectFault, Deadline, Fault, FaultContext},
    limits::{Prefix, Shares},
    registry::Registry,
};

/// How long an answer to a trial by HTTP/2 may take.
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);

/// The endpoints of this process.
#[derive(Debug)]
pub struct Endpoints {
    known: Registry<EndpointKey, Endpoint>,
    /// Where they are probed.
    background: Background,
    /// By which the certificates of endpoints hold or not.
    clock: Clock,
    resolver: Resolver,
}

/// What makes an endpoint the same one. Another upstream at the same address has slots of its own, and connections of its
/// own: the two may not agree on whether a connection is good for more after a body.
#[derive(Debug, PartialEq, Eq, Hash)]
struct EndpointKey {
    upstream: Arc<str>,
    url: Url,
    protocol: UpstreamProtocol,
    reuse_after_body: bool,
}

/// One address of an upstream. All workers share it; each keeps connections of its own to it.
#[derive(Debug)]
pub(super) struct Endpoint {
    id: EndpointId,
    name: Arc<str>,
    upstream: Arc<str>,
    address: Address,
    protocol: UpstreamProtocol,
    /// What TLS is spoken by, if it is. Another one, once a configuration says so.
    tls: Option<ArcSwap<TlsClient>>,
    authority: HeaderValue,
    slots: Slots,
    /// How many slots are taken: a configuration may have said more than there are now.
    requests: AtomicUsize,
    health: Mutex<EndpointHealth>,
    probing: Mutex<Option<Probing>>,
    metrics: EndpointMetrics,
    tag: EndpointTag,
}

/// How many more requests may be at an endpoint.
#[derive(Debug)]
struct Slots {
    free: Semaphore,
    counts: Mutex<SlotCounts>,
    /// One was given back.
    given_back: Notify,
    /// How many of those that are taken are not given back, since there are fewer now.
    surplus: AtomicUsize,
}

/// How many slots there are, and who has them.
#[derive(Debug)]
struct SlotCounts {
    /// Taken or free.
    most: usize,
    /// Of each client's address, with those that it stands in line for.
    shares: Shares,
}

/// The right of one request to be at an endpoint. Dropping it gives it back.
#[derive(Debug)]
pub(super) struct EndpointSlot {
    endpoint: Arc<Endpoint>,
    _share: Option<ShareHeld>,
}

/// One slot of a client's share: taken, or stood in line for.
#[derive(Debug)]
struct ShareHeld {
    endpoint: Arc<Endpoint>,
    client: Prefix,
}

/// Names an endpoint within this process, so that a later one at the same address has pools of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct EndpointId(u64);

impl Endpoints {
    /// No endpoint yet. What is done about them without a request is done on `background`; their certificates hold by
    /// `clock`, and their names are looked up by `resolver`.
    pub fn new(background: Background, clock: Clock, resolver: Resolver) -> Self {
        Self { known: Registry::default(), background, clock, resolver }
    }

    /// How each of them is, a line each, by upstream and name.
    pub fn describe(&self) -> Vec<String> {
        let mut lines: Vec<_> = self.known.held().iter().map(|endpoint| endpoint.describe()).collect();
        lines.sort();
        lines
    }

    /// The endpoint of `upstream` at `url`, whose host was checked when the configuration was read: the one that somebody
    /// holds, with as many slots as `upstream` says now, or a new one.
    pub(super) fn get(&self, upstream: &UpstreamConfig, url: &Url) -> Arc<Endpoint> {
        let (name, reuse_after_body) = (upstream.name.clone(), upstream.reuse_after_body);
        let key = EndpointKey { upstream: name, url: url.clone(), protocol: upstream.protocol, reuse_after_body };
        let make = || {
            let address = Address::of(url, &self.resolver, &self.background);
            Ok::<_, Infallible>(Endpoint::new(upstream, url, address, self.tls_client(upstream, url)))
        };
        let Ok(endpoint) = self.known.get_or_make(key, make);
        endpoint.slots.resize(upstream.max_connections);
        if let Some(tls) = &endpoint.tls
            && *tls.load().settings() != *upstream.tls
            && let Some(renewed) = self.tls_client(upstream, url)
        {
            tls.store(Arc::new(renewed));
        }
        endpoint.probe_as(upstream.probe.as_ref(), &self.background);
        endpoint
    }

    /// A connection to `upstream` at `url`, as a request would have it: to try whether there can be one.
    ///
    /// # Errors
    /// A fault of connecting.
    pub(crate) async fn try_connect(&self, upstream: &UpstreamConfig, url: &Url) -> Result<EndpointStream, Fault> {
        self.get(upstream, url).connect(Instant::now() + upstream.connect_timeout).await
    }

    /// Whether `upstream` at `url` answers anything at all to a question by HTTP/2, about a path that nobody knows.
    ///
    /// # Errors
    /// A fault of connecting, or of what came instead.
    pub(crate) async fn try_http2(&self, upstream: &UpstreamConfig, url: &Url, path: &str) -> Result<(), Fault> {
        let (endpoint, deadline) = (self.get(upstream, url), Instant::now() + upstream.connect_timeout);
        let stream = endpoint.connect(deadline).await?;
        let request = Request::get(path).header(header::HOST, endpoint.authority()).body(());
        let request = request.map_err(|error| Fault::Internal(error.to_string().into()))?;
        match timeout(ANSWERS_WITHIN, ask_once(stream, &endpoint.scheme(), request)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) if error.is_garbage() => Err(Fault::UpstreamGarbage(endpoint.at(&error.to_string()))),
            Ok(Err(error)) => Err(Fault::UpstreamReset(endpoint.at(&error.to_string()))),
            Err(_) => Err(Fault::TimedOut(Deadline::ResponseHead, endpoint.at("it was asked by HTTP/2"))),
        }
    }

    fn tls_client(&self, upstream: &UpstreamConfig, url: &Url) -> Option<TlsClient> {
        let tls: &Arc<UpstreamTls> = &upstream.tls;
        (url.scheme() == "https").then(|| TlsClient::new(tls.clone(), url, upstream.protocol, self.clock.clone()))
    }
}

impl Endpoint {
    fn new(upstream: &UpstreamConfig, url: &Url, address: Address, tls: Option<TlsClient>) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let authority = match url.has_host() {
            true => &url[Position::BeforeHost..Position::AfterPort],
            false => "localhost",
        };
        let name: Arc<str> = url.as_str().trim_end_matches('/').into();
        Self {
            id: EndpointId(NEXT.fetch_add(1, Ordering::Relaxed)),
            metrics: EndpointMetrics::new(&upstream.name, &name),
            tag: EndpointTag::of(&name),
            name,
            upstream: upstream.name.clone(),
            address,
            protocol: upstream.protocol,
            tls: tls.map(ArcSwap::from_pointee),
            authority: HeaderValue::from_str(authority).unwrap_or_else(|_| HeaderValue::from_static("")),
            slots: Slots::new(upstream.max_connections),
            requests: AtomicUsize::new(0),
            health: Mutex::new(EndpointHealth::new()),
            probing: Mutex::default(),
        }
    }

    pub(super) fn id(&self) -> EndpointId {
        self.id
    }

    /// As configured.
    pub(super) fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Its name towards browsers.
    pub(super) fn tag(&self) -> EndpointTag {
        self.tag
    }

    /// Which connections still lead to it: those that began at this number.
    pub(super) fn since(&self) -> u64 {
        self.address.since()
    }

    /// Its `host[:port]`; of a socket `localhost`.
    pub(super) fn authority(&self) -> &HeaderValue {
        &self.authority
    }

    /// A slot for one request of `client` (`None`: it counts for nobody in particular), if one is free that it may have.
    pub(super) fn free_slot(self: &Arc<Self>, client: Option<Prefix>) -> Option<EndpointSlot> {
        let share = match client {
            Some(client) => Some(self.share_left(client)?),
            None => None,
        };
        let slot = self.slots.free.try_acquire().ok()?;
        slot.forget();
        Some(self.taken(share))
    }

    /// The same, waited for until `deadline`.
    ///
    /// # Errors
    /// [`Fault::NoEndpoint`] if all are taken until then; [`Fault::OverShare`] if the client has too many of them.
    pub(super) async fn slot(
        self: &Arc<Self>,
        client: Option<Prefix>,
        deadline: Instant,
    ) -> Result<EndpointSlot, Fault> {
        let share = match client {
            Some(client) => Some(self.share(client, deadline).await?),
            None => None,
        };
        let none = || Fault::NoEndpoint { upstream: self.upstream.clone() };
        let slot = timeout_at(deadline, self.slots.free.acquire()).await.map_err(|_| none())?;
        slot.map_err(|_| none())?.forget();
        Ok(self.taken(share))
    }

    fn taken(self: &Arc<Self>, share: Option<ShareHeld>) -> EndpointSlot {
        self.requests.fetch_add(1, Ordering::Relaxed);
        EndpointSlot { endpoint: self.clone(), _share: share }
    }

    /// One more slot of what `client` may have, which it waits for outside the line: who has fewer goes first.
    async fn share(self: &Arc<Self>, client: Prefix, deadline: Instant) -> Result<ShareHeld, Fault> {
        loop {
            let given_back = self.slots.given_back.notified();
            if let Some(share) = self.share_left(client) {
                return Ok(share);
            }
            timeout_at(deadline, given_back).await.map_err(|_| self.no_share())?;
        }
    }

    /// Where all are taken, whoever comes is told so; a share matters while some are left for others.
    fn no_share(&self) -> Fault {
        let upstream = self.upstream.clone();
        if self.slots.free.available_permits() == 0 {
            Fault::NoEndpoint { upstream }
        } else {
            Fault::OverShare { upstream }
        }
    }

    fn share_left(self: &Arc<Self>, client: Prefix) -> Option<ShareHeld> {
        self.slots.take_share(client).then(|| ShareHeld { endpoint: self.clone(), client })
    }

    /// How many requests are there, of all workers together.
    pub(super) fn requests(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }

    /// What it may be asked at `now`.
    pub(super) fn eligibility(&self, now: Instant) -> Eligibility {
        lock(&self.health).eligibility(now)
    }

    /// Whether it has answered well a moment before `now`.
    pub(super) fn succeeded_lately(&self, now: Instant) -> bool {
        lock(&self.health).succeeded_lately(now)
    }

    pub(super) fn metrics(&self) -> &EndpointMetrics {
        &self.metrics
    }

    /// A request is sent to it. Whether it is the trial of an endpoint that was ejected.
    pub(super) fn begin(&self, now: Instant) -> bool {
        let (is_trial, change) = lock(&self.health).begin(now);
        self.tell(change);
        is_trial
    }

    /// A request has come to its end.
    pub(super) fn end(&self, end: AttemptEnd, is_trial: bool, now: Instant) {
        let change = lock(&self.health).end(end, is_trial, now);
        self.tell(change);
    }

    /// A probe has ended.
    pub(super) fn probed(&self, good: bool, rule: ProbeRule, now: Instant) {
        let change = lock(&self.health).probed(good, rule, now);
        self.tell(change);
    }

    /// Probes it as `config` says, from now on. Who is probed so already goes on.
    fn probe_as(self: &Arc<Self>, config: Option<&ProbeConfig>, background: &Background) {
        let mut probing = lock(&self.probing);
        if probing.as_ref().map(|probing| &probing.config) == config {
            return;
        }
        *probing = config.map(|config| Probing::start(Arc::downgrade(self), config.clone(), background));
        drop(probing);
        let change = lock(&self.health).forget_probes(Instant::now());
        self.tell(change);
    }

    /// Tells operators of a change.
    fn tell(&self, change: Option<HealthChange>) {
        let (upstream, endpoint) = (&*self.upstream, &*self.name);
        match change {
            None => {}
            Some(HealthChange::Unhealthy(cause)) => {
                self.metrics.is_healthy(false);
                let cause = cause.as_str();
                tracing::warn!(
                    upstream,
                    endpoint,
                    cause,
                    "an endpoint is unhealthy: others are asked, if there are any"
                );
            }
            Some(HealthChange::Recovering) => {
                self.metrics.is_healthy(true);
                tracing::info!(upstream, endpoint, "an endpoint is recovering: its share grows");
            }
            Some(HealthChange::Healthy) => tracing::info!(upstream, endpoint, "an endpoint is healthy again"),
        }
    }

    /// How it is, on a line.
    fn describe(&self) -> String {
        let (condition, probed) = {
            let health = lock(&self.health);
            (health.describe(), lock(&self.probing).is_some())
        };
        let (upstream, name, requests) = (&self.upstream, &self.name, self.requests());
        let probed = if probed { "probed" } else { "not probed" };
        format!("{upstream}  {name}  {condition}, {requests} requests, {probed}")
    }

    /// Which version of HTTP it speaks.
    pub(super) fn protocol(&self) -> UpstreamProtocol {
        self.protocol
    }

    /// How its addresses begin, to itself.
    pub(super) fn scheme(&self) -> Scheme {
        if self.tls.is_some() { Scheme::HTTPS } else { Scheme::HTTP }
    }

    /// What TLS is spoken by now, if it is: a connection that began by another is not to be used again.
    pub(super) fn tls(&self) -> Option<Arc<TlsClient>> {
        self.tls.as_ref().map(ArcSwap::load_full)
    }

    /// A new connection, over TLS that stands if it is to be.
    ///
    /// # Errors
    /// [`Fault::ConnectFailed`], [`Fault::UpstreamReset`] if it ends before TLS stands, or [`Fault::TimedOut`] at `deadline`.
    pub(super) async fn connect(&self, deadline: Instant) -> Result<EndpointStream, Fault> {
        let stream = match timeout_at(deadline, self.address.connect(deadline)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err((how, error))) => return Err(Fault::ConnectFailed(how, self.at(&error.to_string()))),
            Err(_) => return Err(Fault::TimedOut(Deadline::Connect, self.at(""))),
        };
        let (stream, tls) = match (stream, self.tls()) {
            (EndpointStream::Tcp(stream), Some(tls)) => (stream, tls),
            (stream, _) => return Ok(stream),
        };
        match timeout_at(deadline, tls.handshake(stream)).await {
            Ok(Ok(stream)) => Ok(EndpointStream::Tls(Box::new(stream))),
            Ok(Err(HandshakeFailure::Refused(how, error))) => {
                Err(Fault::ConnectFailed(ConnectFault::Tls(how), self.at(&error.to_string())))
            }
            Ok(Err(HandshakeFailure::Closed(error))) => {
                Err(Fault::UpstreamReset(self.at(&format!("while TLS began: {error}"))))
            }
            Err(_) => Err(Fault::TimedOut(Deadline::Connect, self.at("it was reached, and TLS did not come to stand"))),
        }
    }

    /// This endpoint, in a fault's words.
    pub(super) fn at(&self, detail: &str) -> FaultContext {
        FaultContext::new(self.name.clone(), detail)
    }
}

impl Slots {
    fn new(most: usize) -> Self {
        let counts = Mutex::new(SlotCounts { most, shares: Shares::default() });
        Self { free: Semaphore::new(most), counts, given_back: Notify::new(), surplus: AtomicUsize::new(0) }
    }

    /// Whether `client` may have one more; then it is counted.
    fn take_share(&self, client: Prefix) -> bool {
        let mut counts = lock(&self.counts);
        let SlotCounts { most, shares } = &mut *counts;
        let allowed = shares.allow(client, most.saturating_sub(self.free.available_permits()), *most);
        if allowed {
            shares.add(client);
        }
        allowed
    }

    /// Makes them `most`. Who has one keeps it: where there are too many, those given back next are gone.
    fn resize(&self, most: usize) {
        let mut counts = lock(&self.counts);
        let before = counts.most;
        if most < before {
            let fewer = before - most;
            let still_taken = fewer - self.free.forget_permits(fewer);
            self.surplus.fetch_add(still_taken, Ordering::Relaxed);
        } else {
            (before..most).for_each(|_| self.put_back());
        }
        counts.most = most;
    }

    fn put_back(&self) {
        let gone = self.surplus.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |surplus| surplus.checked_sub(1));
        if gone.is_err() {
            self.free.add_permits(1);
        }
        self.given_back.notify_waiters();
    }
}

impl EndpointSlot {
    /// Where it is.
    pub(super) fn endpoint(&self) -> &Arc<Endpoint> {
        &self.endpoint
    }
}

impl Drop for EndpointSlot {
    fn drop(&mut self) {
        self.endpoint.requests.fetch_sub(1, Ordering::Relaxed);
        self.endpoint.slots.put_back();
    }
}

impl Drop for ShareHeld {
    fn drop(&mut self) {
        let slots = &self.endpoint.slots;
        lock(&slots.counts).shares.remove(self.client);
        slots.given_back.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;
    use crate::config;

    fn upstream(name: &str, rest: &str) -> Arc<UpstreamConfig> {
        let text = format!(
            "[server]\npublic_url = \"http://localhost\"\n[upstreams.{name}]\n\
             endpoints = [\"http://127.0.0.1:9000\"]\n{rest}\n\
             [[routes]]\npath = \"/\"\nupstream = \"{name}\"\nallow = [\"anyone\"]\n"
        );
        let parsed = config::parse(&text, std::path::Path::new("."), config::Secrets::Read(&|_| None));
        parsed.expect("a configuration").upstreams.get(name).expect("it is there").clone()
    }

    fn get(endpoints: &Endpoints, name: &str, rest: &str) -> Arc<Endpoint> {
        let upstream = upstream(name, rest);
        endpoints.get(&upstream, &upstream.endpoints[0])
    }

    /// A slot, if there is one at once.
    async fn slot(endpoint: &Arc<Endpoint>) -> Option<EndpointSlot> {
        endpoint.slot(None, Instant::now()).await.ok()
    }

    #[tokio::test]
    async fn the_next_configuration_goes_on_with_the_same_endpoint() {
        let endpoints = Endpoints::new(Background::current(), Clock::system(), Resolver::system());
        let first = get(&endpoints, "m", "");
        let same = get(&endpoints, "m", "host = \"endpoint\"\nconnect_timeout = \"1s\"\nmax_connections = 3");
        assert!(Arc::ptr_eq(&first, &same));
        assert_ne!(first.id(), get(&endpoints, "n", "").id(), "another upstream");
        let wary = get(&endpoints, "m", "reuse_after_body = false");
        assert_ne!(first.id(), wary.id(), "its connections may hold what is left of a body");
        let id = first.id();
        drop((first, same));
        assert_ne!(id, get(&endpoints, "m", "").id(), "nobody named it any more");
    }

    #[tokio::test]
    async fn who_has_most_of_the_slots_waits_until_one_of_theirs_is_given_back() {
        let endpoints = Endpoints::new(Background::current(), Clock::system(), Resolver::system());
        let endpoint = get(&endpoints, "m", "max_connections = 8");
        let client = |number: u8| Some(Prefix::of([192, 0, 2, number].into()));
        let mut crowd = Vec::new();
        while let Ok(slot) = endpoint.slot(client(1), Instant::now()).await {
            crowd.push(slot);
        }
        assert_eq!(crowd.len(), 6, "three quarters");
        let over = endpoint.slot(client(1), Instant::now()).await;
        assert!(matches!(over, Err(Fault::OverShare { .. })), "{over:?}");
        let others = (endpoint.slot(client(2), Instant::now()).await, endpoint.slot(client(3), Instant::now()).await);
        assert!(others.0.is_ok() && others.1.is_ok(), "one each");
        let full = endpoint.slot(client(4), Instant::now()).await;
        assert!(matches!(full, Err(Fault::NoEndpoint { .. })), "{full:?}");

        // Of two that wait, the one with fewer goes first, however long the other has stood there.
        let far = Instant::now() + std::time::Duration::from_secs(60);
        let (crowds, newcomers) = (endpoint.slot(client(1), far), endpoint.slot(client(4), far));
        let mut crowds = std::pin::pin!(crowds);
        assert!(crowds.as_mut().now_or_never().is_none());
        let mut newcomers = std::pin::pin!(newcomers);
        assert!(newcomers.as_mut().now_or_never().is_none());
        crowd.pop();
        assert!(newcomers.await.is_ok());
        assert!(crowds.as_mut().now_or_never().is_none(), "it still holds five of eight");
        crowd.clear();
        assert!(crowds.await.is_ok());
    }

    #[tokio::test]
    async fn who_is_nobody_in_particular_has_no_share() {
        let endpoints = Endpoints::new(Background::current(), Clock::system(), Resolver::system());
        let endpoint = get(&endpoints, "m", "max_connections = 8");
        let mut all = Vec::new();
        while let Some(slot) = slot(&endpoint).await {
            all.push(slot);
        }
        assert_eq!(all.len(), 8);
    }

    #[tokio::test]
    async fn who_is_there_counts_under_the_next_configuration_too() {
        let endpoints = Endpoints::new(Background::current(), Clock::system(), Resolver::system());
        let endpoint = get(&endpoints, "m", "max_connections = 2");
        let (first, second) = (slot(&endpoint).await, slot(&endpoint).await);
        assert!(first.is_some() && second.is_some() && slot(&endpoint).await.is_none());

        get(&endpoints, "m", "max_connections = 1");
        drop(first);
        assert!(slot(&endpoint).await.is_none(), "the second is still there");
        drop(second);
        let first = slot(&endpoint).await;
        assert!(first.is_some() && slot(&endpoint).await.is_none());

        get(&endpoints, "m", "max_connections = 3");
        let more = (slot(&endpoint).await, slot(&endpoint).await);
        assert!(more.0.is_some() && more.1.is_some() && slot(&endpoint).await.is_none());

        // Fewer and more again, while all are taken.
        get(&endpoints, "m", "max_connections = 1");
        get(&endpoints, "m", "max_connections = 2");
        drop(first);
        assert!(slot(&endpoint).await.is_none());
        drop(more);
        let two = (slot(&endpoint).await, slot(&endpoint).await);
        assert!(two.0.is_some() && two.1.is_some() && slot(&endpoint).await.is_none());
    }
}
