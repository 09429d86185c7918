//! What passes between the set and the store: what is new there, what it has not taken yet, and what it lost.

use std::{io, sync::Arc, time::Duration};

use tokio::sync::Mutex;

use super::{
    RevocationPolicy,
    entry::{RevocationEntry, RevocationSet},
    file,
    registry_mark::RegistryMark,
    sql,
};
use crate::{
    clock::{Clock, Now, Steady, Timestamp},
    data_folder::FolderPath,
    database::Database,
    dependency::Dependency,
    last_known_good::{Change, FailedAttempt, Fetch, LastKnownGood, Schedule},
    verdict::{OrUnavailable, Unavailable},
};

/// The store, as what says who is revoked.
pub(super) struct RevocationSource {
    pub(super) store: Database,
    pub(super) policy: RevocationPolicy,
    pub(super) folder: FolderPath,
    pub(super) clock: Clock,
    /// Held during an exchange.
    pub(super) exchanged: Mutex<Exchanged>,
}

/// What earlier exchanges of this process did.
#[derive(Default)]
pub(super) struct Exchanged {
    /// When the last good one began, if the clock was beyond doubt.
    at: Option<Timestamp>,
    /// When everything was compared last.
    compared: Option<Steady>,
    purged: Option<Steady>,
    /// When the device registry was looked at last.
    marked: Option<Steady>,
    /// Whether the store answers, and does not take what it does not know.
    refusing: bool,
    /// Whether this process has read all that the store says: then the set has it, should the store be lost.
    whole: bool,
    /// How many losses of the store's files have been mended.
    losses: u64,
}

/// Answers are asked for again from this long before the last one.
const OVERLAP: Duration = Duration::from_secs(120);

/// Everything is compared this often, and what the store lost is given back to it.
const COMPARED_EVERY: Duration = Duration::from_secs(10 * 60);

/// So many entries are told to the store in one transaction.
const TOLD_AT_ONCE: usize = 256;

/// What is over goes this long after its hard expiry, this often.
const KEPT_AFTER: Duration = Duration::from_secs(24 * 3600);
const PURGE_EVERY: Duration = Duration::from_secs(10 * 60);

/// How often the device registry is looked at.
const MARKED_EVERY: Duration = Duration::from_secs(60);

impl Fetch for RevocationSource {
    type Value = Arc<RevocationSet>;

    async fn fetch(cell: &LastKnownGood<Self>, now: Now) -> Result<Option<Change<Self::Value>>, FailedAttempt> {
        let mut exchanged = cell.source().exchanged.lock().await;
        match exchange(cell, &mut exchanged, now).await {
            #[cfg(candor_mutants)]
            Err(_) if crate::mutants::is("failed-poll-is-fresh") => Ok(None),
            outcome => Ok(outcome?),
        }
    }

    fn write(&self, known: &Arc<RevocationSet>, schedule: Schedule) -> io::Result<Vec<u8>> {
        file::write(known, schedule.confirmed_at())
    }

    fn read(&self, copy: &[u8]) -> io::Result<(Arc<RevocationSet>, Schedule)> {
        let (set, confirmed) = file::read(copy)?;
        let (now, cadence) = (self.clock.now().steady(), self.policy.cadence());
        let schedule = confirmed.map_or(Schedule::NEVER, |at| Schedule::confirmed(at, cadence));
        // A confirmation from the future says that what we know of time was lost, and nothing about age.
        let schedule = if schedule.is_from_the_future(now, cadence) {
            Schedule::confirmed(now - self.policy.poll, cadence).failed(now, cadence)
        } else {
            schedule
        };
        Ok((Arc::new(set), schedule))
    }
}

/// Reads what we do not know, and tells the store what it does not know. A full store says who is revoked though it
/// takes nothing: what it says counts. `None`: neither knew anything new.
async fn exchange(
    cell: &LastKnownGood<RevocationSource>,
    exchanged: &mut Exchanged,
    now: Now,
) -> Result<Option<Change<Arc<RevocationSet>>>, Unavailable> {
    let store = &cell.source().store;
    mend(cell, exchanged).await?;
    // The first answer of a process is whole; and so is every one while the clock is in doubt, and the next after it:
    // others write by their clocks, and a time of ours that is ahead of theirs would pass over what they wrote.
    let compares = exchanged.compared.is_none_or(|at| now.steady().since(at) >= COMPARED_EVERY);
    let since = exchanged.at.filter(|_| !now.is_in_doubt() && !compares).map(|at| at.min(now.earlier()) - OVERLAP);
    let mut learned = sql::read(store, since).await?;
    let known = Arc::clone(&cell.load().value);
    let mut untold: Vec<_> = known.pending().cloned().collect();
    if since.is_none() {
        (exchanged.whole, exchanged.compared) = (true, Some(now.steady()));
        untold.extend(lost(&known, &learned, now));
    }
    learned.retain(|entry| !known.holds(entry));
    // In force before anything is written: a store that reads well may take long to write, or what it has lost be much.
    if !learned.is_empty() {
        cell.change(|set| set.with(|set| learned.iter().for_each(|entry| set.add(entry))));
    }
    let stored = tell(store, &untold, exchanged, now).await;
    exchanged.at = (!now.is_in_doubt()).then(|| now.earlier());
    if exchanged.purged.is_none_or(|at| now.steady().since(at) >= PURGE_EVERY) {
        exchanged.purged = Some(now.steady());
        purge(cell, now).await;
    }
    let mark = mark(store, known.registry.clone(), exchanged, now).await;
    if learned.is_empty() && stored.is_empty() && mark.is_none() {
        return Ok(None);
    }
    Ok(Some(Box::new(move |set| {
        set.with(|set| {
            learned.iter().for_each(|entry| set.add(entry));
            stored.iter().for_each(|entry| set.mark_stored(entry));
            if let Some(mark) = &mark {
                set.registry = Some(mark.clone());
            }
        })
    })))
}

