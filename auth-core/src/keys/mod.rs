//! Issuers' keys (RFC 7517): last known good in memory and on disk, and the proof that they are fresh enough to refuse a
//! token.
//!
//! A key that is known verifies without asking anybody and without a lock. What does not verify is refused only by a set
//! that is young enough to prove it false (`known`); for a younger token one fetch is tried, within a budget that strangers
//! cannot exceed. Nonsense never replaces good keys, and keys do not age out: their age is staleness, which the route
//! judges.

mod known;
mod not_verified;
mod policy;
mod proof;
mod set;
mod source;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use url::Url;

use crate::{
    background::Background,
    clock::{Clock, Now},
    data_folder::DataFolder,
    dependency::Dependency,
    discovery::Discovery,
    jws::{Algorithm, Claims, Unverified, VerifyingKey},
    last_known_good::{Cadence, DiskCopy, LastKnownGood, Snapshot},
    lock::lock,
    outbound::Outbound,
    principal::Freshness,
    verdict::{Detail, Rejected, Unavailable},
};

use known::KnownKeys;
pub(crate) use not_verified::{Contradiction, NotVerified};
pub use policy::KeyPolicy;
use policy::{Budgets, RefetchReason};
pub(crate) use proof::Forged;
use proof::{Incomplete, WrongIssuer};
use set::SignatureCheck;
use source::KeySource;

/// Where an issuer's key set is.
#[derive(Clone)]
pub enum KeySetLocation {
    /// Where its discovery document says.
    Discovery(Discovery),
    /// Here.
    Uri(Url),
}

/// An issuer's keys, as configured.
#[derive(Clone)]
pub struct KeysConfig {
    /// The issuer, to the letter.
    pub issuer: Arc<str>,
    /// Where its key set is.
    pub location: KeySetLocation,
    /// The algorithms that are taken.
    pub algorithms: Vec<Algorithm>,
    /// The numbers of refreshing and of refusing.
    pub policy: KeyPolicy,
}

/// One issuer's keys. Cheap to clone; clones share them.
#[derive(Clone)]
pub struct IssuerKeys(LastKnownGood<KeySource>);

/// The keys in use at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeysInUse {
    /// Which set of keys they are: another number, another set.
    pub(crate) generation: u64,
    /// Whether they were confirmed when that was due.
    pub(crate) freshness: Freshness,
}

/// What the keys in use could not verify.
enum Unverifiable {
    /// There are no keys.
    NoKeys,
    /// No other set would say otherwise.
    Settled(NotVerified),
    /// A younger set might.
    Refetch(RefetchReason),
}

