//! What we know of an issuer's keys, and what that proves. No I/O, and time is a parameter.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};

use super::{
    policy::{Budgets, KeyPolicy, Open},
    proof::Forged,
    set::{self, KeySet, NotAKeySet, Said},
};
use crate::{
    alarm::{self, Alarm},
    clock::{Now, Steady, Timestamp},
    jws::{Algorithm, Unverified},
    last_known_good::Schedule,
};

/// The most changed names that are kept in doubt. An issuer that changes more at once is only believed sooner.
const MOST_DOUBTS: usize = 1000;

/// What is known.
pub(super) struct KnownKeys {
    pub(super) set: Option<Arc<KeptKeySet>>,
    pub(super) schedule: Schedule,
    generation: u64,
    /// Names whose key we held, which the set in use lacks or holds another key of; since when.
    doubts: BTreeMap<String, Steady>,
    pub(super) budgets: Budgets,
}

/// A good set, and how young it is.
pub(super) struct KeptKeySet {
    pub(super) set: KeySet,
    pub(super) born: Option<Timestamp>,
    pub(super) generation: u64,
}

/// What lies on disk.
#[derive(Serialize, Deserialize)]
pub(super) struct StoredKeys {
    body: String,
    born: Option<Timestamp>,
    schedule: Schedule,
    doubts: BTreeMap<String, Steady>,
}

/// An answer that looked like a set.
pub(super) struct Fetched {
    pub(super) body: Vec<u8>,
    pub(super) begun: Steady,
    pub(super) born: Option<Timestamp>,
}

/// Whether a token that does not verify is proven false.
pub(super) enum Doubtful {
    /// It is.
    Proven(Forged),
    /// Only a younger set could prove it.
    Open(Open),
}

impl KnownKeys {
    pub(super) fn load(stored: Option<StoredKeys>, configured: &[Algorithm]) -> Self {
        let mut known = Self {
            set: None,
            schedule: Schedule::NEVER,
            generation: 0,
            doubts: BTreeMap::new(),
            budgets: Budgets::FULL,
        };
        let Some(StoredKeys { body, born, schedule, doubts }) = stored else { return known };
        if let Ok(set) = KeySet::read(body.as_bytes(), configured) {
            known.set = Some(Arc::new(KeptKeySet { set, born, generation: 0 }));
            known.schedule = schedule;
            known.doubts = doubts;
        }
        known
    }

    /// Takes a fetched set if it makes sense; nonsense changes nothing. Gives what to write to disk.
    pub(super) fn adopt(
        &mut self,
        fetched: Fetched,
        configured: &[Algorithm],
        policy: &KeyPolicy,
    ) -> Result<StoredKeys, NotAKeySet> {
        let Fetched { body, begun, born } = fetched;
        let set = KeySet::read(&body, configured)?;
        if set.private() > 0 {
            alarm::ring(Alarm::PrivateKeyPublished, "an issuer's key set holds a private or shared key; it is ignored");
        }
        if let Some(old) = &self.set {
            self.generation += u64::from(old.set.fingerprints() != set.fingerprints());
            doubt(&mut self.doubts, &old.set, &set, begun, policy.withdrawn);
        }
        self.schedule = Schedule::confirmed(begun, policy.refresh);
        self.budgets.settle(policy, begun);
        self.set = Some(Arc::new(KeptKeySet { set, born, generation: self.generation }));
        let body = String::from_utf8_lossy(&body).into_owned();
        Ok(StoredKeys { body, born, schedule: self.schedule, doubts: self.doubts.clone() })
    }

    /// Judges a token that `held` does not verify.
    pub(super) fn doubtful(
        &self,
        held: &KeptKeySet,
        said: &Said<'_>,
        token: &Unverified<'_>,
        policy: &KeyPolicy,
        now: Now,
    ) -> Doubtful {
        match self.proven(held, said, token, policy, now) {
            Some(forged) => Doubtful::Proven(forged),
            None if matches!(said, Said::Fails | Said::BadForGood) => Doubtful::Open(Open::BadSignature),
            None => Doubtful::Open(Open::UnknownKey),
        }
    }

    /// The `FreshKeys` rule: a key is published before it signs, so a set that was born well after the token and still
    /// does not verify it proves it false. A token that states no time counts as issued now. Under a name that is its
    /// key's own hash there is no other key to wait for.
    pub(super) fn proven(
        &self,
        held: &KeptKeySet,
        said: &Said<'_>,
        token: &Unverified<'_>,
        policy: &KeyPolicy,
        now: Now,
    ) -> Option<Forged> {
        #[cfg(candor_mutants)]
        if crate::mutants::is("empty-set-replaces") && held.set.fingerprints().is_empty() {
            return Some(Forged::unknown_key(token.kid(), now.wall()));
        }
        let in_doubt = match token.kid() {
            // A key without a name may be of any.
            Some(kid) => {
                self.doubts.contains_key(kid) || self.doubts.keys().any(|name| name.starts_with(set::NAMELESS))
            }
            None => !self.doubts.is_empty(),
        };
        if in_doubt {
            return None;
        }
        let issued = token.claimed_start().unwrap_or(now.later());
        let born = held.born.filter(|born| *born >= issued + policy.settle);
        match said {
            Said::BadForGood => {
                #[cfg(candor_mutants)]
                if crate::mutants::is("own-hash-proves-nothing") {
                    return Some(Forged::signature(token.kid(), born?));
                }
                Some(Forged::signature_for_good(token.kid()))
            }
            Said::Fails => Some(Forged::signature(token.kid(), born?)),
            Said::Unknown => Some(Forged::unknown_key(token.kid(), born?)),
            Said::Undecided | Said::NotLookedAt | Said::Holds(_) => None,
        }
    }
}

/// What a new set says differently about a name whose key we held is believed once another good set says so again, long
/// enough after: one bad node of a provider must not make good tokens false.
fn doubt(doubts: &mut BTreeMap<String, Steady>, old: &KeySet, new: &KeySet, begun: Steady, withdrawn: Duration) {
    doubts.retain(|kid, since| {
        let same = old.fingerprints().get(kid) == new.fingerprints().get(kid);
        !same || begun.since(*since) < withdrawn
    });
    for (kid, fingerprint) in old.fingerprints() {
        if new.fingerprints().get(kid) != Some(fingerprint) && doubts.len() < MOST_DOUBTS {
            doubts.insert(kid.clone(), begun);
        }
    }
}
