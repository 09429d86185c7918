//! A client's connection in HTTP/2 (RFC 9113): many streams at a time, each a task on the worker's own thread.
//!
//! The windows, and what may lie in a send buffer, bound what one connection costs: at most [`CONNECTION_WINDOW`] of what
//! it sends, and of what it is sent [`SEND_BUFFER`] for each of [`STREAMS`] streams. A client that asks for an answer and takes
//! none of it loses that stream; one that takes nothing at all, or asks for nothing, loses the connection.

use std::{
    cell::Cell,
    convert::Infallible,
    net::IpAddr,
    pin::{Pin, pin},
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use hyper::{rt::Executor, server::conn::http2::Builder, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    task::spawn_local,
    time::{Instant, Sleep, sleep, sleep_until},
};
use tower::{BoxError, Service};

use super::{
    connection::{ConnectionLimits, HttpServer, RequestInContext},
    io::{Io, Transport},
    stream::{ClientConnection, Stream},
};
use crate::response::reply::Reply;

/// How many streams a client may have open at a time.
const STREAMS: u32 = 100;

/// How much of a body may be under way that nobody has read yet, in bytes.
const STREAM_WINDOW: u32 = 256 << 10;

/// The same of all bodies of a connection together.
const CONNECTION_WINDOW: u32 = 1 << 20;

/// How much of an answer is taken from its upstream before the client has room for it, in bytes.
const SEND_BUFFER: usize = 64 << 10;

/// How many streams that its client ended are remembered before they were looked at, and how many that broke a rule.
const RESETS: (usize, usize) = (20, 64);

/// While streams are open and nothing comes, the client is asked so often whether it is there, and has as long to say so.
const PING: Duration = Duration::from_secs(20);

/// How long a client without open streams may take to hear that the connection ends, and to take what it was sent.
const FAREWELL: Duration = Duration::from_secs(5);

/// Starts a task for each stream. The one that was opened last is the one whose task comes next.
#[derive(Clone, Default)]
struct StreamExecutor {
    opened: Rc<Cell<Option<Rc<Stream>>>>,
}

/// A stream's task, which ends early if its client takes nothing of the answer for too long.
struct StreamTask<F> {
    task: Pin<Box<F>>,
    stream: Option<Rc<Stream>>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl<S> HttpServer<S>
where
    S: Service<RequestInContext, Response = Reply, Error: Into<BoxError>> + Clone + 'static,
{
    /// Speaks HTTP/2 until the connection ends.
    pub(super) async fn serve_http2(
        self: Rc<Self>,
        limits: ConnectionLimits,
        mut io: Io<impl Transport>,
        connection: Rc<ClientConnection>,
        peer: IpAddr,
    ) {
        io.watch_frames(!limits.trusted);
        let executor = StreamExecutor::default();
        let opened = executor.opened.clone();
        let answers = service_fn(|request| {
            let (server, stream) = (self.clone(), connection.open(&request));
            opened.set(Some(stream.clone()));
            async move { Ok::<_, Infallible>(server.answer(stream, peer, request).await) }
        });
        let http = builder(executor, limits.head).serve_connection(TokioIo::new(io), answers);
        let mut http = pin!(http);
        let phase = connection.phase();
        let idle = limits.timeouts.idle;
        let mut look = pin!(sleep(idle));
        loop {
            tokio::select! {
                // How it ended is of no use to anybody: what mattered was said in answers.
                _ = http.as_mut() => return phase.client_left(),
                () = self.draining().cancelled() => break,
                () = look.as_mut() => match phase.idle_until() {
                    Some(end) if end <= Instant::now() => break,
                    Some(end) => look.as_mut().reset(end),
                    None => look.as_mut().reset(Instant::now() + idle),
                },
            }
        }
        // It says that it ends (GOAWAY), and goes on for as long as any stream does.
        http.as_mut().graceful_shutdown();
        loop {
            tokio::select! {
                _ = http.as_mut() => break,
                () = sleep(FAREWELL) => if phase.idle_until().is_some() { break },
            }
        }
        phase.client_left();
    }
}

fn builder(executor: StreamExecutor, head: usize) -> Builder<StreamExecutor> {
    let mut http = Builder::new(executor);
    http.timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(SEND_BUFFER)
        .max_header_list_size(u32::try_from(head).unwrap_or(u32::MAX))
        .max_pending_accept_reset_streams(RESETS.0)
        .max_local_error_reset_streams(RESETS.1)
        .keep_alive_interval(PING)
        .keep_alive_timeout(PING);
    http
}

impl<F: Future<Output = ()> + 'static> Executor<F> for StreamExecutor {
    fn execute(&self, task: F) {
        // Others than streams have a task too, and nobody waits for their client.
        let stream = self.opened.take();
        spawn_local(StreamTask { task: Box::pin(task), stream, timer: None });
    }
}

impl<F: Future<Output = ()>> Future for StreamTask<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.task.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        let Some(end) = self.stream.as_ref().and_then(|stream| stream.given_up_at()) else { return Poll::Pending };
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(end)));
        if timer.deadline() > end {
            timer.as_mut().reset(end);
        }
        while timer.as_mut().poll(cx).is_ready() {
            if Instant::now() >= end {
                if let Some(stream) = &self.stream {
                    stream.give_up();
                }
                // Dropped, it ends its stream by a reset (RFC 9113 §8.1): half an answer never looks like a whole one.
                return Poll::Ready(());
            }
            timer.as_mut().reset(end);
        }
        Poll::Pending
    }
}
