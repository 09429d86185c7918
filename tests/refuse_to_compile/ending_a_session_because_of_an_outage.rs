//! Expected: E0308.
//!
//! Nothing is forgotten because something was down: that takes a credential that is dead, or a logout.

use auth_core::{
    Unavailable,
    held::{Dead, Ended},
};

#[cfg(misuse)]
pub fn end(outage: Unavailable) -> Ended {
    Ended::Refused(outage)
}

#[cfg(not(misuse))]
pub fn end(dead: Dead) -> Ended {
    let _: Option<Unavailable> = None;
    Ended::Refused(dead)
}
