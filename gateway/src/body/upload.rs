//! A request's body on its way to an upstream, and how far it has come.

use std::{
    any::Any,
    cell::{Cell, RefCell},
    pin::{Pin, pin},
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::Instant;

use super::{BodyError, Due, IdleTimer, MinRate, Pace, Watch};

/// A request's body as its connection reads it.
pub struct Received {
    incoming: Incoming,
    /// How many bytes have come.
    count: Rc<Cell<u64>>,
    /// What lasts as long: the connection is busy until its client has been heard out, or is heard no more.
    _hold: Option<Rc<dyn Any>>,
}

/// A request's body on its way to an upstream. Its trailers are dropped.
pub(super) struct FromClient {
    received: Received,
    idle: IdleTimer,
    /// How many bytes it may still have.
    left: Option<u64>,
    upload: Rc<Upload>,
    /// How fast it must come, once it occupies a place at an endpoint, and how fast it has.
    pace: Option<(MinRate, Pace)>,
    watch: Option<Watch>,
}

/// How far a request's body has come: what tells a slow client from a slow upstream, and an answer that came in its turn
/// from one that did not wait.
pub struct Upload {
    state: Cell<UploadState>,
    moved: Cell<Instant>,
    delivery: RefCell<Option<Arc<Delivery>>>,
}

/// How far the request has come that a socket writes. A connection has one for all its requests. The socket shares it, and
/// must be `Send`, which an [`Upload`] is not.
#[derive(Default)]
pub struct Delivery {
    /// All of the request was handed over, to be written.
    complete: AtomicBool,
    /// And it was written.
    sent: AtomicBool,
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
    /// The upstream has answered, and is sent no more of it.
    Stopped,
    /// The client is to blame for its end.
    Failed(UploadFault),
}

/// Why a request's body ended before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UploadFault {
    /// It broke off, or its framing did.
    Broken,
    /// It stood still for too long, or came too slowly.
    Stalled,
    /// It is larger than the route takes.
    TooLarge,
    /// It is proven meanwhile that whoever sends it may not.
    Rejected,
}

impl Received {
    /// The body that `incoming` reads, and whose bytes are added to `count`; `hold` lasts as long, if there is one to read.
    pub fn new(incoming: Incoming, count: Rc<Cell<u64>>, hold: impl FnOnce() -> Rc<dyn Any>) -> Self {
        let hold = (!incoming.is_end_stream()).then(hold);
        Self { incoming, count, _hold: hold }
    }
}

impl Upload {
    /// Nothing has been asked for yet.
    pub fn new() -> Rc<Self> {
        let (state, moved) = (Cell::new(UploadState::UpstreamOwes), Cell::new(Instant::now()));
        Rc::new(Self { state, moved, delivery: RefCell::default() })
    }

    /// Of a request without a body.
    pub fn of_nothing() -> Rc<Self> {
        let upload = Self::new();
        upload.set_state(UploadState::Done);
        upload
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
        *self.delivery.borrow_mut() = None;
    }

    /// The request is written to the connection that `delivery` belongs to.
    pub fn follow(&self, delivery: Arc<Delivery>) {
        delivery.begin(self.state() == UploadState::Done);
        *self.delivery.borrow_mut() = Some(delivery);
    }

    /// Whether the upstream was sent the request to its last byte.
    pub fn is_sent(&self) -> bool {
        self.delivery.borrow().as_ref().is_some_and(|delivery| delivery.is_sent())
    }

    /// Whether more of it may go to the upstream.
    pub fn is_under_way(&self) -> bool {
        match self.state() {
            UploadState::ClientOwes | UploadState::UpstreamOwes => true,
            UploadState::Done => !self.is_sent(),
            UploadState::Stopped | UploadState::Failed(_) => false,
        }
    }

    /// Sends no more of it: the upstream has answered, and will not read the rest.
    pub fn stop(&self) {
        if matches!(self.state(), UploadState::ClientOwes | UploadState::UpstreamOwes) {
            self.set_state(UploadState::Stopped);
        }
    }

