//! What a route asks for, and the permit it gives.
//!
//! A [`Permit`] is the right to forward one request. It is made here, from a verdict, and from nothing else; it
//! names the requirement that it met, so that it cannot open another route.

mod requirement;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

pub use self::requirement::{Allow, Attribute, MaxStale, Requirement, RequirementId};
use self::requirement::{Claim, Fit};
use crate::{
    clock::Now,
    principal::{Principal, Silence, Subject},
    verdict::{Detail, Proof, Reason, Rejected, Stop, Unavailable, Verdict},
};

/// The right to forward one request. Not `Clone`: one request, one permit.
#[derive(Debug)]
#[must_use]
pub struct Permit {
    holder: Holder,
    requirement: RequirementId,
}

/// How soon it is worth asking again for what was not stated. Somebody must do something in between.
const FIVE_MINUTES: Duration = Duration::from_secs(300);

/// Whom a permit was given to.
#[derive(Debug)]
pub enum Holder {
    /// A route open to anyone, and nobody who showed a good credential.
    Anyone,
    /// A route open to anyone, and somebody whom we cannot tell, for this reason: they may be known. The request goes on
    /// without identity, but a refusal of it proves nothing about them.
    Undecided(Unavailable),
    /// A route open to anyone, and a credential that is over, and was good until then: whoever showed it is known again
    /// once they renew it.
    Lapsed,
    /// Somebody we know, and vouch for.
    Known(Box<Principal>),
}

/// We know who this is, and no `allow` of the route names them.
struct NotPermitted {
    name: Arc<str>,
    who: Subject,
}

impl Permit {
    /// Whom it was given to.
    pub fn holder(&self) -> &Holder {
        &self.holder
    }

    /// Whom it was given to, for what outlasts the request.
    pub(crate) fn into_holder(self) -> Holder {
        self.holder
    }

    /// Which requirement was met. Forwarding compares it with the route's.
    pub fn requirement(&self) -> RequirementId {
        self.requirement
    }
}

/// Gives a permit for `requirement`, or stops.
///
/// # Errors
/// [`Stop::Rejected`] with what the verdict proved, or because the principal is known and not allowed.
/// [`Stop::Unavailable`] if the verdict is, if what we know is staler than the requirement takes, or if the issuer
/// did not say whether the principal is in a group, or has a role, that would allow them. Where anyone may pass, nobody is
/// stopped.
pub fn permit(verdict: Verdict, requirement: &Requirement, now: Now) -> Result<Permit, Stop> {
    let requirement_id = requirement.id();
    let given = |holder| Ok(Permit { holder, requirement: requirement_id });
    let principal = match verdict.proceed() {
        Ok(principal) => principal,
        Err(stop) => return if requirement.is_open() { given(holder_of(stop)) } else { Err(stop) },
    };
    if let Some(stale) = too_stale(&principal, requirement, now) {
        return if requirement.is_open() { given(holder_of(stale.into())) } else { Err(stale.into()) };
    }
    match requirement.fits(&principal) {
        Fit::Allowed => given(Holder::Known(Box::new(principal))),
        Fit::NotAllowed => {
            Err(Rejected::proven_by(NotPermitted { name: principal.display_name().clone(), who: principal.subject })
                .into())
        }
        #[cfg(candor_mutants)]
        Fit::NotStated(_, Silence::NotAsked) if crate::mutants::is("not-asked-is-not-permitted") => {
            Err(Rejected::proven_by(NotPermitted { name: principal.display_name().clone(), who: principal.subject })
                .into())
        }
        Fit::NotStated(claim, silence) => Err(not_stated(&principal, claim, silence).into()),
    }
}

/// The issuer was silent about what the route asks for. Says what would help, and whom.
fn not_stated(who: &Principal, claim: Claim, silence: Silence) -> Unavailable {
    #[cfg(candor_mutants)]
    if crate::mutants::is("silence-is-an-outage") {
        return Unavailable::because(crate::Dependency::TokenEndpoint, "planted");
    }
    let (subject, issuer, claim) = (&who.subject, &who.subject.issuer, claim.as_str());
    let section = if who.session.is_some() {
        "[[identity]]"
    } else {
        "[[bearer]] (or `.absence(…)` where `Bearer` took the token)"
    };
    let (cause, wait) = match silence {
        Silence::Absent => (
            format!(
                "{issuer} does not state the {claim} of {subject}; if it leaves out the claim of who has none, add \
                 {claim}_when_absent = \"none\" to its {section}, else have it state them"
            ),
            FIVE_MINUTES,
        ),
        Silence::Unlisted => (
            format!("{issuer} says that {subject} has {claim}, and lists none; have it list those that matter here"),
            FIVE_MINUTES,
        ),
        Silence::NotAsked => (
            format!(
                "the ticket of {subject} does not hold these {claim}, since it is older than the rule; signing in again settles it"
            ),
            FIVE_MINUTES,
        ),
        Silence::StatedBefore => (
            format!(
                "{issuer} stated {claim} of {subject} before and does not now, or what it stated cannot be looked up; a \
                 second sign-in, ten minutes after the first silent one, settles it"
            ),
            2 * FIVE_MINUTES,
        ),
    };
    Unavailable::not_stated(silence, cause).retry_after(wait)
}

/// Who goes on where anyone may, with a credential that this was said of.
fn holder_of(stop: Stop) -> Holder {
    match stop {
        Stop::Rejected(rejected) if rejected.reason() == Reason::Expired => Holder::Lapsed,
        Stop::Rejected(_) => Holder::Anyone,
        #[cfg(candor_mutants)]
        Stop::Unavailable(_) if crate::mutants::is("undecided-is-anyone") => Holder::Anyone,
        Stop::Unavailable(unavailable) => Holder::Undecided(unavailable),
    }
}

fn too_stale(principal: &Principal, requirement: &Requirement, now: Now) -> Option<Unavailable> {
    let (missing, age) = principal.freshness.staleness(now)?;
    let limit = requirement.max_stale().of(principal.kind);
    (limit.is_zero() || age > limit).then(|| {
        let cause = format!("a confirmation has been missing for {age:?}; this route takes {limit:?}");
        Unavailable::because(missing, cause)
    })
}

impl Proof for NotPermitted {
    fn reason(&self) -> Reason {
        Reason::NotPermitted
    }
    fn detail(&self) -> Detail {
        Detail::new("known, and no `allow` of the route names them")
    }
    fn about(&self) -> Option<Subject> {
        Some(self.who.clone())
    }
    fn display_name(&self) -> Option<Arc<str>> {
        Some(self.name.clone())
    }
}
