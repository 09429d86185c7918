//! Expected: E0603.
//!
//! Who is outside auth-core cannot prove anything about a credential.

#[cfg(misuse)]
use auth_core::verdict::Proof;
#[cfg(not(misuse))]
use auth_core::verdict::Reason;

#[cfg(not(misuse))]
pub fn explain(reason: Reason) -> &'static str {
    reason.as_str()
}
