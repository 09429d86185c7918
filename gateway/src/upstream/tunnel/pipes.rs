//! The two directions of a tunnel: bytes go on as they come, and no faster than the other side takes them.
//!
//! A worker's tunnels read into one buffer that they share; a tunnel keeps what its other side has no room for, and reads on
//! when that has gone. One that is silent holds no buffer at all.

use std::{
    cell::RefCell,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, BytesMut};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Instant,
};

use super::frames::FrameScanner;

/// How much is read at a time, in bytes: the most that a direction holds back.
const CHUNK: usize = 32 * 1024;

thread_local! {
    static BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; CHUNK].into());
}

/// Both directions, and when something moved last.
pub(super) struct Pipes {
    to_upstream: Pipe,
    to_client: Pipe,
    /// Where frames end on the way to the client, if this is a WebSocket.
    frames: Option<FrameScanner>,
    moved: Instant,
}

/// One direction.
#[derive(Default)]
struct Pipe {
    /// What was read, and the other side has no room for.
    left: BytesMut,
    /// Nothing more will be read.
    ended: bool,
    /// Its end was passed on, or there is nobody to take more.
    done: bool,
    unflushed: bool,
    moved: u64,
    /// Its end is not passed on: something of ours may be said before.
    stays_open: bool,
    /// `left` was cut where a frame ends, and is the last that is written.
    last: bool,
}

/// What ended the copying.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// Both sides said that they are done.
    Both,
    /// The client broke off.
    Client,
    /// The upstream broke off; or, of a WebSocket, went without a word.
    Upstream,
}

/// Which side of a pipe failed.
enum Broken {
    Reading,
    Writing,
}

impl Pipes {
    pub(super) fn new(is_websocket: bool) -> Self {
        let frames = is_websocket.then(FrameScanner::default);
        let to_client = Pipe { stays_open: is_websocket, ..Pipe::default() };
        Self { to_upstream: Pipe::default(), to_client, frames, moved: Instant::now() }
    }

    /// When something came last.
    pub(super) fn moved(&self) -> Instant {
        self.moved
    }

    /// How many bytes were handed to the client.
    pub(super) fn sent(&self) -> u64 {
        self.to_client.moved
    }

    /// How many bytes of the client's were handed to the upstream.
    pub(super) fn received(&self) -> u64 {
        self.to_upstream.moved
    }

