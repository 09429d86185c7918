//! The tokens in memory: bounded, and those used last stay.

use std::sync::Arc;

use moka::{policy::EvictionPolicy, sync::Cache};

use super::row::KnownToken;
use crate::credential::CredentialHash;

/// So many tokens are kept, at about half a KiB each. Beyond that, those not used for longest are asked for again.
pub(super) const MOST: u64 = 1 << 18;

/// The tokens in memory.
pub(super) struct KnownTokens(Cache<CredentialHash, Arc<KnownToken>>);

impl KnownTokens {
    pub(super) fn get(&self, hash: CredentialHash) -> Option<Arc<KnownToken>> {
        self.0.get(&hash)
    }

    /// Keeps what the store says of a token.
    pub(super) fn learn(&self, hash: CredentialHash, token: KnownToken) -> Arc<KnownToken> {
        let token = Arc::new(token);
        self.0.insert(hash, token.clone());
        token
    }

    /// Keeps what the store says of a token now: nothing, maybe.
    pub(super) fn set(&self, hash: CredentialHash, token: Option<KnownToken>) {
        match token {
            Some(token) => _ = self.learn(hash, token),
            None => self.0.invalidate(&hash),
        }
    }

    /// The same of a token that is in memory. Of others there is nothing to correct.
    pub(super) fn correct(&self, hash: CredentialHash, token: Option<KnownToken>) {
        if self.0.contains_key(&hash) {
            self.set(hash, token);
        }
    }

    /// Whether more fit without others having to go.
    pub(super) fn has_room(&self) -> bool {
        self.0.entry_count() < MOST
    }
}

impl Default for KnownTokens {
    fn default() -> Self {
        Self(Cache::builder().max_capacity(MOST).eviction_policy(EvictionPolicy::lru()).build())
    }
}
