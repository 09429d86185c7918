//! How long to leave alone what does not answer. No I/O, and time is a parameter.

use std::time::Duration;

use super::BeforeAttempt;
use crate::{
    clock::{Now, Steady},
    dependency::Dependency,
    last_known_good::fraction,
    verdict::Unavailable,
};

/// What is known of the attempts since the last that went well.
#[derive(Default)]
pub(super) struct BackOff {
    /// How many have failed in a row.
    failures: u32,
    /// When the last of them began.
    begun: Steady,
    /// How long from then on whoever was asked wants to be left alone.
    leave_alone: Duration,
    /// Makes the pause shorter by up to a quarter: many gateways must not ask at the same moment.
    spread: f64,
    /// Whether anybody needs it.
    wanted: bool,
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
    /// Begins an attempt: a failed one, until it has ended well.
    pub(super) fn begin(&mut self, now: Now) -> Steady {
        self.failures = self.failures.saturating_add(1);
        self.begun = now.steady();
        self.leave_alone = Duration::ZERO;
        self.spread = fraction();
        self.begun
    }

    /// It went well. Whether the one before had not.
    pub(super) fn succeed(&mut self) -> bool {
        let recovered = self.failures > 1;
        *self = Self::default();
        recovered
    }

    /// It failed, and whoever was asked wants to be left alone for a while, if they say so. Whether it is the first.
    pub(super) fn fail(&mut self, down: &Unavailable, leave_alone: Option<Duration>, now: Now) -> bool {
        self.leave_alone = leave_alone.map_or(Duration::ZERO, |wait| now.steady().since(self.begun) + wait);
        self.why = Some(down.clone());
        self.failures == 1
    }

    /// Somebody needs it: while it cannot be had, no pause is long. Whether that makes the next attempt sooner.
    pub(super) fn want(&mut self, now: Now) -> bool {
        let before = self.wait(now);
        self.wanted = self.failures > 0;
        self.wait(now) < before
    }

    /// How things stand for somebody who would begin an attempt now.
    ///
    /// # Errors
    /// Why the last one failed, if the next is not due.
    pub(super) fn standing(&self, now: Now) -> Result<BeforeAttempt, Unavailable> {
        match self.wait(now) {
            None => Ok(BeforeAttempt::Well),
            Some(Duration::ZERO) => Ok(BeforeAttempt::Failing),
            Some(_) => Err(self.why.clone().unwrap_or_else(lost)),
        }
    }

    /// How long until the next attempt; `None` if the last one went well.
    pub(super) fn wait(&self, now: Now) -> Option<Duration> {
        let doubled = FIRST * (1 << self.failures.checked_sub(1)?.min(6));
        let longest = if self.wanted { LONGEST_IF_WANTED } else { LONGEST };
        let pause = doubled.min(longest).mul_f64(1.0 - 0.25 * self.spread).max(self.leave_alone);
        Some((self.begun + pause).since(now.steady()))
    }
}

fn lost() -> Unavailable {
    Unavailable::because(Dependency::Background, "the last attempt ended without a result")
}
