//! What a device does.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

use super::stored::{Concealed, StoredState};

/// One thing to do. The actions of one event are done in their order, each to its end before the next.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClientAction {
    /// Write this where it outlives a power cut, whole or not at all. On failure tell
    /// [`NotStored`](super::ClientEvent::NotStored).
    Store {
        /// Everything that is kept.
        state: StoredState,
    },
    /// Erase these parts of what the app keeps, such as `calendar`; its token the device has forgotten itself.
    Wipe {
        /// As the signed statement lists them.
        parts: Vec<String>,
    },
    /// Send this, and hand in what comes. Redirects are not followed.
    Send {
        /// The request.
        request: ClientRequest,
    },
    /// Show this from now on.
    Show {
        /// What.
        screen: Screen,
    },
    /// Tell [`Timer`](super::ClientEvent::Timer) then, on the clock of [`Moment::now`](super::Moment::now). Instead of
    /// the timer before.
    Timer {
        /// When.
        at: Duration,
    },
    /// A word for the log.
    Report {
        /// Such as `statement-rejected`.
        word: String,
    },
}

/// An HTTP request, whole.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ClientRequest {
    /// By which its answer is known.
    pub number: u64,
    /// `GET` or `POST`.
    pub method: String,
    /// Scheme, host, path.
    pub url: String,
    /// Header fields, names in lower case.
    pub headers: Vec<(String, Concealed)>,
    /// The body, JSON; empty with GET.
    pub body: String,
    /// How long to wait for its answer.
    pub within: Duration,
}

/// What a screen shows.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Screen {
    /// Nothing yet, and it says so.
    Connecting,
    /// What the service gave.
    Live {
        /// Its answer.
        data: String,
    },
    /// What the service gave last, with its age.
    Kept {
        /// Its answer.
        data: String,
        /// When that was; `None`: before it was last switched on.
        as_of: Option<Duration>,
    },
    /// A PIN for an administrator to type, and the address to type it at (as a QR code too).
    Pin {
        /// The PIN.
        pin: String,
        /// The tag to show beside it; a gateway of before gives none.
        tag: Option<String>,
        /// The address, with both in it.
        uri: String,
        /// What it was given last, dimmed behind it.
        over: Option<String>,
    },
    /// A neutral picture: its data is kept, and not shown.
    Neutral,
}

/// Neither its headers nor its body: they hold the credential.
impl fmt::Debug for ClientRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{} {} {}", self.number, self.method, self.url)
    }
}
