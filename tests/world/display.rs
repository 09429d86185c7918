//! A display with a key of its own, and the fleet that it belongs to, without a gateway around them.

use std::time::Duration;

use auth_core::{
    Background, Clock, Now, Timestamp,
    data_folder::DataFolder,
    database::Database,
    device::{DevicePolicy, Devices, proof::ProofTarget},
    keyring::Keyring,
    revocations::{RevocationPolicy, Revocations},
};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
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
    _folder: Folder,
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
        let store = Database::at(folder.path().join("store.sqlite"), background.clone(), Duration::from_secs(5));
        let keyring = Keyring::open(&data, &store, clock.now()).await.expect("both are absent");
        let policy = RevocationPolicy::default();
        let revocations = Revocations::open(&data, store.clone(), background, clock.clone(), policy).await;
        let devices = Devices::new(keyring, store, revocations, device_policy());
        Self { devices, clock, _data: data, _folder: folder }
    }

    /// The time.
    pub fn now(&self) -> Now {
        self.clock.now()
    }

    /// A nonce for a key proof.
    ///
    /// # Panics
    /// There is no randomness.
    pub fn nonce(&self) -> String {
        self.devices.proof_nonce(self.now()).expect("there is randomness")
    }
}

fn device_policy() -> DevicePolicy {
    DevicePolicy {
        renew_after: Duration::from_secs(12 * 3600),
        soft: Duration::from_secs(24 * 3600),
        hard: Duration::from_secs(14 * 24 * 3600),
        issuer: "https://gate.example/.candor".into(),
        audience: "https://gate.example".into(),
    }
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
