//! `gateway serve`: serves until somebody says stop, and carries out the orders that take more than the gateway.

use std::{net::SocketAddr, path::PathBuf, process::ExitCode, time::Duration};

use tokio::{
    runtime, select,
    signal::unix::{Signal, SignalKind, signal},
    sync::mpsc,
};

use super::{exit, refuse, reload::Reloader};
use crate::{
    check::{Conclusion, Loaded, load_with_files},
    config::{Config, SourceFile},
    server::{self, ClientRoom, Order, Ordered, ServeOptions, Started, orders},
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

/// Runs `gateway serve`.
pub(super) fn run(path: PathBuf) -> ExitCode {
    let Loaded { config, files } = load_with_files(&path);
    let config = match config {
        Ok(config) => config,
        Err(unreadable) => return refuse(&unreadable.to_string()),
    };
    let telemetry = Telemetry::start(config.log.format, config.log.level);
    let served = match runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => {
            let served = runtime.block_on(until_told(config, path, files, telemetry.clone()));
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

/// Serves until somebody says stop; a second time means at once.
async fn until_told(
    config: Config,
    path: PathBuf,
    files: Vec<SourceFile>,
    telemetry: Telemetry,
) -> Result<(), StartFault> {
    let mut signals = Signals::listen().map_err(StartFault::Machine)?;
    for warning in &config.warnings {
        tracing::warn!("configuration {warning}");
    }
    let public = config.server.public_url.origin().ascii_serialization();
    let wanted = config.server.max_client_connections;
    let (give, mut ordered) = orders();
    let started = server::start(config, ServeOptions { orders: Some(give), ..ServeOptions::new(telemetry) }).await?;
    let room = started.room();
    if wanted.is_some_and(|wanted| wanted > room.clients) {
        let ClientRoom { clients, files } = room;
        tracing::warn!("max_client_connections is more than a limit of {files} open files leaves room for: {clients}");
    }
    tracing::info!("{}", serving(&public, &started));
    let reloader = Reloader::new(path, files, started.gateway().clone());
    let watching = tokio::spawn(reloader.clone().watch());
    signals.until_stop(&mut ordered, &reloader).await;
    watching.abort();
    tracing::info!("stopping: no new connections, finishing what is under way");
    select! {
        () = started.shutdown() => {}
        () = signals.stop() => {}
    }
    tracing::info!("stopped");
    Ok(())
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

    /// Carries out what is ordered, until somebody says stop. No order keeps them from it.
    async fn until_stop(&mut self, ordered: &mut mpsc::Receiver<Ordered>, reloader: &std::sync::Arc<Reloader>) {
        loop {
            let (because, answer) = select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                _ = self.hangup.recv() => ("SIGHUP", None),
                Some(Ordered { order: Order::Reload, answer }) = ordered.recv() => ("gateway reload", Some(answer)),
            };
            let reloader = reloader.clone();
            tokio::spawn(async move {
                let came_of_it = reloader.reload(because).await;
                if let Some(answer) = answer {
                    // Whoever ordered it may have gone; the log says it too.
                    let _ = answer.send(came_of_it);
                }
            });
        }
    }
}
