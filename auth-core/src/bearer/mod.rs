//! Bearer tokens of trusted issuers (RFC 6750): JWTs (RFC 9068), verified here, and opaque ones, about which their issuer is
//! asked (RFC 7662, [`introspection`]).
//!
//! Remembered are facts, never verdicts: the claims of a token whose signature held, and the proof of one that was
//! forged, each for one generation of keys. Expiry, audience and freshness are judged at every hit, and not being able
//! to tell is never remembered.

pub mod introspection;
mod judge;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use moka::{policy::EvictionPolicy, sync::Cache};

use crate::{
    clock::Now,
    credential::{CredentialHash, CredentialText},
    dependency::Dependency,
    jws::{self, Claims, MAX_TOKEN, MalformedToken, TokenKind},
    keys::{Forged, IssuerKeys, NotVerified},
    principal::{Freshness, Kind, Principal, UserClaim, stated::Absence},
    verdict::{Rejected, Stop, Unavailable},
};

use introspection::{Introspected, Introspection};
use judge::{Inactive, NotAToken, Verified};

/// An issuer whose access tokens are taken.
#[derive(Clone)]
pub struct BearerIssuer {
    /// Its `iss`, to the letter.
    pub issuer: Arc<str>,
    /// The audiences that are us; a token must name one.
    pub audience: Vec<String>,
    /// How far clocks may be apart.
    pub leeway: Duration,
    /// Whom its tokens stand for: people or services.
    pub kind: Kind,
    /// The claim that services know its people by.
    pub user_claim: UserClaim,
    /// What it means that a token states no groups or roles.
    pub absence: Absence,
    /// What it promises of its JWTs.
    pub profile: Profile,
    /// How it is asked about opaque tokens, if they are its own.
    pub introspection: Option<Introspection>,
    /// Its keys, which know the algorithms.
    pub keys: IssuerKeys,
    /// What these keys have said of tokens: another configuration with the same keys may go on with it.
    pub memory: BearerMemory,
}

/// What an issuer promises of its JWT access tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// What every JWT must have.
    #[default]
    Jwt,
    /// RFC 9068: `typ` is `at+jwt`, and `client_id` and `jti` are there.
    Rfc9068,
}

/// What one issuer's keys have said of tokens, and no verdicts. It belongs to the [`IssuerKeys`] that said it: no others may
/// be asked with it, since generations are counted for each. Cheap to clone; clones share it.
#[derive(Clone)]
pub struct BearerMemory {
    genuine: Cache<CredentialHash, Genuine>,
    // Apart and small, so that a flood of junk cannot push out what is genuine.
    forged: Cache<CredentialHash, Fake>,
}

/// The issuers whose access tokens are taken. Cheap to clone; clones share what they remember.
#[derive(Clone)]
pub struct Bearers(Arc<Inner>);

struct Inner {
    issuers: BTreeMap<Arc<str>, BearerIssuer>,
}

/// A token whose signature held.
#[derive(Clone)]
struct Genuine {
    token: Verified,
    generation: u64,
}

/// The same, for the keys in use.
struct Remembered<'i> {
    issuer: &'i BearerIssuer,
    token: Verified,
    keys: Freshness,
}

/// A token that was proven false.
#[derive(Clone)]
struct Fake {
    proof: Forged,
    generation: u64,
}

/// How many genuine tokens of an issuer are remembered: at about 2 KiB each.
const GENUINE: u64 = 20_000;

/// How many forged ones.
const FORGED: u64 = 2_000;

impl Bearers {
    /// Takes the tokens of these issuers. Of two with the same `iss`, the last counts; opaque tokens are taken for the one
    /// issuer's that can be asked about them, so there should be no two.
    pub fn new(issuers: Vec<BearerIssuer>) -> Self {
        let issuers = issuers.into_iter().map(|issuer| (Arc::clone(&issuer.issuer), issuer)).collect();
        Self(Arc::new(Inner { issuers }))
    }

    /// Whether this looks like a token of one of them: by its issuer, which nothing has verified.
    pub fn recognises(&self, token: &CredentialText) -> bool {
        let known = |claims: &str| self.0.issuers.contains_key(claims);
        !self.0.issuers.is_empty()
            && (self.0.issuers.values().any(|issuer| issuer.memory.genuine.contains_key(token.hash()))
                || jws::peek_issuer(token.expose()).is_some_and(|iss| known(&iss)))
    }

