//! One request and its answer on a client's connection, and what they mean for its end.
//!
//! HTTP/1 has one stream after another on a connection; HTTP/2 has many at a time. What belongs to
//! the one stands in [`Stream`], and what belongs to all of them in [`ClientConnection`].

use std::{
    cell::Cell,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Version};
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::Instant;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    access_record::AccessRecord,
    phase::{ConnectionState, Phase},
};
use crate::{
    body::{Body, BodyError},
    context::OpenTunnel,
    telemetry::Incomplete,
};

/// A client's connection, as its streams know it.
pub(super) struct ClientConnection {
    phase: Arc<Phase>,
    encrypted: bool,
    last: Cell<LastStream>,
    tunnels: TaskTracker,
}

/// One request and its answer. The connection is busy for as long as any part of them lives: whoever holds the request's
/// body, or the answer's, holds this.
pub(super) struct Stream {
    connection: Rc<ClientConnection>,
    /// Whether the answer has no other end than that of the connection (HTTP/1.0).
    ends_by_close: bool,
    /// How long the client may ask for nothing more of an answer that has begun.
    limit: Cell<Duration>,
    /// Since when it has not, on a connection with many streams. One with a single stream is written to until the client
    /// takes no more, which is seen there.
    owed_since: Cell<Option<Instant>>,
    stalled: Cell<bool>,
}

/// What the last stream means for the end of its connection.
#[derive(Clone, Copy)]
enum LastStream {
    Complete,
    /// Its request had a body, and some of it may be unread.
    BodyUnread,
    /// Its answer broke off, and has no other end than that of the connection.
    AnswerBroken,
}

/// How a connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Closing {
    /// At once.
    Orderly,
    /// After a little of what its client still sends has been read: unread bytes would reset it, and lose the answer.
    Lingering,
    /// With a reset: an orderly end would be taken for the end of the answer.
    Reset,
}

/// A body on its way to the client.
pub(super) struct ResponseBody {
    body: Body,
    stream: Rc<Stream>,
}

impl ClientConnection {
    /// A connection in `phase`, `encrypted` or not.
    pub(super) fn new(phase: Arc<Phase>, encrypted: bool) -> Rc<Self> {
        Rc::new(Self { phase, encrypted, last: Cell::new(LastStream::Complete), tunnels: TaskTracker::new() })
    }

    /// What it is doing.
    pub(super) fn phase(&self) -> &Arc<Phase> {
        &self.phase
    }

    /// Opens a stream for `request`, whose head was read whole.
    pub(super) fn open<B: HttpBody>(self: &Rc<Self>, request: &Request<B>) -> Rc<Stream> {
        self.phase.stream_opened();
        self.last.set(if request.body().is_end_stream() { LastStream::Complete } else { LastStream::BodyUnread });
        Rc::new(Stream {
            connection: self.clone(),
            ends_by_close: request.version() < Version::HTTP_11,
            limit: Cell::new(self.phase.limits().idle),
            owed_since: Cell::new(None),
            stalled: Cell::new(false),
        })
    }

    /// Carries the tunnel that `stream` has become, on a task of its own, and then writes its line. The connection is busy
    /// for as long.
    pub(super) fn carry(&self, open: OpenTunnel, record: AccessRecord, stream: Rc<Stream>, closing: CancellationToken) {
        let OpenTunnel { tunnel, watch } = open;
        self.phase.set_write_limit(tunnel.stall());
        self.tunnels.spawn_local(async move {
            let outcome = tunnel.carry(watch, closing).await;
            record.of_tunnel(&outcome);
            drop(stream);
        });
    }

    /// Returns when every tunnel on it has ended: there will be no others.
    pub(super) async fn tunnels_ended(&self) {
        self.tunnels.close();
        self.tunnels.wait().await;
    }

