//! TLS and HTTP/2 towards clients: who is shown which certificate, what changes under a running gateway, and that every
//! promise of plain HTTP/1.1 holds there too.

mod tls;

use libtest_mimic::Trial;

pub(crate) fn tests() -> Vec<Trial> {
    tls::tests()
}
