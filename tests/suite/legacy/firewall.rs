//! The ways around: other routes, other methods, other listeners, and what the gateway answers by itself.

use gateway::demo::{Mode, displays::TOKENS};
use http::{HeaderName, HeaderValue};
use libtest_mimic::Trial;
use world::{
    World,
    caller::{Caller, Form},
    raw,
};

use super::{CALENDAR, Display, FLEET, MINUTE, erases, is_put_off, world};
use crate::{in_a_runtime, report};

pub(super) fn tests() -> Vec<Trial> {
    vec![
        in_a_runtime("legacy::a_known_device_is_refused_nowhere", refused_nowhere),
        in_a_runtime("legacy::another_proxy_that_asks_is_told_no_refusal", by_another_proxy),
        in_a_runtime("legacy::an_app_that_looks_like_a_browser_is_answered_as_a_device", like_a_browser),
        in_a_runtime("legacy::one_that_hangs_twice_is_answered_in_one_deadline", one_deadline),
    ]
}

/// Requests of every make, by a token that is known, on every kind of route, before a monolith in every mode.
async fn refused_nowhere() {
    let world = world().await;
    Display::first().is_adopted(&world).await;
    let host = world.url("/").authority().to_owned();
    let paths = [
        CALENDAR,
        "/mixed/x",
        "/open/x",
        "/get/x",
        "/",
        "/engineers/x",
        "/api/x",
        "/admin/x",
        "/display/x",
        "/nowhere",
    ];
    let makes: [(&str, &str, &str); 8] = [
        ("GET", "", ""),
        ("HEAD", "", ""),
        ("POST", "Content-Type: application/json\r\n", "{\"more\": \"than sixteen bytes\"}"),
        ("DELETE", "", ""),
        ("OPTIONS", "Origin: https://elsewhere.example\r\n", ""),
        (
            "GET",
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n",
            "",
        ),
        ("GET", "X-HTTP-Method-Override: DELETE\r\n", ""),
        ("GET", "Accept: text/html\r\nSec-Fetch-Mode: navigate\r\n", ""),
    ];
    let (mut asked, mut wrong) = (0, Vec::new());
    for mode in [Mode::Healthy, Mode::DenyAll, Mode::Html, Mode::Failing] {
        world.monolith.set_mode(mode);
        for (path, (method, fields, body)) in paths.iter().flat_map(|path| makes.map(|make| (path, make))) {
            let fields = format!("Authorization: Bearer {}\r\n{fields}", TOKENS[0]);
            let heard = raw::ask(&host, raw::request(method, path, &host, &fields, body)).await;
            asked += 1;
            let text = String::from_utf8_lossy(&heard.bytes).to_ascii_lowercase();
            let head = text.split("\r\n\r\n").next().unwrap_or_default();
            let led = heard.status().is_some_and(|status| (300..400).contains(&status)) && head.contains("location:");
            let refused = matches!(heard.status(), None | Some(401 | 403 | 407)) || led;
            if refused || head.contains("www-authenticate") {
                wrong.push(format!("{mode:?}: {method} {path} {fields:?}: {head}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {asked}: {wrong:#?}", wrong.len());
    report::say(format!("legacy: {asked} requests of a known device in every way, none refused"));
}

async fn by_another_proxy() {
    let mut world = World::new().standing_clock().configured(FLEET).prepare().await;
    world.settings.trust_loopback();
    world.start_gateway().await;
    Display::first().is_adopted(&world).await;
    let (verify, host) = (world.settings.verify_url(), world.url("/").authority().to_owned());
    let ask = async |token: &str, path: &str| {
        let fields = format!("Authorization: Bearer {token}\r\nX-Forwarded-Method: GET\r\nX-Forwarded-Uri: {path}\r\n");
        raw::ask(verify.authority(), raw::request("GET", verify.path(), &host, &fields, "")).await.status()
    };
    for path in [CALENDAR, "/mixed/x", "/open/x"] {
        assert_eq!(ask(TOKENS[0], path).await, Some(200), "{path}");
    }
    for path in ["/", "/engineers/x", "/display/x"] {
        assert_eq!(ask(TOKENS[0], path).await, Some(503), "{path}");
    }
    world.monolith.set_mode(Mode::DenyAll);
    for path in [CALENDAR, "/mixed/x"] {
        assert_eq!(ask(TOKENS[1], path).await, Some(503), "undecided at {path}");
        world.advance(MINUTE);
    }
}

async fn like_a_browser() {
    let world = world().await;
    world.monolith.set_mode(Mode::DenyAll);
    let mut app = Caller::new(Form::Browser);
    let value = HeaderValue::from_str(&format!("Bearer {}", TOKENS[0])).expect("ASCII");
    app.browser().always_send(HeaderName::from_static("authorization"), value);
    for path in [CALENDAR, "/mixed/x", "/get/x"] {
        let heard = world.ask(&mut app, path).await;
        assert!(is_put_off(&heard), "{path}: {}", heard.line());
        let seen = heard.answer.as_ref().expect("an answer");
        let said: serde_json::Value = serde_json::from_slice(&seen.body).expect("JSON");
        assert_eq!(said["wipe"], serde_json::Value::Bool(false), "{said}");
        assert!(said["error"].is_string(), "old apps look for it: {said}");
        world.advance(MINUTE);
    }
}

async fn one_deadline() {
    let world = world().await;
    world.monolith.set_mode(Mode::Hanging);
    let mut display = Display::first();
    let heard = display.asks(&world, CALENDAR).await;
    assert!(is_put_off(&heard), "nobody knows it yet: {}", heard.line());
    world.monolith.set_mode(Mode::Healthy);
    world.advance(MINUTE);
    display.is_adopted(&world).await;
    world.monolith.set_mode(Mode::Hanging);
    let heard = display.asks(&world, CALENDAR).await;
    assert!(is_put_off(&heard) && !erases(&heard), "{}", heard.line());
}
