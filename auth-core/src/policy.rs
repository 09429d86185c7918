//! What a route asks for, and the permit it gives.
//!
//! A [`Permit`] is the right to forward one request. It is made here, from a verdict, and from nothing else; it
//! names the requirement that it met, so that it cannot open another route.

use std::{fmt, sync::Arc, time::Duration};

use crate::{
    clock::Now,
    principal::{Kind, Membership, Principal, Silence, Subject},
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
    /// Somebody known, of whom this is true.
    Known {
        /// What must be true of them.
        is: Attribute,
        /// The issuer that must vouch for it; `None`: any. Two issuers may use one name for two things.
        from: Option<Arc<str>>,
    },
}

/// What may be asked of a principal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attribute {
    /// Of this kind.
    Kind(Kind),
    /// A person in this group.
    Group(Arc<str>),
    /// Having this application role.
    Role(Arc<str>),
    /// Of this tenant.
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

/// Whether the principal meets the route's `allow`.
enum Fit {
    Allowed,
    NotAllowed,
    NotStated(Claim, Silence),
}

/// What an `allow` asks an issuer to state.
#[derive(Clone, Copy)]
enum Claim {
    Groups,
    Roles,
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

    /// Whether anybody may pass: what shows a bad, stale or undecidable credential is then forwarded without identity, the
    /// latter two as undecided.
    pub fn is_open(&self) -> bool {
        self.allow.contains(&Allow::Anyone)
    }

    /// Whether a principal of `kind` could be allowed at all: which credentials are worth looking for.
    pub fn may_allow(&self, kind: Kind) -> bool {
        self.allow.iter().any(|allow| match allow {
            Allow::Anyone => true,
            Allow::Known { is, from: _ } => is.may_be(kind),
        })
    }

    /// Whether only devices could be allowed.
    pub fn is_for_devices_only(&self) -> bool {
        !self.may_allow(Kind::User) && !self.may_allow(Kind::Service) && self.may_allow(Kind::Device)
    }

    /// Whether nobody but people could be allowed.
    pub fn is_for_people_only(&self) -> bool {
        self.may_allow(Kind::User) && !self.may_allow(Kind::Service) && !self.may_allow(Kind::Device)
    }

    fn fits(&self, principal: &Principal) -> Fit {
        let mut fit = Fit::NotAllowed;
        for allow in &self.allow {
            let Allow::Known { is, from } = allow else { return Fit::Allowed };
            // What another issuer states, or leaves out, is not asked about.
            if !vouched_by(from.as_deref(), &principal.subject) || !is.may_be(principal.kind) {
                continue;
            }
            let allowed = match is {
                Attribute::Kind(_) => true,
                Attribute::Tenant(tenant) => principal.tenant.as_ref() == Some(tenant),
                Attribute::Role(role) => fit.is_member(Claim::Roles, principal.roles.membership(role)),
                Attribute::Group(group) => fit.is_member(Claim::Groups, principal.groups.membership(group)),
            };
            if allowed {
                return Fit::Allowed;
            }
        }
        fit
    }
}

fn vouched_by(issuer: Option<&str>, who: &Subject) -> bool {
    #[cfg(candor_mutants)]
    if crate::mutants::is("any-issuers-word") {
        return true;
    }
    issuer.is_none_or(|issuer| *issuer == *who.issuer)
}

impl Allow {
    /// Any principal of this kind.
    pub const fn kind(kind: Kind) -> Self {
        Self::known(Attribute::Kind(kind))
    }

    /// A person in this group.
    pub fn group(name: impl Into<Arc<str>>) -> Self {
        Self::known(Attribute::Group(name.into()))
    }

    /// Somebody with this application role.
    pub fn role(name: impl Into<Arc<str>>) -> Self {
        Self::known(Attribute::Role(name.into()))
    }

    /// Somebody of this tenant.
    pub fn tenant(id: impl Into<Arc<str>>) -> Self {
        Self::known(Attribute::Tenant(id.into()))
    }

    /// Somebody known, of whom this is true, whoever vouches for it.
    pub const fn known(is: Attribute) -> Self {
        Self::Known { is, from: None }
    }
}

impl Attribute {
    /// Whether it could be true of a principal of `kind`.
    pub fn may_be(&self, kind: Kind) -> bool {
        match self {
            Self::Kind(asked) => *asked == kind,
            Self::Group(_) => kind == Kind::User,
            Self::Role(_) | Self::Tenant(_) => kind != Kind::Device,
        }
    }
}

impl fmt::Display for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kind(kind) => kind.fmt(f),
            Self::Group(group) => write!(f, "group:{group}"),
            Self::Role(role) => write!(f, "role:{role}"),
            Self::Tenant(tenant) => write!(f, "tenant:{tenant}"),
        }
    }
}

