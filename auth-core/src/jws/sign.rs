//! Our own tokens: Ed25519 signatures (RFC 8037), made with the keyring's private keys.

use std::sync::Arc;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{EncodingKey, Header};
use serde::Serialize;
use serde_json::json;

use super::key::{install_provider, jwa};
use crate::jws::Algorithm;

/// A private key that signs our own tokens: Ed25519. It has no `Debug`.
pub struct SigningKey {
    kid: Arc<str>,
    key: EncodingKey,
    public: Vec<u8>,
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
        let public = pair.public_key().as_ref().to_vec();
        Ok(Self { kid: kid.into(), key: EncodingKey::from_ed_der(pkcs8), public })
    }

    /// The name that its tokens carry.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// Signs `claims` as a compact JWT of this `typ`, EdDSA, with the key's name.
    ///
    /// # Errors
    /// If the claims cannot be written as JSON, or signing fails.
    pub fn sign(&self, typ: &str, claims: &impl Serialize) -> Result<String, SignFault> {
        install_provider();
        let mut header = Header::new(jwa(Algorithm::EdDsa));
        header.typ = Some(typ.to_owned());
        header.kid = Some(self.kid.to_string());
        jsonwebtoken::encode(&header, claims, &self.key).map_err(|fault| SignFault(fault.to_string()))
    }

    /// The public half as a JWK (RFC 7517, RFC 8037 §2).
    pub fn public_jwk(&self) -> serde_json::Value {
        json!({
            "kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA",
            "kid": &*self.kid, "x": URL_SAFE_NO_PAD.encode(&self.public),
        })
    }
}
