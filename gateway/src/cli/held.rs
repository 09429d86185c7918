//! `gateway held …`: the sessions that a provider refuses to renew in numbers that look like a mistake of its own.

use std::{path::PathBuf, process::ExitCode};

use clap::Subcommand;

use super::{command, refuse};
use crate::server::control::{Command, held::HeldCommand};

#[derive(Debug, Subcommand)]
pub(super) enum HeldAction {
    /// List them: whose they are, since when, and what the provider says.
    List {
        /// Only those after this one: the last of the page before.
        #[arg(long)]
        after: Option<String>,
        /// The configuration file.
        #[arg(long, default_value = "gateway.toml")]
        config: PathBuf,
    },
    /// Say that the provider was right: they end. Whoever it was may sign in again, if the provider lets them.
    Release {
        /// Which one.
        #[arg(conflicts_with_all = ["provider", "all"])]
        session: Option<String>,
        /// Those of this provider, by its name in the configuration.
        #[arg(long, conflicts_with = "all")]
        provider: Option<String>,
        /// All of them.
        #[arg(long)]
        all: bool,
        /// Why, for the record.
        #[arg(long)]
        reason: String,
        /// The configuration file.
        #[arg(long, default_value = "gateway.toml")]
        config: PathBuf,
    },
}

/// Runs `gateway held`.
pub(super) fn run(action: HeldAction) -> ExitCode {
    let (config, asked) = match action {
        HeldAction::List { after, config } => (config, HeldCommand::List { after }),
        HeldAction::Release { session: None, provider: None, all: false, .. } => {
            return refuse("say which: a session, --provider NAME, or --all");
        }
        HeldAction::Release { session, provider, reason, config, .. } => {
            (config, HeldCommand::Release { session, provider, reason })
        }
    };
    // Sessions are opened and ended by a gateway that runs.
    let alone = |_: &_, _: &_| Err("no gateway runs with this configuration: start it, then ask again".to_owned());
    command(&config, &Command::Held(asked), alone)
}
