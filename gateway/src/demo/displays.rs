//! The device API of the pretend legacy service: opaque tokens, who a token's device is, a calendar, and PINs.
//!
//! It is what such products have: a token says nothing by itself, and an unknown one is answered 401. What
//! [`super::monolith`] breaks, it breaks here too.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{
        Mutex,
        atomic::{AtomicU32, Ordering},
    },
};

use auth_core::lock::lock;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use serde::Serialize;
use serde_json::{Value, json};

use super::{calendar, monolith::made};

/// A display as the legacy service knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LegacyDisplay {
    /// Its id there.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// Whose it is.
    pub tenant: String,
    /// Before which room it hangs.
    pub room: String,
}

/// Who a token's device is: GET.
pub const ME: &str = "/api/v1/device/me";
/// Today's calendar of the device's room: GET.
pub const CALENDAR: &str = "/api/v1/calendar";
/// A new PIN: POST; below it, by the id that came with it: what became of it.
pub const PIN: &str = "/api/v1/pin";
/// The header that a token may stand in instead of `Authorization`: some apps of the field do that.
pub const TOKEN_HEADER: &str = "x-device-token";

/// The header in which the app says before which room it hangs.
pub const ROOM_HEADER: &str = "x-display";

/// The tokens that are known from the beginning: two displays of one tenant, one of another.
pub const TOKENS: [&str; 3] = [
    "evb_7Qm2vXh0cLr9TzYw4sKd8NfBp1GjUa3e",
    "evb_Zk5RtW1nHy6MoCq0xEbV9iJgSd2LfPu7",
    "evb_D3uXpF8aGvN7hKc1QyTw5RzMj0ElBs6o",
];

/// Every display that the legacy service knows, and the PINs that it shows.
#[derive(Debug)]
pub(super) struct Displays {
    by_token: Mutex<HashMap<String, LegacyDisplay>>,
    pins: Mutex<HashMap<String, Pin>>,
    made: AtomicU32,
}

#[derive(Debug)]
struct Pin {
    digits: String,
    token: Option<String>,
}

impl LegacyDisplay {
    /// The display with this number, of `tenant`.
    pub fn numbered(number: u32, tenant: &str) -> Self {
        let room = format!("{}.{:02}", 1 + number / 20, 1 + number % 20);
        Self { id: format!("d-{number}"), name: format!("Display {room}"), tenant: tenant.to_owned(), room }
    }
}

impl Displays {
    pub(super) fn new() -> Self {
        let tenants = ["acme", "acme", "globex"];
        let known = (0..).zip(TOKENS.into_iter().zip(tenants));
        let known = known.map(|(number, (token, tenant))| (token.to_owned(), LegacyDisplay::numbered(number, tenant)));
        Self { by_token: Mutex::new(known.collect()), pins: Mutex::default(), made: AtomicU32::new(0) }
    }

    /// Knows one more display from now on; its token.
    pub(super) fn add(&self, display: LegacyDisplay) -> String {
        let token = format!("evb_{:032}", self.made.fetch_add(1, Ordering::SeqCst));
        lock(&self.by_token).insert(token.clone(), display);
        token
    }

    /// Denies `token` from now on.
    pub(super) fn remove(&self, token: &str) {
        lock(&self.by_token).remove(token);
    }

    /// Somebody types a PIN for `display`: whoever polls it gets the token. `None`: no such PIN is shown.
    pub(super) fn confirm(&self, digits: &str, display: LegacyDisplay) -> Option<String> {
        let mut pins = lock(&self.pins);
        let pin = pins.values_mut().find(|pin| pin.digits == digits && pin.token.is_none())?;
        let token = self.add(display);
        pin.token = Some(token.clone());
        Some(token)
    }

    /// The answer to a request of this API; `None` if it is none. `named`: whether a gateway says whose it is, and is
    /// believed. The tokens of the tenant `dead` are denied, as by a database of its own that came back empty.
    pub(super) fn answer(
        &self,
        request: &Request<Bytes>,
        named: bool,
        dead: Option<&str>,
    ) -> Option<Response<Full<Bytes>>> {
        let path = request.uri().path();
        let known = || self.of(request.headers()).filter(|display| Some(&*display.tenant) != dead);
        match (request.method(), path) {
            (&Method::GET | &Method::HEAD, ME) => Some(known().map_or_else(denied, |display| ok(&json!(display)))),
            (&Method::GET | &Method::HEAD, CALENDAR) => {
                let room =
                    known().map(|display| display.room).or_else(|| named.then(|| stated_room(request.headers())));
                Some(room.map_or_else(denied, |room| ok(&calendar(&room))))
            }
            (&Method::POST, PIN) => Some(self.new_pin()),
            (&Method::GET, _) => Some(self.poll(path.strip_prefix(PIN)?.strip_prefix('/')?)),
            _ => None,
        }
    }

