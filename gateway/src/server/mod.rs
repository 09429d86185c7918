//! The running program: sockets, threads and connections.
//!
//! Each kind of work has threads of its own, so that none waits for another: `acceptor` takes connections and hands each
//! to the worker with the fewest; `worker-N` serve requests, which change no thread; `background` calls stores and providers;
//! `admin` serves operators and commands. Who asks on the forward-auth listener waits with a client's request in hand:
//! workers answer there too, under the same limit.
//!
//! They end in this order: accepting, once whoever the system has let in was accepted; the workers once their requests are
//! done; the admin listener; the background, once what it has begun is done. Another process may take over before that: then
//! it has the listening sockets, the data folder and the commands, and this one ends what it has begun.

mod acceptor;
mod access_record;
mod admin;
mod clients;
mod connection;
pub mod control;
mod files;
mod frames;
pub mod hand_over;
mod http2;
mod io;
mod orders;
mod phase;
mod sockets;
mod stream;
#[cfg(test)]
mod tests;
mod thread;
mod tls;
mod worker;

use std::{
    net::{SocketAddr, TcpListener as Socket},
    num::NonZero,
    process,
    sync::Arc,
    time::Duration,
};

use auth_core::{Background, Clock, data_folder::DataFolder};
use tokio::{
    sync::oneshot,
    task::spawn_blocking,
    time::{sleep, timeout},
};
use tokio_util::sync::{CancellationToken, DropGuard};

use self::{
    clients::Clients,
    files::{ClientFiles, FileLimit},
    hand_over::{HandOver, HandOverFault, Inheritance, Predecessor},
    thread::Thread,
    worker::{Listener, Worker, WorkerConfig},
};
pub use self::{
    orders::{Order, Ordered, Orders, orders},
    sockets::GivenSockets,
};
use crate::{
    config::Config,
    state::{Dependencies, Gateway, StartFault, Tuning},
    telemetry::Telemetry,
};

/// How long what was begun towards stores and providers may take to end, after the last request: a call to a provider may
/// take five seconds, and what it brings is then written.
const LAST_WORK: Duration = Duration::from_secs(6);

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
    /// Whither orders go that take more than the gateway: from [`orders`]. Default: nobody carries them out.
    pub orders: Option<Orders>,
    /// Listening sockets that are open already. Default: none.
    pub given: GivenSockets,
    /// The process that this one takes over from. Default: none.
    pub predecessor: Option<Predecessor>,
}

/// A gateway that serves. Dropping it stops it too, without waiting.
pub struct Started {
    gateway: Arc<Gateway>,
    addresses: Listeners<SocketAddr>,
    room: ClientRoom,
    /// What a process that takes over is given: the sockets, with the addresses that the configuration calls them by.
    sockets: Vec<(SocketAddr, Socket)>,
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

/// How the threads are told to end, one after another.
#[derive(Clone, Default)]
struct EndSteps {
    /// The acceptor: once whoever has connected was accepted.
    accepting: CancellationToken,
    /// The workers' connections: as soon as their requests do.
    draining: CancellationToken,
    /// The admin listener and the commands take nobody new, since another process does.
    leaving: CancellationToken,
}

/// Something of each listener.
#[derive(Clone)]
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
            orders: None,
            given: GivenSockets::default(),
            predecessor: None,
        }
    }
}

