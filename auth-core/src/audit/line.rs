//! Audit lines: what became of people's sessions, as events of the log under the target `audit`.
//!
//! They are no rows: the hash-chained trail is the fleet's. Whoever must keep them keeps the log's lines of this target;
//! `docs/operations.md` says how. Deliberately absent: anything that a token, a cookie or a password could be read from.

use crate::principal::{SessionId, Subject};

/// Something that happened to a session.
#[derive(Clone, Copy, Debug)]
pub struct AuditLine<'a> {
    /// What, in a word: `sign-in`, `renewal`, `renewal-refused`, `renewal-held`, `session-ended`.
    pub event: &'static str,
    /// Whose session it is.
    pub subject: Option<&'a Subject>,
    /// Which session, if it is one.
    pub session: Option<SessionId>,
    /// Who did it: the person's own subject, `provider`, `operator`, an administrator's subject, or `gateway`.
    pub actor: &'a str,
    /// Why, in words.
    pub reason: &'a str,
    /// The provider's name in the configuration.
    pub provider: &'a str,
}

/// Writes it.
pub fn line(line: &AuditLine<'_>) {
    let AuditLine { event, subject, session, actor, reason, provider } = *line;
    let subject = subject.map(ToString::to_string).unwrap_or_default();
    let session = session.map(|session| session.to_string()).unwrap_or_default();
    tracing::info!(target: "audit", event, subject, session, actor, reason, provider, "audit");
}
