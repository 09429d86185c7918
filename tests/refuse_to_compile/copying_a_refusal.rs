//! Expected: E0599.
//!
//! A refusal is spent where it is shown. A kept copy would refuse somebody else later.

use auth_core::Rejected;

pub fn show(rejected: Rejected) -> Rejected {
    #[cfg(misuse)]
    let rejected = rejected.clone();
    rejected
}
