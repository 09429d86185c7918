//! Who is revoked: a set with an age, in memory and whole on disk, fed by the store.
//!
//! A session that ended and a user who was signed out everywhere each have an entry: what ended has a positive row
//! that says so, and absence proves nothing. An entry is kept until the hard expiry of what it ends. The set is asked
//! on every request, in memory; the store is asked every three seconds, for what was written since the last answer
//! less two minutes (clocks differ, and a write takes a while to be seen). How long an answer has been overdue is
//! staleness like any other, and goes on across a restart. With neither file nor store there is no set, and nobody
//! is admitted.
//!
//! Deliberately absent so far: the full compare every ten minutes, and giving back to a store what it lost. An entry
//! of our own that the store could not take yet is kept on disk and given to it later.

mod entry;
mod file;
mod judge;
mod sql;
#[cfg(test)]
mod tests;

use std::{
    io,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use tokio::time::MissedTickBehavior;

use self::entry::{RevocationEntry, RevocationSet, RevokedThing};
use crate::{
    alarm::{self, Alarm},
    background::Background,
    clock::{Clock, Now, Steady, Timestamp},
    data_folder::{DataFolder, FolderPath},
    database::Database,
    dependency::Dependency,
    principal::{SessionId, Subject},
    verdict::{OrUnavailable, Unavailable},
};

/// The revocation set, with its age. Cheap to clone.
#[derive(Clone)]
pub struct Revocations(Arc<Inner>);

struct Inner {
    path: PathBuf,
    place: FolderPath,
    store: Database,
    keeper: Background,
    clock: Clock,
    policy: RevocationPolicy,
    set: ArcSwap<RevocationSet>,
    standing: Standing,
    /// Held while the set and its file are changed; what the file says of the last confirmation.
    writing: tokio::sync::Mutex<Option<Steady>>,
    polling: tokio::sync::Mutex<Polled>,
}

/// When the store last confirmed the set, in milliseconds ([`Standing::NEVER`]: not once), and whether an attempt has
/// failed since.
struct Standing {
    confirmed: AtomicI64,
    failed: AtomicBool,
}

/// What earlier polls of this process did.
#[derive(Default)]
struct Polled {
    /// When the last good one began, if the clock was beyond doubt.
    confirmed: Option<Timestamp>,
    purged: Option<Steady>,
    /// Whether the store answers, and does not take what it does not know.
    refusing: bool,
    /// Whether this process has read all that the store says: then the set has it, should the store be lost.
    whole: bool,
    /// How many losses of the store's files have been made good.
    losses: u64,
}

/// How the set is kept.
#[derive(Clone, Debug)]
pub struct RevocationPolicy {
    /// How often the store is asked: every 3 s.
    pub poll: Duration,
    /// How long an answer may take before it counts as missing: 5 s.
    pub patience: Duration,
}

/// How far a logout has reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Elsewhere {
    /// The store knows, and so will every gateway within seconds.
    Done,
    /// This gateway knows, and has it on disk; the store will be told as soon as it is back.
    WhenTheStoreIsBack,
}

/// Answers are asked for again from this long before the last one.
const OVERLAP: Duration = Duration::from_secs(120);

/// So many entries are told to the store in one transaction.
const TELL_AT_ONCE: usize = 256;

/// The file says at least this often when the set was confirmed.
const NOTE_EVERY: Duration = Duration::from_secs(60);

/// What is over goes this long after its hard expiry, this often.
const KEPT_AFTER: Duration = Duration::from_secs(24 * 3600);
const PURGE_EVERY: Duration = Duration::from_secs(10 * 60);

impl Standing {
    const NEVER: i64 = i64::MIN;
}

impl Default for RevocationPolicy {
    fn default() -> Self {
        Self { poll: Duration::from_secs(3), patience: Duration::from_secs(5) }
    }
}

