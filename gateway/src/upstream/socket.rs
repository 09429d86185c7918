//! A socket to an endpoint that tells its connection what came, and when: by that an answer that came too early is known,
//! and a connection that was closed while it was idle.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::body::{Delivery, Upload};

/// How much may come before the head of an answer is whole, in bytes: the largest head, and as much again three times for
/// interim answers and what is read beyond it.
const MOST_BEFORE_HEAD: usize = 4 * super::connection::MAX_HEAD;

/// What a connection and its socket tell each other about the request that is under way.
#[derive(Default)]
pub(super) struct SocketEvents {
    /// Whether anything has come since the request was handed over.
    heard: AtomicBool,
    /// How many bytes have come before the head of the answer; none are counted once that is there.
    before_head: AtomicUsize,
    /// Whether some of it came before the request had gone to its last byte.
    early: AtomicBool,
    request: Arc<Delivery>,
}

/// A socket that knows what came, and when. It is `Send`, as hyper wants of a connection that may become a tunnel.
pub(super) struct Socket<T> {
    pub(super) stream: T,
    pub(super) events: Arc<SocketEvents>,
}

impl SocketEvents {
    /// A request is about to be handed over.
    pub(super) fn begin(&self, upload: &Upload) {
        self.heard.store(false, Ordering::Relaxed);
        self.early.store(false, Ordering::Relaxed);
        self.before_head.store(1, Ordering::Relaxed);
        upload.follow(self.request.clone());
    }

    /// Whether anything has come since.
    pub(super) fn heard_anything(&self) -> bool {
        self.heard.load(Ordering::Relaxed)
    }

    /// Whether some of that came before the request had gone to its last byte.
    pub(super) fn heard_early(&self) -> bool {
        self.early.load(Ordering::Relaxed)
    }

    /// The head of the answer is there.
    pub(super) fn head_came(&self) {
        self.before_head.store(0, Ordering::Relaxed);
    }

    /// Whether more came before the head of the answer than any head has: interim answers, which hyper reads without an end.
    pub(super) fn was_flooded(&self) -> bool {
        self.before_head.load(Ordering::Relaxed) > MOST_BEFORE_HEAD
    }

    /// So many bytes came.
    fn received(&self, bytes: usize) {
        self.heard.store(true, Ordering::Relaxed);
        let before = self.before_head.load(Ordering::Relaxed);
        if before > 0 {
            self.before_head.store(before + bytes, Ordering::Relaxed);
        }
        if !self.request.is_sent() {
            self.early.store(true, Ordering::Relaxed);
        }
    }

    /// Everything that hyper had to write was written.
    fn flushed(&self) {
        self.request.flushed();
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Socket<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        let came = buf.filled().len() - before;
        if came > 0 {
            self.events.received(came);
            if self.events.was_flooded() {
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, "interim answers without an end")));
            }
        }
        read
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Socket<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        if matches!(flushed, Poll::Ready(Ok(()))) {
            // hyper flushes once its own buffer is empty.
            self.events.flushed();
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
