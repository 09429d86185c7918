//! Which endpoint a request goes to, and where it goes if it must go once more.
//!
//! Each goes to the endpoint with the fewest requests, of all workers together; those with as few take turns. Who finds
//! it full goes to the next before they wait. The loop over attempts stands above the choice: each attempt asks for an
//! endpoint anew, says which were tried, and the request is addressed to what it gets.

use std::sync::{Arc, atomic::Ordering};

use futures_util::future::select_ok;
use http::{HeaderValue, Request, Response};
use hyper::body::Incoming;
use tokio::time::Instant;

use super::{
    Upstream,
    connection::Connection,
    endpoint::{Endpoint, EndpointSlot},
    exchange::{Attempt, Exchange},
    request_fields,
};
use crate::{body::Body, fault::Fault, headers::HostHeader, request::Forwarded};

/// The head of an answer, the connection that its body comes on, and the slot that both occupy.
pub(super) struct Answered {
    pub(super) response: Response<Incoming>,
    pub(super) connection: Connection,
    pub(super) slot: EndpointSlot,
}

impl Upstream {
    /// Sends `request` to an endpoint, and once more, to the endpoint that is chosen then, if the retry rule allows that.
    ///
    /// # Errors
    /// That of the last attempt.
    pub(super) async fn ask(
        &self,
        exchange: &Exchange<'_>,
        mut request: Request<Body>,
        forwarded: &Forwarded,
    ) -> Result<Answered, Fault> {
        let mut tried = Vec::new();
        let mut slot: Option<EndpointSlot> = None;
        loop {
            let deadline = Instant::now() + exchange.deadlines.connect;
            // Who has no other endpoint stays, and keeps their slot; who goes elsewhere gives it back before they wait.
            let taken = match slot.take().filter(|_| tried.len() >= self.endpoints.len()) {
                Some(slot) => slot,
                None => self.slot(&tried, deadline).await?,
            };
            let endpoint = taken.endpoint().clone();
            request_fields::address(request.headers_mut(), self.host(&endpoint, forwarded));
            match exchange.attempt(&endpoint, request, tried.is_empty()).await? {
                Attempt::Answered(response, connection) => return Ok(Answered { response, connection, slot: taken }),
                Attempt::Again(again) => request = *again,
            }
            slot = Some(taken);
            tried.push(endpoint);
        }
    }

    /// A slot for the next attempt of a request that went to those `tried`: at another endpoint, if there is one. Where
    /// all are full, the first that is given back until `deadline`.
    ///
    /// # Errors
    /// [`Fault::NoEndpoint`], if there is none.
    async fn slot(&self, tried: &[Arc<Endpoint>], deadline: Instant) -> Result<EndpointSlot, Fault> {
        let mut full = Vec::new();
        while let Some(endpoint) = self.least_loaded(|one| !is_among(tried, one) && !is_among(&full, one)) {
            match endpoint.free_slot() {
                Some(slot) => return Ok(slot),
                None => full.push(endpoint.clone()),
            }
        }
        let awaited = if full.is_empty() { &self.endpoints } else { &full };
        match &awaited[..] {
            [] => Err(Fault::NoEndpoint { upstream: self.config.name.clone() }),
            [only] => only.slot(deadline).await,
            several => {
                let waiting = several.iter().map(|endpoint| Box::pin(endpoint.slot(deadline)));
                select_ok(waiting).await.map(|(slot, _)| slot)
            }
        }
    }

    /// The endpoint with the fewest requests, of those that `may_serve`; of several, each in turn.
    fn least_loaded(&self, may_serve: impl Fn(&Arc<Endpoint>) -> bool) -> Option<&Arc<Endpoint>> {
        let count = self.endpoints.len();
        let first = if count > 1 { self.turn.fetch_add(1, Ordering::Relaxed) % count } else { 0 };
        let (before, from_first) = self.endpoints.split_at(first);
        let in_turn = from_first.iter().chain(before);
        in_turn.filter(|endpoint| may_serve(endpoint)).min_by_key(|endpoint| endpoint.requests())
    }

    /// The `Host` that it sees.
    fn host(&self, endpoint: &Endpoint, forwarded: &Forwarded) -> HeaderValue {
        match &self.config.host {
            HostHeader::Public => forwarded.host.field().clone(),
            HostHeader::Endpoint => endpoint.authority().clone(),
            HostHeader::Literal(host) => host.clone(),
        }
    }
}

fn is_among(endpoints: &[Arc<Endpoint>], one: &Arc<Endpoint>) -> bool {
    endpoints.iter().any(|endpoint| Arc::ptr_eq(endpoint, one))
}

#[cfg(test)]
mod tests {
    use std::{path::Path, rc::Rc, sync::atomic::AtomicUsize, time::Duration};

