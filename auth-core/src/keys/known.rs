//! What we know of an issuer's keys, and what that proves. No I/O, and time is a parameter.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use super::{
    policy::KeyPolicy,
    proof::Forged,
    set::{self, KeySet, NotAKeySet, SignatureCheck},
};
use crate::{
    clock::{Now, Steady, Timestamp},
    jws::{Algorithm, Unverified},
};

/// The most changes that wait to be confirmed. Of an issuer that changes more at once, the rest count at once.
const MOST_UNCONFIRMED: usize = 1000;

/// The keys in use.
#[derive(Clone)]
pub(super) struct KnownKeys {
    pub(super) set: Arc<KeySet>,
    /// Another number, another set.
    pub(super) generation: u64,
    /// The set as it was published.
    pub(super) body: Arc<str>,
    /// When it was provably no older, if that can be told.
    pub(super) born: Option<Timestamp>,
    /// Names whose key this set lacks, or holds another of, than the one before; since when.
    pub(super) unconfirmed: BTreeMap<String, Steady>,
}

impl KnownKeys {
    /// Reads a set by itself, whatever was known before.
    pub(super) fn read(body: &[u8], born: Option<Timestamp>, configured: &[Algorithm]) -> Result<Self, NotAKeySet> {
        let set = Arc::new(KeySet::read(body, configured)?);
        let body = String::from_utf8_lossy(body).into();
        Ok(Self { set, generation: 0, body, born, unconfirmed: BTreeMap::new() })
    }

    /// The same, fetched by an attempt that began at `begun`, in place of `old`. A changed or removed key counts only after
    /// two sets, so far `apart`, agree: one bad node of a provider must not make good tokens false.
    pub(super) fn replacing(mut self, old: &Self, begun: Steady, apart: Duration) -> Self {
        let (new_keys, old_keys) = (self.set.fingerprints(), old.set.fingerprints());
        self.generation = old.generation + u64::from(new_keys != old_keys);
        self.unconfirmed.clone_from(&old.unconfirmed);
        self.unconfirmed.retain(|kid, since| old_keys.get(kid) != new_keys.get(kid) || begun.since(*since) < apart);
        for (kid, fingerprint) in old_keys {
            if new_keys.get(kid) != Some(fingerprint) && self.unconfirmed.len() < MOST_UNCONFIRMED {
                self.unconfirmed.insert(kid.clone(), begun);
            }
        }
        self
    }

    /// The `FreshKeys` rule: a key is published before it signs, so a set that was born well after the token and still
    /// does not verify it proves it false. A token that states no time counts as issued now. Under a name that is its
    /// key's own hash there is no other key to wait for.
    pub(super) fn proven(
        &self,
        check: &SignatureCheck<'_>,
        token: &Unverified<'_>,
        policy: &KeyPolicy,
        now: Now,
    ) -> Option<Forged> {
        #[cfg(candor_mutants)]
        if crate::mutants::is("empty-set-replaces") && self.set.fingerprints().is_empty() {
            return Some(Forged::unknown_key(token.kid(), now.wall()));
        }
        if self.is_unconfirmed(token.kid()) {
            return None;
        }
        let issued = token.claimed_start().unwrap_or(now.later());
        let born = self.born.filter(|born| *born >= issued + policy.settle);
        match check {
            SignatureCheck::FailsForGood => {
                #[cfg(candor_mutants)]
                if crate::mutants::is("own-hash-proves-nothing") {
                    return Some(Forged::signature(token.kid(), born?));
                }
                Some(Forged::signature_for_good(token.kid()))
            }
            SignatureCheck::Fails => Some(Forged::signature(token.kid(), born?)),
            SignatureCheck::NoSuchKey => Some(Forged::unknown_key(token.kid(), born?)),
            SignatureCheck::Holds(_) | SignatureCheck::KeyUnusable | SignatureCheck::AlgorithmNotConfigured => None,
        }
    }

    /// Whether the key of this name may be another than the set in use says. A key without a name may be of any.
    fn is_unconfirmed(&self, kid: Option<&str>) -> bool {
        match kid {
            Some(kid) => {
                self.unconfirmed.contains_key(kid)
                    || self.unconfirmed.keys().any(|name| name.starts_with(set::NAMELESS))
            }
            None => !self.unconfirmed.is_empty(),
        }
    }
}
