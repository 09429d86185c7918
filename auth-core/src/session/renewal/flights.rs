//! The renewals under way, one a session, and what must not be forgotten between two of them. Bounded.

use std::{
    collections::HashMap,
    future::Future,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use tokio::sync::watch;

use super::{RenewalOutcome, confirmed::ConfirmedSession, sql::Unsaved};
use crate::{
    clock::{Now, Steady, Timestamp},
    dependency::Dependency,
    lock::lock,
    principal::SessionId,
    session::Sessions,
    verdict::Unavailable,
};

/// What is known of renewals, by session.
#[derive(Default)]
pub(super) struct RenewalFlights(Mutex<HashMap<SessionId, Entry>>);

/// Of one session.
#[derive(Default)]
struct Entry {
    flight: Option<watch::Receiver<Option<RenewalOutcome>>>,
    /// The last that went well: browsers have several requests under way, and each shows the old ticket.
    confirmed: Option<Arc<ConfirmedSession>>,
    /// Why the last one failed, if it did.
    failed: Option<Unavailable>,
    /// When the last one began.
    begun: Steady,
    /// The next does not begin before.
    next: Steady,
    /// The fence of an intent by which nothing was spent, though the row still has it.
    unspent: Option<i64>,
    /// What the store did not take.
    unsaved: Option<Unsaved>,
}

/// How a session stands whose renewal is due.
pub(super) enum Standing {
    /// It was confirmed after its ticket.
    Confirmed(Arc<ConfirmedSession>),
    /// A renewal is under way; why the one before it failed, if it did.
    UnderWay { flight: Flight, failed: Option<Unavailable> },
    /// The last one failed, and the next must not begin yet.
    Resting(Unavailable),
}

/// A renewal under way.
pub(super) struct Flight(watch::Receiver<Option<RenewalOutcome>>);

/// How many sessions something is kept of: each has a few kilobytes at most.
const MOST: usize = 1 << 16;

/// How long something is kept that nobody asks for.
const KEPT: Duration = Duration::from_secs(10 * 60);

/// The longest time between two attempts, whatever the provider says.
const LONGEST_REST: Duration = Duration::from_secs(300);

impl RenewalFlights {
    /// How `session` stands, whose ticket was confirmed at `seen`. Begins a renewal if none is under way and one may begin.
    pub(super) fn join<F>(
        &self,
        sessions: &Sessions,
        session: SessionId,
        seen: Timestamp,
        now: Now,
        begin: impl FnOnce() -> F,
    ) -> Standing
    where
        F: Future<Output = RenewalOutcome> + Send + 'static,
    {
        let process = &sessions.0.renewals;
        let mut entries = self.lock();
        if !entries.contains_key(&session) && !has_room(&mut entries, now) {
            let cause = "more sessions than can be kept in mind are waiting to be renewed";
            return Standing::Resting(Unavailable::because(Dependency::OwnJudgement, cause));
        }
        let entry = entries.entry(session).or_default();
        if let Some(confirmed) = entry.confirmed.as_ref().filter(|it| it.is_newer(seen, sessions.0.generation, now)) {
            return Standing::Confirmed(confirmed.clone());
        }
        let failed = entry.failed.clone();
        if let Some(flight) = entry.under_way() {
            return Standing::UnderWay { flight, failed };
        }
        if let Some(failed) = entry.failed.as_ref().filter(|_| now.steady() < entry.next) {
            return Standing::Resting(failed.clone());
        }
        let (done, flight) = watch::channel(None);
        entry.flight = Some(flight.clone());
        entry.begun = now.steady();
        let (work, process) = (begin(), process.clone());
        let renewals = process.clone();
        process.0.background.begin(async move {
            let outcome = work.await;
            renewals.0.flights.land(session, &outcome, renewals.0.clock.now());
            // Fails only when nobody waits any more.
            let _ = done.send(Some(outcome));
        });
        Standing::UnderWay { flight: Flight(flight), failed }
    }

    fn land(&self, session: SessionId, outcome: &RenewalOutcome, now: Now) {
        let mut entries = self.lock();
        let Some(entry) = entries.get_mut(&session) else { return };
        match outcome {
            RenewalOutcome::Confirmed(confirmed) => {
                (entry.confirmed, entry.failed) = (Some(confirmed.clone()), None);
            }
            RenewalOutcome::Unavailable(down) => {
                entry.next = now.steady() + down.retry_after.clamp(Duration::from_secs(1), LONGEST_REST);
                entry.failed = Some(down.clone());
            }
            // The revocation set says so from now on.
            RenewalOutcome::Ended(_) | RenewalOutcome::Refused(_) => {
                entries.remove(&session);
            }
        }
    }

    /// What the store did not take of `session`.
    pub(super) fn unsaved(&self, session: SessionId) -> Option<Unsaved> {
        self.lock().get(&session)?.unsaved.clone()
    }

    /// The store did not take this: it is to be written again. `None`: it did.
    pub(super) fn keep_unsaved(&self, session: SessionId, unsaved: Option<Unsaved>) {
        let mut entries = self.lock();
        if unsaved.is_some() || entries.contains_key(&session) {
            entries.entry(session).or_default().unsaved = unsaved;
        }
    }

    /// The fence of the intent of `session` by which nothing was spent.
    pub(super) fn unspent(&self, session: SessionId) -> Option<i64> {
        self.lock().get(&session)?.unspent
    }

    /// Nothing was spent by the intent with this fence, though the row still has it.
    pub(super) fn keep_unspent(&self, session: SessionId, fence: i64) {
        if let Some(entry) = self.lock().get_mut(&session) {
            entry.unspent = Some(fence);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SessionId, Entry>> {
        lock(&self.0)
    }
}

/// Whether another session can be kept in mind; forgets what is of no use any more, if need be. What the store did not take
/// is never forgotten.
fn has_room(entries: &mut HashMap<SessionId, Entry>, now: Now) -> bool {
    // A look at all of them, each time that there are twice as many as were left the last time, costs little.
    if entries.len() < 64 || entries.len() < entries.capacity() && entries.len() < MOST {
        return true;
    }
    entries.retain(|_, entry| entry.is_of_use(now));
    entries.len() < MOST
}

impl Entry {
    /// The renewal under way, if one is. One that has ended without an outcome has panicked.
    fn under_way(&self) -> Option<Flight> {
        let flight = self.flight.as_ref()?;
        (flight.borrow().is_none() && flight.has_changed().is_ok()).then(|| Flight(flight.clone()))
    }

    fn is_of_use(&self, now: Now) -> bool {
        self.unsaved.is_some()
            || self.under_way().is_some()
            || now.steady().since(self.begun) < KEPT
            || now.steady() < self.next
    }
}

impl Flight {
    /// How it ended, if it has.
    pub(super) fn outcome(&self) -> Option<RenewalOutcome> {
        self.0.borrow().clone()
    }

    /// How it ended, if it ends within `most`.
    pub(super) async fn outcome_within(&mut self, most: Duration) -> Option<RenewalOutcome> {
        let ended = tokio::time::timeout(most, self.0.wait_for(Option::is_some)).await;
        match ended {
            Ok(Ok(outcome)) => outcome.clone(),
            Ok(Err(_)) => {
                let cause = "the renewal ended without a result";
                Some(RenewalOutcome::Unavailable(Unavailable::because(Dependency::Background, cause)))
            }
            Err(_) => None,
        }
    }
}
