//! Expected: E0308.
//!
//! Only a ticket is kept as a ticket: with another text, empty, it would be taken back without a right to that.

use auth_core::{Now, session::Ticket};
use gateway::{
    config::site::Site,
    response::cookies::{NotACookie, SetCookie},
};

pub fn keep(ticket: &Ticket, now: Now, site: &Site) -> Result<SetCookie, NotACookie> {
    #[cfg(misuse)]
    return SetCookie::ticket("", now, site);
    #[cfg(not(misuse))]
    return SetCookie::ticket(ticket, now, site);
}
