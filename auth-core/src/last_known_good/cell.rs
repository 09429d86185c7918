//! The cell: what is known, who is asked for it, and its copy on disk.

use std::{
    future::Future,
    io,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use arc_swap::{ArcSwap, Guard};
use tokio::sync::{Mutex, Notify};

use super::{
    DiskCopy,
    attempts::{Attempt, FailedAttempt},
    back_off::BackOff,
    schedule::{Cadence, Schedule},
    single_flight::SingleFlight,
};
use crate::{
    background::Background,
    clock::{Clock, Now, Steady},
    dependency::Dependency,
    principal::Freshness,
};

/// Where something comes from that is worth keeping.
pub(crate) trait Fetch: Sized + Send + Sync + 'static {
    /// What is known; by default, nothing. Cheap to clone.
    type Value: Clone + Default + Send + Sync + 'static;

    /// Asks once. Gives what a good answer changes; nothing, if it says nothing new. Nonsense is a failure.
    fn fetch(
        cell: &LastKnownGood<Self>,
        now: Now,
    ) -> impl Future<Output = Result<Option<Change<Self::Value>>, FailedAttempt>> + Send;

    /// The copy on disk.
    fn write(&self, known: &Self::Value, schedule: Schedule) -> io::Result<Vec<u8>>;

    /// What [`Fetch::write`] wrote.
    fn read(&self, copy: &[u8]) -> io::Result<(Self::Value, Schedule)>;
}

/// What is known now, from what was known. It may be called more than once.
pub(crate) type Change<V> = Box<dyn Fn(&V) -> V + Send + Sync>;

/// Something known from a [`Fetch`], and what keeps it fresh. Cheap to clone: clones share all of it, so a later
/// configuration goes on with what an earlier one knew. What keeps it fresh ends when the last clone is dropped.
pub(crate) struct LastKnownGood<S: Fetch>(pub(super) Arc<Inner<S>>);

pub(super) struct Inner<S: Fetch> {
    /// What it is, for the log.
    what: String,
    source: S,
    pub(super) cadence: Cadence,
    pub(super) background: Background,
    pub(super) clock: Clock,
    pub(super) flight: SingleFlight<Attempt>,
    pub(super) started: AtomicBool,
    /// Wakes the loop: the next attempt may be due at another time, or nobody needs it any more.
    pub(super) changed: Arc<Notify>,
    /// Replaced as a whole, and read without a lock.
    snapshot: ArcSwap<Snapshot<S::Value>>,
    copy: DiskCopy,
    /// Held while the copy is written; the confirmation that it tells of.
    pub(super) written: Mutex<Option<Steady>>,
}

/// All that there is to know at one moment.
#[derive(Clone)]
pub(crate) struct Snapshot<V> {
    /// What is known.
    pub(crate) value: V,
    /// When it was confirmed, and when that is due again.
    pub(crate) schedule: Schedule,
    /// When the last attempt of this process began that went well: what lies on disk is no contact.
    pub(crate) contact: Option<Steady>,
    pub(super) back_off: BackOff,
}

/// A copy that is not written with every confirmation says at least this often when the last one was.
const WRITTEN_EVERY: Duration = Duration::from_secs(60);

impl<S: Fetch> LastKnownGood<S> {
    /// Reads what `copy` says, and asks nobody. `what` is its name in the log.
    pub(crate) fn new(
        what: String,
        source: S,
        cadence: Cadence,
        copy: DiskCopy,
        background: Background,
        clock: Clock,
    ) -> Self {
        let (value, schedule) = copy.read(|bytes| source.read(bytes)).unwrap_or((S::Value::default(), Schedule::NEVER));
        let written = Mutex::new(schedule.confirmed_at());
        let snapshot = ArcSwap::from_pointee(Snapshot { value, schedule, contact: None, back_off: BackOff::default() });
        let (flight, started, changed) =
            (SingleFlight::new(background.clone()), AtomicBool::new(false), Arc::default());
        Self(Arc::new(Inner {
            what,
            source,
            cadence,
            background,
            clock,
            flight,
            started,
            changed,
            snapshot,
            copy,
            written,
        }))
    }

    /// What is known now. Takes no lock and waits for nothing.
    pub(crate) fn load(&self) -> Guard<Arc<Snapshot<S::Value>>> {
        self.0.snapshot.load()
    }

