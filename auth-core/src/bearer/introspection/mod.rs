//! Introspection (RFC 7662): the issuer is asked about a token that only it can read, and its answer is remembered.
//!
//! Remembered is what an issuer said of a token that is active, for as long as the configuration says and until the token
//! is over. Then it is asked about again; while the issuer cannot be asked, what it said last stands in, as old as it is,
//! and a route's `max_stale` judges that. That a token is not active is asked for each time it is shown, since another
//! answer may be true a moment later; and not being able to tell is never remembered.

mod answer;
mod ask;

use std::{
    fmt,
    sync::{Arc, Mutex},
    time::Duration,
};

use moka::sync::Cache;
use secrecy::SecretString;
use serde_json::{Map, Value};
use tokio::time::timeout;
use url::Url;

pub(super) use self::answer::Introspected;
use self::ask::Endpoint;
use super::remembering;
use crate::{
    background::Background,
    clock::{Clock, Now, Past, Steady, Timestamp},
    credential::{CredentialHash, CredentialText},
    dependency::Dependency,
    discovery::Discovery,
    last_known_good::Flights,
    lock::lock,
    outbound::Outbound,
    principal::Freshness,
    verdict::Unavailable,
};

/// How an issuer is asked about tokens.
#[derive(Clone, Debug)]
pub struct IntrospectionConfig {
    /// Who we are to it.
    pub client_id: String,
    /// What proves it.
    pub client_secret: Option<SecretString>,
    /// Where it is asked; `None`: where its discovery document says (RFC 8414 §2).
    pub endpoint: Option<Url>,
    /// How long it is not asked again about a token that is active.
    pub cache: Duration,
}

/// One issuer's introspection endpoint. Cheap to clone.
#[derive(Clone)]
pub struct Introspection(Arc<Parts>);

struct Parts {
    endpoint: Endpoint,
    cache: Duration,
    clock: Clock,
    memory: IntrospectionMemory,
    flights: Flights<CredentialHash, Result<Introspected, Unavailable>>,
}

/// What an issuer has said of tokens to one client: another configuration with the same client and endpoint may go on with
/// it. Cheap to clone; clones share it.
#[derive(Clone)]
pub struct IntrospectionMemory {
    active: Cache<CredentialHash, Active>,
    /// When the issuer last did not answer about anything.
    failed: Arc<Mutex<Option<Steady>>>,
}

/// What an issuer said of a token that is active.
#[derive(Clone)]
pub(super) struct Active {
    pub(super) said: Arc<Map<String, Value>>,
    /// When it is over, if that was said.
    until: Option<Timestamp>,
    /// When the issuer was asked.
    pub(super) asked: Now,
}

/// What is known of a token now: what its issuer says, and how fresh that is.
pub(super) struct Known {
    pub(super) introspected: Introspected,
    pub(super) freshness: Freshness,
}

/// How many active tokens of an issuer are remembered.
const REMEMBERED: u64 = 20_000;

/// So many questions may be under way or wait for their turn.
const MOST: usize = 4096;

/// How long a question may hold up somebody whom the last answer knows.
const WAIT_IF_KNOWN: Duration = Duration::from_secs(1);

/// How long nobody whom the last answer knows waits for an issuer that just did not answer.
const PAUSE: Duration = Duration::from_secs(5);

impl Introspection {
    /// Asks over `outbound`, which may reach the endpoint; where that is by `discovery`, if the configuration does not say.
    pub fn new(
        config: IntrospectionConfig,
        discovery: Discovery,
        outbound: Outbound,
        background: Background,
        clock: Clock,
        memory: IntrospectionMemory,
    ) -> Self {
        let flights = Flights::new(background, Dependency::Introspection, MOST);
        let cache = config.cache;
        let endpoint = Endpoint::new(config, discovery, outbound);
        Self(Arc::new(Parts { endpoint, cache, clock, memory, flights }))
    }

    /// What the issuer says of `token`: now, or lately enough.
    ///
    /// # Errors
    /// Unavailable, if it does not say and has not said before.
    pub(super) async fn ask(&self, token: &CredentialText, now: Now) -> Result<Known, Unavailable> {
        let (parts, hash) = (&self.0, *token.hash());
        let known = parts.memory.active.get(&hash);
        if let Some(active) = &known
            && !active.is_due(parts.cache, now)
        {
            return Ok(Introspected::Active(active.clone()).into());
        }
        let asking = async {
            let (parts, token) = (Arc::clone(parts), token.clone());
            self.0.flights.join(hash, move || introspect(parts, token)).await.flatten()
        };
        let Some(active) = known else { return asking.await.map(Known::from) };
        let asked = if parts.memory.failed_lately(now) {
            Err(Unavailable::because(Dependency::Introspection, "the issuer did not answer a moment ago"))
        } else {
            timeout(WAIT_IF_KNOWN, asking).await.unwrap_or_else(|_| Err(ask::late(WAIT_IF_KNOWN)))
        };
        asked.map(Known::from).or_else(|down| active.stand_in(parts.cache, down, now))
    }
}

/// Asks, and remembers what is worth it. Runs to its end, whoever waits.
async fn introspect(parts: Arc<Parts>, token: CredentialText) -> Result<Introspected, Unavailable> {
    let now = parts.clock.now();
    let introspected = parts.endpoint.introspect(&token, now).await;
    let memory = &parts.memory;
    match &introspected {
        Ok(Introspected::Active(active)) if !active.may_be_over(now) => {
            memory.active.insert(*token.hash(), active.clone());
        }
        Ok(Introspected::Inactive) => memory.active.invalidate(token.hash()),
        Ok(Introspected::Active(_)) | Err(_) => {}
    }
    memory.note(introspected.is_err().then(|| parts.clock.now().steady()));
    introspected
}

impl Active {
    /// Whether its issuer is to be asked again: after `cache`, and once the token is over by what was said. An issuer may
    /// have prolonged it since.
    fn is_due(&self, cache: Duration, now: Now) -> bool {
        now.steady().since(self.asked.steady()) >= cache || self.may_be_over(now)
    }

    /// What was said last, if the token is not over by that.
    fn stand_in(self, cache: Duration, down: Unavailable, now: Now) -> Result<Known, Unavailable> {
        if self.may_be_over(now) {
            return Err(down);
        }
        let since = self.asked.steady() + cache;
        let freshness = Freshness::LastKnownGood { missing: Dependency::Introspection, since };
        Ok(Known { introspected: Introspected::Active(self), freshness })
    }

    fn may_be_over(&self, now: Now) -> bool {
        self.until.is_some_and(|until| now.past(until) != Past::No)
    }
}

impl From<Introspected> for Known {
    fn from(introspected: Introspected) -> Self {
        Self { introspected, freshness: Freshness::Live }
    }
}

impl IntrospectionMemory {
    fn failed_lately(&self, now: Now) -> bool {
        lock(&self.failed).is_some_and(|at| now.steady().since(at) < PAUSE)
    }

    fn note(&self, failed: Option<Steady>) {
        *lock(&self.failed) = failed;
    }
}

impl Default for IntrospectionMemory {
    fn default() -> Self {
        Self { active: remembering(REMEMBERED), failed: Arc::default() }
    }
}

impl fmt::Debug for IntrospectionMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IntrospectionMemory(..)")
    }
}

impl fmt::Debug for Introspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Introspection(..)")
    }
}

#[cfg(test)]
mod tests;
