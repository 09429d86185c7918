//! Held sessions, for operators: whom a provider refuses to renew in numbers that look like a mistake of its own.
//!
//! A held session goes on as if nothing had been once its provider renews it. If the refusals were right, an operator
//! releases it: then it ends, by their order and for their reason.

use super::sql;
use crate::{
    audit::{self, AuditLine},
    clock::{Now, Timestamp},
    principal::{SessionId, Subject},
    session::Sessions,
    verdict::Unavailable,
};

/// A session that is held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldSession {
    /// Which.
    pub id: SessionId,
    /// Whose.
    pub subject: Subject,
    /// The provider's name in the configuration.
    pub provider: String,
    /// When the provider refused it first.
    pub since: Timestamp,
    /// What the provider said. Bounded; not escaped.
    pub why: String,
    /// When they signed in.
    pub begun: Timestamp,
    /// When the provider confirmed it last.
    pub confirmed: Timestamp,
    /// When it ends by itself.
    pub until: Timestamp,
}

/// Which held sessions an order is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeldSessions {
    /// All.
    All,
    /// Those of this provider, by its name in the configuration.
    OfProvider(String),
    /// This one.
    One(SessionId),
}

/// How many are released at a time.
const PAGE: u32 = 200;

impl Sessions {
    /// The sessions that are held, in the order of their names, from the one after `after` on; at most `most`.
    ///
    /// # Errors
    /// Unavailable, if the store is.
    pub async fn held(&self, after: Option<SessionId>, most: u32, now: Now) -> Result<Vec<HeldSession>, Unavailable> {
        sql::held(&self.0.store, after, most, now.anchor()).await
    }

    /// Releases held sessions: the provider was right, and they end. `who` orders it and `why`. Gives how many have ended.
    ///
    /// # Errors
    /// Unavailable, if one could not be ended; those before it have ended, and it can be ordered again.
    pub async fn release(&self, which: &HeldSessions, who: &str, why: &str, now: Now) -> Result<usize, Unavailable> {
        let (mut after, mut ended) = (None, 0);
        loop {
            let page = self.held(after, PAGE, now).await?;
            let Some(last) = page.last() else { return Ok(ended) };
            after = Some(last.id);
            for held in page.iter().filter(|held| which.includes(held)) {
                let _reach = self.0.revocations.end_session(held.id, held.until, who, why, now).await?;
                audit::line(&AuditLine {
                    event: "session-ended",
                    subject: Some(&held.subject),
                    session: Some(held.id),
                    actor: who,
                    reason: why,
                    provider: &held.provider,
                });
                ended += 1;
            }
        }
    }
}

impl HeldSessions {
    fn includes(&self, held: &HeldSession) -> bool {
        match self {
            Self::All => true,
            Self::OfProvider(provider) => *provider == held.provider,
            Self::One(id) => *id == held.id,
        }
    }
}
