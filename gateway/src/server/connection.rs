//! One client connection: what it speaks is decided here, in one place; hyper speaks, the service answers with a reply, and the reply becomes a response here, last.
//!
//! A panic is caught here and answered in the form of whoever asked; it costs nobody else anything. A panic in a body
//! that is already on its way cuts this connection: half an answer never looks like a whole one.

use std::{
    any::Any, convert::Infallible, io, net::IpAddr, panic::AssertUnwindSafe, pin::Pin, rc::Rc, sync::Arc,
    time::Duration,
};

use futures_util::FutureExt;
use http::{
    HeaderValue, Request, Response, StatusCode,
    header::{CONNECTION, STRICT_TRANSPORT_SECURITY},
};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use tower::{BoxError, Service, ServiceExt, load_shed::error::Overloaded};

use super::{
    access_record::{AccessRecord, RecordedBody},
    io::{Io, Spoken, Transport},
    phase::{ClientTimeouts, ConnectionState, Phase},
    stream::{ClientConnection, Closing, ResponseBody, Stream},
};
use crate::{
    body::Received, context::RequestContext, fault::Fault, headers::connection::upgrades_asked, response::reply::Reply,
    state::Gateway,
};

/// How much of what a client still sends is read after the last answer, and for how long: closing a socket with unread
/// bytes in it resets the connection, and the answer with it.
const LINGER: (usize, Duration) = (64 * 1024, Duration::from_secs(1));

/// How long a connection may be idle, at most, before it is closed because the gateway stops: a client that asks again and
/// again has asked once more by then, and has read that the answer is the last of its connection.
const LAST_REQUEST: Duration = Duration::from_secs(1);

/// The same patience while draining: nobody waits long for a gateway that goes down.
const LINGER_DRAINING: Duration = Duration::from_millis(100);

/// The largest head that is read, in bytes, if `max_head` is no larger: so that one above `max_head` is answered, with a
/// body and a line in the log, by what reads heads. Of one larger than this hyper says 431 alone.
const LARGEST_HEAD: usize = 64 * 1024;

/// How much is read ahead of a body's reader, in bytes.
const BUFFER: usize = 64 * 1024;

/// A request and its context: what a service is asked.
pub(super) type RequestInContext = (Rc<RequestContext>, Request<Received>);

/// What one connection may take, for as long as it lasts.
pub(super) struct ConnectionLimits {
    /// The largest head that is read, in bytes.
    pub(super) head: usize,
    /// How long its client may take.
    pub(super) timeouts: ClientTimeouts,
    /// Whether its other end is a trusted proxy, whose connections carry many clients.
    pub(super) trusted: bool,
}

/// What all connections of one listener on one thread share.
pub(super) struct HttpServer<S> {
    service: S,
    gateway: Arc<Gateway>,
    draining: CancellationToken,
    closing: CancellationToken,
}

