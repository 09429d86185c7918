//! A display with a key of its own, and the fleet that it belongs to, without a gateway around them.

use std::{path::PathBuf, time::Duration};

use auth_core::{
    Background, Clock, Now, Timestamp,
    data_folder::DataFolder,
    database::Database,
    device::{
        DevicePolicy, Devices,
        activation::{Activation, ActivationPolicy, Administrator, AskingNetwork, BeginAnswer},
        proof::{ProofTarget, ProvenDeviceKey},
        registry::{DeviceDescription, NewDevice, Order, PublicKey, RegisteredDevice},
    },
    keyring::Keyring,
    principal::{BindingState, Thumbprint},
    revocations::{RevocationPolicy, Revocations},
};
use aws_lc_rs::{
    digest,
    signature::{Ed25519KeyPair, KeyPair},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::folder::Folder;

/// A fleet in a folder of its own, at a standing clock.
pub struct Fleet {
    /// The front door.
    pub devices: Devices,
    /// The time.
    pub clock: Clock,
    _data: DataFolder,
    folder: Folder,
}

/// A device key of Ed25519.
pub struct DisplayKey(Ed25519KeyPair);

impl Fleet {
    /// An empty one.
    ///
    /// # Panics
    /// It cannot be made.
    pub async fn start() -> Self {
        let (folder, clock) = (Folder::new(), Clock::standing_at(Timestamp::from_secs(1_800_000_000)));
        let data = DataFolder::take(folder.path(), clock.now()).expect("nobody else has it");
        let background = Background::current();
        let store = Database::at(store_path(&folder), background.clone(), Duration::from_secs(5));
        let keyring = Keyring::open(&data, &store, clock.now()).await.expect("both are absent");
        let policy = RevocationPolicy::default();
        let revocations = Revocations::open(&data, store.clone(), background, clock.clone(), policy).await;
        let devices = Devices::new(keyring, store, revocations, device_policy());
        Self { devices, clock, _data: data, folder }
    }

    /// The time.
    pub fn now(&self) -> Now {
        self.clock.now()
    }

    /// The file of its store.
    pub fn store_path(&self) -> PathBuf {
        store_path(&self.folder)
    }

    /// A nonce for a key proof.
    ///
    /// # Panics
    /// There is no randomness.
    pub fn nonce(&self) -> String {
        self.devices.proof_nonce(self.now()).expect("there is randomness")
    }
}

fn store_path(folder: &Folder) -> PathBuf {
    folder.path().join("store.sqlite")
}

fn device_policy() -> DevicePolicy {
    DevicePolicy {
        renew_after: Duration::from_secs(12 * 3600),
        soft: Duration::from_secs(24 * 3600),
        hard: Duration::from_secs(14 * 24 * 3600),
        issuer: "https://gate.example/.candor".into(),
        audience: "https://gate.example".into(),
        activation: ActivationPolicy::default(),
        wipe: ["token", "calendar", "theme"].map(str::to_owned).into(),
    }
}

impl Fleet {
    /// `key`, proven to be held.
    ///
    /// # Panics
    /// The proof is not taken.
    pub fn proven(&self, key: &DisplayKey) -> ProvenDeviceKey {
        let target = ProofTarget { method: "POST", url: "https://gate.example/.candor/device/token" };
        self.devices.prove(&key.proof(target, &self.nonce()), target, self.now()).expect("it holds")
    }

    /// A PIN for a display.
    ///
    /// # Panics
    /// The store is down, or there are too many.
    pub async fn begin(&self, key: &ProvenDeviceKey) -> Activation {
        let about = DeviceDescription {
            hardware_id: key.thumbprint().to_string(),
            model: "Wall 10".to_owned(),
            app_version: "2.1".to_owned(),
        };
        let network = AskingNetwork::of([192, 0, 2, 1].into());
        match self.devices.begin_activation(key, about, &network, self.now()).await.expect("the store is whole") {
            BeginAnswer::Begun(activation) => activation,
            BeginAnswer::TooMany { .. } => panic!("too many PINs are open"),
        }
    }

    /// A display in a tenant, and its key.
    ///
    /// # Panics
    /// The store is down.
    pub async fn registered(&self, tenant: &str) -> (ProvenDeviceKey, RegisteredDevice) {
        let key = self.proven(&DisplayKey::new());
        let new = NewDevice {
            description: DeviceDescription {
                hardware_id: key.thumbprint().to_string(),
                model: "Wall 10".to_owned(),
                app_version: "2.1".to_owned(),
            },
            key: Some(PublicKey { thumbprint: key.thumbprint(), jwk: key.jwk().to_owned() }),
            tenant: tenant.to_owned(),
            room: "4.12".to_owned(),
        };
        let device = self.devices.registry().register(new, operator(), self.now()).await.expect("the store is whole");
        (key, device)
    }

    /// Revokes the only binding of a display.
    ///
    /// # Panics
    /// The store is down.
    pub async fn revoke(&self, device: &RegisteredDevice) {
        let (binding, to) = (device.bindings[0].id, BindingState::Revoked);
        self.devices.registry().change(binding, to, operator(), self.now()).await.expect("the store is whole");
    }
}

fn operator() -> Order {
    Order { who: "operator".to_owned(), why: "a test".to_owned() }
}

/// Somebody who may confirm PINs in one tenant.
pub fn administrator(who: &str, tenant: &str) -> Administrator {
    let network = AskingNetwork::of([192, 0, 2, 2].into());
    Administrator { who: who.to_owned(), tenants: vec![tenant.to_owned()], network }
}

impl DisplayKey {
    /// A new key.
    ///
    /// # Panics
    /// There is no randomness.
    #[expect(clippy::new_without_default, reason = "making a key is no default")]
    pub fn new() -> Self {
        Self(Ed25519KeyPair::generate().expect("makes a key"))
    }

    /// Its public half.
    pub fn jwk(&self) -> Value {
        json!({"kty": "OKP", "crv": "Ed25519", "x": URL_SAFE_NO_PAD.encode(self.0.public_key().as_ref())})
    }

    /// Its name (RFC 7638): the hash of its required members, in this order.
    ///
    /// # Panics
    /// SHA-256 has another length.
    pub fn thumbprint(&self) -> Thumbprint {
        let x = URL_SAFE_NO_PAD.encode(self.0.public_key().as_ref());
        let members = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
        let hash = digest::digest(&digest::SHA256, members.as_bytes());
        Thumbprint::from_bytes(hash.as_ref().try_into().expect("32 bytes"))
    }

    /// A proof that it is held, for one request.
    pub fn proof(&self, target: ProofTarget<'_>, nonce: &str) -> String {
        self.proof_in_the_name_of(&self.jwk(), target, nonce)
    }

    /// A proof that names the key `jwk`, signed by this one.
    pub fn proof_in_the_name_of(&self, jwk: &Value, target: ProofTarget<'_>, nonce: &str) -> String {
        let header = json!({"typ": "dpop+jwt", "alg": "EdDSA", "jwk": jwk});
        let claims = json!({"jti": nonce, "htm": target.method, "htu": target.url, "iat": 12, "nonce": nonce});
        let signed = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string())).join(".");
        let signature = URL_SAFE_NO_PAD.encode(self.0.sign(signed.as_bytes()));
        format!("{signed}.{signature}")
    }
}
