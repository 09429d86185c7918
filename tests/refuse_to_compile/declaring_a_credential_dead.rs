//! Expected: E0451.
//!
//! Only the guard declares a credential dead, and only for a refusal that ends it.

use auth_core::{
    Now, Rejected,
    credential::CredentialId,
    refusal_guard::{EndedCredential, RefusalGuard},
};

pub fn declare(guard: &RefusalGuard, refusal: &Rejected, of: CredentialId, now: Now) -> Option<EndedCredential> {
    #[cfg(misuse)]
    return Some(EndedCredential { of });
    #[cfg(not(misuse))]
    return guard.ended_by(refusal, of, now);
}
