//! Ending sessions by order: of their person, of an operator, of the provider.
//!
//! It works on the rows, so it needs neither a ticket nor a configuration. What is ended has a row that says who did it,
//! when and why, an entry in the revocation set, and an audit line; it is in force here before the order is answered. While
//! the store is down nothing is listed and nothing is ended, and that is said: an end that the others never hear of is
//! none. (Signing out with a ticket is [`Sessions::logout`](super::Sessions::logout), which works without the store.)

mod back_channel;
mod farewell;
mod sql;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub use self::back_channel::{BackChannelLogout, LogoutTokensTaken};
use crate::{
    audit::{self, AuditLine},
    clock::{Now, Timestamp},
    database::Database,
    principal::{SessionId, Subject},
    revocations::Revocations,
    verdict::Unavailable,
};

/// The sessions that stand, by their rows. Cheap to clone.
#[derive(Clone)]
pub struct StandingSessions {
    store: Database,
    revocations: Revocations,
}

/// A session that stands, as it is shown to its person and to operators.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StandingSession {
    /// Which it is. No secret: nothing is opened by it.
    pub id: String,
    /// Whose issuer.
    pub issuer: String,
    /// Whose subject there.
    pub subject: String,
    /// What they are called at their provider, if it says so.
    pub name: Option<String>,
    /// The provider's name in the configuration.
    pub provider: String,
    /// Whence they signed in.
    pub address: Option<String>,
    /// The `User-Agent` that they signed in by.
    pub browser: Option<String>,
    /// When they signed in.
    pub begun: Timestamp,
    /// When the provider confirmed it last.
    pub confirmed: Timestamp,
    /// Its hard expiry.
    pub until: Timestamp,
}

/// Some of the sessions that stand.
#[derive(Clone, Debug)]
pub struct StandingPage {
    /// They, in the order of their ids.
    pub sessions: Vec<StandingSession>,
    /// After which the next page begins; `None` if this is the last.
    pub next: Option<SessionId>,
}

/// Who orders an end, and why: both are kept.
#[derive(Clone, Copy, Debug)]
pub struct EndingOrder<'a> {
    /// Who: a person's subject, `operator NAME`, `provider NAME`.
    pub who: &'a str,
    /// Why, in their words.
    pub why: &'a str,
}

impl StandingSessions {
    /// How many are shown at once.
    pub const PAGE: u32 = 100;

    /// The most that one order ends besides "sign this user out".
    const MOST: u32 = 1000;

    /// The sessions in `store`.
    pub fn new(store: Database, revocations: Revocations) -> Self {
        Self { store, revocations }
    }

    /// A page of them, or of those of one person, in the order of their ids, after `after`.
    ///
    /// # Errors
    /// Unavailable, if the store is.
    pub async fn page(
        &self,
        of: Option<&Subject>,
        after: Option<SessionId>,
        now: Now,
    ) -> Result<StandingPage, Unavailable> {
        let after = after.map(|id| id.to_string()).unwrap_or_default();
        let rows = sql::page(&self.store, of.cloned(), after, now.earlier(), Self::PAGE).await?;
        self.none_is_missing()?;
        let is_full = u32::try_from(rows.len()).is_ok_and(|count| count == Self::PAGE);
        let next = rows.last().filter(|_| is_full).and_then(|last| last.id.parse().ok());
        Ok(StandingPage { sessions: self.standing(rows), next })
    }

    /// Those of a person, the latest first.
    ///
    /// # Errors
    /// Unavailable, if the store is.
    pub async fn of(&self, subject: &Subject, now: Now) -> Result<Vec<StandingSession>, Unavailable> {
        let rows = self.rows_of(subject, now).await?;
        self.none_is_missing()?;
        Ok(rows)
    }

    async fn rows_of(&self, subject: &Subject, now: Now) -> Result<Vec<StandingSession>, Unavailable> {
        Ok(self.standing(sql::of_person(&self.store, subject.clone(), now.earlier(), Self::MOST).await?))
    }

