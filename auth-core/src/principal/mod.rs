//! Who somebody is, once we know.

mod device;
mod membership;
mod person;
pub mod stated;
mod user_name;

use std::{fmt, str::FromStr, sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};

pub use self::{
    device::{BindingId, BindingState, BoundDevice, DeviceId, Generation, NotAnId, Renewal, Thumbprint, TokenId},
    membership::{Groups, Membership, Roles, Silence},
    person::Person,
    user_name::{NoUserName, UserClaim, UserName},
};
use crate::{
    clock::{Now, Steady, Timestamp},
    dependency::Dependency,
};

/// Somebody whose credential held.
#[derive(Clone, Debug)]
pub struct Principal {
    /// A person, a display or a program.
    pub kind: Kind,
    /// Who vouched, and under what name: the identity. Everything else here may change.
    pub subject: Subject,
    /// The customer or directory: Entra's `tid`.
    pub tenant: Option<Arc<str>>,
    /// As whom services are told of them ([`Principal::user`]).
    pub user_name: UserName,
    /// A name to show. Never an identity.
    pub name: Option<Arc<str>>,
    /// What they are called at their issuer. Never an identity: it may change, and become another's.
    pub preferred_username: Option<Arc<str>>,
    /// An address to show. Never an identity: providers let people choose it.
    pub email: Option<Arc<str>>,
    /// Application roles, as far as the issuer states them.
    pub roles: Roles,
    /// Group membership, as far as the issuer states it and it was asked.
    pub groups: Groups,
    /// The session, if the credential was a ticket.
    pub session: Option<SessionId>,
    /// The device, if it is one.
    pub device: Option<Box<BoundDevice>>,
    /// When the sign-in or the token began: what a "sign this user out" is compared with.
    pub begun: Timestamp,
    /// The credential's hard expiry.
    pub until: Timestamp,
    /// Whether every confirmation that is due has arrived.
    pub freshness: Freshness,
}

/// What kind of principal this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A display, or anything else with a device token.
    Device,
    /// A program with an access token of its own.
    Service,
    /// A person.
    User,
}

/// The identity: issuer and subject together (OpenID Connect Core §5.7). A subject alone means nothing.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Subject {
    /// The `iss` that vouched, exactly as configured.
    pub issuer: Arc<str>,
    /// Its `sub`.
    pub id: Arc<str>,
}

/// Names a session: 128 random bits, shown as base64url.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId([u8; 16]);

/// Whether what we know has been confirmed when it was due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// Everything is confirmed on schedule.
    Live,
    /// A confirmation is missing, and the last good answer is served.
    LastKnownGood {
        /// Whose confirmation.
        missing: Dependency,
        /// When the oldest missing confirmation was due.
        since: Steady,
    },
}

impl Principal {
    /// What to call them on a page. Never an identity.
    pub fn display_name(&self) -> &Arc<str> {
        let names = [&self.name, &self.preferred_username, &self.email];
        names.into_iter().find_map(Option::as_ref).unwrap_or(&self.subject.id)
    }
}

impl Kind {
    /// The word that configuration, logs and identity headers use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Device => "device",
            Self::Service => "service",
            Self::User => "user",
        }
    }
}

impl Subject {
    /// An identity from its two parts.
    pub fn new(issuer: impl Into<Arc<str>>, id: impl Into<Arc<str>>) -> Self {
        Self { issuer: issuer.into(), id: id.into() }
    }
}

impl SessionId {
    /// A session id from its bytes. Whoever makes one draws them at random.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl Freshness {
    /// How long the oldest missing confirmation has been missing; `None` while everything is confirmed.
    pub fn staleness(self, now: Now) -> Option<(Dependency, Duration)> {
        match self {
            Self::Live => None,
            Self::LastKnownGood { missing, since } => Some((missing, now.steady().since(since))),
        }
    }

    /// The staler of two: a verdict is as old as the oldest thing it rests on.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Live, other) => other,
            (this, Self::Live) => this,
            (Self::LastKnownGood { since: a, .. }, Self::LastKnownGood { since: b, .. }) => {
                if b < a {
                    other
                } else {
                    self
                }
            }
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.issuer, self.id)
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionId({self})")
    }
}

impl FromStr for SessionId {
    type Err = NotASessionId;
    fn from_str(text: &str) -> Result<Self, NotASessionId> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| NotASessionId)?;
        bytes.try_into().map(Self).map_err(|_| NotASessionId)
    }
}

/// The text is not sixteen bytes of base64url.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a session id")]
pub struct NotASessionId;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_is_as_old_as_the_oldest_thing_it_rests_on() {
        let stale = |missing, at| Freshness::LastKnownGood { missing, since: Steady::from_millis(at) };
        let (keys, store) = (stale(Dependency::Keys, 10), stale(Dependency::Store, 20));
        assert_eq!(keys.and(store), keys);
        assert_eq!(store.and(keys), keys);
        assert_eq!(Freshness::Live.and(store), store);
        assert_eq!(store.and(Freshness::Live), store);
    }

    #[test]
    fn a_session_id_reads_back() {
        let id = SessionId::from_bytes([7; 16]);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!("short".parse::<SessionId>(), Err(NotASessionId));
    }
}
