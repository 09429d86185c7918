//! The running program: sockets, threads and connections.
//!
//! Each kind of work has threads of its own, so that none waits for another: `acceptor` takes connections and hands each
//! to the worker with the fewest; `worker-N` serve requests, which change no thread; `background` calls stores and providers;
//! `admin` serves operators and commands. Who asks on the forward-auth listener waits with a client's request in hand:
//! workers answer there too, under the same limit.
//!
//! They end in this order: accepting, the workers once their requests are done, the admin listener, the background.

mod acceptor;
mod access_record;
mod admin;
mod clients;
mod connection;
pub mod control;
mod files;
mod io;
mod orders;
mod phase;
mod stream;
#[cfg(test)]
mod tests;
mod thread;
mod tls;
mod worker;

use std::{
    net::{SocketAddr, TcpListener as Socket},
    num::NonZero,
    sync::Arc,
    time::Duration,
};

use auth_core::{Background, Clock, data_folder::DataFolder};
use tokio::sync::oneshot;
use tokio_util::sync::{CancellationToken, DropGuard};

pub use self::orders::{Order, Ordered, Orders, orders};
use self::{
    clients::Clients,
    files::{ClientFiles, FileLimit},
    thread::Thread,
    worker::{Listener, Worker, WorkerConfig},
};
use crate::{
    config::Config,
    state::{Dependencies, Gateway, StartFault, Tuning},
    telemetry::Telemetry,
};

/// What a start is told besides the configuration.
pub struct ServeOptions {
    /// The clock.
    pub clock: Clock,
    /// Logs and metrics, installed.
    pub telemetry: Telemetry,
    /// The numbers that no configuration names.
    pub tuning: Tuning,
    /// How many workers; by default one a core.
    pub workers: NonZero<usize>,
    /// How long requests may take to finish once the gateway is shut down. Default 10 s.
    pub drain: Duration,
    /// Whither orders go that take more than the gateway: from [`orders`]. Default: nobody carries them out.
    pub orders: Option<Orders>,
}

/// A gateway that serves. Dropping it stops it too, without waiting.
pub struct Started {
    gateway: Arc<Gateway>,
    addresses: Listeners<SocketAddr>,
    room: ClientRoom,
    stop: DropGuard,
    background: Thread,
}

/// How many clients there is room for.
#[derive(Clone, Copy, Debug)]
pub struct ClientRoom {
    /// How many may be connected at once.
    pub clients: usize,
    /// How many files the process may have open.
    pub files: usize,
}

/// The threads besides the background's own.
struct Threads {
    acceptor: Thread,
    workers: Arc<Vec<Worker>>,
    admin: Thread,
    /// Dropped, it ends the admin thread.
    keep_admin: DropGuard,
}

/// Something of each listener.
struct Listeners<T> {
    public: Vec<T>,
    redirect: Vec<T>,
    forward_auth: Vec<T>,
    admin: T,
}

impl ServeOptions {
    /// The machine's clock, and the defaults.
    pub fn new(telemetry: Telemetry) -> Self {
        Self {
            clock: Clock::system(),
            telemetry,
            tuning: Tuning::default(),
            workers: std::thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN),
            drain: Duration::from_secs(10),
            orders: None,
        }
    }
}

/// Starts a gateway. It needs none of its dependencies for that.
///
/// # Errors
/// [`StartFault`]: something that its operator must put right.
pub async fn start(config: Config, options: ServeOptions) -> Result<Started, StartFault> {
    // Before anything is made or changed in it, and so that whoever comes second is told who has it, not what port.
    let data = Arc::new(DataFolder::take(&config.server.data, options.clock.now())?);
    let bind = |address| acceptor::bind(address).map_err(|fault| StartFault::Listen(address, fault));
    let sockets = Listeners::of(&config).map(bind)?;
    let addresses = sockets.as_ref().map(Socket::local_addr).map_err(StartFault::Machine)?;
    let (files, wanted) = (FileLimit::raise(), config.server.max_client_connections);
    let client_files = files.for_clients(&config);
    let room = ClientRoom { clients: client_files.most(wanted), files: files.get() };
    let stop = CancellationToken::new();
    let (report, started) = oneshot::channel();
    let stopped = stop.clone();
    let background = Thread::start("background".to_owned(), move || {
        Ok(run(config, options, data, (sockets, client_files), stopped, report))
    });
    let background = background.await.map_err(StartFault::Machine)?;
    let fault = match started.await {
        Ok(Ok(gateway)) => return Ok(Started { gateway, addresses, room, stop: stop.drop_guard(), background }),
        Ok(Err(fault)) => fault,
        Err(gone) => StartFault::Machine(std::io::Error::other(gone)),
    };
    // Then the data folder is free again.
    background.ended().await;
    Err(fault)
}

