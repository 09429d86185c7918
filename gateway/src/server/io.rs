//! A client's connection as hyper reads and writes it, with the two deadlines that hyper has one timer for.
//!
//! [`Io`] works over any [`Transport`]: TCP, and TLS over it.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep},
};

use super::phase::{ConnectionState, Phase};
use crate::body::Pace;

/// What a client's connection runs over. Each one compiles hyper's server anew, and none costs a copy or an allocation.
pub(super) trait Transport: AsyncRead + AsyncWrite + Unpin + Send + 'static {
    /// Whether nobody on the way can read it or write to it.
    fn is_encrypted(&self) -> bool {
        false
    }

    /// From here on, closing it resets it, so that nobody takes its end for the end of an answer.
    fn reset_on_close(&self);
}

/// A client's connection.
pub(super) struct Io<T> {
    transport: T,
    phase: Arc<Phase>,
    waiting: Timer,
    stalled: Timer,
    /// How fast the client takes bytes.
    pace: Pace,
}

/// A timer that is set seldom: it is moved only when it fires, or when it would fire too late.
#[derive(Default)]
struct Timer(Option<Pin<Box<Sleep>>>);

impl<T> Io<T> {
    /// A connection in `phase`.
    pub(super) fn new(transport: T, phase: Arc<Phase>) -> Self {
        Self { transport, phase, waiting: Timer::default(), stalled: Timer::default(), pace: Pace::default() }
    }

    /// What it ran over: to close it in a way that loses nothing.
    pub(super) fn into_transport(self) -> T {
        self.transport
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

impl<T: Transport> AsyncRead for Io<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.transport).poll_read(cx, buf);
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

impl<T: Transport> AsyncWrite for Io<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.transport).poll_write(cx, buf);
        self.unless_stalled(cx, wrote, |bytes| *bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.transport).poll_write_vectored(cx, bufs);
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
    use super::*;

    #[test]
    fn a_connection_may_change_threads() {
        fn is_send<T: Send>() {}
        is_send::<Io<tokio::net::TcpStream>>();
        is_send::<Io<tokio::io::DuplexStream>>();
    }
}
