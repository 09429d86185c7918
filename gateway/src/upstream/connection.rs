//! One connection to an endpoint, as one request has it: by HTTP/1 alone, or by HTTP/2 beside others. Who sends the request
//! need not know which.

use std::{error::Error, fmt, rc::Rc, sync::Arc, time::Duration};

use http::{Request, Response};
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    task::spawn_local,
    time::{Instant, timeout_at},
};
use tokio_util::task::AbortOnDropHandle;

use super::{
    endpoint::Endpoint,
    http2::{Http2Connection, Http2Exchange},
    socket::{Socket, SocketEvents},
    tls::TlsClient,
};
use crate::{
    body::{AnswerBody, Body, Upload},
    config::UpstreamProtocol,
    fault::Fault,
};

/// The largest head of an answer, in bytes, and the most it may hold back before its reader takes it.
pub(super) const MAX_HEAD: usize = 64 * 1024;

/// A connection to an endpoint, taken by one request.
pub(super) struct Connection {
    protocol: Protocol,
    pub(super) reused: bool,
    /// Where the endpoint was when it began.
    since: u64,
    /// What TLS it began by.
    tls: Option<Arc<TlsClient>>,
}

enum Protocol {
    Http1(Http1Connection),
    Http2(Http2Exchange),
}

struct Http1Connection {
    sender: SendRequest<Body>,
    events: Arc<SocketEvents>,
    /// hyper would keep the connection of a request that nobody waits for any more, for as long as the endpoint takes
    /// none of its body: it ends with this.
    _carrying: AbortOnDropHandle<()>,
}

/// A connection that several requests of one worker share.
pub(super) struct SharedConnection {
    connection: Http2Connection,
    since: u64,
    tls: Option<Arc<TlsClient>>,
}

/// Why a request got no answer.
pub(super) struct SendFailure {
    /// What the connection said.
    pub(super) error: SendError,
    /// The request, if nothing of it was ever written, or the endpoint says that it has not looked at it.
    pub(super) unsent: Option<Box<Request<Body>>>,
}

/// What a connection says that could not bring an answer.
#[derive(Debug)]
pub(super) enum SendError {
    Http1(hyper::Error),
    Http2(h2::Error),
    /// The connection took no more requests.
    NotBegun(h2::Error),
    /// The endpoint sent interim answers, and more of them.
    TooManyInterim,
    /// The head has no form in this version of HTTP.
    Unsendable,
}

impl Connection {
    /// Opens a connection to `endpoint`.
    ///
    /// # Errors
    /// A fault of connecting, at `deadline` at the latest.
    pub(super) async fn open(endpoint: &Endpoint, deadline: Instant) -> Result<Self, Fault> {
        let (tls, since) = (endpoint.tls(), endpoint.since());
        let stream = endpoint.connect(deadline).await?;
        let protocol = match endpoint.protocol() {
            UpstreamProtocol::Http1 => Http1Connection::over(stream).await.map(Protocol::Http1),
            UpstreamProtocol::Http2 => {
                let opened = Http2Connection::over(stream, endpoint.scheme()).await;
                opened.map(|connection| Protocol::Http2(connection.begin())).map_err(SendError::Http2)
            }
        };
        let protocol = protocol.map_err(|error| Fault::UpstreamReset(endpoint.at(&error.to_string())))?;
        Ok(Self { protocol, reused: false, since, tls })
    }

    /// What others may share of it.
    pub(super) fn shared(&self) -> Option<SharedConnection> {
        match &self.protocol {
            Protocol::Http1(_) => None,
            Protocol::Http2(exchange) => {
                let connection = exchange.connection().clone();
                Some(SharedConnection { connection, since: self.since, tls: self.tls.clone() })
            }
        }
    }

    /// Sends `request`, whose body `upload` tells about; the answer's head. Dropping this takes the request back, whatever is
    /// under way.
    ///
    /// # Errors
    /// [`SendFailure`] if no answer comes.
    pub(super) async fn send(
        &mut self,
        request: Request<Body>,
        upload: &Rc<Upload>,
    ) -> Result<Response<AnswerBody>, SendFailure> {
        match &mut self.protocol {
            Protocol::Http1(connection) => connection.send(request, upload).await,
            Protocol::Http2(exchange) => exchange.send(request, upload).await,
        }
    }

