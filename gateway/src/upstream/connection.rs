//! One connection to an endpoint, which carries a request at a time.

use std::{sync::Arc, time::Duration};

use http::{Request, Response};
use hyper::{
    body::Incoming,
    client::conn::http1::{Builder, SendRequest},
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    task::spawn_local,
    time::{Instant, timeout_at},
};
use tokio_util::task::AbortOnDropHandle;

use super::{
    endpoint::Endpoint,
    socket::{Socket, SocketEvents},
    tls::TlsClient,
};
use crate::{
    body::{Body, Upload},
    fault::Fault,
};

/// The largest head of an answer, in bytes, and the most it may hold back before its reader takes it.
const MAX_HEAD: usize = 64 * 1024;

/// A connection to an endpoint, taken by one request.
pub(super) struct Connection {
    sender: SendRequest<Body>,
    events: Arc<SocketEvents>,
    pub(super) reused: bool,
    /// What TLS it began by.
    tls: Option<Arc<TlsClient>>,
    /// hyper would keep the connection of a request that nobody waits for any more, for as long as the endpoint takes
    /// none of its body: it ends with this.
    _carrying: AbortOnDropHandle<()>,
}

/// Why a request got no answer.
pub(super) struct SendFailure {
    /// What the connection said.
    pub(super) error: hyper::Error,
    /// The request, if nothing of it was ever written.
    pub(super) unsent: Option<Box<Request<Body>>>,
}

impl Connection {
    /// Opens a connection to `endpoint`.
    ///
    /// # Errors
    /// A fault of connecting, at `deadline` at the latest.
    pub(super) async fn open(endpoint: &Endpoint, deadline: Instant) -> Result<Self, Fault> {
        let tls = endpoint.tls();
        let stream = endpoint.connect(deadline).await?;
        let opened = Self::over(stream).await.map_err(|error| Fault::UpstreamReset(endpoint.at(&error.to_string())))?;
        Ok(Self { tls, ..opened })
    }

    /// A connection that speaks HTTP over `stream`.
    async fn over(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> hyper::Result<Self> {
        let events = Arc::<SocketEvents>::default();
        let socket = Socket { stream, events: events.clone() };
        let (sender, connection) = Builder::new()
            .max_header_size(MAX_HEAD)
            .max_buf_size(MAX_HEAD + 8 * 1024)
            .handshake(TokioIo::new(socket))
            .await?;
        let carrying = AbortOnDropHandle::new(spawn_local(async move {
            // Whoever waits for an answer is told; an idle connection that ends needs no word.
            let _ = connection.await;
        }));
        Ok(Self { sender, events, reused: false, tls: None, _carrying: carrying })
    }

    /// Sends `request`, whose body `upload` tells about; the answer's head. Dropping the connection closes it, whatever is
    /// under way.
    ///
    /// # Errors
    /// [`SendFailure`] if no answer comes.
    pub(super) async fn send(
        &mut self,
        request: Request<Body>,
        upload: &Upload,
    ) -> Result<Response<Incoming>, SendFailure> {
        self.events.begin(upload);
        self.sender.try_send_request(request).await.map_err(|mut failure| {
            let unsent = failure.take_message().map(Box::new);
            SendFailure { unsent, error: failure.into_error() }
        })
    }

    /// The same, taken from its pool to serve again.
    pub(super) fn reused(self) -> Self {
        Self { reused: true, ..self }
    }

    /// Whether it began by what TLS with `endpoint` is spoken by now.
    pub(super) fn is_current(&self, endpoint: &Endpoint) -> bool {
        match (&self.tls, endpoint.tls()) {
            (None, None) => true,
            (Some(began), Some(now)) => Arc::ptr_eq(began, &now),
            (None, Some(_)) | (Some(_), None) => false,
        }
    }

    /// Whether it takes a request at once.
    pub(super) fn is_ready(&self) -> bool {
        self.sender.is_ready()
    }

    /// Whether it has ended.
    pub(super) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// Whether the next request may go on this connection. Not where the endpoint spoke before it had been sent the last
    /// byte of the one before: it may take the rest of that for a request.
    pub(super) fn may_serve_again(&self) -> bool {
        #[cfg(candor_mutants)]
        if auth_core::mutants::is("early-answer-pooled") {
            return true;
        }
        !self.events.heard_early()
    }

    /// Whether anything has come since the last request was sent.
    pub(super) fn heard_anything(&self) -> bool {
        self.events.heard_anything()
    }

    /// Waits until the rest of an upload has gone, or stands still for `idle`, or the connection ends.
    pub(super) async fn send_the_rest(&mut self, upload: &Upload, idle: Duration) {
        loop {
            let deadline = upload.moved() + idle;
            if timeout_at(deadline, self.sender.ready()).await.is_ok() || upload.moved() + idle <= Instant::now() {
                return;
            }
        }
    }
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
            let mut connection = Connection::over(ours).await.expect("nothing is written yet");
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
            assert!(connection.may_serve_again(), "the answer came when the request had gone");
            let (_open, asked) = answers.await.expect("it did not panic");
            assert_eq!(String::from_utf8_lossy(&asked), "GET / HTTP/1.1\r\nhost: x\r\n\r\n");
        };
        LocalSet::new().run_until(test).await;
    }
}
