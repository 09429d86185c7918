//! What a device is told once, and what it keeps across restarts.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

use super::key::ClientKey;

/// What a device is told when it is built or installed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ClientSettings {
    /// The gateway's public address: scheme, host and port, nothing behind.
    pub origin: String,
    /// Under which the gateway's own paths are: `/.candor`.
    pub own_prefix: String,
    /// The path of what it shows.
    pub data_path: String,
    /// How often it asks for that.
    pub every: Duration,
    /// Serial number or the like: a hint for people, never a proof.
    pub hardware_id: String,
    /// The model, for people.
    pub model: String,
    /// The version of its software, for people.
    pub app_version: String,
}

/// What it keeps across restarts: written whole or not at all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct StoredState {
    /// Its key, which has no expiry: with it alone it gets everything else again.
    pub key: Option<ClientKey>,
    /// Its place in a tenant, with a token for it.
    pub credential: Option<DeviceCredential>,
    /// What it was given last.
    pub data: Option<String>,
    /// Its data is not to be shown, since a signed statement said so.
    pub hidden: bool,
    /// What is being erased.
    pub wiping: Vec<String>,
}

/// What the gateway granted.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct DeviceCredential {
    /// The device's identifier there.
    pub device_id: String,
    /// Its token.
    pub token: Concealed,
    /// Its tenant.
    pub tenant: String,
    /// Its room.
    pub room: String,
    /// How often its binding was begun anew. A statement about another generation is not about it.
    pub generation: u64,
    /// The keys whose statements it believes: those it was given when it was activated, and no others later, since who
    /// could replace them could have it erased.
    pub statement_keys: Vec<PinnedKey>,
}

/// A key whose statements are believed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PinnedKey {
    /// Its name.
    pub kid: String,
    /// Its public half: Ed25519 (RFC 8037), base64url.
    pub x: String,
}

/// A text that no log shows.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Concealed(pub String);

impl fmt::Debug for Concealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}
