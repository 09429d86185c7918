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
    background::Background,
    clock::{Clock, Now},
    dependency::Dependency,
    discovery::Discovery,
    jws::{Algorithm, Claims, Unverified, VerifyingKey},
    last_known_good::{Attempts, FailedAttempt, LastGood},
    lock::lock,
    outbound::Outbound,
    principal::Freshness,
    verdict::{Detail, Rejected, Stop, Unavailable},
};

use known::{Doubtful, Fetched, KeptKeySet, KnownKeys};
pub use policy::KeyPolicy;
use policy::Open;
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
    clock: Clock,
    copy: LastGood,
    attempts: Attempts<()>,
    known: Mutex<KnownKeys>,
}

/// Why a token that came straight from its issuer does not verify. It says nothing of anybody's credential: the issuer
/// contradicts itself.
pub(crate) enum Contradiction {
    /// The signature does not hold under the key that the token names.
    BadSignature(Detail),
    /// The issuer publishes no such key.
    NoKey(Detail),
    /// The issuer publishes such a key, and we cannot use it, or not by this algorithm.
    NotTaken(Detail),
    /// The signature holds, and what it signs is no good.
    Claims(Rejected),
    /// We cannot tell.
    Unavailable(Unavailable),
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
        keeper: Background,
        clock: Clock,
        data: &Path,
    ) -> Self {
        // Keys from elsewhere are other keys: they verify nothing here, and above all they prove nothing false.
        let of = match &from {
            KeysFrom::Discovery(_) => issuer.to_string(),
            KeysFrom::Uri(uri) => format!("{issuer} {uri}"),
        };
        let copy = LastGood::new(data, "keys", &of);
        let known = Mutex::new(KnownKeys::load(copy.read(), algorithms));
        let attempts = Attempts::new(format!("the key set of {issuer}"), keeper, clock.clone());
        let algorithms = algorithms.to_vec();
        Self(Arc::new(Inner { issuer, from, algorithms, policy, outbound, clock, copy, attempts, known }))
    }

    /// Begins to keep them fresh on the keeper. Ends when the last clone is dropped.
    pub fn start(&self) {
        let due_in = |inner: &Inner, now: Now| lock(&inner.known).schedule.wait(now);
        self.0.attempts.keep(Arc::downgrade(&self.0), due_in, Inner::fetch);
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

    /// Whether the signature holds of a token that came straight from the issuer, over a connection of ours. No stranger
    /// can have caused this, so a set is fetched for it whatever strangers' tokens have used up; and where that set does
    /// not verify it either, the issuer's own answers contradict each other.
    ///
    /// # Errors
    /// [`Contradiction`].
    pub(crate) async fn verify_own(&self, token: &Unverified<'_>) -> Result<Claims, Contradiction> {
        let held = self.0.held_or_first().await?;
        if let Said::Holds(key) = held.set.says(token) {
            return Ok(signed(token, key, held.generation).map_err(Contradiction::of_claims)?.0);
        }
        self.0.attempts.ask(|_, _| Ok(()), || Arc::clone(&self.0).fetch()).await?;
        let held = self.0.held().ok_or_else(|| Unavailable::because(Dependency::Keys, "no keys after all"))?;
        let kid = proof::shown(token.kid());
        match held.set.says(token) {
            Said::Holds(key) => Ok(signed(token, key, held.generation).map_err(Contradiction::of_claims)?.0),
            Said::Fails | Said::BadForGood => {
                Err(Contradiction::BadSignature(Detail::new(format!("does not hold under key {kid}"))))
            }
            Said::Unknown => Err(Contradiction::NoKey(Detail::new(format!("the provider publishes no key {kid}")))),
            Said::Undecided => Err(Contradiction::NotTaken(Detail::new(format!("the key {kid} cannot be used")))),
            Said::NotLookedAt => {
                let what = format!("signed under key {kid} by an algorithm that `algorithms` does not name");
                Err(Contradiction::NotTaken(Detail::new(what)))
            }
        }
    }

    /// Makes sure that there are keys at all, fetching them if need be: before something is spent that they must judge.
    pub(crate) async fn ready(&self) -> Result<(), Unavailable> {
        self.0.held_or_first().await.map(|_| ())
    }

    /// Whether the keys were confirmed when that was due.
    pub fn freshness(&self, now: Now) -> Freshness {
        let freshness = lock(&self.0.known).schedule.freshness(Dependency::Keys, now);
        // Where they are too old for a route, nobody asks for a fetch by asking.
        if freshness != Freshness::Live {
            self.0.attempts.want();
        }
        freshness
    }

    /// Which set of keys is in use: another number, another set.
    pub(crate) fn generation(&self) -> Option<u64> {
        lock(&self.0.known).set.as_ref().map(|held| held.generation)
    }

    /// As [`IssuerKeys::verify`], for callers who remember what was proven for one generation of keys.
    pub(crate) async fn check(&self, token: &Unverified<'_>, now: Now) -> Result<(Claims, u64), Unproven> {
        #[cfg(candor_mutants)]
        if crate::mutants::is("signature-skipped") && self.0.is_down(now) {
            return token.claims().map(|claims| (claims, 0)).map_err(|lack| incomplete(lack.0));
        }
        #[cfg(candor_mutants)]
        if crate::mutants::is("signature-not-checked") {
            return token.claims().map(|claims| (claims, 0)).map_err(|lack| incomplete(lack.0));
        }
        let held = self.0.held_or_first().await.map_err(|down| Unproven::Stop(down.into()))?;
        let said = held.set.says(token);
        if let Said::Holds(key) = said {
            return signed(token, key, held.generation);
        }
        if let Said::NotLookedAt = said {
            return Err(Unproven::Stop(not_looked_at().into()));
        }
        let doubtful = lock(&self.0.known).doubtful(&held, &said, token, &self.0.policy, now);
        match doubtful {
            Doubtful::Proven(forged) => Err(Unproven::Forged(forged, held.generation)),
            Doubtful::Open(open) => self.check_again(token, open, now).await,
        }
    }

    /// The same by a set that was fetched for this token; whatever that does not settle stays open.
    async fn check_again(&self, token: &Unverified<'_>, open: Open, now: Now) -> Result<(Claims, u64), Unproven> {
        let fetched = self.0.fetched_for(open).await;
        #[cfg(candor_mutants)]
        if crate::mutants::is("unknown-kid-is-refused") && fetched.is_err() {
            return Err(Unproven::Forged(Forged::unknown_key(token.kid(), now.wall()), 0));
        }
        if let Err(down) = fetched {
            // A stranger can cause this at will, by a made-up key name: it does not ring as an outage does.
            return Err(Unproven::Stop(down.unsettled().into()));
        }
        let held = self.0.held_or_first().await.map_err(|down| Unproven::Stop(down.unsettled().into()))?;
        let said = held.set.says(token);
        if let Said::Holds(key) = said {
            return signed(token, key, held.generation);
        }
        let known = lock(&self.0.known);
        match known.proven(&held, &said, token, &self.0.policy, now) {
            Some(forged) => Err(Unproven::Forged(forged, held.generation)),
            None => {
                let wait = known.budgets.wait(open, &self.0.policy, now.steady());
                Err(Unproven::Stop(unsettled(wait.max(Unavailable::RETRY_AFTER)).into()))
            }
        }
    }
}

