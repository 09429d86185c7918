//! What the clock said at one moment, and what is over by it.

use super::{
    reckoning::{ReadingsState, UnseenTime},
    timestamp::{Steady, Timestamp},
};

/// What the clock said: the wall clock, an anchor that a step of it does not move, and a line that nothing steps.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    pub(super) wall: Timestamp,
    pub(super) anchor: Timestamp,
    pub(super) steady: Steady,
    pub(super) standing: ReadingsState,
    pub(super) unseen: Option<UnseenTime>,
    pub(super) guarded: bool,
}

/// Whether a moment lies behind us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Past {
    /// Both readings say it is still to come.
    No,
    /// Both readings say it is over.
    Yes,
    /// The wall clock and the anchor disagree about it, or neither knows.
    InDoubt,
}

impl Now {
    /// A moment about which there is no doubt.
    pub const fn at(moment: Timestamp) -> Self {
        Self {
            wall: moment,
            anchor: moment,
            steady: Steady::from_millis(moment.as_millis()),
            standing: ReadingsState::Agreed,
            unseen: None,
            guarded: false,
        }
    }

    /// The time to write down, and to tell others: the wall clock's, unless a witness said that it is wrong.
    pub const fn wall(self) -> Timestamp {
        self.wall
    }

    /// The earlier of the two readings: what is made now expires by it, so that it is not good for longer than it
    /// should be, whichever is right.
    pub fn earlier(self) -> Timestamp {
        self.wall.min(self.anchor)
    }

    /// The time as CLOCK_BOOTTIME carried it on: what is made now says by it when it began, since only this reading fits
    /// what was made before.
    pub const fn anchor(self) -> Timestamp {
        self.anchor
    }

    /// The later of the two readings.
    pub fn later(self) -> Timestamp {
        self.wall.max(self.anchor)
    }

    /// Where we are on the line that nothing steps.
    pub const fn steady(self) -> Steady {
        self.steady
    }

    /// When what was confirmed at `confirmed` and was to be confirmed again at `due` is due. Time that passed unseen (the
    /// machine was off, or paused from outside) counts once a witness has proven it.
    pub fn due(self, due: Steady, confirmed: Steady) -> Steady {
        due - self.unseen.map(|unseen| unseen.after(confirmed)).unwrap_or_default()
    }

    /// Whether `moment` has been reached.
    pub fn past(self, moment: Timestamp) -> Past {
        #[cfg(candor_mutants)]
        if crate::mutants::is("wall-clock-alone") {
            return if self.wall >= moment { Past::Yes } else { Past::No };
        }
        match (self.wall >= moment, self.anchor >= moment) {
            _ if self.standing == ReadingsState::Lost => Past::InDoubt,
            (false, false) => Past::No,
            (true, true) => Past::Yes,
            (true, false) | (false, true) => Past::InDoubt,
        }
    }

    /// Whether nobody knows which of the two readings is right.
    pub fn is_in_doubt(self) -> bool {
        match self.standing {
            ReadingsState::Doubted | ReadingsState::Lost => true,
            ReadingsState::Agreed | ReadingsState::Contradicted => false,
        }
    }

    /// Whether an expiry may be a mistake of the clock's: while the readings are apart, and for ten minutes after the
    /// wall clock was believed.
    pub fn expiry_may_be_a_mistake(self) -> bool {
        self.guarded
    }
}
