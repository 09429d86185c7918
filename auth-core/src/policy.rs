//! What a route asks for, and the permit it gives.
//!
//! A [`Permit`] is the right to forward one request. It is made here, from a verdict, and from nothing else; it
//! names the requirement that it met, so that it cannot open another route.

use std::{sync::Arc, time::Duration};

use crate::{
    clock::Now,
    dependency::Dependency,
    principal::{Kind, Membership, Principal, Subject},
    verdict::{Detail, Proof, Reason, Rejected, Stop, Unavailable, Verdict},
};

/// Who may pass, and on how old a knowledge.
#[derive(Clone, Debug)]
pub struct Requirement {
    id: RequirementId,
    allow: Vec<Allow>,
    max_stale: MaxStale,
}

/// Names a requirement within one configuration: the index of its route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RequirementId(pub u32);

/// One way to be allowed; any one suffices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Allow {
    /// Anybody, known or not. Nothing is asked and nothing is waited for.
    Anyone,
    /// Any principal of this kind.
    Kind(Kind),
    /// A person in this group.
    Group(Arc<str>),
    /// Somebody with this application role.
    Role(Arc<str>),
    /// Somebody of this tenant.
    Tenant(Arc<str>),
}

/// How long the oldest missing confirmation may have been missing, by kind of principal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaxStale {
    /// For devices.
    pub device: Duration,
    /// For people and services.
    pub others: Duration,
}

/// The right to forward one request. Not `Clone`: one request, one permit.
#[derive(Debug)]
#[must_use]
pub struct Permit {
    holder: Holder,
    requirement: RequirementId,
}

/// Whom a permit was given to.
#[derive(Debug)]
pub enum Holder {
    /// A route open to anyone, and nobody we can vouch for.
    Anyone,
    /// Somebody we know, and vouch for.
    Known(Box<Principal>),
}

/// Whether the principal meets the route's `allow`.
enum Fit {
    Allowed,
    NotAllowed,
    NotAsked,
}

/// We know who this is, and no `allow` of the route names them.
struct NotPermitted {
    who: Subject,
}

impl Requirement {
    /// A requirement that any one of `allow` meets.
    pub fn new(id: RequirementId, allow: Vec<Allow>, max_stale: MaxStale) -> Self {
        Self { id, allow, max_stale }
    }

    /// Its name.
    pub fn id(&self) -> RequirementId {
        self.id
    }

    /// The ways to be allowed; any one suffices.
    pub fn allow(&self) -> &[Allow] {
        &self.allow
    }

    /// How old a knowledge it takes.
    pub fn max_stale(&self) -> MaxStale {
        self.max_stale
    }

    /// Whether anybody may pass: a bad, stale or undecidable credential is then forwarded without identity.
    pub fn is_open(&self) -> bool {
        self.allow.contains(&Allow::Anyone)
    }

    /// Whether a principal of `kind` could be allowed at all: which credentials are worth looking for.
    pub fn may_allow(&self, kind: Kind) -> bool {
        self.allow.iter().any(|allow| match allow {
            Allow::Anyone => true,
            Allow::Kind(allowed) => *allowed == kind,
            Allow::Group(_) => kind == Kind::User,
            Allow::Role(_) | Allow::Tenant(_) => kind != Kind::Device,
        })
    }

    /// Whether only devices could be allowed.
    pub fn is_for_devices_only(&self) -> bool {
        !self.may_allow(Kind::User) && !self.may_allow(Kind::Service) && self.may_allow(Kind::Device)
    }

    fn fits(&self, principal: &Principal) -> Fit {
        let mut fit = Fit::NotAllowed;
        for allow in &self.allow {
            let allowed = match allow {
                Allow::Anyone => true,
                Allow::Kind(kind) => principal.kind == *kind,
                Allow::Role(role) => principal.roles.iter().any(|has| **has == **role),
                Allow::Tenant(tenant) => principal.tenant.as_ref() == Some(tenant),
                Allow::Group(_) if principal.kind != Kind::User => false,
                Allow::Group(group) => match principal.groups.membership(group) {
                    Membership::Member => true,
                    Membership::NotMember => false,
                    Membership::NotAsked => {
                        fit = Fit::NotAsked;
                        false
                    }
                },
            };
            if allowed {
                return Fit::Allowed;
            }
        }
        fit
    }
}

impl MaxStale {
    /// 72 hours for devices, 12 hours for people and services.
    pub const DEFAULT: Self = Self { device: Duration::from_secs(72 * 3600), others: Duration::from_secs(12 * 3600) };

    /// The same for every kind.
    pub const fn all(limit: Duration) -> Self {
        Self { device: limit, others: limit }
    }

    fn of(self, kind: Kind) -> Duration {
        match kind {
            Kind::Device => self.device,
            Kind::Service | Kind::User => self.others,
        }
    }
}