impl Revocations {
    /// Reads the set from the folder `data`, and asks the store once, so that a first start serves at once. Never
    /// fails: what neither could say is Unavailable when it is asked for.
    pub async fn open(
        data: &DataFolder,
        store: Database,
        keeper: Background,
        clock: Clock,
        policy: RevocationPolicy,
    ) -> Self {
        let path = data.path().join("revocations");
        let (set, confirmed) = match file::read(&path) {
            Ok(Some((set, confirmed))) => (set, confirmed),
            Ok(None) => (RevocationSet::default(), None),
            Err(error) => {
                alarm::ring(Alarm::RevocationsUnreadable, &format!("{} is left aside: {error}", path.display()));
                (RevocationSet::default(), None)
            }
        };
        let now = clock.now().steady();
        // A confirmation from the future says that what we know of time was lost, and nothing about age.
        let believed = confirmed.filter(|at| *at <= now + policy.patience).or(confirmed.map(|_| now - policy.poll));
        let standing = Standing {
            confirmed: AtomicI64::new(believed.map_or(Standing::NEVER, Steady::as_millis)),
            failed: AtomicBool::new(believed != confirmed),
        };
        let this = Self(Arc::new(Inner {
            path,
            place: data.place().clone(),
            store,
            keeper,
            clock,
            policy,
            set: ArcSwap::from_pointee(set),
            standing,
            writing: tokio::sync::Mutex::new(confirmed),
            polling: tokio::sync::Mutex::default(),
        }));
        // A failure is logged, and counts from now on.
        let _ = this.poll().await;
        this
    }

    /// Asks the store again and again, on the keeper, until the last clone of this is dropped.
    pub fn start(&self) {
        let (this, every) = (Arc::downgrade(&self.0), self.0.policy.poll);
        self.0.keeper.spawn(async move {
            // Counted from the beginning of a poll: one that hangs in a broken store does not put off the next.
            let mut beat = tokio::time::interval(every);
            beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
            // The first beat is now, and the set has just been asked for.
            beat.tick().await;
            loop {
                beat.tick().await;
                let Some(this) = this.upgrade().map(Self) else { return };
                // Its outcome counts and is logged where it is known; a panic ends this poll, not the loop.
                let _ = this.poll().await;
            }
        });
    }

    /// Makes good that files of ours were removed, as a poll would, and asks nothing. For the end of a process: the next
    /// start finds a store that belongs to its keyring.
    ///
    /// # Errors
    /// Unavailable, if that cannot be done.
    pub async fn settle(&self) -> Result<(), Unavailable> {
        let this = self.clone();
        self.0.keeper.run(async move { this.make_good(&mut *this.0.polling.lock().await).await }).await?
    }

    /// Asks the store once: tells it what it does not know yet, and reads what is new.
    ///
    /// # Errors
    /// Unavailable, if the store is.
    pub async fn poll(&self) -> Result<(), Unavailable> {
        let this = self.clone();
        self.0.keeper.run(async move { this.poll_here().await }).await?
    }

    /// Signs a user out everywhere: whatever of theirs began up to now is revoked, tickets and bearers alike. `who`
    /// ordered it and `why`, for the record. Kept for ever, since only an issuer knows how long its bearers live.
    ///
    /// # Errors
    /// Unavailable, if the store could not be told. Then nothing has been promised, though it may have been done.
    pub async fn revoke_user(&self, subject: Subject, who: &str, why: &str, now: Now) -> Result<(), Unavailable> {
        let ends = RevokedThing::User { subject, not_before: now.later() };
        let entry = Arc::new(RevocationEntry::new(ends, Timestamp::from_millis(i64::MAX), who, why, now));
        let this = self.clone();
        let work = async move {
            sql::write(&this.0.store, &entry, this.0.clock.now()).await?;
            if let Err(error) = this.change(true, |set| set.add(&entry)).await {
                tracing::warn!("a revocation is in the store and in memory, not in {}: {error}", this.0.path.display());
            }
            Ok(())
        };
        self.0.keeper.run(work).await?
    }

    /// Ends one session: in the set on disk first, then in memory, then in the store.
    ///
    /// # Errors
    /// Unavailable, if neither the disk nor the store took it. Nothing has ended then.
    pub(crate) async fn end_session(
        &self,
        session: SessionId,
        until: Timestamp,
        who: &str,
        why: &str,
        now: Now,
    ) -> Result<Elsewhere, Unavailable> {
        let entry = Arc::new(RevocationEntry::new(RevokedThing::Session(session), until, who, why, now));
        let this = self.clone();
        self.0.keeper.run(async move { this.end_here(entry).await }).await?
    }

