//! Tokens of devices without a key: each that is renewed has a successor, and all of them are one family.
//!
//! Such a token is all that the device has, so whoever copies it is the device too. An answer that was lost must cost nothing:
//! so a predecessor is good until it is over, and a renewal can be asked for again and again. But a predecessor that is
//! used though its successor has been in use for a while is in two hands. That is written to the audit trail and rings an
//! alarm, for a person to decide: nothing is revoked by itself, since a device that was set back from a backup does the
//! same.
//!
//! What is used is noted once an hour for each token, and looked at behind the requests.

mod sql;
#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use super::{
    Devices,
    registry::Registry,
    token::{DeviceClaims, MintedToken},
};
use crate::{
    alarm::{self, Alarm},
    clock::{Now, Past, Timestamp},
    credential::CredentialText,
    dependency::Dependency,
    lock::lock,
    principal::{BindingId, BindingState, DeviceId, TokenId},
    verdict::{Stop, Unavailable},
};

/// What the holder of a token without a key is told who asks for another.
#[derive(Clone, Debug)]
pub enum KeylessAnswer {
    /// Here it is, for the same binding.
    Granted(Box<MintedToken>),
    /// It has a key, which must be proven.
    NeedsProof,
    /// The device is not admitted for now.
    Suspended,
    /// Its binding has ended, or began anew after this token was made.
    Revoked,
    /// It is over, is not ours, or the registry does not know its device: an administrator makes another.
    Unknown,
}

/// That a token was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TokenUse {
    pub(super) token: TokenId,
    pub(super) device: DeviceId,
    pub(super) binding: BindingId,
    pub(super) at: Timestamp,
}

/// What is to be looked at. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct TokenUses(Arc<Mutex<HashMap<TokenId, TokenUse>>>);

/// How long after the first use of its successor a token may be used still: requests overtake each other.
const OVERLAP: Duration = Duration::from_secs(5 * 60);

/// So many are looked at in one transaction.
const AT_ONCE: usize = 500;

impl Devices {
    /// Another token in place of `present`, of a device without a key. To ask again is to get one again.
    ///
    /// # Errors
    /// Unavailable, if the store is, or if nobody can tell whether the token is ours or over.
    pub async fn renew_keyless(&self, present: &CredentialText, now: Now) -> Result<KeylessAnswer, Unavailable> {
        let claims = match self.genuine(present) {
            Ok(claims) => claims,
            Err(Stop::Rejected(_)) => return Ok(KeylessAnswer::Unknown),
            Err(Stop::Unavailable(unavailable)) => return Err(unavailable),
        };
        if claims.key.is_some() {
            return Ok(KeylessAnswer::NeedsProof);
        }
        let Some(predecessor) = claims.token else { return Ok(KeylessAnswer::Unknown) };
        match now.past(claims.expires) {
            Past::No => {}
            Past::Yes => return Ok(KeylessAnswer::Unknown),
            Past::InDoubt => {
                return Err(Unavailable::because(Dependency::Clock, "whether the device token is over is in doubt"));
            }
        }
        self.succeed(&claims, predecessor, now).await
    }

    async fn succeed(
        &self,
        claims: &DeviceClaims,
        predecessor: TokenId,
        now: Now,
    ) -> Result<KeylessAnswer, Unavailable> {
        let device = self.registry().show(claims.device).await?;
        let bindings = device.map(|device| device.bindings).unwrap_or_default();
        let Some(binding) = bindings.iter().find(|binding| binding.id == claims.binding) else {
            return Ok(KeylessAnswer::Unknown);
        };
        match binding.state {
            BindingState::Revoked => return Ok(KeylessAnswer::Revoked),
            _ if claims.generation < binding.generation => return Ok(KeylessAnswer::Revoked),
            BindingState::Suspended => return Ok(KeylessAnswer::Suspended),
            BindingState::Active => {}
        }
        let minted = self.mint(binding, None, now)?;
        if let Some(successor) = minted.claims.token {
            sql::insert(self.registry().store(), predecessor, successor, claims.device, now).await?;
        }
        Ok(KeylessAnswer::Granted(Box::new(minted)))
    }
}

impl TokenUses {
    pub(super) fn note(&self, claims: &DeviceClaims, now: Now) {
        if let Some(token) = claims.token {
            let used = TokenUse { token, device: claims.device, binding: claims.binding, at: now.earlier() };
            lock(&self.0).insert(token, used);
        }
    }

    /// Writes down which successors are in use, and looks for predecessors that are too.
    ///
    /// # Errors
    /// Unavailable, if the store is. What was not looked at waits on.
    pub(super) async fn look_at(&self, registry: &Registry) -> Result<(), Unavailable> {
        loop {
            let some: Vec<TokenUse> = lock(&self.0).values().take(AT_ONCE).copied().collect();
            if some.is_empty() {
                return Ok(());
            }
            for device in sql::used(registry.store(), some.clone(), OVERLAP).await? {
                alarm::ring(
                    Alarm::PossibleClone,
                    &format!(
                        "a token of the device {device} is used though its successor is in use: it may be in two hands"
                    ),
                );
            }
            let mut waiting = lock(&self.0);
            for looked_at in some {
                if waiting.get(&looked_at.token) == Some(&looked_at) {
                    waiting.remove(&looked_at.token);
                }
            }
        }
    }
}
