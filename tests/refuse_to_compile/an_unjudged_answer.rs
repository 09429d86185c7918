//! Expected: E0308.
//!
//! What an upstream says leaves only after the judge has passed it.

use gateway::{response::answer::Answer, body::Body, upstream::VettedResponse};

#[cfg(misuse)]
pub fn pass_on(answer: http::Response<Body>) -> Answer {
    Answer::Upstream(answer)
}

#[cfg(not(misuse))]
pub fn pass_on(answer: VettedResponse) -> Answer {
    let _: Option<http::Response<Body>> = None;
    Answer::Upstream(answer)
}
