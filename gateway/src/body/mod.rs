//! The one body type, of what goes out to clients and of what goes on to upstreams.
//!
//! It streams, keeps the idle deadlines, and holds nothing back but a small request body until it is whole: hyper polls a body only when the other side can take
//! more, so back-pressure costs nothing here. A body that breaks is an error, never an end: whoever reads it sees the
//! connection cut, and cannot take half an answer for a whole one.

mod answer;
mod pace;
mod upload;
mod watch;

use std::{
    fmt,
    pin::{Pin, pin},
    rc::Rc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt as _;
use tokio::time::{Instant, Sleep};

pub use answer::{AnswerBody, AnswerBroken, StreamBody};
pub use pace::{MinRate, Pace, TooSlow};
pub use upload::{Delivery, Received, Upload, UploadFault, UploadState};
pub use watch::{Watch, WatchPolicy, in_words};

use upload::FromClient;

/// A body.
#[must_use]
pub struct Body(Kind);

enum Kind {
    Empty,
    Full(Bytes),
    Client(FromClient),
    Buffered(Bytes, Rc<Upload>),
    Upstream(FromUpstream),
}

/// An upstream's answer on its way to a client.
struct FromUpstream {
    incoming: AnswerBody,
    idle: IdleTimer,
    slot: Option<Box<dyn Slot>>,
    trailers: fn(&mut HeaderMap),
    min_rate: Option<MinRate>,
    watch: Option<Watch>,
}

/// A place on an endpoint, which an answer occupies until it has ended. Dropping it gives the place back.
pub trait Slot {
    /// The answer was read to its end, so that its connection may serve again.
    fn finished(self: Box<Self>);
}

/// A body that cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// The client's part failed.
    #[error("the request's content ended early: {0:?}")]
    Client(UploadFault),
    /// The upstream's part broke off.
    #[error("the upstream's answer broke off")]
    UpstreamBroken(#[source] AnswerBroken),
    /// The upstream's part stood still for too long.
    #[error("the upstream's answer stood still for {0:?}")]
    UpstreamStalled(Duration),
    /// It is proven meanwhile that whoever this is for may not have it.
    #[error("whoever this is for may not have it any more: {0}")]
    Rejected(String),
}

/// A deadline that starts anew with every piece.
struct IdleTimer {
    limit: Duration,
    sleep: Option<Pin<Box<Sleep>>>,
    /// When it is reached, if something is waited for.
    until: Option<Instant>,
}

/// What a timer is ready for.
enum Due {
    /// Nothing has come for too long.
    Idle,
    /// It is time to look whether whoever this is for may still have it.
    Look,
}

impl Body {
    /// No body.
    pub fn empty() -> Self {
        Self(Kind::Empty)
    }

    /// A body that is here already.
    pub fn full(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self(if bytes.is_empty() { Kind::Empty } else { Kind::Full(bytes) })
    }

    /// A client's body: at most `max` bytes, never still for longer than `idle`. `upload` tells how it goes. It breaks off
    /// once `watch` finds it proven that whoever sends it may not.
    pub fn from_client(
        received: Received,
        idle: Duration,
        max: Option<u64>,
        upload: Rc<Upload>,
        watch: Option<Watch>,
    ) -> Self {
        if received.is_end_stream() {
            upload.set_state(UploadState::Done);
            return Self::empty();
        }
        Self(Kind::Client(FromClient::new(received, idle, max, upload, watch)))
    }

    /// Reads a client's body whole, if it says that it is no longer than `small`. Every other stays as it is: its end may
    /// wait for the beginning of an answer.
    ///
    /// # Errors
    /// It ended before its time.
    pub async fn buffered(mut self, small: usize) -> Result<Self, UploadFault> {
        let Kind::Client(client) = &self.0 else { return Ok(self) };
        let upload = client.upload().clone();
        let Some(size) = self.size_hint().exact().and_then(|size| usize::try_from(size).ok()) else { return Ok(self) };
        if size > small {
            return Ok(self);
        }
        let mut whole = BytesMut::with_capacity(size);
        while let Some(frame) = self.frame().await {
            match (frame, upload.state()) {
                (_, UploadState::Failed(fault)) => return Err(fault),
                (Err(_), _) => return Err(UploadFault::Broken),
                (Ok(frame), _) => whole.extend_from_slice(frame.data_ref().map_or(&[], |data| data)),
            }
        }
        upload.set_state(UploadState::UpstreamOwes);
        Ok(Self(Kind::Buffered(whole.freeze(), upload)))
    }

    /// An upstream's body, never still for longer than `idle`; it occupies `slot` until it ends. `trailers` removes
    /// what must not pass.
    pub fn from_upstream(
        incoming: AnswerBody,
        idle: Duration,
        slot: Box<dyn Slot>,
        trailers: fn(&mut HeaderMap),
    ) -> Self {
        if incoming.is_end_stream() {
            slot.finished();
            return Self::empty();
        }
        Self(Kind::Upstream(FromUpstream {
            incoming,
            idle: IdleTimer::new(idle),
            slot: Some(slot),
            trailers,
            min_rate: None,
            watch: None,
        }))
    }

    /// Its client may not be slower than `least` from here on: at sending it, or at taking it.
    pub fn at_least(mut self, least: MinRate) -> Self {
        match &mut self.0 {
            Kind::Client(body) => body.at_least(least),
            Kind::Upstream(body) => body.min_rate = Some(least),
            Kind::Empty | Kind::Full(_) | Kind::Buffered(..) => {}
        }
        self
    }

    /// How fast its client must take it; `None` for one that occupies nothing.
    pub fn min_rate(&self) -> Option<MinRate> {
        match &self.0 {
            Kind::Upstream(body) => body.min_rate,
            Kind::Empty | Kind::Full(_) | Kind::Client(_) | Kind::Buffered(..) => None,
        }
    }

    /// The same body, which breaks off once it is proven that whoever it is for may not have it: for an upstream's answer.
    pub fn watched(mut self, watch: Option<Watch>) -> Self {
        if let Kind::Upstream(body) = &mut self.0 {
            body.watch = watch;
        }
        self
    }

    /// The same once more, if it is here to the end.
    pub(crate) fn again(&self) -> Option<Self> {
        match &self.0 {
            Kind::Empty => Some(Self::empty()),
            Kind::Full(bytes) => Some(Self(Kind::Full(bytes.clone()))),
            Kind::Buffered(bytes, upload) => Some(Self(Kind::Buffered(bytes.clone(), upload.clone()))),
            Kind::Client(_) | Kind::Upstream(_) => None,
        }
    }

    /// How long this body may stand still; `None` for one that cannot.
    pub fn idle_limit(&self) -> Option<Duration> {
        match &self.0 {
            Kind::Empty | Kind::Full(_) | Kind::Buffered(..) => None,
            Kind::Client(body) => Some(body.idle_limit()),
            Kind::Upstream(body) => Some(body.idle.limit),
        }
    }
}

impl FromUpstream {
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let next = loop {
            if let Some(Err(rejected)) = self.watch.as_mut().map(Watch::look) {
                return Poll::Ready(Some(Err(BodyError::Rejected(in_words(&rejected)))));
            }
            if let Poll::Ready(next) = pin!(&mut self.incoming).poll_frame(cx) {
                break next;
            }
            match ready!(self.idle.poll(cx, self.watch.as_ref().map(Watch::next))) {
                Due::Idle => return Poll::Ready(Some(Err(BodyError::UpstreamStalled(self.idle.limit)))),
                Due::Look => {}
            }
        };
        self.idle.restart();
        let piece = match next {
            None => None,
            Some(Err(broken)) => return Poll::Ready(Some(Err(BodyError::UpstreamBroken(broken)))),
            Some(Ok(mut frame)) => {
                if let Some(trailers) = frame.trailers_mut() {
                    (self.trailers)(trailers);
                }
                Some(Ok(frame))
            }
        };
        if (piece.is_none() || self.incoming.is_end_stream())
            && let Some(slot) = self.slot.take()
        {
            slot.finished();
        }
        Poll::Ready(piece)
    }
}

