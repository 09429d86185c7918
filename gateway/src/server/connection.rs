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
use http::{Request, Response, Version};
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
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use tower::{BoxError, Service, ServiceExt, load_shed::error::Overloaded};

use crate::{
    body::{Body, BodyError, Received},
    context::RequestContext,
    fault::Fault,
    response::reply::Reply,
    server::io::{Busy, ClientTimeouts, ConnectionState, Io, Phase},
    state::Gateway,
};

/// How much of what a client still sends is read after the last answer, and for how long: closing a socket with unread
/// bytes in it resets the connection, and the answer with it.
const LINGER: (usize, Duration) = (64 * 1024, Duration::from_secs(1));

/// The same patience while draining: nobody waits long for a gateway that goes down.
const LINGER_DRAINING: Duration = Duration::from_millis(100);

/// How much is read ahead of a body's reader, in bytes.
const BUFFER: usize = 64 * 1024;

/// A request and its context: what a service is asked.
pub(super) type RequestInContext = (Rc<RequestContext>, Request<Received>);

/// What all connections of one listener on one worker share.
pub(super) struct HttpServer<S> {
    service: S,
    http: Builder,
    timeouts: ClientTimeouts,
    gateway: Arc<Gateway>,
    draining: CancellationToken,
}

/// What the requests of one connection share.
struct Client<S> {
    server: Rc<HttpServer<S>>,
    peer: IpAddr,
    phase: Rc<Phase>,
    /// Whether a request had a body: some of it may be unread when the connection ends.
    sent_body: Cell<bool>,
    /// Whether an answer broke off whose end is only the connection's.
    broke_off: Cell<bool>,
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
    /// A server of `service`. Once `draining` is cancelled, connections end as soon as their requests do.
    pub(super) fn new(service: S, gateway: Arc<Gateway>, draining: CancellationToken) -> Self {
        let running = gateway.running();
        let config = &running.config.server;
        let mut http = Builder::new();
        // Its one timer stays off: `Io` has two.
        http.header_read_timeout(None).max_header_size(config.max_head).max_buf_size(config.max_head + BUFFER);
        let timeouts = ClientTimeouts { head: config.head_timeout, idle: config.idle_timeout };
        drop(running);
        Self { service, http, timeouts, gateway, draining }
    }
}

/// Serves one connection to its end; once draining, to the end of the request that it is at.
pub(super) async fn serve<S>(server: Rc<HttpServer<S>>, stream: TcpStream, peer: IpAddr)
where
    S: Service<RequestInContext, Response = Reply, Error: Into<BoxError>> + Clone + 'static,
{
    let phase = Phase::new(server.timeouts);
    let client = Rc::new(Client {
        server: server.clone(),
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
        let patience = if server.draining.is_cancelled() { LINGER_DRAINING } else { LINGER.1 };
        linger(socket, LINGER.0, patience).await;
    }
}

async fn converse<S>(client: &Rc<Client<S>>, io: Io)
where
    S: Service<RequestInContext, Response = Reply, Error: Into<BoxError>> + Clone + 'static,
{
    let answers = service_fn(|request| {
        let client = client.clone();
        async move { Ok::<_, Infallible>(client.answer(request).await) }
    });
    let mut connection = pin!(client.server.http.serve_connection(TokioIo::new(io), answers));
    // How it ended is of no use to anybody: what mattered was said in answers.
    tokio::select! {
        _ = connection.as_mut() => return,
        () = client.server.draining.cancelled() => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

impl<S> Client<S>
where
    S: Service<RequestInContext, Response = Reply, Error: Into<BoxError>> + Clone + 'static,
{
    async fn answer(self: Rc<Self>, request: Request<Incoming>) -> Response<ResponseBody<S>> {
        let busy = self.phase.busy();
        self.sent_body.set(!request.body().is_end_stream());
        let ends_by_close = request.version() < Version::HTTP_11;
        let context = Rc::new(RequestContext::new(self.server.gateway.clone(), self.peer, &request));
        let request = request.map(|body| Received::new(body, || Box::new(busy.clone())));
        let respond = async {
            let reply = match self.server.service.clone().oneshot((context.clone(), request)).await {
                Ok(reply) => reply,
                Err(error) => context.fault(not_served(error.into())),
            };
            context.send(reply)
        };
        let response = match (Caught { inner: respond }).await {
            Ok(response) => response,
            Err(panic) => {
                tracing::error!(panic = said(&*panic), id = %context.id, "a request panicked");
                context.send(context.fault(Fault::Panicked))
            }
        };
        if let Some(limit) = response.body().idle_limit() {
            self.phase.set_write_limit(limit);
        }
        response.map(|body| ResponseBody { body, client: self.clone(), ends_by_close, _busy: busy })
    }
}

/// Why the service gave no reply. Only its load shedder may do that; anything else would be a mistake of ours.
fn not_served(error: BoxError) -> Fault {
    if error.is::<Overloaded>() { Fault::Overloaded } else { Fault::Internal(error.to_string().into()) }
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
}
