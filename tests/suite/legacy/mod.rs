//! Devices of before: displays with an opaque token of the monolith's, which know nothing of the gateway and erase
//! themselves on a 401. Through the real gateway, whatever the monolith says of them.

mod adoption;
mod attacks;
mod denials;
mod firewall;
mod pins;

use std::time::Duration;

use auth_core::device::registry::Order;
use gateway::demo::{displays::TOKENS, january::WrongAnswer};
use libtest_mimic::Trial;
use world::{
    World,
    caller::{Caller, Form, Heard},
};

pub(crate) use self::attacks::ATTACKS;

/// Routes for devices of before in every form that a configuration gives them, and whom to ask about them.
const FLEET: &str = r#"
[[routes]]
path = "/api/v1/"
upstream = "monolith"
allow = ["device"]
expect = "json"
login_paths = ["/accounts/login"]
response_timeout = "400ms"

[[routes]]
path = "/mixed/"
upstream = "monolith"
allow = ["user", "device"]
expect = "json"
login_paths = ["/accounts/login"]
response_timeout = "400ms"
max_body = "16B"

[[routes]]
path = "/open/"
upstream = "monolith"
allow = ["anyone"]
expect = "json"
login_paths = ["/accounts/login"]
response_timeout = "400ms"

[[routes]]
path = "/get/"
upstream = "monolith"
methods = ["GET"]
allow = ["device"]
expect = "json"
response_timeout = "400ms"

[devices]
legacy = { adopt_from = "monolith", path = "/api/v1/device/me", timeout = "400ms" }
"#;

/// Where an app asks for its calendar.
const CALENDAR: &str = "/api/v1/calendar";

const MINUTE: Duration = Duration::from_secs(60);

pub(crate) fn tests() -> Vec<Trial> {
    [adoption::tests(), denials::tests(), firewall::tests(), pins::tests()].into_iter().flatten().collect()
}

/// A display of the unmodified app.
struct Display {
    token: String,
    app: Caller,
}

impl Display {
    fn with(token: &str) -> Self {
        Self { token: token.to_owned(), app: Caller::bearing(Form::Device, token) }
    }

    /// The first of the displays that the monolith knows.
    fn first() -> Self {
        Self::with(TOKENS[0])
    }

    async fn asks(&mut self, world: &World, path: &str) -> Heard {
        world.ask(&mut self.app, path).await
    }

    /// It asks for its calendar until it gets that: so a test begins with it adopted.
    async fn is_adopted(&mut self, world: &World) {
        world.warm_up(&mut self.app, CALENDAR).await;
    }
}

/// A gateway with a fleet of before, and a clock that stands still.
async fn world() -> World {
    World::new().standing_clock().configured(FLEET).start().await
}

/// Whether the unmodified app would erase itself: by a refusal, by being led to a sign-in, or by a page in place of JSON.
fn erases(heard: &Heard) -> bool {
    let Ok(seen) = &heard.answer else { return false };
    let page = seen.header("content-type").is_some_and(|kind| kind.starts_with("text/html"));
    match seen.status.as_u16() {
        401 | 403 | 407 => true,
        300..=399 => seen.location().is_some(),
        200..=299 => page,
        _ => seen.header("www-authenticate").is_some() || !seen.deleted_cookies().is_empty(),
    }
}

/// Whether it is told to keep everything and come back.
fn is_put_off(heard: &Heard) -> bool {
    let Ok(seen) = &heard.answer else { return false };
    let json = seen.header("content-type").is_some_and(|kind| kind.contains("json"));
    seen.status.as_u16() == 503 && seen.header("retry-after").is_some() && json && !erases(heard)
}

fn order() -> Order {
    Order { who: "root".to_owned(), why: "stolen".to_owned() }
}

/// What the monolith answers wrongly, and answers at all.
fn wrong_answers() -> impl Iterator<Item = WrongAnswer> {
    WrongAnswer::ALL.into_iter()
}

/// The service's own PINs, in its own shape.
const PINS: &str = r#"
legacy_pin = { path = "/api/v1/pin", poll = "/api/v1/pin/{id}", hardware_id = "serial" }
"#;
