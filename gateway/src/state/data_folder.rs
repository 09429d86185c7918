//! Looking after what lies in the data folder while we run: what somebody removes by mistake is written again from what
//! is held, and what cannot be is said. Nothing is ever written to where nobody will find it.

use std::{
    sync::{
        Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use auth_core::{
    Now,
    alarm::{self, Alarm},
    data_folder::{DataFolder, FolderFault},
    dependency::Dependency,
    keyring::{Keyring, KeyringFault},
    verdict::{OrUnavailable, Unavailable},
};
use tokio::time::{MissedTickBehavior, interval};

use super::Gateway;

/// Why the folder is not as it should be.
#[derive(Debug, thiserror::Error)]
enum RepairFault {
    #[error(transparent)]
    Folder(#[from] FolderFault),
    #[error(transparent)]
    Keyring(#[from] KeyringFault),
}

impl Gateway {
    /// Looks whether what lies in the data folder is still what we hold, and makes whole what is not.
    ///
    /// # Errors
    /// Unavailable, while something is missing.
    pub async fn repair(&self) -> Result<(), Unavailable> {
        // What became of the folder decides where the store is; that it is not as it should be stops no poll.
        let folder = self.repair_folder().await;
        self.revocations.poll().await.and(folder)
    }

    /// The same at the end, without asking the store: what was removed a moment ago must not keep the next start back.
    pub async fn repair_before_exit(&self) {
        let folder = self.repair_folder().await;
        if let Err(fault) = self.revocations.restore_store().await.and(folder) {
            tracing::warn!("the data folder is not as it should be: {fault}");
        }
    }

    /// The same of the folder itself and the keyring in it. The store and the revocation set look after themselves.
    async fn repair_folder(&self) -> Result<(), Unavailable> {
        let (data, keyring, replaced) = (self.data.clone(), self.keyring.clone(), self.folder_replaced.clone());
        let now = self.now();
        let repaired = tokio::task::spawn_blocking(move || repair(&data, &keyring, &replaced, now)).await;
        repaired.or_unavailable(Dependency::Background)?.or_unavailable(Dependency::Keyring)
    }
}

/// Repairs the folder again and again, until the gateway is gone.
pub(super) async fn keep_repaired(gateway: Weak<Gateway>, every: Duration) {
    let mut beat = interval(every);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        beat.tick().await;
        let Some(gateway) = gateway.upgrade() else { return };
        // What is wrong rings by itself, once.
        if let Err(fault) = gateway.repair_folder().await {
            tracing::debug!("the data folder: {fault}");
        }
    }
}

/// Takes the folder again where it was replaced, unless the new one is another's; writes the keyring again where it was
/// removed, and with the keys whose time has come. Blocks.
fn repair(data: &DataFolder, keyring: &Keyring, replaced: &AtomicBool, now: Now) -> Result<(), RepairFault> {
    if data.is_handed_over() {
        // Another process looks after it.
        return Ok(());
    }
    if !data.place().is_ours() {
        let again = keyring.may_lie_in(data.path()).map_err(RepairFault::from).and_then(|()| Ok(data.take_again()?));
        if !replaced.swap(true, Ordering::SeqCst) {
            let path = data.path().display();
            let then = match &again {
                Ok(()) => "what is there now is ours, and what is missing in it is written again".to_owned(),
                Err(fault) => format!("nothing is written there: {fault}"),
            };
            alarm::ring(Alarm::DataFolderGone, &format!("the data folder {path} was removed or replaced; {then}"));
        }
        again?;
        replaced.store(false, Ordering::SeqCst);
    }
    keyring.tend(data.place())?;
    keyring.advance(data.place(), now)?;
    Ok(())
}