    /// Copies both ways until that has an end.
    pub(super) fn poll<C, U>(&mut self, cx: &mut Context<'_>, client: &mut C, upstream: &mut U) -> Poll<Ended>
    where
        C: AsyncRead + AsyncWrite + Unpin,
        U: AsyncRead + AsyncWrite + Unpin,
    {
        let Self { to_upstream, to_client, frames, moved } = self;
        if !to_upstream.done {
            match to_upstream.poll(cx, client, upstream, |_| *moved = Instant::now()) {
                Poll::Ready(Err(Broken::Reading)) => return Poll::Ready(Ended::Client),
                // Whatever the upstream still says is passed on, until that ends too.
                Poll::Ready(Err(Broken::Writing)) => to_upstream.done = true,
                Poll::Ready(Ok(())) | Poll::Pending => {}
            }
        }
        if !to_client.done {
            let passing = |bytes: &[u8]| {
                *moved = Instant::now();
                if let Some(frames) = frames {
                    frames.pass(bytes);
                }
            };
            match to_client.poll(cx, upstream, client, passing) {
                Poll::Ready(Err(Broken::Reading)) => return Poll::Ready(Ended::Upstream),
                Poll::Ready(Err(Broken::Writing)) => return Poll::Ready(Ended::Client),
                Poll::Ready(Ok(())) | Poll::Pending => {}
            }
        }
        match &self.frames {
            // The end of a WebSocket is a close frame, after which nothing is said by anybody.
            Some(frames) if self.to_client.done => {
                let orderly = frames.is_closed() || self.to_upstream.ended;
                Poll::Ready(if orderly { Ended::Both } else { Ended::Upstream })
            }
            None if self.to_client.done && self.to_upstream.done => Poll::Ready(Ended::Both),
            Some(_) | None => Poll::Pending,
        }
    }

    /// Passes on what belongs to a WebSocket's frame that has begun to pass to the client, so that a frame of ours may follow.
    ///
    /// # Errors
    /// That cannot be: the stream broke within a frame, or has ended.
    pub(super) fn poll_frame_end<C, U>(
        &mut self,
        cx: &mut Context<'_>,
        client: &mut C,
        upstream: &mut U,
    ) -> Poll<io::Result<()>>
    where
        C: AsyncWrite + Unpin,
        U: AsyncRead + Unpin,
    {
        let broken = || io::Error::from(io::ErrorKind::UnexpectedEof);
        let Some(frames) = self.frames.as_mut().filter(|frames| !frames.is_closed()) else {
            return Poll::Ready(Err(broken()));
        };
        let pipe = &mut self.to_client;
        loop {
            let begun = usize::try_from(frames.since_end()).unwrap_or(usize::MAX);
            if !pipe.last && begun <= pipe.left.len() {
                pipe.left.truncate(pipe.left.len() - begun);
                pipe.last = true;
            }
            ready!(pipe.poll_write_left(cx, client))?;
            if pipe.last {
                return Poll::Ready(Ok(()));
            }
            let left = &mut pipe.left;
            let read = poll_chunk(cx, upstream, |bytes| {
                frames.pass(bytes);
                left.extend_from_slice(bytes);
            });
            if ready!(read)? == 0 {
                return Poll::Ready(Err(broken()));
            }
        }
    }
}

impl Pipe {
    /// Copies until the end of what is read has been passed on. `passing` sees what passes.
    fn poll<R, W>(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut R,
        to: &mut W,
        mut passing: impl FnMut(&[u8]),
    ) -> Poll<Result<(), Broken>>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        loop {
            ready!(self.poll_write_left(cx, to)).map_err(|_| Broken::Writing)?;
            if self.ended {
                if !self.stays_open {
                    ready!(Pin::new(&mut *to).poll_shutdown(cx)).map_err(|_| Broken::Writing)?;
                }
                self.done = true;
                return Poll::Ready(Ok(()));
            }
            let left = &mut self.left;
            let read = poll_chunk(cx, from, |bytes| {
                passing(bytes);
                left.extend_from_slice(bytes);
            });
            match read {
                Poll::Ready(read) => self.ended = read.map_err(|_| Broken::Reading)? == 0,
                Poll::Pending => {
                    // Silence may last for hours.
                    self.left = BytesMut::new();
                    if self.unflushed {
                        ready!(Pin::new(&mut *to).poll_flush(cx)).map_err(|_| Broken::Writing)?;
                        self.unflushed = false;
                    }
                    return Poll::Pending;
                }
            }
        }
    }

    fn poll_write_left<W: AsyncWrite + Unpin>(&mut self, cx: &mut Context<'_>, to: &mut W) -> Poll<io::Result<()>> {
        while !self.left.is_empty() {
            let wrote = ready!(Pin::new(&mut *to).poll_write(cx, &self.left))?;
            if wrote == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.left.advance(wrote);
            self.moved += wrote as u64;
            self.unflushed = true;
        }
        Poll::Ready(Ok(()))
    }
}

/// Reads what there is, at most a buffer full, and gives it to `take`; how much it was.
fn poll_chunk<R: AsyncRead + Unpin>(
    cx: &mut Context<'_>,
    from: &mut R,
    take: impl FnOnce(&[u8]),
) -> Poll<io::Result<usize>> {
    BUFFER.with_borrow_mut(|buffer| {
        let mut buffer = ReadBuf::new(buffer);
        ready!(Pin::new(from).poll_read(cx, &mut buffer))?;
        take(buffer.filled());
        Poll::Ready(Ok(buffer.filled().len()))
    })
}
