//! Attempts to get what only somebody else can give: one at a time, for everybody who needs it, with one back-off.
//!
//! After a failure the next attempt is made in the background: nobody's request is needed for it, and no number of
//! requests makes more of them. Whoever comes before it is turned away and told when it is. The back-off doubles up to
//! a minute, and to five seconds only once somebody has asked in vain, counted from the beginning of the attempt that
//! failed: so whoever asks more than five seconds after a provider is whole again is served. What the provider itself
//! asks for (`Retry-After`, RFC 9110 §10.2.3) comes first.

use std::{
    future::Future,
    sync::{Arc, Mutex, Weak},
    time::Duration,
};

use tokio::sync::Notify;

use super::{
    SingleFlight,
    back_off::{self, BackOff},
};
use crate::{
    background::Background,
    clock::{Clock, Now, Steady},
    lock::lock,
    verdict::Unavailable,
};

/// The attempts at one thing. Cheap to clone; clones share them.
pub(crate) struct Attempts<T>(Arc<Inner<T>>);

struct Inner<T> {
    /// What it is, for the log.
    what: String,
    clock: Clock,
    keeper: Background,
    flight: SingleFlight<Attempt<T>>,
    back_off: Mutex<BackOff>,
    /// Wakes who waits for the next attempt: it may have become another.
    changed: Notify,
}

/// One attempt, when it is over.
#[derive(Clone)]
struct Attempt<T> {
    begun: Steady,
    outcome: Result<T, Unavailable>,
}

/// Why an attempt failed.
pub(crate) struct FailedAttempt {
    down: Unavailable,
    leave_alone: Option<Duration>,
}

/// How things stood when somebody was about to begin an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BeforeAttempt {
    /// The last attempt went well, or there was none.
    Well,
    /// The last attempt failed, and the next is due.
    Failing,
}

/// No sleep is longer: the clock may move meanwhile, and a machine may be paused.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);

impl FailedAttempt {
    /// Whoever was asked wants to be left alone for this long, if they say so.
    pub(crate) fn leaving_alone(self, wait: Option<Duration>) -> Self {
        Self { leave_alone: wait, ..self }
    }
}

