//! What the holder of a device key gets: renewal, coming back by itself, and another key.
//!
//! The key decides, and of its bindings those that stand. The present token only says which of several is meant, so one
//! that is over is as good as any, and one that is forged is as good as none. Everything here can be asked again and again:
//! an answer that was lost costs nothing.
//!
//! | The key's bindings | Answer |
//! |---|---|
//! | that of the present token stands | a token for it |
//! | that of the present token is suspended | suspended |
//! | else: exactly one stands | a token for it; nothing that the device keeps is lost |
//! | more than one stands | ambiguous: it shows a PIN, and keeps its data |
//! | none stands, one is suspended | suspended |
//! | none stands, one is revoked | revoked: the device asks for a statement, and erases nothing on this answer |
//! | none at all, or a key that nobody knows | unknown: it shows a PIN, and keeps its data |
//! | a key that nobody knows, and the present token is ours for this key | the registry has lost it: it is written down again |
//! | the store cannot say | Unavailable |
//!
//! Deliberately absent: anything for a device without a key. It can only be put on an approval list.

mod comings_back;
mod sql;
#[cfg(test)]
mod tests;

use std::time::Duration;

use self::comings_back::ComingBack;
pub(super) use self::comings_back::ComingsBack;
use super::{
    Devices,
    proof::ProvenDeviceKey,
    registry::{Binding, DeviceKey, RegisteredDevice},
    token::MintedToken,
};
use crate::{
    clock::{Now, Past},
    credential::CredentialText,
    dependency::Dependency,
    principal::{BindingState, Thumbprint},
    verdict::{Reason, Stop, Unavailable},
};

/// What a device gets.
#[derive(Clone, Debug)]
pub struct Grant {
    /// Its token.
    pub token: MintedToken,
    /// Its place.
    pub binding: Binding,
    /// The keys by which statements about it are signed, to be pinned: a JWK set.
    pub statement_keys: serde_json::Value,
}

/// What the holder of a key is told who asks for a token.
#[derive(Clone, Debug)]
pub enum GrantAnswer {
    /// Here it is.
    Granted(Box<Grant>),
    /// It is in more than one tenant, and somebody must say which.
    Ambiguous,
    /// It is not admitted for now.
    Suspended,
    /// It has ended.
    Revoked,
    /// Nobody knows the key, or it is in no tenant.
    Unknown,
}

/// What became of another key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyAnswer {
    /// Both keys are good, until [`OLD_KEY_LIFETIME`] after the new one was first used.
    Added(Thumbprint),
    /// The new key is another device's, or the old one was replaced already and is in its last week.
    Taken,
    /// The device is not admitted for now.
    Suspended,
    /// It has ended.
    Revoked,
    /// Nobody knows the old key, or its device is in no tenant.
    Unknown,
}

/// How long an old key is good after the new one was first used.
pub const OLD_KEY_LIFETIME: Duration = Duration::from_secs(7 * 24 * 3600);

/// Whether a device stands anywhere.
enum Standing<'d> {
    Once(&'d Binding),
    MoreThanOnce,
    Suspended,
    Revoked,
    Nowhere,
}

impl Devices {
    /// A new token in place of `present`, which may be over, forged or nonsense: the key decides.
    ///
    /// # Errors
    /// Unavailable, if the store is, or if the clock is in doubt about the key.
    pub async fn renew(&self, key: &ProvenDeviceKey, present: &str, now: Now) -> Result<GrantAnswer, Unavailable> {
        let Some(device) = self.holder_on_record(key.thumbprint(), now).await? else {
            return self.recover(key, present, now).await;
        };
        // A token that is not ours is no reason to refuse anything here.
        let claims = self.genuine(&CredentialText::new(present)).ok().filter(|claims| claims.device == device.id);
        let meant = claims.and_then(|claims| device.bindings.iter().find(|binding| binding.id == claims.binding));
        match meant.map(|binding| (binding, binding.state)) {
            Some((binding, BindingState::Active)) => self.granted(binding, key, now),
            Some((_, BindingState::Suspended)) => Ok(GrantAnswer::Suspended),
            Some((_, BindingState::Revoked)) | None => self.by_key(&device, key, now),
        }
    }

    /// The answer to a key that the registry does not know. A registry that was lost knows nobody, and must not send a whole
    /// fleet to PINs: what we signed for this very key is as good as the rows, and they are written again; unless the
    /// revocation set, which is kept apart from the store, knows better.
    async fn recover(&self, key: &ProvenDeviceKey, present: &str, now: Now) -> Result<GrantAnswer, Unavailable> {
        let claims = match self.genuine(&CredentialText::new(present)) {
            Ok(claims) if claims.key == Some(key.thumbprint()) => claims,
            Ok(_) | Err(_) => return self.registry().absence_is_known().map(|()| GrantAnswer::Unknown),
        };
        match self.registry().revocations().judge(&claims.principal(), now) {
            Ok(_) => {}
            Err(Stop::Unavailable(unavailable)) => return Err(unavailable),
            Err(Stop::Rejected(rejected)) if rejected.reason() == Reason::NotPermitted => {
                return Ok(GrantAnswer::Suspended);
            }
            Err(Stop::Rejected(_)) => return Ok(GrantAnswer::Revoked),
        }
        match self.registry().restore(key.public().clone(), &claims, now).await? {
            Some(binding) => self.granted(&binding, key, now),
            None => Ok(GrantAnswer::Unknown),
        }
    }

