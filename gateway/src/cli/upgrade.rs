//! `gateway upgrade`: the program that lies where this one did, in this one's place, with this one's arguments.

use std::{
    env, io,
    path::{Path, PathBuf},
    process::{self, ExitCode},
};

use super::{conclude, notify::Supervisor, refuse};
use crate::{
    check::load_without_secrets,
    server::{
        Started,
        control::{self, Command},
    },
};

/// How a process is put in this one's place.
pub(super) struct Upgrade<'a> {
    pub(super) started: &'a Started,
    /// Where the program of this process was when it began.
    pub(super) program: io::Result<PathBuf>,
    pub(super) supervisor: &'a Supervisor,
}

/// Runs `gateway upgrade`.
pub(super) fn run(config: &Path) -> ExitCode {
    let data = match load_without_secrets(config) {
        Ok(config) => config.server.data,
        Err(unreadable) => return refuse(&unreadable.to_string()),
    };
    let nobody = |fault| format!("no gateway answers that holds {}: {fault}", data.display());
    conclude(control::ask(&data, &Command::Upgrade).map_err(nobody))
}

impl Upgrade<'_> {
    /// Starts the other process, and hands over to it. What to tell whoever ordered it.
    ///
    /// # Errors
    /// This process serves on, and why.
    pub(super) async fn run(&self) -> Result<String, String> {
        let outcome = match &self.program {
            Ok(program) => {
                let mut next = process::Command::new(program);
                next.args(env::args_os().skip(1));
                self.started.hand_over(next).await.map_err(|fault| fault.to_string())
            }
            Err(fault) => Err(format!("where the program of this process is cannot be told: {fault}")),
        };
        match outcome {
            Ok(pid) => {
                self.supervisor.main_process(pid);
                let told = format!("process {pid} serves; process {} finishes what is under way", process::id());
                tracing::info!("upgrade: {told}");
                Ok(told)
            }
            Err(fault) => {
                tracing::error!("upgrade: {fault}; this process serves on");
                Err(format!("{fault}; process {} serves on", process::id()))
            }
        }
    }
}
