//! The key under which an ID token's signature holds, as a key of openidconnect's.
//!
//! Signatures are checked by [`crate::jws`], so by aws-lc-rs. The library's own keys are RustCrypto's, which takes RSA
//! keys of at most 4096 bits; and two opinions about one signature are one too many.

use std::{fmt, sync::Arc};

use aws_lc_rs::digest::{self, SHA256, SHA384, SHA512};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use openidconnect::{
    JsonWebKey, JsonWebKeyAlgorithm, JsonWebKeyId, SignatureVerificationError,
    core::{CoreJsonWebKeyType, CoreJsonWebKeyUse, CoreJwsSigningAlgorithm as Jwa},
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};

use crate::jws::{Algorithm, Unverified, VerifyingKey};

/// A key for one token.
#[derive(Clone)]
pub(super) struct ProvenKey {
    kid: Option<JsonWebKeyId>,
    kind: CoreJsonWebKeyType,
    algorithm: Jwa,
    /// `None` verifies nothing.
    proven: Option<Arc<Proven>>,
}

struct Proven {
    key: VerifyingKey,
    algorithm: Algorithm,
    /// What was signed: the token as it came.
    signed: String,
}

impl ProvenKey {
    /// `key`, under which the signature of `token` holds.
    pub(super) fn new(token: &Unverified<'_>, key: VerifyingKey) -> Self {
        let algorithm = token.algorithm();
        let (jwa, kind) = named(algorithm);
        let proven = Proven { key, algorithm, signed: token.signed().to_owned() };
        let kid = token.kid().map(|kid| JsonWebKeyId::new(kid.to_owned()));
        Self { kid, kind, algorithm: jwa, proven: Some(Arc::new(proven)) }
    }

    /// The algorithm that the token was signed by.
    pub(super) fn algorithm(&self) -> &Jwa {
        &self.algorithm
    }
}

impl Proven {
    /// Whether `signature` is that of the token. The library has read its header, and a part of its claims.
    fn holds(&self, algorithm: &Jwa, read: &[u8], signature: &[u8]) -> bool {
        let header = |text: &[u8]| text.split(|byte| *byte == b'.').next().map(<[u8]>::to_vec);
        named(self.algorithm).0 == *algorithm
            && header(read) == header(self.signed.as_bytes())
            && self.key.verifies(self.algorithm, &self.signed, &URL_SAFE_NO_PAD.encode(signature))
    }
}

impl JsonWebKey for ProvenKey {
    type KeyUse = CoreJsonWebKeyUse;
    type SigningAlgorithm = Jwa;

    fn key_id(&self) -> Option<&JsonWebKeyId> {
        self.kid.as_ref()
    }

    fn key_type(&self) -> &CoreJsonWebKeyType {
        &self.kind
    }

    fn key_use(&self) -> Option<&CoreJsonWebKeyUse> {
        None
    }

    fn signing_alg(&self) -> JsonWebKeyAlgorithm<&Jwa> {
        JsonWebKeyAlgorithm::Algorithm(&self.algorithm)
    }

    /// Asked for where a verifier is told a client's secret. Ours never is.
    fn new_symmetric(_: Vec<u8>) -> Self {
        Self { kid: None, kind: CoreJsonWebKeyType::Symmetric, algorithm: Jwa::HmacSha256, proven: None }
    }

    fn verify_signature(
        &self,
        algorithm: &Jwa,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), SignatureVerificationError> {
        match &self.proven {
            Some(proven) if proven.holds(algorithm, message, signature) => Ok(()),
            Some(_) | None => Err(SignatureVerificationError::CryptoError("it does not hold".to_owned())),
        }
    }

    fn hash_bytes(&self, bytes: &[u8], algorithm: &Jwa) -> Result<Vec<u8>, String> {
        let hash = match algorithm {
            Jwa::RsaSsaPkcs1V15Sha256 | Jwa::RsaSsaPssSha256 | Jwa::EcdsaP256Sha256 => &SHA256,
            Jwa::RsaSsaPkcs1V15Sha384 | Jwa::RsaSsaPssSha384 | Jwa::EcdsaP384Sha384 => &SHA384,
            Jwa::RsaSsaPkcs1V15Sha512 | Jwa::RsaSsaPssSha512 | Jwa::EdDsa => &SHA512,
            _ => return Err("an algorithm that is not taken".to_owned()),
        };
        Ok(digest::digest(hash, bytes).as_ref().to_vec())
    }
}

/// What the library calls an algorithm, and the kind of key that it takes.
fn named(algorithm: Algorithm) -> (Jwa, CoreJsonWebKeyType) {
    match algorithm {
        Algorithm::Rs256 => (Jwa::RsaSsaPkcs1V15Sha256, CoreJsonWebKeyType::RSA),
        Algorithm::Rs384 => (Jwa::RsaSsaPkcs1V15Sha384, CoreJsonWebKeyType::RSA),
        Algorithm::Rs512 => (Jwa::RsaSsaPkcs1V15Sha512, CoreJsonWebKeyType::RSA),
        Algorithm::Ps256 => (Jwa::RsaSsaPssSha256, CoreJsonWebKeyType::RSA),
        Algorithm::Ps384 => (Jwa::RsaSsaPssSha384, CoreJsonWebKeyType::RSA),
        Algorithm::Ps512 => (Jwa::RsaSsaPssSha512, CoreJsonWebKeyType::RSA),
        Algorithm::Es256 => (Jwa::EcdsaP256Sha256, CoreJsonWebKeyType::EllipticCurve),
        Algorithm::Es384 => (Jwa::EcdsaP384Sha384, CoreJsonWebKeyType::EllipticCurve),
        Algorithm::EdDsa => (Jwa::EdDsa, CoreJsonWebKeyType::OctetKeyPair),
    }
}

// The library wants its keys to come from a key set and to go into one. This one comes from `keys`.

impl<'de> Deserialize<'de> for ProvenKey {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(de::Error::custom("a proven key is not read"))
    }
}

impl Serialize for ProvenKey {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(ser::Error::custom("a proven key is not written"))
    }
}

impl fmt::Debug for ProvenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProvenKey").field("kid", &self.kid).finish_non_exhaustive()
    }
}
