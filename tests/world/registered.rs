//! Displays that the gateway of a world knows, each with a key, a binding and a token of its own.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use auth_core::{
    Background, Clock,
    data_folder::DataFolder,
    database::Database,
    device::{
        Devices,
        activation::{ActivationId, Administrator, AskingNetwork, ConfirmAnswer},
        legacy::TokenHash,
        registry::{Binding, DeviceDescription, LONGEST_PAGE, NewDevice, Order, PublicKey},
        token::MintedToken,
    },
    principal::{BindingId, BindingState, DeviceId},
    revocations::{RevocationPolicy, Revocations},
};
use secrecy::ExposeSecret;

use crate::{
    World,
    display::{DisplayKey, Fleet},
    folder::Folder,
};

/// A display, as it was registered.
pub struct RegisteredDisplay {
    /// Its key.
    pub key: Arc<DisplayKey>,
    /// Where it hangs, in which generation.
    pub binding: Binding,
}

/// How often what a busy machine misses is tried again.
const TRIES: usize = 10;

impl World {
    /// The gateway's fleet.
    ///
    /// # Panics
    /// The gateway does not run, or is configured without one.
    pub fn devices(&self) -> Devices {
        self.gateway().devices().expect("there is a fleet in the configuration")
    }

    /// Registers a display of `tenant`.
    ///
    /// # Panics
    /// The store never took it.
    pub async fn register(&self, tenant: &str) -> RegisteredDisplay {
        RegisteredDisplay::new(&self.devices(), tenant, self.clock()).await
    }

    /// Suspends, revokes or brings back the binding of `display`.
    ///
    /// # Panics
    /// The store never took it.
    pub async fn change(&self, display: &RegisteredDisplay, to: BindingState) {
        self.change_binding(display.binding.id, to).await;
    }

    /// Revokes `display` as another process does: by a connection of its own to the same store, telling this gateway nothing.
    ///
    /// # Panics
    /// The store never took it.
    pub async fn revoke_elsewhere(&self, display: &RegisteredDisplay) {
        let (folder, clock, ours) = (Folder::new(), self.clock().clone(), self.devices());
        let data = DataFolder::take(folder.path(), clock.now()).expect("nobody else has it");
        let store = Database::at(self.store.path().to_owned(), Background::current(), Database::DEADLINE);
        let policy = RevocationPolicy::default();
        let revocations = Revocations::open(&data, store.clone(), Background::current(), clock.clone(), policy).await;
        let devices = Devices::new(ours.keyring().clone(), store, revocations, ours.policy().clone());
        for _ in 0..TRIES {
            let (binding, to) = (display.binding.id, BindingState::Revoked);
            if devices.registry().change(binding, to, by_the_test(), clock.now()).await.is_ok() {
                return;
            }
        }
        panic!("the store never took it that a display is revoked");
    }

    /// Binds `display` to another tenant too.
    ///
    /// # Panics
    /// The store never took it.
    pub async fn bind(&self, display: &RegisteredDisplay, tenant: &str) {
        let (devices, id) = (self.devices(), display.binding.device);
        for _ in 0..TRIES {
            let (tenant, room) = (tenant.to_owned(), "1.01".to_owned());
            if devices.registry().bind(id, tenant, room, by_the_test(), self.clock().now()).await.is_ok() {
                return;
            }
        }
        panic!("the store never took a binding");
    }

    /// Confirms the activation that `begun` told a display of. The device that it is from now on.
    ///
    /// # Panics
    /// The store never took it.
    pub async fn confirm(&self, begun: &serde_json::Value, tenant: &str) -> DeviceId {
        let id: ActivationId = begun["activation_id"].as_str().and_then(|id| id.parse().ok()).expect("an activation");
        let network = AskingNetwork::of(std::net::Ipv4Addr::LOCALHOST.into());
        let administrator = Administrator { who: "the test".to_owned(), tenants: vec![tenant.to_owned()], network };
        let devices = self.devices();
        for _ in 0..TRIES {
            let confirming = devices.confirm_activation(&id, tenant, "4.12", &administrator, self.clock().now());
            if let Ok(ConfirmAnswer::Confirmed { device, .. }) = confirming.await {
                return device;
            }
        }
        panic!("the store never took a confirmation");
    }