    /// Whether what is known was confirmed when that was due.
    pub(crate) fn freshness(&self, snapshot: &Snapshot<S::Value>, of: Dependency, now: Now) -> Freshness {
        snapshot.schedule.freshness(of, now, self.0.cadence)
    }

    pub(crate) fn source(&self) -> &S {
        &self.0.source
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.0.clock
    }

    pub(crate) fn background(&self) -> &Background {
        &self.0.background
    }

    /// Changes what is known, in memory.
    pub(crate) fn change(&self, change: impl Fn(&S::Value) -> S::Value) {
        self.update(|snapshot| snapshot.value = change(&snapshot.value));
    }

    /// The same on disk first, for what must not be lost once it was promised.
    ///
    /// # Errors
    /// Whatever the file system says. Nothing has changed then.
    pub(crate) async fn change_on_disk_first(&self, change: impl Fn(&S::Value) -> S::Value) -> io::Result<()> {
        let mut written = self.0.written.lock().await;
        let now = self.0.snapshot.load_full();
        self.0.copy.write(self.0.source.write(&change(&now.value), now.schedule)?).await?;
        *written = now.schedule.confirmed_at();
        self.change(change);
        Ok(())
    }

    /// Writes the copy; what is in memory stands whether or not that works. With `tolerated`, only if what the copy tells
    /// of the last confirmation is older than that, so that a restart knows how old all is, or if somebody removed it.
    pub(crate) async fn write(&self, tolerated: Option<Duration>) {
        let mut written = self.0.written.lock().await;
        let now = self.0.snapshot.load_full();
        if let Some(tolerated) = tolerated {
            let removed = written.is_some() && self.0.copy.was_removed().await;
            let is_late = |at: Steady| written.is_none_or(|then| then > at || at.since(then) > tolerated);
            if !removed && !now.schedule.confirmed_at().is_some_and(is_late) {
                return;
            }
        }
        let content = self.0.source.write(&now.value, now.schedule);
        let done = async { self.0.copy.write(content?).await };
        match done.await {
            Ok(()) => *written = now.schedule.confirmed_at(),
            Err(fault) => self.0.copy.unwritten(&fault),
        }
    }

    /// An attempt has gone well. Memory does not wait for the disk.
    pub(super) async fn confirm(&self, change: Option<Change<S::Value>>, begun: Now) {
        let schedule = Schedule::confirmed(begun.steady(), self.0.cadence);
        let before = self.update(|snapshot| {
            if let Some(change) = &change {
                snapshot.value = change(&snapshot.value);
            }
            (snapshot.schedule, snapshot.contact) = (schedule, Some(begun.steady()));
            snapshot.back_off = BackOff::default();
        });
        if before.back_off.has_failed() {
            tracing::info!("{} can be had again", self.0.what);
        }
        match (change, self.0.cadence) {
            (Some(_), _) => self.write(None).await,
            (None, Cadence::Store { .. }) => self.write(Some(WRITTEN_EVERY)).await,
            (None, Cadence::Provider { .. }) => {}
        }
    }

    /// An attempt has failed.
    pub(super) async fn fail(&self, FailedAttempt { down, leave_alone }: &FailedAttempt, begun: Now) {
        let now = self.0.clock.now();
        let before = self.update(|snapshot| {
            snapshot.back_off.fail(down, *leave_alone, now);
            snapshot.schedule = snapshot.schedule.failed(begun.steady(), self.0.cadence);
        });
        if before.back_off.has_failed() {
            tracing::debug!("{} still cannot be had: {down}", self.0.what);
            return;
        }
        tracing::warn!("{} cannot be had: {down}", self.0.what);
        if let Cadence::Store { .. } = self.0.cadence {
            self.write(Some(Duration::ZERO)).await;
        }
    }

    /// Replaces the snapshot, and gives the one before. `change` may be called more than once.
    pub(super) fn update(&self, change: impl Fn(&mut Snapshot<S::Value>)) -> Arc<Snapshot<S::Value>> {
        self.0.snapshot.rcu(|now| {
            let mut next = Snapshot::clone(now);
            change(&mut next);
            next
        })
    }
}

impl<S: Fetch> Clone for LastKnownGood<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S: Fetch> Drop for Inner<S> {
    fn drop(&mut self) {
        self.changed.notify_one();
    }
}
