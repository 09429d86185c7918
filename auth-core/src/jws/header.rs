//! The header of a token: an allow-list of members (RFC 7515 §4.1), each with its type.

use std::str::FromStr;

use serde_json::{Map, Value};

use super::{Algorithm, MalformedToken, json};
use crate::metric::TOKEN_BROUGHT_KEY;

/// What a token is for, which decides what its `typ` may be (RFC 8725 §3.11).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// An access token: `JWT`, `at+jwt` (RFC 9068 §2.1) or nothing.
    Bearer,
    /// A device token of ours: `device-at+jwt`, always.
    Device,
    /// An identity that a gateway signed for a service behind it: `gateway-identity+jwt`, always.
    GatewayIdentity,
    /// An ID token: `JWT` or nothing (OpenID Connect Core §2).
    IdToken,
    /// A logout token: `logout+jwt`, `JWT` or nothing (OpenID Connect Back-Channel Logout 1.0 §2.4): what tells it from an
    /// ID token is its `events`, and that it has no `nonce`.
    Logout,
}

/// The `typ` of our device tokens.
pub(crate) const DEVICE_TOKEN: &str = "device-at+jwt";

/// The `typ` of the identities that a gateway signs (RFC 8725 §3.11).
pub const GATEWAY_IDENTITY: &str = "gateway-identity+jwt";

/// The members that matter.
pub(super) struct Header {
    pub(super) algorithm: Algorithm,
    pub(super) kid: Option<String>,
    typ: Option<String>,
}

/// Members that would have us use or fetch a key that the token itself brings. They are ignored.
const KEYS_IT_BRINGS: [&str; 4] = ["jku", "jwk", "x5c", "x5u"];

impl Header {
    pub(super) fn read(bytes: &[u8]) -> Result<Self, MalformedToken> {
        let members =
            json::object(bytes).map_err(|_| MalformedToken::Invalid("the header is no strict JSON object"))?;
        for name in members.keys() {
            match name.as_str() {
                "alg" | "kid" | "typ" | "x5t" | "x5t#S256" => {}
                name if KEYS_IT_BRINGS.contains(&name) => TOKEN_BROUGHT_KEY.alone().increment(1),
                "crit" | "b64" => return Err(MalformedToken::Invalid("a critical extension that we do not know")),
                "zip" | "enc" | "cty" => return Err(MalformedToken::Invalid("encrypted, compressed or nested")),
                _ => return Err(MalformedToken::NotUnderstood("an unknown header member")),
            }
        }
        Ok(Self { algorithm: algorithm(&members)?, kid: text(&members, "kid")?, typ: text(&members, "typ")? })
    }

    /// Whether `typ` is that of access tokens (RFC 9068 §2.1).
    pub(super) fn is_typed_access_token(&self) -> bool {
        let typ = self.typ.as_deref().unwrap_or_default().to_ascii_lowercase();
        typ.strip_prefix("application/").unwrap_or(&typ) == "at+jwt"
    }

    /// Whether `typ` allows this kind. A type that is explicitly another is a proof; one that we never heard of is not.
    pub(super) fn fits(&self, kind: TokenKind) -> Result<(), MalformedToken> {
        let typ = match (&self.typ, kind) {
            (Some(typ), _) => typ.to_ascii_lowercase(),
            (None, TokenKind::Bearer | TokenKind::IdToken | TokenKind::Logout) => return Ok(()),
            (None, TokenKind::Device | TokenKind::GatewayIdentity) => return Err(MalformedToken::Invalid("no `typ`")),
        };
        match (typ.strip_prefix("application/").unwrap_or(&typ), kind) {
            ("jwt", TokenKind::Bearer | TokenKind::IdToken | TokenKind::Logout)
            | ("at+jwt", TokenKind::Bearer)
            | ("logout+jwt", TokenKind::Logout)
            | (DEVICE_TOKEN, TokenKind::Device)
            | (GATEWAY_IDENTITY, TokenKind::GatewayIdentity) => Ok(()),
            (other, _) if other.ends_with("+jwt") => Err(MalformedToken::Invalid("a token of another type")),
            _ => Err(MalformedToken::NotUnderstood("an unknown `typ`")),
        }
    }
}

fn algorithm(members: &Map<String, Value>) -> Result<Algorithm, MalformedToken> {
    match text(members, "alg")?.as_deref() {
        None => Err(MalformedToken::Invalid("no `alg`")),
        Some(name) if name.eq_ignore_ascii_case("none") => Err(MalformedToken::Unsigned("not signed")),
        Some("HS256" | "HS384" | "HS512") => Err(MalformedToken::Unsigned("signed with a shared secret")),
        Some(name) => {
            Algorithm::from_str(name).map_err(|_| MalformedToken::NotUnderstood("an algorithm we do not take"))
        }
    }
}

fn text(members: &Map<String, Value>, name: &str) -> Result<Option<String>, MalformedToken> {
    match members.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(MalformedToken::Invalid("a header member of the wrong type")),
    }
}
