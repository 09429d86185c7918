//! Activation: a display shows a PIN, a signed-in administrator types it, and the display gets its token.
//!
//! The PIN is a pointer and no secret of worth: what gets the token is a code of 256 bits and a proof of the display's own
//! key. Everything is answered from our own store, so no other service can turn a PIN into an error. Nothing that is
//! stored is a secret: the PIN's keyed hash finds it, and PIN and code are derived anew from the activation's id.
//!
//! What an administrator asks about a PIN has one answer for wrong, over, used and another tenant's, and each counts as a
//! guess: see `budget`. What a device asks about an activation has one answer for unknown, over and another device's.
//! Times are of the anchor, which a step of the wall clock does not move.

mod budget;
mod keyless;
mod pin;
mod poll;
mod sql;
mod tag;
#[cfg(test)]
mod tests;

use std::{net::IpAddr, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use secrecy::SecretString;

pub(super) use self::poll::LastPolls;
use self::sql::{BegunActivation, Confirmation, FoundPin, NewActivation, PinSearch};
pub use self::{
    keyless::{KeylessActivation, KeylessBegin, KeylessPoll},
    pin::{ActivationId, NotAPin, NotAnActivationId, Pin, PinLength},
    poll::PollAnswer,
    tag::{NotATag, PinTag, TypedTag},
};
use super::{
    Devices,
    proof::ProvenDeviceKey,
    registry::{Binding, DeviceDescription},
};
use crate::{
    alarm::{self, Alarm},
    clock::{Now, Timestamp},
    keyring::mac::MacPurpose,
    principal::DeviceId,
    verdict::Unavailable,
};

/// What a configuration says of activations, and the limits for beginning them.
#[derive(Clone, Debug)]
pub struct ActivationPolicy {
    /// How many digits a PIN has: six.
    pub pin_length: PinLength,
    /// How long a PIN is open: ten minutes.
    pub pin_lifetime: Duration,
    /// How often a device may poll: every 5 s.
    pub interval: Duration,
    /// How many PINs may be open to displays of one network: 30, since offices put many behind one address.
    pub most_of_network: u32,
    /// How many a network may ask for in a minute: 10.
    pub most_a_minute: u32,
    /// How many may be open in all, to displays that nobody knows: 2,000.
    pub most: u32,
    /// From how many on somebody must look: 500.
    pub many: u32,
}

/// A network from which somebody asks: an IPv4 address, or the first 64 bits of an IPv6 one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AskingNetwork(String);

/// An activation as it is told to its device. No `Debug`.
pub struct Activation {
    /// Its name, for polling.
    pub id: ActivationId,
    /// What the device polls with, together with a proof of its key.
    pub device_code: SecretString,
    /// What it shows.
    pub pin: Pin,
    /// What it shows beside it.
    pub tag: PinTag,
    /// In how long the PIN is over.
    pub expires_in: Duration,
    /// How often to poll.
    pub interval: Duration,
}

/// What became of asking for a PIN.
pub enum BeginAnswer {
    /// It is open; the same one as before, if it still was.
    Begun(Activation),
    /// Too many are. Those that are open stay open.
    TooMany {
        /// When it is worth asking again.
        retry_after: Duration,
    },
}

/// Somebody who may confirm PINs.
#[derive(Clone, Debug)]
pub struct Administrator {
    /// Who.
    pub who: String,
    /// The tenants that they may bind displays to, their own first. Never empty.
    pub tenants: Vec<String>,
    /// Whence they ask.
    pub network: AskingNetwork,
}

/// What an administrator is told about the display that shows a PIN, before they decide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PinMatch {
    /// The activation, to confirm it by.
    pub activation: ActivationId,
    /// What the device says of itself. Nothing vouches for it.
    pub hardware_id: String,
    /// Its model, as it says.
    pub model: String,
    /// The version of its app, as it says.
    pub app_version: String,
    /// The network that it asked from.
    pub network: String,
    /// When it asked for the PIN.
    pub begun: Timestamp,
    /// Since when its key is known; `None` for one that was never activated.
    pub first_seen: Option<Timestamp>,
    /// Those of the administrator's tenants that it may be bound to.
    pub tenants: Vec<String>,
    /// How many displays of those tenants were last seen in the same network.
    pub neighbours: u32,
}

/// What a PIN led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PinAnswer {
    /// A display that this administrator may activate.
    Found(Box<PinMatch>),
    /// None: wrong, over, used or another tenant's.
    NotFound {
        /// Whether a tag is asked for beside the next PIN.
        asks_tag: bool,
    },
    /// So many wrong PINs were typed that the tag is asked for too; nobody looked at the PIN.
    AsksTag,
    /// A budget of wrong guesses is spent; nobody looked at the PIN.
    TooManyGuesses {
        /// When it is worth asking again.
        retry_after: Duration,
    },
}

/// What became of a confirmation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfirmAnswer {
    /// The display is bound; it learns its token at its next poll.
    Confirmed {
        /// Which it is from now on.
        device: DeviceId,
        /// Its place.
        binding: Box<Binding>,
    },
    /// There is nothing to confirm: over, confirmed by another, or another tenant's.
    NotFound,
}

impl Default for ActivationPolicy {
    fn default() -> Self {
        Self {
            pin_length: PinLength::Six,
            pin_lifetime: Duration::from_secs(600),
            interval: Duration::from_secs(5),
            most_of_network: 30,
            most_a_minute: 10,
            most: 2_000,
            many: 500,
        }
    }
}