impl Contradiction {
    /// What [`signed`] found wrong.
    fn of_claims(unproven: Unproven) -> Self {
        match unproven {
            Unproven::Stop(Stop::Rejected(rejected)) => Self::Claims(rejected),
            Unproven::Stop(Stop::Unavailable(unavailable)) => Self::Unavailable(unavailable),
            Unproven::Forged(forged, _) => Self::Claims(Rejected::proven_by(forged)),
        }
    }
}

impl From<Unavailable> for Contradiction {
    fn from(unavailable: Unavailable) -> Self {
        Self::Unavailable(unavailable)
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

/// No fetch could help: it is our configuration that does not take what may be good.
fn not_looked_at() -> Unavailable {
    let cause = "the token is signed by an algorithm that its key may use and `algorithms` does not name";
    Unavailable::because(Dependency::OwnJudgement, cause).unsettled()
}

fn unsettled(wait: Duration) -> Unavailable {
    let cause = "the token does not verify, and our keys are too old to prove it false";
    Unavailable::because(Dependency::Keys, cause).retry_after(wait).unsettled()
}

impl Inner {
    fn held(&self) -> Option<Arc<KeptKeySet>> {
        lock(&self.known).set.clone()
    }

    /// The set in use; where there is none, the first is fetched.
    async fn held_or_first(self: &Arc<Self>) -> Result<Arc<KeptKeySet>, Unavailable> {
        if let Some(held) = self.held() {
            return Ok(held);
        }
        self.attempts.ask(|_, _| Ok(()), || Arc::clone(self).fetch()).await?;
        self.held().ok_or_else(|| Unavailable::because(Dependency::Keys, "we have never had this issuer's keys"))
    }

    /// A set for a token that the one in use leaves `open`: within the budget if the provider answers, by the back-off
    /// if it does not.
    async fn fetched_for(self: &Arc<Self>, open: Open) -> Result<(), Unavailable> {
        let may_begin = |standing, now: Now| {
            lock(&self.known).budgets.begin(open, standing, &self.policy, now.steady()).map_err(unsettled)
        };
        self.attempts.ask(may_begin, || Arc::clone(self).fetch()).await
    }

    async fn fetch(self: Arc<Self>) -> Result<(), FailedAttempt> {
        let now = self.clock.now();
        let adopted = match self.get(now).await {
            Ok(fetched) => {
                let adopted = lock(&self.known).adopt(fetched, &self.algorithms, &self.policy);
                adopted.map_err(|nonsense| Unavailable::because(Dependency::Keys, nonsense).into())
            }
            Err(failure) => Err(failure),
        };
        match adopted {
            Ok(stored) => {
                self.copy.write(stored).await;
                Ok(())
            }
            Err(failure) => {
                let mut known = lock(&self.known);
                known.schedule = known.schedule.failed(now.steady());
                Err(failure)
            }
        }
    }

    async fn get(&self, now: Now) -> Result<Fetched, FailedAttempt> {
        let url = match &self.from {
            KeysFrom::Uri(url) => url.clone(),
            KeysFrom::Discovery(discovery) => match discovery.document().await {
                Ok(document) => document.jwks_uri.clone(),
                Err(down) => {
                    // Until the document is asked for again there is nothing to ask for here.
                    let wait = down.retry_after;
                    return Err(FailedAttempt::from(down).leaving_alone(Some(wait)));
                }
            },
        };
        let answer =
            self.outbound.get(&url, LONGEST).await.map_err(|fault| Unavailable::because(Dependency::Keys, fault))?;
        if answer.status != StatusCode::OK {
            let cause = format!("{url} answered {}", answer.status);
            return Err(
                FailedAttempt::from(Unavailable::because(Dependency::Keys, cause)).leaving_alone(answer.retry_after())
            );
        }
        // With a clock that may be ahead, a set could look younger than it is: it then proves nothing.
        let born = set::born(now.earlier(), &answer.headers).filter(|_| !now.is_in_doubt());
        Ok(Fetched { begun: now.steady(), born, body: answer.body.to_vec() })
    }

    #[cfg(candor_mutants)]
    fn is_down(&self, now: Now) -> bool {
        self.attempts.are_failing() || lock(&self.known).schedule.freshness(Dependency::Keys, now) != Freshness::Live
    }
}

#[cfg(test)]
mod tests;
