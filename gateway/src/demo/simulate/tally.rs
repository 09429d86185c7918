//! What people would see on the walls.

use std::{
    fmt::Write as _,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use auth_core::lock::lock;

use super::answers::Answers;

/// What one screen shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shows {
    /// It is not switched on.
    Off,
    /// Nothing yet.
    Nothing,
    /// What the service gives.
    Live,
    /// What the service gave last.
    Kept,
    /// A PIN.
    Pin,
    /// A neutral picture.
    Neutral,
    /// That something went wrong, where a PIN should be.
    Stuck,
}

/// All screens.
#[derive(Debug)]
pub struct Tally {
    screens: Mutex<Vec<Seen>>,
    requests: AtomicU64,
    served: AtomicU64,
    counted: AtomicU64,
    /// What they were answered.
    pub answers: Answers,
}

/// What one screen shows, and what it ever showed.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    /// What it shows.
    pub shows: Shows,
    /// It erased what it held, at least once.
    pub wiped: bool,
    /// It asked for a PIN, at least once.
    pub asked_for_a_pin: bool,
    /// It was served, at least once since this was last forgotten.
    pub served: bool,
}

impl Seen {
    const OFF: Self = Self { shows: Shows::Off, wiped: false, asked_for_a_pin: false, served: false };
}

impl Tally {
    pub(super) fn of(count: usize) -> Self {
        let screens = Mutex::new(vec![Seen::OFF; count]);
        Self {
            screens,
            requests: AtomicU64::new(0),
            served: AtomicU64::new(0),
            counted: AtomicU64::new(0),
            answers: Answers::default(),
        }
    }

    /// Every screen, by number.
    pub fn screens(&self) -> Vec<Seen> {
        lock(&self.screens).clone()
    }

    /// Forgets what was, and knows what is.
    pub fn forget(&self) {
        for seen in &mut *lock(&self.screens) {
            *seen = Seen { shows: seen.shows, ..Seen::OFF };
        }
    }

    /// Forgets who was served; the rest stands.
    pub fn forget_served(&self) {
        for seen in &mut *lock(&self.screens) {
            seen.served = false;
        }
    }

    /// How many requests went out.
    pub fn requests(&self) -> u64 {
        self.requests.load(Relaxed)
    }

    /// How many of them were answered with what was asked for.
    pub fn requests_served(&self) -> u64 {
        self.served.load(Relaxed)
    }

    pub(super) fn shows(&self, number: usize, shows: Shows) {
        if let Some(seen) = lock(&self.screens).get_mut(number) {
            seen.shows = shows;
            seen.asked_for_a_pin |= matches!(shows, Shows::Pin | Shows::Stuck);
        }
    }

    pub(super) fn served(&self, number: usize) {
        self.served.fetch_add(1, Relaxed);
        if let Some(seen) = lock(&self.screens).get_mut(number) {
            seen.served = true;
        }
    }

    pub(super) fn wiped(&self, number: usize) {
        if let Some(seen) = lock(&self.screens).get_mut(number) {
            seen.wiped = true;
        }
    }

    pub(super) fn asked(&self) {
        self.requests.fetch_add(1, Relaxed);
    }

    /// All that there is to see now. The requests are those since the last line.
    pub(super) fn line(&self) -> String {
        let screens = self.screens();
        let requests = self.requests();
        let since = requests - self.counted.swap(requests, Relaxed);
        let mut line = format!("{} devices:", screens.iter().filter(|seen| seen.shows != Shows::Off).count());
        for (shows, word) in [
            (Shows::Live, "live"),
            (Shows::Kept, "with what they had"),
            (Shows::Nothing, "connecting"),
            (Shows::Pin, "with a PIN"),
            (Shows::Neutral, "neutral"),
            (Shows::Stuck, "stuck"),
        ] {
            let count = screens.iter().filter(|seen| seen.shows == shows).count();
            if count > 0 || shows == Shows::Live {
                // Writing to a string does not fail.
                let _ = write!(line, " {count} {word},");
            }
        }
        let wiped = screens.iter().filter(|seen| seen.wiped).count();
        format!("{line} {wiped} wiped; {since} requests; so far {} refused", self.answers.refused())
    }

    /// What it came to.
    pub(super) fn summary(&self) -> String {
        let screens = self.screens();
        let count = |is: fn(&Seen) -> bool| screens.iter().filter(|seen| is(seen)).count();
        format!(
            "simulated: {} devices, {} requests, {} were served, {} wiped, {} asked for a PIN; at the end {} live\nanswers: {}",
            screens.len(),
            self.requests(),
            count(|seen| seen.served),
            count(|seen| seen.wiped),
            count(|seen| seen.asked_for_a_pin),
            count(|seen| seen.shows == Shows::Live),
            self.answers,
        )
    }
}
