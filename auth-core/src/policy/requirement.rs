//! What a route asks for: any one of its ways to be allowed, on knowledge that is not too old.

use std::{fmt, sync::Arc, time::Duration};

use crate::principal::{Kind, Membership, Principal, Silence, Subject};

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

/// Whether the principal meets the route's `allow`.
pub(super) enum Fit {
    Allowed,
    NotAllowed,
    NotStated(Claim, Silence),
}

/// What an `allow` asks an issuer to state.
#[derive(Clone, Copy)]
pub(super) enum Claim {
    Groups,
    Roles,
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

    /// Whether it names devices. That a tenant may have some is not to name them.
    pub fn names_devices(&self) -> bool {
        let devices = Attribute::Kind(Kind::Device);
        self.allow.iter().any(|allow| matches!(allow, Allow::Known { is, from: _ } if *is == devices))
    }

    /// Whether only devices could be allowed.
    pub fn is_for_devices_only(&self) -> bool {
        !self.may_allow(Kind::User) && !self.may_allow(Kind::Service) && self.may_allow(Kind::Device)
    }

    /// Whether nobody but people could be allowed.
    pub fn is_for_people_only(&self) -> bool {
        self.may_allow(Kind::User) && !self.may_allow(Kind::Service) && !self.may_allow(Kind::Device)
    }

    pub(super) fn fits(&self, principal: &Principal) -> Fit {
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
            Self::Role(_) => kind != Kind::Device,
            Self::Tenant(_) => true,
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
    pub(super) const fn as_str(self) -> &'static str {
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

    pub(crate) fn of(self, kind: Kind) -> Duration {
        match kind {
            Kind::Device => self.device,
            Kind::Service | Kind::User => self.others,
        }
    }
}
