//! How the two readings stand to one another, and what a witness changes. No I/O, and the readings are parameters.
//!
//! Both the anchor and the steady line are CLOCK_BOOTTIME and a distance, so carrying them on takes no work. All
//! numbers here are milliseconds.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    Now,
    source::Reading,
    timestamp::{Steady, Timestamp, duration_of, millis_of},
    witness::Witness,
};

/// Readings that are further apart than this are in doubt.
pub(super) const APART: i64 = 30_000;

/// How much closer they must come for doubt to end. Each clock is read to the millisecond and at its own moment, so two
/// that are just so far apart would otherwise be in doubt by every other reading, and ask every provider each time.
const SETTLED: i64 = 1_000;

/// How far from a reading a witness may be. Half of [`APART`], so that no exact witness fits two readings in doubt.
const TOLERANCE: i64 = 15_000;

/// A witness to less than this moves the anchor while nothing is in doubt.
const EXACT: i64 = 10_000;

/// For so long after the wall clock was believed, expiry may be a mistake, and who contradicts is heard.
const GUARDED: Duration = Duration::from_secs(600);

/// How the two readings stand to one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReadingsState {
    /// Within [`APART`].
    Agreed,
    /// Apart, and nobody has said which is right.
    Doubted,
    /// Apart, and a witness has said that it is the anchor which is right.
    Contradicted,
    /// The machine was started again, and the wall clock is behind the time last written. So it is wrong, and the
    /// anchor does not know how long the machine was off.
    Lost,
}

/// Where the readings stand to CLOCK_BOOTTIME.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Reckoning {
    /// How far the anchor is ahead of CLOCK_BOOTTIME.
    anchor: i64,
    /// The same of the steady line.
    steady: i64,
    /// The time last written before the machine was started again. A wall clock behind it is wrong.
    #[serde(default)]
    written: Option<i64>,
    /// How far the wall clock was ahead of CLOCK_BOOTTIME when a witness contradicted it.
    #[serde(default)]
    contradicted: Option<i64>,
    /// The anchor that was given up when a witness chose the wall clock.
    #[serde(default)]
    given_up: Option<GivenUp>,
    /// Witnesses contradicted each other, so none of them is believed.
    #[serde(default)]
    contested: bool,
    /// When the wall clock was believed last.
    #[serde(default)]
    believed: Option<Steady>,
    /// When the doubt that goes on began.
    #[serde(default)]
    doubted: Option<Steady>,
    #[serde(default)]
    unseen: Option<UnseenTime>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct GivenUp {
    anchor: i64,
    at: Steady,
}

/// Time that CLOCK_BOOTTIME did not see pass (the machine was off, or paused from outside), as a witness proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct UnseenTime {
    pub(super) before: Steady,
    pub(super) millis: i64,
}

/// What became of a witness.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WitnessOutcome {
    /// It says what we know.
    Confirmed,
    /// It said that the wall clock is right, and the anchor follows.
    ChoseWall,
    /// It said that the anchor is right.
    ChoseAnchor,
    /// It contradicts another witness: from now on none is believed.
    Contested,
    /// It fits no reading.
    Unfit,
    /// It fits more than one, or nobody is believed any more.
    Undecided,
}

impl Reckoning {
    /// The anchor begins where the wall clock is.
    pub(super) fn begun(reading: Reading) -> Self {
        let line = reading.wall.saturating_sub(reading.since_boot);
        Self {
            anchor: line,
            steady: line,
            written: None,
            contradicted: None,
            given_up: None,
            contested: false,
            believed: None,
            doubted: None,
            unseen: None,
        }
    }

    /// The same after the machine was started again. `then`: both clocks as this was written down, `up`: how long the
    /// machine is up that reads it, as far as that is known. How long it was off, nobody knows.
    pub(super) fn after_a_boot(self, then: Reading, up: i64, now: Reading) -> Self {
        let carried = up.saturating_sub(now.since_boot);
        let anchor = self.anchor_at(then);
        let written = if self.standing(then) == ReadingsState::Agreed { anchor.min(then.wall) } else { anchor };
        Self {
            anchor: anchor.saturating_add(carried),
            steady: self.steady_at(then).as_millis().saturating_add(carried),
            written: Some(written),
            contradicted: None,
            given_up: None,
            contested: false,
            doubted: None,
            ..self
        }
    }

    pub(super) fn standing(&self, reading: Reading) -> ReadingsState {
        let behind = self.written.is_some_and(|written| reading.wall < written);
        let were_apart = self.doubted.is_some() || self.contradicted.is_some();
        let most = if were_apart { APART - SETTLED } else { APART };
        let apart = reading.wall.saturating_sub(self.anchor_at(reading)).saturating_abs() > most;
        if !behind && !apart {
            return ReadingsState::Agreed;
        }
        let line = reading.wall.saturating_sub(reading.since_boot);
        if self.contradicted.is_some_and(|wrong| line.saturating_sub(wrong).saturating_abs() <= APART) {
            return ReadingsState::Contradicted;
        }
        if behind { ReadingsState::Lost } else { ReadingsState::Doubted }
    }

