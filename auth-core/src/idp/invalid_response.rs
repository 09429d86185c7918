//! What can be invalid about a provider's answer, when it did answer.
//!
//! An invalid response signs nobody in, and it is no verdict: an ID token is the provider's word to us, and nobody's
//! credential. It is no outage either, so it is counted apart from those: waiting does not make it right.

use std::fmt;

use crate::{
    discovery::NotADocument,
    jws::MalformedToken,
    principal::NoUserName,
    verdict::{Detail, Unavailable},
};

/// In which way a provider's answer is invalid. Its `Display` is for the log, and may hold what the provider said.
#[derive(Clone, Debug)]
pub enum InvalidResponse {
    /// Its discovery document is another issuer's (OpenID Connect Discovery 1.0 §4.3).
    Document(NotADocument),
    /// The callback names another issuer, or none although the provider promises it (RFC 9207 §2.4).
    CallbackIssuer,
    /// The token answer has no ID token (OpenID Connect Core §3.1.3.3).
    NoIdToken,
    /// The ID token is none, or of a form that we do not take: not signed, signed with a shared secret, cut short.
    IdToken(MalformedToken),
    /// Its signature does not hold under the provider's key of that name.
    BadSignature(Detail),
    /// The provider's key set has no key of that name.
    NoKey(Detail),
    /// It is signed in a way that the configuration does not take.
    NotTaken(Detail),
    /// The provider's key is for another issuer's tokens only.
    KeyIssuer(Detail),
    /// A claim that every ID token must carry is missing, or of the wrong type.
    Incomplete(Detail),
    /// `iss` is not the provider's.
    Issuer,
    /// `aud` names somebody else.
    Audience,
    /// `azp` names another client.
    AuthorizedParty,
    /// `nonce` is not the one that was sent.
    Nonce,
    /// `sub` is empty or too long.
    Subject,
    /// `at_hash` does not fit the access token.
    AccessToken,
    /// It does not say as whom services know this person (`user_claim`).
    UserName(NoUserName),
    /// It has expired, by both readings of the clock.
    Expired,
    /// `auth_time` is missing, or longer ago than was asked for.
    AuthTime,
    /// Userinfo is about somebody else (OpenID Connect Core §5.3.2).
    UserinfoSubject,
    /// Userinfo is signed, or encrypted.
    UserinfoSigned,
}

impl InvalidResponse {
    /// The answer that made a document unavailable, if the provider did answer, and in another issuer's name. Nonsense
    /// of every other kind is what broken servers say.
    pub(crate) fn behind(down: &Unavailable) -> Option<Self> {
        let nonsense = down.cause().downcast_ref::<NotADocument>()?;
        matches!(nonsense, NotADocument::OtherIssuer { .. }).then(|| Self::Document(nonsense.clone()))
    }

    /// Every word of [`InvalidResponse::as_str`], in their order.
    pub(crate) const WORDS: [&str; 20] = [
        "auth-time",
        "bad-signature",
        "bad-subject",
        "callback-issuer",
        "document-issuer",
        "expired",
        "incomplete",
        "malformed",
        "no-id-token",
        "no-user-claim",
        "not-taken",
        "unknown-key",
        "unverified-email",
        "userinfo-signed",
        "userinfo-subject",
        "wrong-access-token",
        "wrong-audience",
        "wrong-client",
        "wrong-issuer",
        "wrong-nonce",
    ];