impl<S> HttpServer<S>
where
    S: Service<RequestInContext, Response = Reply, Error: Into<BoxError>> + Clone + 'static,
{
    /// A server of `service`. Once `draining` is cancelled, connections end as soon as their requests do.
    pub(super) fn new(service: S, gateway: Arc<Gateway>, draining: CancellationToken) -> Rc<Self> {
        Self::with_tunnels(service, gateway, draining, CancellationToken::new())
    }

    /// The same, whose tunnels end once `closing` is cancelled.
    pub(super) fn with_tunnels(
        service: S,
        gateway: Arc<Gateway>,
        draining: CancellationToken,
        closing: CancellationToken,
    ) -> Rc<Self> {
        Rc::new(Self { service, gateway, draining, closing })
    }

    /// Serves one connection, which is in `phase`, to its end; once draining, to the end of the requests that it is at.
    pub(super) async fn serve(self: Rc<Self>, transport: impl Transport, peer: IpAddr, phase: Arc<Phase>) {
        let limits = self.limits(peer);
        let connection = ClientConnection::new(phase.clone(), transport.is_encrypted());
        let mut io = Io::new(transport, phase);
        let spoken = tokio::select! {
            spoken = io.spoken() => spoken,
            () = self.draining.cancelled() => match timeout(self.last_request(), io.spoken()).await {
                Ok(spoken) => spoken,
                // It has not asked anything.
                Err(_) => return,
            },
        };
        match spoken {
            Ok(Spoken::Http1) => self.serve_http1(limits, io, connection, peer).await,
            Ok(Spoken::Http2) => self.serve_http2(limits, io, connection, peer).await,
            // Nothing was asked.
            Err(_) => {}
        }
    }

    async fn serve_http1(
        self: Rc<Self>,
        limits: ConnectionLimits,
        io: Io<impl Transport>,
        connection: Rc<ClientConnection>,
        peer: IpAddr,
    ) {
        let mut http = http1::Builder::new();
        // Its one timer stays off: `Io` has two.
        http.header_read_timeout(None).max_header_size(limits.head).max_buf_size(limits.head + BUFFER);
        let Some(transport) = self.speak(http, &connection, io, peer).await else {
            return connection.tunnels_ended().await;
        };
        match connection.closing() {
            Closing::Orderly => {}
            Closing::Reset => transport.reset_on_close(),
            Closing::Lingering => {
                let patience = if self.draining.is_cancelled() { LINGER_DRAINING } else { LINGER.1 };
                linger(transport, LINGER.0, patience).await;
            }
        }
    }

    /// What a connection of `peer` that begins now may take. It keeps no more of the configuration: it may outlast many.
    pub(super) fn limits(&self, peer: IpAddr) -> ConnectionLimits {
        let running = self.gateway.running();
        let config = &running.config.server;
        ConnectionLimits {
            head: config.max_head.max(LARGEST_HEAD),
            timeouts: ClientTimeouts::of(config),
            trusted: running.head_policy.forwarded.trusts(peer.to_canonical()),
        }
    }

    /// For how long a connection that is idle is still listened to once the gateway stops.
    pub(super) fn last_request(&self) -> Duration {
        LAST_REQUEST.min(self.gateway.drain_time() / 4)
    }

    /// Cancelled once no more is served than what has begun.
    pub(super) fn draining(&self) -> &CancellationToken {
        &self.draining
    }

    /// Speaks HTTP/1 until the connection can serve no more; what it ran over.
    async fn speak<T: Transport>(
        self: &Rc<Self>,
        http: http1::Builder,
        connection: &Rc<ClientConnection>,
        io: Io<T>,
        peer: IpAddr,
    ) -> Option<T> {
        let answers = service_fn(|request| {
            let (server, stream) = (self.clone(), connection.open(&request));
            async move { Ok::<_, Infallible>(server.answer(stream, peer, request).await) }
        });
        let mut http = http.serve_connection(TokioIo::new(io), answers).with_upgrades();
        // How it ended is of no use to anybody: what mattered was said in answers.
        let drains = tokio::select! {
            _ = &mut http => false,
            () = self.draining.cancelled() => true,
        };
        // What a client sends at this moment would be lost with an idle connection: it has a little longer for that, and the
        // answer says that it is the last.
        if drains && timeout(self.last_request(), &mut http).await.is_err() {
            // Of a head that has begun the rest is waited for, as ever.
            if connection.phase().state() != ConnectionState::Head {
                Pin::new(&mut http).graceful_shutdown();
            }
            let _ = (&mut http).await;
        }
        connection.phase().client_left();
        // None if it has become a tunnel.
        http.into_parts().map(|parts| parts.io.into_inner().into_transport())
    }

    /// Answers the request that was opened as `stream`.
    pub(super) async fn answer(
        &self,
        stream: Rc<Stream>,
        peer: IpAddr,
        request: Request<Incoming>,
    ) -> Response<RecordedBody<ResponseBody>> {
        let is_handshake = opens_websocket(&request);
        let context = Rc::new(RequestContext::new(self.gateway.clone(), peer, &request));
        let record = AccessRecord::new(context.clone(), stream.clone());
        let request = request.map(|body| Received::new(body, context.received().clone(), || stream.clone()));
        let respond = async {
            let reply = match self.service.clone().oneshot((context.clone(), request)).await {
                Ok(reply) => reply,
                Err(error) => context.fault(not_served(error.into())),
            };
            context.send(reply)
        };
        let mut response = match AssertUnwindSafe(respond).catch_unwind().await {
            Ok(response) => response,
            Err(panic) => {
                tracing::error!(panic = panic_message(&*panic), id = %context.id, "a request panicked");
                context.send(context.fault(Fault::Panicked))
            }
        };
        if let Some(hsts) = context.running.site.hsts().filter(|_| stream.is_encrypted()) {
            // In place of an upstream's own: two of them, and browsers take the first (RFC 6797 §8.1).
            response.headers_mut().insert(STRICT_TRANSPORT_SECURITY, hsts.clone());
        }
        let may_say_so = !stream.is_one_of_many() && response.status() != StatusCode::SWITCHING_PROTOCOLS;
        if self.draining.is_cancelled() && may_say_so {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        if is_handshake && !stream.is_one_of_many() && response.status() != StatusCode::SWITCHING_PROTOCOLS {
            // What its client sent ahead is nobody's request.
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        match context.take_tunnel() {
            None => record.of(response.map(|body| stream.answer(body))),
            Some(open) => {
                stream.connection().carry(open, record, stream.clone(), self.closing.clone());
                response.map(|body| RecordedBody::unrecorded(stream.answer(body)))
            }
        }
    }
}

/// Whether a request asks its connection to become a WebSocket.
fn opens_websocket<B>(request: &Request<B>) -> bool {
    upgrades_asked(request.version(), request.headers()).iter().any(|token| token.eq_ignore_ascii_case(b"websocket"))
}

/// Why the service gave no reply. Only its load shedder may do that; anything else would be a mistake of ours.
fn not_served(error: BoxError) -> Fault {
    if error.is::<Overloaded>() { Fault::Overloaded } else { Fault::Internal(error.to_string().into()) }
}

fn panic_message(panic: &(dyn Any + Send)) -> &str {
    panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("")
}

/// Closes our side, and reads a little of what the client still sends.
async fn linger(mut transport: impl Transport, mut left: usize, patience: Duration) {
    let discard = async {
        transport.shutdown().await?;
        let mut sink = [0; 4096];
        while left > 0 {
            match transport.read(&mut sink).await? {
                0 => break,
                read => left = left.saturating_sub(read),
            }
        }
        io::Result::Ok(())
    };
    // Neither a reset nor a client that never stops changes anything: the connection closes here.
    let _ = timeout(patience, discard).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_a_value() {
        let panicking = async { panic!("planned: {}", 7) };
        let panic: Result<(), _> = AssertUnwindSafe(panicking).catch_unwind().await;
        assert_eq!(panic_message(&*panic.expect_err("it panicked")), "planned: 7");
        assert_eq!(AssertUnwindSafe(async { 7 }).catch_unwind().await.expect("no panic"), 7);
    }
}
