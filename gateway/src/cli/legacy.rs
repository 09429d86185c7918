//! `gateway device legacy …`: an administrator's word about opaque tokens of before. A token itself is hashed here, and
//! goes no further.

use std::{collections::BTreeSet, fs, path::PathBuf, process::ExitCode};

use auth_core::device::legacy::TokenHash;
use clap::Subcommand;

use super::{conclude, device::FleetClient, refuse, say};
use crate::server::control::{
    CommandAnswer,
    legacy::{LegacyCommand, MOST_REFUSED},
};

#[derive(Debug, Subcommand)]
pub(super) enum LegacyAction {
    /// List the tokens that wait for a word.
    List {
        /// Only those after this one: the last of the page before.
        #[arg(long)]
        after: Option<TokenHash>,
    },
    /// Say that a token is good: it leaves the list, and a refusal of it is taken back.
    Approve {
        /// Its SHA-256, in hexadecimal.
        hash: TokenHash,
        /// The tenant of its device, if nobody knows that.
        #[arg(long, requires = "room")]
        tenant: Option<String>,
        /// The room of its device.
        #[arg(long, requires = "tenant")]
        room: Option<String>,
        /// Why, for the audit trail.
        #[arg(long)]
        reason: String,
    },
    /// Refuse tokens: after ten minutes, in which approve takes it back, their devices are told and erase themselves.
    Deny {
        /// Their SHA-256, in hexadecimal.
        #[arg(required = true)]
        hashes: Vec<TokenHash>,
        /// Why, for the audit trail.
        #[arg(long)]
        reason: String,
    },
    /// Refuse the tokens that a file lists, one a line: the service's own list of those that are no good.
    Import {
        /// The file. A line of 64 hexadecimal digits is a SHA-256, unless --tokens is said.
        file: PathBuf,
        /// Every line is a token itself.
        #[arg(long)]
        tokens: bool,
        /// Why, for the audit trail.
        #[arg(long)]
        reason: String,
    },
}

/// Runs `gateway device legacy`.
pub(super) fn run(fleet: &FleetClient, action: LegacyAction) -> ExitCode {
    match action {
        LegacyAction::List { after } => {
            conclude(fleet.ask_legacy(LegacyCommand::List { after: after.map(|hash| hash.to_string()) }))
        }
        LegacyAction::Approve { hash, tenant, room, reason } => {
            conclude(fleet.ask_legacy(LegacyCommand::Approve { hash: hash.to_string(), tenant, room, reason }))
        }
        LegacyAction::Deny { hashes, reason } => deny(fleet, &hashes, &reason),
        LegacyAction::Import { file, tokens, reason } => match fs::read_to_string(&file) {
            Err(fault) => refuse(&format!("{} cannot be read: {fault}", file.display())),
            Ok(text) => match hashes(&text, tokens) {
                Ok(hashes) => deny(fleet, &hashes, &reason),
                Err(wrong) => refuse(&format!("{}:{wrong}\nnothing was refused", file.display())),
            },
        },
    }
}

fn deny(fleet: &FleetClient, hashes: &[TokenHash], reason: &str) -> ExitCode {
    for part in hashes.chunks(MOST_REFUSED) {
        let hashes = part.iter().map(ToString::to_string).collect();
        match fleet.ask_legacy(LegacyCommand::Deny { hashes, reason: reason.to_owned() }) {
            Ok(CommandAnswer::Done(done)) => say(&mut std::io::stdout(), &done),
            answer => return conclude(answer),
        }
    }
    ExitCode::SUCCESS
}

/// What a file lists: hashes, or tokens. Empty lines, and what follows a `#` at the begin of one, are none.
fn hashes(text: &str, tokens: bool) -> Result<Vec<TokenHash>, String> {
    let (mut seen, mut hashes) = (BTreeSet::new(), Vec::new());
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || (line.starts_with('#') && !tokens) {
            continue;
        }
        let hash = if tokens {
            TokenHash::of(line)
        } else {
            line.parse().map_err(|bad| format!("{number}: {bad}; say --tokens if these are tokens"))?
        };
        if seen.insert(hash.to_string()) {
            hashes.push(hash);
        }
    }
    if hashes.is_empty() { Err("1: it lists nothing".to_owned()) } else { Ok(hashes) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_holds_hashes_unless_it_is_said_to_hold_tokens() {
        let hash = TokenHash::of("abc");
        let text = format!("# ours\n{hash}\n\n  {hash}  \n");
        assert_eq!(hashes(&text, false).expect("hashes"), [hash]);
        assert_eq!(hashes("abc\nabc\n", true).expect("tokens"), [hash]);
        assert_eq!(hashes("abc\n", false).expect_err("no hash").split(':').next(), Some("1"));
        assert!(hashes("\n# nothing\n", false).is_err());
    }
}
