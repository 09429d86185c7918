//! Whether somebody who was let in a while ago may stay: asked now and then of what lasts, a tunnel or a long body.
//!
//! What they were let in by is not asked for again: nobody shows it. Asked is what can prove since then that it is over:
//! the revocation set, and the clock. That a confirmation is missing, for however long, ends nothing: an outage lets nobody
//! in, and puts nobody out.

use std::{fmt, time::Duration};

use super::Authenticator;
use crate::{
    clock::{Now, Past, Timestamp},
    policy::{Holder, Permit},
    principal::{Kind, Principal, Subject},
    refusal_guard::Harm,
    verdict::{Detail, Proof, Reason, Rejected, Stop},
};

/// How much longer than its end a token is honoured that others give out: by as much as a request with it would be.
const LEEWAY: Duration = Duration::from_secs(60);

/// An eye on somebody who was let in.
pub struct PermitWatch {
    principal: Box<Principal>,
    authenticator: Authenticator,
    harm: Harm,
}

/// What somebody was let in by has reached its hard expiry while they were here.
struct HardExpired {
    whose: Subject,
    at: Timestamp,
}

impl Authenticator {
    /// Keeps an eye on who holds `permit`. `harm`: what showing them a refusal would do. `None` where it was given to nobody
    /// in particular: nothing could be proven of them.
    pub fn watch(&self, permit: Permit, harm: Harm) -> Option<PermitWatch> {
        match permit.into_holder() {
            Holder::Known(principal) => Some(PermitWatch { principal, authenticator: self.clone(), harm }),
            Holder::Anyone | Holder::Lapsed | Holder::Undecided(_) => None,
        }
    }

    /// The same while the permit is still of use.
    pub fn watch_beside(&self, permit: &Permit, harm: Harm) -> Option<PermitWatch> {
        match permit.holder() {
            Holder::Known(principal) => {
                Some(PermitWatch { principal: principal.clone(), authenticator: self.clone(), harm })
            }
            Holder::Anyone | Holder::Lapsed | Holder::Undecided(_) => None,
        }
    }
}

impl PermitWatch {
    /// Whether they may stay.
    ///
    /// # Errors
    /// [`Rejected`], if it is proven that they may not. Whatever cannot be told lets them stay; and so does a proof that the
    /// mass-refusal guard holds back.
    pub fn judge(&self, now: Now) -> Result<(), Rejected> {
        #[cfg(candor_mutants)]
        if crate::mutants::is("tunnel-outlives-revocation") {
            return Ok(());
        }
        let Err(stop) = self.stands(now) else { return Ok(()) };
        match self.authenticator.0.log.guard().hold(stop, self.harm, now) {
            Stop::Rejected(rejected) => Err(rejected),
            Stop::Unavailable(_) => Ok(()),
        }
    }

    /// Whether they are a display or another device.
    pub fn is_of_a_device(&self) -> bool {
        self.principal.kind == Kind::Device
    }

    fn stands(&self, now: Now) -> Result<(), Stop> {
        let Principal { subject, until, session, device, .. } = &*self.principal;
        let _set = self.authenticator.0.revocations.judge(&self.principal, now)?;
        #[cfg(candor_mutants)]
        if _set.staleness(now).is_some() && crate::mutants::is("tunnel-closed-by-outage") {
            return Err(Rejected::proven_by(HardExpired { whose: subject.clone(), at: *until }).into());
        }
        let leeway = if session.is_some() || device.is_some() { Duration::ZERO } else { LEEWAY };
        match now.past(*until + leeway) {
            Past::Yes => Err(Rejected::proven_by(HardExpired { whose: subject.clone(), at: *until }).into()),
            Past::No | Past::InDoubt => Ok(()),
        }
    }
}

impl Proof for HardExpired {
    fn reason(&self) -> Reason {
        Reason::Expired
    }
    fn detail(&self) -> Detail {
        Detail::new(format!("over since {}", self.at))
    }
    fn about(&self) -> Option<Subject> {
        Some(self.whose.clone())
    }
}

impl fmt::Debug for PermitWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PermitWatch({})", self.principal.subject)
    }
}
