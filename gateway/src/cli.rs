//! The command line: what to do, and what the exit code means.
//!
//! Exit codes: 0 done; 2 wrong usage; 10 would start, but something it depends on is down (`check --probe`); 20 refused.

use std::{ffi::OsString, io, path::PathBuf, process::ExitCode, time::Duration};

use clap::{Parser, Subcommand};

use crate::{
    check::{self, Conclusion, load},
    telemetry::Telemetry,
};

/// An authentication gateway whose 401 is always true.
#[derive(Debug, Parser)]
#[command(name = "gateway", version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve until SIGTERM or SIGINT, then finish what is under way.
    Serve {
        /// The configuration file.
        #[arg(long, default_value = "gateway.toml")]
        config: PathBuf,
    },
    /// Say what is wrong with a configuration, or what it means.
    Check {
        /// The configuration file.
        #[arg(long, default_value = "gateway.toml")]
        config: PathBuf,
        /// Also ask everything that it depends on: exit code 10 if something is down.
        #[arg(long)]
        probe: bool,
    },
    /// Break a pretend monolith and a pretend provider, and see who gets signed out.
    #[cfg(feature = "demo")]
    Demo {
        /// The port of the page on 127.0.0.1; 0 chooses one.
        #[arg(long, default_value_t = 0)]
        port: u16,
    },
    /// Print the version.
    Version,
}

/// Runs the program with these arguments, the first of which is its name.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(usage) => {
            // Nobody reads it any more: the exit code still says everything.
            let _ = usage.print();
            return ExitCode::from(u8::try_from(usage.exit_code()).unwrap_or(2));
        }
    };
    match arguments.command {
        Command::Serve { config } => serve(config),
        Command::Check { config, probe } => exit(check::check(&config, probe, &mut io::stdout())),
        #[cfg(feature = "demo")]
        Command::Demo { port } => demo(port),
        Command::Version => {
            say(&mut io::stdout(), concat!("gateway ", env!("CARGO_PKG_VERSION")));
            ExitCode::SUCCESS
        }
    }
}

fn exit(conclusion: Conclusion) -> ExitCode {
    ExitCode::from(conclusion as u8)
}

/// Writes a line. A reader that went away is no reason to stop.
fn say(to: &mut dyn io::Write, line: &str) {
    let _ = writeln!(to, "{line}");
}

fn serve(config: PathBuf) -> ExitCode {
    let config = match load(&config) {
        Ok(config) => config,
        Err(unreadable) => {
            say(&mut io::stderr(), &unreadable.to_string());
            return exit(Conclusion::Refused);
        }
    };
    let telemetry = Telemetry::start(config.log.format, config.log.level);
    telemetry.flush(Duration::from_secs(1));
    todo!()
}

#[cfg(feature = "demo")]
fn demo(port: u16) -> ExitCode {
    let _ = port;
    todo!()
}
