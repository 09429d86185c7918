//! An ID token before openidconnect's verifier (OpenID Connect Core §3.1.3.7), once [`crate::keys`] has found the key
//! under which its signature holds.
//!
//! The verifier is given that one key, and the time: it fetches nothing and reads no clock. It is shown the token's own
//! header and signature, and of the claims those that it judges. The library reads all claims or none, and one of an
//! unexpected type, which nobody here asks for, would cost the sign-in: an `email_verified` that is a string, an
//! `updated_at` that is a date. So the key checks the signature over the token as it came.
//!
//! What the library leaves to its callers is [`super::id_token`]'s: `azp`, `nbf`, an `iat` ahead of us, `auth_time`, the
//! length of `sub`, and what it means that only one reading of the clock calls a token over.

use std::str::FromStr;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use openidconnect::{
    AccessToken, AccessTokenHash, ClaimsVerificationError, ClientId, EmptyAdditionalClaims, IdToken, IdTokenVerifier,
    IssuerUrl, JsonWebKeySet, Nonce, NonceVerifier,
    core::{CoreGenderClaim, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm},
};
use serde_json::{Map, Value};

use super::proven_key::ProvenKey;
use crate::{
    clock::Timestamp,
    dependency::Dependency,
    jws::{Claims, Unverified, VerifyingKey},
    verdict::Unavailable,
};

/// The claims that the verifier judges, and `sub`, without which it reads nothing.
const SHOWN: [&str; 6] = ["iss", "sub", "aud", "exp", "iat", "nonce"];

/// An ID token whose signature holds, as the verifier is shown it.
pub(crate) struct SignedIdToken {
    token: IdToken<EmptyAdditionalClaims, CoreGenderClaim, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm>,
    key: ProvenKey,
    nonce: Option<Nonce>,
}

/// What the verifier objects to.
#[derive(Debug)]
pub(crate) enum Mismatch {
    /// `iss` is another issuer's.
    Issuer,
    /// `aud` does not name us, or names somebody else too.
    Audience,
    /// `nonce` is missing or of another sign-in.
    Nonce,
    /// `exp` has been reached at the time that was given.
    Expired,
    /// Something that was found good before: we contradict ourselves, which says nothing about the token.
    Undecided(Unavailable),
}

impl SignedIdToken {
    /// `token`, whose signature holds under `key`, and which says these `claims`.
    ///
    /// # Errors
    /// Unavailable(OwnJudgement), if the library cannot read what was read before.
    pub(crate) fn new(token: &Unverified<'_>, claims: &Claims, key: VerifyingKey) -> Result<Self, Unavailable> {
        let shown = |name: &str| claims.all.get(name).map(|value| (name.to_owned(), value.clone()));
        let payload: Map<String, Value> = SHOWN.into_iter().filter_map(shown).collect();
        let payload = URL_SAFE_NO_PAD.encode(Value::Object(payload).to_string());
        let header = token.signed().split('.').next().unwrap_or_default();
        let text = format!("{header}.{payload}.{}", token.signature());
        // Its own words are not told: they may quote the claims.
        let shown = IdToken::from_str(&text).map_err(|_| undecided("cannot read an ID token that was read before"))?;
        let nonce = claims.nonce.clone().map(Nonce::new);
        Ok(Self { token: shown, key: ProvenKey::new(token, key), nonce })
    }

    /// Whether it was made by `issuer` for the client `client_id` and nobody else, at whatever time.
    pub(crate) fn is_for(&self, issuer: &str, client_id: &str) -> Result<(), Mismatch> {
        self.verify(issuer, client_id, |_: Option<&Nonce>| Ok(()), DateTime::<Utc>::MIN_UTC)
    }

    /// Whether it answers the request that carried `nonce`.
    pub(crate) fn answers(&self, nonce: &str) -> Result<(), Mismatch> {
        Nonce::new(nonce.to_owned()).verify(self.nonce.as_ref()).map_err(|_| Mismatch::Nonce)
    }

    /// Whether all of that is so, and it is not over `at` that time.
    pub(crate) fn is_good(&self, issuer: &str, client_id: &str, nonce: &str, at: Timestamp) -> Result<(), Mismatch> {
        // No token is over at the first of all times. What that would let through, the caller's own readings do not.
        let at = DateTime::from_timestamp_millis(at.as_millis()).unwrap_or(DateTime::<Utc>::MIN_UTC);
        self.verify(issuer, client_id, &Nonce::new(nonce.to_owned()), at)
    }

    /// The same of one that answers no sign-in.
    pub(crate) fn is_current(&self, issuer: &str, client_id: &str, at: Timestamp) -> Result<(), Mismatch> {
        let at = DateTime::from_timestamp_millis(at.as_millis()).unwrap_or(DateTime::<Utc>::MIN_UTC);
        self.verify(issuer, client_id, |_: Option<&Nonce>| Ok(()), at)
    }

    /// Whether `stated` is an `at_hash` of this access token (OpenID Connect Core §3.1.3.6). Its length says which hash it
    /// is half of: providers differ about the one that goes with EdDSA, and the provider signed it, so nobody else can
    /// choose.
    pub(crate) fn hashes(&self, stated: &str, access_token: &str) -> bool {
        const EACH_LENGTH: [CoreJwsSigningAlgorithm; 3] = [
            CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
            CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha384,
            CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha512,
        ];
        let stated = AccessTokenHash::new(stated.trim_end_matches('=').to_owned());
        let access_token = AccessToken::new(access_token.to_owned());
        let hash = |algorithm| AccessTokenHash::from_token(&access_token, algorithm, &self.key);
        EACH_LENGTH.iter().filter_map(|algorithm| hash(algorithm).ok()).any(|hash| hash == stated)
    }

    fn verify(
        &self,
        issuer: &str,
        client_id: &str,
        nonce: impl NonceVerifier,
        at: DateTime<Utc>,
    ) -> Result<(), Mismatch> {
        let issuer = IssuerUrl::new(issuer.to_owned())
            .map_err(|_| Mismatch::Undecided(undecided("does not take the issuer for an address")))?;
        let keys = JsonWebKeySet::new(vec![self.key.clone()]);
        // It is not given the client's secret, so no HMAC is looked at; and of the others only the one that was proven.
        let verifier = IdTokenVerifier::new_public_client(ClientId::new(client_id.to_owned()), issuer, keys)
            .set_allowed_algs([self.key.algorithm().clone()])
            .set_time_fn(move || at);
        self.token.claims(&verifier, nonce).map_err(|error| Mismatch::of(&error))?;
        Ok(())
    }
}

impl Mismatch {
    fn of(error: &ClaimsVerificationError) -> Self {
        match error {
            ClaimsVerificationError::InvalidIssuer(_) => Self::Issuer,
            ClaimsVerificationError::InvalidAudience(_) => Self::Audience,
            ClaimsVerificationError::InvalidNonce(_) => Self::Nonce,
            ClaimsVerificationError::Expired(_) => Self::Expired,
            ClaimsVerificationError::SignatureVerification(_) => {
                Self::Undecided(undecided("does not take a signature that holds"))
            }
            // The others are about what it was not told to judge, or what cannot have come so far.
            _ => Self::Undecided(undecided("does not take an ID token that is well formed")),
        }
    }
}

fn undecided(what: &str) -> Unavailable {
    Unavailable::because(Dependency::OwnJudgement, format!("openidconnect {what}"))
}

#[cfg(test)]
mod tests;
