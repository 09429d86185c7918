//! Named bugs, for tests of the tests: each must turn the outage matrix red, or let an attack succeed. Compiled only
//! under `--cfg candor_mutants`, which a release build refuses.

#[cfg(not(debug_assertions))]
compile_error!("mutants must never be in a release build");

use std::sync::OnceLock;

/// Whether the environment variable `CANDOR_MUTANT` chooses the fault `word`.
pub fn is(word: &str) -> bool {
    static CHOSEN: OnceLock<Option<String>> = OnceLock::new();
    CHOSEN.get_or_init(|| std::env::var("CANDOR_MUTANT").ok()).as_deref() == Some(word)
}
