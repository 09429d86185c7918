//! What lasts is looked at now and then: whether whoever it flows for may still have it.
//!
//! It ends by a proof and by nothing else. Whoever carries it looks by itself, so that nothing is registered anywhere: it
//! asks when it may next be time, wakes then, and looks.

use std::time::Duration;

use auth_core::{
    authenticator::PermitWatch,
    clock::Clock,
    verdict::{Reason, Rejected},
};
use tokio::time::Instant;

/// When what lasts is looked at.
#[derive(Clone, Copy, Debug)]
pub struct WatchPolicy {
    /// How long a body may be open before it counts as one that lasts: 60 s.
    pub bodies_after: Duration,
    /// How often what lasts is looked at: every 2 s.
    pub every: Duration,
}

/// Looks now and then whether whoever something flows for may still have it.
#[derive(Debug)]
pub struct Watch {
    permit: PermitWatch,
    clock: Clock,
    every: Duration,
    next: Instant,
}

impl Default for WatchPolicy {
    fn default() -> Self {
        Self { bodies_after: Duration::from_secs(60), every: Duration::from_secs(2) }
    }
}

impl Watch {
    /// Looks for the first time `after` a while, and then as often as `policy` says.
    pub fn new(permit: PermitWatch, clock: Clock, policy: WatchPolicy, after: Duration) -> Self {
        Self { permit, clock, every: policy.every, next: Instant::now() + after }
    }

    /// When to look next.
    pub fn next(&self) -> Instant {
        self.next
    }

    /// Looks, if it is time.
    ///
    /// # Errors
    /// The proof.
    pub fn look(&mut self) -> Result<(), Rejected> {
        let now = Instant::now();
        if now < self.next {
            return Ok(());
        }
        self.next = now + self.every;
        self.permit.judge(self.clock.now())
    }

    /// Whether this proof costs its holder nothing: the token of a device is over, which renews it by its key.
    pub fn is_renewed_after(&self, rejected: &Rejected) -> bool {
        self.permit.is_of_a_device() && rejected.reason() == Reason::Expired
    }
}

/// A proof, in words for the log.
pub fn in_words(rejected: &Rejected) -> String {
    format!("{}: {}", rejected.reason(), rejected.detail())
}
