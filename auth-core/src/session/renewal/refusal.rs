//! The provider refuses to renew a session: it ends, or it is held.
//!
//! A refusal that nothing speaks against is a proof, and the session ends at once. But one mistake of a provider's (it was
//! put back from a backup, it lost its sessions) refuses everybody. So before anything ends, the mass-refusal guard counts:
//! beyond a few within ten minutes the others are *held*. A held session keeps its row and its refresh token. Whoever has it
//! is served as last known good, as long as the route takes that, and then told that we cannot tell. It is tried again, and
//! goes on as if nothing had been once the provider renews it; and if the refusals were right, an operator releases it.

use std::time::Duration;

use super::{
    HeldSessions, RenewalOutcome,
    sql::{self, EndOfRow, RenewalRow},
};
use crate::{
    audit::{self, AuditLine},
    clock::{Now, Timestamp},
    dependency::Dependency,
    idp::Provider,
    principal::Subject,
    refusal_guard::RefusalGuard,
    session::Sessions,
    verdict::{Detail, Proof, Reason, Unavailable},
};

/// How soon a held session is tried again, if somebody shows its ticket.
const HELD_AGAIN: Duration = Duration::from_secs(30);

/// The provider refuses to renew the sign-in, with an answer that is about this person.
#[derive(Clone, Debug)]
pub(super) struct RefreshRefused {
    said: String,
    whose: Subject,
}

/// The session's own row says that it has ended: another gateway ended it, and the revocation set does not say so yet.
#[derive(Clone, Debug)]
pub(super) struct RowEnded {
    at: Timestamp,
    who: String,
    why: String,
    whose: Subject,
}

impl RowEnded {
    pub(super) fn new(end: &EndOfRow, whose: &Subject) -> Self {
        Self { at: end.at, who: end.who.clone(), why: end.why.clone(), whose: whose.clone() }
    }

    #[cfg(candor_mutants)]
    pub(super) fn planted() -> Self {
        let whose = Subject::new("planted", "planted");
        Self { at: Timestamp::default(), who: String::new(), why: "planted".to_owned(), whose }
    }
}

impl Sessions {
    /// What becomes of a session that its provider refuses to renew.
    pub(super) async fn refused(
        &self,
        row: &RenewalRow,
        provider: &Provider,
        word: &str,
        description: Option<&str>,
    ) -> Result<RenewalOutcome, Unavailable> {
        let now = self.time();
        let said = description.map_or_else(|| word.to_owned(), |description| format!("{word}: {description}"));
        let record = |event, reason: &str| {
            audit::line(&AuditLine {
                event,
                subject: Some(&row.subject),
                session: Some(row.id),
                actor: "provider",
                reason,
                provider: provider.name(),
            });
        };
        if !self.may_end(row, now).await? {
            if !sql::hold(&self.0.store, row.id, row.version, now.anchor(), said.clone()).await? {
                tracing::info!(session = %row.id, "a session that was to be held was changed meanwhile");
            }
            if !row.is_held {
                record("renewal-held", &said);
            }
            let cause = format!("so many sessions are refused at renewal that this one is held: {said}");
            return Err(Unavailable::because(Dependency::OwnJudgement, cause).retry_after(HELD_AGAIN));
        }
        let why = format!("refused at renewal: {said}");
        // In force at once here, and on record before anybody is told.
        let reach = self.0.revocations.end_session(row.id, row.until, "provider", &why, now).await?;
        tracing::info!(session = %row.id, ?reach, "a session has ended: its provider refuses to renew it");
        record("renewal-refused", &said);
        Ok(RenewalOutcome::Refused(RefreshRefused { said, whose: row.subject.clone() }))
    }
}

impl Sessions {
    /// Whether a refused session may end, or is held. What is held already, and what others are held beside, ends by an
    /// operator's order only: the guard's own count does not outlive the process, and these do.
    async fn may_end(&self, row: &RenewalRow, now: Now) -> Result<bool, Unavailable> {
        if !self.0.renewals.0.guard.may_end_at_renewal(row.id, now) || row.is_held {
            return Ok(false);
        }
        // Of those that a lost store had nothing speaks for this one.
        let held = sql::count_held(&self.0.store, HeldSessions::All, now.anchor()).await?;
        Ok(held < RefusalGuard::FEW)
    }
}

impl Proof for RefreshRefused {
    fn reason(&self) -> Reason {
        Reason::RefreshRefused
    }
    fn detail(&self) -> Detail {
        Detail::new(format!("its provider refuses to renew the sign-in: {}", self.said))
    }
    fn about(&self) -> Option<Subject> {
        Some(self.whose.clone())
    }
}

impl Proof for RowEnded {
    fn reason(&self) -> Reason {
        Reason::Ended
    }
    fn detail(&self) -> Detail {
        Detail::new(format!("ended {} by {}: {}", self.at, self.who, self.why))
    }
    fn about(&self) -> Option<Subject> {
        Some(self.whose.clone())
    }
}
