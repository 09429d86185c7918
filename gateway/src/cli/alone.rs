//! A command that does its work itself, since no gateway holds the data folder.

use std::{fs, os::unix::fs::MetadataExt as _};

use auth_core::{
    Background, Clock,
    data_folder::DataFolder,
    database::Database,
    keyring::Keyring,
    revocations::{RevocationPolicy, Revocations},
};
use tokio::runtime;

use crate::{
    config::Config,
    server::control::{CommandAnswer, operator},
};

/// What it works with, all of the one folder.
pub(super) struct OwnHands {
    pub(super) background: Background,
    pub(super) clock: Clock,
    pub(super) store: Database,
    pub(super) keyring: Keyring,
    pub(super) revocations: Revocations,
    /// Who orders it: whoever runs us.
    pub(super) operator: String,
}

/// Does `work` with `folder` in our own hands. A store that is not of this keyring is touched by nobody.
pub(super) fn alone(
    folder: &DataFolder,
    config: &Config,
    work: impl AsyncFnOnce(OwnHands) -> CommandAnswer,
) -> Result<CommandAnswer, String> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build().map_err(|fault| fault.to_string())?;
    let background = Background::new(runtime.handle().clone());
    // Who owns what we do is us.
    let own = fs::metadata("/proc/self").map_err(|fault| fault.to_string())?.uid();
    runtime.block_on(async {
        let clock = Clock::system();
        clock.keep_in(folder.path());
        let store = Database::at(config.store.address.clone(), background.clone(), Database::DEADLINE);
        let keyring = Keyring::open(folder, &store, clock.now()).await.map_err(|fault| fault.to_string())?;
        let (policy, later) = (RevocationPolicy::default(), background.clone());
        let revocations = Revocations::open(folder, store.clone(), later, clock.clone(), policy).await;
        Ok(work(OwnHands { background, clock, store, keyring, revocations, operator: operator(own) }).await)
    })
}
