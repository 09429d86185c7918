//! When a confirmation is due, and since when one is missing.
//!
//! A confirmation is missing once an attempt at it failed or its deadline passed, not while the first attempt is under
//! way. It does no I/O of its own, and is judged by the line that nothing steps, which goes on across a restart.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    clock::{Now, Steady},
    dependency::Dependency,
    principal::Freshness,
};

/// One thing that is confirmed again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Schedule {
    due: Steady,
    /// When the attempt began that confirmed it last.
    #[serde(default)]
    begun: Steady,
    #[serde(skip)]
    failed: Option<Steady>,
}

/// How long an attempt may be under way before what it should confirm counts as missing.
const GRACE: Duration = Duration::from_secs(15);

impl Schedule {
    /// Due at once: nothing was ever confirmed.
    pub(crate) const NEVER: Self = Self { due: Steady::from_millis(0), begun: Steady::from_millis(0), failed: None };

    /// Confirmed by an attempt that began at `begun`; due again after `every`, give or take a tenth.
    pub(crate) fn confirmed(begun: Steady, every: Duration) -> Self {
        Self { due: begun + every.mul_f64(0.9 + 0.2 * fraction()), begun, failed: None }
    }

    /// The same, after an attempt that began at `begun` and failed.
    #[must_use]
    pub(crate) fn failed(self, begun: Steady) -> Self {
        if self.is_from_the_future(begun) {
            return Self { due: begun, begun, failed: Some(begun) };
        }
        Self { failed: Some(begun), ..self }
    }

    /// How long until it is due; zero if it is.
    pub(crate) fn wait(self, now: Now) -> Duration {
        if self.is_from_the_future(now.steady()) { Duration::ZERO } else { self.due(now).since(now.steady()) }
    }

    fn due(self, now: Now) -> Steady {
        now.due(self.due, self.begun)
    }

    /// A confirmation from the future says that what we know of time was lost, and nothing about age: else one that was
    /// a year ahead would keep us from asking for a year.
    fn is_from_the_future(self, now: Steady) -> bool {
        self.begun > now + GRACE
    }

    /// Whether the confirmation is missing, and since when.
    pub(crate) fn freshness(self, of: Dependency, now: Now) -> Freshness {
        let due = self.due(now);
        let failed = self.failed.is_some_and(|failed| failed >= due);
        if failed || now.steady() >= due + GRACE {
            Freshness::LastKnownGood { missing: of, since: due }
        } else {
            Freshness::Live
        }
    }
}

/// A number from 0 to 1. It spreads load and protects nothing.
pub(crate) fn fraction() -> f64 {
    let mut byte = [128];
    // Without randomness every instance asks at the same moment; that is the worst of it.
    let _ = aws_lc_rs::rand::fill(&mut byte);
    f64::from(byte[0]) / 255.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;

    const HOUR: Duration = Duration::from_secs(3600);

    fn at(moment: Steady) -> Now {
        Now::at(Timestamp::from_millis(moment.as_millis()))
    }

    #[test]
    fn staleness_begins_where_the_confirmation_was_due() {
        let begun = Steady::from_millis(100_000_000);
        let schedule = Schedule { due: begun + HOUR, begun, failed: None };
        let check = |schedule: Schedule, after: u64, stale: bool| {
            let now = at(begun + Duration::from_secs(after));
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
        let begun = Steady::from_millis(100_000_000);
        for _ in 0..100 {
            let wait = Schedule::confirmed(begun, HOUR).wait(at(begun));
            assert!((HOUR.mul_f64(0.9)..=HOUR.mul_f64(1.1)).contains(&wait), "{wait:?}");
        }
    }

    #[test]
    fn a_confirmation_from_the_future_is_asked_for_again() {
        let (now, ahead) = (Steady::from_millis(100_000_000), Steady::from_millis(9_000_000_000));
        let schedule = Schedule::confirmed(ahead, HOUR);
        assert_eq!(schedule.wait(at(now)), Duration::ZERO);
        let failed = schedule.failed(now);
        let missing = Freshness::LastKnownGood { missing: Dependency::Keys, since: now };
        assert_eq!(failed.freshness(Dependency::Keys, at(now + HOUR)), missing);
        assert_eq!(failed.failed(now + HOUR).freshness(Dependency::Keys, at(now + HOUR)), missing);
    }

    #[test]
    fn a_restart_goes_on_counting() {
        let schedule = Schedule {
            due: Steady::from_millis(50_000),
            begun: Steady::from_millis(10_000),
            failed: Some(Steady::from_millis(60_000)),
        };
        let text = serde_json::to_string(&schedule).expect("plain");
        let back: Schedule = serde_json::from_str(&text).expect("as written");
        assert_eq!(back.due, schedule.due);
        assert_ne!(back.freshness(Dependency::Keys, at(Steady::from_millis(99_000))), Freshness::Live);
    }
}
