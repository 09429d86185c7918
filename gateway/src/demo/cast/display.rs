//! The app on a wall display as it was in January 2021, unmodified: a 401 makes it erase itself and ask for a PIN; with
//! any other trouble it keeps what it has.
//!
//! It knows nothing of Candor, and is the same on both walls.

use std::time::Duration;

use auth_core::Timestamp;
use http::{HeaderName, HeaderValue, Method, StatusCode};
use serde::{Deserialize, Serialize};
use url::Url;

use super::{
    super::{
        browser::{Browser, NoAnswer, SeenPage},
        calendar::Meeting,
        displays::{CALENDAR, PIN},
    },
    line,
};

/// Longer than the gates' own deadlines, so that their answer is seen and not ours.
const PATIENCE: Duration = Duration::from_secs(4);

/// A wall display.
pub(in super::super) struct Display {
    /// What is painted on the wall beside it.
    room: &'static str,
    gate: Url,
    memory: Memory,
    answer: String,
}

/// What the app has stored.
enum Memory {
    /// A token, and what it was last sent.
    Activated { token: String, kept: Option<Kept>, is_fresh: bool },
    /// Nothing, and perhaps a PIN on the screen. `by`: the answer that made it erase itself; none, if it is new.
    Erased { by: Option<String>, pin: Option<ShownPin> },
}

/// Theme and calendar, and when they came.
struct Kept {
    calendar: CalendarAnswer,
    at: Timestamp,
}

#[derive(Deserialize)]
struct CalendarAnswer {
    room: String,
    #[serde(default)]
    theme: String,
    meetings: Vec<Meeting>,
}

#[derive(Deserialize)]
struct ShownPin {
    pin: String,
    id: String,
}

#[derive(Deserialize)]
struct PinAnswer {
    status: String,
    token: Option<String>,
}

/// How a display is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(in super::super) enum Mood {
    /// It shows what it was sent just now.
    Online,
    /// It shows what it was sent before, with its age.
    Kept,
    /// It has a token, and was never sent anything.
    Blank,
    /// It erased itself, or is new, and asks for a PIN to be typed.
    Pin,
    /// The same, but it was refused a PIN to show.
    NoPin,
}

/// What became of a display in a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Turned {
    Nothing,
    Erased,
    Activated,
}

/// What the page is told of a display.
#[derive(Clone, Debug, Serialize)]
pub(in super::super) struct DisplayView {
    room: String,
    mood: Mood,
    theme: String,
    meetings: Vec<Meeting>,
    /// Milliseconds since 1970.
    as_of: Option<i64>,
    pin: Option<String>,
    /// What it was last answered.
    answer: String,
    /// The answer that made it erase itself, if that is why it has no token.
    erased_by: Option<String>,
}

impl Display {
    /// A display that holds `token`, behind the gate at this address.
    pub(in super::super) fn activated(room: &'static str, gate: Url, token: String) -> Self {
        let memory = Memory::Activated { token, kept: None, is_fresh: false };
        Self { room, gate, memory, answer: "not asked yet".to_owned() }
    }