    use http::HeaderMap;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::{TcpListener, TcpStream},
        task::{LocalSet, spawn_local},
    };
    use url::{Position, Url};

    use super::{
        super::{
            endpoint::Endpoints,
            exchange::Deadlines,
            pool::{CheckedOut, Pools},
        },
        *,
    };
    use crate::{
        body::{Slot, Upload},
        config,
        request::{forwarded::ForwardedPolicy, host::Host},
    };

    /// An upstream with these endpoints, which sees its own name as `Host`.
    fn upstream(urls: &[&Url]) -> Upstream {
        let text = format!(
            "[server]\npublic_url = \"http://localhost\"\n[upstreams.m]\nendpoints = [\"{}\"]\nhost = \"endpoint\"\n\
             [[routes]]\npath = \"/\"\nupstream = \"m\"\nallow = [\"anyone\"]\n",
            urls[0]
        );
        let parsed = config::parse(&text, Path::new("."), config::Secrets::Read(&|_| None));
        let config = parsed.expect("a configuration").upstreams.get("m").expect("it is there").clone();
        let endpoints = Endpoints::new(auth_core::clock::Clock::system());
        let endpoints = urls.iter().map(|url| endpoints.get(&config, url)).collect();
        Upstream { config, endpoints, turn: AtomicUsize::new(0) }
    }

    async fn listen() -> (TcpListener, Url) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("bound")).parse().expect("an address");
        (listener, url)
    }

    async fn head(stream: &mut TcpStream) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.expect("a whole head"));
        }
        String::from_utf8(head).expect("text")
    }

    async fn say_ok(stream: &mut TcpStream) {
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.expect("it listens");
    }

    async fn get(upstream: &Upstream, pools: &Rc<Pools>) -> Result<Answered, Fault> {
        let (upload, wait) = (Upload::of_nothing(), Duration::from_secs(25));
        let deadlines = Deadlines { connect: wait, response: wait, idle_body: wait };
        let exchange = Exchange { pools, deadlines, upload: &upload, repeatable: true };
        let named = Host::parse(&HeaderValue::from_static("app.example")).expect("a host");
        let policy = ForwardedPolicy::default();
        let forwarded =
            Forwarded::of(&HeaderMap::new(), [192, 0, 2, 1].into(), named, &policy).expect("it is believed");
        let request = Request::builder().uri("/a").body(Body::empty()).expect("a request");
        upstream.ask(&exchange, request, &forwarded).await
    }

    /// Gives the connection of an answer back to its pool.
    fn give_back(answered: Answered, pools: &Rc<Pools>) {
        let Answered { connection, slot, .. } = answered;
        let (pools, upload, idle_body) = (pools.clone(), Upload::of_nothing(), Duration::from_secs(25));
        Box::new(CheckedOut { pools, connection, slot, upload, idle_body }).finished();
    }

    #[tokio::test]
    async fn a_retry_is_addressed_to_the_endpoint_that_was_chosen_for_it() {
        let test = async {
            let ((first, first_url), (second, second_url)) = (listen().await, listen().await);
            let (upstream, pools) = (upstream(&[&first_url, &second_url]), Pools::new());
            let served = spawn_local(async move {
                let (mut stream, _) = first.accept().await.expect("a connection");
                head(&mut stream).await;
                say_ok(&mut stream).await;
                let again = head(&mut stream).await;
                drop((stream, first));
                let (mut stream, _) = second.accept().await.expect("a connection");
                let retried = head(&mut stream).await;
                say_ok(&mut stream).await;
                (again, retried)
            });
            let answered = get(&upstream, &pools).await.unwrap_or_else(|fault| panic!("{fault}"));
            assert!(Arc::ptr_eq(answered.slot.endpoint(), &upstream.endpoints[0]));
            give_back(answered, &pools);
            upstream.turn.store(0, Ordering::Relaxed);
            let answered = get(&upstream, &pools).await.unwrap_or_else(|fault| panic!("{fault}"));
            assert!(Arc::ptr_eq(answered.slot.endpoint(), &upstream.endpoints[1]));
            let (again, retried) = served.await.expect("it did not panic");
            for (head, url) in [(again, first_url), (retried, second_url)] {
                let host = &url[Position::BeforeHost..Position::AfterPort];
                assert_eq!(head, format!("GET /a HTTP/1.1\r\nhost: {host}\r\n\r\n"));
            }
        };
        LocalSet::new().run_until(test).await;
    }

    #[tokio::test]
    async fn a_retry_goes_to_the_only_endpoint_once_more_and_keeps_its_slot() {
        let test = async {
            let (listener, url) = listen().await;
            let (mut upstream, pools) = (upstream(&[&url]), Pools::new());
            let config = config::UpstreamConfig { max_connections: 1, ..(*upstream.config).clone() };
            upstream.endpoints = vec![Endpoints::new(auth_core::clock::Clock::system()).get(&config, &url)];
            let served = spawn_local(async move {
                let (mut stream, _) = listener.accept().await.expect("a connection");
                head(&mut stream).await;
                say_ok(&mut stream).await;
                head(&mut stream).await;
                drop(stream);
                let (mut stream, _) = listener.accept().await.expect("a connection");
                head(&mut stream).await;
                say_ok(&mut stream).await;
            });
            let answered = get(&upstream, &pools).await.unwrap_or_else(|fault| panic!("{fault}"));
            give_back(answered, &pools);
            assert!(get(&upstream, &pools).await.is_ok());
            served.await.expect("it did not panic");
        };
        LocalSet::new().run_until(test).await;
    }

    fn three() -> (Upstream, Vec<Url>) {
        let urls: Vec<Url> = ["http://a:1", "http://b:1", "http://c:1"].map(|url| url.parse().expect("a URL")).to_vec();
        (upstream(&[&urls[0], &urls[1], &urls[2]]), urls)
    }

    /// A slot where one is free at once, at one that was not tried.
    async fn slot(upstream: &Upstream, tried: &[Arc<Endpoint>]) -> EndpointSlot {
        let at_once = Instant::now();
        upstream.slot(tried, at_once).await.unwrap_or_else(|fault| panic!("{fault}"))
    }

    #[tokio::test]
    async fn each_goes_where_the_fewest_are() {
        let (upstream, _) = three();
        let held = |slots: &[EndpointSlot]| {
            let mut requests: Vec<_> = upstream.endpoints.iter().map(|endpoint| endpoint.requests()).collect();
            assert_eq!(requests.iter().sum::<usize>(), slots.len());
            requests.sort_unstable();
            requests
        };
        let mut slots = Vec::new();
        for _ in 0..7 {
            slots.push(slot(&upstream, &[]).await);
        }
        assert_eq!(held(&slots), [2, 2, 3], "as many everywhere");
        let left = slots[0].endpoint().clone();
        slots.retain(|slot| !Arc::ptr_eq(slot.endpoint(), &left));
        let next = slot(&upstream, &[]).await;
        assert!(Arc::ptr_eq(next.endpoint(), &left), "where nobody is");
        let mut idle = Vec::new();
        drop((slots, next));
        for _ in 0..6 {
            idle.push(slot(&upstream, &[]).await.endpoint().id());
        }
        assert_eq!(idle[..3], idle[3..], "while nobody is anywhere, each in turn");
        assert!(idle[0] != idle[1] && idle[1] != idle[2] && idle[0] != idle[2]);
    }

    #[tokio::test]
    async fn what_was_not_tried_comes_first() {
        let (upstream, _) = three();
        let [a, b, c] = &upstream.endpoints[..] else { panic!("there are three") };
        let busy = (a.free_slot(), a.free_slot(), b.free_slot());
        for (tried, expected) in [(vec![], c), (vec![c], b), (vec![b, c], a)] {
            let tried: Vec<_> = tried.into_iter().cloned().collect();
            let chosen = slot(&upstream, &tried).await;
            assert!(Arc::ptr_eq(chosen.endpoint(), expected));
        }
        drop(busy);
        let none = Upstream { config: upstream.config.clone(), endpoints: Vec::new(), turn: AtomicUsize::new(0) };
        assert!(matches!(none.slot(&[], Instant::now()).await, Err(Fault::NoEndpoint { .. })));
    }

    #[tokio::test]
    async fn who_finds_one_full_goes_to_the_next_and_waits_at_all() {
        let (mut upstream, urls) = three();
        let config = config::UpstreamConfig { max_connections: 1, ..(*upstream.config).clone() };
        let endpoints = Endpoints::new(auth_core::clock::Clock::system());
        upstream.endpoints = urls.iter().map(|url| endpoints.get(&config, url)).collect();
        let mut slots = Vec::new();
        for _ in 0..3 {
            slots.push(slot(&upstream, &[]).await);
        }
        let full = upstream.slot(&[], Instant::now()).await;
        assert!(matches!(full, Err(Fault::NoEndpoint { .. })), "all are full");
        let deadline = Instant::now() + Duration::from_secs(25);
        let left = slots.remove(1);
        let expected = left.endpoint().clone();
        let waiting = upstream.slot(&[], deadline);
        let (found, ()) = tokio::join!(biased; waiting, async { drop(left) });
        let found = found.unwrap_or_else(|fault| panic!("{fault}"));
        assert!(Arc::ptr_eq(found.endpoint(), &expected), "whichever is given back first");
    }
}
