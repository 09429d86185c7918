//! The old PIN screen: an app that knows nothing else is answered in the old shape, whatever has died.

use auth_core::device::{
    activation::{Administrator, AskingNetwork, ConfirmAnswer, Pin, PinAnswer, TypedTag},
    legacy::{ApprovalKind, LegacyChange},
};
use gateway::demo::{LegacyDisplay, Mode, displays::TOKENS};
use libtest_mimic::Trial;
use serde_json::Value;
use world::{
    World,
    raw::{self, Answered},
};

use super::{CALENDAR, Display, FLEET, MINUTE, PINS, order};
use crate::in_a_runtime;

pub(super) fn tests() -> Vec<Trial> {
    vec![
        in_a_runtime("legacy::the_old_pin_screen_works_while_the_monolith_is_dead", pin_of_the_dead),
        in_a_runtime("legacy::a_lost_token_comes_back_by_a_click_and_by_nothing_else", lost_token),
        in_a_runtime("legacy::a_pin_of_the_monoliths_own_is_polled_there", pin_of_the_monoliths),
    ]
}

async fn world() -> World {
    World::new().standing_clock().configured(&format!("{FLEET}{PINS}")).start().await
}

/// One request of the app, without any token, and the JSON of its answer.
async fn app(world: &World, method: &str, path: &str, body: &str) -> (u16, Value) {
    let host = world.url("/").authority().to_owned();
    let fields = "Accept: application/json\r\nContent-Type: application/json\r\n";
    let heard: Answered = raw::ask(&host, raw::request(method, path, &host, fields, body)).await;
    let text = String::from_utf8_lossy(&heard.bytes).into_owned();
    let json = text.split_once("\r\n\r\n").map(|(_, body)| body).unwrap_or_default();
    (heard.status().unwrap_or_default(), serde_json::from_str(json).unwrap_or(Value::Null))
}

async fn asks_for_a_pin(world: &World, serial: &str) -> (String, String) {
    let (status, said) = app(world, "POST", "/api/v1/pin", &format!("{{\"serial\": \"{serial}\"}}")).await;
    assert_eq!(status, 200, "{said}");
    let text = |member: &str| said[member].as_str().unwrap_or_default().to_owned();
    assert_eq!(text("pin").len(), 6, "{said}");
    (text("pin"), text("id"))
}

/// What somebody who may confirm PINs is to the page.
fn administrator() -> Administrator {
    let network = AskingNetwork::of([192, 0, 2, 7].into());
    Administrator { who: "ada".to_owned(), tenants: vec!["acme".to_owned()], network }
}

async fn confirm(world: &World, pin: &str) {
    let (devices, now) = (world.devices(), world.clock().now());
    let pin: Pin = pin.parse().expect("a PIN");
    let PinAnswer::Found(found) =
        devices.find_pin(pin, TypedTag::NotAsked, &administrator(), now).await.expect("healthy")
    else {
        panic!("the PIN is shown")
    };
    let confirmed = devices.confirm_activation(&found.activation, "acme", "4.12", &administrator(), now).await;
    assert!(matches!(confirmed, Ok(ConfirmAnswer::Confirmed { .. })));
}

async fn pin_of_the_dead() {
    let world = world().await;
    for mode in [Mode::Down, Mode::Hanging, Mode::DenyAll] {
        world.monolith.set_mode(mode);
        let (pin, id) = asks_for_a_pin(&world, "").await;
        let poll = format!("/api/v1/pin/{id}");
        let (status, said) = app(&world, "GET", &poll, "").await;
        assert_eq!((status, &said["status"], &said["token"]), (200, &Value::from("pending"), &Value::Null), "{mode:?}");
        confirm(&world, &pin).await;
        let (status, said) = app(&world, "GET", &poll, "").await;
        assert_eq!((status, &said["status"]), (200, &Value::from("active")), "{mode:?}: {said}");
        let (_, again) = app(&world, "GET", &poll, "").await;
        assert_eq!(again, said, "a lost answer costs nothing");
        world.monolith.set_mode(Mode::Healthy);
        let mut display = Display::with(said["token"].as_str().expect("a token"));
        let heard = display.asks(&world, "/mixed/x").await;
        assert_eq!((heard.status(), heard.identities().len()), (Some(200), 1), "{}", heard.line());
    }
    assert!(!world.monolith.seen().iter().any(|seen| seen.target.contains("/pin")), "the service has no part in it");
    // Who polls with what nobody gave, or too late, is told to begin anew.
    let (_, id) = asks_for_a_pin(&world, "").await;
    let (status, _) = app(&world, "GET", &format!("/api/v1/pin/{}x", &id[..id.len() - 1]), "").await;
    assert_ne!(status, 200);
    world.advance(11 * MINUTE);
    let (status, said) = app(&world, "GET", &format!("/api/v1/pin/{id}"), "").await;
    assert_eq!((status, &said["token"]), (404, &Value::Null));
}

async fn lost_token() {
    let world = world().await;
    Display::first().is_adopted(&world).await;
    // The service names no serial number, so that the device is known by its name there.
    let (_, id) = asks_for_a_pin(&world, "d-0").await;
    let (_, other) = asks_for_a_pin(&world, "never-seen").await;
    let poll = format!("/api/v1/pin/{id}");
    let listed = world.legacy().approvals(None, 10).await.expect("healthy");
    assert_eq!(listed.iter().map(|line| line.kind).collect::<Vec<_>>(), [ApprovalKind::LostToken]);
    assert_eq!(app(&world, "GET", &poll, "").await.1["status"], "pending", "a serial number admits nobody");
    let accepted = world.legacy().accept(listed[0].hash, None, order(), world.clock().now()).await;
    assert_eq!(accepted.expect("healthy"), LegacyChange::Changed);
    let (_, said) = app(&world, "GET", &poll, "").await;
    assert_eq!(said["status"], "active");
    let mut display = Display::with(said["token"].as_str().expect("a token"));
    let heard = display.asks(&world, CALENDAR).await;
    assert_eq!(heard.status(), Some(200), "{}", heard.line());
    assert_eq!(heard.reached[0].header("x-auth-request-user"), Some("d-0"), "it is the same device");
    assert_eq!(app(&world, "GET", &format!("/api/v1/pin/{other}"), "").await.1["status"], "pending");
    assert_eq!(Display::with(TOKENS[0]).asks(&world, CALENDAR).await.status(), Some(200));
}

async fn pin_of_the_monoliths() {
    let world = world().await;
    let mut display = Display::first();
    display.is_adopted(&world).await;
    // Begun at the service, before the gateway answered PINs: polled by a device that it knows.
    let host = world.monolith.address().to_string();
    let begun = raw::ask(&host, raw::request("POST", "/api/v1/pin", &host, "", "")).await;
    let text = String::from_utf8_lossy(&begun.bytes).into_owned();
    let body = text.split_once("\r\n\r\n").map(|(_, body)| body).unwrap_or_default();
    let said: Value = serde_json::from_str(body).unwrap_or(Value::Null);
    let (pin, id) = (said["pin"].as_str().expect("a PIN"), said["id"].as_str().expect("an id"));
    world.monolith.confirm_pin(pin, LegacyDisplay::numbered(9, "acme")).expect("it is shown");
    let heard = display.asks(&world, &format!("/api/v1/pin/{id}")).await;
    assert_eq!(heard.status(), Some(200), "{}", heard.line());
}
