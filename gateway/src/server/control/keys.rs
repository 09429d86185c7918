//! What commands ask about the keyring: to rotate it, to throw an old key away, to list what there is.

use auth_core::{
    Now,
    audit::{self, AuditLine},
    data_folder::DataFolder,
    keyring::{Keyring, TakeOver},
};
use serde::{Deserialize, Serialize};

use super::CommandAnswer;

/// What a command asks about keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "keys", rename_all = "kebab-case", deny_unknown_fields)]
pub enum KeysCommand {
    /// To replace them.
    Rotate {
        /// To use the next signing key at once, though services may not know it yet.
        now: bool,
        /// Why.
        reason: String,
    },
    /// To throw an old one away before its time.
    Retire {
        /// Which.
        id: String,
        /// Why.
        reason: String,
    },
    /// To list them.
    List,
}

/// Does what `command` asks, for `actor`. Blocks for as long as writing a small file takes.
pub fn execute(keyring: &Keyring, data: &DataFolder, command: &KeysCommand, actor: &str, now: Now) -> CommandAnswer {
    let (event, reason, done) = match command {
        KeysCommand::List => return CommandAnswer::Done(listed(keyring)),
        KeysCommand::Rotate { now: at_once, reason } => {
            let when = if *at_once { TakeOver::Now } else { TakeOver::OncePublished };
            ("keys-rotated", reason, keyring.rotate(data.place(), when, now).map_err(|fault| fault.to_string()))
        }
        KeysCommand::Retire { id, reason } => {
            ("key-retired", reason, keyring.retire(data.place(), id).map_err(|fault| fault.to_string()))
        }
    };
    match done {
        Ok(()) => {
            audit::line(&AuditLine { event, subject: None, session: None, actor, reason, provider: "" });
            CommandAnswer::Done(listed(keyring))
        }
        Err(why) => CommandAnswer::Refused(format!("nothing has changed: {why}")),
    }
}

fn listed(keyring: &Keyring) -> String {
    keyring.list().iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
