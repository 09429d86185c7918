//! Nonces for key proofs (RFC 9449 §8): ours, so that a proof over one is fresh by our clock alone. A display that had no
//! power boots in 1970, and its own time says nothing.
//!
//! A nonce is base64url of the moment when it was made, eight random bytes, and a keyed hash of both, so giving one
//! out keeps nothing. It is good for five minutes of the line that no step of a clock moves, for one proof. Which were
//! used is remembered in this process only, so one that it cannot have given out is not taken: whoever brings it gets another.
//! The memory is bounded: once it is full, the oldest are forgotten, and with them every nonce as old as they are is
//! no good any more. Many proofs at once make nonces short-lived, and never good for twice.

use std::{collections::BTreeSet, sync::Mutex, time::Duration};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::{
    clock::{Now, Steady},
    keyring::{Keyring, mac::MacPurpose},
    lock::lock,
    random::random_bytes,
    verdict::Unavailable,
};

/// How long one is good.
pub const NONCE_LIFETIME: Duration = Duration::from_secs(300);

/// How many used ones are remembered: at most some twelve megabytes, and 870 proofs a second over five minutes.
const MOST: usize = 1 << 18;

const RANDOM: usize = 8;
const HASH: usize = 16;
const LENGTH: usize = 8 + RANDOM + HASH;

/// Gives nonces out, and takes each once.
pub(crate) struct ProofNonces {
    keyring: Keyring,
    most: usize,
    used: Mutex<UsedNonces>,
}

/// A nonce of ours that is not too old. It may have been used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FreshNonce {
    born: Steady,
    random: [u8; RANDOM],
}

struct UsedNonces {
    /// Those that were used, the oldest first.
    nonces: BTreeSet<FreshNonce>,
    /// Only what was born at this moment or later is good; nothing, before this process gave out its first.
    floor: Option<Steady>,
}

impl ProofNonces {
    pub(crate) fn new(keyring: Keyring) -> Self {
        Self::keeping(MOST, keyring)
    }

    fn keeping(most: usize, keyring: Keyring) -> Self {
        Self { keyring, most, used: Mutex::new(UsedNonces { nonces: BTreeSet::new(), floor: None }) }
    }

    /// A new nonce.
    ///
    /// # Errors
    /// Unavailable, if the system has no randomness.
    pub(crate) fn issue(&self, now: Now) -> Result<String, Unavailable> {
        let random = random_bytes::<RANDOM>()?;
        let nonce = FreshNonce { born: now.steady(), random };
        lock(&self.used).floor.get_or_insert(nonce.born);
        let mut bytes = Vec::with_capacity(LENGTH);
        bytes.extend_from_slice(&nonce.born.as_millis().to_be_bytes());
        bytes.extend_from_slice(&random);
        bytes.extend_from_slice(&self.hash(nonce));
        Ok(URL_SAFE_NO_PAD.encode(bytes))
    }

    /// Reads a nonce, if it is one of ours and not too old. Keeps nothing.
    pub(crate) fn read(&self, text: &str, now: Now) -> Option<FreshNonce> {
        if text.len() > LENGTH * 2 {
            return None;
        }
        let bytes: [u8; LENGTH] = URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()?;
        let (born, rest) = bytes.split_first_chunk::<8>()?;
        let (random, hash) = rest.split_first_chunk::<RANDOM>()?;
        let nonce = FreshNonce { born: Steady::from_millis(i64::from_be_bytes(*born)), random: *random };
        verify_slices_are_equal(&self.hash(nonce), hash).ok()?;
        let age = now.steady().since(nonce.born);
        let made_later = nonce.born > now.steady();
        (!made_later && age < NONCE_LIFETIME && lock(&self.used).takes(nonce)).then_some(nonce)
    }

    /// Uses a nonce up. Whether it was still good: call this last, since it is what a proof that holds costs.
    pub(crate) fn spend(&self, nonce: FreshNonce, now: Now) -> bool {
        #[cfg(candor_mutants)]
        if crate::mutants::is("nonce-reused") {
            return true;
        }
        let mut used = lock(&self.used);
        if !used.takes(nonce) || !used.nonces.insert(nonce) {
            return false;
        }
        used.forget_before(now.steady() - NONCE_LIFETIME);
        while used.nonces.len() > self.most {
            used.forget_oldest();
        }
        true
    }

