//! When what is known is to be confirmed again, and since when a confirmation is missing.
//!
//! A confirmation is missing once an attempt at it failed or its deadline passed, not while the first attempt is under
//! way. No I/O, and time is a parameter: the steady line, which goes on across a restart.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    clock::{Now, Steady},
    dependency::Dependency,
    principal::Freshness,
};

/// How often something is asked for, and how patiently.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cadence {
    /// Of somebody else's server: a tenth sooner or later, so that many gateways do not ask at the same moment. It is left
    /// alone while it fails, and a failure counts once the confirmation is due.
    Provider { every: Duration },
    /// Of our own store: exactly so often, whether it answers or not. A failure counts at once.
    Store { every: Duration, patience: Duration },
}

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

impl Cadence {
    /// When the next attempt is due after one that began at `begun` and went well.
    fn next(self, begun: Steady) -> Steady {
        match self {
            Self::Provider { every } => begun + every.mul_f64(0.9 + 0.2 * fraction()),
            Self::Store { every, .. } => begun + every,
        }
    }

    /// From how long after it was due a confirmation is missing.
    fn grace(self) -> Duration {
        match self {
            Self::Provider { .. } => GRACE,
            // What comes just in time is in time.
            Self::Store { patience, .. } => patience + Duration::from_millis(1),
        }
    }
}

impl Schedule {
    /// Due at once: nothing was ever confirmed.
    pub(crate) const NEVER: Self = Self { due: Steady::from_millis(0), begun: Steady::from_millis(0), failed: None };

    /// Confirmed by an attempt that began at `begun`.
    pub(crate) fn confirmed(begun: Steady, cadence: Cadence) -> Self {
        Self { due: cadence.next(begun), begun, failed: None }
    }

    /// The same, after an attempt that began at `begun` and failed.
    #[must_use]
    pub(crate) fn failed(self, begun: Steady, cadence: Cadence) -> Self {
        if self.is_from_the_future(begun, cadence) {
            return Self { due: begun, begun, failed: Some(begun) };
        }
        let failed = match cadence {
            Cadence::Provider { .. } => begun,
            Cadence::Store { .. } => begun.max(self.due),
        };
        Self { failed: Some(failed), ..self }
    }

    /// When the attempt began that confirmed it last; `None` if none ever did.
    pub(crate) fn confirmed_at(self) -> Option<Steady> {
        (self.begun != Self::NEVER.begun).then_some(self.begun)
    }

    /// How long until it is due; zero if it is.
    pub(crate) fn wait(self, now: Now, cadence: Cadence) -> Duration {
        let is_lost = self.is_from_the_future(now.steady(), cadence);
        if is_lost { Duration::ZERO } else { self.due(now).since(now.steady()) }
    }

    fn due(self, now: Now) -> Steady {
        now.due(self.due, self.begun)
    }

    /// A confirmation from the future says that what we know of time was lost, and nothing about age: else one that was
    /// a year ahead would keep us from asking for a year.
    pub(crate) fn is_from_the_future(self, now: Steady, cadence: Cadence) -> bool {
        self.begun > now + cadence.grace()
    }

    /// Whether the confirmation is missing, and since when.
    pub(crate) fn freshness(self, of: Dependency, now: Now, cadence: Cadence) -> Freshness {
        let due = self.due(now);
        let failed = self.failed.is_some_and(|failed| failed >= due);
        if failed || now.steady() >= due + cadence.grace() {
            Freshness::LastKnownGood { missing: of, since: due }
        } else {
            Freshness::Live
        }
    }

    #[cfg(candor_mutants)]
    pub(crate) fn has_failed(self) -> bool {
        self.failed.is_some()
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
    const HOURLY: Cadence = Cadence::Provider { every: HOUR };

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
            assert_eq!(schedule.freshness(Dependency::Keys, now, HOURLY), expected, "{after}");
        };
        check(schedule, 0, false);
        check(schedule, 3600, false);
        check(schedule, 3614, false);
        check(schedule, 3615, true);
        let early = schedule.failed(begun + Duration::from_secs(60), HOURLY);
        check(early, 61, false);
        check(early, 3600, false);
        let late = schedule.failed(begun + HOUR, HOURLY);
        check(late, 3600, true);
    }

    #[test]
    fn the_next_is_due_within_a_tenth() {
        let begun = Steady::from_millis(100_000_000);
        for _ in 0..100 {
            let wait = Schedule::confirmed(begun, HOURLY).wait(at(begun), HOURLY);
            assert!((HOUR.mul_f64(0.9)..=HOUR.mul_f64(1.1)).contains(&wait), "{wait:?}");
        }
    }

    #[test]
    fn a_confirmation_from_the_future_is_asked_for_again() {
        let (now, ahead) = (Steady::from_millis(100_000_000), Steady::from_millis(9_000_000_000));
        let schedule = Schedule::confirmed(ahead, HOURLY);
        assert_eq!(schedule.wait(at(now), HOURLY), Duration::ZERO);
        let failed = schedule.failed(now, HOURLY);
        let missing = Freshness::LastKnownGood { missing: Dependency::Keys, since: now };
        assert_eq!(failed.freshness(Dependency::Keys, at(now + HOUR), HOURLY), missing);
        assert_eq!(failed.failed(now + HOUR, HOURLY).freshness(Dependency::Keys, at(now + HOUR), HOURLY), missing);
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
        assert_ne!(back.freshness(Dependency::Keys, at(Steady::from_millis(99_000)), HOURLY), Freshness::Live);
    }
}
