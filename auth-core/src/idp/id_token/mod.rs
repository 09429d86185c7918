//! ID tokens: verified by keys and jws, judged by OpenID Connect Core §3.1.3.7, and read as who somebody is.
//!
//! Issuer, audience, nonce and expiry are judged by openidconnect's verifier ([`SignedIdToken`]); here are the rules that
//! it leaves to its callers, and time, of which we have two readings.
//!
//! An ID token is the provider's word to us, not a credential that a person holds. So what is wrong with one is a
//! fault of the sign-in, not a verdict: nobody's credential is refused here.

use std::{sync::Arc, time::Duration};

use serde_json::{Map, Value};

use super::{Mismatch, Provider, ProviderConfig, SignedIdToken, invalid_response::InvalidResponse};
use crate::{
    clock::{Now, Past, Witness},
    dependency::Dependency,
    jws::{self, Claims, TokenKind},
    keys::Contradiction,
    principal::{Person, Subject, stated::Stated},
    verdict::{Reason, Unavailable},
};

/// How far a provider's clock and ours may be apart.
const LEEWAY: Duration = Duration::from_secs(30);
/// The longest `sub` (OpenID Connect Core §2), in bytes.
const LONGEST_SUBJECT: usize = 255;

/// Who signed in, as the provider states it.
pub(crate) struct Identity {
    pub(crate) person: Person,
    pub(crate) roles: Stated,
    pub(crate) groups: Stated,
    pub(crate) sid: Option<String>,
    pub(crate) claims: Value,
}

/// What is expected of an ID token.
pub(crate) struct ExpectedToken<'e> {
    pub(crate) issuer: &'e str,
    pub(crate) client_id: &'e str,
    pub(crate) answers: Answers<'e>,
    pub(crate) access_token: &'e str,
    pub(crate) max_age: Option<Duration>,
}

