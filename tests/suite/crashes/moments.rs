//! Random moments, the same ones for the same seed: some beats after something happened for the nth time.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use gateway::demo::Part;

use super::people::Stage;

/// Repeats the moments of a run that printed it.
const SEED: &str = "CANDOR_SEED";

/// How often is looked what has happened.
const BEAT: Duration = Duration::from_millis(1);

/// If what is waited for does not happen in so many beats, it does not.
const NEVER: u64 = 3000;

/// Where people are.
#[derive(Default)]
pub(super) struct Progress {
    pub(super) callbacks_sent: AtomicUsize,
    pub(super) logouts_sent: AtomicUsize,
    pub(super) answers: AtomicUsize,
}

/// What a moment is counted from.
#[derive(Clone, Copy, Debug)]
enum Event {
    /// A browser comes back from the provider.
    Callback,
    /// The provider is asked for tokens: at a sign-in or a renewal.
    TokenRequest,
    /// Somebody asks to be signed out.
    Logout,
    /// Somebody was answered, whatever they asked.
    Answer,
}

/// When the gateway is killed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    event: Event,
    nth: usize,
    /// So many beats later.
    then: u64,
}

/// A small generator (splitmix64).
pub(super) struct Random {
    seed: u64,
    state: u64,
}

impl Event {
    fn count(self, stage: &Stage) -> usize {
        let progress = &stage.progress;
        match self {
            Self::Callback => progress.callbacks_sent.load(Ordering::SeqCst),
            Self::TokenRequest => stage.world.idp.asked(Part::Token),
            Self::Logout => progress.logouts_sent.load(Ordering::SeqCst),
            Self::Answer => progress.answers.load(Ordering::SeqCst),
        }
    }
}

impl Moment {
    pub(super) fn drawn(random: &mut Random) -> Self {
        let (event, most) = match random.below(8) {
            0 => (Event::Callback, 2),
            1..=4 => (Event::TokenRequest, 5),
            5..=6 => (Event::Logout, 2),
            _ => (Event::Answer, 30),
        };
        let nth = 1 + usize::try_from(random.below(most)).expect("small");
        // Often at once, since that is where things are written down.
        let longest = [1, 4, 16, 64][usize::try_from(random.below(4)).expect("small")];
        Self { event, nth, then: random.below(longest) }
    }

    /// Waits for it.
    pub(super) async fn come(self, stage: &Stage) {
        let begun = self.event.count(stage);
        let mut beat = tokio::time::interval(BEAT);
        // One that was missed is no moment.
        beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        for _ in 0..NEVER {
            if self.event.count(stage) >= begun + self.nth {
                break;
            }
            beat.tick().await;
        }
        for _ in 0..self.then {
            beat.tick().await;
        }
    }
}

impl Random {
    /// By the seed that the environment gives, or another each time.
    pub(super) fn drawn() -> Self {
        let given = std::env::var(SEED).ok().map(|given| given.parse().expect("a seed is a number"));
        let seed = given.unwrap_or_else(|| {
            let mut bytes = [0; 4];
            aws_lc_rs::rand::fill(&mut bytes).expect("random bytes");
            u32::from_be_bytes(bytes).into()
        });
        Self { seed, state: seed }
    }

    pub(super) fn seed(&self) -> u64 {
        self.seed
    }

    fn below(&mut self, end: u64) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }

    /// Takes any one out.
    pub(super) fn take<T>(&mut self, from: &mut Vec<T>) -> Option<T> {
        let end = u64::try_from(from.len()).expect("not many");
        (end > 0).then(|| from.swap_remove(usize::try_from(self.below(end)).expect("below the length")))
    }
}
