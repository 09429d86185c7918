//! `gateway device simulate`: displays that nobody hangs on a wall. Only with the feature `demo`.

use std::{path::PathBuf, process::ExitCode};

use clap::Args;

/// `gateway device simulate`.
#[derive(Debug, Args)]
pub(super) struct SimulateArguments {
    /// The public address of a running gateway.
    #[arg(long, required_unless_present_any = ["incident", "enrol"], conflicts_with_all = ["incident", "enrol"])]
    gateway: Option<String>,
    /// Replay January 2021 against a gateway that this starts, twice, and then against a bare pass-through.
    #[arg(long)]
    incident: bool,
    /// Make keys for devices, and write them into this new folder: `devices-N.csv` for `gateway device import`, and
    /// `keys.jsonl` for `--keep`. Nothing is simulated.
    #[arg(long, value_name = "FOLDER", conflicts_with = "incident")]
    enrol: Option<PathBuf>,
    /// The tenant that devices are enrolled in.
    #[arg(long, default_value = "demo")]
    tenant: String,
    /// How many devices; of the incident, as many unmodified ones and as many with the new client.
    #[arg(long, default_value_t = 1000)]
    devices: usize,
    /// How many are switched on a second.
    #[arg(long, default_value_t = 100)]
    rate: u32,
    /// Unmodified apps, which a 401 makes erase what they hold, with the tokens in this file, one a line.
    #[arg(long, value_name = "TOKENS", conflicts_with = "keep")]
    legacy: Option<PathBuf>,
    /// The path of what they show.
    #[arg(long, default_value = "/api/v1/calendar")]
    path: String,
    /// The prefix of the gateway's own paths.
    #[arg(long, default_value = "/.candor")]
    own_prefix: String,
    /// How often each asks for that, in seconds of its time.
    #[arg(long, default_value_t = 60)]
    every: u64,
    /// How much faster the devices' time goes than ours: not at all, but thirty times in the incident. A machine that
    /// cannot keep up needs less.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    speed: Option<u32>,
    /// How long, in seconds of our time.
    #[arg(long, default_value_t = 60)]
    lasting: u64,
    /// How many requests are under way at once. A device that has to wait for its turn counts that as waiting for its answer.
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Keep keys and tokens in this file between two runs.
    #[arg(long)]
    keep: Option<PathBuf>,
}

#[cfg(feature = "demo")]
pub(super) fn run(arguments: SimulateArguments) -> ExitCode {
    use std::{io, time::Duration};

    use crate::demo::{
        incident,
        simulate::{self, SimulateOptions},
    };

    let simulated = || -> io::Result<()> {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        if let Some(folder) = arguments.enrol {
            let enrolled = simulate::enrol(&folder, arguments.devices, &arguments.tenant)?;
            println!("enrolled: {} devices, whose keys are in {}", enrolled.stored.len(), enrolled.keys.display());
            for list in enrolled.lists {
                println!("gateway device import {} --reason …", list.display());
            }
            return Ok(());
        }
        let Some(gateway) = arguments.gateway else {
            let usual = incident::IncidentOptions::default();
            let speed = arguments.speed.unwrap_or(usual.speed);
            let options = incident::IncidentOptions { devices: arguments.devices, speed, ..usual };
            return runtime.block_on(incident::show(options, &mut io::stdout()));
        };
        let options = SimulateOptions {
            gateway: gateway.parse().map_err(io::Error::other)?,
            own_prefix: arguments.own_prefix,
            devices: arguments.devices,
            rate: arguments.rate,
            path: arguments.path,
            every: Duration::from_secs(arguments.every.max(1)),
            speed: arguments.speed.unwrap_or(1),
            lasting: Duration::from_secs(arguments.lasting),
            connections: arguments.connections.max(1),
            tokens: arguments.legacy,
            keep: arguments.keep,
        };
        runtime.block_on(simulate::run(options, &mut io::stdout()))
    };
    match simulated() {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => super::refuse(&format!("nothing can be simulated: {fault}")),
    }
}

/// What is released has neither pretend servers nor pretend displays in it.
#[cfg(not(feature = "demo"))]
pub(super) fn run(_: SimulateArguments) -> ExitCode {
    super::refuse("this gateway was built without simulated devices: build it with `cargo build --features demo`")
}