    pub(in super::super) fn room(&self) -> &'static str {
        self.room
    }

    /// The token that it holds, if it holds one.
    pub(in super::super) fn token(&self) -> Option<&str> {
        match &self.memory {
            Memory::Activated { token, .. } => Some(token),
            Memory::Erased { .. } => None,
        }
    }

    /// The PIN that it shows, if it shows one.
    pub(in super::super) fn pin(&self) -> Option<&str> {
        match &self.memory {
            Memory::Erased { pin: Some(shown), .. } => Some(&shown.pin),
            Memory::Erased { pin: None, .. } | Memory::Activated { .. } => None,
        }
    }

    /// It is taken off the wall, and one that was never used is hung in its place.
    pub(in super::super) fn replace(&mut self) {
        self.memory = Memory::Erased { by: None, pin: None };
    }

    fn activate(&mut self, token: String) {
        self.memory = Memory::Activated { token, kept: None, is_fresh: false };
    }

    pub(in super::super) fn mood(&self) -> Mood {
        match &self.memory {
            Memory::Activated { is_fresh: true, .. } => Mood::Online,
            Memory::Activated { kept: Some(_), .. } => Mood::Kept,
            Memory::Activated { kept: None, .. } => Mood::Blank,
            Memory::Erased { pin: Some(_), .. } => Mood::Pin,
            Memory::Erased { pin: None, .. } => Mood::NoPin,
        }
    }

    /// What it shows at `time` (`HH:MM`).
    pub(in super::super) fn view(&self, time: &str) -> DisplayView {
        let (kept, erased_by) = match &self.memory {
            Memory::Activated { kept, .. } => (kept.as_ref(), None),
            Memory::Erased { by, .. } => (None, by.clone()),
        };
        DisplayView {
            room: kept.map_or_else(|| self.room.to_owned(), |kept| kept.calendar.room.clone()),
            mood: self.mood(),
            theme: kept.map(|kept| kept.calendar.theme.clone()).unwrap_or_default(),
            meetings: kept.map(|kept| kept.calendar.ahead(time)).unwrap_or_default(),
            as_of: kept.map(|kept| kept.at.as_millis()),
            pin: self.pin().map(str::to_owned),
            answer: self.answer.clone(),
            erased_by,
        }
    }

    /// Asks for today's calendar; or, when it has no token, for a PIN, and then whether somebody typed it.
    pub(in super::super) async fn act(&mut self, at: Timestamp) -> Turned {
        let (gate, room) = (self.gate.clone(), self.room);
        let met = match &mut self.memory {
            Memory::Activated { token, .. } => asked(room, Some(token), &gate, Method::GET, CALENDAR).await,
            Memory::Erased { pin: None, .. } => asked(room, None, &gate, Method::POST, PIN).await,
            Memory::Erased { pin: Some(shown), .. } => {
                asked(room, None, &gate, Method::GET, &format!("{PIN}/{}", shown.id)).await
            }
        };
        self.answer = line(&met);
        match &mut self.memory {
            Memory::Activated { kept, is_fresh, .. } => {
                let calendar = met.as_ref().ok().and_then(read::<CalendarAnswer>);
                *is_fresh = calendar.is_some();
                if let Some(calendar) = calendar {
                    *kept = Some(Kept { calendar, at });
                } else if met.is_ok_and(|seen| seen.status == StatusCode::UNAUTHORIZED) {
                    // Its security protocol: token, theme and calendar are deleted at once.
                    self.memory = Memory::Erased { by: Some(self.answer.clone()), pin: None };
                    return Turned::Erased;
                }
            }
            Memory::Erased { pin, .. } => match (&pin, met) {
                (None, Ok(seen)) => *pin = read(&seen),
                (Some(_), Ok(seen)) => match read::<PinAnswer>(&seen) {
                    Some(PinAnswer { status, token: Some(token) }) if status == "active" => {
                        self.activate(token);
                        return Turned::Activated;
                    }
                    Some(_) => {}
                    // The PIN is not known any more.
                    None if seen.status == StatusCode::NOT_FOUND => *pin = None,
                    None => {}
                },
                (_, Err(_)) => {}
            },
        }
        Turned::Nothing
    }
}

impl CalendarAnswer {
    /// What has not ended at `time`, as far as a screen has room for it.
    fn ahead(&self, time: &str) -> Vec<Meeting> {
        self.meetings.iter().filter(|meeting| &*meeting.end > time).take(6).cloned().collect()
    }
}

async fn asked(
    room: &'static str,
    token: Option<&String>,
    gate: &Url,
    method: Method,
    path: &str,
) -> Result<SeenPage, NoAnswer> {
    let address = gate.join(path).map_err(|error| NoAnswer::Address(error.to_string()))?;
    let mut program = match token {
        Some(token) => Browser::bearing(PATIENCE, token),
        None => Browser::with_headers(PATIENCE, http::HeaderMap::new()),
    };
    program.always_send(HeaderName::from_static("x-display"), HeaderValue::from_static(room));
    match method {
        Method::POST => program.post(&address, &[]).await,
        _ => program.get(&address).await,
    }
}

fn read<'seen, T: Deserialize<'seen>>(seen: &'seen SeenPage) -> Option<T> {
    (seen.status == StatusCode::OK).then(|| serde_json::from_slice(&seen.body).ok())?
}
