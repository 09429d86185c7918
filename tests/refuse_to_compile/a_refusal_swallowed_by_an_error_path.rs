//! Expected: E0599.
//!
//! A refusal is no error: `or_unavailable` cannot turn a proven refusal into an outage by accident.

use auth_core::{Dependency, OrUnavailable, Rejected, Stop};

pub fn carry_on(judged: Result<(), Rejected>) -> Result<(), Stop> {
    #[cfg(misuse)]
    judged.or_unavailable(Dependency::Keys)?;
    #[cfg(not(misuse))]
    judged?;
    Ok(())
}