    /// Ends one, if it stands; where `of` is given, only if it is theirs. Which it was, or nothing.
    ///
    /// # Errors
    /// Unavailable, if the store is. Then nothing has been promised, though it may have been done.
    pub async fn end(
        &self,
        id: SessionId,
        of: Option<&Subject>,
        order: EndingOrder<'_>,
        now: Now,
    ) -> Result<Option<StandingSession>, Unavailable> {
        let found = self.standing(sql::one(&self.store, id.to_string(), now.earlier()).await?).pop();
        let Some(found) = found else { return self.none_is_missing().map(|()| None) };
        if of.is_some_and(|of| !found.is_of(of)) {
            return Ok(None);
        }
        self.end_all(std::slice::from_ref(&found), order, now).await?;
        Ok(Some(found))
    }

    /// Ends those of a person but `keep`. How many there were.
    ///
    /// # Errors
    /// As [`StandingSessions::end`].
    pub async fn end_others(
        &self,
        keep: SessionId,
        of: &Subject,
        order: EndingOrder<'_>,
        now: Now,
    ) -> Result<usize, Unavailable> {
        let keep = keep.to_string();
        let mut others = self.rows_of(of, now).await?;
        others.retain(|session| session.id != keep);
        self.end_all(&others, order, now).await?;
        self.none_is_missing()?;
        Ok(others.len())
    }

    /// Signs a person out everywhere: whatever of theirs began up to now is over, sessions and bearer tokens alike.
    ///
    /// # Errors
    /// As [`StandingSessions::end`].
    pub async fn sign_out(&self, subject: &Subject, order: EndingOrder<'_>, now: Now) -> Result<(), Unavailable> {
        self.sign_out_before(subject, now.later(), "", order, now).await
    }

    async fn sign_out_before(
        &self,
        subject: &Subject,
        not_before: Timestamp,
        provider: &str,
        order: EndingOrder<'_>,
        now: Now,
    ) -> Result<(), Unavailable> {
        self.revocations.revoke_what_began(subject.clone(), not_before, order.who, order.why, now).await?;
        audit::line(&AuditLine {
            event: "user-signed-out",
            subject: Some(subject),
            session: None,
            actor: order.who,
            reason: order.why,
            provider,
        });
        Ok(())
    }

    /// Ends those of the session `sid` at the provider `issuer`; where `subject` is given, only theirs. How many there were.
    ///
    /// # Errors
    /// As [`StandingSessions::end`].
    pub async fn end_of_provider_session(
        &self,
        issuer: &str,
        sid: &str,
        subject: Option<&Subject>,
        order: EndingOrder<'_>,
        now: Now,
    ) -> Result<usize, Unavailable> {
        let (issuer, sid) = (issuer.to_owned(), sid.to_owned());
        let rows = sql::of_provider_session(&self.store, issuer, sid, now.earlier(), Self::MOST).await?;
        let mut sessions = self.standing(rows);
        sessions.retain(|session| subject.is_none_or(|subject| session.is_of(subject)));
        self.end_all(&sessions, order, now).await?;
        self.none_is_missing()?;
        Ok(sessions.len())
    }

    /// What is not in a store that was lost and made again may stand all the same, by its ticket: so nobody is told that
    /// there is none, or that it was ended.
    fn none_is_missing(&self) -> Result<(), Unavailable> {
        #[cfg(candor_mutants)]
        if crate::mutants::is("lost-sessions-are-none") {
            return Ok(());
        }
        self.store.absence_is_known()
    }

    async fn end_all(&self, sessions: &[StandingSession], order: EndingOrder<'_>, now: Now) -> Result<(), Unavailable> {
        let ended: Vec<_> = sessions.iter().filter_map(|one| Some((one.id.parse().ok()?, one.until))).collect();
        self.revocations.end_sessions(ended, order.who, order.why, now).await?;
        for session in sessions {
            audit::line(&AuditLine {
                event: "session-ended",
                subject: Some(&Subject::new(session.issuer.as_str(), session.subject.as_str())),
                session: session.id.parse().ok(),
                actor: order.who,
                reason: order.why,
                provider: &session.provider,
            });
        }
        Ok(())
    }

    /// Without those that have ended by what is known here, and the store may not know yet.
    fn standing(&self, mut rows: Vec<StandingSession>) -> Vec<StandingSession> {
        rows.retain(|row| {
            let subject = Subject::new(row.issuer.as_str(), row.subject.as_str());
            row.id.parse().is_ok_and(|id| !self.revocations.ended(id, &subject, row.begun))
        });
        rows
    }
}

impl StandingSession {
    fn is_of(&self, subject: &Subject) -> bool {
        *self.issuer == *subject.issuer && *self.subject == *subject.id
    }
}