impl IssuerKeys {
    /// Reads what was last known good under `data`; without one, nothing outlives the process. Never fails and fetches
    /// nothing.
    pub fn new<'d>(
        config: KeysConfig,
        outbound: Outbound,
        background: Background,
        clock: Clock,
        data: impl Into<Option<&'d DataFolder>>,
    ) -> Self {
        // Keys from elsewhere are other keys: they verify nothing here, and above all they prove nothing false.
        let of = match &config.location {
            KeySetLocation::Discovery(_) => config.issuer.to_string(),
            KeySetLocation::Uri(uri) => format!("{} {uri}", config.issuer),
        };
        let copy = DiskCopy::of_an_issuer(data.into(), "keys", &of);
        let what = format!("the key set of {}", config.issuer);
        let cadence = Cadence::Provider { every: config.policy.refresh };
        let source = KeySource { config, outbound, budgets: Mutex::new(Budgets::FULL) };
        Self(LastKnownGood::new(what, source, cadence, copy, background, clock))
    }

    /// Begins to keep them fresh in the background. Ends when the last clone is dropped.
    pub fn start(&self) {
        self.0.start();
    }

    /// Whether the signature holds of a token that came straight from the issuer, over a connection of ours. No stranger
    /// can have caused this, so a set is fetched for it whatever strangers' tokens have used up; and where that set does
    /// not verify it either, the issuer's own answers contradict each other.
    /// Gives the key that it holds under, too.
    ///
    /// # Errors
    /// [`Contradiction`].
    pub(crate) async fn verify_own(&self, token: &Unverified<'_>) -> Result<(Claims, VerifyingKey), Contradiction> {
        let proven = |key: &VerifyingKey| match signed(token, key) {
            Ok(claims) => Ok((claims, key.clone())),
            Err(not_verified) => Err(Contradiction::of_claims(not_verified)),
        };
        let known = self.known_or_first().await?;
        if let SignatureCheck::Holds(key) = known.set.check(token) {
            return proven(key);
        }
        self.0.ask(|_, _| Ok(())).await?;
        let known = self.known_or_first().await?;
        let kid = proof::shown(token.kid());
        match known.set.check(token) {
            SignatureCheck::Holds(key) => proven(key),
            failed => Err(unverified(&failed, &kid)),
        }
    }

    /// Whether the signature holds of a message that somebody sent us in the issuer's name, and that is nobody's credential:
    /// its key was published before it was signed, so a set that is fetched for it settles the question. Whoever sent it
    /// may be a stranger, who causes no more fetches than the budget of their kind allows.
    ///
    /// # Errors
    /// [`Contradiction`]; Unavailable, where the keys cannot be asked for now.
    pub(crate) async fn verify_sent(&self, token: &Unverified<'_>) -> Result<Claims, Contradiction> {
        let (kid, known) = (proof::shown(token.kid()), self.known_or_first().await?);
        let reason = match known.set.check(token) {
            SignatureCheck::Holds(key) => return signed(token, key).map_err(Contradiction::of_claims),
            settled @ (SignatureCheck::FailsForGood | SignatureCheck::AlgorithmNotConfigured) => {
                return Err(unverified(&settled, &kid));
            }
            SignatureCheck::Fails => RefetchReason::BadSignature,
            SignatureCheck::NoSuchKey | SignatureCheck::KeyUnusable => RefetchReason::UnknownKey,
        };
        let KeySource { budgets, config: KeysConfig { policy, .. }, .. } = self.0.source();
        let may_begin = |last, now: Now| lock(budgets).begin(reason, last, policy, now.steady()).map_err(unsettled);
        self.0.ask(may_begin).await.map_err(Unavailable::unsettled)?;
        let known = self.known_or_first().await?;
        match known.set.check(token) {
            SignatureCheck::Holds(key) => signed(token, key).map_err(Contradiction::of_claims),
            failed => Err(unverified(&failed, &kid)),
        }
    }

    /// Makes sure that there are keys at all, fetching them if need be: before something is spent that they must judge.
    pub(crate) async fn ready(&self) -> Result<(), Unavailable> {
        self.known_or_first().await.map(drop)
    }

    /// Whether the keys were confirmed when that was due.
    pub fn freshness(&self, now: Now) -> Freshness {
        self.freshness_of(&self.0.load(), now)
    }

    /// Which set of keys is in use: another number, another set.
    pub(crate) fn generation(&self) -> Option<u64> {
        self.0.load().value.as_ref().map(|known| known.generation)
    }

    /// The same, and how fresh they are; `None` if there are none yet.
    pub(crate) fn in_use(&self, now: Now) -> Option<KeysInUse> {
        let snapshot = self.0.load();
        let generation = snapshot.value.as_ref()?.generation;
        Some(KeysInUse { generation, freshness: self.freshness_of(&snapshot, now) })
    }

    /// The claims of a token whose signature holds, under a key that signs for its issuer, and by which keys: for callers
    /// who remember what was proven for one generation of them. Expiry, audience and the rest are theirs to judge. Under a
    /// key that is known it takes one snapshot, and no lock.
    ///
    /// # Errors
    /// [`NotVerified`].
    pub(crate) async fn check(&self, token: &Unverified<'_>, now: Now) -> Result<(Claims, KeysInUse), NotVerified> {
        #[cfg(candor_mutants)]
        if crate::mutants::is("signature-not-checked") || crate::mutants::is("signature-skipped") && self.is_down(now) {
            let claims = token.claims().map_err(|lack| incomplete(lack.0))?;
            return Ok((claims, KeysInUse { generation: 0, freshness: self.freshness(now) }));
        }
        let mut checked = self.check_by_known(token, now);
        if let Err(Unverifiable::NoKeys) = checked {
            self.known_or_first().await.map_err(NotVerified::unavailable)?;
            checked = self.check_by_known(token, now);
        }
        match checked {
            Ok(verified) => Ok(verified),
            Err(Unverifiable::Settled(not_verified)) => Err(not_verified),
            Err(Unverifiable::Refetch(reason)) => self.check_by_fetched(token, reason, now).await,
            Err(Unverifiable::NoKeys) => Err(NotVerified::unavailable(no_keys())),
        }
    }

    /// The same by the keys in use.
    fn check_by_known(&self, token: &Unverified<'_>, now: Now) -> Result<(Claims, KeysInUse), Unverifiable> {
        let snapshot = self.0.load();
        let known = snapshot.value.as_ref().ok_or(Unverifiable::NoKeys)?;
        let check = known.set.check(token);
        let reason = match check {
            SignatureCheck::Holds(key) => {
                let claims = signed(token, key).map_err(Unverifiable::Settled)?;
                let freshness = self.freshness_of(&snapshot, now);
                return Ok((claims, KeysInUse { generation: known.generation, freshness }));
            }
            SignatureCheck::AlgorithmNotConfigured => {
                return Err(Unverifiable::Settled(NotVerified::unavailable(algorithm_not_configured())));
            }
            SignatureCheck::Fails | SignatureCheck::FailsForGood => RefetchReason::BadSignature,
            SignatureCheck::NoSuchKey | SignatureCheck::KeyUnusable => RefetchReason::UnknownKey,
        };
        Err(match known.proven(&check, token, &self.0.source().config.policy, now) {
            Some(forged) => Unverifiable::Settled(NotVerified::Forged(forged, known.generation)),
            None => Unverifiable::Refetch(reason),
        })
    }

    /// The same by a set that is fetched for this token: within the budget if the provider answers, by the back-off if it
    /// does not. What that does not settle stays open.
    async fn check_by_fetched(
        &self,
        token: &Unverified<'_>,
        reason: RefetchReason,
        now: Now,
    ) -> Result<(Claims, KeysInUse), NotVerified> {
        let KeySource { budgets, config: KeysConfig { policy, .. }, .. } = self.0.source();
        let may_begin = |last, now: Now| lock(budgets).begin(reason, last, policy, now.steady()).map_err(unsettled);
        let fetched = self.0.ask(may_begin).await;
        #[cfg(candor_mutants)]
        if crate::mutants::is("unknown-kid-is-refused") && fetched.is_err() {
            return Err(NotVerified::Forged(Forged::unknown_key(token.kid(), now.wall()), 0));
        }
        // A stranger can cause this at will, by a made-up key name: it does not ring as an outage does.
        fetched.map_err(|down| NotVerified::unavailable(down.unsettled()))?;
        match self.check_by_known(token, now) {
            Ok(verified) => Ok(verified),
            Err(Unverifiable::Settled(not_verified)) => Err(not_verified),
            Err(Unverifiable::Refetch(_) | Unverifiable::NoKeys) => {
                let wait = lock(budgets).wait(reason, policy, now.steady());
                Err(NotVerified::unavailable(unsettled(wait.max(Unavailable::RETRY_AFTER))))
            }
        }
    }

    /// The keys in use; where there are none, the first are fetched.
    async fn known_or_first(&self) -> Result<Arc<KnownKeys>, Unavailable> {
        if let Some(known) = self.0.load().value.clone() {
            return Ok(known);
        }
        self.0.ask(|_, _| Ok(())).await?;
        self.0.load().value.clone().ok_or_else(no_keys)
    }

    fn freshness_of(&self, snapshot: &Snapshot<Option<Arc<KnownKeys>>>, now: Now) -> Freshness {
        let freshness = self.0.freshness(snapshot, Dependency::Keys, now);
        // Where they are too old for a route, nobody asks for a fetch by asking.
        if freshness != Freshness::Live {
            self.0.want(now);
        }
        freshness
    }

    #[cfg(candor_mutants)]
    fn is_down(&self, now: Now) -> bool {
        self.0.is_failing() || self.freshness(now) != Freshness::Live
    }
}

