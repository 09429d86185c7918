//! The command line: what to measure, and what the exit code means.
//!
//! Exit codes: 0 done, and the report says what was met; 2 wrong usage; 1 this program itself could not go on.

use std::{ffi::OsString, io, path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};
use tokio::runtime;

use crate::{compare, machine};

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
            ExitCode::FAILURE
        }
    }
}

fn begin(command: Action) -> io::Result<()> {
    machine::raise_open_files()?;
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    match command {
        Action::Compare { out } => runtime.block_on(compare::run(&std::path::absolute(out)?)),
    }
}
