//! The command line: what to do, and what the exit code means.
//!
//! Exit codes: 0 done; 2 wrong usage; 10 would start, but something it depends on is down (`check --probe`); 20 refused.

mod alone;
mod device;
mod held;
mod inventory;
mod keys;
mod legacy;
mod notify;
mod reload;
mod serve;
mod sessions;
mod simulate;
mod upgrade;

use std::{
    ffi::OsString,
    io,
    path::{Path, PathBuf},
    process::ExitCode,
};

use crate::{
    check::{self, Conclusion, load_without_secrets},
    config::Config,
    server::control::{self, Command, CommandAnswer},
};
use auth_core::{
    Clock,
    data_folder::{DataFolder, FolderFault},
};
use clap::{Parser, Subcommand};

/// An authentication gateway whose 401 is always true.
#[derive(Debug, Parser)]
#[command(name = "gateway", version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Serve until SIGTERM or SIGINT, then finish what is under way. SIGHUP, or a changed file, reloads the configuration.
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
    /// The gateway's own keys: replace them, list them, mend what was lost.
    #[command(subcommand)]
    Keys(keys::Keys),
    /// Show both readings of the time; with `accept`, take the wall clock at its word.
    #[command(args_conflicts_with_subcommands = true)]
    Clock {
        /// The configuration file.
        #[arg(long, default_value = "gateway.toml")]
        config: PathBuf,
        #[command(subcommand)]
        order: Option<ClockOrder>,
    },
    /// The fleet of devices.
    Device(device::DeviceArguments),
    /// People's sessions: which stand, and an end of them.
    Sessions(sessions::SessionsArguments),
    /// The audit trail of the devices.
    Audit(device::AuditArguments),
    /// How each endpoint of each upstream is: healthy, recovering, or unhealthy and why.
    Endpoints {
        /// The configuration file.
        #[arg(long, default_value = "gateway.toml")]
        config: PathBuf,
    },
    /// The sessions that a provider refuses to renew, and that are held instead of ended.
    #[command(subcommand)]
    Held(held::HeldAction),
    /// Break a pretend monolith and a pretend provider, and see who gets signed out.
    #[cfg_attr(not(feature = "demo"), command(hide = true))]
    Demo {
        /// The port of the page on 127.0.0.1; 0 chooses one.
        #[arg(long, default_value_t = 0)]
        port: u16,
    },
    /// Have the gateway that runs read its configuration once more, and say what came of it.
    Reload {
        /// The configuration file.
        #[arg(long, default_value = "gateway.toml")]
        config: PathBuf,
    },
    /// Have the gateway that runs start its program once more and hand over to that: no client notices. For a newer release,
    /// or for what a reload cannot change.
    Upgrade {
        /// The configuration file.
        #[arg(long, default_value = "gateway.toml")]
        config: PathBuf,
    },
    /// Print the version.
    Version,
}

#[derive(Debug, Subcommand)]
enum ClockOrder {
    /// The wall clock is right, whatever the anchor says. Look at both first: what is over by the wall clock is refused
    /// from then on.
    Accept {
        /// The configuration file.
        #[arg(long, default_value = "gateway.toml")]
        config: PathBuf,
    },
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
        Action::Serve { config } => serve::run(config),
        Action::Reload { config } => reload::run(&config),
        Action::Upgrade { config } => upgrade::run(&config),
        Action::Check { config, probe } => exit(check::check(&config, probe, &mut io::stdout())),
        Action::Keys(action) => keys::run(action),
        Action::Clock { config, order: None } => command(&config, &Command::Clock, |folder, _| {
            let clock = Clock::system();
            clock.keep_in(folder.path());
            Ok(clock.readings().to_string())
        }),
        Action::Clock { order: Some(ClockOrder::Accept { config }), .. } => {
            command(&config, &Command::ClockAccept, |folder, _| {
                let clock = Clock::system();
                clock.keep_in(folder.path());
                let accepted = clock.accept();
                clock.write().map_err(|fault| fault.to_string())?;
                Ok(accepted.to_string())
            })
        }
        Action::Device(arguments) => device::run(arguments),
        Action::Sessions(arguments) => sessions::run(arguments),
        Action::Audit(arguments) => device::audit(arguments),
        Action::Endpoints { config } => command(&config, &Command::Endpoints, |_, _| {
            Err("no gateway runs with this configuration: only one that runs knows how they are".to_owned())
        }),
        Action::Held(action) => held::run(action),
        Action::Demo { port } => demo(port),
        Action::Version => {
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

/// Has `command` done by the gateway that holds the data folder; without one the folder is ours, and `alone` does it.
fn command(
    config: &Path,
    command: &Command,
    alone: impl FnOnce(&DataFolder, &Config) -> Result<String, String>,
) -> ExitCode {
    conclude(ask_or_do(config, command, |folder, config| alone(folder, config).map(CommandAnswer::Done)))
}

/// The same, with the answer.
fn ask_or_do(
    config: &Path,
    command: &Command,
    alone: impl FnOnce(&DataFolder, &Config) -> Result<CommandAnswer, String>,
) -> Result<CommandAnswer, String> {
    let config = load_without_secrets(config).map_err(|unreadable| unreadable.to_string())?;
    match DataFolder::take(&config.server.data, Clock::system().now()) {
        Ok(folder) => alone(&folder, &config),
        Err(held @ FolderFault::Held { .. }) => control::ask(&config.server.data, command)
            .map_err(|fault| format!("{held}. It cannot be asked to do this itself: {fault}")),
        Err(fault @ FolderFault::Io { .. }) => Err(fault.to_string()),
    }
}

/// Says what became of a command.
fn conclude(answer: Result<CommandAnswer, String>) -> ExitCode {
    let done = match answer {
        Ok(CommandAnswer::Done(done)) => done,
        Ok(CommandAnswer::Holder(holder)) => holder.to_string(),
        Ok(CommandAnswer::Refused(why)) | Err(why) => return refuse(&why),
        Ok(CommandAnswer::Page(_) | CommandAnswer::Known(_) | CommandAnswer::Sessions(_)) => {
            return refuse("the gateway answered something else");
        }
    };
    say(&mut io::stdout(), &done);
    ExitCode::SUCCESS
}

/// Says why a command was not done.
fn refuse(why: &str) -> ExitCode {
    say(&mut io::stderr(), why);
    exit(Conclusion::Refused)
}

#[cfg(feature = "demo")]
fn demo(port: u16) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    match runtime.and_then(|runtime| runtime.block_on(crate::demo::show::run(port))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            say(&mut io::stderr(), &format!("the demonstration cannot start: {fault}"));
            exit(Conclusion::Refused)
        }
    }
}

/// What is released has no pretend servers in it.
#[cfg(not(feature = "demo"))]
fn demo(_: u16) -> ExitCode {
    const WRONG_USAGE: u8 = 2;
    let way = "this gateway was built without the demonstration; in its sources, run `make demo`, \
               or build with `cargo build --features demo`";
    say(&mut io::stderr(), way);
    ExitCode::from(WRONG_USAGE)
}