    /// The same, taken from its pool to serve again.
    pub(super) fn reused(self) -> Self {
        Self { reused: true, ..self }
    }

    /// Whether it leads where `endpoint` is now, and began by what TLS is spoken by there.
    pub(super) fn is_current(&self, endpoint: &Endpoint) -> bool {
        is_current(self.tls.as_ref(), self.since, endpoint)
    }

    /// Whether it takes a request at once.
    pub(super) fn is_ready(&self) -> bool {
        match &self.protocol {
            Protocol::Http1(connection) => connection.sender.is_ready(),
            Protocol::Http2(_) => false,
        }
    }

    /// Whether it has ended, or is not this one's to keep: what is shared is kept already.
    pub(super) fn is_closed(&self) -> bool {
        match &self.protocol {
            Protocol::Http1(connection) => connection.sender.is_closed(),
            Protocol::Http2(_) => true,
        }
    }

    /// Whether the next request may go on this connection. Not where the endpoint spoke before it had been sent the last
    /// byte of the one before: it may take the rest of that for a request.
    pub(super) fn may_serve_again(&self) -> bool {
        #[cfg(candor_mutants)]
        if auth_core::mutants::is("early-answer-pooled") {
            return true;
        }
        match &self.protocol {
            Protocol::Http1(connection) => !connection.events.heard_early(),
            Protocol::Http2(exchange) => exchange.is_sent(),
        }
    }

    /// Whether anything has come since the last request was sent.
    pub(super) fn heard_anything(&self) -> bool {
        match &self.protocol {
            Protocol::Http1(connection) => connection.events.heard_anything(),
            Protocol::Http2(exchange) => exchange.heard_anything(),
        }
    }

    /// No answer came in time.
    pub(super) fn is_late(&self) {
        match &self.protocol {
            // It ends with the request.
            Protocol::Http1(_) => {}
            Protocol::Http2(exchange) => exchange.is_late(),
        }
    }

    /// Waits until the rest of an upload has gone, or stands still for `idle`, or the connection ends.
    pub(super) async fn send_the_rest(&mut self, upload: &Upload, idle: Duration) {
        match &mut self.protocol {
            Protocol::Http1(connection) => connection.send_the_rest(upload, idle).await,
            Protocol::Http2(exchange) => exchange.send_the_rest(upload, idle).await,
        }
    }
}

impl Http1Connection {
    /// A connection that speaks HTTP/1 over `stream`.
    async fn over(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Result<Self, SendError> {
        let events = Arc::<SocketEvents>::default();
        let socket = Socket { stream, events: events.clone() };
        let (sender, connection) = Builder::new()
            .max_header_size(MAX_HEAD)
            .max_buf_size(MAX_HEAD + 8 * 1024)
            .handshake(TokioIo::new(socket))
            .await
            .map_err(SendError::Http1)?;
        let carrying = AbortOnDropHandle::new(spawn_local(async move {
            // Whoever waits for an answer is told; an idle connection that ends needs no word.
            let _ = connection.with_upgrades().await;
        }));
        Ok(Self { sender, events, _carrying: carrying })
    }

    async fn send(&mut self, request: Request<Body>, upload: &Upload) -> Result<Response<AnswerBody>, SendFailure> {
        self.events.begin(upload);
        match self.sender.try_send_request(request).await {
            Ok(answer) => {
                self.events.head_came();
                Ok(answer.map(AnswerBody::Http1))
            }
            Err(mut failure) => {
                let unsent = failure.take_message().map(Box::new);
                let error = match self.events.was_flooded() {
                    true => SendError::TooManyInterim,
                    false => SendError::Http1(failure.into_error()),
                };
                Err(SendFailure { unsent, error })
            }
        }
    }

    async fn send_the_rest(&mut self, upload: &Upload, idle: Duration) {
        loop {
            let deadline = upload.moved() + idle;
            if timeout_at(deadline, self.sender.ready()).await.is_ok() || upload.moved() + idle <= Instant::now() {
                return;
            }
        }
    }
}

impl SharedConnection {
    /// Whether requests to `endpoint` may begin on it.
    pub(super) fn is_good(&self, endpoint: &Endpoint, now: Instant) -> bool {
        self.connection.is_good(now) && is_current(self.tls.as_ref(), self.since, endpoint)
    }

