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
    time::Duration,
};

use tokio::{
    net::TcpStream,
    sync::{Semaphore, mpsc},
    task::spawn_local,
    time::{Instant, interval, sleep, sleep_until, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::{limit::ConcurrencyLimit, load_shed::LoadShed, service_fn};

use super::{
    connection::{HttpServer, RequestInContext},
    phase::Phase,
    thread::Thread,
};
use crate::{
    handle::handle,
    own,
    response::reply::Reply,
    state::Gateway,
    upstream::{CLOSE_WITHIN, Pools},
};

/// The most requests that one worker has between their head and their answer's. More are turned away at once: queueing
/// them would make every one of them late.
const MAX_REQUESTS: usize = 4096;

/// How often idle upstream connections are looked through.
const SWEEP: Duration = Duration::from_secs(2);

/// A worker, as the acceptor knows it.
pub(super) struct Worker {
    inbox: mpsc::UnboundedSender<Accepted>,
    load: Arc<AtomicUsize>,
    thread: Thread,
}

/// What workers are made with.
#[derive(Clone)]
pub(super) struct WorkerConfig {
    pub(super) gateway: Arc<Gateway>,
    /// Once this is cancelled, connections end as soon as their requests do.
    pub(super) draining: CancellationToken,
}

/// Which listener a connection came to.
#[derive(Clone, Copy)]
pub(super) enum Listener {
    /// The public one: requests are forwarded.
    Public,
    /// Where plain HTTP is answered with the way to https.
    Redirect,
    /// The forward-auth one: another proxy asks whether it may forward them.
    ForwardAuth,
}

/// A client that was accepted, on its way to its worker.
struct Accepted {
    stream: std::net::TcpStream,
    peer: SocketAddr,
    phase: Arc<Phase>,
    listener: Listener,
    load: LoadGuard,
}

/// Counts one of a worker's connections, from the moment it is handed over until it has ended.
struct LoadGuard(Arc<AtomicUsize>);

impl Worker {
    /// Starts a worker.
    ///
    /// # Errors
    /// The machine has no thread or no poller left.
    pub(super) async fn start(number: usize, config: WorkerConfig) -> io::Result<Self> {
        let (inbox, connections) = mpsc::unbounded_channel();
        let thread = Thread::start(format!("worker-{number}"), || Ok(work(connections, config))).await?;
        Ok(Self { inbox, load: Arc::default(), thread })
    }

    /// How many connections it has.
    pub(super) fn load(&self) -> usize {
        self.load.load(Ordering::Relaxed)
    }

    /// Hands it a connection.
    pub(super) fn hand(&self, stream: std::net::TcpStream, peer: SocketAddr, phase: Arc<Phase>, listener: Listener) {
        self.load.fetch_add(1, Ordering::Relaxed);
        let load = LoadGuard(self.load.clone());
        // A worker that has ended takes none: the client sees a closed connection, as it must.
        let _ = self.inbox.send(Accepted { stream, peer, phase, listener, load });
    }

    /// Waits until it has ended.
    pub(super) async fn ended(self) {
        self.thread.ended().await;
    }
}

/// A worker's whole life.
async fn work(mut inbox: mpsc::UnboundedReceiver<Accepted>, config: WorkerConfig) {
    let pools = Pools::new();
    spawn_local(sweep(pools.clone()));
    let WorkerConfig { gateway, draining } = config;
    let requests = Arc::new(Semaphore::new(MAX_REQUESTS));
    let service = |listener| {
        let pools = pools.clone();
        let answers = service_fn(move |request| {
            let pools = pools.clone();
            async move { Ok::<_, Infallible>(answer(listener, &pools, request).await) }
        });
        LoadShed::new(ConcurrencyLimit::with_semaphore(answers, requests.clone()))
    };
    let tls = gateway.tls();
    let closing = CancellationToken::new();
    let server =
        |listener| HttpServer::with_tunnels(service(listener), gateway.clone(), draining.clone(), closing.clone());
    let (public, redirect) = (server(Listener::Public), server(Listener::Redirect));
    let forward_auth = server(Listener::ForwardAuth);
    let connections = TaskTracker::new();
    let serve = |accepted| {
        let Accepted { stream, peer, phase, listener, load } = accepted;
        // A socket that cannot be used is one that its client has left.
        let Ok(stream) = TcpStream::from_std(stream) else { return };
        let (server, tls) = match listener {
            Listener::Public => (public.clone(), tls.clone()),
            Listener::Redirect => (redirect.clone(), None),
            Listener::ForwardAuth => (forward_auth.clone(), None),
        };
        let draining = draining.clone();
        connections.spawn_local(async move {
            let told = phase.clone();
            let served = async {
                match tls {
                    Some(tls) => Box::pin(server.serve_tls(tls, stream, peer.ip(), phase)).await,
                    None if says_something(&stream, &phase, &draining, server.last_request()).await => {
                        // Made only now: who says nothing holds no buffers.
                        Box::pin(server.serve(stream, peer.ip(), phase)).await;
                    }
                    None => {}
                }
            };
            tokio::select! {
                biased;
                () = served => {}
                // Closed as it is: nothing of it is being served.
                () = told.makes_room() => {}
            }
            drop(load);
        });
    };
    loop {
        tokio::select! {
            accepted = inbox.recv() => match accepted {
                Some(accepted) => serve(accepted),
                None => break,
            },
            () = draining.cancelled() => break,
        }
    }
    // Who was accepted last is served too: nobody is accepted any more.
    while let Ok(accepted) = inbox.try_recv() {
        serve(accepted);
    }
    draining.cancelled().await;
    connections.close();
    if timeout(gateway.drain_time(), connections.wait()).await.is_ok() {
        return;
    }
    // Tunnels do not end by themselves: their clients are told to come again.
    closing.cancel();
    if timeout(CLOSE_WITHIN, connections.wait()).await.is_err() {
        tracing::warn!(connections = connections.len(), "shutting down cuts connections that are still busy");
    }
}

/// Waits for a client's first byte, or its end; whether there is one of them in time, once `draining` within `longer`: it may
/// be on its way.
async fn says_something(stream: &TcpStream, phase: &Phase, draining: &CancellationToken, longer: Duration) -> bool {
    // A connection that begins is idle, so that there is a deadline.
    let deadline = phase.deadline().unwrap_or_else(Instant::now);
    tokio::select! {
        readable = stream.readable() => readable.is_ok(),
        () = sleep_until(deadline) => false,
        () = async {
            draining.cancelled().await;
            sleep(longer).await;
        } => false,
    }
}

/// Answers a request to `listener`.
async fn answer(listener: Listener, pools: &Rc<Pools>, (context, request): RequestInContext) -> Reply {
    #[cfg(candor_mutants)]
    if auth_core::mutants::is("verify-is-public") && request.uri().path().ends_with("/verify") {
        return own::forward_auth::answer(&context, request).await;
    }
    match listener {
        Listener::Public => handle(pools, &context, request).await,
        Listener::Redirect => own::redirect::answer(&context, request),
        Listener::ForwardAuth => own::forward_auth::answer(&context, request).await,
    }
}

async fn sweep(pools: Rc<Pools>) {
    let mut beat = interval(SWEEP);
    loop {
        beat.tick().await;
        pools.sweep();
    }
}

impl Drop for LoadGuard {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
