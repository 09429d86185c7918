//! What operators order, whichever way it comes: over the control socket, or by the admin listener.

use auth_core::{principal::Subject, session::renewal::HeldSessions, verdict::Unavailable};
use http::request;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    body::Received,
    fault::{BadRequest, Fault},
    own::{
        content::{self, ContentFault},
        form_page::bad_parameters,
    },
    response::{
        answer::{Answer, Why},
        own_answer::{OwnAnswer, OwnFailure},
        page::Page,
    },
};

/// The most that an order may hold, in bytes.
const LONGEST_ORDER: usize = 8 * 1024;
/// The longest reason, in characters.
pub(super) const LONGEST_REASON: usize = 500;

/// A person as their provider knows them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NamedUser {
    /// Whose.
    pub issuer: String,
    /// Which subject there.
    pub subject: String,
}

/// Which held sessions an order is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HeldChoice {
    /// All.
    All,
    /// Those of this provider, by its name in the configuration.
    Provider(String),
    /// The one with this id.
    Session(String),
}

impl NamedUser {
    /// The person.
    pub fn subject(&self) -> Subject {
        Subject::new(self.issuer.as_str(), self.subject.as_str())
    }
}

impl HeldChoice {
    /// What is chosen; nothing, if that is no id.
    pub fn parsed(&self) -> Option<HeldSessions> {
        Some(match self {
            Self::All => HeldSessions::All,
            Self::Provider(name) => HeldSessions::OfProvider(name.clone()),
            Self::Session(id) => HeldSessions::One(id.parse().ok()?),
        })
    }
}

/// The order that a program posted: one JSON object with exactly its members.
pub(super) async fn read<T: DeserializeOwned>(parts: &request::Parts, body: Received) -> Result<T, Answer> {
    let text = posted(parts, body, "application/json").await?;
    serde_json::from_slice(&text).map_err(|_| bad_parameters())
}

/// The form that a page posted.
pub(super) async fn read_form<T: DeserializeOwned>(parts: &request::Parts, body: Received) -> Result<T, Answer> {
    let text = posted(parts, body, "application/x-www-form-urlencoded").await?;
    serde_html_form::from_bytes(&text).map_err(|_| bad_parameters())
}

/// What stands in the address, each parameter once; nothing, if it makes no sense.
pub(super) fn read_query<T: DeserializeOwned>(parts: &request::Parts) -> Option<T> {
    serde_html_form::from_str(parts.uri.query().unwrap_or_default()).ok()
}

/// Why something is ordered: it is kept, and read by whoever wonders later, so it says something, on one line.
pub(super) fn reason(text: &str) -> Option<&str> {
    let text = text.trim();
    let fits = !text.is_empty() && text.chars().count() <= LONGEST_REASON && !text.chars().any(char::is_control);
    fits.then_some(text)
}

async fn posted(parts: &request::Parts, body: Received, media_type: &str) -> Result<Vec<u8>, Answer> {
    content::read(parts, body, media_type, LONGEST_ORDER).await.map_err(|fault| {
        Answer::Fault(match fault {
            ContentFault::WrongMediaType => Fault::WrongMediaType,
            ContentFault::TooLarge => Fault::BodyTooLarge,
            ContentFault::Broken => Fault::BadRequest(BadRequest::BodyBroken),
            ContentFault::Stalled => Fault::BadRequest(BadRequest::BodyStalled),
        })
    })
}

/// The sessions cannot be read.
pub(super) fn unlisted(down: &Unavailable) -> Answer {
    unavailable(down, "The sessions cannot be listed now. Ask again later.")
}

/// An order may have been carried out or not.
pub(super) fn uncertain(down: &Unavailable) -> Answer {
    unavailable(down, "Whether the order was carried out is not certain. Give it again later: twice does no harm.")
}

fn unavailable(down: &Unavailable, detail: &'static str) -> Answer {
    let page = Page::new("The database does not answer", detail).link("Held sessions", "/held");
    let failure = OwnFailure::Unavailable { retry_after: down.retry_after, detail };
    Answer::Own(OwnAnswer::failed(failure, page).log(Why::missing(down)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_says_something() {
        let check = |text: &str, expected: Option<&str>| assert_eq!(reason(text), expected, "{text:?}");
        check(" left the company ", Some("left the company"));
        for nothing in ["", "  ", "\t\n", "two\nlines", "a\u{0}b"] {
            check(nothing, None);
        }
        let longest = "\u{e4}".repeat(LONGEST_REASON);
        check(&longest, Some(&longest));
        check(&format!("{longest}x"), None);
    }
}
