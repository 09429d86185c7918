//! Time: the one place that reads the wall clock.
//!
//! Everything else takes a [`Now`] as a parameter, so that a test can choose it and so that one request is judged
//! by one moment. `clippy.toml` bans `SystemTime::now` outside this file.

use std::{
    fmt,
    ops::{Add, Sub},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};

/// A moment, in milliseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

/// What the clock said: the wall clock, and an anchor that a step of the wall clock does not move.
///
/// Both agree today: nothing measures the anchor apart yet, so [`Now::past`] never answers
/// [`Past::InDoubt`]. Callers already match on all three, because a doubted clock must not sign anybody out.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    wall: Timestamp,
    anchor: Timestamp,
}

/// Whether a moment lies behind us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Past {
    /// Both clocks say it is still to come.
    No,
    /// Both clocks say it is over.
    Yes,
    /// The wall clock and the anchor disagree about it.
    InDoubt,
}

/// The source of [`Now`]. Cheap to clone; clones share one time.
#[derive(Clone)]
pub struct Clock(Source);

#[derive(Clone)]
enum Source {
    System,
    Set(Arc<AtomicI64>),
}

impl Timestamp {
    /// A moment from milliseconds since the Unix epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// A moment from whole seconds since the Unix epoch, the unit of JWT's `NumericDate` (RFC 7519 §2).
    pub const fn from_secs(secs: i64) -> Self {
        Self(secs.saturating_mul(1000))
    }

    /// Milliseconds since the Unix epoch.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since the Unix epoch, rounded down.
    pub const fn as_secs(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// The time from `earlier` to this moment; zero if `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl Now {
    /// A moment about which there is no doubt.
    pub const fn at(moment: Timestamp) -> Self {
        Self { wall: moment, anchor: moment }
    }

    /// What the wall clock says: the time to write down, and to tell others.
    pub const fn wall(self) -> Timestamp {
        self.wall
    }

    /// Whether `moment` has been reached.
    pub fn past(self, moment: Timestamp) -> Past {
        match (self.wall >= moment, self.anchor >= moment) {
            (false, false) => Past::No,
            (true, true) => Past::Yes,
            (true, false) | (false, true) => Past::InDoubt,
        }
    }
}

impl Clock {
    /// The machine's clock.
    pub const fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that stands still until [`Clock::advance`] moves it.
    pub fn standing_at(moment: Timestamp) -> Self {
        Self(Source::Set(Arc::new(AtomicI64::new(moment.as_millis()))))
    }

    /// Moves a standing clock, and its clones, forward. The machine's clock stays as it is.
    pub fn advance(&self, by: Duration) {
        if let Source::Set(millis) = &self.0 {
            millis.fetch_add(millis_of(by), Ordering::SeqCst);
        }
    }

    /// Reads the clock.
    pub fn now(&self) -> Now {
        Now::at(match &self.0 {
            Source::System => system_time(),
            Source::Set(millis) => Timestamp(millis.load(Ordering::SeqCst)),
        })
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the wall clock")]
fn system_time() -> Timestamp {
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => Timestamp(millis_of(since)),
        Err(before) => Timestamp(-millis_of(before.duration())),
    }
}

fn millis_of(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

impl Add<Duration> for Timestamp {
    type Output = Self;
    fn add(self, by: Duration) -> Self {
        Self(self.0.saturating_add(millis_of(by)))
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Self;
    fn sub(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(millis_of(by)))
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Source::System => "Clock(system)",
            Source::Set(_) => "Clock(standing)",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_past_when_it_is_reached() {
        let moment = Timestamp::from_secs(100);
        let check = |at, expected| assert_eq!(Now::at(Timestamp::from_millis(at)).past(moment), expected, "{at}");
        check(99_999, Past::No);
        check(100_000, Past::Yes);
        check(100_001, Past::Yes);
    }

    #[test]
    fn clocks_that_disagree_are_in_doubt() {
        let (early, late) = (Timestamp::from_secs(1), Timestamp::from_secs(9));
        let moment = Timestamp::from_secs(5);
        assert_eq!(Now { wall: early, anchor: late }.past(moment), Past::InDoubt);
        assert_eq!(Now { wall: late, anchor: early }.past(moment), Past::InDoubt);
    }

    #[test]
    fn clones_of_a_standing_clock_move_together() {
        let clock = Clock::standing_at(Timestamp::from_secs(7));
        let other = clock.clone();
        clock.advance(Duration::from_secs(3));
        assert_eq!(other.now().wall(), Timestamp::from_secs(10));
    }

    #[test]
    fn time_never_runs_backwards_in_since() {
        assert_eq!(Timestamp::from_secs(1).since(Timestamp::from_secs(2)), Duration::ZERO);
    }
}
