//! A worker: one thread, one runtime, its own upstream connections. A connection stays on the worker it was handed to.

use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use tokio::{
    net::TcpStream,
    runtime,
    sync::{Semaphore, mpsc, oneshot},
    task::spawn_local,
    time::{interval, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::{limit::ConcurrencyLimit, load_shed::LoadShed, service_fn};

use super::connection::{self, HttpServer, RequestInContext};
use crate::{handle::handle, own, state::Gateway, upstream::Pools};

/// The most requests that one worker has between their head and their answer's. More are turned away at once: queueing
/// them would make every one of them late.
const AT_ONCE: usize = 4096;

/// How often idle upstream connections are looked through.
const SWEEP: Duration = Duration::from_secs(2);

/// A worker, as the acceptor knows it.
pub(super) struct Worker {
    inbox: mpsc::UnboundedSender<Accepted>,
    load: Arc<AtomicUsize>,
    thread: thread::JoinHandle<()>,
    ended: oneshot::Receiver<()>,
}

/// What workers are made with.
#[derive(Clone)]
pub(super) struct WorkerConfig {
    pub(super) gateway: Arc<Gateway>,
    /// Once this is cancelled, connections end as soon as their requests do.
    pub(super) draining: CancellationToken,
    /// How long they may take for that.
    pub(super) drain: Duration,
}

/// Which listener a connection came to.
#[derive(Clone, Copy)]
pub(super) enum Listener {
    /// The public one: requests are forwarded.
    Public,
    /// The forward-auth one: another proxy asks whether it may forward them.
    ForwardAuth,
}

/// A client that was accepted, on its way to its worker.
struct Accepted {
    stream: std::net::TcpStream,
    peer: SocketAddr,
    listener: Listener,
    counted: Counted,
}

/// One of a worker's connections, from the moment it is handed over until it has ended.
struct Counted(Arc<AtomicUsize>);

impl Worker {
    /// Starts a worker.
    ///
    /// # Errors
    /// The machine has no thread or no poller left.
    pub(super) async fn start(number: usize, config: WorkerConfig) -> io::Result<Self> {
        let (inbox, connections) = mpsc::unbounded_channel();
        let (up, started) = oneshot::channel();
        let (end, ended) = oneshot::channel();
        let thread = thread::Builder::new().name(format!("worker-{number}")).spawn(move || {
            match runtime::Builder::new_current_thread().enable_all().build_local(runtime::LocalOptions::default()) {
                Ok(runtime) => {
                    // Whoever asked is waiting: the send cannot fail, and if it did, the inbox is closed too.
                    let _ = up.send(Ok(()));
                    runtime.block_on(work(connections, config));
                }
                Err(error) => {
                    let _ = up.send(Err(error));
                }
            }
            let _ = end.send(());
        })?;
        started.await.map_err(io::Error::other)??;
        Ok(Self { inbox, load: Arc::default(), thread, ended })
    }

    /// How many connections it has.
    pub(super) fn load(&self) -> usize {
        self.load.load(Ordering::Relaxed)
    }

    /// Hands it a connection.
    pub(super) fn hand(&self, stream: std::net::TcpStream, peer: SocketAddr, listener: Listener) {
        self.load.fetch_add(1, Ordering::Relaxed);
        let counted = Counted(self.load.clone());
        // A worker that has ended takes none: the client sees a closed connection, as it must.
        let _ = self.inbox.send(Accepted { stream, peer, listener, counted });
    }

    /// Waits until it has ended.
    pub(super) async fn ended(self) {
        let _ = self.ended.await;
        let _ = self.thread.join();
    }
}

/// A worker's whole life.
async fn work(mut inbox: mpsc::UnboundedReceiver<Accepted>, config: WorkerConfig) {
    let pools = Pools::new();
    spawn_local(sweep(pools.clone()));
    let WorkerConfig { gateway, draining, drain } = config;
    let at_once = Arc::new(Semaphore::new(AT_ONCE));
    let forward = service_fn(move |(context, request): RequestInContext| {
        let pools = pools.clone();
        async move {
            #[cfg(candor_mutants)]
            if auth_core::mutants::is("verify-is-public") && http::Request::uri(&request).path().ends_with("/verify") {
                return Ok(own::forward_auth::answer(&context, request).await);
            }
            Ok::<_, Infallible>(handle(&pools, &context, request).await)
        }
    });
    let verify = service_fn(|(context, request): RequestInContext| async move {
        Ok::<_, Infallible>(own::forward_auth::answer(&context, request).await)
    });
    let forward = LoadShed::new(ConcurrencyLimit::with_semaphore(forward, at_once.clone()));
    let verify = LoadShed::new(ConcurrencyLimit::with_semaphore(verify, at_once));
    let forward = Rc::new(HttpServer::new(forward, gateway.clone(), draining.clone()));
    let verify = Rc::new(HttpServer::new(verify, gateway, draining.clone()));
    let connections = TaskTracker::new();
    loop {
        let Accepted { stream, peer, listener, counted } = tokio::select! {
            accepted = inbox.recv() => match accepted {
                Some(accepted) => accepted,
                None => break,
            },
            () = draining.cancelled() => break,
        };
        // A socket that cannot be used is one that its client has left.
        let Ok(stream) = TcpStream::from_std(stream) else { continue };
        let (forward, verify) = (forward.clone(), verify.clone());
        connections.spawn_local(async move {
            match listener {
                Listener::Public => connection::serve(forward, stream, peer.ip()).await,
                Listener::ForwardAuth => connection::serve(verify, stream, peer.ip()).await,
            }
            drop(counted);
        });
    }
    connections.close();
    if timeout(drain, connections.wait()).await.is_err() {
        tracing::warn!(connections = connections.len(), "shutting down cuts connections that are still busy");
    }
}

async fn sweep(pools: Rc<Pools>) {
    let mut beat = interval(SWEEP);
    loop {
        beat.tick().await;
        pools.sweep();
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
