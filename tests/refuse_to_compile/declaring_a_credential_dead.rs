//! Expected: E0451.
//!
//! Only the guard declares a credential dead, and only for a refusal that ends it.

use auth_core::{
    Now, Rejected,
    held::{CredentialId, Dead, Held},
};

pub fn declare(held: &Held, refusal: &Rejected, of: CredentialId, now: Now) -> Option<Dead> {
    #[cfg(misuse)]
    return Some(Dead { of });
    #[cfg(not(misuse))]
    return held.dead(refusal, of, now);
}
