//! Devices of before: those that hold an opaque token of the service behind us, and know nothing of this gateway.
//!
//! The first time such a token is seen, that service is asked whose it is ([`Adoption`]); its hash is written down with a
//! device and a binding, and from then on the gateway is the authority: the service's word about it is not heard any more.
//! Who is known is served from memory, whatever is down.
//!
//! An unmodified device erases itself on a 401. So a denial of the service's writes no row that refuses anybody: it may
//! come from a shard that is dead. Denials that are beyond doubt, three of them, put the token on a list, and an
//! administrator writes the row, or an import of the service's own list does. Only a row refuses, and only once it has
//! stood for [`LegacyPolicy::settle`], so that a mistake can be taken back in time.
//!
//! Kept are hashes, never tokens; but for a few in memory, which show that the service knows whom it should
//! (`canary`).

mod adoption;
mod approval;
mod canary;
mod denial;
mod feed;
mod judge;
mod pin;
mod row;
mod sql;
mod table;

#[cfg(test)]
mod tests;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

pub use self::{
    adoption::{Adoption, AdoptionPolicy, LegacyAnswer, LegacyAsked, LegacyAuthority, LegacyDescription},
    approval::{ApprovalKind, LegacyApproval, LegacyChange, NotAHash, Placement, TokenHash},
    pin::LegacyPinToken,
};
use self::{canary::Canaries, row::KnownToken, table::KnownTokens};
use super::{last_seen::hour_of, registry::Registry};
use crate::{
    background::Background,
    clock::{Clock, Now},
    credential::{CredentialHash, CredentialText},
    verdict::Unavailable,
};

/// The tokens of before that this gateway decides about. Cheap to clone; one a process.
#[derive(Clone)]
pub struct LegacyTokens(Arc<Inner>);

struct Inner {
    registry: Registry,
    background: Background,
    clock: Clock,
    started: AtomicBool,
    policy: LegacyPolicy,
    known: KnownTokens,
    canaries: Canaries,
}

/// How patient the gateway is with tokens of before.
#[derive(Clone, Debug)]
pub struct LegacyPolicy {
    /// How long a refusal must have been on record before it is shown: 10 min, in which it can be taken back.
    pub settle: Duration,
    /// How far apart denials must be to count: 10 min.
    pub apart: Duration,
    /// How many of them put a token on the approval list: 3.
    pub denials: u32,
    /// How often the store is asked what has changed: every 3 s.
    pub poll: Duration,
}

impl Default for LegacyPolicy {
    fn default() -> Self {
        let ten_minutes = Duration::from_secs(600);
        Self { settle: ten_minutes, apart: ten_minutes, denials: 3, poll: Duration::from_secs(3) }
    }
}

impl LegacyTokens {
    /// Those that `registry` holds. Nothing is asked yet: see [`LegacyTokens::start`].
    pub fn new(registry: Registry, background: Background, clock: Clock, policy: LegacyPolicy) -> Self {
        let (known, canaries, started) = (KnownTokens::default(), Canaries::default(), AtomicBool::new(false));
        Self(Arc::new(Inner { registry, background, clock, started, policy, known, canaries }))
    }

    /// Whether this token is known in memory. Asks nobody.
    pub(crate) fn recognises(&self, token: &CredentialText) -> bool {
        self.0.known.get(*token.hash()).is_some()
    }

    /// Whether this token, which is known, is shown for the first time in this hour.
    pub(crate) fn is_first_in_hour(&self, token: &CredentialText, now: Now) -> bool {
        let (known, hour) = (self.0.known.get(*token.hash()), hour_of(now));
        known.is_some_and(|known| {
            known.noted.load(Ordering::Relaxed) != hour && known.noted.swap(hour, Ordering::Relaxed) != hour
        })
    }

    /// What is known of a token: in memory, else in the store.
    ///
    /// # Errors
    /// Unavailable, if it is not in memory and the store does not answer.
    async fn find(&self, hash: CredentialHash) -> Result<Option<Arc<KnownToken>>, Unavailable> {
        if let Some(known) = self.0.known.get(hash) {
            return Ok(Some(known));
        }
        let found = sql::find(self.0.registry.store(), hash).await?;
        Ok(found.map(|found| self.0.known.learn(hash, found)))
    }

    fn now(&self) -> Now {
        self.0.clock.now()
    }
}

impl fmt::Debug for LegacyTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LegacyTokens(..)")
    }
}
