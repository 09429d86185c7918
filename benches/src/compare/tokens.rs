//! The tokens that are sent, minted before anything is measured.

use std::{
    thread,
    time::{Duration, Instant},
};

use gateway::demo::{Idp, idp::AccessTokenSpec};

use super::work::Work;

/// How many tokens are in rotation where they have been seen before.
const IN_ROTATION: usize = 5000;

/// So many that were never seen are sent before it is measured what they cost.
pub(super) const WARM: usize = 300;

/// So many that were never seen are there for each second: a gateway that verifies more is done before the second is.
const A_SECOND: f64 = 20_000.0;

/// Long enough for every run.
const LIFETIME: Duration = Duration::from_secs(12 * 3600);

/// Tokens of one provider, all good.
#[derive(Default)]
pub(super) struct Tokens {
    /// One that nobody checks.
    pub(super) passed: String,
    /// Those that are sent again and again.
    pub(super) remembered: Vec<String>,
    /// Those that are sent once to each gateway, by round.
    pub(super) fresh: Vec<Vec<String>>,
}

impl Tokens {
    /// Mints what `works` need for this many rounds with spans of this length.
    pub(super) fn mint(provider: &Idp, works: &[Work], rounds: usize, closed: Duration, paced: Duration) -> Self {
        let a_round =
            (A_SECOND * closed.as_secs_f64() + Work::Fresh.rate() * paced.as_secs_f64()).ceil() as usize + WARM;
        let remembered = if works.contains(&Work::Remembered) { IN_ROTATION } else { 0 };
        let fresh = if works.contains(&Work::Fresh) { rounds * a_round } else { 0 };
        let all = 1 + remembered + fresh;
        eprintln!("signing {all} tokens, each about half a millisecond …");
        let begun = Instant::now();
        let mut minted = mint(provider, all);
        eprintln!("signed {all} tokens in {:.0?}", begun.elapsed());
        let mut take = |count: usize| minted.split_off(minted.len().saturating_sub(count));
        let fresh = (0..if fresh > 0 { rounds } else { 0 }).map(|_| take(a_round)).collect();
        Self { fresh, remembered: take(remembered), passed: take(1).pop().unwrap_or_default() }
    }
}

/// Each for somebody else, on all cores that this thread may use.
fn mint(provider: &Idp, count: usize) -> Vec<String> {
    let workers = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let part = |worker: usize| {
        let mine = (worker..count).step_by(workers);
        mine.map(|at| provider.mint(&AccessTokenSpec::of(&format!("program-{at}")).lasting(LIFETIME))).collect()
    };
    thread::scope(|scope| {
        let parts: Vec<_> = (0..workers).map(|worker| scope.spawn(move || -> Vec<String> { part(worker) })).collect();
        parts.into_iter().flat_map(|part| part.join().unwrap_or_default()).collect()
    })
}
