//! Both readings, as an operator looks at them.

use std::fmt;

use super::{reckoning::ReadingsState, timestamp::Timestamp};

/// Both readings, for an operator to look at.
#[derive(Clone, Copy, Debug)]
pub struct Readings {
    /// What the wall clock says.
    pub wall: Timestamp,
    /// The anchor.
    pub anchor: Timestamp,
    /// How they stand to one another, in words.
    pub standing: &'static str,
    /// Whether what only one of them calls over is neither admitted nor refused.
    pub in_doubt: bool,
}

impl ReadingsState {
    /// In words.
    pub(super) const fn explain(self) -> &'static str {
        match self {
            Self::Agreed => "they agree",
            Self::Doubted => "in doubt: nobody has said which is right",
            Self::Contradicted => "a provider said that the wall clock is wrong; the anchor counts",
            Self::Lost => "in doubt: the machine was started again, and the wall clock is behind the time last written",
        }
    }
}

impl fmt::Display for Readings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (wall, anchor) = (self.wall, self.anchor);
        write!(f, "wall clock  {wall}\nanchor      {anchor}\n{}", self.standing)
    }
}
