//! One client connection: hyper speaks, the service answers with a reply, and the reply becomes a response here, last.
//!
//! A panic is caught here and answered in the form of whoever asked; it costs nobody else anything. A panic in a body
//! that is already on its way cuts this connection: half an answer never looks like a whole one.

use std::{
    any::Any,
    cell::Cell,
    convert::Infallible,
    future::Future,
    net::IpAddr,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::{Method, Request, Response, Uri, Version};
use http_body::{Frame, SizeHint};
use hyper::{
    body::{Body as _, Incoming},
    server::conn::http1::Builder,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;
use tower::{BoxError, Service, ServiceExt};

use crate::{
    body::{Body, BodyError, Received},
    context::arrived::Arrived,
    fault::{ClientKind, Fault},
    request::{id::RequestId, presumed_asker},
    response::{answer::Seen, reply::Reply},
    server::io::{Busy, ClientTimeouts, ConnectionState, Io, Phase},
    state::{Gateway, Running},
};

/// How much of what a client still sends is read after the last answer, and for how long: closing a socket with unread
/// bytes in it resets the connection, and the answer with it.
const LINGER: (usize, Duration) = (64 * 1024, Duration::from_secs(1));

/// The same patience while draining: nobody waits long for a gateway that goes down.
const LINGER_DRAINING: Duration = Duration::from_millis(100);

/// How much is read ahead of a body's reader, in bytes.
const BUFFER: usize = 64 * 1024;

/// What all connections of one listener on one worker share.
pub(super) struct HttpServer<S> {
    service: S,
    http: Builder,
    limits: ClientTimeouts,
    gateway: Arc<Gateway>,
    draining: CancellationToken,
}

/// What the requests of one connection share.
struct Client<S> {
    front: Rc<HttpServer<S>>,
    peer: IpAddr,
    phase: Rc<Phase>,
    /// Whether a request had a body: some of it may be unread when the connection ends.
    sent_body: Cell<bool>,
    /// Whether an answer broke off whose end is only the connection's.
    broke_off: Cell<bool>,
}

/// What is kept of a request for the case that handling it yields nothing.
struct Outline {
    asker: Rc<Cell<ClientKind>>,
    begun: Instant,
    id: RequestId,
    peer: IpAddr,
    method: Method,
    uri: Uri,
}

/// A body on its way to the client.
struct ResponseBody<S> {
    body: Body,
    client: Rc<Client<S>>,
    ends_by_close: bool,
    _busy: Busy,
}

pin_project_lite::pin_project! {
    /// A future whose panic is a value.
    struct Caught<F> {
        #[pin]
        inner: F,
    }
}

impl<S> HttpServer<S> {
    /// A front for `service`. Once `draining` is cancelled, connections end as soon as their requests do.
    pub(super) fn new(service: S, gateway: Arc<Gateway>, draining: CancellationToken) -> Self {
        let running = gateway.running();
        let server = &running.config.server;
        let mut http = Builder::new();
        // Its one timer stays off: `Io` has two.
        http.header_read_timeout(None).max_header_size(server.max_head).max_buf_size(server.max_head + BUFFER);
        let limits = ClientTimeouts { head: server.head_timeout, idle: server.idle_timeout };
        drop(running);
        Self { service, http, limits, gateway, draining }
    }
}

/// Serves one connection to its end; once draining, to the end of the request that it is at.
pub(super) async fn serve<S>(front: Rc<HttpServer<S>>, stream: TcpStream, peer: IpAddr)
where
    S: Service<Arrived, Response = Reply, Error = BoxError> + Clone + 'static,
{
    let phase = Phase::new(front.limits);
    let client = Rc::new(Client {
        front: front.clone(),
        peer,
        phase: phase.clone(),
        sent_body: Cell::new(false),
        broke_off: Cell::new(false),
    });
    converse(&client, Io::new(stream, phase.clone())).await;
    let Some(socket) = phase.leftover() else { return };
    if client.broke_off.get() {
        // Without a length, an orderly close would be the answer's orderly end.
        let _ = socket.set_zero_linger();
    } else if client.sent_body.get() || phase.state() == ConnectionState::Head {
        let patience = if front.draining.is_cancelled() { LINGER_DRAINING } else { LINGER.1 };
        linger(socket, LINGER.0, patience).await;
    }
}

async fn converse<S>(client: &Rc<Client<S>>, io: Io)
where
    S: Service<Arrived, Response = Reply, Error = BoxError> + Clone + 'static,
{
    let answers = service_fn(|request| {
        let client = client.clone();
        async move { Ok::<_, Infallible>(client.answer(request).await) }
    });
    let mut connection = pin!(client.front.http.serve_connection(TokioIo::new(io), answers));
    // How it ended is of no use to anybody: what mattered was said in answers.
    tokio::select! {
        _ = connection.as_mut() => return,
        () = client.front.draining.cancelled() => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

impl<S> Client<S>
where
    S: Service<Arrived, Response = Reply, Error = BoxError> + Clone + 'static,
{
    async fn answer(self: Rc<Self>, request: Request<Incoming>) -> Response<ResponseBody<S>> {
        let busy = self.phase.busy();
        self.sent_body.set(!request.body().is_end_stream());
        let ends_by_close = request.version() < Version::HTTP_11;
        let outline = Outline::of(&request, self.peer);
        let running = self.front.gateway.running();
        let (id, asker) = (outline.id, outline.asker.clone());
        let request = request.map(|body| Received::new(body, || Box::new(busy.clone())));
        let arrived = Arrived { id, peer: self.peer, running: running.clone(), asker, request };
        let respond = async {
            let reply = match self.front.service.clone().oneshot(arrived).await {
                // A head that could not be read was seen by nobody else.
                Ok(reply) if reply.seen.time.is_none() => Reply { seen: outline.seen(), ..reply },
                Ok(reply) => reply,
                Err(_shed) => outline.reply(Fault::Overloaded),
            };
            self.leave(reply, &running, outline.begun)
        };
        let response = match (Caught { inner: respond }).await {
            Ok(response) => response,
            Err(panic) => {
                tracing::error!(panic = said(&*panic), id = %outline.id, "a request panicked");
                self.leave(outline.reply(Fault::Panicked), &running, outline.begun)
            }
        };
        if let Some(limit) = response.body().idle_limit() {
            self.phase.set_write_limit(limit);
        }
        response.map(|body| ResponseBody { body, client: self.clone(), ends_by_close, _busy: busy })
    }

    fn leave(&self, reply: Reply, running: &Running, begun: Instant) -> Response<Body> {
        let gateway = &self.front.gateway;
        reply.leave(&running.site, &gateway.telemetry.access, gateway.now().wall(), begun.elapsed())
    }
}

impl Outline {
    fn of(request: &Request<Incoming>, peer: IpAddr) -> Self {
        Self {
            asker: Rc::new(Cell::new(presumed_asker(request.headers()))),
            begun: Instant::now(),
            id: RequestId::new(),
            peer,
            method: request.method().clone(),
            uri: request.uri().clone(),
        }
    }

    fn reply(&self, fault: Fault) -> Reply {
        Reply { seen: self.seen(), ..Reply::to(self.asker.get(), self.id, fault) }
    }

    fn seen(&self) -> Seen {
        Seen {
            client: Some(self.peer),
            method: self.method.clone(),
            path: self.uri.path().to_owned(),
            ..Seen::default()
        }
    }
}

impl<F: Future> Future for Caught<F> {
    type Output = Result<F::Output, Box<dyn Any + Send>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let inner = self.project().inner;
        match catch_unwind(AssertUnwindSafe(|| inner.poll(cx))) {
            Ok(polled) => polled.map(Ok),
            Err(panic) => Poll::Ready(Err(panic)),
        }
    }
}

impl<S> http_body::Body for ResponseBody<S> {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if matches!(frame, Some(Err(_))) && self.ends_by_close {
            self.client.broke_off.set(true);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// What a panic said.
fn said(panic: &(dyn Any + Send)) -> &str {
    panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("")
}

/// Closes our side, and reads a little of what the client still sends.
async fn linger(mut socket: TcpStream, mut left: usize, patience: Duration) {
    let discard = async {
        socket.shutdown().await?;
        let mut sink = [0; 4096];
        while left > 0 {
            match socket.read(&mut sink).await? {
                0 => break,
                read => left = left.saturating_sub(read),
            }
        }
        std::io::Result::Ok(())
    };
    // Neither a reset nor a client that never stops changes anything: the socket closes here.
    let _ = timeout(patience, discard).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_a_value() {
        let caught = Caught { inner: async { panic!("planned: {}", 7) } };
        let panic: Result<(), _> = caught.await;
        assert_eq!(said(&*panic.expect_err("it panicked")), "planned: 7");
        assert_eq!((Caught { inner: async { 7 } }).await.expect("no panic"), 7);
    }

    #[test]
    fn what_yields_nothing_is_answered_as_the_route_has_it() {
        let outline = Outline {
            asker: Rc::new(Cell::new(ClientKind::Script)),
            begun: Instant::now(),
            id: RequestId::new(),
            peer: [192, 0, 2, 1].into(),
            method: Method::GET,
            uri: Uri::from_static("/display/x"),
        };
        let arrived = outline.asker.clone();
        assert_eq!(outline.reply(Fault::Panicked).asker, ClientKind::Script);
        arrived.set(ClientKind::Device);
        assert_eq!(outline.reply(Fault::Panicked).asker, ClientKind::Device);
    }
}