    /// The rooms before which displays hang, in alphabetical order.
    pub(super) fn rooms(&self) -> Vec<String> {
        let rooms: BTreeSet<String> = lock(&self.by_token).values().map(|display| display.room.clone()).collect();
        rooms.into_iter().collect()
    }

    fn of(&self, headers: &HeaderMap) -> Option<LegacyDisplay> {
        let authorization = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let bearer = authorization.and_then(|value| value.strip_prefix("Bearer "));
        let token = bearer.or_else(|| headers.get(TOKEN_HEADER).and_then(|value| value.to_str().ok()))?;
        lock(&self.by_token).get(token).cloned()
    }

    fn new_pin(&self) -> Response<Full<Bytes>> {
        let number = self.made.fetch_add(1, Ordering::SeqCst);
        // Not a secret: this is a pretend service, and its PINs are typed by programs.
        let digits = format!("{:06}", (u64::from(number) * 7_919 + 104_729) % 1_000_000);
        let id = format!("p-{number}");
        lock(&self.pins).insert(id.clone(), Pin { digits: digits.clone(), token: None });
        ok(&json!({ "pin": digits, "id": id }))
    }

    fn poll(&self, id: &str) -> Response<Full<Bytes>> {
        match lock(&self.pins).get(id) {
            Some(Pin { token: Some(token), .. }) => ok(&json!({ "status": "active", "token": token })),
            Some(Pin { token: None, .. }) => ok(&json!({ "status": "pending" })),
            None => made(StatusCode::NOT_FOUND, "application/json", json!({ "error": "no such pin" }).to_string()),
        }
    }
}

/// Whoever is named by a gateway is believed about the room too.
fn stated_room(headers: &HeaderMap) -> String {
    headers.get(ROOM_HEADER).and_then(|room| room.to_str().ok()).unwrap_or("1.01").to_owned()
}

fn calendar(room: &str) -> Value {
    json!({ "room": room, "theme": calendar::theme_of(room), "meetings": calendar::of_room(room) })
}

fn ok(body: &Value) -> Response<Full<Bytes>> {
    made(StatusCode::OK, "application/json", body.to_string())
}

/// What it says of a token that it does not know.
fn denied() -> Response<Full<Bytes>> {
    let mut answer =
        made(StatusCode::UNAUTHORIZED, "application/json", json!({ "error": "invalid token" }).to_string());
    answer.headers_mut().insert(header::WWW_AUTHENTICATE, http::HeaderValue::from_static("Bearer"));
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(displays: &Displays, method: &str, path: &str, token: &str, dead: Option<&str>) -> Option<u16> {
        let request = Request::builder().method(method).uri(path).header("authorization", format!("Bearer {token}"));
        let answer = displays.answer(&request.body(Bytes::new()).expect("a request"), false, dead);
        answer.map(|answer| answer.status().as_u16())
    }

    #[test]
    fn a_token_is_known_until_it_is_removed_or_its_shard_is_dead() {
        let displays = Displays::new();
        let token = displays.add(LegacyDisplay::numbered(7, "initech"));
        for path in [ME, CALENDAR] {
            assert_eq!(asked(&displays, "GET", path, TOKENS[0], None), Some(200));
            assert_eq!(asked(&displays, "GET", path, TOKENS[0], Some("acme")), Some(401));
            assert_eq!(asked(&displays, "GET", path, TOKENS[2], Some("acme")), Some(200));
            assert_eq!(asked(&displays, "GET", path, "made-up", None), Some(401));
            assert_eq!(asked(&displays, "GET", path, &token, None), Some(200));
        }
        displays.remove(&token);
        assert_eq!(asked(&displays, "GET", ME, &token, None), Some(401));
        assert_eq!(asked(&displays, "GET", "/api/x", TOKENS[0], None), None, "everything else is not of this API");
    }

    #[test]
    fn a_pin_that_was_typed_gives_a_token_once() {
        let displays = Displays::new();
        assert_eq!(asked(&displays, "POST", PIN, "none", None), Some(200));
        let (id, digits) = {
            let pins = lock(&displays.pins);
            let (id, pin) = pins.iter().next().expect("one was made");
            (id.clone(), pin.digits.clone())
        };
        assert_eq!(digits.len(), 6);
        let token = displays.confirm(&digits, LegacyDisplay::numbered(3, "acme")).expect("it is shown");
        assert!(displays.confirm(&digits, LegacyDisplay::numbered(4, "acme")).is_none(), "it was used");
        assert_eq!(asked(&displays, "GET", &format!("{PIN}/{id}"), "none", None), Some(200));
        assert_eq!(asked(&displays, "GET", &format!("{PIN}/p-999"), "none", None), Some(404));
        assert_eq!(asked(&displays, "GET", ME, &token, None), Some(200));
    }
}