/// Why the signature of a token that says `kid` does not hold by the keys that there are.
fn unverified(check: &SignatureCheck<'_>, kid: &str) -> Contradiction {
    match check {
        SignatureCheck::Holds(_) | SignatureCheck::Fails | SignatureCheck::FailsForGood => {
            Contradiction::BadSignature(Detail::new(format!("does not hold under key {kid}")))
        }
        SignatureCheck::NoSuchKey => Contradiction::NoKey(Detail::new(format!("the provider publishes no key {kid}"))),
        SignatureCheck::KeyUnusable => Contradiction::NotTaken(Detail::new(format!("the key {kid} cannot be used"))),
        SignatureCheck::AlgorithmNotConfigured => {
            let what = format!("signed under key {kid} by an algorithm that `algorithms` does not name");
            Contradiction::NotTaken(Detail::new(what))
        }
    }
}

/// The claims of a token whose signature holds under `key`, if the key may sign for the issuer that they name.
fn signed(token: &Unverified<'_>, key: &VerifyingKey) -> Result<Claims, NotVerified> {
    let claims = token.claims().map_err(|lack| incomplete(lack.0))?;
    let Some(signs_for) = key.issuer() else { return Ok(claims) };
    // Entra's shared keys name a template; a key with a tenant of its own is good for that tenant alone.
    let signs_for = signs_for.replace("{tenantid}", claims.text("tid").unwrap_or_default());
    if signs_for == claims.iss {
        return Ok(claims);
    }
    let proof = WrongIssuer { issuer: claims.iss, key_signs_for: signs_for };
    Err(NotVerified::Stop(Rejected::proven_by(proof).into()))
}

fn incomplete(claim: &'static str) -> NotVerified {
    NotVerified::Stop(Rejected::proven_by(Incomplete { claim }).into())
}

fn no_keys() -> Unavailable {
    Unavailable::because(Dependency::Keys, "we have never had this issuer's keys")
}

/// No fetch could help: it is our configuration that does not take what may be good.
fn algorithm_not_configured() -> Unavailable {
    let cause = "the token is signed by an algorithm that its key may use and `algorithms` does not name";
    Unavailable::because(Dependency::OwnJudgement, cause).unsettled()
}

fn unsettled(wait: Duration) -> Unavailable {
    let cause = "the token does not verify, and our keys are too old to prove it false";
    Unavailable::because(Dependency::Keys, cause).retry_after(wait).unsettled()
}

#[cfg(test)]
mod tests;
