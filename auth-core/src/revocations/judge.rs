//! What the set says of a principal, and how old that is.

use std::{cmp::Ordering, sync::Arc};

use super::{Revocations, entry::RevocationEntry};
use crate::{
    clock::Now,
    dependency::Dependency,
    principal::{BindingId, BindingState, BoundDevice, Freshness, Generation, Principal, Subject},
    verdict::{Detail, Proof, Reason, Rejected, Stop, Unavailable},
};

/// A row of the set speaks of what somebody showed: the one proof that the set gives.
struct OnRecord {
    row: Arc<RevocationEntry>,
    whose: Subject,
    says: RowSays,
}

/// What a row says of it.
#[derive(Clone, Copy)]
enum RowSays {
    /// Its session ended.
    SessionEnded,
    /// Whatever of this user's began before the row is revoked.
    UserRevoked,
    /// The device's binding was revoked, or this is of an earlier generation of it.
    BindingRevoked,
    /// The binding of a device that has a key is suspended: it is known, and may not for now.
    BindingSuspended,
}

impl OnRecord {
    fn stop(row: &Arc<RevocationEntry>, whose: &Subject, says: RowSays) -> Stop {
        Rejected::proven_by(Self { row: row.clone(), whose: whose.clone(), says }).into()
    }
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
            return Err(OnRecord::stop(&row, &principal.subject, RowSays::UserRevoked));
        }
        #[cfg(candor_mutants)]
        if crate::mutants::is("revoked-check-skipped-on-store-error") && self.0.load().schedule.has_failed() {
            return Ok(Freshness::Live);
        }
        let snapshot = self.0.load();
        let set = &snapshot.value;
        let whose = &principal.subject;
        if let Some(row) = principal.session.and_then(|session| set.of_session(session)) {
            return Err(OnRecord::stop(row, whose, RowSays::SessionEnded));
        }
        if let Some(row) = set.of_user(&principal.subject, principal.begun) {
            if !row.surely_ends(principal.begun) {
                let cause = "this user was signed out while the clock was in doubt: before or after this began";
                return Err(Unavailable::because(Dependency::Clock, cause).into());
            }
            return Err(OnRecord::stop(row, whose, RowSays::UserRevoked));
        }
        #[cfg(candor_mutants)]
        if let Some(device) = &principal.device
            && set.of_binding(device.binding).is_none()
            && crate::mutants::is("absent-device-is-revoked")
        {
            let ends = super::RevokedThing::User { subject: principal.subject.clone(), not_before: now.wall() };
            let row = Arc::new(RevocationEntry::new(ends, now.wall(), "planted", "", now));
            return Err(OnRecord::stop(&row, whose, RowSays::BindingRevoked));
        }
        if let Some(device) = &principal.device
            && let Some(row) = set.of_binding(device.binding)
        {
            stands(device, row, whose)?;
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
    match (device.generation.cmp(&standing.generation), standing.state) {
        #[cfg(candor_mutants)]
        (Ordering::Less, BindingState::Active) if crate::mutants::is("old-generation-passes") => Ok(()),
        (Ordering::Greater, _) | (Ordering::Equal, BindingState::Active) => Ok(()),
        (Ordering::Less, _) | (Ordering::Equal, BindingState::Revoked) => {
            Err(OnRecord::stop(row, whose, RowSays::BindingRevoked))
        }
        (Ordering::Equal, BindingState::Suspended) if device.key.is_some() => {
            Err(OnRecord::stop(row, whose, RowSays::BindingSuspended))
        }
        // Its app may take a refusal for the end.
        (Ordering::Equal, BindingState::Suspended) => Err(Unavailable::suspended(row.to_string()).into()),
    }
}

impl Proof for OnRecord {
    fn reason(&self) -> Reason {
        match self.says {
            RowSays::SessionEnded => Reason::Ended,
            RowSays::UserRevoked | RowSays::BindingRevoked => Reason::Revoked,
            RowSays::BindingSuspended => Reason::NotPermitted,
        }
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
