//! A client's connection, and the two deadlines that hyper has one timer for.
//!
//! [`Io`] is the one concrete connection type; it shares a [`Phase`] with whoever serves the connection. A connection
//! is idle until its first byte, reads a head until the service is called, and is busy until the answer has gone and the
//! request's body has been read or given up. Idle
//! and head have deadlines here; what happens while busy has deadlines in the body. TLS is not built yet.

use std::{
    cell::Cell,
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Instant, Sleep},
};

/// A client's connection.
pub struct Io {
    /// Always there until this is dropped.
    stream: Option<TcpStream>,
    phase: Rc<Phase>,
    waiting: Timer,
    stalled: Timer,
}

/// What a connection is doing: a cell that its `Io`, its service and its body share.
pub struct Phase {
    state: Cell<ConnectionState>,
    since: Cell<Instant>,
    limits: ClientTimeouts,
    write_limit: Cell<Duration>,
    holders: Cell<usize>,
    leftover: Cell<Option<TcpStream>>,
}

/// Part of a request that is still being served: its body, or its answer.
pub struct Busy(Rc<Phase>);

/// What a connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionState {
    /// Between requests: nothing of the next has been seen.
    Idle,
    /// Some of a head has been seen, not all.
    Head,
    /// A request is being served.
    Busy,
}

/// How long the two kinds of waiting may last.
#[derive(Clone, Copy, Debug)]
pub struct ClientTimeouts {
    /// From the first byte of a head to its last.
    pub head: Duration,
    /// Between two requests, and from connecting to the first byte.
    pub idle: Duration,
}

/// A timer that is set seldom: it is moved only when it fires, or when it would fire too late.
#[derive(Default)]
struct Timer(Option<Pin<Box<Sleep>>>);

impl Phase {
    /// A new connection: idle.
    pub fn new(limits: ClientTimeouts) -> Rc<Self> {
        Rc::new(Self {
            state: Cell::new(ConnectionState::Idle),
            since: Cell::new(Instant::now()),
            limits,
            write_limit: Cell::new(limits.idle),
            holders: Cell::new(0),
            leftover: Cell::new(None),
        })
    }

    /// What the connection is doing.
    pub fn state(&self) -> ConnectionState {
        self.state.get()
    }

    /// A whole head was read: the connection is busy until what this returns, and all that was cloned from it, is gone.
    pub fn busy(self: &Rc<Self>) -> Busy {
        self.enter(ConnectionState::Busy, Instant::now());
        self.write_limit.set(self.limits.idle);
        self.holders.set(self.holders.get() + 1);
        Busy(self.clone())
    }

    /// How long the client may refuse to take bytes of this answer.
    pub fn set_write_limit(&self, limit: Duration) {
        self.write_limit.set(limit);
    }

    /// The socket, once the [`Io`] has been dropped: to close it in a way that loses nothing.
    pub fn leftover(&self) -> Option<TcpStream> {
        self.leftover.take()
    }

    /// Bytes came.
    fn heard(&self, now: Instant) {
        if self.state.get() == ConnectionState::Idle {
            self.enter(ConnectionState::Head, now);
        }
    }

    /// When waiting for the client ends.
    fn deadline(&self) -> Option<Instant> {
        match self.state.get() {
            ConnectionState::Idle => Some(self.since.get() + self.limits.idle),
            ConnectionState::Head => Some(self.since.get() + self.limits.head),
            ConnectionState::Busy => None,
        }
    }

    fn enter(&self, state: ConnectionState, now: Instant) {
        self.state.set(state);
        self.since.set(now);
    }
}

impl Clone for Busy {
    fn clone(&self) -> Self {
        self.0.holders.set(self.0.holders.get() + 1);
        Self(self.0.clone())
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let left = self.0.holders.get() - 1;
        self.0.holders.set(left);
        if left == 0 {
            self.0.enter(ConnectionState::Idle, Instant::now());
        }
    }
}