/// To what the provider answered with an ID token.
#[derive(Clone, Copy)]
pub(crate) enum Answers<'e> {
    /// A sign-in, which sent this nonce.
    SignIn { nonce: &'e str },
    /// A refresh. Its token need not have a nonce; if it has one, it is that of the sign-in, where that is still known
    /// (OpenID Connect Core §12.2). That it is about the same person is the caller's to see.
    Refresh { nonce: Option<&'e str> },
}

/// Why an ID token signs nobody in.
#[derive(Debug)]
pub(crate) enum IdTokenFault {
    /// It is not the one that this sign-in is owed.
    Invalid(InvalidResponse),
    /// We cannot tell.
    Unavailable(Unavailable),
}

/// Verifies an ID token that came from the token endpoint, and asks userinfo about it where that is configured.
pub(crate) async fn verify(
    provider: &Provider,
    token: &str,
    expected: &ExpectedToken<'_>,
    now: Now,
) -> Result<Identity, IdTokenFault> {
    let unverified = jws::read(token, TokenKind::IdToken).map_err(InvalidResponse::IdToken)?;
    if unverified.issuer() != expected.issuer {
        return invalid(InvalidResponse::Issuer);
    }
    let (claims, key) = provider.keys().verify_own(&unverified).await?;
    let signed = SignedIdToken::new(&unverified, &claims, key)?;
    judge(&signed, &claims, expected, || {
        // A refresh sends nothing that its token would have to repeat: it may be an old one.
        let Answers::SignIn { .. } = expected.answers else { return provider.clock().now() };
        // Made for this sign-in and signed: what it says of the time may end a doubt about ours.
        let clock = provider.clock();
        clock.hear(Witness::issued(claims.iat, clock.now().steady().since(now.steady())), expected.issuer);
        clock.now()
    })?;
    let config = provider.config();
    let subject = Subject::new(claims.iss.as_str(), claims.sub.as_str());
    let all = provider.with_userinfo(claims.all, expected.access_token).await?;
    Ok(Identity::stated_by(subject, all, config)?)
}

/// The rules of OpenID Connect Core §3.1.3.7 beyond the signature. The time is asked for last, once the token is found to
/// be made for this sign-in, whatever the time is.
fn judge(
    signed: &SignedIdToken,
    claims: &Claims,
    expected: &ExpectedToken<'_>,
    now: impl FnOnce() -> Now,
) -> Result<(), IdTokenFault> {
    signed.is_for(expected.issuer, expected.client_id)?;
    if claims.azp.as_ref().is_some_and(|party| party != expected.client_id) {
        return invalid(InvalidResponse::AuthorizedParty);
    }
    match expected.answers {
        Answers::SignIn { nonce } => signed.answers(nonce)?,
        Answers::Refresh { nonce: Some(nonce) } if claims.nonce.is_some() => signed.answers(nonce)?,
        Answers::Refresh { .. } => {}
    }
    if claims.sub.is_empty() || claims.sub.len() > LONGEST_SUBJECT {
        return invalid(InvalidResponse::Subject);
    }
    if let Some(stated) = claims.all.get("at_hash")
        && !stated.as_str().is_some_and(|stated| signed.hashes(stated, expected.access_token))
    {
        return invalid(InvalidResponse::AccessToken);
    }
    judge_time(signed, claims, expected, now())
}

fn judge_time(
    signed: &SignedIdToken,
    claims: &Claims,
    expected: &ExpectedToken<'_>,
    now: Now,
) -> Result<(), IdTokenFault> {
    let past = now.past(claims.exp + LEEWAY);
    if past == Past::InDoubt {
        return Err(Unavailable::because(Dependency::Clock, "whether it expired is in doubt").into());
    }
    // By the earlier reading: what is over by it is over by both.
    let at = now.earlier() - LEEWAY;
    match expected.answers {
        Answers::SignIn { nonce } => signed.is_good(expected.issuer, expected.client_id, nonce, at)?,
        Answers::Refresh { .. } => signed.is_current(expected.issuer, expected.client_id, at)?,
    }
    if past == Past::Yes {
        return invalid(InvalidResponse::Expired);
    }
    if let Some(max_age) = expected.max_age {
        judge_age(claims, max_age, now)?;
    }
    match claims.not_before(LEEWAY, now) {
        Some(begins) => Err(Unavailable::not_yet(begins, now, "an ID token that is not valid yet").into()),
        None => Ok(()),
    }
}

/// Where the request said how long ago the person may have signed in there at most, `auth_time` must be there and say so
/// (OpenID Connect Core §2, §3.1.3.7 step 13).
fn judge_age(claims: &Claims, max_age: Duration, now: Now) -> Result<(), IdTokenFault> {
    let Some(signed_in) = claims.date("auth_time") else { return invalid(InvalidResponse::AuthTime) };
    match now.past(signed_in + max_age + LEEWAY) {
        Past::No => Ok(()),
        Past::Yes => invalid(InvalidResponse::AuthTime),
        Past::InDoubt => Err(Unavailable::because(Dependency::Clock, "how long ago it was is in doubt").into()),
    }
}

impl Identity {
    /// Who `subject` is, in what the configuration asks of the `claims` of a token that held.
    pub(crate) fn stated_by(
        subject: Subject,
        claims: Map<String, Value>,
        config: &ProviderConfig,
    ) -> Result<Self, InvalidResponse> {
        let text = |name: &str| claims.get(name)?.as_str().filter(|text| !text.is_empty()).map(Arc::from);
        let person = Person {
            subject,
            tenant: text("tid"),
            user_name: config.user_claim.of(&claims).map_err(InvalidResponse::UserName)?,
            name: text(&config.name_claim),
            preferred_username: text("preferred_username"),
            email: text("email"),
        };
        Ok(Self {
            person,
            roles: Stated::roles(&claims),
            groups: Stated::groups(&claims, &config.groups_claim),
            sid: claims.get("sid").and_then(Value::as_str).map(str::to_owned),
            claims: Value::Object(claims),
        })
    }
}

fn invalid<T>(what: InvalidResponse) -> Result<T, IdTokenFault> {
    Err(what.into())
}

impl From<InvalidResponse> for IdTokenFault {
    fn from(response: InvalidResponse) -> Self {
        Self::Invalid(response)
    }
}

impl From<Unavailable> for IdTokenFault {
    fn from(unavailable: Unavailable) -> Self {
        Self::Unavailable(unavailable)
    }
}

impl From<Mismatch> for IdTokenFault {
    fn from(mismatch: Mismatch) -> Self {
        match mismatch {
            Mismatch::Issuer => Self::Invalid(InvalidResponse::Issuer),
            Mismatch::Audience => Self::Invalid(InvalidResponse::Audience),
            Mismatch::Nonce => Self::Invalid(InvalidResponse::Nonce),
            Mismatch::Expired => Self::Invalid(InvalidResponse::Expired),
            Mismatch::Undecided(unavailable) => Self::Unavailable(unavailable),
        }
    }
}

impl From<Contradiction> for IdTokenFault {
    fn from(contradiction: Contradiction) -> Self {
        let response = match contradiction {
            Contradiction::BadSignature(detail) => InvalidResponse::BadSignature(detail),
            Contradiction::NoKey(detail) => InvalidResponse::NoKey(detail),
            Contradiction::NotTaken(detail) => InvalidResponse::NotTaken(detail),
            Contradiction::Claims(rejected) => match rejected.reason() {
                Reason::WrongIssuer => InvalidResponse::KeyIssuer(rejected.detail().clone()),
                _ => InvalidResponse::Incomplete(rejected.detail().clone()),
            },
            Contradiction::Unavailable(unavailable) => return Self::Unavailable(unavailable),
        };
        Self::Invalid(response)
    }
}

#[cfg(test)]
mod tests;
