//! Key proofs (RFC 9449, "DPoP"): a device shows that it holds its key, for one request, over a nonce of ours.
//!
//! A proof that holds becomes a [`ProvenDeviceKey`], which nothing else can make; one that does not is a [`ProofFault`], which
//! is never a refusal: the answer to it is 400, and costs the device nothing. What is deliberately absent: any look at
//! `iat` (only the nonce says that a proof is fresh), and `ath` (device tokens are bearers on proxied requests).

use serde_json::{Map, Value};

use super::{
    nonce::{FreshNonce, ProofNonces},
    registry::PublicKey,
};
use crate::{
    clock::Now,
    jws::{OwnKeyFault, SignedByOwnKey, read_with_own_key},
    principal::Thumbprint,
};

/// The longest proof that is looked at, in bytes.
pub const MAX_PROOF: usize = 4 * 1024;

/// The longest `jti`, in bytes.
const MAX_JTI: usize = 256;

const TYP: &str = "dpop+jwt";

/// A key that somebody has just proven to hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProvenDeviceKey(PublicKey);

/// Why a proof is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProofFault {
    /// It has no nonce of ours, or one that is too old or was used: the device tries again with a new one.
    UseNonce,
    /// It is no proof.
    BadProof(BadProof),
}

/// What is wrong with a proof. Never holds a part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum BadProof {
    /// Longer than [`MAX_PROOF`].
    #[error("the proof is longer than 4 KiB")]
    TooLong,
    /// No compact JWS of two JSON objects.
    #[error("the proof is no compact JWS of two JSON objects without duplicate members")]
    Form,
    /// A wrong header.
    #[error("the header must be `typ` dpop+jwt, `alg` EdDSA or ES256, `jwk`, and nothing else")]
    Header,
    /// A key that is not taken.
    #[error("`jwk` must be a public key, Ed25519 for EdDSA or P-256 for ES256")]
    Key,
    /// The claims are not there, or of the wrong type.
    #[error("`jti`, `htm`, `htu` and `nonce` must be texts, and `iat` a number")]
    Claims,
    /// Made for another method.
    #[error("`htm` is not the method of this request")]
    Method,
    /// Made for another address.
    #[error("`htu` is not the address of this request: public_url and path, without the query")]
    Url,
    /// The signature does not hold.
    #[error("the signature does not hold under the key in `jwk`")]
    Signature,
}

/// What a proof must be made for.
#[derive(Clone, Copy, Debug)]
pub struct ProofTarget<'a> {
    /// The method of the request.
    pub method: &'a str,
    /// Its address: `public_url` and the path, without the query.
    pub url: &'a str,
}

impl ProvenDeviceKey {
    /// Its thumbprint (RFC 7638): how it is known.
    pub fn thumbprint(&self) -> Thumbprint {
        self.0.thumbprint
    }

    /// The public key as a JWK, by the members that make it.
    pub fn jwk(&self) -> &str {
        &self.0.jwk
    }

    /// The key, to be registered.
    pub(super) fn public(&self) -> &PublicKey {
        &self.0
    }
}

/// Takes `proof`, made for `target`, and uses its nonce up.
pub(super) fn prove(
    nonces: &ProofNonces,
    proof: &str,
    target: ProofTarget<'_>,
    now: Now,
) -> Result<ProvenDeviceKey, ProofFault> {
    let (key, nonce) = checked(nonces, proof, target, now)?;
    spend(nonces, nonce, now)?;
    Ok(key)
}

/// Takes two proofs of different keys for one request, over one nonce: what replacing a key takes.
pub(super) fn prove_both(
    nonces: &ProofNonces,
    [first, second]: [&str; 2],
    target: ProofTarget<'_>,
    now: Now,
) -> Result<[ProvenDeviceKey; 2], ProofFault> {
    let ((first, nonce), (second, same)) =
        (checked(nonces, first, target, now)?, checked(nonces, second, target, now)?);
    if nonce != same {
        return Err(ProofFault::UseNonce);
    }
    spend(nonces, nonce, now)?;
    Ok([first, second])
}

/// Everything but whether the nonce was used, since a proof that does not hold costs no state.
fn checked(
    nonces: &ProofNonces,
    proof: &str,
    target: ProofTarget<'_>,
    now: Now,
) -> Result<(ProvenDeviceKey, FreshNonce), ProofFault> {
    if proof.len() > MAX_PROOF {
        return Err(BadProof::TooLong.into());
    }
    let read = read_with_own_key(proof, TYP).map_err(BadProof::from)?;
    let nonce = judge_claims(&read.payload, target)?.ok_or(ProofFault::UseNonce)?;
    let nonce = nonces.read(nonce, now).ok_or(ProofFault::UseNonce)?;
    if !holds(&read) {
        return Err(BadProof::Signature.into());
    }
    Ok((ProvenDeviceKey(PublicKey { thumbprint: read.thumbprint, jwk: read.jwk }), nonce))
}

fn holds(read: &SignedByOwnKey<'_>) -> bool {
    #[cfg(candor_mutants)]
    if crate::mutants::is("proof-not-verified") {
        return true;
    }
    read.holds()
}

/// The nonce, if there is any (RFC 9449 §4.3).
fn judge_claims<'p>(payload: &'p Map<String, Value>, target: ProofTarget<'_>) -> Result<Option<&'p str>, BadProof> {
    let text = |name| payload.get(name).and_then(Value::as_str).ok_or(BadProof::Claims);
    let jti = text("jti")?;
    if jti.is_empty() || jti.len() > MAX_JTI || !payload.get("iat").is_some_and(Value::is_number) {
        return Err(BadProof::Claims);
    }
    let (method, url) = (text("htm")?, text("htu")?);
    if method != target.method {
        return Err(BadProof::Method);
    }
    #[cfg(candor_mutants)]
    if crate::mutants::is("proof-for-another-address") {
        return payload.get("nonce").map(|_| text("nonce")).transpose();
    }
    if url != target.url {
        return Err(BadProof::Url);
    }
    payload.get("nonce").map(|_| text("nonce")).transpose()
}

fn spend(nonces: &ProofNonces, nonce: FreshNonce, now: Now) -> Result<(), ProofFault> {
    if nonces.spend(nonce, now) { Ok(()) } else { Err(ProofFault::UseNonce) }
}

impl BadProof {
    /// The word that logs and metrics use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TooLong => "too-long",
            Self::Form => "form",
            Self::Header => "header",
            Self::Key => "key",
            Self::Claims => "claims",
            Self::Method => "method",
            Self::Url => "url",
            Self::Signature => "signature",
        }
    }
}

impl From<BadProof> for ProofFault {
    fn from(bad: BadProof) -> Self {
        Self::BadProof(bad)
    }
}

impl From<OwnKeyFault> for BadProof {
    fn from(fault: OwnKeyFault) -> Self {
        match fault {
            OwnKeyFault::Form => Self::Form,
            OwnKeyFault::Header => Self::Header,
            OwnKeyFault::Key => Self::Key,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