    /// Suspends, revokes or brings back the binding of the display that the monolith calls `known_as`, and which was adopted.
    ///
    /// # Panics
    /// The store never took it, or the display was not adopted.
    pub async fn change_adopted(&self, known_as: &str, to: BindingState) {
        let devices = self.devices();
        for _ in 0..TRIES {
            let Ok(page) = devices.registry().list(None, None, LONGEST_PAGE).await else { continue };
            let adopted = page.devices.into_iter().find(|device| device.hardware_id == known_as);
            let binding = adopted.and_then(|device| device.bindings.into_iter().next()).expect("it was adopted");
            return self.change_binding(binding.id, to).await;
        }
        panic!("the store never said who was adopted");
    }

    /// Writes the rows that refuse these tokens of the monolith's.
    ///
    /// # Panics
    /// The store never took them.
    pub async fn refuse_legacy(&self, tokens: &[&str]) {
        let hashes: Vec<TokenHash> = tokens.iter().map(|token| TokenHash::of(token)).collect();
        for _ in 0..TRIES {
            let refusing = self.gateway().legacy.refuse(hashes.clone(), by_the_test(), self.clock().now());
            if refusing.await.is_ok() {
                return;
            }
        }
        panic!("the store never took it that tokens are refused");
    }

    async fn change_binding(&self, binding: BindingId, to: BindingState) {
        let devices = self.devices();
        for _ in 0..TRIES {
            if devices.registry().change(binding, to, by_the_test(), self.clock().now()).await.is_ok() {
                return;
            }
        }
        panic!("the store never took it that a display is {to}");
    }

    /// A token for `display`, made this long ago.
    ///
    /// # Panics
    /// It cannot be signed.
    pub fn token_of(&self, display: &RegisteredDisplay, ago: Duration) -> String {
        display.token(&self.devices(), &Clock::standing_at(self.clock().now().wall() - ago))
    }
}

impl Fleet {
    /// Registers a display of `tenant`.
    ///
    /// # Panics
    /// The store never took it.
    pub async fn register(&self, tenant: &str) -> RegisteredDisplay {
        RegisteredDisplay::new(&self.devices, tenant, &self.clock).await
    }
}

impl RegisteredDisplay {
    /// Registers one, with a key of its own. What a busy machine misses is tried again, as another one.
    async fn new(devices: &Devices, tenant: &str, clock: &Clock) -> Self {
        static MADE: AtomicUsize = AtomicUsize::new(0);
        for _ in 0..TRIES {
            let (key, number) = (Arc::new(DisplayKey::new()), MADE.fetch_add(1, Ordering::SeqCst));
            let description = DeviceDescription {
                hardware_id: format!("sn-{number}"),
                model: "wall".to_owned(),
                app_version: "1".to_owned(),
            };
            let public = PublicKey { thumbprint: key.thumbprint(), jwk: key.jwk().to_string() };
            let (tenant, room) = (tenant.to_owned(), format!("4.{number}"));
            let new = NewDevice { description, key: Some(public), tenant, room };
            if let Ok(device) = devices.registry().register(new, by_the_test(), clock.now()).await {
                let binding = device.bindings.into_iter().next().expect("it was bound");
                return Self { key, binding };
            }
        }
        panic!("the store never took a display");
    }

    /// The token that `devices` makes for it at the time of `clock`.
    ///
    /// # Panics
    /// It cannot be signed.
    pub fn token(&self, devices: &Devices, clock: &Clock) -> String {
        let made = devices.mint(&self.binding, Some(self.key.thumbprint()), clock.now());
        let MintedToken { text, .. } = made.expect("the keyring is whole");
        text.expose_secret().to_owned()
    }
}

fn by_the_test() -> Order {
    Order { who: "the test".to_owned(), why: "of the test".to_owned() }
}
