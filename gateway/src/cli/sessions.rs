//! `gateway sessions …`: people's sessions by hand. The gateway that holds the data folder does it; without one the command
//! takes the folder.

use std::{io, path::PathBuf, process::ExitCode};

use auth_core::session::ending::{StandingSession, StandingSessions};
use clap::{Args, Subcommand};
use serde_json::Value;

use super::{alone::alone, ask_or_do, conclude, device::moment, refuse, say};
use crate::{
    own::admin::order::NamedUser,
    server::control::{
        Command, CommandAnswer,
        sessions::{self, SessionsCommand, SessionsPage},
    },
};

/// `gateway sessions`.
#[derive(Debug, Args)]
pub(super) struct SessionsArguments {
    /// The configuration file.
    #[arg(long, global = true, default_value = "gateway.toml")]
    config: PathBuf,
    #[command(subcommand)]
    action: SessionsAction,
}

#[derive(Debug, Subcommand)]
enum SessionsAction {
    /// List the sessions that stand, a hundred at a time.
    List {
        /// Only those of this person: the issuer and their subject there.
        #[arg(long, num_args = 2, value_names = ["ISSUER", "SUBJECT"])]
        user: Option<Vec<String>>,
        /// Only those after this one: the last of the page before.
        #[arg(long)]
        after: Option<String>,
        /// As JSON, one session a line.
        #[arg(long)]
        json: bool,
    },
    /// End a session, or sign somebody out everywhere: in force at the next request.
    End {
        /// The session's id.
        #[arg(required_unless_present = "user", conflicts_with = "user")]
        session: Option<String>,
        /// Whoever is to be signed out everywhere, bearer tokens too: the issuer and their subject there.
        #[arg(long, num_args = 2, value_names = ["ISSUER", "SUBJECT"])]
        user: Option<Vec<String>>,
        /// Why, for the record.
        #[arg(long)]
        reason: String,
    },
}

/// Runs `gateway sessions`.
pub(super) fn run(SessionsArguments { config, action }: SessionsArguments) -> ExitCode {
    let ask = |command: SessionsCommand| {
        ask_or_do(&config, &Command::Sessions(command.clone()), |folder, config| {
            alone(folder, config, async |own| {
                let standing = StandingSessions::new(own.store, own.revocations);
                sessions::execute(&standing, command, &own.operator, own.clock.now()).await
            })
        })
    };
    match action {
        SessionsAction::List { user, after, json } => {
            let user = user.and_then(person);
            match ask(SessionsCommand::List { user, after }) {
                Ok(CommandAnswer::Sessions(page)) => print(&page, json),
                answer => conclude(answer),
            }
        }
        SessionsAction::End { session, user, reason } => match (session, user.and_then(person)) {
            (_, Some(user)) => conclude(ask(SessionsCommand::SignOut { user, reason })),
            (Some(session), None) => conclude(ask(SessionsCommand::End { session, reason })),
            (None, None) => refuse("say which session, or whose by --user"),
        },
    }
}

fn person(words: Vec<String>) -> Option<NamedUser> {
    let [issuer, subject] = words.try_into().ok()?;
    Some(NamedUser { issuer, subject })
}

fn print(page: &SessionsPage, json: bool) -> ExitCode {
    for session in &page.sessions {
        let line = if json { serde_json::to_string(session).unwrap_or_default() } else { listed(session) };
        say(&mut io::stdout(), &line);
    }
    if let Some(next) = &page.next {
        say(&mut io::stderr(), &format!("there are more: --after {next}"));
    }
    ExitCode::SUCCESS
}

/// A session on a line, for people. What browsers say of themselves is anybody's text.
fn listed(session: &StandingSession) -> String {
    let told = |text: &Option<String>| text.as_deref().unwrap_or("-").escape_debug().to_string();
    let at = |at: auth_core::Timestamp| moment(&Value::from(at.as_millis()));
    format!(
        "{}  {}#{}  {}  since {}  confirmed {}  from {}  {}",
        session.id,
        session.issuer,
        session.subject.escape_debug(),
        told(&session.name),
        at(session.begun),
        at(session.confirmed),
        told(&session.address),
        told(&session.browser),
    )
}
