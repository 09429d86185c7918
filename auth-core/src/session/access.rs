//! The access token of a person, for a service that asks others in their name.
//!
//! The provider gave it at their sign-in, and gives another at each renewal. It lies in the row, sealed, and for those who
//! are here just now in memory, so that a request asks no store. One that is over, or missing since the session is older
//! than the wish for it, is had by a renewal before its time: one at a time, like any other.
//!
//! Whether the person is signed in is no question here: whatever goes wrong is Unavailable, and the session's own verdict
//! comes with the next request.

use std::time::Duration;

use moka::{policy::EvictionPolicy, sync::Cache};
use secrecy::SecretString;

use super::{
    Sessions,
    renewal::ForcedRenewal,
    sql::{self, AccessRow},
};
use crate::{
    clock::{Now, Past, Timestamp},
    dependency::Dependency,
    keyring::seal::Purpose,
    principal::{Principal, SessionId, Subject},
    verdict::{Stop, Unavailable},
};

/// How much longer it must be good than now: whoever is given it needs a moment to use it.
const SPARE: Duration = Duration::from_secs(30);
/// How soon after a renewal no other is asked for: a provider whose tokens last for seconds is not asked at every request.
const PAUSE: Duration = Duration::from_secs(10);
/// How many are kept in mind, each of 8 KiB at most.
const MOST: u64 = 4096;
/// For how long one is kept in mind that nobody asks for.
const KEPT: Duration = Duration::from_secs(15 * 60);

/// The access tokens that are kept in mind, by session. Outlives every configuration. Cheap to clone.
#[derive(Clone)]
pub(super) struct AccessTokens(Cache<SessionId, AccessToken>);

/// An access token, whose it is, and until when it is good. No `Debug`.
#[derive(Clone)]
pub(super) struct AccessToken {
    pub(super) of: Subject,
    pub(super) text: SecretString,
    /// `None`: the provider did not say.
    pub(super) until: Option<Timestamp>,
}

impl AccessToken {
    /// Whether it is good for `more`, by every reading of the time.
    fn lasts(&self, more: Duration, now: Now) -> bool {
        #[cfg(candor_mutants)]
        if crate::mutants::is("access-token-past-its-end") {
            return true;
        }
        self.until.is_none_or(|until| now.past(until - more) == Past::No)
    }
}

impl Default for AccessTokens {
    fn default() -> Self {
        let cache = Cache::builder().max_capacity(MOST).time_to_idle(KEPT).eviction_policy(EvictionPolicy::lru());
        Self(cache.build())
    }
}

impl AccessTokens {
    /// Keeps the latest of a session in mind.
    pub(super) fn keep(&self, session: SessionId, token: AccessToken) {
        self.0.insert(session, token);
    }

    /// The row has no such token any more, or another.
    pub(super) fn forget(&self, session: SessionId) {
        self.0.invalidate(&session);
    }

    fn of(&self, session: SessionId, subject: &Subject) -> Option<AccessToken> {
        self.0.get(&session).filter(|token| token.of == *subject)
    }
}

impl Sessions {
    /// The access token of the person who showed the ticket of this session. It is good for a moment longer at least,
    /// unless the provider gives none that is.
    ///
    /// # Errors
    /// Unavailable, if none can be had. It says nothing about the person.
    pub async fn access_token(&self, of: &Principal, now: Now) -> Result<SecretString, Unavailable> {
        let Some(session) = of.session else {
            return Err(Unavailable::because(Dependency::OwnJudgement, "an access token is a session's"));
        };
        let kept = self.access_tokens().of(session, &of.subject);
        if let Some(kept) = kept.as_ref().filter(|kept| kept.lasts(SPARE, now)) {
            return Ok(kept.text.clone());
        }
        // Boxed, since nearly no request comes this way and each would carry its room.
        let found = Box::pin(self.access_token_by_row(session, of, now)).await;
        // What is still good will do where no other can be had.
        found.or_else(|down| kept.filter(|kept| kept.lasts(Duration::ZERO, now)).map(|kept| kept.text).ok_or(down))
    }

    /// The same by what the row says, or by a renewal.
    async fn access_token_by_row(
        &self,
        session: SessionId,
        of: &Principal,
        now: Now,
    ) -> Result<SecretString, Unavailable> {
        let (kept, confirmed) = self.read_access(session, of, now).await?;
        if let Some(kept) = kept.as_ref().filter(|kept| kept.lasts(SPARE, now)) {
            self.access_tokens().keep(session, kept.clone());
            return Ok(kept.text.clone());
        }
        let renewed = if now.anchor() < confirmed + PAUSE {
            Err(none("the provider gave none that lasts"))
        } else {
            self.renew_for_access(session, of, confirmed, now).await
        };
        renewed.or_else(|down| kept.filter(|kept| kept.lasts(Duration::ZERO, now)).map(|kept| kept.text).ok_or(down))
    }

    async fn renew_for_access(
        &self,
        session: SessionId,
        of: &Principal,
        confirmed: Timestamp,
        now: Now,
    ) -> Result<SecretString, Unavailable> {
        let renewal = self.force_renewal(session, confirmed, now).await;
        let lasts = |token: &AccessToken| token.lasts(Duration::ZERO, now);
        // Also where the store did not take what it brought.
        if let Some(token) = self.access_tokens().of(session, &of.subject).filter(lasts) {
            return Ok(token.text);
        }
        match renewal {
            ForcedRenewal::Done => {}
            ForcedRenewal::Unavailable(down) => return Err(down),
            ForcedRenewal::Ended => return Err(none("the session has ended meanwhile")),
        }
        let (token, _) = self.read_access(session, of, now).await?;
        let token = token
            .filter(lasts)
            .ok_or_else(|| none("the session cannot be renewed, and signing in again brings one"))?;
        self.access_tokens().keep(session, token.clone());
        Ok(token.text)
    }

    /// What the row has, and when its session was confirmed.
    async fn read_access(
        &self,
        session: SessionId,
        of: &Principal,
        now: Now,
    ) -> Result<(Option<AccessToken>, Timestamp), Unavailable> {
        let row = sql::access(&self.0.store, session).await?;
        let AccessRow { subject, sealed, until, confirmed } =
            row.ok_or_else(|| Unavailable::because(Dependency::Store, "the session has no row"))?;
        if subject != of.subject {
            return Err(Unavailable::because(Dependency::Store, "the session's row is of somebody else"));
        }
        let Some(sealed) = sealed else { return Ok((None, confirmed)) };
        let text = match self.0.seals.open_if_perhaps_over(Purpose::AccessToken, &sealed, now) {
            Ok(opened) => std::str::from_utf8(&opened.content).ok().map(SecretString::from),
            Err(Stop::Unavailable(down)) => return Err(down),
            // By a key that was retired: another is to be had.
            Err(Stop::Rejected(_)) => None,
        };
        Ok((text.map(|text| AccessToken { of: subject, text, until }), confirmed))
    }
}

fn none(why: &str) -> Unavailable {
    Unavailable::because(Dependency::TokenEndpoint, format!("no access token of the person can be had: {why}"))
}
