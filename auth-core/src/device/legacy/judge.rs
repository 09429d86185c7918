//! Who shows a token that is known.

use std::sync::Arc;

use super::{
    LegacyTokens,
    row::{AdoptedDevice, KnownToken},
};
use crate::{
    clock::{Now, Past, Timestamp},
    dependency::Dependency,
    principal::{
        BindingState, BoundDevice, Freshness, Groups, Kind, Principal, Renewal, Roles, Silence, Subject, UserName,
    },
    verdict::{Detail, Proof, Reason, Rejected, Stop, Unavailable},
};

/// A row refuses the token, and has stood for long enough that a mistake could have been taken back.
struct TokenRefused {
    at: Timestamp,
    who: Arc<str>,
    why: Arc<str>,
    whose: Option<Subject>,
}

/// How long a token of before that is known is said to be good, each time that it is judged: it has no end of its own.
const GOOD_FOR: std::time::Duration = std::time::Duration::from_secs(14 * 24 * 3600);

impl LegacyTokens {
    /// Who shows a token of which this is known; `issuer` is that of our devices.
    ///
    /// # Errors
    /// [`Stop::Rejected`] if it was refused, or its binding revoked, for longer than the policy's `settle`. Until then,
    /// while it is suspended, and while nobody can tell, [`Stop::Unavailable`].
    pub(super) fn judge(&self, known: &KnownToken, issuer: &Arc<str>, now: Now) -> Result<Principal, Stop> {
        let whose = known.device.as_ref().map(|it| Subject::new(issuer.clone(), it.device.to_string()));
        if let Some(row) = &known.refused {
            return Err(self.refused(row.at, &row.who, &row.why, whose, now));
        }
        let (Some(it), Some(subject)) = (&known.device, whose) else {
            return Err(Unavailable::because(Dependency::Store, "a token is on record that is nobody's").into());
        };
        let freshness = self.standing(it, &subject, now)?;
        Ok(principal(it, subject, freshness, now))
    }

    /// How fresh it is that the device's binding stands.
    fn standing(&self, it: &AdoptedDevice, whose: &Subject, now: Now) -> Result<Freshness, Stop> {
        let (row, freshness) = self.0.registry.revocations().of_binding(it.binding, it.generation, now)?;
        let Some(row) = row else { return Ok(freshness) };
        let spared = |cause| Err(Unavailable::because(Dependency::OwnJudgement, cause).unsettled().into());
        match row.standing().map(|standing| standing.state) {
            Some(BindingState::Revoked) => {
                Err(self.refused(row.at, &row.who.as_str().into(), &row.why.as_str().into(), Some(whose.clone()), now))
            }
            Some(BindingState::Suspended) | None => {
                spared("the device is suspended, of which one of before is not told")
            }
            // Whoever brought the binding back may not know that this token was meant too.
            Some(BindingState::Active) => spared(
                "the binding was revoked and has begun anew: this token of before is good again once it is approved",
            ),
        }
    }

    /// The refusal of what a row of this time ends; Unavailable until it has settled.
    fn refused(&self, at: Timestamp, who: &Arc<str>, why: &Arc<str>, whose: Option<Subject>, now: Now) -> Stop {
        let settles = at + self.0.policy.settle;
        let settled = match now.past(settles) {
            Past::Yes => true,
            Past::No | Past::InDoubt => false,
        };
        #[cfg(candor_mutants)]
        let settled = settled || crate::mutants::is("legacy-401-at-once");
        if settled {
            return Rejected::proven_by(TokenRefused { at, who: who.clone(), why: why.clone(), whose }).into();
        }
        let cause = "it was refused a short while ago, and that can still be taken back";
        Unavailable::because(Dependency::OwnJudgement, cause).unsettled().into()
    }
}

fn principal(it: &AdoptedDevice, subject: Subject, freshness: Freshness, now: Now) -> Principal {
    let user_name = if it.known_as.is_empty() {
        UserName::Subject
    } else {
        UserName::Claimed { claim: "known_as".into(), value: it.known_as.clone() }
    };
    Principal {
        kind: Kind::Device,
        subject,
        tenant: Some(it.tenant.clone()),
        user_name,
        name: Some(it.room.clone()),
        preferred_username: None,
        email: None,
        roles: Roles::known([]),
        groups: Groups::NotStated(Silence::Absent),
        session: None,
        device: Some(Box::new(BoundDevice {
            id: it.device,
            binding: it.binding,
            generation: it.generation,
            room: it.room.clone(),
            key: None,
            renewal: Renewal::NotDue,
        })),
        begun: it.adopted,
        until: now.earlier() + GOOD_FOR,
        freshness,
    }
}

#[cfg(candor_mutants)]
pub(super) fn planted() -> Stop {
    let (who, why) = (Arc::from("planted"), Arc::from(""));
    Rejected::proven_by(TokenRefused { at: Timestamp::default(), who, why, whose: None }).into()
}

impl Proof for TokenRefused {
    fn reason(&self) -> Reason {
        Reason::Revoked
    }
    fn detail(&self) -> Detail {
        let who = if self.ordered() { &self.who } else { "nobody on record" };
        Detail::new(format!("this token of before was refused by {who} at {}: {}", self.at, self.why))
    }
    fn about(&self) -> Option<Subject> {
        self.whose.clone()
    }
    fn ordered(&self) -> bool {
        !self.who.is_empty()
    }
}
