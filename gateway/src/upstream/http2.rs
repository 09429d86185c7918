//! A connection to an endpoint by HTTP/2, which carries many requests of one worker at once.
//!
//! h2 speaks, without hyper above it: what an endpoint did with a stream (refused it, answered it, broke it off) decides
//! whether a request may go once more and whether an answer is whole, and hyper reads a reset as the end of a body.
//! Deliberately absent: what an endpoint pushes.

use std::{
    cell::Cell,
    future::poll_fn,
    pin::{Pin, pin},
    rc::Rc,
    time::Duration,
};

use bytes::Bytes;
use h2::{
    Reason, SendStream,
    client::{Builder, ResponseFuture, SendRequest},
};
use http::{HeaderValue, Request, Response, Uri, Version, header, request, uri::Scheme};
use http_body::Body as _;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    task::spawn_local,
    time::{Instant, timeout_at},
};
use tokio_util::task::AbortOnDropHandle;

use super::connection::{MAX_HEAD, SendError, SendFailure};
use crate::{
    body::{AnswerBody, Body, StreamBody, Upload},
    headers::grpc::is_grpc,
};

/// How much of one answer may wait for its client, in bytes. What waits for one client is nobody else's: all answers of a
/// connection together may have as much as each of them.
const STREAM_WINDOW: u32 = 128 * 1024;
const CONNECTION_WINDOW: u32 = (1 << 31) - 1;

/// How much of one request waits for its endpoint, in bytes.
const SEND_BUFFER: usize = 64 * 1024;

/// How many interim answers (1xx) may come before the answer.
const MOST_INTERIM: usize = 32;

/// How long a connection without a request is kept: an endpoint that closes it says so first (RFC 9113 §6.8).
const KEEP: Duration = Duration::from_secs(60);

/// A connection, shared. The last of those who hold it closes it.
#[derive(Clone)]
pub(super) struct Http2Connection {
    sender: SendRequest<Bytes>,
    scheme: Scheme,
    shared: Rc<Shared>,
}

struct Shared {
    /// How many requests hold it.
    requests: Cell<usize>,
    idle_since: Cell<Instant>,
    /// Whether it has ended, or is about to.
    ended: Rc<Cell<bool>>,
    /// Whether it did not answer in time: it may be dead, and no end of it would be seen.
    suspect: Cell<bool>,
    _carrying: AbortOnDropHandle<()>,
}

/// One request's part of a connection.
pub(super) struct Http2Exchange {
    connection: Http2Connection,
    /// Sends the request's body. It ends with this.
    sending: Option<AbortOnDropHandle<()>>,
    /// Whether anything of an answer has come.
    heard: bool,
}

impl Http2Connection {
    /// A connection over `stream`. Nothing is waited for: what the endpoint has to say about it comes with its answers.
    pub(super) async fn over(
        stream: impl AsyncRead + AsyncWrite + Unpin + 'static,
        scheme: Scheme,
    ) -> Result<Self, h2::Error> {
        let (sender, connection) = Builder::new()
            .enable_push(false)
            .max_header_list_size(u32::try_from(MAX_HEAD).unwrap_or(u32::MAX))
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_send_buffer_size(SEND_BUFFER)
            .handshake::<_, Bytes>(stream)
            .await?;
        let ended = Rc::new(Cell::new(false));
        let ends = ended.clone();
        let carrying = AbortOnDropHandle::new(spawn_local(async move {
            // Whoever waits for an answer is told; an idle connection that ends needs no word.
            let _ = connection.await;
            ends.set(true);
        }));
        let (requests, suspect) = (Cell::new(0), Cell::new(false));
        let shared = Shared { requests, idle_since: Cell::new(Instant::now()), ended, suspect, _carrying: carrying };
        Ok(Self { sender, scheme, shared: Rc::new(shared) })
    }

    /// Takes part in it, for one request.
    pub(super) fn begin(&self) -> Http2Exchange {
        self.shared.requests.set(self.shared.requests.get() + 1);
        Http2Exchange { connection: self.clone(), sending: None, heard: false }
    }

