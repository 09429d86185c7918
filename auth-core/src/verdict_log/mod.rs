//! What each verdict leaves behind: a counter, a line in the log, and a note for the mass-refusal guard.

mod counts;

use std::sync::Arc;

use self::counts::Counts;
use crate::{
    clock::Now,
    credential::Credential,
    policy::Requirement,
    refusal_guard::{Harm, RefusalGuard},
    verdict::{Stop, Verdict},
};

/// Notes verdicts. One a configuration.
pub(crate) struct VerdictLog {
    guard: Arc<RefusalGuard>,
    counts: Counts,
}

impl VerdictLog {
    /// Takes its counters now, so a metrics recorder is installed before.
    pub(crate) fn new(guard: Arc<RefusalGuard>) -> Self {
        Self { guard, counts: Counts::taken() }
    }

    /// The mass-refusal guard that is told.
    pub(crate) fn guard(&self) -> &RefusalGuard {
        &self.guard
    }

    /// Notes what was said of a credential.
    pub(crate) fn note(&self, verdict: &Verdict, credential: &Credential, requirement: &Requirement, now: Now) {
        match (verdict, credential) {
            (Verdict::Authenticated(_), credential) => {
                self.counts.authenticated();
                if let Some(credential) = credential.id() {
                    self.guard.accepted(credential, now);
                }
            }
            // Nobody has to show anything on an open route.
            (Verdict::Rejected(_), Credential::None | Credential::Unsupported(_)) if requirement.is_open() => {}
            (Verdict::Rejected(rejected), Credential::None) => self.counts.missing(rejected),
            (Verdict::Rejected(rejected), credential) => {
                self.counts.rejected(rejected);
                if let Some(credential) = credential.id() {
                    self.guard.refused(credential, rejected, now);
                }
            }
            (Verdict::Unavailable(unavailable), _) => self.counts.unavailable(unavailable, now),
        }
    }

    /// On a route open to anyone no refusal is shown, so that none can be held back there: the service's would pass in
    /// its place. So while the mass-refusal guard has tripped, what could be a mistake of ours is not decided.
    pub(crate) fn guarded_where_open(&self, verdict: Verdict, requirement: &Requirement, now: Now) -> Verdict {
        match verdict {
            Verdict::Rejected(rejected) if requirement.is_open() => {
                self.guard.hold(rejected.into(), Harm::Destroys, now).into()
            }
            Verdict::Authenticated(_) | Verdict::Rejected(_) | Verdict::Unavailable(_) => verdict,
        }
    }

    /// Notes what stopped somebody who is known.
    pub(crate) fn stopped(&self, stop: &Stop, now: Now) {
        self.counts.stopped(stop, now);
    }
}