    /// Whether nobody's tokens are taken.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.issuers.is_empty()
    }

    /// Whether it is a token that only its issuer can read, and one is configured that can be asked.
    pub(crate) fn is_opaque(&self, token: &CredentialText) -> bool {
        self.0.introspecting().is_some()
            && token.expose().len() <= MAX_TOKEN
            && jws::peek_issuer(token.expose()).is_none()
    }

    /// Who the token stands for.
    ///
    /// # Errors
    /// [`Stop::Rejected`], if the token is proven no good. [`Stop::Unavailable`], if we cannot tell.
    pub async fn verify(&self, token: &CredentialText, now: Now) -> Result<Principal, Stop> {
        self.verify_with_claims(token, now).await.map(|(principal, _)| principal)
    }

    /// The same, and all that the token states.
    pub(crate) async fn verify_with_claims(
        &self,
        token: &CredentialText,
        now: Now,
    ) -> Result<(Principal, Arc<Claims>), Stop> {
        let hash = token.hash();
        if let Some(Remembered { issuer, token, keys }) = self.0.remembered(hash, now)? {
            return Ok((judge::principal(&token, issuer, keys, now)?, token.claims));
        }
        if let Some((issuer, introspection)) = self.0.introspecting().filter(|_| self.is_opaque(token)) {
            let known = introspection.ask(token, now).await?;
            return match known.introspected {
                Introspected::Active(active) => judge::introspected(&active, issuer, known.freshness, now),
                Introspected::Inactive => Err(Rejected::proven_by(Inactive { by: Arc::clone(&issuer.issuer) }).into()),
            };
        }
        let unverified = jws::read(token.expose(), TokenKind::Bearer).map_err(malformed)?;
        let Some(issuer) = self.0.issuers.get(unverified.issuer()) else {
            return Err(Unavailable::because(Dependency::Keys, "no issuer of this name is configured")
                .unsettled()
                .into());
        };
        match issuer.keys.check(&unverified, now).await {
            Ok((claims, keys)) => {
                let token = Verified::new(claims, &unverified);
                issuer.memory.genuine.insert(*hash, Genuine { token: token.clone(), generation: keys.generation });
                Ok((judge::principal(&token, issuer, keys.freshness, now)?, token.claims))
            }
            Err(NotVerified::Forged(proof, generation)) => {
                issuer.memory.forged.insert(*hash, Fake { proof: proof.clone(), generation });
                Err(Rejected::proven_by(proof).into())
            }
            Err(NotVerified::Stop(stop)) => Err(stop),
        }
    }
}

impl Inner {
    /// The issuer whose tokens the opaque ones are.
    fn introspecting(&self) -> Option<(&BearerIssuer, &Introspection)> {
        self.issuers.values().find_map(|issuer| Some((issuer, issuer.introspection.as_ref()?)))
    }

    /// What is remembered of a token for the keys in use: its claims, or the proof that it is false.
    fn remembered(&self, hash: &CredentialHash, now: Now) -> Result<Option<Remembered<'_>>, Rejected> {
        for issuer in self.issuers.values() {
            if let Some(Genuine { token, generation }) = issuer.memory.genuine.get(hash) {
                let keys = issuer.keys.in_use(now).filter(|keys| keys.generation == generation);
                return Ok(keys.map(|keys| Remembered { issuer, token, keys: keys.freshness }));
            }
            if let Some(Fake { proof, generation }) = issuer.memory.forged.get(hash) {
                let is_current = issuer.keys.generation() == Some(generation);
                return if is_current { Err(Rejected::proven_by(proof)) } else { Ok(None) };
            }
        }
        Ok(None)
    }
}

impl Default for BearerMemory {
    fn default() -> Self {
        Self { genuine: remembering(GENUINE), forged: remembering(FORGED) }
    }
}

impl std::fmt::Debug for BearerMemory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("BearerMemory(..)")
    }
}

fn remembering<V: Clone + Send + Sync + 'static>(most: u64) -> Cache<CredentialHash, V> {
    Cache::builder().max_capacity(most).eviction_policy(EvictionPolicy::lru()).build()
}

/// A form that the RFCs make invalid is a proof whoever signed it. One that we merely do not understand is not.
pub(crate) fn malformed(malformed: MalformedToken) -> Stop {
    match malformed {
        MalformedToken::Invalid(why) | MalformedToken::Unsigned(why) => Rejected::proven_by(NotAToken(why)).into(),
        MalformedToken::NotUnderstood(_) => {
            Unavailable::because(Dependency::OwnJudgement, malformed).unsettled().into()
        }
    }
}

#[cfg(test)]
mod tests;