/// Starts a gateway. It needs none of its dependencies for that.
///
/// # Errors
/// [`StartFault`]: something that its operator must put right.
pub async fn start(config: Config, mut options: ServeOptions) -> Result<Started, StartFault> {
    // Before anything is made or changed in it, and so that whoever comes second is told who has it, not what port.
    let (data, mut given) = take(&config, &mut options).await?;
    let (data, configured) = (Arc::new(data), Listeners::of(&config));
    let sockets = configured.clone().map(|address| given.take_or_open(address))?;
    given.all_fit()?;
    let addresses = sockets.as_ref().map(Socket::local_addr).map_err(StartFault::Machine)?;
    let (files, wanted) = (FileLimit::raise(), config.server.max_client_connections);
    let client_files = files.for_clients(&config);
    let room = ClientRoom { clients: client_files.most(wanted), files: files.get() };
    let kept = sockets.as_ref().map(Socket::try_clone).map_err(StartFault::Machine)?;
    let kept = configured.into_iter().zip(kept.into_iter()).collect();
    let stop = CancellationToken::new();
    let (report, started) = oneshot::channel();
    let stopped = stop.clone();
    let background = Thread::start("background".to_owned(), move || {
        Ok(run(config, options, data, (sockets, client_files), stopped, report))
    });
    let background = background.await.map_err(StartFault::Machine)?;
    let fault = match started.await {
        Ok(Ok(gateway)) => {
            return Ok(Started { gateway, addresses, room, sockets: kept, stop: stop.drop_guard(), background });
        }
        Ok(Err(fault)) => fault,
        Err(gone) => StartFault::Machine(std::io::Error::other(gone)),
    };
    // Then the data folder is free again.
    background.ended().await;
    Err(fault)
}

/// Takes the data folder: from the process before, with its sockets, if there is one.
async fn take(config: &Config, options: &mut ServeOptions) -> Result<(DataFolder, GivenSockets), StartFault> {
    let (data, now) = (config.server.data.clone(), options.clock.now());
    let Some(before) = options.predecessor.take() else {
        return Ok((DataFolder::take(&data, now)?, std::mem::take(&mut options.given)));
    };
    let (before, received) = spawn_blocking(move || {
        let received = before.take();
        (before, received)
    })
    .await
    .map_err(|gone| StartFault::Machine(std::io::Error::other(gone)))?;
    let Inheritance { lock, sockets } = received.map_err(StartFault::NotHandedOver)?;
    options.predecessor = Some(before);
    Ok((DataFolder::take_over(&data, lock, now)?, sockets))
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
    let ServeOptions { clock, telemetry, tuning, workers, orders, given: _, predecessor } = options;
    let background = Background::current();
    let dependencies = Dependencies { data: data.clone(), clock, background: background.clone(), telemetry, tuning };
    let ends = EndSteps::default();
    let up = async {
        let gateway = Gateway::start(config, dependencies).await?;
        let before = predecessor.map(Arc::new);
        if let Some(before) = before.clone() {
            await_turn(before, &gateway).await.map_err(StartFault::NotHandedOver)?;
        }
        let threads = Threads::start(gateway.clone(), workers, (sockets, files), orders, &ends).await;
        let threads = threads.map_err(StartFault::Machine)?;
        if let Some(before) = before {
            before.serving();
        }
        Ok((gateway, threads))
    };
    let (gateway, threads) = match up.await {
        Ok(up) => up,
        Err(fault) => {
            // Threads that did start end.
            ends.all();
            let _ = report.send(Err(fault));
            return data;
        }
    };
    let _ = report.send(Ok(gateway.clone()));

    stop.cancelled().await;
    threads.end(&gateway, &ends).await;
    let last = gateway.drain_time().min(LAST_WORK);
    if timeout(last, background.idle()).await.is_err() {
        tracing::warn!("stopping cuts off what is under way to a store or a provider");
    }
    gateway.repair_before_exit().await;
    gateway.clock().written().await;
    data
}

/// Waits until the process before lets us serve, and reads what it wrote last.
async fn await_turn(before: Arc<Predecessor>, gateway: &Gateway) -> std::io::Result<()> {
    spawn_blocking(move || before.ready()).await.map_err(std::io::Error::other)??;
    if let Err(down) = gateway.revocations.poll().await {
        tracing::warn!("the store could not be read when taking over: {down}");
    }
    Ok(())
}

impl EndSteps {
    fn all(&self) {
        self.accepting.cancel();
        self.draining.cancel();
        self.leaving.cancel();
    }
}

