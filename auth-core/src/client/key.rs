//! The device's own key, and the proofs that it has it: `DPoP` proofs (RFC 9449) over the gateway's nonce.

use std::fmt;

use aws_lc_rs::{
    digest::{SHA256, digest},
    signature::{Ed25519KeyPair, KeyPair},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::event::Moment;

/// An Ed25519 key (RFC 8032), by its seed.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClientKey([u8; 32]);

/// What a proof is made for.
pub(super) struct ProofOf<'p> {
    pub(super) method: &'p str,
    pub(super) url: &'p str,
    pub(super) nonce: &'p str,
}

impl ClientKey {
    /// A new key.
    pub fn new(moment: &Moment) -> Self {
        Self(moment.random("key"))
    }

    /// The name of its public half (RFC 7638, SHA-256); empty if there is none, which no seed leads to.
    pub fn thumbprint(&self) -> String {
        URL_SAFE_NO_PAD.encode(digest(&SHA256, self.jwk().as_bytes()))
    }

    /// Its public half as a JWK (RFC 8037 §2), in the form that is hashed.
    pub fn jwk(&self) -> String {
        format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, self.x())
    }

    /// A key proof (RFC 9449 §4.2).
    pub(super) fn prove(&self, of: &ProofOf<'_>, moment: &Moment) -> String {
        let Some(pair) = self.pair() else { return String::new() };
        let jti = URL_SAFE_NO_PAD.encode(&moment.random("jti")[..16]);
        let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": URL_SAFE_NO_PAD.encode(pair.public_key()) });
        let header = json!({ "typ": "dpop+jwt", "alg": "EdDSA", "jwk": jwk });
        let claims =
            json!({ "jti": jti, "htm": of.method, "htu": of.url, "iat": moment.wall.max(0), "nonce": of.nonce });
        signed(&pair, &header, &claims)
    }

    /// The public half, base64url.
    pub fn x(&self) -> String {
        self.pair().map(|pair| URL_SAFE_NO_PAD.encode(pair.public_key())).unwrap_or_default()
    }

    /// Any seed of 32 bytes makes one.
    pub(super) fn pair(&self) -> Option<Ed25519KeyPair> {
        Ed25519KeyPair::from_seed_unchecked(&self.0).ok()
    }
}

/// A compact JWS (RFC 7515 §7.1).
pub(super) fn signed(by: &Ed25519KeyPair, header: &serde_json::Value, claims: &serde_json::Value) -> String {
    let encode = |part: &serde_json::Value| URL_SAFE_NO_PAD.encode(part.to_string());
    let signed = format!("{}.{}", encode(header), encode(claims));
    let signature = URL_SAFE_NO_PAD.encode(by.sign(signed.as_bytes()));
    format!("{signed}.{signature}")
}

impl fmt::Debug for ClientKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientKey")
    }
}