    /// A part of it, for one more request, if the endpoint takes one more at once.
    pub(super) fn begin(&self) -> Option<Connection> {
        let begins = self.connection.has_room();
        begins.then(|| Connection {
            protocol: Protocol::Http2(self.connection.begin()),
            reused: true,
            since: self.since,
            tls: self.tls.clone(),
        })
    }
}

impl SendError {
    /// Whether what came is not HTTP, or more of it than is taken.
    pub(super) fn is_garbage(&self) -> bool {
        match self {
            Self::Http1(error) => error.is_parse(),
            // What h2 itself found to be wrong.
            Self::Http2(error) | Self::NotBegun(error) => error.is_library(),
            Self::TooManyInterim => true,
            Self::Unsendable => false,
        }
    }

    /// Whether the endpoint has not looked at the request, and says so: it refused its stream, or goes away and names an
    /// earlier one as the last that it looked at (RFC 9113 §6.8, §8.7).
    pub(super) fn is_unprocessed(&self) -> bool {
        match self {
            Self::Http2(error) => {
                let refused = error.is_reset() && error.reason() == Some(h2::Reason::REFUSED_STREAM);
                error.is_remote() && (refused || error.is_go_away())
            }
            Self::NotBegun(_) => true,
            Self::Http1(_) | Self::TooManyInterim | Self::Unsendable => false,
        }
    }
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http1(error) => error.fmt(f),
            Self::Http2(error) | Self::NotBegun(error) => error.fmt(f),
            Self::TooManyInterim => f.write_str("interim answers (1xx) without an end"),
            Self::Unsendable => f.write_str("a head that has no form in HTTP/2"),
        }
    }
}

impl Error for SendError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Http1(error) => error.source(),
            Self::Http2(error) | Self::NotBegun(error) => error.get_io().map(|error| error as _),
            Self::TooManyInterim | Self::Unsendable => None,
        }
    }
}

/// Whether a connection that began when `endpoint` was at `since`, by this TLS, leads where it is now, by what TLS is spoken
/// by there.
fn is_current(began: Option<&Arc<TlsClient>>, since: u64, endpoint: &Endpoint) -> bool {
    let as_ever = match (began, endpoint.tls()) {
        (None, None) => true,
        (Some(began), Some(now)) => Arc::ptr_eq(began, &now),
        (None, Some(_)) | (Some(_), None) => false,
    };
    as_ever && since == endpoint.since()
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        task::LocalSet,
    };

    use super::*;

    #[tokio::test]
    async fn a_request_goes_over_any_transport() {
        fn is_send<T: Send>(_: &T) {}
        let test = async {
            let (ours, mut theirs) = tokio::io::duplex(4096);
            is_send(&Socket { stream: tokio::io::duplex(1).0, events: Arc::default() });
            let mut connection = Http1Connection::over(ours).await.expect("nothing is written yet");
            let answers = spawn_local(async move {
                let mut asked = Vec::new();
                while !asked.ends_with(b"\r\n\r\n") {
                    assert!(theirs.read_buf(&mut asked).await.expect("it is open") > 0, "it ends too early");
                }
                theirs.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.expect("it is open");
                (theirs, asked)
            });
            let request = Request::builder().uri("/").header("host", "x").body(Body::empty()).expect("a request");
            let answer = connection.send(request, &Upload::of_nothing()).await.map_err(|failure| failure.error);
            assert_eq!(answer.expect("an answer").status(), 204);
            assert!(!connection.events.heard_early(), "the answer came when the request had gone");
            let (_open, asked) = answers.await.expect("it did not panic");
            assert_eq!(String::from_utf8_lossy(&asked), "GET / HTTP/1.1\r\nhost: x\r\n\r\n");
        };
        LocalSet::new().run_until(test).await;
    }
}
