//! What the set says of a principal, and how old that is.

use std::{cmp::Ordering, sync::Arc};

use super::{Revocations, entry::RevocationEntry};
use crate::{
    clock::Now,
    dependency::Dependency,
    principal::{BindingId, BindingState, BoundDevice, Freshness, Generation, Principal, Subject},
    verdict::{Detail, Proof, Reason, Rejected, Stop, Unavailable},
};

/// A row says that the session ended.
struct SessionEnded {
    row: Arc<RevocationEntry>,
    whose: Subject,
}

/// A row says that whatever of this user's began before it is revoked.
struct UserRevoked {
    row: Arc<RevocationEntry>,
    whose: Subject,
}

/// A row says that the binding was revoked, or that this is of an earlier generation of it.
struct BindingRevoked {
    row: Arc<RevocationEntry>,
    whose: Subject,
}

/// A row says that the binding of a device that has a key is suspended: it is known, and may not for now.
struct BindingSuspended {
    row: Arc<RevocationEntry>,
    whose: Subject,
}

impl Revocations {
    /// Whether a principal still stands: how fresh the set is that does not name them.
    ///
    /// # Errors
    /// [`Stop::Rejected`] if an entry names them; [`Stop::Unavailable`] if there has never been a set.
    pub fn judge(&self, principal: &Principal, now: Now) -> Result<Freshness, Stop> {
        #[cfg(candor_mutants)]
        if crate::mutants::is("failed-poll-revokes") && self.0.load().schedule.has_failed() {
            let ends = super::RevokedThing::User { subject: principal.subject.clone(), not_before: now.wall() };
            let row = Arc::new(RevocationEntry::new(ends, now.wall(), "planted", "", now));
            return Err(Rejected::proven_by(UserRevoked { row, whose: principal.subject.clone() }).into());
        }
        let snapshot = self.0.load();
        let set = &snapshot.value;
        let whose = || principal.subject.clone();
        if let Some(row) = principal.session.and_then(|session| set.of_session(session)) {
            return Err(Rejected::proven_by(SessionEnded { row: row.clone(), whose: whose() }).into());
        }
        if let Some(row) = set.of_user(&principal.subject, principal.begun) {
            if !row.surely_ends(principal.begun) {
                let cause = "this user was signed out while the clock was in doubt: before or after this began";
                return Err(Unavailable::because(Dependency::Clock, cause).into());
            }
            return Err(Rejected::proven_by(UserRevoked { row: row.clone(), whose: whose() }).into());
        }
        #[cfg(candor_mutants)]
        if let Some(device) = &principal.device
            && set.of_binding(device.binding).is_none()
            && crate::mutants::is("absent-device-is-revoked")
        {
            let ends = super::RevokedThing::User { subject: principal.subject.clone(), not_before: now.wall() };
            let row = Arc::new(RevocationEntry::new(ends, now.wall(), "planted", "", now));
            return Err(Rejected::proven_by(BindingRevoked { row, whose: whose() }).into());
        }
        if let Some(device) = &principal.device
            && let Some(row) = set.of_binding(device.binding)
        {
            stands(device, row, &principal.subject)?;
        }
        if snapshot.schedule.confirmed_at().is_none() {
            let cause = "neither the disk nor the store has said yet who is revoked";
            return Err(Unavailable::because(Dependency::Revocations, cause).into());
        }
        Ok(self.0.freshness(&snapshot, Dependency::Revocations, now))
    }
}

impl Revocations {
    /// What has become of a device's binding, as far as it concerns what was issued in `generation`, and how fresh that is.
    ///
    /// # Errors
    /// Unavailable, if there has never been a set.
    pub(crate) fn of_binding(
        &self,
        binding: BindingId,
        generation: Generation,
        now: Now,
    ) -> Result<(Option<Arc<RevocationEntry>>, Freshness), Unavailable> {
        let snapshot = self.0.load();
        if let Some(row) = snapshot.value.of_binding(binding)
            && row.standing().is_some_and(|standing| match standing.state {
                BindingState::Active => generation < standing.generation,
                BindingState::Suspended | BindingState::Revoked => generation <= standing.generation,
            })
        {
            return Ok((Some(row.clone()), Freshness::Live));
        }
        if snapshot.schedule.confirmed_at().is_none() {
            let cause = "neither the disk nor the store has said yet which devices are revoked";
            return Err(Unavailable::because(Dependency::Revocations, cause));
        }
        Ok((None, self.0.freshness(&snapshot, Dependency::Revocations, now)))
    }
}

/// Whether a device still stands, by what is on record of its binding. A token of a later generation than the record was
/// given after it, and the record that brought the binding back has not reached us yet.
fn stands(device: &BoundDevice, row: &Arc<RevocationEntry>, whose: &Subject) -> Result<(), Stop> {
    let Some(standing) = row.standing() else { return Ok(()) };
    #[cfg(candor_mutants)]
    if crate::mutants::is("revocation-of-device-forgotten") {
        return Ok(());
    }
    let (row, whose) = (row.clone(), whose.clone());
    match (device.generation.cmp(&standing.generation), standing.state) {
        #[cfg(candor_mutants)]
        (Ordering::Less, BindingState::Active) if crate::mutants::is("old-generation-passes") => Ok(()),
        (Ordering::Greater, _) | (Ordering::Equal, BindingState::Active) => Ok(()),
        (Ordering::Less, _) | (Ordering::Equal, BindingState::Revoked) => {
            Err(Rejected::proven_by(BindingRevoked { row, whose }).into())
        }
        (Ordering::Equal, BindingState::Suspended) if device.key.is_some() => {
            Err(Rejected::proven_by(BindingSuspended { row, whose }).into())
        }
        // Its app may take a refusal for the end.
        (Ordering::Equal, BindingState::Suspended) => Err(Unavailable::suspended(row.to_string()).into()),
    }
}

impl Proof for BindingRevoked {
    fn reason(&self) -> Reason {
        Reason::Revoked
    }
    fn detail(&self) -> Detail {
        Detail::new(self.row.to_string())
    }
    fn about(&self) -> Option<Subject> {
        Some(self.whose.clone())
    }
    fn ordered(&self) -> bool {
        self.row.is_ordered()
    }
}

impl Proof for BindingSuspended {
    fn reason(&self) -> Reason {
        Reason::NotPermitted
    }
    fn detail(&self) -> Detail {
        Detail::new(self.row.to_string())
    }
    fn about(&self) -> Option<Subject> {
        Some(self.whose.clone())
    }
    fn ordered(&self) -> bool {
        self.row.is_ordered()
    }
}

impl Proof for SessionEnded {
    fn reason(&self) -> Reason {
        Reason::Ended
    }
    fn detail(&self) -> Detail {
        Detail::new(self.row.to_string())
    }
    fn about(&self) -> Option<Subject> {
        Some(self.whose.clone())
    }
    fn ordered(&self) -> bool {
        self.row.is_ordered()
    }
}

impl Proof for UserRevoked {
    fn reason(&self) -> Reason {
        Reason::Revoked
    }
    fn detail(&self) -> Detail {
        Detail::new(self.row.to_string())
    }
    fn about(&self) -> Option<Subject> {
        Some(self.whose.clone())
    }
    fn ordered(&self) -> bool {
        self.row.is_ordered()
    }
}
