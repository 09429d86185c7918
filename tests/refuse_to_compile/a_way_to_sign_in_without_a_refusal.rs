//! Expected: E0308.
//!
//! One of our own paths sends people to a provider or to a page of the site, and cannot name our own sign-in.

use gateway::{
    response::own_answer::{Destination, OwnAnswer},
    route::ReturnTo,
};

pub fn answer() -> OwnAnswer {
    #[cfg(misuse)]
    return OwnAnswer::redirect("/.candor/login");
    #[cfg(not(misuse))]
    return OwnAnswer::redirect(Destination::page(&ReturnTo::root()));
}
