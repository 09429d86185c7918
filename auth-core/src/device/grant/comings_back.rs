//! The record of devices that come back by themselves. A fleet that comes back at once would write to the disk once for
//! each, and hold every connection to the store meanwhile: so whatever comes while a transaction is under way is written
//! together in the next. Whoever asked is answered when its own record is on disk, and not before.
//!
//! Deliberately absent: a second try for each alone when a transaction fails. Nothing in a row depends on the device in a way
//! that the store could object to, so what fails for one fails for all, and is Unavailable.

use std::sync::{Arc, Mutex};

use tokio::sync::oneshot;

use super::sql;
use crate::{
    background::Background, clock::Now, database::Database, dependency::Dependency, device::registry::Binding,
    lock::lock, principal::Thumbprint, verdict::Unavailable,
};

/// Records on their way to the store. Cheap to clone.
#[derive(Clone, Default)]
pub(in crate::device) struct ComingsBack(Arc<Queue>);

/// A device that came back: its place, and the key by which it did.
pub(super) struct ComingBack {
    pub(super) binding: Binding,
    pub(super) key: Thumbprint,
    pub(super) now: Now,
}

/// What became of a record.
type Recorded = Result<(), Unavailable>;

#[derive(Default)]
struct Queue {
    waiting: Mutex<Vec<(ComingBack, oneshot::Sender<Recorded>)>>,
    /// Held by whoever writes for all.
    writing: tokio::sync::Mutex<()>,
}

/// So many are written in one transaction: others write too.
const WRITTEN_TOGETHER: usize = 200;

/// So many wait at most: whoever comes after them is asked to come later, instead of waiting longer than a device does.
const MOST_WAITING: usize = 1000;

impl ComingsBack {
    /// Writes down that a device came back, unless that was done within the hour.
    ///
    /// # Errors
    /// Unavailable, if the store is, or too many wait for it.
    pub(super) async fn record(&self, came: ComingBack, store: &Database, background: &Background) -> Recorded {
        let (told, mut hears) = oneshot::channel();
        {
            let mut waiting = lock(&self.0.waiting);
            if waiting.len() >= MOST_WAITING {
                return Err(Unavailable::because(
                    Dependency::Store,
                    "too many devices that came back are to be written down",
                ));
            }
            waiting.push((came, told));
        }
        let (this, store) = (self.clone(), store.clone());
        let work = async move {
            loop {
                tokio::select! {
                    biased;
                    recorded = &mut hears => {
                        return recorded.unwrap_or_else(|gone| Err(Unavailable::because(Dependency::Background, gone)));
                    }
                    _turn = this.0.writing.lock() => this.write_some(&store).await,
                }
            }
        };
        background.run(work).await?
    }

    /// Writes those that have waited longest, and tells each of them.
    async fn write_some(&self, store: &Database) {
        let (came, told): (Vec<_>, Vec<_>) = {
            let mut waiting = lock(&self.0.waiting);
            let some = waiting.len().min(WRITTEN_TOGETHER);
            waiting.drain(..some).unzip()
        };
        if came.is_empty() {
            return;
        }
        let recorded = sql::record_comings_back(store, came).await;
        // A store that did not take these is not asked again for each of those behind them.
        let behind = if recorded.is_err() { std::mem::take(&mut *lock(&self.0.waiting)) } else { Vec::new() };
        for told in told.into_iter().chain(behind.into_iter().map(|(_, told)| told)) {
            // Whoever went away is told nothing.
            let _ = told.send(recorded.clone());
        }
    }
}
