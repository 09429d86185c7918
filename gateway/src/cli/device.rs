//! `gateway device …` and `gateway audit …`: the fleet by hand. The gateway that holds the data folder does it; without
//! one the command takes the folder.

use std::{fs, io, path::PathBuf, process::ExitCode};

use auth_core::{
    data_folder::DataFolder,
    device::{
        Devices,
        legacy::{LegacyPolicy, LegacyTokens},
    },
    principal::{BindingState, DeviceId},
};
use clap::{Args, Subcommand};
use serde_json::Value;

use super::{
    alone::{OwnHands, alone},
    ask_or_do, conclude, inventory,
    legacy::{self, LegacyAction},
    refuse, say,
    simulate::{self, SimulateArguments},
};
use crate::{
    config::{Config, site::Site},
    server::control::{
        self, Command, CommandAnswer,
        fleet::{self, FleetCommand, ListedDevice},
        legacy::LegacyCommand,
    },
    state::device_policy,
};

/// `gateway device`.
#[derive(Debug, Args)]
pub(super) struct DeviceArguments {
    /// The configuration file.
    #[arg(long, global = true, default_value = "gateway.toml")]
    config: PathBuf,
    #[command(subcommand)]
    action: DeviceAction,
}

/// `gateway audit`.
#[derive(Debug, Args)]
pub(super) struct AuditArguments {
    /// The configuration file.
    #[arg(long, global = true, default_value = "gateway.toml")]
    config: PathBuf,
    #[command(subcommand)]
    action: AuditAction,
}

#[derive(Debug, Subcommand)]
enum AuditAction {
    /// Go through the audit trail and look whether every row follows from the one before.
    Verify,
}

#[derive(Debug, Subcommand)]
enum DeviceAction {
    /// Write down a device without a key of its own, and print a token for it: good for ten years, or until it is revoked.
    Register {
        /// Its serial number.
        #[arg(long)]
        hardware_id: String,
        /// Its model.
        #[arg(long, default_value = "")]
        model: String,
        /// The tenant that it belongs to.
        #[arg(long)]
        tenant: String,
        /// The room that it hangs in.
        #[arg(long)]
        room: String,
        /// Why, for the audit trail.
        #[arg(long)]
        reason: String,
    },
    /// List devices, a hundred at a time.
    List {
        /// Only those of this tenant.
        #[arg(long)]
        tenant: Option<String>,
        /// Only those after this one: the last of the page before.
        #[arg(long)]
        after: Option<DeviceId>,
        /// As JSON, one device a line.
        #[arg(long)]
        json: bool,
    },
    /// Show all that is known of a device, as JSON.
    Show {
        /// Its id.
        device: DeviceId,
    },
    /// Turn a device away for now. It keeps everything.
    Suspend(Change),
    /// Turn a device away for good: it erases what it holds.
    Revoke(Change),
    /// Let a device in again that was suspended or revoked.
    Reactivate(Change),
    /// Write down the devices of a CSV file: all, or none if anything is wrong with it.
    Import {
        /// The file, with the columns hardware_id, model, tenant and room, and jwk for those that have a key already.
        file: PathBuf,
        /// Why, for the audit trail.
        #[arg(long)]
        reason: String,
    },
    /// Show which brakes hold back statements that devices are revoked; with `release`, release one for an hour.
    #[command(args_conflicts_with_subcommands = true)]
    Brake {
        #[command(subcommand)]
        order: Option<BrakeOrder>,
    },
    /// Write every device as CSV, one line for each tenant that it is or was in.
    Export {
        /// Only those of this tenant.
        #[arg(long)]
        tenant: Option<String>,
    },
    /// Decide about opaque tokens of before.
    #[command(subcommand)]
    Legacy(LegacyAction),
    /// Run pretend displays against a gateway.
    #[cfg_attr(not(feature = "demo"), command(hide = true))]
    Simulate(SimulateArguments),
}

#[derive(Debug, Subcommand)]
enum BrakeOrder {
    /// Somebody has looked, and the revocations are meant.
    Release {
        /// The brake of this tenant; else the fleet's.
        #[arg(long)]
        tenant: Option<String>,
        /// Why, for the audit trail.
        #[arg(long)]
        reason: String,
    },
}

