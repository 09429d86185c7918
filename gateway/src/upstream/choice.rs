//! Which endpoint a request goes to, and where it goes if it must go once more.
//!
//! The loop over attempts stands above the choice: each attempt asks for an endpoint anew, says which were tried, and the
//! request is addressed to what it gets. Today an upstream has one endpoint, so that the second attempt goes there too.

use std::sync::Arc;

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
            let endpoint = self.choose(&tried)?;
            // Who stays where they are keeps their slot; who goes elsewhere gives it back before they wait for another.
            let taken = match slot.take().filter(|slot| Arc::ptr_eq(slot.endpoint(), endpoint)) {
                Some(slot) => slot,
                None => endpoint.slot(Instant::now() + exchange.deadlines.connect).await?,
            };
            request_fields::address(request.headers_mut(), self.host(endpoint, forwarded));
            match exchange.attempt(endpoint, request, tried.is_empty()).await? {
                Attempt::Answered(response, connection) => return Ok(Answered { response, connection, slot: taken }),
                Attempt::Again(again) => request = *again,
            }
            slot = Some(taken);
            tried.push(endpoint);
        }
    }

    /// The endpoint for the next attempt of a request that went to those `tried`, in that order: one that was not tried, if
    /// there is one.
    ///
    /// # Errors
    /// [`Fault::NoEndpoint`], if there is none at all.
    fn choose(&self, tried: &[&Arc<Endpoint>]) -> Result<&Arc<Endpoint>, Fault> {
        let is_new = |endpoint: &&Arc<Endpoint>| !tried.iter().any(|tried| Arc::ptr_eq(tried, endpoint));
        let endpoint = self.endpoints.iter().find(is_new).or_else(|| self.endpoints.first());
        endpoint.ok_or_else(|| Fault::NoEndpoint { upstream: self.config.name.clone() })
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

#[cfg(test)]
mod tests {
    use std::{path::Path, rc::Rc, time::Duration};

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
        let endpoints = Endpoints::default();
        let endpoints = urls.iter().map(|url| endpoints.get(&config, url)).collect();
        Upstream { config, endpoints }
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
            upstream.endpoints = vec![Endpoints::default().get(&config, &url)];
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

    #[test]
    fn what_was_not_tried_comes_first() {
        let urls: Vec<Url> = ["http://a:1", "http://b:1"].map(|url| url.parse().expect("an address")).to_vec();
        let upstream = upstream(&[&urls[0], &urls[1]]);
        let (a, b) = (&upstream.endpoints[0], &upstream.endpoints[1]);
        for (tried, expected) in [(vec![], a), (vec![a], b), (vec![b], a), (vec![a, b], a)] {
            let chosen = upstream.choose(&tried).unwrap_or_else(|fault| panic!("{fault}"));
            assert!(Arc::ptr_eq(chosen, expected));
        }
        let none = Upstream { config: upstream.config.clone(), endpoints: Vec::new() };
        assert!(matches!(none.choose(&[]), Err(Fault::NoEndpoint { .. })));
    }
}