impl Fit {
    /// Whether it says yes. That it says neither is kept.
    fn is_member(&mut self, claim: Claim, membership: Membership) -> bool {
        match membership {
            Membership::Member => true,
            Membership::NotMember => false,
            Membership::NotStated(silence) => {
                *self = Self::NotStated(claim, silence);
                false
            }
        }
    }
}

impl Claim {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Groups => "groups",
            Self::Roles => "roles",
        }
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
/// did not say whether the principal is in a group, or has a role, that would allow them. Where anyone may pass, nobody is
/// stopped.
pub fn permit(verdict: Verdict, requirement: &Requirement, now: Now) -> Result<Permit, Stop> {
    let requirement_id = requirement.id;
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
        Fit::NotAllowed => Err(Rejected::proven_by(NotPermitted { who: principal.subject }).into()),
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
    let section = if who.session.is_some() { "[[identity]]" } else { "[[bearer]]" };
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
    use super::*;
    use crate::{
        clock::Timestamp,
        dependency::Dependency,
        principal::{Freshness, Groups, Roles},
        verdict::Uncertainty,
    };

    const NOON: Timestamp = Timestamp::from_secs(43_200);

    fn ada() -> Principal {
        Principal {
            kind: Kind::User,
            subject: Subject::new("https://idp.example", "ada"),
            tenant: Some("acme".into()),
            name: None,
            email: None,
            roles: Roles::known(["editor".to_owned()]),
            groups: Groups::known(["staff".to_owned()]),
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
            Ok(Permit { holder: Holder::Lapsed, .. }) => "lapsed",
            Ok(Permit { holder: Holder::Undecided(_), .. }) => "undecided",
            Ok(Permit { .. }) => "a permit for another route",
            Err(Stop::Rejected(rejected)) => rejected.reason().as_str(),
            Err(Stop::Unavailable(unavailable)) => unavailable.dependency.as_str(),
        }
    }

    #[test]
    fn any_one_alternative_suffices() {
        let check =
            |allow: &[Allow], expected| assert_eq!(asked(allow, MaxStale::DEFAULT, ada()), expected, "{allow:?}");
        check(&[Allow::kind(Kind::User)], "known");
        check(&[Allow::kind(Kind::Device)], "not-permitted");
        check(&[Allow::kind(Kind::Device), Allow::group("staff")], "known");
        check(&[Allow::group("board")], "not-permitted");
        check(&[Allow::role("editor")], "known");
        check(&[Allow::tenant("acme")], "known");
        check(&[Allow::tenant("other")], "not-permitted");
        check(&[Allow::Anyone], "known");
        check(&[], "not-permitted");
    }

    #[test]
    fn one_issuers_word_is_not_anothers() {
        let from = |is: Attribute, issuer: &str| Allow::Known { is, from: Some(issuer.into()) };
        let check = |is: Attribute, who: &Principal, expected, from_another| {
            let of = |issuer: &str| asked(&[from(is.clone(), issuer)], MaxStale::DEFAULT, who.clone());
            assert_eq!((of("https://idp.example"), of("https://other.example")), (expected, from_another), "{is:?}");
        };
        let ada = ada();
        check(Attribute::Kind(Kind::User), &ada, "known", "not-permitted");
        check(Attribute::Group("staff".into()), &ada, "known", "not-permitted");
        check(Attribute::Role("editor".into()), &ada, "known", "not-permitted");
        check(Attribute::Tenant("acme".into()), &ada, "known", "not-permitted");
        check(Attribute::Group("board".into()), &ada, "not-permitted", "not-permitted");
        let silent = Principal { groups: Groups::NotStated(Silence::Absent), ..ada };
        check(Attribute::Group("staff".into()), &silent, "claims", "not-permitted");
    }

    #[test]
    fn what_nobody_stated_refuses_nobody() {
        let (staff, editor) = (Allow::group("staff"), Allow::role("editor"));
        let check = |allow: &[Allow], who: &Principal, expected| {
            assert_eq!(asked(allow, MaxStale::DEFAULT, who.clone()), expected, "{allow:?} {who:?}");
        };
        for silence in [Silence::Absent, Silence::NotAsked, Silence::StatedBefore, Silence::Unlisted] {
            let groupless = Principal { groups: Groups::NotStated(silence), ..ada() };
            check(std::slice::from_ref(&staff), &groupless, "claims");
            check(&[staff.clone(), editor.clone()], &groupless, "known");
            check(&[staff.clone(), Allow::tenant("other")], &groupless, "claims");
            let roleless = Principal { roles: Roles::NotStated(silence), ..ada() };
            check(std::slice::from_ref(&editor), &roleless, "claims");
            check(&[editor.clone(), staff.clone()], &roleless, "known");
            // A program is in no group, whatever its token states.
            let program = Principal { kind: Kind::Service, session: None, ..groupless };
            check(std::slice::from_ref(&staff), &program, "not-permitted");
        }
        let none = Principal { groups: Groups::known([]), roles: Roles::known([]), ..ada() };
        check(&[staff, editor], &none, "not-permitted");
    }

    #[test]
    fn what_was_not_stated_is_no_outage_and_names_the_line_to_add() {
        let said = |who: Principal| {
            let allow = vec![Allow::group("staff"), Allow::role("admin")];
            let requirement = Requirement::new(RequirementId(3), allow, MaxStale::DEFAULT);
            match permit(Verdict::Authenticated(who), &requirement, Now::at(NOON)) {
                Err(Stop::Unavailable(unavailable)) => (unavailable.uncertainty(), unavailable.to_string()),
                other => panic!("{other:?}"),
            }
        };
        let absent = Groups::NotStated(Silence::Absent);
        let session = Some(crate::principal::SessionId::from_bytes([7; 16]));
        let (uncertainty, text) = said(Principal { groups: absent.clone(), session, ..ada() });
        assert_eq!(uncertainty, Uncertainty::NotStated(Silence::Absent));
        assert!(text.contains("https://idp.example ") && text.contains("its [[identity]]"), "{text}");
        assert!(text.contains("groups_when_absent = \"none\""), "{text}");
        let (_, text) = said(Principal { groups: absent, ..ada() });
        assert!(text.contains("its [[bearer]]"), "{text}");
        let roles = Roles::NotStated(Silence::Absent);
        let (_, text) = said(Principal { roles, groups: Groups::known([]), ..ada() });
        assert!(text.contains("roles_when_absent = \"none\""), "{text}");
        let (uncertainty, text) = said(Principal { groups: Groups::NotStated(Silence::Unlisted), ..ada() });
        assert_eq!(uncertainty, Uncertainty::NotStated(Silence::Unlisted));
        assert!(!text.contains("when_absent"), "that line would not help: {text}");
    }

    #[test]
    fn a_route_is_for_people_only_if_nobody_else_may_use_it() {
        let check = |allow: &[Allow], expected| {
            let requirement = Requirement::new(RequirementId(0), allow.to_vec(), MaxStale::DEFAULT);
            assert_eq!(requirement.is_for_people_only(), expected, "{allow:?}");
        };
        check(&[Allow::kind(Kind::User)], true);
        check(&[Allow::kind(Kind::User), Allow::group("staff")], true);
        check(&[Allow::kind(Kind::User), Allow::kind(Kind::Service)], false);
        check(&[Allow::kind(Kind::User), Allow::kind(Kind::Device)], false);
        check(&[Allow::role("editor")], false);
        check(&[Allow::tenant("acme")], false);
        check(&[Allow::Anyone], false);
    }

    #[test]
    fn staleness_is_judged_by_the_route() {
        let since = |hours: u64| Freshness::LastKnownGood {
            missing: Dependency::Keys,
            since: Now::at(NOON).steady() - Duration::from_secs(hours * 3600),
        };
        let check = |max_stale, hours, expected| {
            let ada = Principal { freshness: since(hours), ..ada() };
            assert_eq!(asked(&[Allow::kind(Kind::User)], max_stale, ada), expected, "{hours} h");
        };
        check(MaxStale::DEFAULT, 11, "known");
        check(MaxStale::DEFAULT, 13, "keys");
        check(MaxStale::all(Duration::ZERO), 0, "keys");
    }

    #[test]
    fn an_open_route_tells_nobody_from_somebody_it_cannot_decide_about() {
        let open = Requirement::new(RequirementId(0), vec![Allow::Anyone], MaxStale::DEFAULT);
        let holder = |verdict| match permit(verdict, &open, Now::at(NOON)).expect("anyone may pass").holder() {
            Holder::Anyone => "anyone",
            Holder::Lapsed => "lapsed",
            Holder::Undecided(unavailable) => unavailable.dependency.as_str(),
            Holder::Known(_) => "known",
        };
        let proven = Rejected::proven_by(NotPermitted { who: Subject::new("https://idp.example", "ada") });
        assert_eq!(holder(Verdict::Rejected(proven)), "anyone");
        for dependency in Dependency::ALL {
            let down = Unavailable::because(dependency, "planned");
            assert_eq!(holder(Verdict::Unavailable(down)), dependency.as_str());
        }
        let stale = Freshness::LastKnownGood {
            missing: Dependency::Store,
            since: Now::at(NOON).steady() - Duration::from_secs(13 * 3600),
        };
        assert_eq!(holder(Verdict::Authenticated(Principal { freshness: stale, ..ada() })), "store");
        assert_eq!(holder(Verdict::Authenticated(ada())), "known");
    }
}