impl Io {
    /// A connection in `phase`.
    pub fn new(stream: TcpStream, phase: Rc<Phase>) -> Self {
        Self { stream: Some(stream), phase, waiting: Timer::default(), stalled: Timer::default() }
    }

    fn stream(&mut self) -> Pin<&mut TcpStream> {
        Pin::new(self.stream.as_mut().expect("only drop takes it"))
    }

    /// Passes on a write's result; one that the client holds up for too long fails.
    fn unless_stalled<T>(&mut self, cx: &mut Context<'_>, wrote: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if wrote.is_ready() {
            self.stalled = Timer::default();
            return wrote;
        }
        match self.stalled.poll_after(cx, self.phase.write_limit.get()) {
            Poll::Ready(()) => Poll::Ready(Err(timed_out("the client takes no bytes"))),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl Timer {
    /// Ready when `deadline` has passed.
    fn poll_until(&mut self, cx: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        let sleep = self.0.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        if sleep.deadline() > deadline {
            sleep.as_mut().reset(deadline);
        }
        while sleep.as_mut().poll(cx).is_ready() {
            if Instant::now() >= deadline {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(deadline);
        }
        Poll::Pending
    }

    /// Ready when `limit` has passed since the first time this was asked.
    fn poll_after(&mut self, cx: &mut Context<'_>, limit: Duration) -> Poll<()> {
        self.0.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit))).as_mut().poll(cx)
    }
}

impl AsyncRead for Io {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = self.stream().poll_read(cx, buf);
        if read.is_ready() {
            if buf.filled().len() > before {
                self.phase.heard(Instant::now());
            }
            return read;
        }
        let Some(deadline) = self.phase.deadline() else { return Poll::Pending };
        match self.waiting.poll_until(cx, deadline) {
            // An end of file is what a connection that is done looks like: hyper closes it without a word.
            Poll::Ready(()) if self.phase.state() == ConnectionState::Idle => Poll::Ready(Ok(())),
            Poll::Ready(()) => Poll::Ready(Err(timed_out("the head is not complete"))),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl AsyncWrite for Io {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let wrote = self.stream().poll_write(cx, buf);
        self.unless_stalled(cx, wrote)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let wrote = self.stream().poll_write_vectored(cx, bufs);
        self.unless_stalled(cx, wrote)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.as_ref().is_some_and(AsyncWrite::is_write_vectored)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = self.stream().poll_flush(cx);
        self.unless_stalled(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_shutdown(cx)
    }
}

impl Drop for Io {
    fn drop(&mut self) {
        self.phase.leftover.set(self.stream.take());
    }
}

fn timed_out(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: ClientTimeouts = ClientTimeouts { head: Duration::from_secs(10), idle: Duration::from_secs(75) };

    /// What the phase is after `events`, one a second, and how long after the last event waiting ends.
    fn after(events: &str) -> (ConnectionState, Option<u64>) {
        let phase = Phase::new(LIMITS);
        let start = phase.since.get();
        let mut now = start;
        for event in events.chars() {
            now += Duration::from_secs(1);
            match event {
                'r' => phase.heard(now),
                'b' => phase.enter(ConnectionState::Busy, now),
                'i' => phase.enter(ConnectionState::Idle, now),
                other => panic!("no event {other:?}"),
            }
        }
        (phase.state(), phase.deadline().map(|deadline| (deadline - now).as_secs()))
    }

    #[test]
    fn each_kind_of_waiting_has_its_own_deadline() {
        let check = |events, state, left| assert_eq!(after(events), (state, left), "{events:?}");
        check("", ConnectionState::Idle, Some(75));
        check("r", ConnectionState::Head, Some(10));
        // A drip does not move the deadline.
        check("rrrr", ConnectionState::Head, Some(7));
        check("rb", ConnectionState::Busy, None);
        check("rbrr", ConnectionState::Busy, None);
        check("rbi", ConnectionState::Idle, Some(75));
        check("rbirr", ConnectionState::Head, Some(9));
    }
}
