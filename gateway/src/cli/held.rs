//! `gateway held …`: the sessions that a provider refuses to renew in numbers that look like a mistake of its own.

use std::{
    io,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Args, Subcommand, builder::NonEmptyStringValueParser};

use super::{ask_or_do, conclude, refuse, say};
use crate::{
    own::admin::order::HeldChoice,
    server::control::{Command, CommandAnswer, held::HeldCommand},
};

#[derive(Debug, Subcommand)]
pub(super) enum HeldAction {
    /// List them, a hundred at a time: whose they are, since when, and what the provider says.
    List {
        /// Only those of this provider, by its name in the configuration.
        #[arg(long)]
        provider: Option<String>,
        /// Only those after this one: the last of the page before.
        #[arg(long)]
        after: Option<String>,
        /// The configuration file.
        #[arg(long, default_value = "gateway.toml")]
        config: PathBuf,
    },
    /// Say that the provider was right: they end, and everybody in them must sign in again, if the provider lets them.
    Release {
        #[command(flatten)]
        which: ReleaseArguments,
        /// Why, for the record.
        #[arg(long, value_parser = NonEmptyStringValueParser::new())]
        reason: String,
        /// Do not ask first.
        #[arg(long)]
        yes: bool,
        /// The configuration file.
        #[arg(long, default_value = "gateway.toml")]
        config: PathBuf,
    },
}

/// Which to release. To say none is not to say all.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(super) struct ReleaseArguments {
    /// All of them.
    #[arg(long)]
    all: bool,
    /// Those of this provider, by its name in the configuration.
    #[arg(long)]
    provider: Option<String>,
    /// The one with this id.
    #[arg(long)]
    session: Option<String>,
}

/// What an operator types who means it.
const MEANT: &str = "release";

/// Runs `gateway held`.
pub(super) fn run(action: HeldAction) -> ExitCode {
    match action {
        HeldAction::List { provider, after, config } => {
            let which = provider.map_or(HeldChoice::All, HeldChoice::Provider);
            conclude(ask(&config, HeldCommand::List { which, after }))
        }
        HeldAction::Release { which, reason, yes, config } => release(&config, which.choice(), reason, yes),
    }
}

fn release(config: &Path, which: HeldChoice, reason: String, yes: bool) -> ExitCode {
    if !yes {
        match ask(config, HeldCommand::Count { which: which.clone() }) {
            Ok(CommandAnswer::Done(counted)) if is_meant(&counted) => {}
            Ok(CommandAnswer::Done(_)) => return refuse("nothing was released"),
            answer => return conclude(answer),
        }
    }
    conclude(ask(config, HeldCommand::Release { which, reason }))
}

/// Asks whoever types. Nobody, at the end of a pipe, means nothing.
fn is_meant(counted: &str) -> bool {
    let question = format!(
        "{counted}. Released, they end at once, and everybody in them must sign in again.\n\
         If the provider may be wrong, leave them: they go on by themselves once it renews them.\n\
         Type `{MEANT}` to end them (--yes does not ask):"
    );
    say(&mut io::stderr(), &question);
    let mut typed = String::new();
    io::stdin().read_line(&mut typed).is_ok() && typed.trim() == MEANT
}

fn ask(config: &Path, command: HeldCommand) -> Result<CommandAnswer, String> {
    // Sessions are opened and ended by a gateway that runs.
    let alone = |_: &_, _: &_| Err("no gateway runs with this configuration: start it, then ask again".to_owned());
    ask_or_do(config, &Command::Held(command), alone)
}

impl ReleaseArguments {
    fn choice(self) -> HeldChoice {
        match (self.session, self.provider) {
            (Some(session), _) => HeldChoice::Session(session),
            (None, Some(provider)) => HeldChoice::Provider(provider),
            // One of the three was said.
            (None, None) => HeldChoice::All,
        }
    }
}
