//! What commands ask about held sessions: which they are, and that they be released.

use auth_core::{
    Now,
    session::{
        Sessions,
        renewal::{HeldSession, HeldSessions},
    },
    verdict::Unavailable,
};
use serde::{Deserialize, Serialize};

use super::CommandAnswer;
use crate::own::admin::order::HeldChoice;

/// How many sessions are shown at once.
const PAGE: u32 = 100;

/// What a command asks about held sessions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "held", rename_all = "kebab-case", deny_unknown_fields)]
pub enum HeldCommand {
    /// To show a page of them.
    List {
        /// Of these.
        which: HeldChoice,
        /// After this one.
        after: Option<String>,
    },
    /// To say how many there are.
    Count {
        /// Of these.
        which: HeldChoice,
    },
    /// To end them: the provider was right.
    Release {
        /// These.
        which: HeldChoice,
        /// Why.
        reason: String,
    },
}

/// Does what `command` asks, for `actor`.
pub async fn execute(sessions: &Sessions, command: HeldCommand, actor: &str, now: Now) -> CommandAnswer {
    let (HeldCommand::List { which, .. } | HeldCommand::Count { which } | HeldCommand::Release { which, .. }) =
        &command;
    let Some(which) = which.parsed() else { return no_id() };
    let done = match command {
        HeldCommand::List { after, .. } => list(sessions, &which, after, now).await,
        HeldCommand::Count { .. } => count(sessions, &which, now).await,
        HeldCommand::Release { reason, .. } => release(sessions, &which, (actor, &reason), now).await,
    };
    done.unwrap_or_else(|unavailable| CommandAnswer::Refused(format!("it can be ordered again: {unavailable}")))
}

async fn list(
    sessions: &Sessions,
    which: &HeldSessions,
    after: Option<String>,
    now: Now,
) -> Result<CommandAnswer, Unavailable> {
    let Ok(after) = after.map(|id| id.parse()).transpose() else { return Ok(no_id()) };
    let count = sessions.count_held(which, now).await?;
    // One more than is shown, to know whether there are more.
    let mut held = sessions.held(which, after, PAGE + 1, now).await?;
    let is_last = held.len() <= PAGE as usize;
    held.truncate(PAGE as usize);
    let more = held.last().filter(|_| !is_last).map(|last| format!("there are more: --after {}", last.id));
    let lines: Vec<String> = std::iter::once(counted(count)).chain(held.iter().map(line)).chain(more).collect();
    Ok(CommandAnswer::Done(lines.join("\n")))
}

async fn count(sessions: &Sessions, which: &HeldSessions, now: Now) -> Result<CommandAnswer, Unavailable> {
    Ok(match sessions.count_held(which, now).await? {
        0 => none(),
        count => CommandAnswer::Done(counted(count)),
    })
}

async fn release(
    sessions: &Sessions,
    which: &HeldSessions,
    (actor, reason): (&str, &str),
    now: Now,
) -> Result<CommandAnswer, Unavailable> {
    Ok(match sessions.release(which, actor, reason, now).await? {
        0 => none(),
        1 => CommandAnswer::Done("1 session has ended: whoever was in it must sign in again".to_owned()),
        many => CommandAnswer::Done(format!("{many} sessions have ended: everybody in them must sign in again")),
    })
}

fn counted(count: usize) -> String {
    match count {
        0 => "no session is held".to_owned(),
        1 => "1 session is held".to_owned(),
        many => format!("{many} sessions are held"),
    }
}

/// A session on a line. Subjects, and what a provider says, are anybody's text.
fn line(it: &HeldSession) -> String {
    let HeldSession { id, subject, provider, since, why, confirmed, .. } = it;
    let (whose, why) = (subject.to_string(), why.escape_debug());
    format!(
        "{id}  {}  held since {since}, confirmed last {confirmed}; the provider `{provider}` says: {why}",
        whose.escape_debug()
    )
}

fn none() -> CommandAnswer {
    CommandAnswer::Refused("no such session is held".to_owned())
}

fn no_id() -> CommandAnswer {
    CommandAnswer::Refused("a session is named by its id, as `gateway held list` shows it".to_owned())
}
