//! What commands ask about the device fleet, and how it is done: by the gateway that holds the data folder, or by the
//! command itself when nobody does.

use auth_core::{
    Now, audit,
    audit::AuditFinding,
    device::{
        Devices,
        registry::{
            Binding, BindingChange, DeviceDescription, ImportOutcome, NewDevice, NotADeviceKey, Order, RegisteredDevice,
        },
        statement::BrakeScope,
    },
    principal::{BindingState, DeviceId},
    verdict::Unavailable,
};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};

use super::CommandAnswer;

/// How many devices stand on a page.
const PAGE: u32 = 100;
/// How many devices one import may bring: all of them are written in one transaction, while others wait.
pub const MOST_IMPORTED: usize = 2000;

/// What a command asks about devices.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fleet", rename_all = "kebab-case", deny_unknown_fields)]
pub enum FleetCommand {
    /// To write down a device.
    Register {
        /// It, and where it hangs.
        device: ListedDevice,
        /// Why.
        reason: String,
    },
    /// To write down many, all or none.
    Import {
        /// They.
        devices: Vec<ListedDevice>,
        /// Why.
        reason: String,
    },
    /// To show a page of devices.
    List {
        /// Only of this tenant.
        tenant: Option<String>,
        /// After this one.
        after: Option<DeviceId>,
    },
    /// To show one device.
    Show {
        /// Its id.
        device: DeviceId,
    },
    /// To suspend, revoke or bring back a device's place in a tenant.
    Change {
        /// Its id.
        device: DeviceId,
        /// In which tenant, if it is in several.
        tenant: Option<String>,
        /// What is to become of it.
        to: BindingState,
        /// Why.
        reason: String,
    },
    /// To say which brakes hold back statements.
    Brakes,
    /// To release one.
    ReleaseBrake {
        /// That of this tenant; else the fleet's.
        tenant: Option<String>,
        /// Why.
        reason: String,
    },
    /// To go through the audit trail.
    AuditVerify,
}

/// A device as an operator writes it down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListedDevice {
    /// Its serial number.
    pub hardware_id: String,
    /// Its model.
    pub model: String,
    /// The tenant that it belongs to.
    pub tenant: String,
    /// The room that it hangs in.
    pub room: String,
    /// Its public key as a JWK (RFC 7517), if it has one already: then it needs no PIN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwk: Option<String>,
}

/// Some devices, in the order of their ids.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedPage {
    /// They, with their keys and bindings.
    pub devices: Vec<serde_json::Value>,
    /// After which the next page begins; `None` if this is the last.
    pub next: Option<DeviceId>,
}

impl FleetCommand {
    /// What is asked, for the log: without whose devices they are.
    const fn as_str(&self) -> &'static str {
        match self {
            Self::Register { .. } => "register",
            Self::Import { .. } => "import",
            Self::List { .. } => "list",
            Self::Show { .. } => "show",
            Self::Change { .. } => "change",
            Self::Brakes => "brakes",
            Self::ReleaseBrake { .. } => "release-brake",
            Self::AuditVerify => "audit-verify",
        }
    }
}

/// Does what `command` asks, for `actor`.
pub async fn execute(devices: &Devices, command: FleetCommand, actor: String, now: Now) -> CommandAnswer {
    let done = match command {
        FleetCommand::Register { device, reason } => register(devices, device, ordered(actor, reason), now).await,
        FleetCommand::Import { devices: listed, reason } => import(devices, listed, ordered(actor, reason), now).await,
        FleetCommand::List { tenant, after } => list(devices, tenant, after).await,
        FleetCommand::Show { device } => show(devices, device).await,
        FleetCommand::Change { device, tenant, to, reason } => {
            change(devices, device, tenant.as_deref(), to, ordered(actor, reason), now).await
        }
        FleetCommand::Brakes => brakes(devices).await,
        FleetCommand::ReleaseBrake { tenant, reason } => release(devices, tenant, ordered(actor, reason), now).await,
        FleetCommand::AuditVerify => verify(devices).await,
    };
    done.unwrap_or_else(|unavailable| CommandAnswer::Refused(format!("nothing was promised: {unavailable}")))
}

fn ordered(who: String, why: String) -> Order {
    Order { who, why }
}

fn new(listed: ListedDevice) -> Result<NewDevice, String> {
    let ListedDevice { hardware_id, model, tenant, room, jwk } = listed;
    let key = jwk.map(|jwk| jwk.parse()).transpose();
    let key = key.map_err(|fault: NotADeviceKey| format!("the key of {hardware_id:?}: {fault}"))?;
    let description = DeviceDescription { hardware_id, model, app_version: String::new() };
    Ok(NewDevice { description, key, tenant, room })
}

async fn register(
    devices: &Devices,
    device: ListedDevice,
    order: Order,
    now: Now,
) -> Result<CommandAnswer, Unavailable> {
    let new = match new(device) {
        Ok(new) => new,
        Err(why) => return Ok(CommandAnswer::Refused(why)),
    };
    let registered = devices.registry().register(new, order, now).await?;
    let token = match registered.bindings.first() {
        Some(binding) => token_of(devices, binding, now)?,
        None => String::new(),
    };
    Ok(CommandAnswer::Done(format!("registered {}{token}", registered.id)))
}

/// A token for a device without a key, which lasts: the device may know no more than to show it.
fn token_of(devices: &Devices, binding: &Binding, now: Now) -> Result<String, Unavailable> {
    let token = devices.mint_lasting(binding, now)?;
    Ok(format!("\ntoken {}", token.text.expose_secret()))
}

