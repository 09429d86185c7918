//! The PIN page in a real browser, on a phone and on a desk, while the service is down.

use libtest_mimic::Trial;
use serde_json::json;
use world::{World, chromium::Chromium, fault_proxy::Break};

use super::{display, fleet};
use crate::{in_a_runtime, report};

const NAME: &str = "devices::a_pin_is_activated_in_chromium_while_the_service_is_down";

pub(super) fn tests() -> Vec<Trial> {
    if Chromium::is_installed() {
        return vec![in_a_runtime(NAME, from_pin_to_token)];
    }
    report::left_out(format!("{NAME}: the driver of Chromium is not installed (tests/peers/install)"));
    Vec::new()
}

async fn from_pin_to_token() {
    let world = fleet(World::new()).await;
    world.proxies.monolith.break_with(Break::Refused).await;
    let mut wall = display(&world, "SN-1");
    let begun = wall.begin().await;
    let pin = begun.content["pin"].as_str().expect("a PIN").to_owned();
    world.idp.set_login(gateway::demo::Login::Immediately("ada".to_owned()));

    let mut phone = Chromium::open().await;
    let look = async |phone: &mut Chromium, name: &str, heading: &str| {
        phone.until(&format!("return document.querySelector('h1')?.textContent === '{heading}'")).await;
        phone.look(name).await;
    };
    phone.go(&world.url("/.candor/activate")).await;
    look(&mut phone, "pin", "Activate a display").await;
    let wrong = if pin == "000000" { "000001" } else { "000000" };
    phone.type_into("input[name=pin]", wrong).await;
    phone.click("main > form button").await;
    phone.until("return document.querySelector('[role=alert]') !== null").await;
    look(&mut phone, "pin-wrong", "Activate a display").await;

    let complete = begun.content["verification_uri_complete"].as_str().expect("an address");
    phone.go(&url::Url::parse(complete).expect("an address")).await;
    assert_eq!(phone.run("return document.querySelector('input[name=pin]').value").await, json!(pin));
    phone.click("main > form button").await;
    look(&mut phone, "display", "Is this the display?").await;
    phone.type_into("input[name=room]", "4.12").await;
    phone.click("main > form button").await;
    look(&mut phone, "activated", "The display is activated").await;
    let granted = wall.poll(&begun.content).await;
    assert_eq!((granted.status, &granted.content["room"]), (200, &json!("4.12")), "{granted:?}");

    let errors = phone.console_errors().await;
    report::pages(&phone, &errors);
    assert!(phone.overflows().is_empty() && errors.is_empty(), "{:?}, {errors:?}", phone.overflows());
    phone.close().await;
}
