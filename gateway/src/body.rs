//! The one body type, of what goes out to clients and of what goes on to upstreams.
//!
//! It streams, holds nothing back and keeps the idle deadlines: hyper polls a body only when the other side can take
//! more, so back-pressure costs nothing here. A body that breaks is an error, never an end: whoever reads it sees the
//! connection cut, and cannot take half an answer for a whole one.

use std::{
    cell::Cell,
    fmt,
    pin::{Pin, pin},
    rc::Rc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep};

/// A body.
#[must_use]
pub struct Body(Kind);

enum Kind {
    Empty,
    Full(Bytes),
    Client(FromClient),
    Upstream(FromUpstream),
}

/// A request's body on its way to an upstream. Its trailers are dropped.
struct FromClient {
    incoming: Incoming,
    idle: Idle,
    /// How many bytes it may still have.
    left: Option<u64>,
    upload: Rc<Upload>,
}

/// An upstream's answer on its way to a client.
struct FromUpstream {
    incoming: Incoming,
    idle: Idle,
    slot: Option<Box<dyn Slot>>,
    trailers: fn(&mut HeaderMap),
}

/// A place on an endpoint, which an answer occupies until it has ended. Dropping it gives the place back.
pub trait Slot {
    /// The answer was read to its end, so that its connection may serve again.
    fn finished(self: Box<Self>);
}

/// How far a request's body has come: what tells a slow client from a slow upstream.
pub struct Upload {
    state: Cell<UploadState>,
    moved: Cell<Instant>,
}

/// What became of a request's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UploadState {
    /// The upstream has taken what there was; the client owes the next bytes.
    ClientOwes,
    /// There are bytes, and the upstream has not asked for them.
    UpstreamOwes,
    /// All of it was handed over.
    Done,
    /// The client is to blame for its end.
    Failed(UploadFault),
}

/// Why a request's body ended before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UploadFault {
    /// It broke off, or its framing did.
    Broken,
    /// It stood still for too long.
    Stalled,
    /// It is larger than the route takes.
    TooLarge,
}

/// A body that cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// The client's part failed.
    #[error("the request's content ended early: {0:?}")]
    Client(UploadFault),
    /// The upstream's part broke off.
    #[error("the upstream's answer broke off")]
    UpstreamBroken(#[source] hyper::Error),
    /// The upstream's part stood still for too long.
    #[error("the upstream's answer stood still for {0:?}")]
    UpstreamStalled(Duration),
}

/// A deadline that starts anew with every piece.
struct Idle {
    limit: Duration,
    sleep: Option<Pin<Box<Sleep>>>,
    armed: bool,
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

    /// A client's body: at most `max` bytes, never still for longer than `idle`. `upload` tells how it goes.
    pub fn from_client(incoming: Incoming, idle: Duration, max: Option<u64>, upload: Rc<Upload>) -> Self {
        if incoming.is_end_stream() {
            upload.state.set(UploadState::Done);
            return Self::empty();
        }
        Self(Kind::Client(FromClient { incoming, idle: Idle::new(idle), left: max, upload }))
    }

    /// An upstream's body, never still for longer than `idle`; it occupies `slot` until it ends. `trailers` removes
    /// what must not pass.
    pub fn from_upstream(
        incoming: Incoming,
        idle: Duration,
        slot: Box<dyn Slot>,
        trailers: fn(&mut HeaderMap),
    ) -> Self {
        if incoming.is_end_stream() {
            slot.finished();
            return Self::empty();
        }
        Self(Kind::Upstream(FromUpstream { incoming, idle: Idle::new(idle), slot: Some(slot), trailers }))
    }

    /// How long this body may stand still; `None` for one that cannot.
    pub fn idle_limit(&self) -> Option<Duration> {
        match &self.0 {
            Kind::Empty | Kind::Full(_) => None,
            Kind::Client(body) => Some(body.idle.limit),
            Kind::Upstream(body) => Some(body.idle.limit),
        }
    }
}

impl Upload {
    /// Nothing has been asked for yet.
    pub fn new() -> Rc<Self> {
        Rc::new(Self { state: Cell::new(UploadState::UpstreamOwes), moved: Cell::new(Instant::now()) })
    }

    /// What became of it.
    pub fn state(&self) -> UploadState {
        self.state.get()
    }

    /// When it last moved.
    pub fn moved(&self) -> Instant {
        self.moved.get()
    }

    /// Starts the clock anew: the request is about to be handed over.
    pub fn restart(&self) {
        self.moved.set(Instant::now());
    }

    fn is(&self, state: UploadState) {
        self.state.set(state);
        self.moved.set(Instant::now());
    }

    fn fails(&self, fault: UploadFault) -> BodyError {
        self.is(UploadState::Failed(fault));
        BodyError::Client(fault)
    }
}

impl FromClient {
    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        loop {
            let Poll::Ready(next) = pin!(&mut self.incoming).poll_frame(cx) else {
                if self.upload.state() != UploadState::ClientOwes {
                    self.upload.is(UploadState::ClientOwes);
                }
                ready!(self.idle.poll(cx));
                return Poll::Ready(Some(Err(self.upload.fails(UploadFault::Stalled))));
            };
            self.idle.rest();
            let data = match next {
                None => {
                    self.upload.is(UploadState::Done);
                    return Poll::Ready(None);
                }
                Some(Err(_)) => return Poll::Ready(Some(Err(self.upload.fails(UploadFault::Broken)))),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => data,
                    // Trailers end the body; what they say stays here.
                    Err(_) => continue,
                },
            };
            if !self.fits(data.len()) {
                return Poll::Ready(Some(Err(self.upload.fails(UploadFault::TooLarge))));
            }
            let ended = self.incoming.is_end_stream();
            self.upload.is(if ended { UploadState::Done } else { UploadState::UpstreamOwes });
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
    }

    fn fits(&mut self, bytes: usize) -> bool {
        let Some(left) = &mut self.left else { return true };
        match left.checked_sub(bytes as u64) {
            Some(rest) => {
                *left = rest;
                true
            }
            None => false,
        }
    }
}

impl FromUpstream {
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Poll::Ready(next) = pin!(&mut self.incoming).poll_frame(cx) else {
            ready!(self.idle.poll(cx));
            return Poll::Ready(Some(Err(BodyError::UpstreamStalled(self.idle.limit))));
        };
        self.idle.rest();
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

impl Idle {
    fn new(limit: Duration) -> Self {
        Self { limit, sleep: None, armed: false }
    }

    /// A piece came.
    fn rest(&mut self) {
        self.armed = false;
    }

    /// Ready when nothing has come for too long.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let limit = self.limit;
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        if !self.armed {
            self.armed = true;
            sleep.as_mut().reset(Instant::now() + limit);
        }
        sleep.as_mut().poll(cx)
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            Kind::Empty => "Body(empty)",
            Kind::Full(_) => "Body(full)",
            Kind::Client(_) => "Body(from client)",
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
            Kind::Upstream(body) => body.poll_piece(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Empty => true,
            Kind::Full(_) => false,
            Kind::Client(body) => body.incoming.is_end_stream(),
            Kind::Upstream(body) => body.incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Empty => SizeHint::with_exact(0),
            Kind::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Kind::Client(body) => body.incoming.size_hint(),
            Kind::Upstream(body) => body.incoming.size_hint(),
        }
    }
}