async fn brakes(devices: &Devices) -> Result<CommandAnswer, Unavailable> {
    let pressed = devices.pressed_brakes().await?;
    let lines: Vec<String> = pressed.iter().map(ToString::to_string).collect();
    Ok(CommandAnswer::Done(if lines.is_empty() { "no brake is pressed".to_owned() } else { lines.join("\n") }))
}

async fn release(
    devices: &Devices,
    tenant: Option<String>,
    order: Order,
    now: Now,
) -> Result<CommandAnswer, Unavailable> {
    let scope = tenant.map_or(BrakeScope::Fleet, BrakeScope::Tenant);
    Ok(if devices.release_brake(scope, order, now).await? {
        CommandAnswer::Done("the brake is released for an hour: what is revoked is stated so".to_owned())
    } else {
        CommandAnswer::Refused("no such brake is pressed".to_owned())
    })
}

async fn import(
    devices: &Devices,
    listed: Vec<ListedDevice>,
    order: Order,
    now: Now,
) -> Result<CommandAnswer, Unavailable> {
    if listed.len() > MOST_IMPORTED {
        let why = format!("{} devices are more than the {MOST_IMPORTED} of one import: split the file", listed.len());
        return Ok(CommandAnswer::Refused(why));
    }
    let count = listed.len();
    let listed = match listed.into_iter().map(new).collect() {
        Ok(listed) => listed,
        Err(why) => return Ok(CommandAnswer::Refused(why)),
    };
    let imported = match devices.registry().import(listed, order, now).await {
        Ok(imported) => imported,
        Err(down) => {
            let why = format!(
                "{down}: nobody can tell whether the list was imported. Import it again: either it is then, or what is \
                 registered already is named"
            );
            return Ok(CommandAnswer::Refused(why));
        }
    };
    Ok(match imported {
        ImportOutcome::Done => CommandAnswer::Done(format!("imported {count} devices")),
        ImportOutcome::Known(hardware_ids) => CommandAnswer::Known(hardware_ids),
    })
}

async fn list(
    devices: &Devices,
    tenant: Option<String>,
    after: Option<DeviceId>,
) -> Result<CommandAnswer, Unavailable> {
    let page = devices.registry().list(tenant, after, PAGE).await?;
    let devices = page.devices.iter().map(as_json).collect();
    Ok(CommandAnswer::Page(ListedPage { devices, next: page.next }))
}

async fn show(devices: &Devices, device: DeviceId) -> Result<CommandAnswer, Unavailable> {
    Ok(match devices.registry().show(device).await? {
        Some(device) => CommandAnswer::Page(ListedPage { devices: vec![as_json(&device)], next: None }),
        None => unknown(device),
    })
}

async fn change(
    devices: &Devices,
    id: DeviceId,
    tenant: Option<&str>,
    to: BindingState,
    order: Order,
    now: Now,
) -> Result<CommandAnswer, Unavailable> {
    let Some(device) = devices.registry().show(id).await? else { return Ok(unknown(id)) };
    let binding = match meant(&device, tenant) {
        Ok(binding) => binding,
        Err(why) => return Ok(CommandAnswer::Refused(why)),
    };
    let changed = devices.registry().change(binding.id, to, order, now).await?;
    Ok(match changed {
        BindingChange::Unknown => unknown(id),
        BindingChange::Unchanged(Binding { state: BindingState::Revoked, tenant, .. })
            if to == BindingState::Suspended =>
        {
            CommandAnswer::Refused(format!("{id} is revoked in {tenant}: there is nothing to suspend"))
        }
        BindingChange::Unchanged(binding) => {
            CommandAnswer::Done(format!("{id} was {} in {} already", binding.state, binding.tenant))
        }
        BindingChange::Changed(binding) => {
            let Binding { state, tenant, generation, .. } = &binding;
            let keyless = device.keys.is_empty() && *state == BindingState::Active;
            let token = if keyless { token_of(devices, &binding, now)? } else { String::new() };
            CommandAnswer::Done(format!("{id} is {state} in {tenant}, generation {generation}{token}"))
        }
    })
}

/// The binding that is meant: the one in `tenant`, else the only one.
fn meant<'d>(device: &'d RegisteredDevice, tenant: Option<&str>) -> Result<&'d Binding, String> {
    let tenants = || device.bindings.iter().map(|binding| &*binding.tenant).collect::<Vec<_>>().join(", ");
    match (tenant, &device.bindings[..]) {
        (Some(tenant), bindings) => bindings
            .iter()
            .find(|binding| binding.tenant == tenant)
            .ok_or_else(|| format!("{} is not in {tenant}; it is in {}", device.id, tenants())),
        (None, [only]) => Ok(only),
        (None, []) => Err(format!("{} is in no tenant", device.id)),
        (None, _) => Err(format!("{} is in {}: say which by --tenant", device.id, tenants())),
    }
}

async fn verify(devices: &Devices) -> Result<CommandAnswer, Unavailable> {
    Ok(match audit::verify(devices.registry().store()).await? {
        AuditFinding::Whole { rows, head } => {
            CommandAnswer::Done(format!("the audit trail is whole: {rows} rows, the last {head}"))
        }
        AuditFinding::Broken { seq, what } => {
            CommandAnswer::Refused(format!("the audit trail is broken at row {seq}: {what}"))
        }
    })
}

fn unknown(device: DeviceId) -> CommandAnswer {
    CommandAnswer::Refused(format!("there is no device {device}"))
}

fn as_json(device: &RegisteredDevice) -> serde_json::Value {
    serde_json::to_value(device).unwrap_or_default()
}

impl std::fmt::Debug for FleetCommand {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
