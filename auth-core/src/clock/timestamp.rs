//! Moments: of the wall clock, and of the line that no step of it moves.

use std::{
    fmt,
    ops::{Add, Sub},
    time::Duration,
};

use serde::{Deserialize, Serialize};

/// A moment, in milliseconds since the Unix epoch: what credentials, providers and people go by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

/// A moment on a line that no step of the wall clock moves: what ages, schedules and windows go by. Only its distance
/// from another one means anything. The line goes on across restarts, so it may lie on disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Steady(i64);

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
        duration_of(self.0.saturating_sub(earlier.0))
    }
}

impl Steady {
    /// A moment from its place on the line, in milliseconds.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Its place on the line, in milliseconds.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// The time from `earlier` to this moment; zero if `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        duration_of(self.0.saturating_sub(earlier.0))
    }
}

/// RFC 3339 in UTC, to the second: `2026-11-22T10:00:00Z`. A precision, `{:.3}`, adds digits of the second. What lies
/// beyond the years that it knows, 0000 to 9999, is shown as the first or the last moment of them.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const YEAR_ZERO: i64 = -62_167_219_200_000;
        let moment = jiff::Timestamp::from_millisecond(self.0.max(YEAR_ZERO)).unwrap_or(jiff::Timestamp::MAX);
        let digits = f.precision().unwrap_or(0);
        write!(f, "{moment:.digits$}")
    }
}

/// Whole milliseconds; none of a negative number.
pub(super) fn duration_of(millis: i64) -> Duration {
    Duration::from_millis(u64::try_from(millis).unwrap_or(0))
}

pub(super) fn millis_of(duration: Duration) -> i64 {
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

impl Add<Duration> for Steady {
    type Output = Self;
    fn add(self, by: Duration) -> Self {
        Self(self.0.saturating_add(millis_of(by)))
    }
}

impl Sub<Duration> for Steady {
    type Output = Self;
    fn sub(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(millis_of(by)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_never_runs_backwards_in_since() {
        assert_eq!(Timestamp::from_secs(1).since(Timestamp::from_secs(2)), Duration::ZERO);
        assert_eq!(Steady::from_millis(1).since(Steady::from_millis(2)), Duration::ZERO);
    }

    #[test]
    fn a_moment_reads_as_rfc_3339() {
        let check = |millis, expected: &str| assert_eq!(Timestamp::from_millis(millis).to_string(), expected);
        check(1_611_000_000_123, "2021-01-18T20:00:00Z");
        check(1_611_000_000_999, "2021-01-18T20:00:00Z");
        check(0, "1970-01-01T00:00:00Z");
        check(i64::MAX, "9999-12-30T22:00:00Z");
        check(-1, "1969-12-31T23:59:59Z");
        check(i64::MIN, "0000-01-01T00:00:00Z");
        assert_eq!(format!("{:.3}", Timestamp::from_millis(1_611_000_000_120)), "2021-01-18T20:00:00.120Z");
    }
}
