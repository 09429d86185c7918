//! A worker: one thread, one runtime, its own upstream connections. A connection stays on the worker it was handed to.

use std::{
    io,
    net::SocketAddr,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use tokio::{net::TcpStream, runtime, sync::mpsc, task::spawn_local};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// A client that was accepted and not yet handed over.
pub(super) struct Accepted {
    pub(super) stream: std::net::TcpStream,
    pub(super) peer: SocketAddr,
}