    /// Whether it may take requests.
    pub(super) fn is_good(&self, now: Instant) -> bool {
        let Shared { requests, idle_since, ended, suspect, .. } = &*self.shared;
        !ended.get() && !suspect.get() && (requests.get() > 0 || now < idle_since.get() + KEEP)
    }

    /// Whether the endpoint takes one more at once.
    pub(super) fn has_room(&self) -> bool {
        self.shared.requests.get() < self.sender.current_max_send_streams()
    }
}

impl Http2Exchange {
    /// The connection that it is a part of.
    pub(super) fn connection(&self) -> &Http2Connection {
        &self.connection
    }

    /// Sends `request`, whose body `upload` tells about; the answer's head.
    ///
    /// # Errors
    /// [`SendFailure`] if no answer comes. The request comes back if the endpoint says that it has not looked at it
    /// (RFC 9113 §8.7), and if its body is all here.
    pub(super) async fn send(
        &mut self,
        request: Request<Body>,
        upload: &Rc<Upload>,
    ) -> Result<Response<AnswerBody>, SendFailure> {
        let again = again(&request);
        let (parts, body) = request.into_parts();
        match self.exchange(parts, body, upload).await {
            Ok(response) => Ok(response.map(|stream| AnswerBody::Http2(StreamBody::new(stream)))),
            Err(error) => {
                if let SendError::Http2(h2) = &error
                    && (h2.is_go_away() || h2.is_io())
                {
                    self.connection.shared.ended.set(true);
                }
                let unsent = again.filter(|_| error.is_unprocessed());
                Err(SendFailure { unsent, error })
            }
        }
    }

    async fn exchange(
        &mut self,
        parts: request::Parts,
        body: Body,
        upload: &Rc<Upload>,
    ) -> Result<Response<h2::RecvStream>, SendError> {
        let request = framed(parts, &self.connection.scheme)?;
        let mut sender = self.connection.sender.clone().ready().await.map_err(SendError::NotBegun)?;
        let is_whole = body.is_end_stream();
        let (answer, stream) = sender.send_request(request, is_whole).map_err(SendError::NotBegun)?;
        if !is_whole {
            self.sending = Some(AbortOnDropHandle::new(spawn_local(send_body(body, stream, upload.clone()))));
        }
        self.head(answer).await
    }

    /// The head of the answer, after not too many interim ones.
    async fn head(&mut self, answer: ResponseFuture) -> Result<Response<h2::RecvStream>, SendError> {
        let mut answer = pin!(answer);
        let mut interim = 0;
        poll_fn(|cx| {
            while let std::task::Poll::Ready(Some(Ok(_))) = answer.poll_informational(cx) {
                self.heard = true;
                interim += 1;
                if interim > MOST_INTERIM {
                    return std::task::Poll::Ready(Err(SendError::TooManyInterim));
                }
            }
            answer.as_mut().poll(cx).map_err(SendError::Http2)
        })
        .await
    }

    /// Whether anything of an answer has come.
    pub(super) fn heard_anything(&self) -> bool {
        self.heard
    }

    /// It did not answer in time. Nobody new begins on its connection, which may be a dead one.
    pub(super) fn is_late(&self) {
        self.connection.shared.suspect.set(true);
    }

    /// Whether the request has gone to its end, or goes no further.
    pub(super) fn is_sent(&self) -> bool {
        self.sending.as_ref().is_none_or(|sending| sending.is_finished())
    }

    /// Waits until the rest of an upload has gone, or stands still for `idle`, or the stream ends.
    pub(super) async fn send_the_rest(&mut self, upload: &Upload, idle: Duration) {
        let Some(sending) = &mut self.sending else { return };
        loop {
            let deadline = upload.moved() + idle;
            if timeout_at(deadline, &mut *sending).await.is_ok() || upload.moved() + idle <= Instant::now() {
                return;
            }
        }
    }
}

impl Drop for Http2Exchange {
    fn drop(&mut self) {
        let Shared { requests, idle_since, .. } = &*self.connection.shared;
        requests.set(requests.get() - 1);
        idle_since.set(Instant::now());
    }
}

