//! The listening sockets, one for each address, and the thread that accepts on them. It does nothing else, so that a flood
//! of connections delays nobody's calls to a store or a provider, and no such call delays a connection.

use std::{
    io,
    net::{SocketAddr, TcpListener as Socket, TcpStream as Client},
    sync::Arc,
    time::Duration,
};

use socket2::{Domain, Protocol, SockRef, Socket as Raw, Type};
use tokio::{
    net::{TcpListener, TcpStream},
    time::{Instant, sleep},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    clients::Clients,
    io::Transport,
    thread::Thread,
    worker::{Listener, Worker},
};
use crate::upstream::keep_alive;

/// How many connections may wait to be accepted.
const BACKLOG: i32 = 1024;

/// How many bytes may lie in a connection's send buffer that the client's window has no room for yet.
#[cfg(target_os = "linux")]
const UNSENT: u32 = 128 * 1024;

/// How long to wait when the machine has no sockets left: accepting again at once would fail at once.
const OUT_OF_SOCKETS: Duration = Duration::from_millis(50);

/// How often it is said that nothing can be accepted.
const SAY_EVERY: Duration = Duration::from_secs(60);

/// How often accepting failed since that was said last.
#[derive(Default)]
pub(super) struct AcceptFailures {
    count: u64,
    said: Option<Instant>,
}

/// Makes a listening socket that somebody else opened like one of ours.
///
/// # Errors
/// It takes no such options.
pub(super) fn prepare(socket: &Socket) -> io::Result<()> {
    // Whether a client takes bytes is seen by how the unsent ones dwindle: without this, a slow client with a large
    // send buffer in between would look like one that takes none.
    #[cfg(target_os = "linux")]
    SockRef::from(socket).set_tcp_notsent_lowat(UNSENT)?;
    keep_alive(socket)?;
    socket.set_nonblocking(true)
}

/// Opens a listening socket at `address`; port 0 becomes any free one.
///
/// # Errors
/// The address is taken, or not ours.
pub(super) fn bind(address: SocketAddr) -> io::Result<Socket> {
    let socket = Raw::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A restart must not wait for the connections of the process before it.
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    let socket = socket.into();
    prepare(&socket)?;
    Ok(socket)
}

/// Starts the thread that accepts connections and hands each to the worker with the fewest, until `stop`.
///
/// # Errors
/// The machine has no thread or poller left.
pub(super) async fn start(
    sockets: Vec<(Socket, Listener)>,
    workers: Arc<Vec<Worker>>,
    clients: Arc<Clients>,
    stop: CancellationToken,
) -> io::Result<Thread> {
    Thread::start("acceptor".to_owned(), move || {
        let accepting = TaskTracker::new();
        for (socket, listener) in sockets {
            let socket = TcpListener::from_std(socket)?;
            accepting.spawn_local(dispatch(socket, listener, workers.clone(), clients.clone(), stop.clone()));
        }
        accepting.close();
        Ok(async move { accepting.wait().await })
    })
    .await
}

/// Accepts clients until `stop`, as long as there is room for them, and gives each to the worker with the fewest.
async fn dispatch(
    socket: TcpListener,
    listener: Listener,
    workers: Arc<Vec<Worker>>,
    clients: Arc<Clients>,
    stop: CancellationToken,
) {
    let hand = |stream: Client, peer: SocketAddr| {
        let Some(phase) = clients.enter(peer.ip()) else { return };
        if let Some(worker) = workers.iter().min_by_key(|worker| worker.load()) {
            worker.hand(stream, peer, phase, listener);
        }
    };
    let accepting = async {
        let mut fails = AcceptFailures::default();
        loop {
            let Some((stream, peer)) = accept(&socket, &mut fails).await else {
                clients.out_of_files();
                continue;
            };
            // Meanwhile whoever else connects waits in the backlog.
            clients.room().await;
            // It leaves this thread's poller for the worker's.
            if let Ok(stream) = stream.into_std() {
                hand(stream, peer);
            }
        }
    };
    tokio::select! {
        () = accepting => {}
        () = stop.cancelled() => {}
    }
    // Closing the socket would reset whoever the system has let in for us: they are served too.
    let Ok(socket) = socket.into_std() else { return };
    for _ in 0..BACKLOG {
        let Ok((stream, peer)) = socket.accept() else { return };
        if stream.set_nonblocking(true).and_then(|()| stream.set_nodelay(true)).is_ok() {
            hand(stream, peer);
        }
    }
}

/// Accepts a connection; `None`, after a while, if the machine has no file left for it.
pub(super) async fn accept(listener: &TcpListener, fails: &mut AcceptFailures) -> Option<(TcpStream, SocketAddr)> {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                // Heads and small bodies must not wait for an acknowledgement.
                if stream.set_nodelay(true).is_ok() {
                    return Some((stream, peer));
                }
            }
            Err(gone) if gone.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                fails.note(&error, Instant::now());
                sleep(OUT_OF_SOCKETS).await;
                return None;
            }
        }
    }
}

impl AcceptFailures {
    /// Accepting failed: said once a minute, since a flood must not fill the log.
    fn note(&mut self, error: &io::Error, now: Instant) {
        self.count += 1;
        if self.said.is_none_or(|said| now >= said + SAY_EVERY) {
            tracing::error!(%error, times = self.count, "no connection can be accepted");
            *self = Self { count: 0, said: Some(now) };
        }
    }
}

impl Transport for TcpStream {
    fn reset_on_close(&self) {
        // One that cannot be set up for that has been reset already.
        let _ = self.set_zero_linger();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_failures_is_one_line_a_minute() {
        let (mut fails, begun) = (AcceptFailures::default(), Instant::now());
        let error = io::Error::from_raw_os_error(24);
        fails.note(&error, begun);
        assert_eq!((fails.count, fails.said), (0, Some(begun)), "the first is said at once");
        for at in 1..60 {
            fails.note(&error, begun + Duration::from_secs(at));
        }
        assert_eq!((fails.count, fails.said), (59, Some(begun)));
        fails.note(&error, begun + SAY_EVERY);
        assert_eq!((fails.count, fails.said), (0, Some(begun + SAY_EVERY)));
    }
}
