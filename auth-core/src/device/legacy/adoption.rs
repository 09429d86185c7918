//! Asking the service behind us whose a token is, the first time that it is seen.
//!
//! A yes is written down before it is answered. Everything else decides nothing: the device is told to come again. No
//! request is held up for longer than [`AdoptionPolicy::deadline`], no token is asked about twice at once, and no more than
//! [`AdoptionPolicy::at_once`] questions are under way at the service.

use std::{fmt, pin::Pin, sync::Arc, time::Duration};

use http::HeaderName;
use moka::{policy::EvictionPolicy, sync::Cache};
use tokio::{sync::Semaphore, time::timeout};

use super::{LegacyTokens, denial, sql::transaction};
use crate::{
    clock::{Now, Steady},
    credential::{CredentialHash, OpaqueCredential},
    dependency::Dependency,
    device::registry::Order,
    last_known_good::Flights,
    principal::Principal,
    verdict::{Stop, Unavailable},
};

/// The tokens of before, and whom to ask about those that nobody knows yet. Cheap to clone; one a configuration.
#[derive(Clone)]
pub struct Adoption(Arc<Parts>);

pub(super) struct Parts {
    pub(super) tokens: LegacyTokens,
    pub(super) authority: Arc<dyn LegacyAuthority>,
    pub(super) policy: AdoptionPolicy,
    /// One denial is looked into at a time.
    pub(super) looking: Semaphore,
    /// The `iss` of our devices.
    issuer: Arc<str>,
    header: HeaderName,
    flights: Flights<CredentialHash, Result<(), Unavailable>>,
    limit: Semaphore,
    /// When a token was asked about last that nobody knows.
    asked: Cache<CredentialHash, Steady>,
}

/// The service behind us, which knows whose the tokens of before are.
pub trait LegacyAuthority: Send + Sync {
    /// Whose `token` is.
    ///
    /// What comes back is an answer only if it leaves no doubt: everything that could be the service's trouble is
    /// Unavailable.
    fn ask(&self, token: &OpaqueCredential) -> LegacyAsked;
}

/// A question under way.
pub type LegacyAsked = Pin<Box<dyn Future<Output = Result<LegacyAnswer, Unavailable>> + Send>>;

/// What the service says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LegacyAnswer {
    /// The token is this device's.
    Device(LegacyDescription),
    /// It denies the token, cleanly. That proves nothing: see [`super`].
    Denied,
}

/// A device as the service describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LegacyDescription {
    /// Its name there, by which the service is told of it.
    pub known_as: String,
    /// Its tenant there.
    pub tenant: String,
    /// Its room.
    pub room: String,
    /// What people call it.
    pub name: String,
    /// Its serial number, if the service says that; else its name there.
    pub hardware_id: String,
}

/// How the service is asked.
#[derive(Clone, Debug)]
pub struct AdoptionPolicy {
    /// How long a question may take, waiting for its turn included: 3 s.
    pub deadline: Duration,
    /// How many are at the service at once: 16.
    pub at_once: usize,
    /// How long a token that came to nothing is not asked about again: 5 s.
    pub pause: Duration,
}

/// So many tokens may wait for an answer at once.
const WAITING: usize = 4096;

/// So many tokens are remembered that came to nothing.
const REMEMBERED: u64 = 65_536;

impl Default for AdoptionPolicy {
    fn default() -> Self {
        Self { deadline: Duration::from_secs(3), at_once: 16, pause: Duration::from_secs(5) }
    }
}

impl Adoption {
    /// Asks `authority` about tokens that `tokens` does not know. They stand in the field `header`; whose they are is said
    /// in the name of `issuer`.
    pub fn new(
        tokens: LegacyTokens,
        authority: Arc<dyn LegacyAuthority>,
        issuer: Arc<str>,
        header: HeaderName,
        policy: AdoptionPolicy,
    ) -> Self {
        let flights = Flights::new(tokens.0.background.clone(), Dependency::Adoption, WAITING);
        let asked = Cache::builder().max_capacity(REMEMBERED).eviction_policy(EvictionPolicy::lru()).build();
        let (limit, looking) = (Semaphore::new(policy.at_once.max(1)), Semaphore::new(1));
        Self(Arc::new(Parts { tokens, authority, policy, looking, issuer, header, flights, limit, asked }))
    }

    /// The field that the tokens stand in.
    pub fn header(&self) -> &HeaderName {
        &self.0.header
    }

    #[cfg(test)]
    pub(super) fn looking(&self) -> &Semaphore {
        &self.0.looking
    }

    /// The tokens.
    pub fn tokens(&self) -> &LegacyTokens {
        &self.0.tokens
    }