/// The background thread's whole life: it starts the others, and ends when they have. The data folder is its to give up,
/// since it writes there to the end.
async fn run(
    config: Config,
    options: ServeOptions,
    data: Arc<DataFolder>,
    (sockets, files): (Listeners<Socket>, ClientFiles),
    stop: CancellationToken,
    report: oneshot::Sender<Result<Arc<Gateway>, StartFault>>,
) -> Arc<DataFolder> {
    let ServeOptions { clock, telemetry, tuning, workers, drain, orders } = options;
    let background = Background::current();
    let dependencies = Dependencies { data: data.clone(), clock, background, telemetry, tuning };
    let up = async {
        let gateway = Gateway::start(config, dependencies).await?;
        let config = WorkerConfig { gateway: gateway.clone(), draining: stop.clone(), drain };
        let threads = Threads::start(config, workers, (sockets, files), orders).await.map_err(StartFault::Machine)?;
        Ok((gateway, threads))
    };
    let (gateway, Threads { acceptor, workers, admin, keep_admin }) = match up.await {
        Ok(up) => up,
        Err(fault) => {
            // Threads that did start end.
            stop.cancel();
            let _ = report.send(Err(fault));
            return data;
        }
    };
    let _ = report.send(Ok(gateway.clone()));

    stop.cancelled().await;
    gateway.drain();
    acceptor.ended().await;
    for worker in Arc::into_inner(workers).unwrap_or_default() {
        worker.ended().await;
    }
    // Operators, and load balancers that ask whether we are ready, are served until here.
    drop(keep_admin);
    admin.ended().await;
    gateway.repair_before_exit().await;
    gateway.clock().written().await;
    data
}

impl Threads {
    /// Starts them; the one that accepts, last.
    ///
    /// # Errors
    /// The machine has no thread or poller left.
    async fn start(
        config: WorkerConfig,
        count: NonZero<usize>,
        (sockets, files): (Listeners<Socket>, ClientFiles),
        orders: Option<Orders>,
    ) -> std::io::Result<Self> {
        let clients = Clients::new(config.gateway.clone(), files);
        let Listeners { public, redirect, forward_auth, admin } = sockets;
        let (gateway, stop) = (config.gateway.clone(), config.draining.clone());
        let mut workers = Vec::with_capacity(count.get());
        for number in 0..count.get() {
            workers.push(Worker::start(number, config.clone()).await?);
        }
        let workers = Arc::new(workers);
        let stop_admin = CancellationToken::new();
        let admin = admin::start(admin, gateway, orders, stop_admin.clone()).await?;
        let keep_admin = stop_admin.drop_guard();
        let public = public.into_iter().map(|socket| (socket, Listener::Public));
        let forward_auth = forward_auth.into_iter().map(|socket| (socket, Listener::ForwardAuth));
        let redirect = redirect.into_iter().map(|socket| (socket, Listener::Redirect));
        let sockets = public.chain(redirect).chain(forward_auth).collect();
        let acceptor = acceptor::start(sockets, workers.clone(), clients, stop).await?;
        Ok(Self { acceptor, workers, admin, keep_admin })
    }
}

impl Listeners<SocketAddr> {
    fn of(config: &Config) -> Self {
        let (public, forward_auth) = (config.server.listen.clone(), config.forward_auth.listen.clone());
        Self { public, redirect: config.server.tls.redirect_http.clone(), forward_auth, admin: config.admin.listen }
    }
}

impl<T> Listeners<T> {
    /// The same listeners, of each what `make` makes of it.
    fn map<U, E>(self, make: impl Fn(T) -> Result<U, E>) -> Result<Listeners<U>, E> {
        Ok(Listeners {
            public: self.public.into_iter().map(&make).collect::<Result<_, _>>()?,
            redirect: self.redirect.into_iter().map(&make).collect::<Result<_, _>>()?,
            forward_auth: self.forward_auth.into_iter().map(&make).collect::<Result<_, _>>()?,
            admin: make(self.admin)?,
        })
    }

    fn as_ref(&self) -> Listeners<&T> {
        let (public, redirect) = (self.public.iter().collect(), self.redirect.iter().collect());
        Listeners { public, redirect, forward_auth: self.forward_auth.iter().collect(), admin: &self.admin }
    }
}

impl Started {
    /// The addresses of the public listener, with the ports that port 0 became.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses.public
    }

    /// The addresses where plain HTTP is answered with the way to https.
    pub fn redirects(&self) -> &[SocketAddr] {
        &self.addresses.redirect
    }

    /// The addresses of the forward-auth listener; none if there is none.
    pub fn forward_auth(&self) -> &[SocketAddr] {
        &self.addresses.forward_auth
    }

    /// The address of the admin listener.
    pub fn admin(&self) -> SocketAddr {
        self.addresses.admin
    }

    /// How many clients there is room for.
    pub fn room(&self) -> ClientRoom {
        self.room
    }

    /// What is running.
    pub fn gateway(&self) -> &Arc<Gateway> {
        &self.gateway
    }

    /// Stops: no new connections, idle ones closed at once, busy ones when their requests are done or the time for it
    /// has passed. Returns when every thread has ended.
    pub async fn shutdown(self) {
        let Self { stop, background, .. } = self;
        drop(stop);
        background.ended().await;
    }
}
