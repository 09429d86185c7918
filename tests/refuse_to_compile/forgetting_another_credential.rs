//! Expected: E0308.
//!
//! The right to forget is for the one credential that ended: for another there is none, and that is no cookie.

use auth_core::{credential::CredentialId, refusal_guard::Ended};
use gateway::{response::cookies::{ClearCookie, SetCookie}, config::site::Site};

pub fn forget(ended: &Ended, held: CredentialId, site: &Site) -> Option<SetCookie> {
    #[cfg(misuse)]
    return Some(SetCookie::forget_ticket(ClearCookie::because(ended, held), site));
    #[cfg(not(misuse))]
    return ClearCookie::because(ended, held).map(|because| SetCookie::forget_ticket(because, site));
}
