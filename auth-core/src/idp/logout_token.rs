//! Logout tokens (OpenID Connect Back-Channel Logout 1.0 §2.4): a provider's word that somebody has left.
//!
//! It comes from anywhere, so it is believed only by its signature; and it is nobody's credential, so what is wrong with
//! one refuses nobody. Where our keys cannot settle it, that is said as such: a provider asks again then.

use std::time::Duration;

use serde_json::Value;

use super::Provider;
use crate::{
    clock::{Now, Past, Timestamp},
    dependency::Dependency,
    jws::{self, Claims, MalformedToken, TokenKind, Unverified},
    keys::Contradiction,
    principal::Subject,
    verdict::{Detail, Unavailable},
};

/// How far a provider's clock and ours may be apart.
const LEEWAY: Duration = Duration::from_secs(30);
/// How long ago a token may have been issued, whatever its `exp`: what is older is no news, and need not be remembered
/// against being sent twice.
const LONGEST_LIFE: Duration = Duration::from_secs(10 * 60);
/// The longest `sub`, `sid` or `jti`, in bytes (OpenID Connect Core §2 for the first).
const LONGEST: usize = 255;
/// The member of `events` that makes it one.
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// What a logout token says that held.
#[derive(Debug)]
pub(crate) struct LogoutToken {
    /// The provider's name in the configuration.
    pub(crate) provider: String,
    /// Who left.
    pub(crate) leaver: Leaver,
    /// The issuer and the `jti`: it is taken once.
    pub(crate) id: String,
    /// Whose sessions begun later are not meant.
    pub(crate) issued: Timestamp,
    /// From when on it is no good any more.
    pub(crate) until: Timestamp,
}

/// Whom it is about.
#[derive(Debug)]
pub(crate) enum Leaver {
    /// One session at the provider; its person, if the token names them too.
    Session { issuer: String, sid: String, subject: Option<Subject> },
    /// Somebody, whatever sessions they have.
    Person(Subject),
}

/// Why a logout token ends nothing.
#[derive(Debug)]
pub enum LogoutTokenFault {
    /// It is wrong, in this way.
    Wrong(WrongLogoutToken),
    /// We cannot tell.
    Unavailable(Unavailable),
}

/// In which way a logout token is wrong. Never holds a part of it but the name of a key.
#[derive(Clone, Debug, thiserror::Error)]
pub enum WrongLogoutToken {
    /// It is no signed JWT of its kind.
    #[error("not a logout token: {0}")]
    Form(MalformedToken),
    /// No provider that is configured issued it.
    #[error("`iss` is no configured provider")]
    Issuer,
    /// It is for another client, or for others too.
    #[error("`aud` is not this client alone")]
    Audience,
    /// Its signature does not hold.
    #[error("the signature does not hold: {0}")]
    Signature(Detail),
    /// A claim is missing or of the wrong type.
    #[error("incomplete: {0}")]
    Claims(Detail),
    /// `events` does not say that it is one.
    #[error("`events` does not say that somebody has left")]
    Events,
    /// It has a `nonce`: an ID token, perhaps.
    #[error("`nonce` is there")]
    Nonce,
    /// It names neither a person nor a session.
    #[error("neither `sub` nor `sid`, or not a text")]
    Nobody,
    /// It has no `jti`.
    #[error("no `jti`")]
    Id,
    /// It is over.
    #[error("it has expired, or was issued long ago")]
    Expired,
    /// It was taken before.
    #[error("`jti` was taken before")]
    Replayed,
}

impl LogoutToken {
    /// Verifies `token`, which says that it is of one of `providers`.
    ///
    /// # Errors
    /// [`LogoutTokenFault`].
    pub(crate) async fn verify(providers: &[Provider], token: &str, now: Now) -> Result<Self, LogoutTokenFault> {
        let unverified = jws::read(token, TokenKind::Logout).map_err(WrongLogoutToken::Form)?;
        let mut of = providers.iter().filter(|provider| **provider.issuer() == *unverified.issuer()).peekable();
        if of.peek().is_none() {
            return Err(WrongLogoutToken::Issuer.into());
        }
        // One issuer may be configured as several clients: the token says for which of them it is.
        let claimed = unverified.claims().map_err(|lack| WrongLogoutToken::Claims(Detail::new(lack.to_string())))?;
        let provider = of.find(|provider| is_for(&claimed, &provider.config().client_id));
        let provider = provider.ok_or(WrongLogoutToken::Audience)?;
        let claims = signed(provider, &unverified).await?;
        Self::judge(provider, claims, now)
    }