impl<T: Clone + Send + Sync + 'static> Attempts<T> {
    /// None yet. `what` says in the log what they are about.
    pub(crate) fn new(what: String, keeper: Background, clock: Clock) -> Self {
        let (flight, back_off) = (SingleFlight::new(keeper.clone()), Mutex::default());
        Self(Arc::new(Inner { what, clock, keeper, flight, back_off, changed: Notify::new() }))
    }

    /// The outcome of an attempt for somebody who needs it now: of the one under way, else of one that `work` begins,
    /// if the back-off is over and `may_begin` agrees. Who joins an attempt asks nobody.
    ///
    /// # Errors
    /// Unavailable, if it fails, or must not begin yet. It says when the next attempt is.
    pub(crate) async fn ask<F: Future<Output = Result<T, FailedAttempt>> + Send + 'static>(
        &self,
        may_begin: impl Fn(BeforeAttempt, Now) -> Result<(), Unavailable>,
        work: impl Fn() -> F,
    ) -> Result<T, Unavailable> {
        let asked = self.0.clock.now();
        if lock(&self.0.back_off).want(asked) {
            self.0.changed.notify_one();
        }
        let begin = || {
            let now = self.0.clock.now();
            let standing = lock(&self.0.back_off).standing(now)?;
            may_begin(standing, now)?;
            let attempt = self.attempt(now, work());
            lock(&self.0.back_off).want(now);
            Ok(attempt)
        };
        let mut joined = self.0.flight.join(begin).await;
        // One that was so old already says nothing about now.
        if joined.as_ref().is_ok_and(|attempt| attempt.outcome.is_err() && back_off::is_old(attempt.begun, asked)) {
            joined = self.0.flight.join(begin).await;
        }
        joined.and_then(|attempt| attempt.outcome).map_err(|down| {
            match lock(&self.0.back_off).wait(self.0.clock.now()) {
                Some(wait) => down.retry_after(wait),
                None => down,
            }
        })
    }

    /// Somebody needs it, and has to go on without: while it cannot be had, no pause is long. Waits for nothing.
    pub(crate) fn want(&self) {
        let now = self.0.clock.now();
        let mut back_off = lock(&self.0.back_off);
        if back_off.want(now) || back_off.wait(now) == Some(Duration::ZERO) {
            self.0.changed.notify_one();
        }
    }

    /// The outcome of an attempt that asks for no leave: of the one under way, else of one that begins now.
    ///
    /// # Errors
    /// Unavailable, if it fails.
    pub(crate) async fn make<F: Future<Output = Result<T, FailedAttempt>> + Send + 'static>(
        &self,
        work: impl FnOnce() -> F,
    ) -> Result<T, Unavailable> {
        self.0.flight.join(|| Ok(self.attempt(self.0.clock.now(), work()))).await?.outcome
    }

    /// Makes the next attempt whenever it is due, on the keeper, until nobody holds `of`: as the back-off says after a
    /// failure, else when `due_in` has passed. While the clock is in doubt it is due at once, and then every minute, since
    /// the answer may say what time it is.
    pub(crate) fn keep<O: Send + Sync + 'static, F: Future<Output = Result<T, FailedAttempt>> + Send + 'static>(
        &self,
        of: Weak<O>,
        due_in: impl Fn(&O, Now) -> Duration + Send + 'static,
        work: impl Fn(Arc<O>) -> F + Send + Sync + 'static,
    ) {
        let this = Self(Arc::clone(&self.0));
        self.0.keeper.spawn(async move {
            let mut doubts = this.0.clock.doubts();
            loop {
                let wait = {
                    let Some(of) = of.upgrade() else { return };
                    let now = this.0.clock.now();
                    let longest = if now.is_in_doubt() { LONGEST_SLEEP } else { Duration::MAX };
                    lock(&this.0.back_off).wait(now).unwrap_or_else(|| due_in(&of, now).min(longest))
                };
                let is_due = tokio::select! {
                    () = this.0.changed.notified() => false,
                    () = doubts.begun() => true,
                    () = tokio::time::sleep(wait.min(LONGEST_SLEEP)) => wait <= LONGEST_SLEEP,
                };
                let Some(of) = of.upgrade() else { return };
                if is_due {
                    // Its outcome is noted and logged where it is made.
                    let _ = this.make(|| work(of)).await;
                }
            }
        });
    }

    #[cfg(candor_mutants)]
    pub(crate) fn are_failing(&self) -> bool {
        lock(&self.0.back_off).wait(self.0.clock.now()).is_some()
    }

    /// Runs `work`, and notes what came of it. Until it has ended well it counts as failed: a panic is a failure too.
    fn attempt<F: Future<Output = Result<T, FailedAttempt>> + Send + 'static>(
        &self,
        now: Now,
        work: F,
    ) -> impl Future<Output = Attempt<T>> + Send + 'static {
        let this = Self(Arc::clone(&self.0));
        let begun = lock(&self.0.back_off).begin(now);
        async move {
            let outcome = work.await;
            let outcome = outcome.map_err(|failure| this.failed(failure));
            if outcome.is_ok() && lock(&this.0.back_off).succeed() {
                tracing::info!("{} can be had again", this.0.what);
            }
            this.0.changed.notify_one();
            Attempt { begun, outcome }
        }
    }

    fn failed(&self, FailedAttempt { down, leave_alone }: FailedAttempt) -> Unavailable {
        let mut back_off = lock(&self.0.back_off);
        if back_off.fail(&down, leave_alone, self.0.clock.now()) {
            tracing::warn!("{} cannot be had: {down}", self.0.what);
        } else {
            tracing::debug!("{} still cannot be had: {down}", self.0.what);
        }
        down
    }
}

impl From<Unavailable> for FailedAttempt {
    fn from(down: Unavailable) -> Self {
        Self { down, leave_alone: None }
    }
}
