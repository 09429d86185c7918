//! Random bytes of the operating system's, for whatever must not be guessed. Where it has none, nothing is made up: what
//! needed them is unavailable.

use aws_lc_rs::rand;

use crate::{
    dependency::Dependency,
    verdict::{OrUnavailable, Unavailable},
};

/// `N` random bytes.
///
/// # Errors
/// Unavailable, if the system has no randomness.
pub(crate) fn random_bytes<const N: usize>() -> Result<[u8; N], Unavailable> {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).or_unavailable(Dependency::Keyring)?;
    Ok(bytes)
}
