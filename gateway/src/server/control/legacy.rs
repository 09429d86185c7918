//! What commands ask about the opaque tokens of before: which wait for a word, and the word.

use auth_core::{
    Now,
    device::{
        legacy::{ApprovalKind, LegacyApproval, LegacyChange, LegacyTokens, NotAHash, Placement, TokenHash},
        registry::Order,
    },
    verdict::Unavailable,
};
use serde::{Deserialize, Serialize};

use super::CommandAnswer;

/// How many lines of the approval list are shown at once.
const PAGE: u32 = 100;

/// How many tokens one command may refuse: its line must fit, and it must be done in time.
pub const MOST_REFUSED: usize = 5000;

/// What a command asks about tokens of before. Tokens are named by their hashes and never sent.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "legacy", rename_all = "kebab-case", deny_unknown_fields)]
pub enum LegacyCommand {
    /// To show a page of the approval list.
    List {
        /// After this one.
        after: Option<String>,
    },
    /// To say that a token is good.
    Approve {
        /// Which.
        hash: String,
        /// The tenant of its device, if nobody knows it.
        tenant: Option<String>,
        /// The room of its device.
        room: Option<String>,
        /// Why.
        reason: String,
    },
    /// To refuse tokens.
    Deny {
        /// Which.
        hashes: Vec<String>,
        /// Why.
        reason: String,
    },
}

/// Does what `command` asks, for `actor`.
pub async fn execute(tokens: &LegacyTokens, command: LegacyCommand, actor: String, now: Now) -> CommandAnswer {
    let done = match command {
        LegacyCommand::List { after } => list(tokens, after).await,
        LegacyCommand::Approve { hash, tenant, room, reason } => {
            let placement = tenant.map(|tenant| Placement { tenant, room: room.unwrap_or_default() });
            approve(tokens, hash, placement, Order { who: actor, why: reason }, now).await
        }
        LegacyCommand::Deny { hashes, reason } => deny(tokens, hashes, Order { who: actor, why: reason }, now).await,
    };
    done.unwrap_or_else(|unavailable| CommandAnswer::Refused(format!("nothing was promised: {unavailable}")))
}

async fn list(tokens: &LegacyTokens, after: Option<String>) -> Result<CommandAnswer, Unavailable> {
    let after = match after.map(|hash| hash.parse()).transpose() {
        Ok(after) => after,
        Err(bad) => return Ok(refused(bad)),
    };
    let listed = tokens.approvals(after, PAGE).await?;
    if listed.is_empty() {
        return Ok(CommandAnswer::Done("no token waits for a word".to_owned()));
    }
    let is_full = u32::try_from(listed.len()).is_ok_and(|count| count == PAGE);
    let more = listed.last().filter(|_| is_full).map(|last| format!("there are more: --after {}", last.hash));
    let lines: Vec<String> = listed.iter().map(line).chain(more).collect();
    Ok(CommandAnswer::Done(lines.join("\n")))
}

fn line(it: &LegacyApproval) -> String {
    let why = match it.kind {
        ApprovalKind::Denied => "the service denies it".to_owned(),
        ApprovalKind::LostToken => {
            let device = it.device.map(|device| device.to_string()).unwrap_or_default();
            format!("says to be {device}, which lost its token; asks from {}", it.address.as_deref().unwrap_or("-"))
        }
    };
    format!("{}  since {}  {why}", it.hash, it.asked)
}

async fn approve(
    tokens: &LegacyTokens,
    hash: String,
    placement: Option<Placement>,
    order: Order,
    now: Now,
) -> Result<CommandAnswer, Unavailable> {
    let hash: TokenHash = match hash.parse() {
        Ok(hash) => hash,
        Err(bad) => return Ok(refused(bad)),
    };
    Ok(match tokens.accept(hash, placement, order, now).await? {
        LegacyChange::Changed => CommandAnswer::Done(format!("{hash} is approved")),
        LegacyChange::Unchanged => CommandAnswer::Done(format!("{hash} was good already")),
        LegacyChange::Unknown => CommandAnswer::Refused(format!(
            "nothing is on record of {hash}, or its device is in no tenant or several: say --tenant and --room to let it in"
        )),
    })
}

async fn deny(
    tokens: &LegacyTokens,
    hashes: Vec<String>,
    order: Order,
    now: Now,
) -> Result<CommandAnswer, Unavailable> {
    if hashes.len() > MOST_REFUSED {
        return Ok(CommandAnswer::Refused(format!("at most {MOST_REFUSED} tokens are refused at once")));
    }
    let hashes: Vec<TokenHash> = match hashes.iter().map(|hash| hash.parse()).collect() {
        Ok(hashes) => hashes,
        Err(bad) => return Ok(refused(bad)),
    };
    let asked = hashes.len();
    let new = tokens.refuse(hashes, order, now).await?;
    let already = asked.saturating_sub(new);
    Ok(CommandAnswer::Done(format!(
        "{new} tokens are refused ({already} were already): their devices are told after ten minutes; until then approve takes it back"
    )))
}

fn refused(bad: NotAHash) -> CommandAnswer {
    CommandAnswer::Refused(format!("a token is named by its SHA-256: {bad}"))
}

/// For the log: what is asked, and not about whom.
impl std::fmt::Debug for LegacyCommand {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::List { .. } => "legacy list",
            Self::Approve { .. } => "legacy approve",
            Self::Deny { .. } => "legacy deny",
        })
    }
}