    /// Its word in the log, and in the metric `candor_sign_in_failed_total`.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Document(_) => "document-issuer",
            Self::CallbackIssuer => "callback-issuer",
            Self::NoIdToken => "no-id-token",
            Self::IdToken(MalformedToken::Invalid(_) | MalformedToken::Unsigned(_)) => "malformed",
            Self::BadSignature(_) => "bad-signature",
            Self::NoKey(_) => "unknown-key",
            Self::NotTaken(_) | Self::IdToken(MalformedToken::NotUnderstood(_)) => "not-taken",
            Self::KeyIssuer(_) | Self::Issuer => "wrong-issuer",
            Self::Incomplete(_) => "incomplete",
            Self::Audience => "wrong-audience",
            Self::AuthorizedParty => "wrong-client",
            Self::Nonce => "wrong-nonce",
            Self::Subject => "bad-subject",
            Self::AccessToken => "wrong-access-token",
            Self::UserName(NoUserName::Absent(_)) => "no-user-claim",
            Self::UserName(NoUserName::Unverified) => "unverified-email",
            Self::Expired => "expired",
            Self::AuthTime => "auth-time",
            Self::UserinfoSubject => "userinfo-subject",
            Self::UserinfoSigned => "userinfo-signed",
        }
    }

    /// What to do about it, where that is the gateway's configuration.
    pub(crate) const fn remedy(&self) -> Option<&'static str> {
        if let Self::Document(_) = self {
            return Some("`issuer` in its `[[identity]]` must be what its document says, to the letter");
        }
        None
    }

    /// One sentence for the person, without anything that the provider said.
    pub const fn explain(&self) -> &'static str {
        match self {
            Self::Document(_) => "It introduces itself as another provider than the one that is expected here.",
            Self::CallbackIssuer => "You were sent back in the name of another provider, or of none.",
            Self::NoIdToken => "It did not say who you are: its answer has no ID token.",
            Self::NotTaken(_) | Self::IdToken(MalformedToken::NotUnderstood(_)) => {
                "Its ID token is of a kind that is not taken here."
            }
            Self::IdToken(MalformedToken::Unsigned(_)) => {
                "Its ID token is not signed in a way that only the provider can sign."
            }
            Self::IdToken(MalformedToken::Invalid(_)) => "Its ID token makes no sense.",
            Self::BadSignature(_) => "The signature of its ID token does not hold.",
            Self::NoKey(_) => "Its ID token is signed with a key that it does not publish.",
            Self::KeyIssuer(_) => "Its ID token is signed with another provider's key.",
            Self::Incomplete(_) => "Its ID token lacks something that every ID token must say.",
            Self::Issuer => "Its ID token is of another provider.",
            Self::Audience => "Its ID token was made for somebody else.",
            Self::AuthorizedParty => "Its ID token was made for another application.",
            Self::Nonce => "Its ID token belongs to another sign-in.",
            Self::Subject => "Its ID token has no usable name for you.",
            Self::AccessToken => "Its ID token and its access token do not belong together.",
            Self::UserName(NoUserName::Absent(_)) => {
                "It did not say by which name you are known to the service behind this sign-in."
            }
            Self::UserName(NoUserName::Unverified) => {
                "It did not say that your e-mail address is verified, and the service behind this sign-in knows people \
                 by their address."
            }
            Self::Expired => "Its ID token has expired already.",
            Self::AuthTime => "It was to make sure that it is you, and did not say that it has.",
            Self::UserinfoSubject => "What it says of you when it is asked again is about somebody else.",
            Self::UserinfoSigned => "What it says of you when it is asked again is in a form that is not taken here.",
        }
    }
}

impl fmt::Display for InvalidResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Document(nonsense) => nonsense.fmt(f),
            Self::CallbackIssuer => f.write_str("the callback's `iss` is missing or another issuer's"),
            Self::NoIdToken => f.write_str("the token answer has no ID token"),
            Self::IdToken(MalformedToken::NotUnderstood(what)) => {
                write!(f, "the ID token is not understood: {what} (`algorithms` says which are taken)")
            }
            Self::IdToken(malformed) => write!(f, "the ID token is no good: {malformed}"),
            Self::BadSignature(detail)
            | Self::NoKey(detail)
            | Self::NotTaken(detail)
            | Self::KeyIssuer(detail)
            | Self::Incomplete(detail) => {
                write!(f, "the ID token: {detail}")
            }
            Self::Issuer => f.write_str("the ID token's `iss` is another issuer"),
            Self::Audience => f.write_str("the ID token's `aud` is not us alone"),
            Self::AuthorizedParty => f.write_str("the ID token's `azp` is another client"),
            Self::Nonce => f.write_str("the ID token's `nonce` is missing or of another sign-in"),
            Self::Subject => f.write_str("the ID token's `sub` is empty or too long"),
            Self::AccessToken => f.write_str("the ID token's `at_hash` does not fit the access token"),
            Self::UserName(none) => write!(f, "the ID token does not say whom services know: {none}"),
            Self::Expired => f.write_str("the ID token has expired"),
            Self::AuthTime => f.write_str("the ID token's `auth_time` is missing, or longer ago than `max_age` allows"),
            Self::UserinfoSubject => f.write_str("userinfo's `sub` is not the ID token's"),
            Self::UserinfoSigned => {
                f.write_str("userinfo is a JWT, which is not taken: have the client registered without `userinfo_signed_response_alg`")
            }
        }
    }
}
