//! A device fleet of one test: a store and a keyring in a folder of their own, and virtual time.

use std::{sync::Arc, time::Duration};

use crate::{
    background::Background,
    clock::{Clock, Now, Timestamp},
    database::{Database, Disturbance},
    device::{
        DevicePolicy, Devices,
        activation::{
            Activation, ActivationPolicy, Administrator, AskingNetwork, BeginAnswer, ConfirmAnswer, PinAnswer, TypedTag,
        },
        proof::{ProvenDeviceKey, tests::TestDeviceKey},
        registry::{Binding, DeviceDescription, Order},
    },
    keyring::Keyring,
    principal::BindingState,
    revocations::{RevocationPolicy, Revocations},
    testing::Folder,
};

/// The fleet.
pub(crate) struct Fleet {
    pub(crate) devices: Devices,
    pub(crate) clock: Clock,
    pub(crate) store: Database,
    _folder: Folder,
}

impl Fleet {
    pub(crate) async fn new() -> Self {
        Self::with(ActivationPolicy::default()).await
    }

    pub(crate) async fn with(activation: ActivationPolicy) -> Self {
        let (folder, clock) = (Folder::new(), Clock::standing_at(Timestamp::from_secs(1_800_000_000)));
        let data = folder.taken();
        let store = Database::at(folder.path().join("store.sqlite"), Background::current(), Duration::from_secs(5));
        let keyring = Keyring::open(&data, &store, clock.now()).await.expect("both are absent");
        let policy = RevocationPolicy::default();
        let revocations = Revocations::open(&data, store.clone(), Background::current(), clock.clone(), policy).await;
        let policy = DevicePolicy {
            renew_after: Duration::from_secs(12 * 3600),
            soft: Duration::from_secs(24 * 3600),
            hard: Duration::from_secs(14 * 24 * 3600),
            issuer: "https://gate.example/.candor".into(),
            audience: "https://gate.example".into(),
            activation,
            wipe: Arc::new(["token".to_owned(), "calendar".to_owned()]),
        };
        let devices = Devices::new(keyring, store.clone(), revocations, policy);
        Self { devices, clock, store, _folder: folder }
    }

    pub(crate) fn now(&self) -> Now {
        self.clock.now()
    }

    pub(crate) fn pass(&self, secs: u64) {
        self.clock.advance(Duration::from_secs(secs));
    }

    /// The store goes away.
    pub(crate) async fn break_store(&self) {
        self.store.disturb(Disturbance::Locked).await.expect("it was whole");
    }

    pub(crate) async fn heal_store(&self) {
        self.store.heal().await.expect("nothing else is wrong");
    }

    pub(crate) async fn begin(&self, key: &ProvenDeviceKey) -> Activation {
        match self.devices.begin_activation(key, display("s1"), &network(1), self.now()).await.expect("healthy") {
            BeginAnswer::Begun(activation) => activation,
            BeginAnswer::TooMany { .. } => panic!("too many"),
        }
    }

    /// A display that was activated in a tenant.
    pub(crate) async fn activated(&self, key: &ProvenDeviceKey, tenant: &str) -> Binding {
        let (activation, who) = (self.begin(key).await, administrator("ada", &[tenant]));
        let found = self.devices.find_pin(activation.pin, TypedTag::NotAsked, &who, self.now()).await.expect("healthy");
        let PinAnswer::Found(found) = found else { panic!("{found:?}") };
        self.confirm(&found.activation.to_string(), tenant, &who).await.expect("it is open")
    }

    pub(crate) async fn confirm(&self, activation: &str, tenant: &str, who: &Administrator) -> Option<Binding> {
        let id = activation.parse().expect("an id");
        match self.devices.confirm_activation(&id, tenant, "4.12", who, self.now()).await.expect("healthy") {
            ConfirmAnswer::Confirmed { binding, .. } => Some(*binding),
            ConfirmAnswer::NotFound => None,
        }
    }

    pub(crate) async fn change(&self, binding: &Binding, to: BindingState) {
        let order = Order { who: "root".to_owned(), why: "a test".to_owned() };
        self.devices.registry().change(binding.id, to, order, self.now()).await.expect("healthy");
    }

    /// What the audit trail says was done, in order.
    pub(crate) async fn audited(&self) -> Vec<String> {
        let read = |mut connection: sqlx::pool::PoolConnection<sqlx::Sqlite>| async move {
            sqlx::query_scalar("SELECT action FROM device_audit ORDER BY seq").fetch_all(&mut *connection).await
        };
        self.store.call(read).await.expect("healthy")
    }
}

/// A display's key, proven.
pub(crate) fn key() -> ProvenDeviceKey {
    TestDeviceKey::new().proven()
}

pub(crate) fn display(hardware_id: &str) -> DeviceDescription {
    DeviceDescription {
        hardware_id: hardware_id.to_owned(),
        model: "Wall 10".to_owned(),
        app_version: "2.1".to_owned(),
    }
}

pub(crate) fn network(number: u8) -> AskingNetwork {
    AskingNetwork::of([192, 0, 2, number].into())
}

pub(crate) fn administrator(who: &str, tenants: &[&str]) -> Administrator {
    let tenants = tenants.iter().map(|tenant| (*tenant).to_owned()).collect();
    Administrator { who: who.to_owned(), tenants, network: network(200) }
}
