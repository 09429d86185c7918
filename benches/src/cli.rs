//! The command line: what to measure, and what the exit code means.
//!
//! Exit codes: 0 done, and the report says what was met; 2 wrong usage; 1 this program itself could not go on.

use std::{env, ffi::OsString, path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};
use tokio::runtime;

use crate::{
    compare,
    fault::Fault,
    load::{self, LoadOptions},
    machine,
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
    Compare {
        /// Where reports, logs and installed peers go.
        #[arg(long, default_value = "target/bench")]
        out: PathBuf,
    },
    /// Browsers, programs and displays in a chosen mix against any gateway, at a rate that waits for nobody.
    Load(Box<LoadOptions>),
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
        Action::Compare { out } => Ok(runtime.block_on(compare::run(&std::path::absolute(out)?))?),
        Action::Load(options) => runtime.block_on(load::run(&options, &this_command())),
    }
}

/// What was typed, for who wants to make a report again.
fn this_command() -> String {
    let words = env::args().skip(1);
    ["bench".to_owned()].into_iter().chain(words).collect::<Vec<_>>().join(" ")
}
