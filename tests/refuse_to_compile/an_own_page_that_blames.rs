//! Expected: E0308.
//!
//! A page of our own cannot say 401: its statuses blame nobody.

use gateway::{
    fault::FaultStatus,
    response::{own_answer::OwnAnswer, page::Page},
};

pub fn answer() -> OwnAnswer {
    let page = OwnAnswer::page(Page::new("Sign in", "You are not signed in."));
    #[cfg(misuse)]
    return page.status(http::StatusCode::UNAUTHORIZED);
    #[cfg(not(misuse))]
    return page.status(FaultStatus::BadRequest);
}