/// Asks once over `stream`, for who needs no more than one answer; whatever carries it must be kept until its body is read.
///
/// # Errors
/// What the connection said.
pub(super) async fn ask_once(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    scheme: &Scheme,
    request: Request<()>,
) -> Result<(Response<AnswerBody>, AbortOnDropHandle<()>), SendError> {
    let request = framed(request.into_parts().0, scheme)?;
    let opened = Builder::new().enable_push(false).handshake::<_, Bytes>(stream).await;
    let (mut sender, connection) = opened.map_err(SendError::Http2)?;
    let carrying = AbortOnDropHandle::new(tokio::spawn(async move {
        let _ = connection.await;
    }));
    let (answer, _) = sender.send_request(request, true).map_err(SendError::NotBegun)?;
    let answer = answer.await.map_err(SendError::Http2)?;
    Ok((answer.map(|stream| AnswerBody::Http2(StreamBody::new(stream))), carrying))
}

/// Sends a request's body as far as the endpoint takes it. Dropping this, or an error of the body, resets the stream: an end
/// would be a lie.
async fn send_body(mut body: Body, mut stream: SendStream<Bytes>, upload: Rc<Upload>) {
    loop {
        let next = poll_fn(|cx| match stream.poll_reset(cx) {
            std::task::Poll::Ready(_) => std::task::Poll::Ready(None),
            std::task::Poll::Pending => Pin::new(&mut body).poll_frame(cx).map(Some),
        });
        match next.await {
            // The endpoint wants no more of it, which need not mean that it does not answer (RFC 9113 §8.1).
            None => return upload.stop(),
            Some(None) => return drop(stream.send_data(Bytes::new(), true)),
            Some(Some(Err(_))) => return stream.send_reset(Reason::CANCEL),
            Some(Some(Ok(frame))) => {
                let Ok(data) = frame.into_data() else { continue };
                let ended = body.is_end_stream();
                if !send_data(data, ended, &mut stream).await {
                    return upload.stop();
                }
                if ended {
                    return;
                }
            }
        }
    }
}

/// Sends `data` in pieces as large as the endpoint takes; whether it took all of it.
async fn send_data(mut data: Bytes, ended: bool, stream: &mut SendStream<Bytes>) -> bool {
    while !data.is_empty() {
        stream.reserve_capacity(data.len());
        let room = match poll_fn(|cx| stream.poll_capacity(cx)).await {
            Some(Ok(room)) => room.min(data.len()),
            Some(Err(_)) | None => return false,
        };
        if room > 0 {
            let piece = data.split_to(room);
            if stream.send_data(piece, ended && data.is_empty()).is_err() {
                return false;
            }
        }
    }
    true
}

/// The same request once more, if its body is here to the end.
fn again(request: &Request<Body>) -> Option<Box<Request<Body>>> {
    let mut again = Request::new(request.body().again()?);
    *again.method_mut() = request.method().clone();
    *again.uri_mut() = request.uri().clone();
    *again.headers_mut() = request.headers().clone();
    Some(Box::new(again))
}

/// The head as HTTP/2 has it: the host in its target, and nothing about the connection (RFC 9113 §8.2.2, §8.3.1).
fn framed(mut parts: request::Parts, scheme: &Scheme) -> Result<Request<()>, SendError> {
    let host = parts.headers.remove(header::HOST).ok_or(SendError::Unsendable)?;
    let target = parts.uri.path_and_query().cloned().ok_or(SendError::Unsendable)?;
    let uri = Uri::builder().scheme(scheme.clone()).authority(host.as_bytes()).path_and_query(target);
    parts.uri = uri.build().map_err(|_| SendError::Unsendable)?;
    parts.version = Version::HTTP_2;
    parts.headers.remove(header::CONNECTION);
    parts.headers.remove(header::TRANSFER_ENCODING);
    if is_grpc(&parts.headers) {
        // Its servers ask for it, to know that nothing on the way drops trailers.
        parts.headers.insert(header::TE, HeaderValue::from_static("trailers"));
    }
    Ok(Request::from_parts(parts, ()))
}
