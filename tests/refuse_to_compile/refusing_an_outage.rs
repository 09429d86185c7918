//! Expected: E0308.
//!
//! Not being able to tell is no refusal, and nothing makes one of it.

use auth_core::{Rejected, Stop, Unavailable};

#[cfg(misuse)]
pub fn refuse(outage: Unavailable) -> Stop {
    Stop::Rejected(outage)
}

#[cfg(not(misuse))]
pub fn stop(outage: Unavailable) -> Stop {
    Stop::Unavailable(outage)
}

pub fn refuse_truly(rejected: Rejected) -> Stop {
    Stop::Rejected(rejected)
}
