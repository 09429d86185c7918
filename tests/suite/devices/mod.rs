//! Displays of the gateway's own: from a PIN to a calendar, and everything that can be wrong on the way.

mod bad_input;
mod chromium;
mod kills;
mod life;
mod pins;
mod revoked;
mod simulated;

use libtest_mimic::Trial;
use serde_json::Value;
use world::{
    World,
    caller::{Caller, Form},
    device::Device,
};

use crate::in_a_runtime;

pub(crate) fn tests() -> Vec<Trial> {
    let mut tests = vec![
        in_a_runtime("devices::a_pin_makes_a_display_known_while_the_service_is_down", life::from_pin_to_calendar),
        in_a_runtime("devices::a_token_is_renewed_in_time_and_never_refused_for_its_age", life::ages),
        in_a_runtime("devices::a_display_that_lost_its_token_comes_back_by_its_key", life::coming_back),
        in_a_runtime("devices::a_display_without_a_key_asks_by_its_token", life::without_a_key),
        in_a_runtime("devices::simulated_ones_are_never_refused_whatever_breaks", simulated::nobody_is_refused),
        in_a_runtime("devices::what_is_malformed_is_said_and_costs_nothing", bad_input::table),
        in_a_runtime("devices::whatever_is_wrong_with_a_pin_has_one_answer", pins::one_answer),
        in_a_runtime("devices::only_installers_who_have_just_signed_in_confirm_pins", pins::who_may),
        in_a_runtime("devices::a_tenant_whose_guesses_are_spent_is_asked_for_the_tag", pins::tag_asked),
        in_a_runtime("devices::a_link_fills_in_the_room", pins::room_in_the_link),
        in_a_runtime("devices::a_store_that_is_down_says_nothing_about_a_pin", pins::store_down),
        in_a_runtime("devices::what_was_acknowledged_survives_a_kill", kills::acknowledged),
        in_a_runtime("devices::who_is_revoked_by_command_is_refused_at_the_next_request", revoked::at_the_next_request),
        in_a_runtime("devices::who_is_revoked_elsewhere_is_refused_within_ten_seconds", revoked::by_another_process),
    ];
    tests.extend(chromium::tests());
    tests
}

/// What is configured besides what every world is.
const FLEET: &str = r#"
[devices]
[devices.tenants.acme]
allow = ["group:engineers"]
[devices.tenants.globex]
allow = ["group:admirals"]

[[routes]]
path = "/wall/"
upstream = "monolith"
allow = ["device"]
expect = "json"
"#;

/// A world with a fleet, in which ada may put displays in acme and grace in globex.
pub(crate) async fn fleet(builder: world::Builder) -> World {
    let mut world = with_fleet(builder).await;
    world.start_gateway().await;
    world
}

/// The same before its gateway runs.
pub(crate) async fn with_fleet(builder: world::Builder) -> World {
    let mut world = builder.configured(FLEET).prepare().await;
    let installers = "[admin]\nallow = { installer = [\"group:engineers\", \"group:admirals\"] }";
    world.settings.replace("[admin]", installers);
    world
}

/// A display before the world's gateway.
pub(crate) fn display(world: &World, hardware_id: &str) -> Device {
    Device::new(&world.settings.public_url(), hardware_id)
}

/// Somebody who has just signed in.
pub(crate) async fn signed_in(world: &World, who: &str) -> Caller {
    let mut caller = Caller::new(Form::Browser);
    world.sign_in(&mut caller, who, "/").await;
    caller
}

/// Types the PIN of `begun` and puts the display into `tenant`; what the installer sees at the end.
async fn confirm(
    world: &World,
    installer: &mut Caller,
    begun: &Value,
    tenant: &str,
) -> gateway::demo::browser::SeenPage {
    let page = installer.browser().get(&world.url("/.candor/activate")).await.expect("an answer");
    assert_eq!(page.status, 200, "{}", page.text());
    let pin = begun["pin"].as_str().expect("a PIN");
    let shown = installer.browser().submit(&page, &[("pin", pin)]).await.expect("an answer");
    assert_eq!(shown.status, 200, "{}", shown.text());
    assert!(shown.text().contains("wall-7"), "which display it is: {}", shown.text());
    installer.browser().submit(&shown, &[("tenant", tenant), ("room", "4.12")]).await.expect("an answer")
}

/// Activates a display, from its PIN to its token.
pub(crate) async fn activate(world: &World, installer: &mut Caller, device: &mut Device, tenant: &str) {
    let begun = device.begin().await;
    assert_eq!(begun.told(), (201, "own", None), "{begun:?}");
    let done = confirm(world, installer, &begun.content, tenant).await;
    assert_eq!(done.status, 200, "{}", done.text());
    let granted = device.poll(&begun.content).await;
    assert_eq!(granted.status, 200, "{granted:?}");
}
