//! Who is revoked.

use std::{path::Path, sync::Arc, time::Duration};

use crate::{
    clock::{Clock, Now},
    database::Database,
    keeper::Keeper,
    principal::{Freshness, Principal, Subject},
    verdict::{Stop, Unavailable},
};

/// The revocation set, with its age. Cheap to clone.
#[derive(Clone)]
pub struct Revocations(Arc<Inner>);

struct Inner {}

/// How the set is kept.
#[derive(Clone, Debug)]
pub struct RevocationPolicy {
    /// How often the store is asked: every 3 s.
    pub poll: Duration,
    /// How long one asking may take before its confirmation counts as missing: 5 s.
    pub patience: Duration,
}

/// How far a logout has reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Elsewhere {
    /// The store knows.
    Done,
    /// This gateway knows, and has it on disk; the store will be told as soon as it is back.
    WhenTheStoreIsBack,
}

impl Default for RevocationPolicy {
    fn default() -> Self {
        Self { poll: Duration::from_secs(3), patience: Duration::from_secs(5) }
    }
}

impl Revocations {
    /// Reads the set from the folder `data`, and asks the store once.
    pub async fn open(
        _data: &Path,
        _store: Database,
        _keeper: Keeper,
        _clock: Clock,
        _policy: RevocationPolicy,
    ) -> Self {
        todo!()
    }

    /// Starts asking the store again and again, on the keeper, until the last clone of this is dropped.
    pub fn start(&self) {
        todo!()
    }

    /// Asks the store once: tells it what it does not know yet, and reads what is new.
    ///
    /// # Errors
    /// Unavailable, if the store is.
    pub async fn poll(&self) -> Result<(), Unavailable> {
        todo!()
    }

    /// Whether a principal still stands: how fresh the set is that does not name them.
    ///
    /// # Errors
    /// [`Stop::Rejected`] if an entry names them; [`Stop::Unavailable`] if there has never been a set.
    pub fn judge(&self, _principal: &Principal, _now: Now) -> Result<Freshness, Stop> {
        todo!()
    }

    /// Signs a user out everywhere: whatever of theirs began up to now is revoked, bearers too. `who` ordered it,
    /// and `why`, for the record.
    ///
    /// # Errors
    /// Unavailable, if the store could not be told; then nothing has been promised.
    pub async fn revoke_user(&self, _subject: Subject, _who: &str, _why: &str, _now: Now) -> Result<(), Unavailable> {
        todo!()
    }
}
