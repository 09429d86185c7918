//! The device fleet: displays that hold a device token, bound to tenants, proven by keys of their own.

pub mod registry;

use std::{fmt, sync::Arc, time::Duration};

use self::registry::Registry;
use crate::{database::Database, keyring::Keyring, revocations::Revocations};

/// The front door to the device fleet. Cheap to clone; one a configuration.
#[derive(Clone)]
pub struct Devices(Arc<Parts>);

struct Parts {
    keyring: Keyring,
    registry: Registry,
    policy: DevicePolicy,
}

/// What a configuration says of device tokens.
#[derive(Clone, Debug)]
pub struct DevicePolicy {
    /// The age at which a token is due to be renewed: 12 h.
    pub renew_after: Duration,
    /// The age at which it is overdue: 24 h.
    pub soft: Duration,
    /// The age at which it is over: 14 days.
    pub hard: Duration,
    /// The `iss` of our tokens: the origin of `public_url`, and our prefix.
    pub issuer: Arc<str>,
    /// Their `aud`: the origin of `public_url`.
    pub audience: Arc<str>,
}

impl Devices {
    /// The fleet in `store`, whose tokens `keyring` signs and `revocations` ends.
    pub fn new(keyring: Keyring, store: Database, revocations: Revocations, policy: DevicePolicy) -> Self {
        Self(Arc::new(Parts { keyring, registry: Registry::new(store, revocations), policy }))
    }

    /// Devices, keys and bindings.
    pub fn registry(&self) -> &Registry {
        &self.0.registry
    }

    /// What the configuration says.
    pub fn policy(&self) -> &DevicePolicy {
        &self.0.policy
    }

    /// Our keys.
    pub fn keyring(&self) -> &Keyring {
        &self.0.keyring
    }
}

impl fmt::Debug for Devices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Devices(..)")
    }
}
