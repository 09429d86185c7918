//! Expected: E0277.
//!
//! `?` carries a failure to reach something into Unavailable, by name, and never into a refusal.

use std::io;

use auth_core::{Dependency, OrUnavailable, Stop};

pub fn ask(answer: Result<u8, io::Error>) -> Result<u8, Stop> {
    #[cfg(misuse)]
    let answer = answer?;
    #[cfg(not(misuse))]
    let answer = answer.or_unavailable(Dependency::Store)?;
    Ok(answer)
}