    /// Whose `token` is: known, or asked about and known from then on.
    ///
    /// # Errors
    /// [`Stop::Rejected`] if a row refuses it that has stood for long enough; else [`Stop::Unavailable`].
    pub(crate) async fn verify(&self, token: &OpaqueCredential, now: Now) -> Result<Principal, Stop> {
        let (tokens, hash) = (&self.0.tokens, *token.text().hash());
        if let Some(known) = tokens.0.known.get(hash) {
            let principal = tokens.judge(&known, &self.0.issuer, now)?;
            tokens.0.canaries.note(token, now);
            return Ok(principal);
        }
        self.0.may_ask(hash, now)?;
        let (parts, asking) = (self.0.clone(), token.clone());
        let asked = self.0.flights.join(hash, move || ask(parts, asking)).await.flatten();
        #[cfg(candor_mutants)]
        if asked.is_err() && crate::mutants::is("unknown-legacy-is-rejected") {
            return Err(super::judge::planted());
        }
        asked?;
        match tokens.0.known.get(hash) {
            Some(known) => tokens.judge(&known, &self.0.issuer, now),
            // Others came in its place meanwhile; it is in the store.
            None => Err(Unavailable::because(Dependency::Adoption, "there is no room for this token in memory").into()),
        }
    }

    /// Who that is by memory alone: nothing is asked and nothing is begun.
    ///
    /// # Errors
    /// As [`Adoption::verify`]; what is not known in memory is Unavailable.
    pub(crate) fn verify_known(&self, token: &OpaqueCredential, now: Now) -> Result<Principal, Stop> {
        let tokens = &self.0.tokens;
        match tokens.0.known.get(*token.text().hash()) {
            Some(known) => tokens.judge(&known, &self.0.issuer, now),
            None => Err(Unavailable::because(Dependency::Adoption, "nobody waits here for whose this token is")
                .unsettled()
                .into()),
        }
    }
}

impl Parts {
    /// Whether it is long enough ago that nothing came of asking.
    fn may_ask(&self, hash: CredentialHash, now: Now) -> Result<(), Unavailable> {
        let since = self.asked.get(&hash).map(|at| now.steady().since(at)).filter(|since| *since < self.policy.pause);
        since.map_or(Ok(()), |since| {
            let again = self.policy.pause.saturating_sub(since);
            Err(undecided("nothing came of asking whose this token is, a moment ago").retry_after(again))
        })
    }

    /// The service's word about `token`, in time.
    pub(super) async fn word(&self, token: &OpaqueCredential) -> Result<LegacyAnswer, Unavailable> {
        let in_turn = async {
            let _turn = self.limit.acquire().await;
            self.authority.ask(token).await
        };
        let late = || {
            let cause = format!("the service did not say within {:?} whose a token is", self.policy.deadline);
            Unavailable::because(Dependency::Adoption, cause)
        };
        timeout(self.policy.deadline, in_turn).await.unwrap_or_else(|_| Err(late()))
    }

    async fn adopt(&self, token: &OpaqueCredential, it: LegacyDescription) -> Result<(), Unavailable> {
        let (hash, now) = (*token.text().hash(), self.tokens.now());
        let order = Order { who: "gateway".to_owned(), why: "the service behind knows it".to_owned() };
        let registry = &self.tokens.0.registry;
        let adopted = transaction::adopt(registry.store(), hash, it, order, now).await?;
        registry.revocations().learn(adopted.learned.into_iter().collect()).await?;
        self.tokens.0.known.set(hash, adopted.token);
        self.tokens.0.canaries.note(token, now);
        Ok(())
    }
}

/// Finds out whose `token` is: in the store, since another gateway may have adopted it, else by asking.
async fn ask(parts: Arc<Parts>, token: OpaqueCredential) -> Result<(), Unavailable> {
    let hash = *token.text().hash();
    if parts.tokens.find(hash).await?.is_some() {
        return Ok(());
    }
    let answer = parts.word(&token).await;
    match answer {
        Ok(LegacyAnswer::Device(it)) => return parts.adopt(&token, it).await,
        #[cfg(candor_mutants)]
        Ok(LegacyAnswer::Denied) if crate::mutants::is("denied-adoption-is-a-row") => {
            let order = Order { who: "planted".to_owned(), why: String::new() };
            parts.tokens.refuse(vec![hash.into()], order, parts.tokens.now()).await?;
            return Ok(());
        }
        Ok(LegacyAnswer::Denied) | Err(_) => parts.asked.insert(hash, parts.tokens.now().steady()),
    }
    let denied = undecided("the service denies this token, which proves nothing").retry_after(parts.policy.pause);
    let Err(unavailable) = answer else {
        let background = parts.tokens.0.background.clone();
        background.spawn(denial::look_into(parts, token));
        return Err(denied);
    };
    Err(unavailable)
}

/// Nobody can tell yet, and a stranger with a made-up token can cause that at will.
fn undecided(cause: &'static str) -> Unavailable {
    Unavailable::because(Dependency::Adoption, cause).unsettled()
}

impl fmt::Debug for Adoption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Adoption(..)")
    }
}
