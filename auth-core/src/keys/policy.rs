//! The numbers of refreshing keys and of refusing by them, and how many fetches strangers can cause.

use std::time::Duration;

use crate::{clock::Steady, last_known_good::LastAttempt};

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
}

/// Why a token is worth another fetch. Each reason has a budget of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RefetchReason {
    /// It names a key that we do not know: its issuer may have published it since.
    UnknownKey,
    /// It does not verify under the key that it names: the issuer may have replaced that key.
    BadSignature,
}

/// How many fetches tokens may cause of a provider that answers. Only a fetch that went well is paid for: those that
/// fail are held back by their own back-off, and must not keep anybody waiting when the provider is whole again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budgets {
    unknown: Budget,
    bad: Budget,
}

#[derive(Clone, Copy, Debug)]
struct Budget {
    bucket: Bucket,
    /// Whether a fetch was begun on it that has not gone well yet.
    owing: bool,
}

/// A token bucket, in virtual time.
#[derive(Clone, Copy, Debug)]
struct Bucket {
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
        }
    }
}

impl Budgets {
    pub(super) const FULL: Self = Self { unknown: Budget::FULL, bad: Budget::FULL };

    /// Begins a fetch for this reason, on its budget. After a failure the back-off has decided already.
    ///
    /// # Errors
    /// How long until the budget has one.
    pub(super) fn begin(
        &mut self,
        reason: RefetchReason,
        last: LastAttempt,
        policy: &KeyPolicy,
        now: Steady,
    ) -> Result<(), Duration> {
        let budget = match reason {
            RefetchReason::UnknownKey => &mut self.unknown,
            RefetchReason::BadSignature => &mut self.bad,
        };
        let wait = budget.bucket.wait(policy, now);
        #[cfg(candor_mutants)]
        if crate::mutants::is("failed-fetches-are-paid-for") {
            budget.bucket.take(policy, now);
            return if wait.is_zero() { Ok(()) } else { Err(policy.refill) };
        }
        if last == LastAttempt::Succeeded && !wait.is_zero() {
            return Err(wait);
        }
        budget.owing = true;
        Ok(())
    }

    /// Pays for the fetches that were begun, now that one has gone well.
    pub(super) fn settle(&mut self, policy: &KeyPolicy, now: Steady) {
        for budget in [&mut self.unknown, &mut self.bad] {
            if std::mem::take(&mut budget.owing) {
                budget.bucket.take(policy, now);
            }
        }
    }

    /// How long until there may be another fetch for this reason.
    pub(super) fn wait(&self, reason: RefetchReason, policy: &KeyPolicy, now: Steady) -> Duration {
        let budget = match reason {
            RefetchReason::UnknownKey => &self.unknown,
            RefetchReason::BadSignature => &self.bad,
        };
        budget.bucket.wait(policy, now)
    }
}

impl Budget {
    const FULL: Self = Self { bucket: Bucket::FULL, owing: false };
}

impl Bucket {
    const FULL: Self = Self { full_at: Steady::from_millis(0) };

    /// How long until there is one to take.
    fn wait(self, policy: &KeyPolicy, now: Steady) -> Duration {
        let most = policy.refill * policy.burst;
        (self.full_at + policy.refill).since(now + most)
    }

    /// Takes one, as far as there is one.
    fn take(&mut self, policy: &KeyPolicy, now: Steady) {
        self.full_at = (self.full_at.max(now) + policy.refill).min(now + policy.refill * policy.burst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_and_then_one_a_minute() {
        let policy = KeyPolicy::default();
        let mut bucket = Bucket::FULL;
        let mut taken = |secs| {
            let now = Steady::from_millis(secs * 1000);
            let there = bucket.wait(&policy, now).is_zero();
            there.then(|| bucket.take(&policy, now)).is_some()
        };
        let noon = 43_200_i64;
        assert_eq!(
            [0, 0, 0, 0, 0, 0, 59, 60, 60, 119, 120].map(|after| taken(noon + after)),
            [true, true, true, true, true, false, false, true, false, false, true]
        );
        assert!((0..9).filter(|_| taken(noon + 86_400)).count() == 5, "it never holds more than the burst");
    }

    #[test]
    fn only_what_went_well_is_paid_for() {
        let (policy, noon) = (KeyPolicy::default(), Steady::from_millis(43_200_000));
        let mut budgets = Budgets::FULL;
        let mut begin = |reason, last, went_well: bool| {
            let begun = budgets.begin(reason, last, &policy, noon);
            if went_well {
                budgets.settle(&policy, noon);
            }
            begun
        };
        use LastAttempt::{Failed, Succeeded};
        for _ in 0..100 {
            assert_eq!(begin(RefetchReason::UnknownKey, Succeeded, false), Ok(()), "a failure costs nothing");
        }
        for _ in 0..5 {
            assert_eq!(begin(RefetchReason::UnknownKey, Succeeded, true), Ok(()));
        }
        assert_eq!(begin(RefetchReason::UnknownKey, Succeeded, false), Err(policy.refill));
        assert_eq!(begin(RefetchReason::BadSignature, Succeeded, true), Ok(()), "the other budget is another");
        assert_eq!(
            begin(RefetchReason::UnknownKey, Failed, true),
            Ok(()),
            "a provider that fails has a back-off instead"
        );
        assert_eq!(begin(RefetchReason::UnknownKey, Succeeded, false), Err(policy.refill));
    }
}