    /// How it should be closed, now that nothing more is served on it.
    pub(super) fn closing(&self) -> Closing {
        match (self.last.get(), self.phase.state()) {
            (LastStream::AnswerBroken, _) => Closing::Reset,
            (LastStream::BodyUnread, _) | (LastStream::Complete, ConnectionState::Head) => Closing::Lingering,
            (LastStream::Complete, ConnectionState::Idle | ConnectionState::Busy) => Closing::Orderly,
        }
    }
}

impl Stream {
    /// Whether we speak TLS on its connection.
    pub(super) fn is_encrypted(&self) -> bool {
        self.connection.encrypted
    }

    /// Its connection.
    pub(super) fn connection(&self) -> &Rc<ClientConnection> {
        &self.connection
    }

    /// Whether its connection has many at a time: then it is no stream's to say that the connection ends.
    pub(super) fn is_one_of_many(&self) -> bool {
        self.connection.phase.is_multiplexed()
    }

    /// The answer's body, on its way to the client.
    pub(super) fn answer(self: Rc<Self>, body: Body) -> ResponseBody {
        if let Some(limit) = body.idle_limit() {
            self.connection.phase.set_write_limit(limit);
            self.limit.set(limit);
        }
        if let Some(least) = body.min_rate() {
            self.connection.phase.set_min_rate(least);
        }
        self.handed_over(!body.is_end_stream());
        ResponseBody { body, stream: self }
    }

    /// Whether the client owes the next step: it was handed something, and has not asked for what follows.
    fn handed_over(&self, owes: bool) {
        if self.connection.phase.is_multiplexed() {
            self.owed_since.set(owes.then(Instant::now));
        }
    }

    /// When the client is given up, if it asks for nothing more of its answer.
    pub(super) fn given_up_at(&self) -> Option<Instant> {
        self.owed_since.get().map(|since| since + self.limit.get())
    }

    /// It asked for nothing, and is given up.
    pub(super) fn give_up(&self) {
        self.stalled.set(true);
    }

    /// Because of whom it has ended before its time, if that was its client; `serving` unless we are shut down.
    pub(super) fn ended_by(&self, serving: bool) -> Option<Incomplete> {
        let phase = &self.connection.phase;
        match phase.ended_by() {
            _ if self.stalled.get() => Some(Incomplete::ClientIdle),
            // The connection goes on, and of its streams only their client ends one.
            None if phase.is_multiplexed() && serving => Some(Incomplete::Client),
            by => by,
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.connection.phase.stream_closed(Instant::now());
    }
}

impl HttpBody for ResponseBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        self.stream.handed_over(matches!(polled, Poll::Ready(Some(Ok(_)))));
        let frame = ready!(polled);
        if matches!(frame, Some(Err(_))) && self.stream.ends_by_close {
            self.stream.connection.last.set(LastStream::AnswerBroken);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::phase::ClientTimeouts;

    #[test]
    fn a_connection_is_busy_for_as_long_as_any_of_its_streams_is_held() {
        let limits = ClientTimeouts { head: Duration::from_secs(1), idle: Duration::from_secs(1) };
        let connection = ClientConnection::new(Phase::new(limits), false);
        let open = |body: &'static str| connection.open(&Request::new(body.to_owned()));
        let state = || connection.phase.state();
        let (first, second) = (open(""), open(""));
        let body = first.clone().answer(Body::empty());
        drop((first, second));
        assert_eq!((state(), connection.closing()), (ConnectionState::Busy, Closing::Orderly));
        drop(body);
        assert_eq!(state(), ConnectionState::Idle);
        connection.phase.heard(Instant::now());
        assert_eq!(connection.closing(), Closing::Lingering, "half a head may be followed by the rest");
        let upload = open("body");
        assert_eq!((state(), connection.closing()), (ConnectionState::Busy, Closing::Lingering));
        drop(upload);
        assert_eq!(connection.closing(), Closing::Lingering);
        drop(open(""));
        assert_eq!(connection.closing(), Closing::Orderly);
    }
}
