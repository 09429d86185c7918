//! The device fleet: displays that hold a device token, bound to tenants, proven by keys of their own.

pub mod activation;
pub mod family;
pub mod grant;
mod last_seen;
pub mod legacy;
pub mod nonce;
pub mod proof;
pub mod registry;
pub mod statement;
pub mod token;

use std::{fmt, net::IpAddr, sync::Arc, time::Duration};

use self::{
    activation::{ActivationPolicy, LastPolls},
    grant::ComingsBack,
    last_seen::LastSeen,
    nonce::ProofNonces,
    proof::{ProofFault, ProofTarget, ProvenDeviceKey},
    registry::Registry,
    token::TokenMemory,
};
use crate::{
    clock::Now, database::Database, keyring::Keyring, principal::DeviceId, revocations::Revocations,
    verdict::Unavailable,
};

/// The front door to the device fleet. Cheap to clone; one a configuration.
#[derive(Clone)]
pub struct Devices(Arc<Parts>);

struct Parts {
    keyring: Keyring,
    registry: Registry,
    nonces: ProofNonces,
    polls: LastPolls,
    comings_back: ComingsBack,
    policy: DevicePolicy,
    memory: TokenMemory,
    last_seen: LastSeen,
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
    /// How PINs are given out.
    pub activation: ActivationPolicy,
    /// What a device erases that is told twice that it is revoked: `token`, `calendar`, `theme`.
    pub wipe: Arc<[String]>,
}

impl Devices {
    /// The fleet in `store`, whose tokens `keyring` signs and `revocations` ends.
    pub fn new(keyring: Keyring, store: Database, revocations: Revocations, policy: DevicePolicy) -> Self {
        let nonces = ProofNonces::new(keyring.clone());
        let (registry, memory) = (Registry::new(store, revocations), TokenMemory::new());
        let last_seen = LastSeen::new(registry.clone());
        let (polls, comings_back) = (LastPolls::default(), ComingsBack::default());
        Self(Arc::new(Parts { keyring, registry, nonces, polls, comings_back, policy, memory, last_seen }))
    }

    /// A nonce for one key proof, good for [`nonce::NONCE_LIFETIME`].
    ///
    /// # Errors
    /// Unavailable, if the system has no randomness.
    pub fn proof_nonce(&self, now: Now) -> Result<String, Unavailable> {
        self.0.nonces.issue(now)
    }

    /// Takes a key proof made for `target`, and uses its nonce up.
    ///
    /// # Errors
    /// What is wrong with it. It costs no state then.
    pub fn prove(&self, proof: &str, target: ProofTarget<'_>, now: Now) -> Result<ProvenDeviceKey, ProofFault> {
        proof::prove(&self.0.nonces, proof, target, now)
    }

    /// Takes the proofs of two keys for one request, over one nonce: what replacing a key takes.
    ///
    /// # Errors
    /// As [`Devices::prove`], of either.
    pub fn prove_both(
        &self,
        proofs: [&str; 2],
        target: ProofTarget<'_>,
        now: Now,
    ) -> Result<[ProvenDeviceKey; 2], ProofFault> {
        proof::prove_both(&self.0.nonces, proofs, target, now)
    }

    /// Devices, keys and bindings.
    pub fn registry(&self) -> &Registry {
        &self.0.registry
    }

    /// A device was heard of, from this address if that is known. Written down before long, in the background.
    pub fn saw(&self, device: DeviceId, address: Option<IpAddr>, now: Now) {
        self.0.last_seen.note(device, address, now);
    }

    /// Writes down now what is to be written of devices that were heard of.
    ///
    /// # Errors
    /// Unavailable, if the store is. It is written later then.
    pub async fn write_last_seen(&self) -> Result<(), Unavailable> {
        self.0.last_seen.write().await
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
