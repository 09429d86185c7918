//! The running program: sockets, threads and connections.
//!
//! One acceptor hands each connection to the worker with the fewest; a request changes no thread. The background runtime is the
//! thread that does everything else that does I/O: stores, providers, the admin listener, and the accepting itself.
//! Who asks on the forward-auth listener waits with a client's request in hand: workers answer there too, under the same
//! limit.

mod acceptor;
mod connection;
pub mod control;
pub mod io;
#[cfg(test)]
mod tests;
mod worker;

use std::{
    convert::Infallible,
    net::{SocketAddr, TcpListener as Socket},
    num::NonZero,
    rc::Rc,
    sync::Arc,
    thread,
    time::Duration,
};

use auth_core::{Background, Clock, data_folder::DataFolder};
use tokio::{net::TcpListener, runtime, sync::oneshot, task::spawn_local};
use tokio_util::sync::{CancellationToken, DropGuard};
use tower::service_fn;

use self::{
    connection::{HttpServer, RequestInContext},
    worker::{Listener, Worker, WorkerConfig},
};
use crate::{
    config::Config,
    own,
    server::control::Control,
    state::{Dependencies, Gateway, StartFault, Tuning},
    telemetry::Telemetry,
};

/// How long the background runtime's blocking calls may take to end when everything else has.
const LAST_CALLS: Duration = Duration::from_millis(200);

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
}

/// A gateway that serves. Dropping it stops it too, without waiting.
pub struct Started {
    gateway: Arc<Gateway>,
    addresses: Listeners<SocketAddr>,
    stop: DropGuard,
    background: Thread,
}

/// A thread, and word of its end.
struct Thread {
    handle: thread::JoinHandle<()>,
    ended: oneshot::Receiver<()>,
}

/// Something of each listener.
struct Listeners<T> {
    public: Vec<T>,
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
            workers: thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN),
            drain: Duration::from_secs(10),
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
    let stop = CancellationToken::new();
    let (report, started) = oneshot::channel();
    let (end, ended) = oneshot::channel();
    let stopped = stop.clone();
    let handle = thread::Builder::new()
        .name("background".to_owned())
        .spawn(move || {
            match runtime::Builder::new_current_thread().enable_all().build_local(runtime::LocalOptions::default()) {
                Ok(runtime) => {
                    runtime.block_on(run(config, (options, data.clone()), sockets, stopped, report));
                    runtime.shutdown_timeout(LAST_CALLS);
                }
                Err(error) => {
                    let _ = report.send(Err(StartFault::Machine(error)));
                }
            }
            // Nothing is written any more.
            drop(data);
            let _ = end.send(());
        })
        .map_err(StartFault::Machine)?;
    let gateway = started.await.map_err(|gone| StartFault::Machine(std::io::Error::other(gone)))??;
    Ok(Started { gateway, addresses, stop: stop.drop_guard(), background: Thread { handle, ended } })
}

