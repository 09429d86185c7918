//! What the page is told: how everything is after each round, and a sample of it for the chart.

use std::collections::{BTreeMap, VecDeque};

use serde::Serialize;

use super::cast::{DisplayView, Mood, PersonView};

/// How everything is after a round.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct ShowState {
    /// Grows with everything that is published.
    pub(super) edition: u64,
    pub(super) round: u64,
    /// Milliseconds since 1970.
    pub(super) at: i64,
    /// The local time of day, `HH:MM`.
    pub(super) time: String,
    pub(super) without: SideState,
    pub(super) with: SideState,
    /// By part: `healthy`, or the word of what is wrong with it.
    pub(super) faults: BTreeMap<&'static str, &'static str>,
    /// In how many rounds what is broken heals by itself.
    pub(super) heals_in: Option<u32>,
    /// Whether somebody goes from display to display on the left, typing PINs.
    pub(super) technicians: bool,
    /// The room whose display was revoked on the right.
    pub(super) revoked: Option<&'static str>,
}

/// How one side is.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct SideState {
    pub(super) counts: Counts,
    pub(super) displays: Vec<DisplayView>,
    pub(super) people: Vec<PersonView>,
}

/// The figures of one side.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(super) struct Counts {
    /// Displays that were answered just now.
    pub(super) online: usize,
    /// Displays that show what they were sent before.
    pub(super) kept: usize,
    /// Displays without a token.
    pub(super) asking: usize,
    /// How often a display erased itself, since the beginning.
    pub(super) erased: u32,
    /// How often somebody was signed out, since the beginning.
    pub(super) signed_out: u32,
    /// How many PINs people had to type, since the beginning.
    pub(super) typed: u32,
}

/// One point of the chart.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Sample {
    at: i64,
    broken: Vec<String>,
    without: Counts,
    with: Counts,
}

/// The last minutes, oldest first.
#[derive(Debug, Default)]
pub(super) struct History(VecDeque<Sample>);

/// Ten minutes of rounds of a second.
const KEPT: usize = 600;

impl Counts {
    /// Counts how displays are, anew.
    pub(super) fn count(&mut self, moods: impl Iterator<Item = Mood>) {
        (self.online, self.kept, self.asking) = (0, 0, 0);
        for mood in moods {
            match mood {
                Mood::Online => self.online += 1,
                Mood::Kept | Mood::Blank => self.kept += 1,
                Mood::Pin | Mood::NoPin => self.asking += 1,
            }
        }
    }
}

impl History {
    pub(super) fn add(&mut self, state: &ShowState) {
        if self.0.len() == KEPT {
            self.0.pop_front();
        }
        let broken = state.faults.iter().filter(|(_, word)| **word != "healthy");
        let broken = broken.map(|(part, word)| format!("{part}/{word}")).collect();
        self.0.push_back(Sample { at: state.at, broken, without: state.without.counts, with: state.with.counts });
    }

    pub(super) fn samples(&self) -> &VecDeque<Sample> {
        &self.0
    }
}
