//! When a confirmation is due, and since when one is missing.
//!
//! A confirmation is missing once an attempt at it failed or its deadline passed, not while the first attempt is under
//! way. It does no I/O of its own, and is judged by the wall clock, so that staleness goes on across a restart.

use std::{
    future::Future,
    sync::{Arc, Weak},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use crate::{
    clock::{Clock, Now, Timestamp},
    dependency::Dependency,
    principal::Freshness,
    verdict::Unavailable,
};

/// One thing that is confirmed again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Schedule {
    due: Timestamp,
    /// When the attempt began that confirmed it last.
    #[serde(default)]
    begun: Timestamp,
    #[serde(skip)]
    failed: Option<Timestamp>,
}

/// How long an attempt may be under way before what it should confirm counts as missing.
const GRACE: Duration = Duration::from_secs(15);

impl Schedule {
    /// Due at once: nothing was ever confirmed.
    pub(crate) const NEVER: Self =
        Self { due: Timestamp::from_millis(0), begun: Timestamp::from_millis(0), failed: None };

    /// Confirmed by an attempt that began at `begun`; due again after `every`, give or take a tenth.
    pub(crate) fn confirmed(begun: Timestamp, every: Duration) -> Self {
        Self { due: begun + every.mul_f64(0.9 + 0.2 * fraction()), begun, failed: None }
    }

    /// The same, after an attempt that began at `begun` and failed.
    #[must_use]
    pub(crate) fn failed(self, begun: Timestamp) -> Self {
        if self.is_from_the_future(begun) {
            return Self { due: begun, begun, failed: Some(begun) };
        }
        Self { failed: Some(begun), ..self }
    }

    /// How long until it is due; zero if it is.
    pub(crate) fn wait(self, now: Now) -> Duration {
        if self.is_from_the_future(now.wall()) { Duration::ZERO } else { self.due.since(now.wall()) }
    }

    /// A confirmation from the future says that a clock was wrong, and nothing about age: else one that was a year
    /// ahead would keep us from asking for a year.
    fn is_from_the_future(self, now: Timestamp) -> bool {
        self.begun > now + GRACE
    }

    /// When the last attempt since the last confirmation failed.
    pub(crate) fn last_failure(self) -> Option<Timestamp> {
        self.failed
    }

    /// Whether the confirmation is missing, and since when.
    pub(crate) fn freshness(self, of: Dependency, now: Now) -> Freshness {
        let failed = self.failed.is_some_and(|failed| failed >= self.due);
        if failed || now.wall() >= self.due + GRACE {
            Freshness::LastKnownGood { missing: of, since: self.due }
        } else {
            Freshness::Live
        }
    }
}

/// Refreshes `of` whenever its `schedule` says that it is due, with back-off after failures, until nobody holds it.
pub(crate) async fn keep_fresh<T, R: Future<Output = Result<(), Unavailable>>>(
    of: Weak<T>,
    clock: Clock,
    schedule: impl Fn(&T) -> Schedule,
    refresh: impl Fn(Arc<T>) -> R,
) {
    let mut failures = 0;
    loop {
        let wait = {
            let Some(of) = of.upgrade() else { return };
            let due_in = schedule(&of).wait(clock.now());
            if due_in.is_zero() {
                failures = if refresh(of).await.is_ok() { 0 } else { failures + 1 };
                if failures > 0 { back_off(failures - 1) } else { Duration::ZERO }
            } else {
                // The wall clock may be set meanwhile, so do not trust one long sleep.
                due_in.min(Duration::from_secs(60))
            }
        };
        tokio::time::sleep(wait).await;
    }
}

/// How long to wait after this many failures in a row: doubling from a second to a minute, spread by a quarter.
fn back_off(failures: u32) -> Duration {
    Duration::from_secs(1 << failures.min(6)).min(Duration::from_secs(60)).mul_f64(0.75 + 0.5 * fraction())
}

/// A number from 0 to 1. It spreads load and protects nothing.
fn fraction() -> f64 {
    let mut byte = [128];
    // Without randomness every instance asks at the same moment; that is the worst of it.
    let _ = aws_lc_rs::rand::fill(&mut byte);
    f64::from(byte[0]) / 255.0
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn staleness_begins_where_the_confirmation_was_due() {
        let begun = Timestamp::from_secs(100_000);
        let schedule = Schedule { due: begun + HOUR, begun, failed: None };
        let check = |schedule: Schedule, after: u64, stale: bool| {
            let now = Now::at(begun + Duration::from_secs(after));
            let expected = if stale {
                Freshness::LastKnownGood { missing: Dependency::Keys, since: begun + HOUR }
            } else {
                Freshness::Live
            };
            assert_eq!(schedule.freshness(Dependency::Keys, now), expected, "{after}");
        };
        check(schedule, 0, false);
        check(schedule, 3600, false);
        check(schedule, 3614, false);
        check(schedule, 3615, true);
        let early = schedule.failed(begun + Duration::from_secs(60));
        check(early, 61, false);
        check(early, 3600, false);
        let late = schedule.failed(begun + HOUR);
        check(late, 3600, true);
    }

    #[test]
    fn the_next_is_due_within_a_tenth() {
        let begun = Timestamp::from_secs(100_000);
        for _ in 0..100 {
            let wait = Schedule::confirmed(begun, HOUR).wait(Now::at(begun));
            assert!((HOUR.mul_f64(0.9)..=HOUR.mul_f64(1.1)).contains(&wait), "{wait:?}");
        }
    }

    #[test]
    fn a_confirmation_from_the_future_is_asked_for_again() {
        let (now, ahead) = (Timestamp::from_secs(100_000), Timestamp::from_secs(9_000_000));
        let schedule = Schedule::confirmed(ahead, HOUR);
        assert_eq!(schedule.wait(Now::at(now)), Duration::ZERO);
        let failed = schedule.failed(now);
        let missing = Freshness::LastKnownGood { missing: Dependency::Keys, since: now };
        assert_eq!(failed.freshness(Dependency::Keys, Now::at(now + HOUR)), missing);
        assert_eq!(failed.failed(now + HOUR).freshness(Dependency::Keys, Now::at(now + HOUR)), missing);
    }

    #[test]
    fn a_restart_goes_on_counting() {
        let schedule = Schedule {
            due: Timestamp::from_secs(50),
            begun: Timestamp::from_secs(10),
            failed: Some(Timestamp::from_secs(60)),
        };
        let text = serde_json::to_string(&schedule).expect("plain");
        let back: Schedule = serde_json::from_str(&text).expect("as written");
        assert_eq!(back.due, schedule.due);
        assert_ne!(back.freshness(Dependency::Keys, Now::at(Timestamp::from_secs(99))), Freshness::Live);
    }
}