    /// A token for a device that has lost its own, if there is one place that it can come back to.
    ///
    /// # Errors
    /// Unavailable, if the store is, or if the clock is in doubt about the key.
    pub async fn reactivate(&self, key: &ProvenDeviceKey, now: Now) -> Result<GrantAnswer, Unavailable> {
        let Some(device) = self.holder(key.thumbprint(), now).await? else { return Ok(GrantAnswer::Unknown) };
        let answer = self.by_key(&device, key, now)?;
        if let GrantAnswer::Granted(grant) = &answer {
            let came = ComingBack { binding: grant.binding.clone(), key: key.thumbprint(), now };
            let background = self.registry().revocations().background();
            self.0.comings_back.record(came, self.registry().store(), background).await?;
        }
        Ok(answer)
    }

    /// Another key for the device that holds `old`. The same again is answered alike.
    ///
    /// # Errors
    /// Unavailable, if the store is, or if the clock is in doubt about the old key.
    pub async fn replace_key(
        &self,
        old: &ProvenDeviceKey,
        new: &ProvenDeviceKey,
        now: Now,
    ) -> Result<KeyAnswer, Unavailable> {
        let Some(device) = self.holder(old.thumbprint(), now).await? else { return Ok(KeyAnswer::Unknown) };
        match standing(&device.bindings) {
            Standing::Once(_) | Standing::MoreThanOnce => {
                let added = sql::add_successor(self.registry().store(), old.thumbprint(), new.public().clone(), now);
                Ok(if added.await? { KeyAnswer::Added(new.thumbprint()) } else { KeyAnswer::Taken })
            }
            Standing::Suspended => Ok(KeyAnswer::Suspended),
            Standing::Revoked => Ok(KeyAnswer::Revoked),
            Standing::Nowhere => Ok(KeyAnswer::Unknown),
        }
    }

    /// The device whose key this is, if the key is still good. Its first use begins the end of the one that it replaces.
    ///
    /// # Errors
    /// Unavailable, if the store is, or was lost; or if the clock is in doubt about the key.
    pub(super) async fn holder(&self, key: Thumbprint, now: Now) -> Result<Option<RegisteredDevice>, Unavailable> {
        let found = self.holder_on_record(key, now).await?;
        if found.is_none() {
            self.registry().absence_is_known()?;
        }
        Ok(found)
    }

    async fn holder_on_record(&self, key: Thumbprint, now: Now) -> Result<Option<RegisteredDevice>, Unavailable> {
        let found = self.registry().of_key(key).await;
        #[cfg(candor_mutants)]
        if found.is_err() && crate::mutants::is("registry-outage-is-unknown") {
            return Ok(None);
        }
        let Some((known, device)) = found? else { return Ok(None) };
        if !is_good(&known, now)? {
            return Ok(None);
        }
        if device.keys.iter().any(|other| other.successor == Some(key) && other.successor_used.is_none()) {
            sql::use_successor(self.registry().store(), device.id, key, now).await?;
        }
        Ok(Some(device))
    }

    fn by_key(&self, device: &RegisteredDevice, key: &ProvenDeviceKey, now: Now) -> Result<GrantAnswer, Unavailable> {
        match standing(&device.bindings) {
            Standing::Once(binding) => self.granted(binding, key, now),
            Standing::MoreThanOnce => Ok(GrantAnswer::Ambiguous),
            Standing::Suspended => Ok(GrantAnswer::Suspended),
            Standing::Revoked => Ok(GrantAnswer::Revoked),
            Standing::Nowhere => Ok(GrantAnswer::Unknown),
        }
    }

    fn granted(&self, binding: &Binding, key: &ProvenDeviceKey, now: Now) -> Result<GrantAnswer, Unavailable> {
        self.grant(binding, key, now).map(|grant| GrantAnswer::Granted(Box::new(grant)))
    }

    /// A token for a binding that stands.
    pub(super) fn grant(&self, binding: &Binding, key: &ProvenDeviceKey, now: Now) -> Result<Grant, Unavailable> {
        let token = self.mint(binding, Some(key.thumbprint()), now)?;
        Ok(Grant { token, binding: binding.clone(), statement_keys: self.keyring().statement_keys() })
    }
}

/// Whether a key is still good: one that was replaced is over at a moment, and what only one reading of the clock calls
/// over is neither.
fn is_good(key: &DeviceKey, now: Now) -> Result<bool, Unavailable> {
    match key.until.map(|until| now.past(until)) {
        None | Some(Past::No) => Ok(true),
        Some(Past::Yes) => Ok(false),
        Some(Past::InDoubt) => {
            Err(Unavailable::because(Dependency::Clock, "whether a replaced key is over is in doubt"))
        }
    }
}

fn standing(bindings: &[Binding]) -> Standing<'_> {
    let is = |binding: &&Binding, state: BindingState| {
        #[cfg(candor_mutants)]
        if crate::mutants::is("grant-ignores-revocation") && state == BindingState::Active {
            return binding.state != BindingState::Suspended;
        }
        binding.state == state
    };
    let mut standing = bindings.iter().filter(|binding| is(binding, BindingState::Active));
    match (standing.next(), standing.next()) {
        (Some(one), None) => Standing::Once(one),
        #[cfg(candor_mutants)]
        (Some(one), Some(_)) if crate::mutants::is("reactivation-ignores-two-bindings") => Standing::Once(one),
        (Some(_), Some(_)) => Standing::MoreThanOnce,
        (None, _) if bindings.iter().any(|binding| binding.state == BindingState::Suspended) => Standing::Suspended,
        (None, _) if bindings.iter().any(|binding| binding.state == BindingState::Revoked) => Standing::Revoked,
        (None, _) => Standing::Nowhere,
    }
}
