//! Issuers' keys (RFC 7517): last known good in memory and on disk, and the proof that they are fresh enough to
//! refuse a token.

use std::{path::Path, sync::Arc, time::Duration};

use url::Url;

use crate::{
    clock::{Clock, Now},
    discovery::Discovery,
    jws::{Algorithm, Claims, Unverified},
    keeper::Keeper,
    outbound::Outbound,
    principal::Freshness,
    verdict::Stop,
};

/// Where an issuer's key set is.
#[derive(Clone)]
pub enum KeysFrom {
    /// Where its discovery document says.
    Discovery(Discovery),
    /// Here.
    Uri(Url),
}

/// The numbers of refreshing and of refusing.
#[derive(Clone, Copy, Debug)]
pub struct KeyPolicy {
    /// How often the set is fetched, give or take a tenth.
    pub refresh: Duration,
    /// How much younger than a token a set must be to prove the token false.
    pub settle: Duration,
    /// How far apart two good sets without a key that we have held must be, until the key is unknown.
    pub withdrawn: Duration,
    /// Fetches that tokens may cause at once, for unknown keys and again for bad signatures.
    pub burst: u32,
    /// How often one more becomes available.
    pub refill: Duration,
    /// How long after a failed attempt a request may cause the next, while there are no keys at all.
    pub retry: Duration,
}

/// One issuer's keys. Cheap to clone; clones share them.
#[derive(Clone)]
pub struct IssuerKeys(Arc<()>);

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
        let _ = (issuer, from, algorithms, policy, outbound, keeper, clock, data);
        todo!()
    }

    /// Begins to keep them fresh on the keeper. Ends when the last clone is dropped.
    pub fn start(&self) {
        let _ = &self.0;
        todo!()
    }

    /// Whether the signature holds, and under whose key. Expiry, audience and the rest are the caller's to judge.
    ///
    /// # Errors
    /// [`Stop::Rejected`], if the keys prove the token false. [`Stop::Unavailable`], if they cannot tell.
    pub async fn verify(&self, token: &Unverified<'_>, now: Now) -> Result<Claims, Stop> {
        let _ = (token, now);
        todo!()
    }

    /// Whether the keys were confirmed when that was due.
    pub fn freshness(&self, now: Now) -> Freshness {
        let _ = now;
        todo!()
    }
}

impl Default for KeyPolicy {
    fn default() -> Self {
        Self {
            refresh: Duration::from_secs(3600),
            settle: Duration::from_secs(900),
            withdrawn: Duration::from_secs(600),
            burst: 5,
            refill: Duration::from_secs(60),
            retry: Duration::from_secs(1),
        }
    }
}
