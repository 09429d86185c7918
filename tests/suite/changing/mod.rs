//! A gateway that is changed while it runs, in a process of its own: another configuration,
//! another program, an end; and what its clients see of it.

mod files;
mod reloads;
mod sockets;
mod traffic;
mod upgrades;

use libtest_mimic::Trial;

pub(crate) fn tests() -> Vec<Trial> {
    [files::tests(), reloads::tests(), sockets::tests(), upgrades::tests()].into_iter().flatten().collect()
}
