//! Held sessions, for operators: whom a provider refuses to renew in numbers that look like a mistake of its own.
//!
//! A held session goes on as if nothing had been once its provider renews it. If the refusals were right, an operator
//! releases it: then it ends, by their order and for their reason.

use std::sync::Arc;

use super::sql;
use crate::{
    audit::{self, AuditLine},
    clock::{Now, Timestamp},
    principal::{SessionId, Subject},
    revocations::RevocationEntry,
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

/// How many are released in one transaction: others wait for it.
const PAGE: u32 = 200;

impl Sessions {
    /// Some of the sessions that are held, in the order of their ids, from the one after `after` on; at most `most`.
    ///
    /// # Errors
    /// Unavailable, if the store is.
    pub async fn held(
        &self,
        which: &HeldSessions,
        after: Option<SessionId>,
        most: u32,
        now: Now,
    ) -> Result<Vec<HeldSession>, Unavailable> {
        let held = sql::held(&self.0.store, which.clone(), after, most, now.anchor()).await?;
        self.0.store.absence_is_known().map(|()| held)
    }

    /// How many of them there are.
    ///
    /// # Errors
    /// Unavailable, if the store is.
    pub async fn count_held(&self, which: &HeldSessions, now: Now) -> Result<usize, Unavailable> {
        let count = sql::count_held(&self.0.store, which.clone(), now.anchor()).await?;
        self.0.store.absence_is_known().map(|()| count)
    }

    /// Releases held sessions: the provider was right, and they end. `who` orders it and `why`. Gives how many have ended.
    /// One that its provider has renewed by then is held no more, and goes on.
    ///
    /// # Errors
    /// Unavailable, if the store did not take it. Some may have ended before that; it can be ordered again.
    pub async fn release(&self, which: &HeldSessions, who: &str, why: &str, now: Now) -> Result<usize, Unavailable> {
        let (sessions, which) = (self.clone(), which.clone());
        let (who, why) = (who.to_owned(), why.to_owned());
        // To its end, even if whoever ordered it goes away.
        let work = async move {
            let mut ended = 0;
            loop {
                let page = sessions.release_page(&which, &who, &why, now).await?;
                ended += page;
                if page < PAGE as usize {
                    return sessions.0.store.absence_is_known().map(|()| ended);
                }
            }
        };
        self.0.revocations.background().run(work).await?
    }

    /// The same of the first few. In the store first, since an order that only this gateway knows of is none.
    async fn release_page(&self, which: &HeldSessions, who: &str, why: &str, now: Now) -> Result<usize, Unavailable> {
        let (by, because) = (who.to_owned(), why.to_owned());
        let end =
            move |held: &HeldSession| Arc::new(RevocationEntry::of_session(held.id, held.until, &by, &because, now));
        let released = sql::release(&self.0.store, which.clone(), PAGE, end, now).await?;
        self.0.revocations.learn(released.iter().map(|(_, entry)| entry.clone()).collect()).await?;
        for (held, _) in &released {
            audit::line(&AuditLine {
                event: "session-ended",
                subject: Some(&held.subject),
                session: Some(held.id),
                actor: who,
                reason: why,
                provider: &held.provider,
            });
        }
        Ok(released.len())
    }
}
