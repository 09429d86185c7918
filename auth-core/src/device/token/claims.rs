//! What a device token says.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};

use super::super::{DevicePolicy, registry::Binding};
use crate::{
    clock::{Now, Timestamp},
    jws::Claims,
    keyring::LONGEST_SIGNED,
    principal::{BindingId, DeviceId, Generation, Thumbprint, TokenId},
    random::random_bytes,
    verdict::Unavailable,
};

/// The claims of a device token, typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceClaims {
    /// `iss`: who made it.
    pub issuer: Arc<str>,
    /// `aud`: for which site.
    pub audience: Arc<str>,
    /// `sub`: the device.
    pub device: DeviceId,
    /// `tid`: its tenant.
    pub tenant: Arc<str>,
    /// `bid`: its binding to the tenant.
    pub binding: BindingId,
    /// `gen`: the generation of the binding.
    pub generation: Generation,
    /// `room`: where it hangs.
    pub room: Arc<str>,
    /// `cnf.jkt` (RFC 9449 §6.1): the key that may renew it; `None` for a device without the protocol.
    pub key: Option<Thumbprint>,
    /// `jti`: which of its family it is; only where there is no key.
    pub token: Option<TokenId>,
    /// `iat`: when it was made.
    pub issued: Timestamp,
    /// `rnw`: when it is due to be renewed.
    pub renew: Timestamp,
    /// `sexp`: its soft age, when it is overdue.
    pub soft: Timestamp,
    /// `exp`: its hard age, when it is over.
    pub expires: Timestamp,
}

/// How long a token lasts that nobody renews: ten years, longer than a display hangs. A revocation ends it within seconds.
pub(super) const LASTING: Duration = LONGEST_SIGNED;

impl DeviceClaims {
    /// What a token says that is made now. It expires by the earlier reading of the clock.
    ///
    /// # Errors
    /// Unavailable, if the system has no randomness.
    pub(super) fn new(
        of: &Binding,
        key: Option<Thumbprint>,
        policy: &DevicePolicy,
        now: Now,
    ) -> Result<Self, Unavailable> {
        let whole = |moment: Timestamp| Timestamp::from_secs(moment.as_secs());
        let token = if key.is_none() { Some(TokenId::from_bytes(random_bytes()?)) } else { None };
        Ok(Self {
            issuer: policy.issuer.clone(),
            audience: policy.audience.clone(),
            device: of.device,
            tenant: of.tenant.as_str().into(),
            binding: of.id,
            generation: of.generation,
            room: of.room.as_str().into(),
            key,
            token,
            issued: whole(now.anchor()),
            renew: whole(now.earlier() + policy.renew_after),
            soft: whole(now.earlier() + policy.soft),
            expires: whole(now.earlier() + policy.hard),
        })
    }

    /// What a token says that its device cannot renew, since it knows no more than to show it: good for [`LASTING`], and
    /// never due before.
    ///
    /// # Errors
    /// As [`DeviceClaims::new`].
    pub(super) fn lasting(of: &Binding, policy: &DevicePolicy, now: Now) -> Result<Self, Unavailable> {
        let expires = Timestamp::from_secs((now.earlier() + LASTING).as_secs());
        Ok(Self { renew: expires, soft: expires, expires, ..Self::new(of, None, policy, now)? })
    }

    /// As it stands in the token.
    pub(super) fn to_json(&self) -> Value {
        let mut claims = json!({
            "iss": self.issuer, "aud": self.audience, "sub": self.device, "tid": self.tenant, "bid": self.binding,
            "gen": self.generation, "room": self.room, "iat": self.issued.as_secs(), "rnw": self.renew.as_secs(),
            "sexp": self.soft.as_secs(), "exp": self.expires.as_secs(),
        });
        if let Some(key) = self.key {
            claims["cnf"] = json!({ "jkt": key });
        }
        if let Some(token) = self.token {
            claims["jti"] = json!(token);
        }
        claims
    }

    /// The claims of a token that we signed.
    ///
    /// # Errors
    /// The name of the claim that is missing, or not of its type.
    pub(super) fn read(claims: &Claims) -> Result<Self, &'static str> {
        let text = |name: &'static str| claims.text(name).ok_or(name);
        let date = |name: &'static str| claims.date(name).ok_or(name);
        let generation = claims.all.get("gen").and_then(Value::as_u64).and_then(|number| u32::try_from(number).ok());
        let [audience] = &claims.aud[..] else { return Err("aud") };
        Ok(Self {
            issuer: claims.iss.as_str().into(),
            audience: audience.as_str().into(),
            device: claims.sub.parse().map_err(|_| "sub")?,
            tenant: text("tid")?.into(),
            binding: text("bid")?.parse().map_err(|_| "bid")?,
            generation: generation.map(Generation::new).ok_or("gen")?,
            room: text("room")?.into(),
            key: key(claims)?,
            token: claims.text("jti").map(|token| token.parse().map_err(|_| "jti")).transpose()?,
            issued: claims.iat,
            renew: date("rnw")?,
            soft: date("sexp")?,
            expires: claims.exp,
        })
    }
}

/// The key that it is confirmed by: none, or one that can be read. What confirms it otherwise is not overlooked.
fn key(claims: &Claims) -> Result<Option<Thumbprint>, &'static str> {
    let Some(confirmation) = claims.all.get("cnf") else { return Ok(None) };
    let thumbprint = confirmation.get("jkt").and_then(Value::as_str).ok_or("cnf")?;
    thumbprint.parse().map(Some).map_err(|_| "cnf")
}
