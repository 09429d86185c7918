//! Statements: signed verdicts about a device, the only thing on whose word a display erases anything.
//!
//! A statement is a JWS of the type `device-statement+jwt` by the statement key, which the device pinned when it was
//! activated. It names the device, its key, its generation and the nonce that the device has just made, so that neither
//! an old one nor another device's means anything. Only `revoked` lists what to erase, and only two of them, ten minutes
//! apart, make a device do it. A store that cannot say makes no statement at all, and what is not on record is `unknown`,
//! which erases nothing.
//!
//! | On record of the key's device | Statement |
//! |---|---|
//! | a binding that stands | `valid` |
//! | else one that is suspended | `suspended` |
//! | else one that is revoked, of the generation asked about or a later one | `revoked`, unless the brake holds |
//! | nothing of that kind, or nobody knows the key | `unknown` |
//!
//! The **brake** stands in the signer, since mistakes and break-ins come in bulk: see `brake`. Deliberately absent so far:
//! `transferred`, since there is no way yet to hand a device from one tenant to another.

mod brake;
mod sql;
#[cfg(test)]
mod tests;

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Serialize;

pub use self::brake::{Brake, BrakeScope, PressedBrake, RELEASED_FOR};
use self::sql::{ReleasedBrake, Word};
use super::{
    Devices,
    proof::ProvenDeviceKey,
    registry::{Binding, Order, RegisteredDevice},
};
use crate::{
    alarm::{self, Alarm},
    clock::Now,
    principal::{BindingState, DeviceId, Generation},
    random::random_bytes,
    verdict::Unavailable,
};

/// The `typ` of a statement.
pub const STATEMENT_TYP: &str = "device-statement+jwt";

/// How long one is good. Devices have no clock: this is for whoever reads it in a log.
const LIFETIME: Duration = Duration::from_secs(600);

/// What a device asks for a statement with.
#[derive(Clone, Debug)]
pub struct StatementRequest {
    /// What it has just made, 128 random bits.
    pub nonce: StatementNonce,
    /// What it is called, as it believes.
    pub device: Option<DeviceId>,
    /// The generation of its token.
    pub generation: Option<Generation>,
}

/// A device's nonce for a statement: 128 bits as base64url.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatementNonce(String);

/// The text is no nonce.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a nonce is 128 bits as base64url: 22 characters")]
pub struct NotAStatementNonce;

/// What a statement says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum StatedVerdict {
    /// It stands.
    Valid,
    /// It is not admitted for now, and keeps what it has.
    Suspended,
    /// It has ended.
    Revoked,
    /// Nothing is on record.
    Unknown,
}

/// The claims of a statement.
#[derive(Serialize)]
struct StatementClaims<'a> {
    iss: &'a str,
    sub: Option<DeviceId>,
    jkt: String,
    #[serde(rename = "gen")]
    generation: Option<Generation>,
    verdict: StatedVerdict,
    reason: &'a str,
    wipe: &'a [String],
    nonce: &'a str,
    iat: i64,
    exp: i64,
    jti: String,
}

/// What is to be said of a device.
struct Finding<'d> {
    about: Option<&'d RegisteredDevice>,
    generation: Option<Generation>,
    verdict: StatedVerdict,
    reason: &'static str,
}

impl std::str::FromStr for StatementNonce {
    type Err = NotAStatementNonce;
    fn from_str(text: &str) -> Result<Self, NotAStatementNonce> {
        const LENGTH: usize = 16;
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| NotAStatementNonce)?;
        if bytes.len() == LENGTH { Ok(Self(text.to_owned())) } else { Err(NotAStatementNonce) }
    }
}

impl Devices {
    /// A statement about the device that holds `key`, for the nonce that it has made.
    ///
    /// # Errors
    /// Unavailable, if the store cannot say, the clock is in doubt about the key, or there is no key to sign by. Then
    /// there is no statement.
    pub async fn state(
        &self,
        key: &ProvenDeviceKey,
        request: &StatementRequest,
        now: Now,
    ) -> Result<String, Unavailable> {
        let device = self.holder(key.thumbprint(), now).await?;
        let device = device.filter(|device| request.device.is_none_or(|asked| asked == device.id));
        let finding = match &device {
            Some(device) => self.find(device, request.generation, now).await?,
            None => Finding::unknown(None),
        };
        self.sign(key, request, &finding, now)
    }

