//! Services that link `auth-core`: the examples as they stand in the crate, while their provider is broken; and the same
//! verdicts behind each door.

mod doors;
mod examples;
mod papers;

use libtest_mimic::Trial;

pub(crate) fn tests() -> Vec<Trial> {
    [doors::tests(), examples::tests(), papers::tests()].into_iter().flatten().collect()
}
