//! The numbers of refreshing keys and of refusing by them, and the brake on fetches that strangers can cause.

use std::time::Duration;

use crate::clock::Steady;

/// The numbers of refreshing and of refusing.
#[derive(Clone, Copy, Debug)]
pub struct KeyPolicy {
    /// How often the set is fetched, give or take a tenth.
    pub refresh: Duration,
    /// How much younger than a token a set must be to prove the token false.
    pub settle: Duration,
    /// How far apart two good sets must be that say the same new thing about a key that we held, to be believed.
    pub withdrawn: Duration,
    /// Fetches that tokens may cause at once: for unknown keys, and again for bad signatures.
    pub burst: u32,
    /// How long until one more may.
    pub refill: Duration,
    /// How long after a failed attempt a request may cause the next, while there are no keys at all.
    pub retry: Duration,
}

/// A token bucket, in virtual time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bucket {
    full_at: Steady,
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

impl Bucket {
    pub(super) const FULL: Self = Self { full_at: Steady::from_millis(0) };

    /// Takes one, if there is one.
    pub(super) fn take(&mut self, policy: &KeyPolicy, now: Steady) -> bool {
        let most = policy.refill * policy.burst;
        let full_at = self.full_at.max(now) + policy.refill;
        if full_at.since(now) > most {
            return false;
        }
        self.full_at = full_at;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_and_then_one_a_minute() {
        let policy = KeyPolicy::default();
        let mut bucket = Bucket::FULL;
        let mut taken = |secs| bucket.take(&policy, Steady::from_millis(secs * 1000));
        let noon = 43_200_i64;
        assert_eq!(
            [0, 0, 0, 0, 0, 0, 59, 60, 60, 119, 120].map(|after| taken(noon + after)),
            [true, true, true, true, true, false, false, true, false, false, true]
        );
        assert!((0..9).filter(|_| taken(noon + 86_400)).count() == 5, "it never holds more than the burst");
    }
}
