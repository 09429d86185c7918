//! Expected: E0451.
//!
//! Nobody but the judge makes an answer that passed.

use gateway::{body::Body, upstream::Passed};

#[cfg(misuse)]
pub fn forged(head: http::response::Parts, body: Body) -> Passed {
    Passed { head, body, denies: false }
}

#[cfg(not(misuse))]
pub fn handed_on(_: http::response::Parts, _: Body, passed: Passed) -> Passed {
    passed
}