/// How the device registry stands, if that is news. What it lacks of what was known is none: that stays known until somebody
/// has looked.
async fn mark(
    store: &Database,
    known: Option<RegistryMark>,
    exchanged: &mut Exchanged,
    now: Now,
) -> Option<RegistryMark> {
    if exchanged.marked.is_some_and(|at| now.steady().since(at) < MARKED_EVERY) {
        return None;
    }
    match sql::registry_unless_restored(store, known.clone()).await {
        Ok(found) => {
            exchanged.marked = Some(now.steady());
            found.filter(|found| known.as_ref() != Some(found))
        }
        Err(unavailable) => {
            tracing::debug!("the device registry is looked at later: {unavailable}");
            None
        }
    }
}

/// Restores the store, where its files were removed.
pub(super) async fn restore_store(cell: &LastKnownGood<RevocationSource>) -> Result<(), Unavailable> {
    mend(cell, &mut *cell.source().exchanged.lock().await).await
}

/// Mends that the store's files were removed or replaced under our hands. All that it knew of who is revoked is in the
/// set, so the store is told again; where there is no file any more, the store is made again first. The rows of sessions
/// are not in the set, and no ticket needs them.
async fn mend(cell: &LastKnownGood<RevocationSource>, exchanged: &mut Exchanged) -> Result<(), Unavailable> {
    let source = cell.source();
    let look = source.store.look().await?;
    #[cfg(candor_mutants)]
    if crate::mutants::is("store-files-unwatched") {
        return Ok(());
    }
    if look.losses != exchanged.losses || look.absent {
        // On disk first: should we end before the store has been told, the next start tells it.
        let marked = cell.change_on_disk_first(|set| set.with(RevocationSet::mark_all_pending)).await;
        marked.or_unavailable(Dependency::Store)?;
        (exchanged.at, exchanged.losses) = (None, look.losses);
    }
    if !look.absent {
        return Ok(());
    }
    if !exchanged.whole {
        let why = "its file is gone, and what it said of who is revoked was never read";
        return Err(Unavailable::because(Dependency::Store, why));
    }
    // A successor makes it, where there is one.
    drop(source.folder.writing().or_unavailable(Dependency::Store)?);
    source.store.make_again().await?;
    let ends = cell.load().value.all().count();
    tracing::warn!("the store was made again from what is held: {ends} revocations; no rows of earlier sessions");
    Ok(())
}

/// What the store has taken once, and does not have any more though it says all that it has: somebody has put it back from
/// a backup, or has deleted rows. What is over soon is left alone, since the store may have purged it already.
fn lost(known: &RevocationSet, said: &[Arc<RevocationEntry>], now: Now) -> Vec<Arc<RevocationEntry>> {
    #[cfg(candor_mutants)]
    if crate::mutants::is("lost-revocations-stay-lost") {
        return Vec::new();
    }
    let mut stored = RevocationSet::default();
    said.iter().for_each(|entry| stored.add(entry));
    let is_lost =
        |entry: &&Arc<RevocationEntry>| entry.until > now.later() && !stored.holds(entry) && !known.is_pending(entry);
    let lost: Vec<_> = known.all().filter(is_lost).cloned().collect();
    if !lost.is_empty() {
        tracing::warn!("the store has lost {} revocations, and is told them again", lost.len());
    }
    lost
}

/// Tells the store what it has not taken yet, or has lost. Gives what it took.
async fn tell(
    store: &Database,
    untold: &[Arc<RevocationEntry>],
    exchanged: &mut Exchanged,
    now: Now,
) -> Vec<Arc<RevocationEntry>> {
    let mut stored = Vec::new();
    let mut refusing = false;
    for some in untold.chunks(TOLD_AT_ONCE) {
        if let Err(unavailable) = sql::write_all(store, some, now).await {
            if !exchanged.refusing {
                tracing::warn!("the store is not told yet who has signed out: {unavailable}");
            }
            refusing = true;
            break;
        }
        stored.extend_from_slice(some);
    }
    exchanged.refusing = refusing;
    stored
}

/// Forgets what has been over for a day: its credential is refused for its own expiry. What fails now is done next time.
async fn purge(cell: &LastKnownGood<RevocationSource>, now: Now) {
    let over = now.earlier() - KEPT_AFTER;
    if let Err(unavailable) = sql::purge(&cell.source().store, over).await {
        tracing::debug!("what is over stays in the store for now: {unavailable}");
    }
    cell.change(|set| set.with(|set| set.purge(over)));
}
