//! The listening sockets, one for each address, and the thread that accepts on them. It does nothing else, so that a flood
//! of connections delays nobody's calls to a store or a provider, and no such call delays a connection.

use std::{
    io,
    net::{SocketAddr, TcpListener as Socket},
    sync::Arc,
    time::Duration,
};

use socket2::{Domain, Protocol, Socket as Raw, Type};
use tokio::{
    net::{TcpListener, TcpStream},
    task::spawn_local,
    time::sleep,
};
use tokio_util::sync::CancellationToken;

use super::{
    io::Transport,
    thread::Thread,
    worker::{Listener, Worker},
};

/// How many connections may wait to be accepted.
const BACKLOG: i32 = 1024;

/// How many bytes may lie in a connection's send buffer that the client's window has no room for yet.
#[cfg(target_os = "linux")]
const UNSENT: u32 = 128 * 1024;

/// How long to wait when the machine has no sockets left: accepting again at once would fail at once.
const OUT_OF_SOCKETS: Duration = Duration::from_millis(50);

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
    // Whether a client takes bytes is seen by how the unsent ones dwindle: without this, a slow client with a large
    // send buffer in between would look like one that takes none.
    #[cfg(target_os = "linux")]
    socket.set_tcp_notsent_lowat(UNSENT)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Starts the thread that accepts connections and hands each to the worker with the fewest, until `stop`.
///
/// # Errors
/// The machine has no thread or poller left.
pub(super) async fn start(
    sockets: Vec<(Socket, Listener)>,
    workers: Arc<Vec<Worker>>,
    stop: CancellationToken,
) -> io::Result<Thread> {
    Thread::start("acceptor".to_owned(), move || {
        for (socket, listener) in sockets {
            spawn_local(dispatch(TcpListener::from_std(socket)?, listener, workers.clone()));
        }
        Ok(stop.cancelled_owned())
    })
    .await
}

async fn dispatch(socket: TcpListener, listener: Listener, workers: Arc<Vec<Worker>>) {
    accept(&socket, |stream, peer| {
        let Some(worker) = workers.iter().min_by_key(|worker| worker.load()) else { return };
        // It leaves this thread's poller for the worker's.
        if let Ok(stream) = stream.into_std() {
            worker.hand(stream, peer, listener);
        }
    })
    .await;
}

/// Accepts connections for ever, and gives each to `hand`.
pub(super) async fn accept(listener: &TcpListener, mut hand: impl FnMut(TcpStream, SocketAddr)) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                // Heads and small bodies must not wait for an acknowledgement.
                if stream.set_nodelay(true).is_ok() {
                    hand(stream, peer);
                }
            }
            Err(gone) if gone.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                tracing::error!(%error, "no connection can be accepted");
                sleep(OUT_OF_SOCKETS).await;
            }
        }
    }
}

impl Transport for TcpStream {
    fn reset_on_close(&self) {
        // One that cannot be set up for that has been reset already.
        let _ = self.set_zero_linger();
    }
}
