//! Steps of the gateway's wall clock: somebody sets it, or it comes up wrong.

use auth_core::Clock;

/// A step of the wall clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Step {
    /// Ten minutes ahead.
    TenMinutesAhead,
    /// A day ahead: beyond what any credential is good for.
    DayAhead,
    /// A day behind.
    DayBehind,
    /// Ten minutes behind.
    TenMinutesBehind,
}

impl Step {
    /// Every step.
    pub const ALL: [Self; 4] = [Self::TenMinutesAhead, Self::DayAhead, Self::DayBehind, Self::TenMinutesBehind];

    /// Steps `clock`.
    pub fn take(self, clock: &Clock) {
        clock.step_wall(self.seconds());
    }

    /// Steps it back to where it would be.
    pub fn take_back(self, clock: &Clock) {
        clock.step_wall(-self.seconds());
    }

    const fn seconds(self) -> i64 {
        const DAY: i64 = 24 * 3600;
        match self {
            Self::TenMinutesAhead => 600,
            Self::DayAhead => DAY,
            Self::DayBehind => -DAY,
            Self::TenMinutesBehind => -600,
        }
    }
}
