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

/// How many sessions are shown at once.
const PAGE: u32 = 100;

/// What a command asks about held sessions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "held", rename_all = "kebab-case", deny_unknown_fields)]
pub enum HeldCommand {
    /// To show a page of them.
    List {
        /// After this one.
        after: Option<String>,
    },
    /// To end one, those of a provider, or all: the provider was right.
    Release {
        /// This one.
        session: Option<String>,
        /// Those of this provider. Neither: all.
        provider: Option<String>,
        /// Why.
        reason: String,
    },
}

/// Does what `command` asks, for `actor`.
pub async fn execute(sessions: &Sessions, command: HeldCommand, actor: &str, now: Now) -> CommandAnswer {
    let done = match command {
        HeldCommand::List { after } => list(sessions, after, now).await,
        HeldCommand::Release { session, provider, reason } => {
            release(sessions, session, provider, (actor, &reason), now).await
        }
    };
    done.unwrap_or_else(|unavailable| CommandAnswer::Refused(format!("it can be ordered again: {unavailable}")))
}

async fn list(sessions: &Sessions, after: Option<String>, now: Now) -> Result<CommandAnswer, Unavailable> {
    let Ok(after) = after.map(|id| id.parse()).transpose() else { return Ok(no_id()) };
    let held = sessions.held(after, PAGE, now).await?;
    if held.is_empty() {
        return Ok(CommandAnswer::Done("no session is held".to_owned()));
    }
    let is_full = u32::try_from(held.len()).is_ok_and(|count| count == PAGE);
    let more = held.last().filter(|_| is_full).map(|last| format!("there are more: --after {}", last.id));
    let lines: Vec<String> = held.iter().map(line).chain(more).collect();
    Ok(CommandAnswer::Done(lines.join("\n")))
}

fn line(it: &HeldSession) -> String {
    let HeldSession { id, subject, provider, since, why, confirmed, .. } = it;
    format!("{id}  {subject}  held since {since}, confirmed last {confirmed}: `{provider}` says {why}")
}

async fn release(
    sessions: &Sessions,
    session: Option<String>,
    provider: Option<String>,
    (actor, reason): (&str, &str),
    now: Now,
) -> Result<CommandAnswer, Unavailable> {
    let which = match (session.map(|id| id.parse()).transpose(), provider) {
        (Err(_), _) => return Ok(no_id()),
        (Ok(Some(id)), _) => HeldSessions::One(id),
        (Ok(None), Some(provider)) => HeldSessions::OfProvider(provider),
        (Ok(None), None) => HeldSessions::All,
    };
    Ok(match sessions.release(&which, actor, reason, now).await? {
        0 => CommandAnswer::Refused("no such session is held".to_owned()),
        1 => CommandAnswer::Done("1 session has ended".to_owned()),
        many => CommandAnswer::Done(format!("{many} sessions have ended")),
    })
}

fn no_id() -> CommandAnswer {
    CommandAnswer::Refused("a session is named by its id, as `gateway held list` shows it".to_owned())
}
