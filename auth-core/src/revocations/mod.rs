//! Who is revoked: a set with an age, in memory and whole on disk, fed by the store.
//!
//! A session that ended and a user who was signed out everywhere each have an entry: what ended has a positive row
//! that says so, and absence proves nothing. An entry is kept until the hard expiry of what it ends. The set is asked
//! on every request, in memory; the store is asked every three seconds, for what was written since the last answer
//! less two minutes (clocks differ, and a write takes a while to be seen). How long an answer has been overdue is
//! staleness like any other, and goes on across a restart. With neither file nor store there is no set, and nobody
//! is admitted.
//!
//! An entry of our own that the store could not take yet is kept on disk and given to it later. Every ten minutes, and at
//! the start, the two are compared whole: what the store has lost (it was put back from a backup, or somebody deleted rows)
//! is given back to it, and of two that differ the later stands.
//!
//! Devices are in the set by their bindings to tenants, and only those that were ever suspended or revoked: its size is
//! that of what happened, and not of the fleet.

mod entry;
mod exchange;
mod file;
mod judge;
mod registry_mark;
mod sql;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use tokio::sync::Mutex;

use self::{entry::RevokedThing, exchange::RevocationSource};
pub(crate) use self::{
    entry::{BindingStanding, RevocationEntry},
    registry_mark::RegistryMark,
    sql::{insert, looks_restored, registry_now},
};
use crate::{
    background::Background,
    clock::{Clock, Now, Timestamp},
    data_folder::DataFolder,
    database::Database,
    last_known_good::{Cadence, DiskCopy, LastKnownGood},
    principal::{BindingId, SessionId, Subject},
    verdict::Unavailable,
};

/// The revocation set, with its age. Cheap to clone.
#[derive(Clone)]
pub struct Revocations(LastKnownGood<RevocationSource>);

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
pub enum LogoutReach {
    /// The store knows, and so will every gateway within seconds.
    Everywhere,
    /// This gateway knows, and has it on disk; the store will be told as soon as it is back.
    ThisGateway,
}

