//! One client connection: hyper speaks, the service answers with a reply, and the reply becomes a response here, last.
//!
//! A panic is caught here and answered in the form of whoever asked; it costs nobody else anything. A panic in a body
//! that is already on its way cuts this connection: half an answer never looks like a whole one.

use std::{
    any::Any,
    cell::Cell,
    convert::Infallible,
    future::Future,
    net::SocketAddr,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    rc::Rc,
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
use tower::{BoxError, Service, ServiceExt};

use crate::{
    body::{Body, BodyError},
    fault::Fault,
    io::{Io, Limits, Phase, State},
    reply::Reply,
};

/// How much of what a client still sends is read after the last answer, and for how long: closing a socket with unread
/// bytes in it resets the connection, and the answer with it.
const LINGER: (usize, Duration) = (64 * 1024, Duration::from_secs(1));

/// What all connections of one listener on one worker share.
pub(super) struct Front<S> {
    pub(super) service: S,
    pub(super) http: Builder,
    pub(super) limits: Limits,
    pub(super) draining: CancellationToken,
}

/// What the requests of one connection share.
struct Client<S> {
    front: Rc<Front<S>>,
    peer: SocketAddr,
    phase: Rc<Phase>,
    /// Whether a request had a body: some of it may be unread when the connection ends.
    sent_body: Cell<bool>,
    /// Whether an answer broke off whose end is only the connection's.
    broke_off: Cell<bool>,
}

/// A body on its way to the client; the connection is busy until it is dropped.
struct Leaving<S> {
    body: Body,
    client: Rc<Client<S>>,
    ends_by_close: bool,
}

pin_project_lite::pin_project! {
    /// A future whose panic is a value.
    struct Caught<F> {
        #[pin]
        inner: F,
    }
}

/// hyper's side of a listener: the limits that it keeps for us.
pub(super) fn http(max_head: usize) -> Builder {
    let mut http = Builder::new();
    // Its one timer stays off: `Io` has two.
    http.header_read_timeout(None).max_header_size(max_head).max_buf_size(max_head.max(8 * 1024) + 64 * 1024);
    http
}

/// Serves one connection to its end; once draining, to the end of the request that it is at.
pub(super) async fn serve<S>(front: Rc<Front<S>>, stream: TcpStream, peer: SocketAddr)
where
    S: Service<Request<Incoming>, Response = Reply, Error = BoxError> + Clone + 'static,
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
    } else if client.sent_body.get() || phase.state() == State::Head {
        linger(socket).await;
    }
}

async fn converse<S>(client: &Rc<Client<S>>, io: Io)
where
    S: Service<Request<Incoming>, Response = Reply, Error = BoxError> + Clone + 'static,
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
    S: Service<Request<Incoming>, Response = Reply, Error = BoxError> + Clone + 'static,
{
    async fn answer(self: Rc<Self>, request: Request<Incoming>) -> Response<Leaving<S>> {
        self.phase.busy();
        if !request.body().is_end_stream() {
            self.sent_body.set(true);
        }
        todo!()
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

impl<S> http_body::Body for Leaving<S> {
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

impl<S> Drop for Leaving<S> {
    fn drop(&mut self) {
        self.client.phase.idle();
    }
}

/// Closes our side, and reads a little of what the client still sends.
async fn linger(mut socket: TcpStream) {
    let (mut left, patience) = LINGER;
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
