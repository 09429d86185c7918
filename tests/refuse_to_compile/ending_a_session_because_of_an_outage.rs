//! Expected: E0308.
//!
//! Nothing is forgotten because something was down: that takes a credential that is dead, or a logout.

use auth_core::{
    Unavailable,
    refusal_guard::{EndedCredential, Ended},
};

#[cfg(misuse)]
pub fn end(outage: Unavailable) -> Ended {
    Ended::Refused(outage)
}

#[cfg(not(misuse))]
pub fn end(dead: EndedCredential) -> Ended {
    let _: Option<Unavailable> = None;
    Ended::Refused(dead)
}
