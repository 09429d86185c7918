//! Issuers' keys (RFC 7517): last known good in memory and on disk, and the proof that they are fresh enough to refuse a
//! token.
//!
//! A key that is known verifies without asking anybody. What does not verify is refused only by a set that is young
//! enough to prove it false (`known`); for a younger token one fetch is tried, within a budget that strangers cannot
//! exceed. Nonsense never replaces good keys, and keys do not age out: their age is staleness, which the route judges.

mod known;
mod policy;
mod proof;
mod set;

use std::{
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use http::StatusCode;
use url::Url;

use crate::{
    clock::{Clock, Now},
    dependency::Dependency,
    discovery::Discovery,
    flight::Flight,
    jws::{Algorithm, Claims, Unverified, VerifyingKey},
    keeper::Keeper,
    last_good::LastGood,
    lock::lock,
    outbound::Outbound,
    principal::Freshness,
    schedule::keep_fresh,
    verdict::{Rejected, Stop, Unavailable},
};

use known::{Doubtful, Fetched, Held, Known};
pub use policy::KeyPolicy;
pub(crate) use proof::Forged;
use proof::{Incomplete, WrongIssuer};
use set::Said;

/// The longest key set that is read, in bytes.
const LONGEST: usize = 512 * 1024;

/// Where an issuer's key set is.
#[derive(Clone)]
pub enum KeysFrom {
    /// Where its discovery document says.
    Discovery(Discovery),
    /// Here.
    Uri(Url),
}

/// One issuer's keys. Cheap to clone; clones share them.
#[derive(Clone)]
pub struct IssuerKeys(Arc<Inner>);

struct Inner {
    issuer: Arc<str>,
    from: KeysFrom,
    algorithms: Vec<Algorithm>,
    policy: KeyPolicy,
    outbound: Outbound,
    keeper: Keeper,
    clock: Clock,
    copy: LastGood,
    flight: Flight<Result<(), Unavailable>>,
    known: Mutex<Known>,
}

/// Why a token was not verified.
pub(crate) enum Unproven {
    /// It is proven false. Worth remembering for the generation of keys that proved it.
    Forged(Forged, u64),
    /// The signature holds, and what it signs is no good; or we cannot tell.
    Stop(Stop),
}

impl IssuerKeys {
    /// Reads what was last known good under `data`. Never fails and fetches nothing.
    #[expect(clippy::too_many_arguments, reason = "each is a different thing, and this is called in one place")]
    pub fn new(
        issuer: Arc<str>,
        from: KeysFrom,
        algorithms: &[Algorithm],
        policy: KeyPolicy,
        outbound: Outbound,
        keeper: Keeper,
        clock: Clock,
        data: &Path,
    ) -> Self {
        // Keys from elsewhere are other keys: they verify nothing here, and above all they prove nothing false.
        let of = match &from {
            KeysFrom::Discovery(_) => issuer.to_string(),
            KeysFrom::Uri(uri) => format!("{issuer} {uri}"),
        };
        let copy = LastGood::new(data, "keys", &of);
        let known = Mutex::new(Known::load(copy.read(), algorithms));
        let flight = Flight::new(keeper.clone());
        let algorithms = algorithms.to_vec();
        Self(Arc::new(Inner { issuer, from, algorithms, policy, outbound, keeper, clock, copy, flight, known }))
    }

    /// Begins to keep them fresh on the keeper. Ends when the last clone is dropped.
    pub fn start(&self) {
        let schedule = |inner: &Inner| lock(&inner.known).schedule;
        let refresh = |inner: Arc<Inner>| async move { inner.fetched().await };
        self.0.keeper.spawn(keep_fresh(Arc::downgrade(&self.0), self.0.clock.clone(), schedule, refresh));
    }

    /// The issuer whose keys these are.
    pub fn issuer(&self) -> &Arc<str> {
        &self.0.issuer
    }

    /// Whether the token's signature holds, under a key that signs for its issuer. Expiry, audience and the rest are the
    /// caller's to judge.
    ///
    /// # Errors
    /// [`Stop::Rejected`], if the keys prove the token false, or it lacks a claim that every token must carry.
    /// [`Stop::Unavailable`], if they cannot tell.
    pub async fn verify(&self, token: &Unverified<'_>, now: Now) -> Result<Claims, Stop> {
        match self.check(token, now).await {
            Ok((claims, _)) => Ok(claims),
            Err(Unproven::Forged(forged, _)) => Err(Rejected::proven_by(forged).into()),
            Err(Unproven::Stop(stop)) => Err(stop),
        }
    }

    /// Makes sure that there are keys at all, fetching them if need be: before something is spent that they must judge.
    pub(crate) async fn ready(&self, now: Now) -> Result<(), Unavailable> {
        if self.0.held().is_none() {
            self.0.first(now).await?;
        }
        Ok(())
    }

    /// Whether the keys were confirmed when that was due.
    pub fn freshness(&self, now: Now) -> Freshness {
        lock(&self.0.known).schedule.freshness(Dependency::Keys, now)
    }

    /// Which set of keys is in use: another number, another set.
    pub(crate) fn generation(&self) -> Option<u64> {
        lock(&self.0.known).set.as_ref().map(|held| held.generation)
    }

    /// As [`IssuerKeys::verify`], for callers who remember what was proven for one generation of keys.
    pub(crate) async fn check(&self, token: &Unverified<'_>, now: Now) -> Result<(Claims, u64), Unproven> {
        #[cfg(candor_planted)]
        if crate::planted::is("signature-skipped") && self.0.is_down(now) {
            return token.claims().map(|claims| (claims, 0)).map_err(|lack| incomplete(lack.0));
        }
        #[cfg(candor_planted)]
        if crate::planted::is("signature-not-checked") {
            return token.claims().map(|claims| (claims, 0)).map_err(|lack| incomplete(lack.0));
        }
        let held = match self.0.held() {
            Some(held) => held,
            None => self.0.first(now).await.map_err(|down| Unproven::Stop(down.into()))?,
        };
        let said = held.set.says(token);
        if let Said::Holds(key) = said {
            return signed(token, key, held.generation);
        }
        let doubtful = lock(&self.0.known).doubtful(&held, &said, token, &self.0.policy, now);
        match doubtful {
            Doubtful::Proven(forged) => Err(Unproven::Forged(forged, held.generation)),
            Doubtful::Wait(wait) => Err(Unproven::Stop(unsettled(wait))),
            Doubtful::AskAgain => self.check_again(token, now).await,
        }
    }

    /// The same by a set that was fetched for this token; whatever that does not settle stays open.
    async fn check_again(&self, token: &Unverified<'_>, now: Now) -> Result<(Claims, u64), Unproven> {
        let fetched = self.0.fetched().await;
        #[cfg(candor_planted)]
        if crate::planted::is("unknown-kid-is-refused") && fetched.is_err() {
            return Err(Unproven::Forged(Forged::unknown_key(token.kid(), now.wall()), 0));
        }
        if let Err(down) = fetched {
            // A stranger can cause this at will, by a made-up key name: it does not ring as an outage does.
            return Err(Unproven::Stop(down.unsettled().into()));
        }
        let held = self.0.held().ok_or_else(|| Unproven::Stop(unsettled(self.0.policy.retry)))?;
        let said = held.set.says(token);
        if let Said::Holds(key) = said {
            return signed(token, key, held.generation);
        }
        let proven = lock(&self.0.known).proven(&held, &said, token, &self.0.policy, now);
        match proven {
            Some(forged) => Err(Unproven::Forged(forged, held.generation)),
            None => Err(Unproven::Stop(unsettled(self.0.policy.refill))),
        }
    }
}

/// The claims of a token whose signature holds under `key`, if the key may sign for the issuer that they name.
fn signed(token: &Unverified<'_>, key: &VerifyingKey, generation: u64) -> Result<(Claims, u64), Unproven> {
    let claims = token.claims().map_err(|lack| incomplete(lack.0))?;
    let Some(signs_for) = key.issuer() else { return Ok((claims, generation)) };
    // Entra's shared keys name a template; a key with a tenant of its own is good for that tenant alone.
    let signs_for = signs_for.replace("{tenantid}", claims.text("tid").unwrap_or_default());
    if signs_for == claims.iss {
        return Ok((claims, generation));
    }
    let proof = WrongIssuer { issuer: claims.iss, key_signs_for: signs_for };
    Err(Unproven::Stop(Rejected::proven_by(proof).into()))
}

fn incomplete(claim: &'static str) -> Unproven {
    Unproven::Stop(Rejected::proven_by(Incomplete { claim }).into())
}

fn unsettled(wait: Duration) -> Stop {
    let cause = "the token does not verify, and our keys are too old to prove it false";
    Unavailable::because(Dependency::Keys, cause).retry_after(wait).unsettled().into()
}

impl Inner {
    fn held(&self) -> Option<Arc<Held>> {
        lock(&self.known).set.clone()
    }

    /// The first set, where there is none: fetched at once, unless the last attempt failed just now.
    async fn first(self: &Arc<Self>, now: Now) -> Result<Arc<Held>, Unavailable> {
        let failed = lock(&self.known).schedule.last_failure();
        let down = || Unavailable::because(Dependency::Keys, "we have never had this issuer's keys");
        if failed.is_some_and(|failed| now.steady().since(failed) < self.policy.retry) {
            return Err(down().retry_after(self.policy.retry));
        }
        self.fetched().await?;
        self.held().ok_or_else(down)
    }

    /// One fetch, shared with whoever else wants it.
    async fn fetched(self: &Arc<Self>) -> Result<(), Unavailable> {
        let inner = Arc::clone(self);
        self.flight.join(|| async move { inner.fetch().await }).await?
    }

    async fn fetch(self: Arc<Self>) -> Result<(), Unavailable> {
        let now = self.clock.now();
        let begun = now.steady();
        let adopted = match self.get(now).await {
            Ok(fetched) => {
                let adopted = lock(&self.known).adopt(fetched, &self.algorithms, &self.policy);
                adopted.map_err(|nonsense| Unavailable::because(Dependency::Keys, nonsense))
            }
            Err(down) => Err(down),
        };
        match adopted {
            Ok(stored) => {
                self.copy.write(stored).await;
                Ok(())
            }
            Err(down) => {
                tracing::warn!(issuer = %self.issuer, "no keys: {down}");
                let mut known = lock(&self.known);
                known.schedule = known.schedule.failed(begun);
                Err(down)
            }
        }
    }

    async fn get(&self, now: Now) -> Result<Fetched, Unavailable> {
        let url = match &self.from {
            KeysFrom::Uri(url) => url.clone(),
            KeysFrom::Discovery(discovery) => discovery.document().await?.jwks_uri.clone(),
        };
        let answer =
            self.outbound.get(&url, LONGEST).await.map_err(|fault| Unavailable::because(Dependency::Keys, fault))?;
        if answer.status != StatusCode::OK {
            let cause = format!("{url} answered {}", answer.status);
            return Err(Unavailable::because(Dependency::Keys, cause));
        }
        // With a clock that may be ahead, a set could look younger than it is: it then proves nothing.
        let born = set::born(now.earlier(), &answer.headers).filter(|_| !now.is_in_doubt());
        Ok(Fetched { begun: now.steady(), born, body: answer.body.to_vec() })
    }

    #[cfg(candor_planted)]
    fn is_down(&self, now: Now) -> bool {
        let known = lock(&self.known);
        known.schedule.last_failure().is_some() || known.schedule.freshness(Dependency::Keys, now) != Freshness::Live
    }
}

#[cfg(test)]
mod tests;
