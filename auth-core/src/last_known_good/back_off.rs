//! How long to leave alone what does not answer. No I/O, and time is a parameter.
//!
//! It is replaced as a whole when an attempt begins or ends, and read without a lock.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use super::{attempts::LastAttempt, schedule::Cadence};
use crate::{
    clock::{Now, Steady},
    dependency::Dependency,
    verdict::Unavailable,
};

/// What is known of the attempts since the last that went well.
#[derive(Clone, Default)]
pub(super) struct BackOff {
    /// How many have failed in a row.
    failures: u32,
    /// When the last of them began.
    begun: Steady,
    /// How long from then on whoever was asked wants to be left alone.
    leave_alone: Duration,
    /// Makes the pause shorter by up to a quarter: many gateways must not ask at the same moment.
    spread: f64,
    /// Whether anybody has asked in vain since it began to fail.
    wanted: Arc<AtomicBool>,
    /// Why the last attempt that ended has failed.
    why: Option<Unavailable>,
}

/// The pause after the first failure; it doubles with each.
const FIRST: Duration = Duration::from_secs(1);

/// The longest pause, once anybody has asked in vain.
const LONGEST_IF_WANTED: Duration = Duration::from_secs(5);

/// The longest pause, while nobody has.
const LONGEST: Duration = Duration::from_secs(60);

/// Whether an attempt that began at `begun` was so old when somebody asked that the next was due.
pub(super) fn is_old(begun: Steady, asked: Now) -> bool {
    asked.steady().since(begun) >= LONGEST_IF_WANTED
}

impl BackOff {
    /// An attempt begins: a failed one, until it has ended well. `spread` is from 0 to 1.
    pub(super) fn begin(&mut self, now: Now, spread: f64) {
        self.failures = self.failures.saturating_add(1);
        self.begun = now.steady();
        self.leave_alone = Duration::ZERO;
        self.spread = spread;
    }

    /// It failed, and whoever was asked wants to be left alone for a while, if they say so.
    pub(super) fn fail(&mut self, down: &Unavailable, leave_alone: Option<Duration>, now: Now) {
        self.leave_alone = leave_alone.map_or(Duration::ZERO, |wait| now.steady().since(self.begun) + wait);
        self.why = Some(down.clone());
    }

    /// Whether an attempt has ended in failure since the last that went well.
    pub(super) fn has_failed(&self) -> bool {
        self.why.is_some()
    }

    /// Somebody needs it: while it cannot be had, no pause is long. Whether that makes the next attempt sooner.
    pub(super) fn want(&self, now: Now, cadence: Cadence) -> bool {
        let before = self.wait(now, cadence);
        if before.is_some() {
            self.wanted.store(true, Ordering::Relaxed);
        }
        self.wait(now, cadence) < before
    }

    /// How the last attempt ended, for somebody who would begin another now.
    ///
    /// # Errors
    /// Why the last one failed, if the next is not due.
    pub(super) fn last_attempt(&self, now: Now, cadence: Cadence) -> Result<LastAttempt, Unavailable> {
        match self.wait(now, cadence) {
            None => Ok(LastAttempt::Succeeded),
            Some(Duration::ZERO) => Ok(LastAttempt::Failed),
            Some(_) => Err(self.why.clone().unwrap_or_else(lost)),
        }
    }

    /// How long until the next attempt; `None` if the last one went well.
    pub(super) fn wait(&self, now: Now, cadence: Cadence) -> Option<Duration> {
        let doublings = self.failures.checked_sub(1)?.min(6);
        let pause = match cadence {
            Cadence::Store { every, .. } => every,
            Cadence::Provider { .. } => {
                let longest = if self.wanted.load(Ordering::Relaxed) { LONGEST_IF_WANTED } else { LONGEST };
                (FIRST * (1 << doublings)).min(longest).mul_f64(1.0 - 0.25 * self.spread).max(self.leave_alone)
            }
        };
        Some((self.begun + pause).since(now.steady()))
    }
}

fn lost() -> Unavailable {
    Unavailable::because(Dependency::Background, "the last attempt ended without a result")
}
