//! The ways in which the provider can answer a sign-in wrongly, while it is up.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use serde_json::{Value, json};

use super::tokens::{KeyRing, Signer};

/// In which way the provider's answers to a sign-in are wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lie {
    /// ID tokens have the algorithm `none`.
    NotSigned,
    /// ID tokens are signed with HMAC.
    SharedSecret,
    /// ID tokens are signed by another key, under the name of the provider's.
    Forged,
    /// ID tokens are signed by a key that the provider does not publish.
    UnknownKey,
    /// ID tokens end before their signature does.
    CutShort,
    /// ID tokens are of another issuer.
    OtherIssuer,
    /// ID tokens are for somebody else.
    OtherAudience,
    /// ID tokens are for us and for somebody else.
    FurtherAudience,
    /// ID tokens were issued to another client.
    OtherClient,
    /// ID tokens carry the nonce of somebody else.
    OtherNonce,
    /// ID tokens carry no nonce.
    NoNonce,
    /// ID tokens do not say whose they are.
    NoSubject,
    /// ID tokens have expired.
    Expired,
    /// ID tokens go with another access token.
    OtherAccessToken,
    /// The ID token is an access token.
    AccessToken,
    /// There is no ID token.
    NoIdToken,
    /// Userinfo is about somebody else.
    OtherUserinfo,
    /// The discovery document is of another issuer.
    OtherDocument,
}

impl Lie {
    /// Every way.
    pub const ALL: [Self; 18] = [
        Self::NotSigned,
        Self::SharedSecret,
        Self::Forged,
        Self::UnknownKey,
        Self::CutShort,
        Self::OtherIssuer,
        Self::OtherAudience,
        Self::FurtherAudience,
        Self::OtherClient,
        Self::OtherNonce,
        Self::NoNonce,
        Self::NoSubject,
        Self::Expired,
        Self::OtherAccessToken,
        Self::AccessToken,
        Self::NoIdToken,
        Self::OtherUserinfo,
        Self::OtherDocument,
    ];

    /// Bends the claims of an ID token.
    pub(super) fn bend(self, claims: &mut Value) {
        let of = |claims: &Value, name: &str| claims[name].clone();
        match self {
            Self::OtherIssuer => claims["iss"] = "https://another-issuer.example".into(),
            Self::OtherAudience => claims["aud"] = "somebody else".into(),
            Self::FurtherAudience => claims["aud"] = json!([of(claims, "aud"), "somebody else"]),
            Self::OtherClient => claims["azp"] = "somebody else".into(),
            Self::OtherNonce => claims["nonce"] = "the nonce of somebody else".into(),
            Self::NoNonce => claims["nonce"] = Value::Null,
            Self::NoSubject => claims["sub"] = Value::Null,
            Self::Expired => claims["exp"] = (of(claims, "iat").as_i64().unwrap_or_default() - 3600).into(),
            Self::OtherAccessToken => claims["at_hash"] = BASE64.encode([7; 16]).into(),
            Self::NotSigned
            | Self::SharedSecret
            | Self::Forged
            | Self::UnknownKey
            | Self::CutShort
            | Self::AccessToken
            | Self::NoIdToken
            | Self::OtherUserinfo
            | Self::OtherDocument => {}
        }
    }

    /// Signs them, or does not.
    pub(super) fn sign(self, keys: &KeyRing, claims: &Value) -> String {
        let unsigned = |algorithm: &str, signature: &str| {
            let header = json!({ "alg": algorithm, "typ": "JWT" });
            format!("{}.{}.{signature}", BASE64.encode(header.to_string()), BASE64.encode(claims.to_string()))
        };
        match self {
            Self::NotSigned => unsigned("none", ""),
            Self::SharedSecret => unsigned("HS256", &BASE64.encode([7; 32])),
            Self::Forged => keys.sign(Signer::Forger, Some("JWT"), claims),
            Self::UnknownKey => keys.sign(Signer::Unknown("never-published".into()), Some("JWT"), claims),
            Self::AccessToken => keys.sign(Signer::Current, Some("at+jwt"), claims),
            Self::CutShort => {
                let mut whole = keys.sign(Signer::Current, Some("JWT"), claims);
                whole.truncate(whole.len() - 40);
                whole
            }
            _ => keys.sign(Signer::Current, Some("JWT"), claims),
        }
    }
}
