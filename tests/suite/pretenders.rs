//! The pretenders of the test world themselves: a test that stands on a broken one proves nothing.

use libtest_mimic::Trial;

pub(crate) fn tests() -> Vec<Trial> {
    Vec::new()
}