impl AskingNetwork {
    /// The network of an address.
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self(address.to_string()),
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                Self(format!("{a:x}:{b:x}:{c:x}:{d:x}::/64"))
            }
        }
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Devices {
    /// Opens a PIN for the device that holds `key`; while its last one is open, that one.
    ///
    /// # Errors
    /// Unavailable, if the store is.
    pub async fn begin_activation(
        &self,
        key: &ProvenDeviceKey,
        about: DeviceDescription,
        network: &AskingNetwork,
        now: Now,
    ) -> Result<BeginAnswer, Unavailable> {
        let new = NewActivation {
            key: key.public().clone(),
            about,
            network: network.0.clone(),
            policy: self.policy().activation.clone(),
            keyring: self.keyring().clone(),
            now,
        };
        let (id, until) = match sql::begin(self.registry().store(), new).await? {
            BegunActivation::Open { id, until } => (id, until),
            BegunActivation::New { id, until, open } => {
                if open == u64::from(self.policy().activation.many) {
                    alarm::ring(
                        Alarm::PinsOpen,
                        &format!("{open} displays show a PIN: see why they lost their tokens"),
                    );
                }
                (id, until)
            }
            BegunActivation::TooMany { retry_after } => return Ok(BeginAnswer::TooMany { retry_after }),
        };
        Ok(BeginAnswer::Begun(Activation {
            device_code: self.device_code(&id, key).into(),
            pin: Pin::of(&self.keyring().macs(), &id),
            tag: PinTag::of(&self.keyring().macs(), &id),
            expires_in: until.since(now.anchor()),
            interval: self.policy().activation.interval,
            id,
        }))
    }

    /// The code by which the holder of `key` polls for an activation.
    fn device_code(&self, id: &ActivationId, key: &ProvenDeviceKey) -> String {
        let thumbprint = key.thumbprint();
        let parts = [id.as_str().as_bytes(), thumbprint.as_bytes()];
        #[cfg(candor_mutants)]
        let parts = if crate::mutants::is("code-of-another-key") { [parts[0], &[][..]] } else { parts };
        URL_SAFE_NO_PAD.encode(self.keyring().macs().hash(MacPurpose::DeviceCode, &parts))
    }

    /// Which display shows this PIN, if `administrator` may activate it. A PIN that leads nowhere is counted as a guess.
    /// The tag counts only while it is asked for; whether it is, the guesses of the administrator's tenant and of the fleet
    /// say, and never the PIN.
    ///
    /// # Errors
    /// Unavailable, if the store is: then nothing was said about the PIN.
    pub async fn find_pin(
        &self,
        pin: Pin,
        tag: TypedTag,
        administrator: &Administrator,
        now: Now,
    ) -> Result<PinAnswer, Unavailable> {
        let pin_hash = pin.hash(&self.keyring().macs());
        let (keyring, who) = (self.keyring().clone(), administrator.clone());
        let store = self.registry().store();
        match sql::find(store, PinSearch { pin_hash, tag, keyring, who, now: now.anchor() }).await? {
            FoundPin::Display(display) => {
                let tenants: Vec<_> = match &display.visible_to {
                    Some(only) => vec![only.clone()],
                    None => administrator.tenants.clone(),
                };
                let neighbours = sql::neighbours(store, display.network.clone(), tenants.clone()).await?;
                Ok(PinAnswer::Found(Box::new(PinMatch {
                    activation: display.id,
                    hardware_id: display.about.hardware_id,
                    model: display.about.model,
                    app_version: display.about.app_version,
                    network: display.network,
                    begun: display.begun,
                    first_seen: display.first_seen,
                    tenants,
                    neighbours,
                })))
            }
            FoundPin::Nothing { fleet_is_spent, asks_tag } => {
                let (who, network) = (&*administrator.who, administrator.network.as_str());
                tracing::info!(administrator = who, network, "a PIN was typed that leads nowhere");
                if fleet_is_spent {
                    alarm::ring(
                        Alarm::PinGuesses,
                        "so many wrong PINs were typed that new ones have eight digits and tags are asked for: somebody may be guessing",
                    );
                }
                self.registry().absence_is_known().map(|()| PinAnswer::NotFound { asks_tag })
            }
            FoundPin::AsksTag => Ok(PinAnswer::AsksTag),
            FoundPin::Spent { retry_after } => Ok(PinAnswer::TooManyGuesses { retry_after }),
        }
    }

    /// Binds the display of an activation to a tenant and a room. Once this is answered it is on disk; again by the same
    /// administrator, it changes nothing.
    ///
    /// # Errors
    /// Unavailable, if the store is. Then nothing has been promised, though it may have been done: ask again.
    pub async fn confirm_activation(
        &self,
        activation: &ActivationId,
        tenant: &str,
        room: &str,
        administrator: &Administrator,
        now: Now,
    ) -> Result<ConfirmAnswer, Unavailable> {
        let confirmation = Confirmation {
            activation: activation.clone(),
            tenant: tenant.to_owned(),
            room: room.to_owned(),
            administrator: administrator.clone(),
            now,
        };
        let Some((binding, learned)) = sql::confirm(self.registry().store(), confirmation).await? else {
            return self.registry().absence_is_known().map(|()| ConfirmAnswer::NotFound);
        };
        self.registry().revocations().learn(learned.into_iter().collect()).await?;
        Ok(ConfirmAnswer::Confirmed { device: binding.device, binding: Box::new(binding) })
    }
}