    async fn find<'d>(
        &self,
        device: &'d RegisteredDevice,
        asked: Option<Generation>,
        now: Now,
    ) -> Result<Finding<'d>, Unavailable> {
        let of = |state: BindingState| device.bindings.iter().filter(move |binding| binding.state == state);
        // Of several, the one that the device means, as far as it says so.
        let meant = |state| of(state).find(|binding| Some(binding.generation) == asked).or_else(|| of(state).next());
        let found = |binding: &Binding, verdict, reason| Finding {
            about: Some(device),
            generation: Some(asked.filter(|asked| *asked <= binding.generation).unwrap_or(binding.generation)),
            verdict,
            reason,
        };
        if let Some(binding) = meant(BindingState::Active) {
            return Ok(found(binding, StatedVerdict::Valid, "active"));
        }
        if let Some(binding) = meant(BindingState::Suspended) {
            return Ok(found(binding, StatedVerdict::Suspended, "suspended"));
        }
        // Of a generation later than all on record, nothing is known: the store was restored from before it.
        let ended = of(BindingState::Revoked).find(|binding| asked.is_none_or(|asked| asked <= binding.generation));
        let Some(binding) = ended else { return Ok(Finding::unknown(Some(device))) };
        let known = self.registry().revocations().registry();
        match sql::state_revoked(self.registry().store(), binding.clone(), known, now).await? {
            Word::Revoked => Ok(found(binding, StatedVerdict::Revoked, "revoked")),
            Word::Held { pressed } => {
                if let Some(pressed) = pressed {
                    alarm::ring(Alarm::StatementBrake, &pressed.to_string());
                }
                Ok(found(binding, StatedVerdict::Suspended, "pending-review"))
            }
        }
    }

    fn sign(
        &self,
        key: &ProvenDeviceKey,
        request: &StatementRequest,
        finding: &Finding<'_>,
        now: Now,
    ) -> Result<String, Unavailable> {
        let nothing: &[String] = &[];
        let jti = random_bytes::<16>()?;
        let nonce = &*request.nonce.0;
        #[cfg(candor_mutants)]
        let nonce = if crate::mutants::is("statement-without-nonce") { "" } else { nonce };
        let claims = StatementClaims {
            iss: &self.policy().issuer,
            sub: finding.about.map(|device| device.id),
            jkt: key.thumbprint().to_string(),
            generation: finding.generation,
            verdict: finding.verdict,
            reason: finding.reason,
            wipe: if finding.verdict == StatedVerdict::Revoked { &self.policy().wipe } else { nothing },
            nonce,
            iat: now.earlier().as_secs(),
            exp: (now.earlier() + LIFETIME).as_secs(),
            jti: URL_SAFE_NO_PAD.encode(jti),
        };
        self.keyring().sign_statement(STATEMENT_TYP, &claims)
    }

    /// The brakes that hold: nothing is stated revoked there until somebody has looked.
    ///
    /// # Errors
    /// Unavailable, if the store is.
    pub async fn pressed_brakes(&self) -> Result<Vec<PressedBrake>, Unavailable> {
        sql::pressed(self.registry().store()).await
    }

    /// Releases the brake of a tenant or of the fleet: somebody has looked, and the revocations are meant. For
    /// [`RELEASED_FOR`] it holds nothing there. Whether there was anything to release.
    ///
    /// # Errors
    /// Unavailable, if the store is.
    pub async fn release_brake(&self, scope: BrakeScope, order: Order, now: Now) -> Result<bool, Unavailable> {
        match sql::release(self.registry().store(), scope, order, now).await? {
            ReleasedBrake::None => Ok(false),
            ReleasedBrake::Released { registry } => {
                // What stands there now is meant.
                if let Some(registry) = registry {
                    self.registry().revocations().mark_registry(registry).await?;
                }
                Ok(true)
            }
        }
    }
}

impl<'d> Finding<'d> {
    /// Absence, which proves nothing and erases nothing.
    fn unknown(about: Option<&'d RegisteredDevice>) -> Self {
        Self { about, generation: None, verdict: StatedVerdict::Unknown, reason: "not-on-record" }
    }
}
