//! Tokens that bring the key that they are signed with: proofs that somebody holds it (RFC 9449 §4.2). Nothing else may
//! bring a key, and nobody is believed for it: it says only that whoever sent this has the private half.

use serde_json::{Map, Value};

use super::{Algorithm, VerifyingKey, decoded, json, key_name, parts};
use crate::principal::Thumbprint;

/// A token of which form, header and key are right, and whose signature nobody has looked at.
pub(crate) struct SignedByOwnKey<'t> {
    key: VerifyingKey,
    algorithm: Algorithm,
    signed: &'t str,
    signature: &'t str,
    /// The key's thumbprint (RFC 7638).
    pub(crate) thumbprint: Thumbprint,
    /// The key, by the members that make it, in the order of the RFC.
    pub(crate) jwk: String,
    /// What it claims.
    pub(crate) payload: Map<String, Value>,
}

/// What is wrong with such a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OwnKeyFault {
    /// It is no compact JWS of two strict JSON objects.
    Form,
    /// Its header has a wrong type or algorithm, or members that do not belong there.
    Header,
    /// Its key is private, of a kind that is not taken, no point of its curve, or not one for its algorithm.
    Key,
}

/// The header of such a token has these members and no others.
const MEMBERS: [&str; 3] = ["alg", "jwk", "typ"];

/// The points of small order of edwards25519, without the bit of the sign, in every encoding: under such a "key" there are
/// signatures that hold for texts that nobody signed.
const SMALL_ORDER: [[u8; 32]; 7] = [
    [0; 32],
    first_byte(1, [0; 32]),
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5, 0xdf,
        0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a, 0x20,
        0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
    ],
    first_byte(0xec, HIGHEST),
    first_byte(0xed, HIGHEST),
    first_byte(0xee, HIGHEST),
];

/// All bits but that of the sign.
const HIGHEST: [u8; 32] = {
    let mut bytes = [0xff; 32];
    bytes[31] = 0x7f;
    bytes
};

const fn first_byte(byte: u8, mut of: [u8; 32]) -> [u8; 32] {
    of[0] = byte;
    of
}

/// Reads `token` of the type `typ`, signed by EdDSA or ES256 with the key that it brings.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn read_with_own_key<'t>(token: &'t str, typ: &str) -> Result<SignedByOwnKey<'t>, OwnKeyFault> {
    let form = |_| OwnKeyFault::Form;
    let (signed, header, payload, signature) = parts(token).map_err(form)?;
    let header = json::object(&decoded(header).map_err(form)?).map_err(|_| OwnKeyFault::Form)?;
    let payload = json::object(&decoded(payload).map_err(form)?).map_err(|_| OwnKeyFault::Form)?;
    decoded(signature).map_err(form)?;
    if header.keys().any(|name| !MEMBERS.contains(&name.as_str())) || header.get("typ").is_none_or(|own| own != typ) {
        return Err(OwnKeyFault::Header);
    }
    let algorithm = match header.get("alg").and_then(Value::as_str) {
        Some("EdDSA") => Algorithm::EdDsa,
        Some("ES256") => Algorithm::Es256,
        Some(_) | None => return Err(OwnKeyFault::Header),
    };
    let jwk = header.get("jwk").and_then(Value::as_object).ok_or(OwnKeyFault::Header)?;
    let (key, thumbprint, jwk) = own_key(jwk, algorithm).ok_or(OwnKeyFault::Key)?;
    Ok(SignedByOwnKey { key, algorithm, signed, signature, thumbprint, jwk, payload })
}

/// The public key that `text`, a JWK (RFC 7517), is, if it is one that such tokens are signed with: its thumbprint, and the
/// members that make it.
pub(crate) fn read_own_key(text: &str) -> Option<(Thumbprint, String)> {
    let jwk = json::object(text.as_bytes()).ok()?;
    let algorithm = match jwk.get("kty")?.as_str()? {
        "OKP" => Algorithm::EdDsa,
        "EC" => Algorithm::Es256,
        _ => return None,
    };
    own_key(&jwk, algorithm).map(|(_, thumbprint, jwk)| (thumbprint, jwk))
}

fn own_key(jwk: &Map<String, Value>, algorithm: Algorithm) -> Option<(VerifyingKey, Thumbprint, String)> {
    // A key that is not for this algorithm is left with none.
    let key = VerifyingKey::from_jwk(jwk, &[algorithm]).ok()?;
    if algorithm == Algorithm::EdDsa && has_small_order(jwk) {
        return None;
    }
    let (thumbprint, jwk) = key_name::thumbprint(jwk)?;
    Some((key, thumbprint, jwk))
}

fn has_small_order(jwk: &Map<String, Value>) -> bool {
    let x = jwk.get("x").and_then(Value::as_str).and_then(|x| decoded(x).ok());
    x.is_none_or(|mut x| {
        if let Some(last) = x.last_mut() {
            *last &= 0x7f;
        }
        SMALL_ORDER.iter().any(|point| x == point)
    })
}

impl SignedByOwnKey<'_> {
    /// Whether its signature holds under the key that it brings.
    pub(crate) fn holds(&self) -> bool {
        self.key.verifies(self.algorithm, self.signed, self.signature)
    }
}
