//! What the registry holds: a device, its bindings, its keys.

use serde::Serialize;

use crate::{
    clock::Timestamp,
    principal::{BindingId, BindingState, DeviceId, Generation, Thumbprint},
};

/// What is known of a device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RegisteredDevice {
    /// Its name here.
    pub id: DeviceId,
    /// Its serial number, as it says.
    pub hardware_id: String,
    /// Its model, as it says.
    pub model: String,
    /// The version of its app, as it said last.
    pub app_version: String,
    /// When it was registered.
    pub first_seen: Timestamp,
    /// When it was heard of last: to the hour, and written some time later.
    pub last_seen: Option<Timestamp>,
    /// The address from which that was.
    pub last_address: Option<String>,
    /// Who registered it.
    pub created_by: String,
    /// The tenants that it is or was in.
    pub bindings: Vec<Binding>,
    /// The keys by which it proves itself.
    pub keys: Vec<DeviceKey>,
}

/// A device in a tenant and a room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Binding {
    /// Its name.
    pub id: BindingId,
    /// The device.
    pub device: DeviceId,
    /// The tenant.
    pub tenant: String,
    /// The room.
    pub room: String,
    /// What has become of it.
    pub state: BindingState,
    /// How often it has begun anew. Of one that is revoked: the generation that ended.
    pub generation: Generation,
    /// Counts its changes.
    pub version: i64,
    /// When it was made.
    pub created: Timestamp,
    /// By whom.
    pub created_by: String,
    /// When it was changed last.
    pub changed: Timestamp,
    /// By whom.
    pub changed_by: String,
    /// And why.
    pub reason: String,
}

/// A device's key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeviceKey {
    /// Its name.
    pub thumbprint: Thumbprint,
    /// Whose it is.
    pub device: DeviceId,
    /// Its public half, as a JWK (RFC 7517).
    pub jwk: String,
    /// When it was registered.
    pub added: Timestamp,
    /// The key that takes its place.
    pub successor: Option<Thumbprint>,
    /// When that was first used.
    pub successor_used: Option<Timestamp>,
    /// Until when this one is good.
    pub until: Option<Timestamp>,
}

impl RegisteredDevice {
    /// The bindings that stand.
    pub fn active_bindings(&self) -> impl Iterator<Item = &Binding> {
        self.bindings.iter().filter(|binding| binding.state == BindingState::Active)
    }
}
