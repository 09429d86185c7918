//! `gateway keys …`: our own keys by hand. The gateway that holds the data folder does it; without one the command takes
//! the folder.

use std::{fs, os::unix::fs::MetadataExt as _, path::PathBuf, process::ExitCode};

use auth_core::{Background, Clock, data_folder::DataFolder, database::Database, keyring::Keyring};
use clap::Subcommand;
use tokio::runtime;

use super::{ask_or_do, command, conclude};
use crate::{
    config::Config,
    server::control::{
        Command, CommandAnswer,
        keys::{self, KeysCommand},
        operator,
    },
};

#[derive(Debug, Subcommand)]
pub(super) enum Keys {
    /// Make what is missing of keyring and store, and join the two: for when one was lost for good. A gateway that holds
    /// the data folder does it itself.
    Adopt {
        /// The configuration file.
        #[arg(long, default_value = "gateway.toml")]
        config: PathBuf,
    },
    /// Replace the keys. Nobody is signed out: the old ones open and verify what they made until it is over. A new signing
    /// key is published for a day before it is used. PINs that are open begin anew.
    Rotate {
        /// The configuration file.
        #[arg(long, default_value = "gateway.toml")]
        config: PathBuf,
        /// Use the new signing key at once: for when somebody else may have the old one. Services that keep the published
        /// keys may refuse what it signs until they fetch them again.
        #[arg(long)]
        now: bool,
        /// Why, for the audit lines.
        #[arg(long)]
        reason: String,
    },
    /// Throw an old key away before its time: whatever it made is refused from then on.
    Retire {
        /// Its id, as `gateway keys list` shows it.
        id: String,
        /// The configuration file.
        #[arg(long, default_value = "gateway.toml")]
        config: PathBuf,
        /// Why, for the audit lines.
        #[arg(long)]
        reason: String,
    },
    /// List the keys by their ids, what each is for, and what it does.
    List {
        /// The configuration file.
        #[arg(long, default_value = "gateway.toml")]
        config: PathBuf,
    },
}

/// Runs `gateway keys`.
pub(super) fn run(action: Keys) -> ExitCode {
    let (config, asked) = match action {
        Keys::Adopt { config } => {
            return command(&config, &Command::KeysAdopt, |folder, config| {
                let joined = |store| async move { Keyring::adopt(folder, &store, Clock::system().now()).await };
                with_store(config, joined)?.map_err(|fault| fault.to_string())?;
                Ok("keyring and store belong together".to_owned())
            });
        }
        Keys::Rotate { config, now, reason } => (config, KeysCommand::Rotate { now, reason }),
        Keys::Retire { id, config, reason } => (config, KeysCommand::Retire { id, reason }),
        Keys::List { config } => (config, KeysCommand::List),
    };
    conclude(ask_or_do(&config, &Command::Keys(asked.clone()), |folder, config| alone(folder, config, &asked)))
}

/// Does it with the folder in our own hands.
fn alone(folder: &DataFolder, config: &Config, asked: &KeysCommand) -> Result<CommandAnswer, String> {
    // Who owns what we do is us.
    let own = fs::metadata("/proc/self").map_err(|fault| fault.to_string())?.uid();
    let clock = Clock::system();
    clock.keep_in(folder.path());
    let opened = |store| async move { Keyring::open(folder, &store, clock.now()).await.map(|keys| (keys, clock)) };
    let (keyring, clock) = with_store(config, opened)?.map_err(|fault| fault.to_string())?;
    Ok(keys::execute(&keyring, folder, asked, &operator(own), clock.now()))
}

/// Does `work` with the store of the configuration.
fn with_store<T, F: Future<Output = T>>(config: &Config, work: impl FnOnce(Database) -> F) -> Result<T, String> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build().map_err(|fault| fault.to_string())?;
    let background = Background::new(runtime.handle().clone());
    let store = Database::at(config.store.address.clone(), background, Database::DEADLINE);
    Ok(runtime.block_on(work(store)))
}