impl Threads {
    /// Starts them; the one that accepts, last.
    ///
    /// # Errors
    /// The machine has no thread or poller left.
    async fn start(
        gateway: Arc<Gateway>,
        count: NonZero<usize>,
        (sockets, files): (Listeners<Socket>, ClientFiles),
        orders: Option<Orders>,
        ends: &EndSteps,
    ) -> std::io::Result<Self> {
        let clients = Clients::new(gateway.clone(), files);
        let Listeners { public, redirect, forward_auth, admin } = sockets;
        let config = WorkerConfig { gateway: gateway.clone(), draining: ends.draining.clone() };
        let mut workers = Vec::with_capacity(count.get());
        for number in 0..count.get() {
            workers.push(Worker::start(number, config.clone()).await?);
        }
        let workers = Arc::new(workers);
        let stop_admin = CancellationToken::new();
        let admin = admin::start(admin, gateway, orders, ends.leaving.clone(), stop_admin.clone()).await?;
        let keep_admin = stop_admin.drop_guard();
        let public = public.into_iter().map(|socket| (socket, Listener::Public));
        let forward_auth = forward_auth.into_iter().map(|socket| (socket, Listener::ForwardAuth));
        let redirect = redirect.into_iter().map(|socket| (socket, Listener::Redirect));
        let sockets = public.chain(redirect).chain(forward_auth).collect();
        let acceptor = acceptor::start(sockets, workers.clone(), clients, ends.accepting.clone()).await?;
        Ok(Self { acceptor, workers, admin, keep_admin })
    }

    /// Ends them, each when nothing is left for it to do.
    async fn end(self, gateway: &Gateway, ends: &EndSteps) {
        let Self { acceptor, workers, admin, keep_admin } = self;
        if gateway.data.is_handed_over() {
            // Whoever asks there is to find the process that serves now; and the gateway is as ready as it was.
            ends.leaving.cancel();
        } else {
            gateway.drain();
            sleep(gateway.ready_off_for()).await;
        }
        ends.accepting.cancel();
        acceptor.ended().await;
        ends.draining.cancel();
        for worker in Arc::into_inner(workers).unwrap_or_default() {
            worker.ended().await;
        }
        // Operators, and load balancers that ask whether we are ready, are served until here.
        drop(keep_admin);
        admin.ended().await;
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
    fn map<U, E>(self, mut make: impl FnMut(T) -> Result<U, E>) -> Result<Listeners<U>, E> {
        Ok(Listeners {
            public: self.public.into_iter().map(&mut make).collect::<Result<_, _>>()?,
            redirect: self.redirect.into_iter().map(&mut make).collect::<Result<_, _>>()?,
            forward_auth: self.forward_auth.into_iter().map(&mut make).collect::<Result<_, _>>()?,
            admin: make(self.admin)?,
        })
    }

    /// All of them, in one order.
    fn into_iter(self) -> impl Iterator<Item = T> {
        self.public.into_iter().chain(self.redirect).chain(self.forward_auth).chain(std::iter::once(self.admin))
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

    /// Starts `program` in this one's place, and hands over to it: it serves when this returns its process id. What is left to do
    /// here is to end what was begun: [`Started::shutdown`].
    ///
    /// # Errors
    /// [`HandOverFault`]: then this one serves on, and has everything that it had.
    pub async fn hand_over(&self, program: process::Command) -> Result<u32, HandOverFault> {
        if self.gateway.data.is_handed_over() {
            return Err(HandOverFault::UnderWay);
        }
        let again = |(address, socket): &(SocketAddr, Socket)| Ok((*address, socket.try_clone()?));
        let sockets = self.sockets.iter().map(again).collect::<std::io::Result<_>>();
        let sockets = sockets.map_err(HandOverFault::NotStarted)?;
        let what = HandOver { gateway: self.gateway.clone(), sockets };
        let given = spawn_blocking(move || hand_over::give(&what, program)).await;
        given.unwrap_or_else(|gone| Err(HandOverFault::NotStarted(std::io::Error::other(gone))))
    }

    /// Stops: no new connections; idle ones are closed after a second, busy ones when their requests are done or the time for it
    /// has passed. Returns when every thread has ended.
    pub async fn shutdown(self) {
        let Self { stop, sockets, background, .. } = self;
        // Or the system would let clients in whom nobody accepts.
        drop(sockets);
        drop(stop);
        background.ended().await;
    }
}