    /// The two readings, as requests are judged by them.
    pub(super) fn now(&self, reading: Reading) -> Now {
        let standing = self.standing(reading);
        let (anchor, steady) = (self.anchor_at(reading), self.steady_at(reading));
        let wall = if standing == ReadingsState::Contradicted { anchor } else { reading.wall };
        let lately = self.believed.is_some_and(|at| steady.since(at) < GUARDED);
        Now {
            wall: Timestamp::from_millis(wall),
            anchor: Timestamp::from_millis(anchor),
            steady,
            standing,
            unseen: self.unseen,
            guarded: lately || standing != ReadingsState::Agreed,
        }
    }

    pub(super) fn anchor_at(&self, reading: Reading) -> i64 {
        reading.since_boot.saturating_add(self.anchor)
    }

    fn steady_at(&self, reading: Reading) -> Steady {
        Steady::from_millis(reading.since_boot.saturating_add(self.steady))
    }

    /// Notes that the standing has changed to what it is now.
    pub(super) fn changed(mut self, reading: Reading) -> Self {
        match self.standing(reading) {
            ReadingsState::Agreed => {
                self.contradicted = None;
                self.contested = false;
                self.doubted = None;
            }
            ReadingsState::Contradicted => {}
            ReadingsState::Doubted | ReadingsState::Lost => {
                let now = self.steady_at(reading);
                self.contradicted = None;
                self.doubted.get_or_insert(now);
            }
        }
        self
    }

    /// Takes in what a witness says, heard at `reading`.
    pub(super) fn hear(mut self, reading: Reading, witness: Witness) -> (Self, WitnessOutcome) {
        let fits = |moment: i64| {
            witness.from.as_millis().saturating_sub(TOLERANCE) <= moment
                && moment <= witness.to.as_millis().saturating_add(TOLERANCE)
        };
        let (wall, anchor) = (fits(reading.wall), fits(self.anchor_at(reading)));
        let heard = match (self.standing(reading), wall, anchor) {
            (ReadingsState::Agreed, false, false) => self.remember(reading, fits),
            (ReadingsState::Agreed, ..) => {
                if wall && millis_of(witness.to.since(witness.from)) <= EXACT {
                    self.anchor = reading.wall.saturating_sub(reading.since_boot);
                    self.written = None;
                }
                WitnessOutcome::Confirmed
            }
            (ReadingsState::Contradicted, _, true) => WitnessOutcome::Confirmed,
            (ReadingsState::Contradicted, true, false) => {
                self.contradicted = None;
                self.contested = true;
                WitnessOutcome::Contested
            }
            (ReadingsState::Contradicted | ReadingsState::Doubted | ReadingsState::Lost, false, false) => {
                WitnessOutcome::Unfit
            }
            (ReadingsState::Doubted | ReadingsState::Lost, ..) if self.contested => WitnessOutcome::Undecided,
            (ReadingsState::Doubted | ReadingsState::Lost, true, true) => {
                if millis_of(witness.to.since(witness.from)) <= EXACT {
                    self.written = None;
                }
                WitnessOutcome::Undecided
            }
            (ReadingsState::Doubted | ReadingsState::Lost, true, false) => {
                let anchor = self.anchor;
                self = self.believing_the_wall(reading);
                self.given_up = Some(GivenUp { anchor, at: self.steady_at(reading) });
                WitnessOutcome::ChoseWall
            }
            (ReadingsState::Doubted | ReadingsState::Lost, false, true) => {
                self.contradicted = Some(reading.wall.saturating_sub(reading.since_boot));
                WitnessOutcome::ChoseAnchor
            }
        };
        (self, heard)
    }

    /// A witness that fits no reading, while both agree. Perhaps it fits the anchor that another one had us give up.
    fn remember(&mut self, reading: Reading, fits: impl Fn(i64) -> bool) -> WitnessOutcome {
        let now = self.steady_at(reading);
        match self.given_up {
            Some(GivenUp { anchor, at })
                if now.since(at) < GUARDED && fits(reading.since_boot.saturating_add(anchor)) =>
            {
                self.anchor = anchor;
                self.given_up = None;
                self.unseen = None;
                self.contested = true;
                WitnessOutcome::Contested
            }
            Some(_) | None => WitnessOutcome::Unfit,
        }
    }

    /// The wall clock is right: the anchor follows it.
    pub(super) fn believing_the_wall(self, reading: Reading) -> Self {
        let now = self.steady_at(reading);
        let ahead = reading.wall.saturating_sub(self.anchor_at(reading));
        let unseen = (ahead > APART).then(|| UnseenTime { before: self.doubted.unwrap_or(now), millis: ahead });
        Self {
            anchor: reading.wall.saturating_sub(reading.since_boot),
            steady: self.steady,
            written: None,
            contradicted: None,
            given_up: None,
            contested: false,
            believed: Some(now),
            doubted: None,
            unseen: unseen.or(self.unseen),
        }
    }
}

impl UnseenTime {
    /// How much of it lies after `moment`.
    pub(super) fn after(self, moment: Steady) -> Duration {
        if moment <= self.before { duration_of(self.millis) } else { Duration::ZERO }
    }
}