    fn hash(&self, nonce: FreshNonce) -> [u8; HASH] {
        let hash =
            self.keyring.macs().hash(MacPurpose::ProofNonce, &[&nonce.born.as_millis().to_be_bytes(), &nonce.random]);
        let mut short = [0; HASH];
        short.copy_from_slice(&hash[..HASH]);
        short
    }
}

impl UsedNonces {
    fn takes(&self, nonce: FreshNonce) -> bool {
        self.floor.is_some_and(|floor| nonce.born >= floor)
    }

    /// Forgets what is too old to be used again anyway.
    fn forget_before(&mut self, over: Steady) {
        while self.nonces.first().is_some_and(|oldest| oldest.born < over) {
            self.nonces.pop_first();
        }
    }

    fn forget_oldest(&mut self) {
        if let Some(oldest) = self.nonces.pop_first() {
            self.floor = self.floor.max(Some(oldest.born + Duration::from_millis(1)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{clock::Timestamp, testing::Folder};

    fn at(millis: i64) -> Now {
        Now::at(Timestamp::from_millis(1_000_000_000 + millis))
    }

    async fn nonces(most: usize) -> (Folder, ProofNonces) {
        let folder = Folder::new();
        let keyring = crate::device::proof::tests::keyring(&folder).await;
        (folder, ProofNonces::keeping(most, keyring))
    }

    #[tokio::test]
    async fn a_nonce_is_good_once_and_for_five_minutes() {
        let (_folder, nonces) = nonces(10).await;
        let text = nonces.issue(at(0)).expect("there is randomness");
        assert!(nonces.read(&text, at(299_999)).is_some());
        assert_eq!(nonces.read(&text, at(300_000)), None);
        assert_eq!(nonces.read(&text, at(-1)), None, "made later than now");
        let nonce = nonces.read(&text, at(1)).expect("it is good");
        assert!(nonces.spend(nonce, at(1)));
        assert!(!nonces.spend(nonce, at(2)));
        assert!(!nonces.spend(nonce, at(299_999)));
    }

    #[tokio::test]
    async fn what_we_did_not_make_is_no_nonce() {
        let (_folder, nonces) = nonces(10).await;
        let text = nonces.issue(at(0)).expect("there is randomness");
        let mut bytes = URL_SAFE_NO_PAD.decode(&text).expect("base64url");
        for bit in 0..bytes.len() * 8 {
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(nonces.read(&URL_SAFE_NO_PAD.encode(&bytes), at(0)), None, "bit {bit}");
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
        for text in ["", "a", &text[1..], &format!("{text}="), &format!(" {text}"), &"a".repeat(10_000)] {
            assert_eq!(nonces.read(text, at(0)), None, "{text:.50}");
        }
    }

    #[tokio::test]
    async fn one_from_before_the_start_is_not_taken() {
        let (_folder, before) = nonces(10).await;
        let text = before.issue(at(5)).expect("there is randomness");
        let after = ProofNonces::new(before.keyring.clone());
        assert_eq!(after.read(&text, at(6)), None);
        let _ = after.issue(at(6)).expect("there is randomness");
        assert_eq!(after.read(&text, at(7)), None);
    }

    #[tokio::test]
    async fn a_full_memory_forgets_nonces_and_never_that_one_was_used() {
        let (_folder, nonces) = nonces(3).await;
        let made: Vec<_> = (0..8)
            .map(|n| nonces.read(&nonces.issue(at(n)).expect("there is randomness"), at(n)).expect("it is good"))
            .collect();
        for nonce in &made[..6] {
            assert!(nonces.spend(*nonce, at(10)));
        }
        assert_eq!(lock(&nonces.used).nonces.len(), 3);
        for nonce in &made[..6] {
            assert!(!nonces.spend(*nonce, at(11)), "{nonce:?}");
        }
        assert!(nonces.spend(made[7], at(11)), "a younger one is good still");
        assert!(nonces.spend(made[6], at(11)));
    }

    #[tokio::test]
    async fn what_is_over_takes_no_memory() {
        let (_folder, nonces) = nonces(100).await;
        for minute in 0..60 {
            let now = at(minute * 60_000);
            let nonce = nonces.read(&nonces.issue(now).expect("there is randomness"), now).expect("it is good");
            assert!(nonces.spend(nonce, now));
            assert!(lock(&nonces.used).nonces.len() <= 6);
        }
    }
}
