//! One key set (RFC 7517 §5) as an answer held it: which keys may verify, and how young it provably is.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderMap, header};
use serde_json::Value;

use crate::{
    clock::Timestamp,
    jws::{Algorithm, Signature, UnusableJwk, Unverified, VerifyingKey, strict_object},
    outbound::age::{may_be_kept, moment, one},
};

/// The most keys that a set may have.
const MOST: usize = 100;

/// The most keys that a token which names none is tried with.
const MOST_TRIED: usize = 8;

/// What the names begin with that we give to keys without one.
pub(super) const NAMELESS: &str = "nameless ";

/// The keys of one good answer.
pub(super) struct KeySet {
    keys: Vec<VerifyingKey>,
    unusable: BTreeSet<String>,
    nameless_unusable: bool,
    fingerprints: BTreeMap<String, Fingerprint>,
    private: usize,
}

/// A hash of what a set says about one name.
pub(super) type Fingerprint = [u8; 32];

/// Why an answer is no key set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotAKeySet {
    #[error("the key set is no strict JSON object with `keys`")]
    NoSet,
    #[error("the key set is empty")]
    Empty,
    #[error("the key set has more than 100 keys")]
    TooMany,
    #[error("no key in the set can be used")]
    NoneUsable,
}

/// What a set says about a token's signature.
pub(super) enum SignatureCheck<'s> {
    /// It holds, under this key.
    Holds(&'s VerifyingKey),
    /// It holds under none of the keys that it could be of.
    Fails,
    /// It does not hold under the one key that it can ever be of: the name that it gives is that key's hash.
    FailsForGood,
    /// The set has no key of that name.
    NoSuchKey,
    /// The set has such a key, but not one that we can use.
    KeyUnusable,
    /// The set has such a key, and it may sign by this algorithm, which is not configured.
    AlgorithmNotConfigured,
}

impl KeySet {
    /// Reads a set, each key by itself: one bad key does not cost the others.
    pub(super) fn read(body: &[u8], configured: &[Algorithm]) -> Result<Self, NotAKeySet> {
        let mut set = strict_object(body).map_err(|_| NotAKeySet::NoSet)?;
        let Some(Value::Array(jwks)) = set.remove("keys") else { return Err(NotAKeySet::NoSet) };
        #[cfg(candor_mutants)]
        if crate::mutants::is("empty-set-replaces") && jwks.is_empty() {
            return Ok(Self::none());
        }
        if jwks.is_empty() {
            return Err(NotAKeySet::Empty);
        }
        if jwks.len() > MOST {
            return Err(NotAKeySet::TooMany);
        }
        let mut read = Self::none();
        for jwk in &jwks {
            read.add(jwk, configured);
        }
        if read.keys.is_empty() { Err(NotAKeySet::NoneUsable) } else { Ok(read) }
    }

    fn none() -> Self {
        Self {
            keys: Vec::new(),
            unusable: BTreeSet::new(),
            nameless_unusable: false,
            fingerprints: BTreeMap::new(),
            private: 0,
        }
    }

    fn add(&mut self, jwk: &Value, configured: &[Algorithm]) {
        let kid = jwk.get("kid").and_then(Value::as_str).map(str::to_owned);
        let key = match jwk {
            Value::Object(members) => VerifyingKey::from_jwk(members, configured),
            _ => Err(UnusableJwk::Unfit("not an object")),
        };
        let said = jwk.to_string().into_bytes();
        // A key without a name is named by what it is: another one is another key, and its going is noticed too.
        let name =
            kid.clone().unwrap_or_else(|| format!("{NAMELESS}{}", URL_SAFE_NO_PAD.encode(digest(&SHA256, &said))));
        // Two keys of one name are one statement about that name.
        let before = self.fingerprints.get(&name).map(|hash| hash.to_vec()).unwrap_or_default();
        let hash = digest(&SHA256, &[before, said].concat());
        self.fingerprints.insert(name, hash.as_ref().try_into().expect("SHA-256 has 32 bytes"));
        match (key, kid) {
            (Ok(key), _) => self.keys.push(key),
            (Err(unusable), kid) => {
                self.private += usize::from(unusable == UnusableJwk::Private);
                match kid {
                    Some(kid) => drop(self.unusable.insert(kid)),
                    None => self.nameless_unusable = true,
                }
            }
        }
    }

    /// How many private or shared keys were published in it.
    pub(super) fn private(&self) -> usize {
        self.private
    }

    /// What it says about each name.
    pub(super) fn fingerprints(&self) -> &BTreeMap<String, Fingerprint> {
        &self.fingerprints
    }

    /// What it says about a token's signature.
    pub(super) fn check(&self, token: &Unverified<'_>) -> SignatureCheck<'_> {
        let may_be = |key: &&VerifyingKey| token.kid().is_none_or(|kid| key.kid().is_none_or(|named| named == kid));
        let candidates: Vec<_> = self.keys.iter().filter(may_be).take(MOST_TRIED + 1).collect();
        let mut said = Vec::new();
        for key in candidates.iter().take(MOST_TRIED) {
            match key.says(token) {
                // The one that holds settles it: no further key is tried.
                Signature::Holds => return SignatureCheck::Holds(key),
                other => said.push(other),
            }
        }
        let named_unusable = token.kid().map_or(!self.unusable.is_empty(), |kid| self.unusable.contains(kid));
        if named_unusable || self.nameless_unusable || candidates.len() > MOST_TRIED {
            return SignatureCheck::KeyUnusable;
        }
        match (&*candidates, &*said) {
            ([], _) => SignatureCheck::NoSuchKey,
            (_, said) if said.contains(&Signature::NotLookedAt) => SignatureCheck::AlgorithmNotConfigured,
            ([only], [Signature::Fails]) if token.kid().is_some() && only.is_named_by_hash() => {
                SignatureCheck::FailsForGood
            }
            _ => SignatureCheck::Fails,
        }
    }
}

/// When a set was provably no older: the start of its fetch, or the answer's `Date` if that is earlier, less the time that
/// it may have lain in a cache. `None` if that cannot be told.
///
/// A cache that stores a set adds `Age` and, where the origin sent none, `Date` (RFC 9111 §5.1, RFC 9110 §6.6.1). Not every
/// one does: so without `Age`, the answer may be as old as it says itself that it may become.
pub(super) fn born(begun: Timestamp, headers: &HeaderMap) -> Option<Timestamp> {
    let has = |name| headers.contains_key(name);
    let date = if has(header::DATE) { Some(moment(headers, header::DATE)?) } else { None };
    let old = if has(header::AGE) {
        // Whoever counts an age knows when it began to.
        date?;
        Duration::from_secs(one(headers, header::AGE)?.trim().parse::<u32>().ok()?.into())
    } else {
        may_be_kept(headers, date.unwrap_or(begun))?
    };
    // An age is counted from `Date`; what may be kept was counted by nobody.
    let date = date.unwrap_or(begun);
    Some(if has(header::AGE) { begun.min(date - old) } else { begun.min(date) - old })
}
