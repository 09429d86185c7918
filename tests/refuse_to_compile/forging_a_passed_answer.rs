//! Expected: E0451.
//!
//! Nobody but the judge makes an answer that passed.

use gateway::{body::Body, upstream::VettedResponse};

#[cfg(misuse)]
pub fn forged(head: http::response::Parts, body: Body) -> VettedResponse {
    VettedResponse { head, body, denies: false, tunnel: None }
}

#[cfg(not(misuse))]
pub fn handed_on(_: http::response::Parts, _: Body, passed: VettedResponse) -> VettedResponse {
    passed
}
