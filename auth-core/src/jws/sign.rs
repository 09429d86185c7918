//! Our own tokens: Ed25519 signatures (RFC 8037), made with the keyring's private keys.

use std::{fmt, sync::Arc};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{EncodingKey, Header, crypto::aws_lc::DEFAULT_PROVIDER};
use serde::Serialize;
use serde_json::{Map, Value};

use super::{Algorithm, Signature, Unverified, VerifyingKey, key::jwa};

/// A private key that signs our own tokens: Ed25519. It has no `Debug`.
pub struct SigningKey {
    key: EncodingKey,
    public: PublicHalf,
}

/// The public half of such a key, which verifies its tokens after it has signed its last.
pub(crate) struct PublicHalf {
    kid: Arc<str>,
    public: Vec<u8>,
    verifying: VerifyingKey,
}

/// Signing failed, or there is no key to sign with.
#[derive(Debug, thiserror::Error)]
#[error("cannot sign: {0}")]
pub struct SignFault(String);

impl SigningKey {
    /// A key from its PKCS#8 form (RFC 5958, RFC 8410), under the name `kid`.
    ///
    /// # Errors
    /// If it is not an Ed25519 key.
    pub fn from_pkcs8(kid: impl Into<Arc<str>>, pkcs8: &[u8]) -> Result<Self, SignFault> {
        let pair = Ed25519KeyPair::from_pkcs8(pkcs8).map_err(|bad| SignFault(bad.to_string()))?;
        let public = PublicHalf::new(kid, pair.public_key().as_ref().to_vec())?;
        Ok(Self { key: EncodingKey::from_ed_der(pkcs8), public })
    }

    /// The name that its tokens carry.
    pub fn kid(&self) -> &str {
        self.public.kid()
    }

    /// Signs `claims` as a compact JWT of this `typ`, EdDSA, with the key's name.
    ///
    /// # Errors
    /// If the claims cannot be written as JSON, or signing fails.
    pub fn sign(&self, typ: &str, claims: &impl Serialize) -> Result<String, SignFault> {
        let mut header = Header::new(jwa(Algorithm::EdDsa));
        header.typ = Some(typ.to_owned());
        header.kid = Some(self.kid().to_owned());
        let signed = format!("{}.{}", encoded(&header)?, encoded(claims)?);
        let signer = (DEFAULT_PROVIDER.signer_factory)(&header.alg, &self.key).map_err(fault)?;
        let signature = signer.try_sign(signed.as_bytes()).map_err(fault)?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }

    /// The public half as a JWK (RFC 7517, RFC 8037 §2).
    pub fn public_jwk(&self) -> Value {
        self.public.jwk()
    }

    pub(crate) fn public(&self) -> &PublicHalf {
        &self.public
    }
}

fn encoded(part: &impl Serialize) -> Result<String, SignFault> {
    serde_json::to_vec(part).map(|json| URL_SAFE_NO_PAD.encode(json)).map_err(fault)
}

fn fault(fault: impl fmt::Display) -> SignFault {
    SignFault(fault.to_string())
}

impl PublicHalf {
    /// A key from its 32 bytes (RFC 8032 §5.1.5), under the name `kid`.
    pub(crate) fn new(kid: impl Into<Arc<str>>, public: Vec<u8>) -> Result<Self, SignFault> {
        let kid = kid.into();
        let jwk = jwk(&kid, &public);
        let verifying = VerifyingKey::from_jwk(&jwk, &[Algorithm::EdDsa]).map_err(|bad| SignFault(bad.to_string()))?;
        Ok(Self { kid, public, verifying })
    }

    /// The name that its tokens carry.
    pub(crate) fn kid(&self) -> &str {
        &self.kid
    }

    /// As a JWK (RFC 7517, RFC 8037 §2).
    pub(crate) fn jwk(&self) -> Value {
        Value::Object(jwk(&self.kid, &self.public))
    }

    /// Whether it made the signature of `token`, which names it.
    pub(crate) fn signed(&self, token: &Unverified<'_>) -> bool {
        self.verifying.says(token) == Signature::Holds
    }
}

fn jwk(kid: &str, public: &[u8]) -> Map<String, Value> {
    let members = [("kty", "OKP"), ("crv", "Ed25519"), ("use", "sig"), ("alg", "EdDSA"), ("kid", kid)];
    let x = [("x", URL_SAFE_NO_PAD.encode(public))].map(|(name, value)| (name.to_owned(), Value::String(value)));
    members.map(|(name, value)| (name.to_owned(), value.into())).into_iter().chain(x).collect()
}
