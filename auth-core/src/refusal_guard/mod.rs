//! The mass-refusal guard, and the only maker of [`EndedCredential`].
//!
//! One wrong release of anything, or a provider restored from yesterday, must not sign a fleet out. The guard counts
//! distinct credentials that we ourselves accepted in the last day and that are now refused for a reason that a
//! mistake of ours or a provider's can cause. Beyond [`RefusalGuard::FEW`], or 2 % of those seen in ten minutes, it holds back
//! what destroys and nothing else. A credential that we never accepted does not count, so strangers cannot trip it.
//!
//! It lives as long as the process: one guard is shared by every configuration. Memory is bounded: beyond
//! a quarter of a million credentials a day the oldest are forgotten, which can only make the guard trip later.

#![warn(clippy::wildcard_enum_match_arm)]

mod seen;

use std::{
    collections::HashMap,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use crate::{
    alarm::{self, Alarm},
    clock::{Now, Steady},
    credential::CredentialId,
    dependency::Dependency,
    lock::lock,
    principal::SessionId,
    verdict::{Reason, Rejected, Stop, Unavailable},
};

/// The guard. One a process, shared by every configuration.
#[derive(Debug, Default)]
pub struct RefusalGuard {
    seen: seen::Seen,
    denied: Mutex<HashMap<CredentialId, Denial>>,
    /// How many are in `denied`: nearly always none, and then nobody takes its lock.
    denials: AtomicUsize,
    tripped: AtomicBool,
    /// The sessions that a provider refused to renew, and when last.
    refused_renewals: Mutex<HashMap<SessionId, Steady>>,
    renewals_tripped: AtomicBool,
}

/// A formerly accepted credential that is now denied.
#[derive(Clone, Copy, Debug)]
struct Denial {
    at: Steady,
    by: By,
}

/// Who denies it. An acceptance of ours takes back our own refusal, not an upstream's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    Ourselves,
    Upstream,
}

/// What showing a refusal would do to who sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Harm {
    /// Nothing that cannot be undone: a browser is sent to sign-in.
    None,
    /// Something is lost for good: a device forgets its tokens.
    Destroys,
}

/// A refusal that ends the one credential it names. Only [`RefusalGuard::ended_by`] makes one.
#[derive(Debug)]
#[must_use]
pub struct EndedCredential {
    of: CredentialId,
}

/// A logout, which ends the one credential it names.
#[derive(Debug)]
#[must_use]
pub struct Logout {
    of: CredentialId,
}

/// Needed to forget a credential: to clear a cookie, to delete a row.
#[derive(Debug)]
#[must_use]
pub enum Ended {
    /// Its holder signed out.
    LoggedOut(Logout),
    /// It was refused for good.
    Refused(EndedCredential),
}

impl RefusalGuard {
    /// However small the fleet, fewer refusals than this trip nothing.
    pub const FEW: usize = 20;

    /// Refusals and acceptances of the last ten minutes are compared.
    pub const WINDOW: Duration = Duration::from_secs(10 * 60);

    /// How many denials are kept: 2 % of all that are remembered.
    const DENIALS: usize = seen::CAP / 50 + 1;

    /// A guard that has seen nobody.
    pub fn new() -> Self {
        Self::default()
    }

    /// Notes that `credential` was accepted.
    pub fn accepted(&self, credential: CredentialId, now: Now) {
        self.seen.note(credential, now.steady());
        if self.denials.load(Ordering::Relaxed) > 0 {
            let mut denied = lock(&self.denied);
            if denied.get(&credential).is_some_and(|denial| denial.by == By::Ourselves) {
                denied.remove(&credential);
                self.denials.store(denied.len(), Ordering::Relaxed);
            }
        }
    }

    /// Notes that `credential` was refused. It counts only if it was accepted in the last day, and only for a reason
    /// that a mistake of ours or a provider's can cause.
    pub fn refused(&self, credential: CredentialId, refusal: &Rejected, now: Now) {
        if may_be_a_mistake(refusal, now) {
            self.count(credential, By::Ourselves, now);
        }
    }

    /// The right to forget `credential`, if `refusal` ends it and the guard does not hold that back. Counts the
    /// refusal, so that nothing can be forgotten uncounted.
    pub fn ended_by(&self, refusal: &Rejected, credential: CredentialId, now: Now) -> Option<EndedCredential> {
        self.refused(credential, refusal, now);
        let held = may_be_a_mistake(refusal, now) && self.has_tripped(now);
        (refusal.ends_credential() && !held).then_some(EndedCredential { of: credential })
    }

    /// The stop to show: while the guard has tripped, a refusal that could be a mistake and would destroy something
    /// is held back as Unavailable.
    pub fn hold(&self, stop: Stop, harm: Harm, now: Now) -> Stop {
        match stop {
            Stop::Rejected(refusal)
                if harm == Harm::Destroys && may_be_a_mistake(&refusal, now) && self.has_tripped(now) =>
            {
                held_back(&format!("{}: {}", refusal.reason(), refusal.detail())).into()
            }
            Stop::Rejected(_) | Stop::Unavailable(_) => stop,
        }
    }