/// What a change is made of.
#[derive(Debug, Args)]
struct Change {
    /// The device's id.
    device: DeviceId,
    /// In which tenant, if it is in several.
    #[arg(long)]
    tenant: Option<String>,
    /// Why, for the audit trail.
    #[arg(long)]
    reason: String,
}

/// What is sent to whoever does it, and how the answers come back.
pub(super) struct FleetClient {
    config: PathBuf,
}

/// Runs `gateway device`.
pub(super) fn run(DeviceArguments { config, action }: DeviceArguments) -> ExitCode {
    let fleet = FleetClient { config };
    match action {
        DeviceAction::Register { hardware_id, model, tenant, room, reason } => {
            let device = ListedDevice { hardware_id, model, tenant, room, jwk: None };
            match &inventory::wrong_fields(&device)[..] {
                [] => fleet.told(FleetCommand::Register { device, reason }),
                wrong => refuse(&wrong.join("\n")),
            }
        }
        DeviceAction::List { tenant, after, json } => fleet.list(tenant, after, json),
        DeviceAction::Show { device } => fleet.show(device),
        DeviceAction::Suspend(change) => fleet.change(change, BindingState::Suspended),
        DeviceAction::Revoke(change) => fleet.change(change, BindingState::Revoked),
        DeviceAction::Reactivate(change) => fleet.change(change, BindingState::Active),
        DeviceAction::Brake { order: None } => fleet.told(FleetCommand::Brakes),
        DeviceAction::Brake { order: Some(BrakeOrder::Release { tenant, reason }) } => {
            fleet.told(FleetCommand::ReleaseBrake { tenant, reason })
        }
        DeviceAction::Import { file, reason } => fleet.import(&file, reason),
        DeviceAction::Export { tenant } => fleet.export(tenant),
        DeviceAction::Legacy(action) => legacy::run(&fleet, action),
        DeviceAction::Simulate(arguments) => simulate::run(arguments),
    }
}

/// Runs `gateway audit`.
pub(super) fn audit(AuditArguments { config, action: AuditAction::Verify }: AuditArguments) -> ExitCode {
    FleetClient { config }.told(FleetCommand::AuditVerify)
}

impl FleetClient {
    fn ask(&self, command: FleetCommand) -> Result<CommandAnswer, String> {
        ask_or_do(&self.config, &Command::Fleet(command.clone()), |folder, config| {
            with_fleet(folder, config, async |devices, own| {
                fleet::execute(devices, command, own.operator.clone(), own.clock.now()).await
            })
        })
    }

    /// Asks about tokens of before.
    pub(super) fn ask_legacy(&self, command: LegacyCommand) -> Result<CommandAnswer, String> {
        ask_or_do(&self.config, &Command::Legacy(command.clone()), |folder, config| {
            with_fleet(folder, config, async |devices, own| {
                let (background, clock) = (own.background.clone(), own.clock.clone());
                let tokens = LegacyTokens::new(devices.registry().clone(), background, clock, LegacyPolicy::default());
                control::legacy::execute(&tokens, command, own.operator.clone(), own.clock.now()).await
            })
        })
    }

    fn told(&self, command: FleetCommand) -> ExitCode {
        conclude(self.ask(command))
    }

    fn change(&self, Change { device, tenant, reason }: Change, to: BindingState) -> ExitCode {
        self.told(FleetCommand::Change { device, tenant, to, reason })
    }

    fn show(&self, device: DeviceId) -> ExitCode {
        self.each_page(FleetCommand::Show { device }, |device| format!("{device:#}\n"))
            .map_or_else(|why| refuse(&why), |_| ExitCode::SUCCESS)
    }

    fn list(&self, tenant: Option<String>, after: Option<DeviceId>, json: bool) -> ExitCode {
        let shown = |device: &Value| if json { format!("{device}\n") } else { listed(device) };
        match self.each_page(FleetCommand::List { tenant, after }, shown) {
            Ok(next) => {
                if let Some(next) = next {
                    say(&mut io::stderr(), &format!("there are more: --after {next}"));
                }
                ExitCode::SUCCESS
            }
            Err(why) => refuse(&why),
        }
    }

