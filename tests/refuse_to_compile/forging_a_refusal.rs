//! Expected: E0451.
//!
//! A refusal is made from a proof, inside auth-core, and in no other way.

use auth_core::{Rejected, verdict::Reason};

#[cfg(misuse)]
pub fn forged(true_one: Rejected) -> Rejected {
    Rejected { reason: Reason::Expired, ..true_one }
}

#[cfg(not(misuse))]
pub fn handed_on(true_one: Rejected) -> Rejected {
    let _: Reason = true_one.reason();
    true_one
}
