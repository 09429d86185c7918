//! Strict JOSE (RFC 7515, RFC 7519, RFC 8725), and the only module that names jsonwebtoken; ID tokens go through it
//! too.
//!
//! [`read`] judges form and looks at no key; `key` holds what a signature is checked with; `sign` makes our own
//! tokens; `own_key` reads proofs of possession, the one kind that brings its key along. Deliberately absent: JWE, the JSON serialization, `crit` extensions, HMAC and `none`, and any clock: expiry
//! is judged by the callers, with [`Now`](crate::clock::Now) and a leeway.

mod claims;
mod header;
mod json;
mod key;
mod key_name;
mod own_key;
mod sign;

use std::{fmt, str::FromStr};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value};

use crate::clock::Timestamp;

pub use claims::Claims;
pub(crate) use claims::{IncompleteClaims, numeric_date};
pub(crate) use header::DEVICE_TOKEN;
pub use header::{GATEWAY_IDENTITY, TokenKind};
pub(crate) use json::object as strict_object;
#[doc(hidden)]
pub use key::signature_holds;
pub(crate) use key::{Signature, UnusableJwk, VerifyingKey};
pub(crate) use own_key::{OwnKeyFault, SignedByOwnKey, read_own_key, read_with_own_key};
pub(crate) use sign::PublicHalf;
pub use sign::{SignFault, SigningKey};

/// The longest token that is looked at, in bytes.
pub const MAX_TOKEN: usize = 8 * 1024;

/// A signature algorithm (RFC 7518 §3.1, RFC 8037). Asymmetric ones only: there is no way to name `none` or HMAC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "these are the names that the RFCs give")]
pub enum Algorithm {
    Rs256,
    Rs384,
    Rs512,
    Ps256,
    Ps384,
    Ps512,
    Es256,
    Es384,
    EdDsa,
}

/// A token whose form is right and whose signature nobody has looked at.
pub struct Unverified<'t> {
    header: header::Header,
    signed: &'t str,
    signature: &'t str,
    payload: Map<String, Value>,
    issuer: String,
    kind: TokenKind,
}

/// Why a text is no token of its kind. Never holds a part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MalformedToken {
    /// The RFCs make it invalid, whoever issued it.
    #[error("{0}")]
    Invalid(&'static str),
    /// Nobody signed it, or whoever can verify it can.
    #[error("{0}")]
    Unsigned(&'static str),
    /// It may be a good token, but not one that we understand.
    #[error("{0}")]
    NotUnderstood(&'static str),
}

/// The text is not the name of an algorithm that we take.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not one of RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA")]
pub struct UnknownAlgorithm(pub String);

/// Reads `token` strictly, without looking at its signature.
///
/// # Errors
/// What is wrong with its form.
pub fn read(token: &str, kind: TokenKind) -> Result<Unverified<'_>, MalformedToken> {
    let (signed, header, payload, signature) = parts(token)?;
    let header = header::Header::read(&decoded(header)?)?;
    header.fits(kind)?;
    decoded(signature)?;
    let payload = json::object(&decoded(payload)?)
        .map_err(|_| MalformedToken::Invalid("the claims are no strict JSON object"))?;
    let issuer = match payload.get("iss") {
        Some(Value::String(issuer)) => issuer.clone(),
        _ => return Err(MalformedToken::Invalid("`iss` is no string")),
    };
    Ok(Unverified { header, signed, signature, payload, issuer, kind })
}

/// The issuer that a text names, if it looks like a JWT at all: laxer than [`read`], so that a broken token of a known
/// issuer is answered as one, and looks at neither header nor signature.
pub(crate) fn peek_issuer(token: &str) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Issuer {
        iss: String,
    }
    const LONGEST: usize = 64 * 1024;
    let mut parts = Some(token).filter(|token| token.len() <= LONGEST)?.split('.');
    let (_, payload, _) = (parts.next()?, parts.next()?, parts.next()?);
    let payload = URL_SAFE_NO_PAD.decode(payload).ok()?;
    serde_json::from_slice::<Issuer>(&payload).ok().map(|claims| claims.iss)
}

/// The `typ` that a text names, if it looks like a JWT at all: as lax as [`peek_issuer`].
pub(crate) fn peek_type(token: &str) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Type {
        typ: String,
    }
    const LONGEST: usize = 1024;
    let header = token.split_once('.').map(|(header, _)| header).filter(|header| header.len() <= LONGEST)?;
    let header = URL_SAFE_NO_PAD.decode(header).ok()?;
    serde_json::from_slice::<Type>(&header).ok().map(|header| header.typ)
}

/// Signed text, header, payload, signature: exactly three parts, within the size cap.
fn parts(token: &str) -> Result<(&str, &str, &str, &str), MalformedToken> {
    if token.len() > MAX_TOKEN {
        return Err(MalformedToken::NotUnderstood("longer than 8 KiB"));
    }
    let not_three = MalformedToken::Invalid("not three parts");
    let (signed, signature) = token.rsplit_once('.').ok_or(not_three)?;
    let (header, payload) = signed.split_once('.').ok_or(not_three)?;
    if payload.contains('.') { Err(not_three) } else { Ok((signed, header, payload, signature)) }
}

/// Base64url in its one canonical form (RFC 7515 §2): no padding, no white space, no spare bits set.
fn decoded(part: &str) -> Result<Vec<u8>, MalformedToken> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| MalformedToken::Invalid("a part is no canonical base64url"))
}

impl Unverified<'_> {
    /// The issuer that the token names. Nothing vouches for it.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The key that the token names.
    pub fn kid(&self) -> Option<&str> {
        self.header.kid.as_deref()
    }

    /// The algorithm that it says it is signed by.
    pub(crate) fn algorithm(&self) -> Algorithm {
        self.header.algorithm
    }

    /// Whether its `typ` says that it is an access token (RFC 9068 §2.1).
    pub(crate) fn is_typed_access_token(&self) -> bool {
        self.header.is_typed_access_token()
    }

    /// What its signature is of: header and payload, encoded (RFC 7515 §5.1).
    pub(crate) fn signed(&self) -> &str {
        self.signed
    }

    /// Its signature, encoded.
    pub(crate) fn signature(&self) -> &str {
        self.signature
    }

    /// When it claims to have been issued, else to begin. Nothing vouches for it.
    pub(crate) fn claimed_start(&self) -> Option<Timestamp> {
        ["iat", "nbf"].into_iter().find_map(|name| claims::numeric_date(self.payload.get(name)?))
    }

    /// Its claims, typed. Call this once the signature held.
    pub(crate) fn claims(&self) -> Result<Claims, IncompleteClaims> {
        match self.kind {
            TokenKind::Logout => Claims::of_logout(&self.payload),
            TokenKind::Bearer | TokenKind::Device | TokenKind::GatewayIdentity | TokenKind::IdToken => {
                Claims::from_object(&self.payload)
            }
        }
    }
}

impl Algorithm {
    /// Every algorithm.
    pub const ALL: [Self; 9] = [
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::Es256,
        Self::Es384,
        Self::EdDsa,
    ];

    /// Its registered name (RFC 7518 §3.1, RFC 8037 §3.1).
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::EdDsa => "EdDSA",
        }
    }
}

impl FromStr for Algorithm {
    type Err = UnknownAlgorithm;
    fn from_str(name: &str) -> Result<Self, UnknownAlgorithm> {
        Self::ALL.into_iter().find(|known| known.as_str() == name).ok_or_else(|| UnknownAlgorithm(name.to_owned()))
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
pub(crate) mod tests;
