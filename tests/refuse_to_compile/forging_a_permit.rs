//! Expected: E0451.
//!
//! A permit comes from a verdict and a requirement, and from nothing else.

use auth_core::{Now, Permit, Requirement, Stop, Verdict, permit, policy::Holder};

#[cfg(misuse)]
pub fn let_through(requirement: &Requirement) -> Permit {
    Permit { holder: Holder::Anyone, requirement: requirement.id() }
}

#[cfg(not(misuse))]
pub fn let_through(verdict: Verdict, requirement: &Requirement, now: Now) -> Result<Permit, Stop> {
    let _: Option<Holder> = None;
    permit(verdict, requirement, now)
}
