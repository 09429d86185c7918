//! Attempts to get what is known anew: one at a time, for everybody who needs it, with one back-off.
//!
//! After a failure the next attempt is made in the background: nobody's request is needed for it, and no number of
//! requests makes more of them. Whoever comes before it is turned away and told when it is. The back-off doubles up to
//! a minute, and to five seconds only once somebody has asked in vain, counted from the beginning of the attempt that
//! failed: so whoever asks more than five seconds after a provider is whole again is served. What the provider itself
//! asks for (`Retry-After`, RFC 9110 §10.2.3) comes first.

use std::{
    future::Future,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use super::{Fetch, LastKnownGood, back_off, schedule::fraction};
use crate::{
    clock::{Now, Steady},
    verdict::Unavailable,
};

/// One attempt, when it is over.
#[derive(Clone)]
pub(super) struct Attempt {
    begun: Steady,
    outcome: Result<(), Unavailable>,
}

/// Why an attempt failed.
pub(crate) struct FailedAttempt {
    pub(super) down: Unavailable,
    pub(super) leave_alone: Option<Duration>,
}

/// How the last attempt ended, for somebody who is about to begin another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LastAttempt {
    /// It went well, or there was none.
    Succeeded,
    /// It failed, and the next is due.
    Failed,
}

/// No sleep is longer: the clock may move meanwhile, and a machine may be paused.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);

impl FailedAttempt {
    /// Whoever was asked wants to be left alone for this long, if they say so.
    pub(crate) fn leaving_alone(self, wait: Option<Duration>) -> Self {
        Self { leave_alone: wait, ..self }
    }
}

impl<S: Fetch> LastKnownGood<S> {
    /// Waits for an attempt for somebody who needs it now: for the one under way, else for one that begins now, if the
    /// back-off is over and `may_begin` agrees. Who joins an attempt asks nobody.
    ///
    /// # Errors
    /// Unavailable, if it fails, or must not begin yet. It says when the next attempt is.
    pub(crate) async fn ask(
        &self,
        may_begin: impl Fn(LastAttempt, Now) -> Result<(), Unavailable>,
    ) -> Result<(), Unavailable> {
        let asked = self.clock().now();
        if self.load().back_off.want(asked, self.0.cadence) {
            self.0.changed.notify_one();
        }
        let begin = || {
            let now = self.clock().now();
            may_begin(self.load().back_off.last_attempt(now, self.0.cadence)?, now)?;
            let attempt = self.attempt(now);
            self.load().back_off.want(now, self.0.cadence);
            Ok(attempt)
        };
        let mut joined = self.0.flight.join(begin).await;
        // One that was so old already says nothing about now.
        if joined.as_ref().is_ok_and(|attempt| attempt.outcome.is_err() && back_off::is_old(attempt.begun, asked)) {
            joined = self.0.flight.join(begin).await;
        }
        let retry_in = || self.load().back_off.wait(self.clock().now(), self.0.cadence);
        joined.and_then(|attempt| attempt.outcome).map_err(|down| match retry_in() {
            Some(wait) => down.retry_after(wait),
            None => down,
        })
    }

    /// Somebody needs it, and has to go on without: while it cannot be had, no pause is long. Takes no lock and waits for
    /// nothing.
    pub(crate) fn want(&self, now: Now) {
        let (snapshot, cadence) = (self.load(), self.0.cadence);
        if snapshot.back_off.want(now, cadence) || snapshot.back_off.wait(now, cadence) == Some(Duration::ZERO) {
            self.0.changed.notify_one();
        }
    }

    /// Makes an attempt of its own, beside one that may be under way: what that one was asked may be out of date.
    ///
    /// # Errors
    /// Unavailable, if it fails.
    pub(crate) async fn refresh(&self) -> Result<(), Unavailable> {
        self.0.background.run(self.attempt(self.clock().now())).await?.outcome
    }

    /// Makes the next attempt whenever it is due, in the background, until the last clone is dropped: as the back-off says
    /// after a failure, else on schedule. While the clock is in doubt it is due at once, and then every minute, since the
    /// answer may say what time it is. A second call changes nothing.
    pub(crate) fn start(&self) {
        if self.0.started.swap(true, Ordering::Relaxed) {
            return;
        }
        let (this, changed) = (Arc::downgrade(&self.0), Arc::clone(&self.0.changed));
        let mut doubts = self.clock().doubts();
        self.0.background.spawn(async move {
            loop {
                let Some(wait) = this.upgrade().map(|this| Self(this).wait()) else { return };
                let is_due = tokio::select! {
                    () = changed.notified() => false,
                    () = doubts.begun() => true,
                    () = tokio::time::sleep(wait.min(LONGEST_SLEEP)) => wait <= LONGEST_SLEEP,
                };
                let Some(this) = this.upgrade().map(Self) else { return };
                if is_due {
                    // Its outcome is noted and logged where it is made.
                    let _ = this.0.flight.join(|| Ok(this.attempt(this.clock().now()))).await;
                }
            }
        });
    }

    /// How long until the next attempt.
    fn wait(&self) -> Duration {
        let (now, snapshot, cadence) = (self.clock().now(), self.load(), self.0.cadence);
        let longest = if now.is_in_doubt() { LONGEST_SLEEP } else { Duration::MAX };
        let on_schedule = || snapshot.schedule.wait(now, cadence).min(longest);
        snapshot.back_off.wait(now, cadence).unwrap_or_else(on_schedule)
    }

    #[cfg(candor_mutants)]
    pub(crate) fn is_failing(&self) -> bool {
        self.load().back_off.wait(self.clock().now(), self.0.cadence).is_some()
    }

    /// Asks the source, and notes what came of it. Until it has ended well it counts as failed: a panic is a failure too.
    fn attempt(&self, now: Now) -> impl Future<Output = Attempt> + Send + 'static {
        let (this, spread) = (self.clone(), fraction());
        self.update(|snapshot| snapshot.back_off.begin(now, spread));
        async move {
            let outcome = match S::fetch(&this, now).await {
                Ok(answer) => {
                    this.confirm(answer, now).await;
                    Ok(())
                }
                Err(failure) => {
                    this.fail(&failure, now).await;
                    Err(failure.down)
                }
            };
            this.0.changed.notify_one();
            Attempt { begun: now.steady(), outcome }
        }
    }
}

impl From<Unavailable> for FailedAttempt {
    fn from(down: Unavailable) -> Self {
        Self { down, leave_alone: None }
    }
}
