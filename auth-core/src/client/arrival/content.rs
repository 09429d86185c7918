//! What stands in the JSON of an answer.

use std::time::Duration;

use serde_json::Value;

use crate::client::{Concealed, DeviceCredential, OpenActivation, stored::PinnedKey};

impl OpenActivation {
    pub(super) fn read(body: &Value, now: Duration) -> Option<Self> {
        Some(Self {
            id: text(body, "activation_id")?,
            code: Concealed(text(body, "device_code")?),
            pin: text(body, "pin")?,
            tag: text(body, "tag"),
            uri: text(body, "verification_uri_complete").or_else(|| text(body, "verification_uri"))?,
            until: now + seconds(body, "expires_in")?,
            every: seconds(body, "interval")?.max(Duration::from_secs(1)),
        })
    }
}

/// The credential of a *granted*, and when its token is to be renewed.
pub(super) fn read_grant(body: &Value) -> Option<(DeviceCredential, Duration)> {
    let keys = body.get("statement_keys")?.get("keys")?.as_array()?;
    let pinned = |key: &Value| {
        let is_ours = key.get("kty")? == "OKP" && key.get("crv")? == "Ed25519";
        is_ours.then_some(PinnedKey { kid: text(key, "kid")?, x: text(key, "x")? })
    };
    let credential = DeviceCredential {
        device_id: text(body, "device_id")?,
        token: Concealed(text(body, "token")?),
        tenant: text(body, "tenant")?,
        room: text(body, "room").unwrap_or_default(),
        generation: body.get("generation")?.as_u64()?,
        statement_keys: keys.iter().filter_map(pinned).collect(),
    };
    Some((credential, seconds(body, "renew_in")?))
}

fn text(body: &Value, name: &str) -> Option<String> {
    body.get(name)?.as_str().map(ToOwned::to_owned)
}

/// A number of seconds, at most a year: an absurd one must not overflow a clock.
pub(super) fn seconds(body: &Value, name: &str) -> Option<Duration> {
    const YEAR: u64 = 366 * 24 * 3600;
    Some(Duration::from_secs(body.get(name)?.as_u64()?.min(YEAR)))
}