    async fn end_here(&self, entry: Arc<RevocationEntry>) -> Result<Elsewhere, Unavailable> {
        #[cfg(candor_mutants)]
        if crate::mutants::is("logout-keeps-ticket")
            && sql::write(&self.0.store, &entry, self.0.clock.now()).await.is_err()
        {
            return Ok(Elsewhere::Done);
        }
        let kept = self.change(false, |set| set.add_pending(&entry)).await;
        match sql::write(&self.0.store, &entry, self.0.clock.now()).await {
            Ok(()) => {
                // The file may go on calling it pending: to tell the store twice is harmless.
                let settled = |set: &mut RevocationSet| {
                    set.add(&entry);
                    set.settle(&entry);
                };
                self.change_in_memory(settled).await;
                Ok(Elsewhere::Done)
            }
            Err(store) => {
                kept.map_err(|disk| {
                    tracing::warn!("neither the disk nor the store took the end of a session: {disk}; {store}");
                    store
                })?;
                Ok(Elsewhere::WhenTheStoreIsBack)
            }
        }
    }

    async fn poll_here(&self) -> Result<(), Unavailable> {
        let mut polled = self.0.polling.lock().await;
        let began = self.0.clock.now();
        match self.exchange(&mut polled, began).await {
            Ok(()) => {
                self.0.standing.confirmed.store(began.steady().as_millis(), Ordering::SeqCst);
                if self.0.standing.failed.swap(false, Ordering::SeqCst) {
                    tracing::info!("the store confirms the revocation set again");
                }
                self.note_confirmed(NOTE_EVERY).await;
                Ok(())
            }
            Err(unavailable) => {
                #[cfg(candor_mutants)]
                if crate::mutants::is("failed-poll-is-fresh") {
                    self.0.standing.confirmed.store(began.steady().as_millis(), Ordering::SeqCst);
                    return Ok(());
                }
                if !self.0.standing.failed.swap(true, Ordering::SeqCst) {
                    tracing::warn!("the store does not confirm the revocation set: {unavailable}");
                    self.note_confirmed(Duration::ZERO).await;
                }
                Err(unavailable)
            }
        }
    }

    /// Reads what we do not know, and tells the store what it does not know. A full store says who is revoked though it
    /// takes nothing: what it says counts.
    async fn exchange(&self, polled: &mut Polled, began: Now) -> Result<(), Unavailable> {
        self.make_good(polled).await?;
        // The first answer of a process is whole; and so is every one while the clock is in doubt, and the next after it:
        // others write by their clocks, and a time of ours that is ahead of theirs would pass over what they wrote.
        let since = polled.confirmed.filter(|_| !began.is_in_doubt()).map(|at| at.min(began.earlier()) - OVERLAP);
        let mut news = sql::read(&self.0.store, since).await?;
        polled.whole |= since.is_none();
        let known = self.0.set.load_full();
        news.retain(|entry| !known.holds(entry));
        let told = self.tell(&known, polled, began).await;
        if !news.is_empty() || !told.is_empty() {
            let learned = |set: &mut RevocationSet| {
                news.iter().for_each(|entry| set.add(entry));
                told.iter().for_each(|entry| set.settle(entry));
            };
            if let Err(error) = self.change(true, learned).await {
                tracing::warn!("the revocation set is not in {}: {error}", self.0.path.display());
            }
        }
        polled.confirmed = (!began.is_in_doubt()).then(|| began.earlier());
        if polled.purged.is_none_or(|at| began.steady().since(at) >= PURGE_EVERY) {
            polled.purged = Some(began.steady());
            self.purge(began).await;
        }
        Ok(())
    }

    /// Makes good that the store's files were removed or replaced under our hands. All that it knew of who is revoked is
    /// in the set, so the store is told again; where there is no file any more, the store is made again first. The rows
    /// of sessions are not in the set, and no ticket needs them.
    async fn make_good(&self, polled: &mut Polled) -> Result<(), Unavailable> {
        let look = self.0.store.look().await?;
        #[cfg(candor_mutants)]
        if crate::mutants::is("store-files-unwatched") {
            return Ok(());
        }
        if look.losses != polled.losses || look.absent {
            // On disk first: should we end before the store has been told, the next start tells it.
            self.change(false, RevocationSet::tell_all_again).await.or_unavailable(Dependency::Store)?;
            (polled.confirmed, polled.losses) = (None, look.losses);
        }
        if !look.absent {
            return Ok(());
        }
        if !polled.whole {
            let why = "its file is gone, and what it said of who is revoked was never read";
            return Err(Unavailable::because(Dependency::Store, why));
        }
        self.0.place.must_be_ours().or_unavailable(Dependency::Store)?;
        self.0.store.make_again().await?;
        let ends = self.0.set.load().all().count();
        tracing::warn!("the store was made again from what is held: {ends} revocations; no rows of earlier sessions");
        Ok(())
    }