impl IdleTimer {
    fn new(limit: Duration) -> Self {
        Self { limit, sleep: None, until: None }
    }

    /// A piece came.
    fn restart(&mut self) {
        self.until = None;
    }

    /// Ready when nothing has come for too long, or at `look`.
    fn poll(&mut self, cx: &mut Context<'_>, look: Option<Instant>) -> Poll<Due> {
        let limit = self.limit;
        let idle = *self.until.get_or_insert_with(|| Instant::now() + limit);
        let at = look.map_or(idle, |look| look.min(idle));
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(at)));
        if sleep.deadline() != at {
            sleep.as_mut().reset(at);
        }
        ready!(sleep.as_mut().poll(cx));
        Poll::Ready(if idle <= at { Due::Idle } else { Due::Look })
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            Kind::Empty => "Body(empty)",
            Kind::Full(_) => "Body(full)",
            Kind::Client(_) => "Body(from client)",
            Kind::Buffered(..) => "Body(from client, buffered)",
            Kind::Upstream(_) => "Body(from upstream)",
        })
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut self.0 {
            Kind::Empty => Poll::Ready(None),
            Kind::Full(bytes) => {
                let frame = Frame::data(std::mem::take(bytes));
                self.0 = Kind::Empty;
                Poll::Ready(Some(Ok(frame)))
            }
            Kind::Client(body) => body.poll_data(cx),
            Kind::Buffered(bytes, upload) => {
                upload.set_state(UploadState::Done);
                let frame = Frame::data(std::mem::take(bytes));
                self.0 = Kind::Empty;
                Poll::Ready(Some(Ok(frame)))
            }
            Kind::Upstream(body) => body.poll_piece(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Empty => true,
            Kind::Full(_) | Kind::Buffered(..) => false,
            Kind::Client(body) => body.is_end_stream(),
            Kind::Upstream(body) => body.incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Empty => SizeHint::with_exact(0),
            Kind::Full(bytes) | Kind::Buffered(bytes, _) => SizeHint::with_exact(bytes.len() as u64),
            Kind::Client(body) => body.size_hint(),
            Kind::Upstream(body) => body.incoming.size_hint(),
        }
    }
}