/// The background runtime's whole life.
async fn run(
    config: Config,
    (options, data): (ServeOptions, Arc<DataFolder>),
    sockets: Listeners<Socket>,
    stop: CancellationToken,
    report: oneshot::Sender<Result<Arc<Gateway>, StartFault>>,
) {
    let ServeOptions { clock, telemetry, tuning, workers: count, drain } = options;
    let dependencies = Dependencies { data, clock, background: Background::current(), telemetry, tuning };
    let up = async {
        let gateway = Gateway::start(config, dependencies).await?;
        let config = WorkerConfig { gateway: gateway.clone(), draining: stop.clone(), drain };
        let mut workers = Vec::with_capacity(count.get());
        for number in 0..count.get() {
            workers.push(Worker::start(number, config.clone()).await.map_err(StartFault::Machine)?);
        }
        let listeners = sockets.map(TcpListener::from_std).map_err(StartFault::Machine)?;
        Ok((gateway, workers, listeners))
    };
    let (gateway, workers, Listeners { public, forward_auth, admin }) = match up.await {
        Ok(up) => up,
        Err(fault) => {
            stop.cancel();
            let _ = report.send(Err(fault));
            return;
        }
    };
    let workers = Arc::new(workers);
    let public = public.into_iter().map(|socket| (socket, Listener::Public));
    let forward_auth = forward_auth.into_iter().map(|socket| (socket, Listener::ForwardAuth));
    let accepting = public.chain(forward_auth);
    let accepting = accepting.map(|(socket, listener)| spawn_local(dispatch(socket, listener, workers.clone())));
    let accepting = accepting.collect::<Vec<_>>();
    // Operators, and load balancers that ask whether we are ready, are served to the very end.
    let operators = spawn_local(operate(admin, gateway.clone()));
    let commands = Control::listen(&gateway.data).map(|control| spawn_local(control.serve(gateway.clone())));
    let commands = commands.inspect_err(|error| tracing::error!("commands cannot reach this gateway: {error}"));
    let _ = report.send(Ok(gateway.clone()));

    stop.cancelled().await;
    gateway.drain();
    for task in accepting {
        task.abort();
        let _ = task.await;
    }
    for worker in Arc::into_inner(workers).unwrap_or_default() {
        worker.ended().await;
    }
    operators.abort();
    if let Ok(commands) = commands {
        commands.abort();
        let _ = commands.await;
    }
    gateway.settle().await;
    gateway.clock().written().await;
}

/// Hands each connection to the worker with the fewest.
async fn dispatch(socket: TcpListener, listener: Listener, workers: Arc<Vec<Worker>>) {
    acceptor::accept(&socket, |stream, peer| {
        let Some(worker) = workers.iter().min_by_key(|worker| worker.load()) else { return };
        // It leaves this thread's poller for the worker's.
        if let Ok(stream) = stream.into_std() {
            worker.hand(stream, peer, listener);
        }
    })
    .await;
}

/// Serves the admin listener.
async fn operate(listener: TcpListener, gateway: Arc<Gateway>) {
    let service = service_fn(|(context, request): RequestInContext| async move {
        Ok::<_, Infallible>(own::admin::answer(&context, &request))
    });
    let http = Rc::new(HttpServer::new(service, gateway, CancellationToken::new()));
    acceptor::accept(&listener, |stream, peer| {
        spawn_local(connection::serve(http.clone(), stream, peer.ip()));
    })
    .await;
}

impl Listeners<SocketAddr> {
    fn of(config: &Config) -> Self {
        let (public, forward_auth) = (config.server.listen.clone(), config.forward_auth.listen.clone());
        Self { public, forward_auth, admin: config.admin.listen }
    }
}

impl<T> Listeners<T> {
    /// The same listeners, of each what `make` makes of it.
    fn map<U, E>(self, make: impl Fn(T) -> Result<U, E>) -> Result<Listeners<U>, E> {
        Ok(Listeners {
            public: self.public.into_iter().map(&make).collect::<Result<_, _>>()?,
            forward_auth: self.forward_auth.into_iter().map(&make).collect::<Result<_, _>>()?,
            admin: make(self.admin)?,
        })
    }

    fn as_ref(&self) -> Listeners<&T> {
        let (public, forward_auth) = (self.public.iter().collect(), self.forward_auth.iter().collect());
        Listeners { public, forward_auth, admin: &self.admin }
    }
}

impl Started {
    /// The addresses of the public listener, with the ports that port 0 became.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses.public
    }

    /// The addresses of the forward-auth listener; none if there is none.
    pub fn forward_auth(&self) -> &[SocketAddr] {
        &self.addresses.forward_auth
    }

    /// The address of the admin listener.
    pub fn admin(&self) -> SocketAddr {
        self.addresses.admin
    }

    /// What is running.
    pub fn gateway(&self) -> &Arc<Gateway> {
        &self.gateway
    }

    /// Stops: no new connections, idle ones closed at once, busy ones when their requests are done or the time for it
    /// has passed. Returns when every thread has ended.
    pub async fn shutdown(self) {
        let Self { stop, background: Thread { handle, ended }, .. } = self;
        drop(stop);
        let _ = ended.await;
        let _ = handle.join();
    }
}
