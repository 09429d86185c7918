//! TLS and HTTP/2 towards clients: who is shown which certificate, what changes under a running gateway, and that every
//! promise of plain HTTP/1.1 holds there too.

mod floods;
mod h2spec;
mod http2;
mod tls;

use libtest_mimic::Trial;

pub(crate) fn tests() -> Vec<Trial> {
    [floods::tests(), h2spec::tests(), http2::tests(), tls::tests()].into_iter().flatten().collect()
}