    /// The same for whoever must lose nothing while anything at all is in doubt: any refusal is held back then.
    pub fn hold_any(&self, stop: Stop, now: Now) -> Stop {
        match stop {
            Stop::Rejected(refusal) if self.has_tripped(now) => {
                held_back(&format!("{}: {}", refusal.reason(), refusal.detail())).into()
            }
            Stop::Rejected(_) | Stop::Unavailable(_) => stop,
        }
    }

    /// Counts an upstream's denial of an accepted credential, and asks whether it may be passed on.
    ///
    /// # Errors
    /// Unavailable, while the guard has tripped.
    pub fn passed_on(&self, credential: CredentialId, now: Now) -> Result<(), Unavailable> {
        self.count(credential, By::Upstream, now);
        if self.has_tripped(now) { Err(held_back("the upstream denied an accepted credential")) } else { Ok(()) }
    }

    /// Counts a session that its provider refuses to renew, before anything of it ends, and says whether it may end.
    ///
    /// Unlike elsewhere it counts whoever it is, and not only whose credential was accepted in the last day: people come
    /// back after a holiday, and nobody comes here without a ticket of ours.
    pub(crate) fn may_end_at_renewal(&self, session: SessionId, now: Now) -> bool {
        let others = {
            let mut refused = lock(&self.refused_renewals);
            refused.retain(|_, at| now.steady().since(*at) <= Self::WINDOW);
            let others = refused.len() - usize::from(refused.contains_key(&session));
            if others < Self::DENIALS {
                refused.insert(session, now.steady());
            }
            others
        };
        #[cfg(candor_mutants)]
        if crate::mutants::is("mass-refusal-at-renewal") {
            return true;
        }
        let tripped = others >= Self::FEW && others >= self.seen.lately(now.steady()).div_ceil(50);
        if self.renewals_tripped.swap(tripped, Ordering::Relaxed) != tripped && tripped {
            alarm::ring(
                Alarm::MassRefusal,
                "a provider refuses to renew sessions in numbers; from now on they are held instead of ended: look at the \
                 provider, and release them if it is right",
            );
        }
        !tripped
    }

    /// Takes a session out of that count: its provider renews it after all.
    pub(crate) fn renewed(&self, session: SessionId) {
        lock(&self.refused_renewals).remove(&session);
    }

    fn count(&self, credential: CredentialId, by: By, now: Now) {
        if !self.seen.within_a_day(credential, now.steady()) {
            return;
        }
        let mut denied = lock(&self.denied);
        if denied.len() < Self::DENIALS || denied.contains_key(&credential) {
            denied.insert(credential, Denial { at: now.steady(), by });
            self.denials.store(denied.len(), Ordering::Relaxed);
        }
    }

    /// Whether too many are denied at present. Rings once each time that this becomes so.
    fn has_tripped(&self, now: Now) -> bool {
        let tripped = self.denials.load(Ordering::Relaxed) >= Self::FEW && self.too_many(now);
        if self.tripped.swap(tripped, Ordering::Relaxed) != tripped {
            if tripped {
                alarm::ring(
                    Alarm::MassRefusal,
                    "credentials that we accepted within a day are being refused in numbers; refusals that destroy \
                     are held back as 503 until that ends: look at the last change of ours, of a provider, of an upstream",
                );
            } else {
                tracing::warn!("the mass-refusal guard holds nothing back any more");
            }
        }
        tripped
    }

    fn too_many(&self, now: Now) -> bool {
        let denials = {
            let mut denied = lock(&self.denied);
            denied.retain(|_, denial| now.steady().since(denial.at) <= Self::WINDOW);
            self.denials.store(denied.len(), Ordering::Relaxed);
            denied.len()
        };
        denials >= Self::FEW.max(self.seen.lately(now.steady()).div_ceil(50))
    }
}

/// Whether a mistake of ours or a provider's can cause this refusal. Not so: none was given, expiry while the clock is
/// beyond doubt, a logout, a person's order on record, and being known without being allowed (which costs nobody a
/// credential).
fn may_be_a_mistake(refusal: &Rejected, now: Now) -> bool {
    match refusal.reason() {
        Reason::BadSeal
        | Reason::BadSignature
        | Reason::Inactive
        | Reason::Malformed
        | Reason::RefreshRefused
        | Reason::UnknownKey
        | Reason::WrongAudience
        | Reason::WrongIssuer => true,
        Reason::Revoked => !refusal.ordered(),
        Reason::Expired => now.expiry_may_be_a_mistake(),
        Reason::Ended | Reason::Missing | Reason::NotPermitted => false,
    }
}

fn held_back(what: &str) -> Unavailable {
    let cause = format!("the mass-refusal guard holds this back: {what}");
    Unavailable::because(Dependency::OwnJudgement, cause).retry_after(Duration::from_secs(30))
}

impl Logout {
    /// Made from an opened ticket, by [`crate::session`].
    pub(crate) fn of_credential(of: CredentialId) -> Self {
        Self { of }
    }

    /// The credential it ends.
    pub fn credential(&self) -> CredentialId {
        self.of
    }
}

impl EndedCredential {
    /// The credential it ends.
    pub fn credential(&self) -> CredentialId {
        self.of
    }
}

impl Ended {
    /// The one credential that may be forgotten.
    pub fn credential(&self) -> CredentialId {
        match self {
            Self::LoggedOut(logout) => logout.of,
            Self::Refused(dead) => dead.of,
        }
    }
}

#[cfg(test)]
mod tests;
