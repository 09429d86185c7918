//! A client's connection as hyper reads and writes it, with the two deadlines that hyper has one timer for.
//!
//! [`Io`] works over any [`Transport`]: TCP, and TLS over it.

use std::{
    future::poll_fn,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep},
};

use super::{
    frames::{Flood, Frames, PREFACE},
    phase::{ConnectionState, Phase},
};
use crate::{body::Pace, telemetry::metrics::HTTP2_FLOODS};

/// What a client's connection runs over. Each one compiles hyper's server anew, and none costs a copy or an allocation.
pub(super) trait Transport: AsyncRead + AsyncWrite + Unpin + Send + 'static {
    /// Whether nobody on the way can read it or write to it.
    fn is_encrypted(&self) -> bool {
        false
    }

    /// What was agreed to speak on it; `None`: nothing, and the client's first bytes say it.
    fn spoken(&self) -> Option<Spoken> {
        None
    }

    /// From here on, closing it resets it, so that nobody takes its end for the end of an answer.
    fn reset_on_close(&self);
}

/// What is spoken with a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spoken {
    /// HTTP/1.0 and HTTP/1.1.
    Http1,
    /// HTTP/2.
    Http2,
}

/// A client's connection.
pub(super) struct Io<T> {
    transport: T,
    phase: Arc<Phase>,
    waiting: Timer,
    stalled: Timer,
    /// How fast the client takes bytes.
    pace: Pace,
    first: First,
    frames: Option<Box<Frames>>,
}

/// The first bytes of a connection, which were looked at and are yet to be read.
#[derive(Default)]
struct First {
    bytes: [u8; PREFACE.len()],
    /// How many there are.
    come: usize,
    /// How many of them have been read.
    read: usize,
}

/// A timer that is set seldom: it is moved only when it fires, or when it would fire too late.
#[derive(Default)]
struct Timer(Option<Pin<Box<Sleep>>>);

impl<T> Io<T> {
    /// A connection in `phase`.
    pub(super) fn new(transport: T, phase: Arc<Phase>) -> Self {
        let (waiting, stalled) = (Timer::default(), Timer::default());
        let (pace, first) = (Pace::default(), First::default());
        Self { transport, phase, waiting, stalled, pace, first, frames: None }
    }

    /// What it ran over: to close it in a way that loses nothing.
    pub(super) fn into_transport(self) -> T {
        self.transport
    }

    /// Looks at frames from here on: HTTP/2 is spoken. They are `counted` unless the other end is trusted.
    pub(super) fn watch_frames(&mut self, counted: bool) {
        self.frames = Some(Box::new(Frames::new(counted, Instant::now())));
    }

    fn sent(&mut self, wrote: &Poll<io::Result<usize>>) {
        if let (Some(frames), Poll::Ready(Ok(bytes))) = (&mut self.frames, wrote) {
            frames.sent(*bytes);
        }
    }