    pub(super) fn set_state(&self, state: UploadState) {
        self.state.set(state);
        self.moved.set(Instant::now());
        if state == UploadState::Done
            && let Some(delivery) = &*self.delivery.borrow()
        {
            delivery.complete.store(true, Ordering::Relaxed);
        }
    }

    fn fail(&self, fault: UploadFault) -> BodyError {
        self.set_state(UploadState::Failed(fault));
        BodyError::Client(fault)
    }
}

impl Delivery {
    /// Whether the request was written to its last byte.
    pub fn is_sent(&self) -> bool {
        self.sent.load(Ordering::Relaxed)
    }

    /// Everything that was handed over so far has been written.
    pub fn flushed(&self) {
        if self.complete.load(Ordering::Relaxed) {
            self.sent.store(true, Ordering::Relaxed);
        }
    }

    /// Another request begins.
    fn begin(&self, complete: bool) {
        self.complete.store(complete, Ordering::Relaxed);
        self.sent.store(false, Ordering::Relaxed);
    }
}

impl FromClient {
    pub(super) fn new(
        received: Received,
        idle: Duration,
        left: Option<u64>,
        upload: Rc<Upload>,
        watch: Option<Watch>,
    ) -> Self {
        Self { received, idle: IdleTimer::new(idle), left, upload, pace: None, watch }
    }

    pub(super) fn at_least(&mut self, least: MinRate) {
        self.pace = Some((least, Pace::default()));
    }

    pub(super) fn upload(&self) -> &Rc<Upload> {
        &self.upload
    }

    pub(super) fn idle_limit(&self) -> Duration {
        self.idle.limit
    }

    pub(super) fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.upload.state() == UploadState::Stopped {
            // An end would be a lie, and an error would cut the answer too. The connection ends with the answer.
            return Poll::Pending;
        }
        loop {
            if let Some(Err(_)) = self.watch.as_mut().map(Watch::look) {
                return Poll::Ready(Some(Err(self.upload.fail(UploadFault::Rejected))));
            }
            let Poll::Ready(next) = pin!(&mut self.received).poll_frame(cx) else {
                if self.upload.state() != UploadState::ClientOwes {
                    self.upload.set_state(UploadState::ClientOwes);
                }
                if let Some((_, pace)) = &mut self.pace {
                    pace.waits(Instant::now());
                }
                match ready!(self.idle.poll(cx, self.watch.as_ref().map(Watch::next))) {
                    Due::Idle => return Poll::Ready(Some(Err(self.upload.fail(UploadFault::Stalled)))),
                    Due::Look => continue,
                }
            };
            self.idle.restart();
            let data = match next {
                None => {
                    self.upload.set_state(UploadState::Done);
                    return Poll::Ready(None);
                }
                Some(Err(_)) => return Poll::Ready(Some(Err(self.upload.fail(UploadFault::Broken)))),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => data,
                    // Trailers end the body; what they say stays here.
                    Err(_) => continue,
                },
            };
            if self.is_slow(data.len()) {
                return Poll::Ready(Some(Err(self.upload.fail(UploadFault::Stalled))));
            }
            if !self.fits(data.len()) {
                return Poll::Ready(Some(Err(self.upload.fail(UploadFault::TooLarge))));
            }
            let ended = self.received.is_end_stream();
            self.upload.set_state(if ended { UploadState::Done } else { UploadState::UpstreamOwes });
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
    }

    pub(super) fn is_end_stream(&self) -> bool {
        self.received.is_end_stream()
    }

    pub(super) fn size_hint(&self) -> SizeHint {
        self.received.size_hint()
    }

    fn is_slow(&mut self, bytes: usize) -> bool {
        let Some((least, pace)) = &mut self.pace else { return false };
        pace.moves(bytes, *least, Instant::now).is_err()
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

impl http_body::Body for Received {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.incoming).poll_frame(cx));
        if let Some(data) = frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref()) {
            self.count.set(self.count.get() + data.len() as u64);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
