//! A gateway that is changed while it runs, in a process of its own: another configuration, and what its clients see of it.

mod files;
mod reloads;
mod traffic;

use libtest_mimic::Trial;

pub(crate) fn tests() -> Vec<Trial> {
    [files::tests(), reloads::tests()].into_iter().flatten().collect()
}