impl RevocationPolicy {
    fn cadence(&self) -> Cadence {
        Cadence::Store { every: self.poll, patience: self.patience }
    }
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
        background: Background,
        clock: Clock,
        policy: RevocationPolicy,
    ) -> Self {
        let (what, cadence) = ("the store's word on who is revoked".to_owned(), policy.cadence());
        let (folder, exchanged) = (data.place().clone(), Mutex::default());
        let source = RevocationSource { store, policy, folder, clock: clock.clone(), exchanged };
        let copy = DiskCopy::of_revocations(data);
        let this = Self(LastKnownGood::new(what, source, cadence, copy, background, clock));
        // A failure is logged, and counts from now on.
        let _ = this.poll().await;
        this
    }

    /// Asks the store again and again, in the background, until the last clone of this is dropped.
    pub fn start(&self) {
        self.0.start();
    }

    /// Restores what was removed of the store, as a poll would, and asks nothing. For the end of a process: the next start
    /// finds a store that belongs to its keyring.
    ///
    /// # Errors
    /// Unavailable, if that cannot be done.
    pub async fn restore_store(&self) -> Result<(), Unavailable> {
        let cell = self.0.clone();
        self.0.background().run(async move { exchange::restore_store(&cell).await }).await?
    }

    /// Asks the store once: tells it what it does not know yet, and reads what is new.
    ///
    /// # Errors
    /// Unavailable, if the store is.
    pub async fn poll(&self) -> Result<(), Unavailable> {
        self.0.refresh().await
    }

    /// Signs a user out everywhere: whatever of theirs began up to now is revoked, tickets and bearers alike. `who`
    /// ordered it and `why`, for the record. Kept for ever, since only an issuer knows how long its bearers live.
    ///
    /// # Errors
    /// Unavailable, if the store could not be told. Then nothing has been promised, though it may have been done.
    pub async fn revoke_user(&self, subject: Subject, who: &str, why: &str, now: Now) -> Result<(), Unavailable> {
        self.revoke_what_began(subject, now.later(), who, why, now).await
    }

    /// The same of what began up to `not_before`, which is not later than now.
    pub(crate) async fn revoke_what_began(
        &self,
        subject: Subject,
        not_before: Timestamp,
        who: &str,
        why: &str,
        now: Now,
    ) -> Result<(), Unavailable> {
        let ends = RevokedThing::User { subject, not_before: not_before.min(now.later()) };
        self.order(vec![RevocationEntry::new(ends, Timestamp::from_millis(i64::MAX), who, why, now)]).await
    }

    /// Ends sessions by somebody's order, each with its hard expiry: all of them or none. In the store first, since an order
    /// that only this gateway knows of is none.
    ///
    /// # Errors
    /// Unavailable, if the store could not be told. Then nothing has been promised, though it may have been done.
    pub(crate) async fn end_sessions(
        &self,
        sessions: impl IntoIterator<Item = (SessionId, Timestamp)>,
        who: &str,
        why: &str,
        now: Now,
    ) -> Result<(), Unavailable> {
        let ended = |(session, until)| RevocationEntry::new(RevokedThing::Session(session), until, who, why, now);
        self.order(sessions.into_iter().map(ended).collect()).await
    }

    /// Whether this session of `subject`'s, begun then, has ended by what is known here.
    pub(crate) fn ended(&self, session: SessionId, subject: &Subject, begun: Timestamp) -> bool {
        let snapshot = self.0.load();
        snapshot.value.of_session(session).is_some() || snapshot.value.of_user(subject, begun).is_some()
    }

    async fn order(&self, entries: Vec<RevocationEntry>) -> Result<(), Unavailable> {
        if entries.is_empty() {
            return Ok(());
        }
        let entries: Vec<_> = entries.into_iter().map(Arc::new).collect();
        let cell = self.0.clone();
        let work = async move {
            sql::write_all(&cell.source().store, &entries, cell.clock().now()).await?;
            #[cfg(candor_mutants)]
            if crate::mutants::is("ended-in-store-only") {
                return Ok(());
            }
            cell.change(|set| set.with(|set| entries.iter().for_each(|entry| set.add(entry))));
            cell.write(None).await;
            cell.source().folder.tell_successor().await;
            Ok(())
        };
        self.0.background().run(work).await?
    }

    /// How many entries there are.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.0.load().value.all().count()
    }

    /// How often the standing of a binding had changed when the set heard of it last; 0, if it never did.
    pub(crate) fn version_of(&self, binding: BindingId) -> i64 {
        let snapshot = self.0.load();
        let known = snapshot.value.of_binding(binding).and_then(|entry| entry.standing());
        known.map_or(0, |standing| standing.version)
    }

    /// How the device registry stood when it was looked at last and looked like itself.
    pub(crate) fn registry(&self) -> Option<RegistryMark> {
        self.0.load().value.registry.clone()
    }

    /// Takes the device registry as it is now, whatever it lacks: somebody has looked.
    pub(crate) async fn mark_registry(&self, mark: RegistryMark) -> Result<(), Unavailable> {
        let cell = self.0.clone();
        let work = async move {
            cell.change(|set| set.with(|set| set.registry = Some(mark.clone())));
            cell.write(None).await;
        };
        self.0.background().run(work).await
    }

    /// The runtime that it is kept on.
    pub(crate) fn background(&self) -> &Background {
        self.0.background()
    }

    /// Takes in what a transaction of ours has written to the store, and writes it to disk: whoever ordered it is answered
    /// after this, and is obeyed here from then on.
    pub(crate) async fn learn(&self, entries: Vec<Arc<RevocationEntry>>) -> Result<(), Unavailable> {
        if entries.is_empty() {
            return Ok(());
        }
        let cell = self.0.clone();
        let work = async move {
            cell.change(|set| set.with(|set| entries.iter().for_each(|entry| set.add(entry))));
            cell.write(None).await;
            cell.source().folder.tell_successor().await;
        };
        self.0.background().run(work).await
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
    ) -> Result<LogoutReach, Unavailable> {
        let entry = Arc::new(RevocationEntry::new(RevokedThing::Session(session), until, who, why, now));
        let cell = self.0.clone();
        self.0.background().run(async move { end(&cell, entry).await }).await?
    }
}

async fn end(cell: &LastKnownGood<RevocationSource>, entry: Arc<RevocationEntry>) -> Result<LogoutReach, Unavailable> {
    let store = &cell.source().store;
    #[cfg(candor_mutants)]
    if crate::mutants::is("logout-keeps-ticket") && sql::write(store, &entry, cell.clock().now()).await.is_err() {
        return Ok(LogoutReach::Everywhere);
    }
    let on_disk = cell.change_on_disk_first(|set| set.with(|set| set.add_pending(&entry))).await;
    match sql::write(store, &entry, cell.clock().now()).await {
        Ok(()) => {
            // The file may go on calling it pending: to tell the store twice is harmless.
            cell.change(|set| {
                set.with(|set| {
                    set.add(&entry);
                    set.mark_stored(&entry);
                })
            });
            cell.source().folder.tell_successor().await;
            Ok(LogoutReach::Everywhere)
        }
        Err(down) => {
            on_disk.map_err(|disk| {
                tracing::warn!("neither the disk nor the store took the end of a session: {disk}; {down}");
                down
            })?;
            Ok(LogoutReach::ThisGateway)
        }
    }
}
