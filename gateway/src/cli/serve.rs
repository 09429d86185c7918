//! `gateway serve`: serves until somebody says stop, and carries out the orders that take more than the gateway.

use std::{env, io, net::SocketAddr, path::PathBuf, process::ExitCode, sync::Arc, time::Duration};

use tokio::{
    runtime, select,
    signal::unix::{Signal, SignalKind, signal},
    sync::mpsc,
};

use super::{exit, notify::Supervisor, refuse, reload::Reloader, upgrade::Upgrade};
use crate::{
    check::{Conclusion, Loaded, load_with_files},
    config::{Config, SourceFile},
    server::{self, ClientRoom, GivenSockets, Order, Ordered, ServeOptions, Started, hand_over::Predecessor, orders},
    state::StartFault,
    telemetry::Telemetry,
};

/// How long the last lines may take to leave.
const LAST_LINES: Duration = Duration::from_secs(1);

/// The signals that we listen to.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

/// What a process begins with besides its configuration.
struct Beginning {
    /// Where its program is: what is there later may be a newer one.
    program: io::Result<PathBuf>,
    given: GivenSockets,
    predecessor: Option<Predecessor>,
}

/// Why a process stops.
enum Stop {
    /// Somebody said so.
    Told,
    /// Another one serves now.
    HandedOver,
}

/// Runs `gateway serve`.
pub(super) fn run(path: PathBuf) -> ExitCode {
    let beginning = match Beginning::of_this_process() {
        Ok(beginning) => beginning,
        Err(fault) => return refuse(&format!("what this process was started with cannot be used: {fault}")),
    };
    let Loaded { config, files } = load_with_files(&path);
    let config = match config {
        Ok(config) => config,
        Err(unreadable) => return refuse(&unreadable.to_string()),
    };
    let telemetry = Telemetry::start(config.log.format, config.log.level);
    let served = match runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => {
            let served = runtime.block_on(until_told(config, beginning, Reading { path, files }, telemetry.clone()));
            // What is read at this moment, from a file system that hangs, is waited for by nobody.
            runtime.shutdown_background();
            served
        }
        Err(cause) => Err(StartFault::Machine(cause)),
    };
    if let Err(fault) = &served {
        tracing::error!("not started: {fault}");
    }
    telemetry.flush(LAST_LINES);
    if served.is_ok() { ExitCode::SUCCESS } else { exit(Conclusion::Refused) }
}

/// The configuration file, and what it was read from.
struct Reading {
    path: PathBuf,
    files: Vec<SourceFile>,
}

/// Serves until somebody says stop; a second time means at once.
async fn until_told(
    config: Config,
    beginning: Beginning,
    reading: Reading,
    telemetry: Telemetry,
) -> Result<(), StartFault> {
    let mut signals = Signals::listen().map_err(StartFault::Machine)?;
    for warning in &config.warnings {
        tracing::warn!("configuration {warning}");
    }
    let public = config.server.public_url.origin().ascii_serialization();
    let wanted = config.server.max_client_connections;
    let (give, mut ordered) = orders();
    let Beginning { program, given, predecessor } = beginning;
    let options = ServeOptions { orders: Some(give), given, predecessor, ..ServeOptions::new(telemetry) };
    let started = server::start(config, options).await?;
    let room = started.room();
    if wanted.is_some_and(|wanted| wanted > room.clients) {
        let ClientRoom { clients, files } = room;
        tracing::warn!("max_client_connections is more than a limit of {files} open files leaves room for: {clients}");
    }
    tracing::info!("{}", serving(&public, &started));
    let supervisor = Supervisor::of_this_process();
    supervisor.ready();
    let reloader = Reloader::new(reading.path, reading.files, started.gateway().clone(), supervisor.clone());
    let watching = tokio::spawn(reloader.clone().watch());
    let upgrade = Upgrade { started: &started, program, supervisor: &supervisor };
    let stop = signals.until_stop(&mut ordered, &reloader, &upgrade).await;
    watching.abort();
    match stop {
        Stop::Told => {
            supervisor.stopping();
            tracing::info!("stopping: no new connections, finishing what is under way");
        }
        Stop::HandedOver => tracing::info!("handed over: finishing what is under way"),
    }
    select! {
        () = started.shutdown() => {}
        () = signals.stop() => {}
    }
    tracing::info!("stopped");
    Ok(())
}

impl Beginning {
    /// Changes the environment: nothing else may run yet.
    fn of_this_process() -> io::Result<Self> {
        Ok(Self {
            program: env::current_exe(),
            given: GivenSockets::from_environment()?,
            predecessor: Predecessor::from_environment()?,
        })
    }
}

/// The line that says where we listen.
fn serving(public: &str, started: &Started) -> String {
    let listed = |addresses: &[SocketAddr]| {
        addresses.iter().map(|address| format!("http://{address}")).collect::<Vec<_>>().join(", ")
    };
    let forward_auth = match started.forward_auth() {
        [] => String::new(),
        addresses => format!("forward-auth on {}, ", listed(addresses)),
    };
    let (listen, admin) = (listed(started.addresses()), started.admin());
    let ClientRoom { clients, files } = started.room();
    format!(
        "serving {public} on {listen} to {clients} connections at most ({files} files may be open), \
         {forward_auth}admin on http://{admin}"
    )
}

impl Signals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Somebody says stop.
    async fn stop(&mut self) {
        select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    /// Carries out what is ordered, until this process is to stop. No order keeps a signal waiting.
    async fn until_stop(
        &mut self,
        ordered: &mut mpsc::Receiver<Ordered>,
        reloader: &Arc<Reloader>,
        upgrade: &Upgrade<'_>,
    ) -> Stop {
        loop {
            let (order, because, answer) = select! {
                _ = self.terminate.recv() => return Stop::Told,
                _ = self.interrupt.recv() => return Stop::Told,
                _ = self.hangup.recv() => (Order::Reload, "SIGHUP", None),
                Some(Ordered { order, answer }) = ordered.recv() => (order, "gateway reload", Some(answer)),
            };
            let came_of_it = select! {
                () = self.stop() => return Stop::Told,
                came_of_it = async {
                    match order {
                        Order::Reload => reloader.reload(because).await,
                        Order::Upgrade => upgrade.run().await,
                    }
                } => came_of_it,
            };
            let handed_over = order == Order::Upgrade && came_of_it.is_ok();
            if let Some(answer) = answer {
                // Whoever ordered it may have gone; the log says it too.
                let _ = answer.send(came_of_it);
            }
            if handed_over {
                return Stop::HandedOver;
            }
        }
    }
}
