//! A display beside a door, as it was in January 2021: what it makes of an answer.
//!
//! It keeps its calendar through any failure. A 401 alone it takes for the truth: it erases its token and its calendar,
//! and asks for a PIN that somebody must type in. If an error answers that, it stays at "Authenticating…" for good.

use serde::Serialize;

use crate::exchange::Answer;

/// How a display is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Display {
    /// It has its token and its calendar.
    Working,
    /// It erased both, and asks for a PIN.
    Authenticating,
    /// It shows a PIN, and waits for a person.
    AtPin,
    /// It has no PIN, and asks no more.
    Stuck,
}

impl Display {
    /// Where it asks for its calendar: with its token, on a route for devices.
    pub(super) const CALENDAR: &'static str = "/api/calendar";

    /// Where it asks for a PIN: nobody is asked who they are.
    pub(super) const PIN: &'static str = "/open/device/pin";

    /// What it asks for next; nothing, if it waits for a person.
    pub(super) fn asks_for(self) -> Option<&'static str> {
        match self {
            Self::Working => Some(Self::CALENDAR),
            Self::Authenticating => Some(Self::PIN),
            Self::AtPin | Self::Stuck => None,
        }
    }

    /// How it is after what it asked for was answered so, or not at all.
    pub(super) fn after(self, answer: Option<&Answer>) -> Self {
        match (self, answer) {
            (Self::Working, Some(answer)) if answer.status == 401 => Self::Authenticating,
            (Self::Authenticating, Some(answer)) if holds(answer, b"\"pin\"") => Self::AtPin,
            (Self::Authenticating, Some(_)) => Self::Stuck,
            // Without an answer it tries again, whatever it asked for.
            _ => self,
        }
    }
}

/// Whether `answer` is a calendar for a program.
pub(super) fn is_calendar(answer: &Answer) -> bool {
    holds(answer, b"\"calendar\"")
}

/// Whether it is 200, JSON, and begins with an object of this first member.
fn holds(answer: &Answer, member: &[u8]) -> bool {
    let is_json = answer.content_type.as_deref().is_some_and(|kind| kind.starts_with("application/json"));
    answer.status == 200 && is_json && answer.beginning.strip_prefix(b"{").is_some_and(|rest| rest.starts_with(member))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, content_type: &str, body: &str) -> Answer {
        let content_type = Some(content_type.to_owned());
        Answer { status, content_type, beginning: body.as_bytes().to_vec(), ..Answer::default() }
    }

    fn json(status: u16, body: &str) -> Option<Answer> {
        Some(answer(status, "application/json; charset=utf-8", body))
    }

    fn page(status: u16) -> Option<Answer> {
        Some(answer(status, "text/html", "<h1>…</h1>"))
    }

    fn check(before: Display, answer: &Option<Answer>, after: Display) {
        assert_eq!(before.after(answer.as_ref()), after, "{before:?} after {answer:?}");
    }

    #[test]
    fn only_a_401_erases_a_display() {
        use Display::{Authenticating, Working};
        check(Working, &json(200, r#"{"calendar":[]}"#), Working);
        for status in [200, 204, 302, 400, 403, 404, 407, 429, 500, 502, 503, 504] {
            check(Working, &page(status), Working);
        }
        check(Working, &None, Working);
        check(Working, &json(401, "{}"), Authenticating);
        check(Working, &page(401), Authenticating);
    }

    #[test]
    fn an_error_in_place_of_a_pin_locks_it() {
        use Display::{AtPin, Authenticating, Stuck};
        check(Authenticating, &json(200, r#"{"pin":"123456"}"#), AtPin);
        check(Authenticating, &None, Authenticating);
        check(Authenticating, &json(200, r#"{"calendar":[]}"#), Stuck);
        for status in [200, 302, 401, 403, 404, 500, 502, 503] {
            check(Authenticating, &page(status), Stuck);
        }
    }

    #[test]
    fn who_waits_for_a_person_asks_nothing() {
        let asked = [Display::Working, Display::Authenticating, Display::AtPin, Display::Stuck].map(Display::asks_for);
        assert_eq!(asked, [Some(Display::CALENDAR), Some(Display::PIN), None, None]);
        for answer in [json(200, r#"{"calendar":[]}"#), page(401), None] {
            check(Display::AtPin, &answer, Display::AtPin);
            check(Display::Stuck, &answer, Display::Stuck);
        }
    }

    #[test]
    fn a_calendar_is_json_of_its_form() {
        let check = |answer: &Option<Answer>, expected| {
            assert_eq!(answer.as_ref().is_some_and(is_calendar), expected, "{answer:?}");
        };
        check(&json(200, r#"{"calendar":[]}"#), true);
        check(&json(503, r#"{"calendar":[]}"#), false);
        check(&json(200, r#"{"title":"calendar"}"#), false);
        check(&Some(answer(200, "text/html", r#"{"calendar":[]}"#)), false);
    }
}