    /// Prints one page, and says where the next begins.
    fn each_page(&self, command: FleetCommand, shown: impl Fn(&Value) -> String) -> Result<Option<DeviceId>, String> {
        match self.ask(command)? {
            CommandAnswer::Page(page) => {
                let text: String = page.devices.iter().map(shown).collect();
                print(&text);
                Ok(page.next)
            }
            CommandAnswer::Refused(why) => Err(why),
            CommandAnswer::Done(_)
            | CommandAnswer::Holder(_)
            | CommandAnswer::Known(_)
            | CommandAnswer::Sessions(_) => Err("the gateway answered something else".to_owned()),
        }
    }

    fn export(&self, tenant: Option<String>) -> ExitCode {
        print(&inventory::header());
        let mut after = None;
        loop {
            match self.each_page(FleetCommand::List { tenant: tenant.clone(), after }, inventory::lines) {
                Ok(None) => return ExitCode::SUCCESS,
                Ok(next) => after = next,
                Err(why) => return refuse(&why),
            }
        }
    }

    fn import(&self, file: &PathBuf, reason: String) -> ExitCode {
        let name = file.display();
        let text = match fs::read_to_string(file) {
            Ok(text) => text,
            Err(fault) => return refuse(&format!("{name} cannot be read: {fault}")),
        };
        let listed = match inventory::read(&text) {
            Ok(listed) => listed,
            Err(problems) => {
                let problems: Vec<_> = problems.iter().map(|problem| format!("{name}:{problem}")).collect();
                return refuse(&format!("{}\nnothing was imported", problems.join("\n")));
            }
        };
        let devices = listed.iter().map(|(_, device)| device.clone()).collect();
        match self.ask(FleetCommand::Import { devices, reason }) {
            Ok(CommandAnswer::Known(known)) => {
                let lines = listed.iter().filter(|(_, device)| known.contains(&device.hardware_id));
                let lines: Vec<_> = lines
                    .map(|(line, it)| {
                        format!("{name}:{line}: hardware_id {:?} is registered already, or its key is", it.hardware_id)
                    })
                    .collect();
                refuse(&format!("{}\nnothing was imported", lines.join("\n")))
            }
            answer => conclude(answer),
        }
    }
}

/// Does `work` with the fleet, the folder in our own hands.
fn with_fleet(
    folder: &DataFolder,
    config: &Config,
    work: impl AsyncFnOnce(&Devices, &OwnHands) -> CommandAnswer,
) -> Result<CommandAnswer, String> {
    let Some(fleet) = &config.devices else { return Err("the configuration has no [devices]".to_owned()) };
    let policy = device_policy(fleet, &Site::new(config));
    alone(folder, config, async |own| {
        let devices = Devices::new(own.keyring.clone(), own.store.clone(), own.revocations.clone(), policy);
        work(&devices, &own).await
    })
}

/// A device on a line, for people.
fn listed(device: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let places = device["bindings"].as_array().into_iter().flatten();
    let places: Vec<String> = places
        .map(|place| format!("{}/{} {}", text(&place["tenant"]), text(&place["room"]), text(&place["state"])))
        .collect();
    let seen = Some(moment(&device["last_seen"])).filter(|seen| !seen.is_empty()).unwrap_or_else(|| "never".to_owned());
    format!(
        "{}  {}  {}  {}  seen {seen}\n",
        text(&device["id"]),
        text(&device["hardware_id"]),
        text(&device["model"]),
        places.join(", ")
    )
}

/// Milliseconds since the epoch as RFC 3339 has them; nothing for nothing.
pub(super) fn moment(millis: &Value) -> String {
    let at = millis.as_i64().and_then(|millis| jiff::Timestamp::from_millisecond(millis).ok());
    at.map(|at| at.to_string()).unwrap_or_default()
}

/// Writes what was asked for. A reader that went away is no reason to stop.
fn print(text: &str) {
    let _ = io::Write::write_all(&mut io::stdout(), text.as_bytes());
}