    /// Passes on a write's result; one that the client holds up for too long fails, and so does one after many that were
    /// held up a little.
    fn unless_stalled<W>(
        &mut self,
        cx: &mut Context<'_>,
        wrote: Poll<io::Result<W>>,
        bytes: impl Fn(&W) -> usize,
    ) -> Poll<io::Result<W>> {
        if let Poll::Ready(result) = wrote {
            self.stalled = Timer::default();
            let bytes = result.as_ref().map(bytes).unwrap_or(0);
            if self.pace.moves(bytes, self.phase.min_rate(), Instant::now).is_ok() {
                return Poll::Ready(result);
            }
            self.phase.client_stalled();
            return Poll::Ready(Err(timed_out("the client takes bytes too slowly")));
        }
        self.pace.waits(Instant::now());
        match self.stalled.poll_after(cx, self.phase.write_limit()) {
            Poll::Ready(()) => {
                self.phase.client_stalled();
                Poll::Ready(Err(timed_out("the client takes no bytes")))
            }
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

impl First {
    /// Reads what has not been read.
    fn put(&mut self, buf: &mut ReadBuf<'_>) {
        let taken = buf.remaining().min(self.come - self.read);
        buf.put_slice(&self.bytes[self.read..self.read + taken]);
        self.read += taken;
    }
}

impl<T: Transport> Io<T> {
    /// What is spoken on it: what was agreed, else HTTP/2 if the client begins with its preface (RFC 9113 §3.3). What is
    /// looked at here is read all the same.
    ///
    /// # Errors
    /// The connection broke, or the client took too long.
    pub(super) async fn spoken(&mut self) -> io::Result<Spoken> {
        match self.transport.spoken() {
            Some(spoken) => Ok(spoken),
            None => poll_fn(|cx| self.poll_spoken(cx)).await,
        }
    }

    fn poll_spoken(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Spoken>> {
        loop {
            let (come, first) = (self.first.come, self.first.bytes);
            if first[..come] != PREFACE[..come] {
                return Poll::Ready(Ok(Spoken::Http1));
            }
            if come == PREFACE.len() {
                return Poll::Ready(Ok(Spoken::Http2));
            }
            let mut bytes = [0; PREFACE.len()];
            let mut buf = ReadBuf::new(&mut bytes[come..]);
            ready!(self.poll_next(cx, &mut buf))?;
            let more = buf.filled();
            if more.is_empty() {
                return Poll::Ready(Ok(Spoken::Http1));
            }
            self.first.bytes[come..come + more.len()].copy_from_slice(more);
            self.first.come += more.len();
        }
    }

    /// Reads what the client sends next, for as long as it may take.
    fn poll_next(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.transport).poll_read(cx, buf);
        if read.is_ready() {
            if buf.filled().len() > before {
                self.phase.heard(Instant::now());
            }
            return read;
        }
        let Some(deadline) = self.phase.deadline() else {
            if !self.phase.is_multiplexed() {
                // hyper need not read again when the connection becomes idle: so that it is looked at by the time when
                // waiting may have lasted long enough.
                let _ = self.waiting.poll_until(cx, Instant::now() + self.phase.limits().idle);
            }
            return Poll::Pending;
        };
        match self.waiting.poll_until(cx, deadline) {
            // An end of file is what a connection that is done looks like: hyper closes it without a word.
            Poll::Ready(()) if self.phase.state() == ConnectionState::Idle => Poll::Ready(Ok(())),
            Poll::Ready(()) => Poll::Ready(Err(timed_out("the head is not complete"))),
            Poll::Pending => Poll::Pending,
        }
    }

    /// Looks at the frames that came.
    fn look(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Some(frames) = &mut self.frames else { return Ok(()) };
        let now = Instant::now();
        let had_begun = frames.has_begun();
        let seen = frames.came(bytes, now);
        if !had_begun && frames.has_begun() {
            self.phase.multiplex(now);
        }
        if frames.has_begun() {
            self.phase.reads_head(frames.is_in_head(), now);
        }
        seen.map_err(|Flood(kind)| {
            HTTP2_FLOODS.with([kind]).increment(1);
            io::Error::new(io::ErrorKind::InvalidData, "too many frames that bring nothing")
        })
    }
}

impl<T: Transport> AsyncRead for Io<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        self.first.put(buf);
        let looked_at = buf.filled().len() > before;
        let read = if buf.remaining() > 0 { self.poll_next(cx, buf) } else { Poll::Ready(Ok(())) };
        self.look(&buf.filled()[before..])?;
        // An error, or an end, comes again when it is read again.
        if looked_at { Poll::Ready(Ok(())) } else { read }
    }
}

impl<T: Transport> AsyncWrite for Io<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.transport).poll_write(cx, buf);
        self.sent(&wrote);
        self.unless_stalled(cx, wrote, |bytes| *bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.transport).poll_write_vectored(cx, bufs);
        self.sent(&wrote);
        self.unless_stalled(cx, wrote, |bytes| *bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.transport.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.transport).poll_flush(cx);
        self.unless_stalled(cx, flushed, |()| 0)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.transport).poll_shutdown(cx)
    }
}

fn timed_out(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, what)
}

#[cfg(test)]
impl Transport for tokio::io::DuplexStream {
    fn reset_on_close(&self) {}
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::server::phase::ClientTimeouts;

    #[test]
    fn a_connection_may_change_threads() {
        fn is_send<T: Send>() {}
        is_send::<Io<tokio::net::TcpStream>>();
        is_send::<Io<tokio::io::DuplexStream>>();
    }

    #[tokio::test]
    async fn a_connection_that_was_read_while_it_was_busy_ends_when_it_has_been_idle_for_long_enough() {
        let limits = ClientTimeouts { head: Duration::from_secs(60), idle: Duration::from_millis(20) };
        let phase = Phase::new(limits);
        let (ours, mut theirs) = tokio::io::duplex(64);
        let mut io = Io::new(ours, phase.clone());
        theirs.write_all(b"a whole head").await.expect("it is open");
        assert_eq!(io.read(&mut [0; 64]).await.expect("bytes"), 12);
        phase.stream_opened();
        let mut bytes = [0; 64];
        let mut rest = pin!(io.read(&mut bytes));
        assert!(poll_fn(|cx| Poll::Ready(rest.as_mut().poll(cx).is_pending())).await, "nothing more has come");
        // Nobody reads from here on unless they are woken.
        phase.stream_closed(Instant::now());
        let ended = tokio::time::timeout(Duration::from_secs(30), rest).await.expect("it is woken");
        assert_eq!(ended.expect("an orderly end"), 0);
    }
}