impl Permit {
    /// Whom it was given to.
    pub fn holder(&self) -> &Holder {
        &self.holder
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
/// did not say whether the principal is in a group that would allow them.
pub fn permit(verdict: Verdict, requirement: &Requirement, now: Now) -> Result<Permit, Stop> {
    let requirement_id = requirement.id;
    let given = |holder| Ok(Permit { holder, requirement: requirement_id });
    let principal = match verdict.proceed() {
        Ok(principal) => principal,
        Err(_) if requirement.is_open() => return given(Holder::Anyone),
        Err(stop) => return Err(stop),
    };
    if let Some(stale) = too_stale(&principal, requirement, now) {
        return if requirement.is_open() { given(Holder::Anyone) } else { Err(stale.into()) };
    }
    match requirement.fits(&principal) {
        Fit::Allowed => given(Holder::Known(Box::new(principal))),
        Fit::NotAllowed => Err(Rejected::proven_by(NotPermitted { who: principal.subject }).into()),
        Fit::NotAsked => Err(Unavailable::because(
            Dependency::TokenEndpoint,
            "the issuer did not state this person's groups; signing in again asks it once more",
        )
        .into()),
    }
}

fn too_stale(principal: &Principal, requirement: &Requirement, now: Now) -> Option<Unavailable> {
    let (missing, age) = principal.freshness.staleness(now)?;
    let limit = requirement.max_stale.of(principal.kind);
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
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::{
        clock::Timestamp,
        principal::{Freshness, Groups},
    };

    const NOON: Timestamp = Timestamp::from_secs(43_200);

    fn ada() -> Principal {
        Principal {
            kind: Kind::User,
            subject: Subject::new("https://idp.example", "ada"),
            tenant: Some("acme".into()),
            name: None,
            email: None,
            roles: Arc::from(["editor".to_owned()]),
            groups: Groups::Known(Arc::new(BTreeSet::from(["staff".to_owned()]))),
            session: None,
            begun: Timestamp::default(),
            until: NOON + Duration::from_secs(3600),
            freshness: Freshness::Live,
        }
    }

    fn asked(allow: &[Allow], max_stale: MaxStale, who: Principal) -> &'static str {
        let requirement = Requirement::new(RequirementId(3), allow.to_vec(), max_stale);
        match permit(Verdict::Authenticated(who), &requirement, Now::at(NOON)) {
            Ok(Permit { holder: Holder::Known(_), requirement: RequirementId(3) }) => "known",
            Ok(Permit { holder: Holder::Anyone, .. }) => "anyone",
            Ok(Permit { .. }) => "a permit for another route",
            Err(Stop::Rejected(rejected)) => rejected.reason().as_str(),
            Err(Stop::Unavailable(unavailable)) => unavailable.dependency.as_str(),
        }
    }

    #[test]
    fn any_one_alternative_suffices() {
        let check =
            |allow: &[Allow], expected| assert_eq!(asked(allow, MaxStale::DEFAULT, ada()), expected, "{allow:?}");
        check(&[Allow::Kind(Kind::User)], "known");
        check(&[Allow::Kind(Kind::Device)], "not-permitted");
        check(&[Allow::Kind(Kind::Device), Allow::Group("staff".into())], "known");
        check(&[Allow::Group("board".into())], "not-permitted");
        check(&[Allow::Role("editor".into())], "known");
        check(&[Allow::Tenant("acme".into())], "known");
        check(&[Allow::Tenant("other".into())], "not-permitted");
        check(&[Allow::Anyone], "known");
        check(&[], "not-permitted");
    }

    #[test]
    fn groups_that_nobody_stated_refuse_nobody() {
        let ada = Principal { groups: Groups::NotAsked, ..ada() };
        assert_eq!(asked(&[Allow::Group("staff".into())], MaxStale::DEFAULT, ada.clone()), "token-endpoint");
        let either = [Allow::Group("staff".into()), Allow::Role("editor".into())];
        assert_eq!(asked(&either, MaxStale::DEFAULT, ada), "known");
    }

    #[test]
    fn staleness_is_judged_by_the_route() {
        let since = |hours: u64| Freshness::LastKnownGood {
            missing: Dependency::Keys,
            since: Now::at(NOON).steady() - Duration::from_secs(hours * 3600),
        };
        let check = |max_stale, hours, expected| {
            let ada = Principal { freshness: since(hours), ..ada() };
            assert_eq!(asked(&[Allow::Kind(Kind::User)], max_stale, ada), expected, "{hours} h");
        };
        check(MaxStale::DEFAULT, 11, "known");
        check(MaxStale::DEFAULT, 13, "keys");
        check(MaxStale::all(Duration::ZERO), 0, "keys");
    }

    #[test]
    fn an_open_route_vouches_for_nobody_it_cannot_decide_about() {
        let open = Requirement::new(RequirementId(0), vec![Allow::Anyone], MaxStale::DEFAULT);
        let down = Verdict::Unavailable(Unavailable::because(Dependency::Keys, "planned"));
        let permit = permit(down, &open, Now::at(NOON)).expect("anyone may pass");
        assert!(matches!(permit.holder(), Holder::Anyone));
    }
}
