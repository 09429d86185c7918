//! A service of a known capacity: so many workers, each busy for so long with a request, and a queue that ends.
//!
//! That is how a legacy service fails under a storm: it serves at its rate, lets a few wait, and sends all others away.
//! Who waits in the queue is served even if its client has given up, as it is there.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use auth_core::lock::lock;
use bytes::{Buf, BytesMut};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
    sync::Semaphore,
    task::JoinHandle,
    time::sleep,
};

use super::record::count_at;

/// Connections that wait to be accepted: a storm is what they wait in.
const BACKLOG: u32 = 16 * 1024;

/// What a service can do.
#[derive(Clone, Copy, Debug)]
pub(super) struct Capacity {
    /// Requests a second.
    pub(super) rate: u32,
    /// How long one takes.
    pub(super) takes: Duration,
    /// How many wait.
    pub(super) queue: usize,
    /// What all others are told, in seconds.
    pub(super) retry_after: u64,
    /// So many connections at once; further ones wait to be accepted.
    pub(super) connections: usize,
}

/// The service, running until it is dropped.
pub(super) struct Service {
    address: SocketAddr,
    state: Arc<State>,
    accepting: JoinHandle<()>,
}

struct State {
    capacity: Capacity,
    workers: Semaphore,
    connections: Arc<Semaphore>,
    waiting: AtomicUsize,
    begun: Instant,
    seen: Mutex<(Vec<u64>, Vec<u64>)>,
}

impl Capacity {
    /// So many work at once.
    pub(super) fn workers(self) -> usize {
        ((f64::from(self.rate) * self.takes.as_secs_f64()).round() as usize).max(1)
    }
}

impl Service {
    pub(super) fn start(capacity: Capacity) -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(([127, 0, 0, 1], 0).into())?;
        let listener = socket.listen(BACKLOG)?;
        let address = listener.local_addr()?;
        let state = Arc::new(State {
            capacity,
            workers: Semaphore::new(capacity.workers()),
            connections: Arc::new(Semaphore::new(capacity.connections)),
            waiting: AtomicUsize::new(0),
            begun: Instant::now(),
            seen: Mutex::default(),
        });
        let accepting = tokio::spawn(accept(listener, state.clone()));
        Ok(Self { address, state, accepting })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many requests came within each second since its start, and how many of them were served within each.
    pub(super) fn seen(&self) -> (Vec<u64>, Vec<u64>) {
        lock(&self.state.seen).clone()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, state: Arc<State>) {
    while let Ok(place) = state.connections.clone().acquire_owned().await {
        // An accept fails for one connection, not for the listener.
        let Ok((stream, _)) = listener.accept().await else {
            tokio::task::yield_now().await;
            continue;
        };
        let state = state.clone();
        tokio::spawn(async move {
            converse(stream, state).await;
            drop(place);
        });
    }
}

/// Answers one request after the other until the connection ends, or what comes is no request without a body.
async fn converse(mut stream: TcpStream, state: Arc<State>) {
    let _ = stream.set_nodelay(true);
    let mut buffer = BytesMut::with_capacity(2048);
    loop {
        let mut fields = [httparse::EMPTY_HEADER; 64];
        match httparse::Request::new(&mut fields).parse(&buffer) {
            Ok(httparse::Status::Complete(length)) => buffer.advance(length),
            Ok(httparse::Status::Partial) => {
                if !matches!(stream.read_buf(&mut buffer).await, Ok(1..)) {
                    return;
                }
                continue;
            }
            Err(_) => return,
        }
        let answer = if state.serve().await { state.served() } else { state.sent_away() };
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

impl State {
    /// Works on a request, or does not take it.
    async fn serve(&self) -> bool {
        count_at(&mut lock(&self.seen).0, self.begun);
        let worker = match self.workers.try_acquire() {
            Ok(worker) => worker,
            Err(_) if self.waiting.load(Ordering::Relaxed) >= self.capacity.queue => return false,
            Err(_) => {
                self.waiting.fetch_add(1, Ordering::Relaxed);
                let worker = self.workers.acquire().await;
                self.waiting.fetch_sub(1, Ordering::Relaxed);
                match worker {
                    Ok(worker) => worker,
                    Err(_) => return false,
                }
            }
        };
        sleep(self.capacity.takes).await;
        drop(worker);
        count_at(&mut lock(&self.seen).1, self.begun);
        true
    }

    fn served(&self) -> String {
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}".to_owned()
    }

    fn sent_away(&self) -> String {
        let wait = self.capacity.retry_after;
        format!("HTTP/1.1 503 Service Unavailable\r\nRetry-After: {wait}\r\nContent-Length: 0\r\n\r\n")
    }
}
