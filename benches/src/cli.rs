//! The command line: what to measure, and what the exit code means.
//!
//! Exit codes: 0 done, and the report says what was met; 2 wrong usage; 1 this program itself could not go on.

use std::{env, ffi::OsString, process::ExitCode};

use clap::{Parser, Subcommand};
use tokio::runtime;

use crate::{
    compare::{self, CompareOptions},
    fault::Fault,
    incident::{self, IncidentOptions},
    load::{self, LoadOptions},
    machine,
    performance::{self, PerformanceOptions},
    profile::{self, ProfileOptions},
    slow::{self, SlowOptions},
    storm::{self, StormOptions},
};

/// Load for any gateway, a comparison with others, and the incident of January 2021 replayed.
#[derive(Debug, Parser)]
#[command(name = "bench", version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// The same work through nginx, HAProxy, Envoy, oauth2-proxy and Candor, by turns.
    Compare(CompareOptions),
    /// Browsers, programs and displays in a chosen mix against any gateway, at a rate that waits for nobody.
    Load(Box<LoadOptions>),
    /// The outage of January 2021, replayed through each of them: who loses what, and why.
    Incident(IncidentOptions),
    /// A short comparison, the incident, a profile and the last micro benches, on one page and as Markdown.
    Performance(PerformanceOptions),
    /// Thousands of connections that say nothing: latency of the others before and during.
    Slow(SlowOptions),
    /// Many displays return at once, to a service of a given capacity: time until all are back, tries each, peaks.
    Storm(Box<StormOptions>),
    /// Where the time of Candor goes, by samples of what runs in it (`perf`).
    Profile(ProfileOptions),
}

/// Runs the command in `arguments`, of which the first is the program's name.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let command = match Arguments::try_parse_from(arguments) {
        Ok(Arguments { command }) => command,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(2) } else { ExitCode::SUCCESS };
        }
    };
    match begin(command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            error.exit_code()
        }
    }
}

fn begin(command: Action) -> Result<(), Fault> {
    machine::raise_open_files()?;
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    match command {
        Action::Compare(options) => runtime.block_on(compare::run(&options, &this_command())).map(drop),
        Action::Load(options) => runtime.block_on(load::run(&options, &this_command())),
        Action::Incident(options) => Ok(runtime.block_on(incident::run(&options, &this_command())).map(drop)?),
        Action::Performance(options) => runtime.block_on(performance::run(&options, &this_command())),
        Action::Slow(options) => runtime.block_on(slow::run(&options)),
        Action::Storm(options) => runtime.block_on(storm::run(&options, &this_command())),
        Action::Profile(options) => Ok(runtime.block_on(profile::run(&options)).map(drop)?),
    }
}

/// What was typed, for who wants to make a report again; what may be a password is left out.
fn this_command() -> String {
    spoken(env::args().skip(1))
}

fn spoken(words: impl Iterator<Item = String>) -> String {
    const SECRET: &str = "--sign-in-also";
    let mut said = vec!["bench".to_owned()];
    for word in words {
        let is_secret = said.last().is_some_and(|last| last == SECRET);
        said.push(match word.strip_prefix(SECRET) {
            _ if is_secret => "…".to_owned(),
            Some(value) if value.starts_with('=') => format!("{SECRET}=…"),
            _ => word,
        });
    }
    said.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_says_no_password() {
        let check = |words: &str, expected: &str| {
            assert_eq!(spoken(words.split(' ').map(ToOwned::to_owned)), expected);
        };
        check("load --rate 5 http://127.0.0.1/", "bench load --rate 5 http://127.0.0.1/");
        check("load --sign-in-also password=x --rate 5", "bench load --sign-in-also … --rate 5");
        check("load --sign-in-also=password=x --rate 5", "bench load --sign-in-also=… --rate 5");
    }
}
