//! The clients of the demonstration: real HTTP clients that ask every round, and do with the answer what such a client
//! does. Both sides have the same.

mod display;
mod person;
mod technician;

use http::header::RETRY_AFTER;

pub(super) use display::{Display, DisplayView, Mood, Turned};
pub(super) use person::{Person, PersonView};
pub(super) use technician::{PIN_PAGE, type_pin};

use super::browser::{NoAnswer, SeenPage};

/// The answer in a line: the status and where it leads, or why there was none.
fn line(met: &Result<SeenPage, NoAnswer>) -> String {
    match met {
        Ok(seen) => match (seen.location(), seen.header(RETRY_AFTER.as_str())) {
            (Some(to), _) => format!("{} → {}", seen.status, to.path()),
            (None, Some(seconds)) => format!("{}, retry in {seconds} s", seen.status),
            (None, None) => seen.status.to_string(),
        },
        Err(NoAnswer::Late(_)) => "no answer in time".to_owned(),
        Err(_) => "connection lost".to_owned(),
    }
}