    /// Tells the store what it does not know. Gives what it took.
    async fn tell(&self, known: &RevocationSet, polled: &mut Polled, began: Now) -> Vec<Arc<RevocationEntry>> {
        let mut told = Vec::new();
        let mut refusing = false;
        let pending: Vec<_> = known.pending().cloned().collect();
        for some in pending.chunks(TELL_AT_ONCE) {
            if let Err(unavailable) = sql::write_all(&self.0.store, some, began).await {
                if !polled.refusing {
                    tracing::warn!("the store is not told yet who has signed out: {unavailable}");
                }
                refusing = true;
                break;
            }
            told.extend_from_slice(some);
        }
        polled.refusing = refusing;
        told
    }

    /// Forgets what has been over for a day: its credential is refused for its own expiry. A failure is made good by
    /// the next time.
    async fn purge(&self, now: Now) {
        let over = now.earlier() - KEPT_AFTER;
        if let Err(unavailable) = sql::purge(&self.0.store, over).await {
            tracing::debug!("what is over stays in the store for now: {unavailable}");
        }
        self.change_in_memory(|set| set.purge(over)).await;
    }

    /// Changes the set: on disk first, then in memory. If the disk does not take it, memory changes only if `anyway`.
    async fn change(&self, anyway: bool, change: impl FnOnce(&mut RevocationSet)) -> io::Result<()> {
        let mut noted = self.0.writing.lock().await;
        let mut set = RevocationSet::clone(&self.0.set.load());
        change(&mut set);
        let set = Arc::new(set);
        let confirmed = self.confirmed();
        let (path, place, content) = (self.0.path.clone(), self.0.place.clone(), file::write(&set, confirmed)?);
        let writing = move || place.must_be_ours().and_then(|()| crate::disk::write_whole(&path, &content));
        let written = tokio::task::spawn_blocking(writing).await;
        let written = written.unwrap_or_else(|gone| Err(io::Error::other(gone)));
        if written.is_ok() {
            *noted = confirmed;
        }
        if written.is_ok() || anyway {
            self.0.set.store(set);
        }
        written
    }

    async fn change_in_memory(&self, change: impl FnOnce(&mut RevocationSet)) {
        let _writing = self.0.writing.lock().await;
        let mut set = RevocationSet::clone(&self.0.set.load());
        change(&mut set);
        self.0.set.store(Arc::new(set));
    }

    /// Writes the file though nothing changed, if what it says of the last confirmation is older than `tolerated`: so
    /// that a restart knows how old the set is. And if somebody removed it.
    async fn note_confirmed(&self, tolerated: Duration) {
        let (noted, confirmed) = (*self.0.writing.lock().await, self.confirmed());
        let path = self.0.path.clone();
        let found = tokio::task::spawn_blocking(move || crate::disk::id(&path)).await;
        let gone = noted.is_some() && matches!(found, Ok(Ok(None)));
        if gone {
            let told = format!("{} was removed; it is written again", self.0.path.display());
            alarm::ring(Alarm::RevocationsFileGone, &told);
        }
        let differs = match (noted, confirmed) {
            (Some(noted), Some(confirmed)) => noted > confirmed || confirmed.since(noted) > tolerated,
            (None, Some(_)) => true,
            (_, None) => false,
        };
        if (differs || gone)
            && let Err(error) = self.change(true, |_| {}).await
        {
            tracing::warn!("the age of the revocation set is not in {}: {error}", self.0.path.display());
        }
    }

    fn confirmed(&self) -> Option<Steady> {
        let millis = self.0.standing.confirmed.load(Ordering::SeqCst);
        (millis != Standing::NEVER).then(|| Steady::from_millis(millis))
    }
}
