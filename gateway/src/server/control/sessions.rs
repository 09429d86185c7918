//! What commands ask about people's sessions, and how it is done: by the gateway that holds the data folder, or by the
//! command itself when nobody does.

use auth_core::{
    Now,
    principal::{SessionId, Subject},
    session::ending::{EndingOrder, StandingSession, StandingSessions},
    verdict::Unavailable,
};
use serde::{Deserialize, Serialize};

use super::CommandAnswer;
use crate::own::admin::order::NamedUser;

/// What a command asks about sessions.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "sessions", rename_all = "kebab-case", deny_unknown_fields)]
pub enum SessionsCommand {
    /// To show a page of those that stand.
    List {
        /// Only those of this person.
        user: Option<NamedUser>,
        /// After this one.
        after: Option<String>,
    },
    /// To end one.
    End {
        /// Its id.
        session: String,
        /// Why.
        reason: String,
    },
    /// To sign somebody out everywhere.
    SignOut {
        /// Whom.
        user: NamedUser,
        /// Why.
        reason: String,
    },
}

/// Some sessions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionsPage {
    /// They.
    pub sessions: Vec<StandingSession>,
    /// After which the next page begins; `None` if this is the last.
    pub next: Option<String>,
}

impl SessionsCommand {
    /// What is asked, for the log: without whose sessions they are.
    const fn as_str(&self) -> &'static str {
        match self {
            Self::List { .. } => "list",
            Self::End { .. } => "end",
            Self::SignOut { .. } => "sign-out",
        }
    }
}

/// Does what `command` asks, for `actor`.
pub async fn execute(standing: &StandingSessions, command: SessionsCommand, actor: &str, now: Now) -> CommandAnswer {
    let done = match command {
        SessionsCommand::List { user, after } => list(standing, user, after, now).await,
        SessionsCommand::End { session, reason } => {
            let Ok(id) = session.parse::<SessionId>() else { return no_session(&session) };
            end(standing, id, EndingOrder { who: actor, why: &reason }, now).await
        }
        SessionsCommand::SignOut { user, reason } => {
            sign_out(standing, &user.subject(), EndingOrder { who: actor, why: &reason }, now).await
        }
    };
    done.unwrap_or_else(|unavailable| CommandAnswer::Refused(format!("nothing was promised: {unavailable}")))
}

async fn list(
    standing: &StandingSessions,
    user: Option<NamedUser>,
    after: Option<String>,
    now: Now,
) -> Result<CommandAnswer, Unavailable> {
    let after = match after.map(|after| after.parse()).transpose() {
        Ok(after) => after,
        Err(_) => return Ok(CommandAnswer::Refused("there is no such session to begin after".to_owned())),
    };
    let page = standing.page(user.map(|user| user.subject()).as_ref(), after, now).await?;
    let next = page.next.map(|id| id.to_string());
    Ok(CommandAnswer::Sessions(SessionsPage { sessions: page.sessions, next }))
}

async fn end(
    standing: &StandingSessions,
    id: SessionId,
    order: EndingOrder<'_>,
    now: Now,
) -> Result<CommandAnswer, Unavailable> {
    Ok(match standing.end(id, None, order, now).await? {
        Some(session) => CommandAnswer::Done(format!("ended {id} of {}#{}", session.issuer, session.subject)),
        None => no_session(&id.to_string()),
    })
}

async fn sign_out(
    standing: &StandingSessions,
    user: &Subject,
    order: EndingOrder<'_>,
    now: Now,
) -> Result<CommandAnswer, Unavailable> {
    standing.sign_out(user, order, now).await?;
    Ok(CommandAnswer::Done(format!("{user} is signed out: whatever of theirs began up to now is over")))
}

fn no_session(id: &str) -> CommandAnswer {
    CommandAnswer::Refused(format!("no session {id:?} stands: there is none, or it has ended"))
}

impl std::fmt::Debug for SessionsCommand {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