    fn judge(provider: &Provider, claims: Claims, now: Now) -> Result<Self, LogoutTokenFault> {
        if !is_for(&claims, &provider.config().client_id) {
            return Err(WrongLogoutToken::Audience.into());
        }
        if claims.all.contains_key("nonce") {
            return Err(WrongLogoutToken::Nonce.into());
        }
        if !claims.all.get("events").and_then(|events| events.get(EVENT)).is_some_and(Value::is_object) {
            return Err(WrongLogoutToken::Events.into());
        }
        let id = match claims.text("jti") {
            Some(id) if is_of_use(id) => format!("{} {id}", claims.iss),
            Some(_) | None => return Err(WrongLogoutToken::Id.into()),
        };
        let leaver = Leaver::named_by(&claims).ok_or(WrongLogoutToken::Nobody)?;
        let until = (claims.exp + LEEWAY).min(claims.iat + LONGEST_LIFE);
        match now.past(until) {
            Past::No => {}
            Past::Yes => return Err(WrongLogoutToken::Expired.into()),
            Past::InDoubt => {
                return Err(Unavailable::because(Dependency::Clock, "whether it expired is in doubt").into());
            }
        }
        if let Some(begins) = claims.not_before(LEEWAY, now) {
            return Err(Unavailable::not_yet(begins, now, "a logout token that is not valid yet").into());
        }
        let provider = provider.name().to_string();
        Ok(Self { provider, leaver, id, issued: claims.iat + LEEWAY, until })
    }
}

impl Leaver {
    fn named_by(claims: &Claims) -> Option<Self> {
        let text = |name: &str| match claims.all.get(name) {
            None => Some(None),
            Some(value) => value.as_str().filter(|text| is_of_use(text)).map(Some),
        };
        let subject = text("sub")?.map(|sub| Subject::new(claims.iss.as_str(), sub));
        match (text("sid")?, subject) {
            (Some(sid), subject) => Some(Self::Session { issuer: claims.iss.clone(), sid: sid.to_owned(), subject }),
            (None, Some(subject)) => Some(Self::Person(subject)),
            (None, None) => None,
        }
    }
}

fn is_of_use(text: &str) -> bool {
    !text.is_empty() && text.len() <= LONGEST
}

fn is_for(claims: &Claims, client_id: &str) -> bool {
    matches!(&claims.aud[..], [only] if only == client_id)
}

async fn signed(provider: &Provider, token: &Unverified<'_>) -> Result<Claims, LogoutTokenFault> {
    #[cfg(candor_mutants)]
    if crate::mutants::is("logout-token-unverified") {
        return token.claims().map_err(|lack| WrongLogoutToken::Claims(Detail::new(lack.to_string())).into());
    }
    Ok(provider.keys().verify_sent(token).await?)
}

impl From<WrongLogoutToken> for LogoutTokenFault {
    fn from(wrong: WrongLogoutToken) -> Self {
        Self::Wrong(wrong)
    }
}

impl From<Unavailable> for LogoutTokenFault {
    fn from(unavailable: Unavailable) -> Self {
        Self::Unavailable(unavailable)
    }
}

impl From<Contradiction> for LogoutTokenFault {
    fn from(contradiction: Contradiction) -> Self {
        Self::Wrong(match contradiction {
            Contradiction::BadSignature(detail) | Contradiction::NoKey(detail) | Contradiction::NotTaken(detail) => {
                WrongLogoutToken::Signature(detail)
            }
            Contradiction::Claims(rejected) => WrongLogoutToken::Claims(rejected.detail().clone()),
            Contradiction::Unavailable(unavailable) => return Self::Unavailable(unavailable),
        })
    }
}
