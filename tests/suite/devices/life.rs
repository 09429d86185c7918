//! A display's life while nothing is wrong with it.

use std::time::Duration;

use auth_core::principal::BindingState;
use secrecy::ExposeSecret;
use serde_json::json;
use world::{
    World,
    device::{Device, DeviceHeard},
    fault_proxy::Break,
};

use super::{activate, confirm, display, fleet, signed_in};

const HOUR: Duration = Duration::from_secs(3600);

pub(super) async fn from_pin_to_calendar() {
    let world = fleet(World::new()).await;
    let mut ada = signed_in(&world, "ada").await;
    world.proxies.monolith.break_with(Break::Refused).await;
    let mut wall = display(&world, "SN-1");
    let begun = wall.begin().await;
    assert_eq!(begun.told(), (201, "own", None), "{begun:?}");
    assert_eq!((&begun.content["interval"], begun.content["expires_in"].as_u64()), (&5.into(), Some(600)));
    let complete = begun.content["verification_uri_complete"].as_str().expect("an address");
    let [pin, tag] = ["pin", "tag"].map(|name| begun.content[name].as_str().expect("text"));
    assert!(complete.ends_with(&format!("/.candor/activate?pin={pin}&tag={tag}")), "{complete}");
    let again = wall.begin().await;
    assert_eq!(again.content["pin"], begun.content["pin"], "one key, one PIN");
    let pending = wall.poll(&begun.content).await;
    assert_eq!((pending.status, &pending.content["status"]), (202, &"pending".into()));
    assert_eq!(wall.poll(&begun.content).await.content["status"], "slow-down");

    let mut foreign = display(&world, "SN-1");
    assert_eq!(foreign.poll(&begun.content).await.told(), (410, "device-answer", Some("activation-expired")));

    let done = confirm(&world, &mut ada, &begun.content, "acme").await;
    assert!(done.status == 200 && done.text().contains("4.12"), "{}", done.text());
    let granted = wall.poll(&begun.content).await;
    assert_eq!(
        (granted.status, &granted.content["tenant"], &granted.content["room"]),
        (200, &"acme".into(), &"4.12".into())
    );
    assert_eq!(granted.content["statement_keys"]["keys"].as_array().map(Vec::len), Some(1));
    assert_eq!(wall.poll(&begun.content).await.status, 200, "a lost answer costs nothing");

    let down = wall.ask("/wall/calendar").await;
    assert_eq!(down.told(), (503, "upstream-failed", Some("upstream-failed")), "{down:?}");
    assert_eq!(down.content["wipe"], false);
    world.proxies.monolith.heal().await;
    let served = wall.ask("/wall/calendar").await;
    assert_eq!(
        (served.status, served.field("x-gateway-answer"), served.field("auth-renew")),
        (200, Some("upstream"), None)
    );
    let seen = world.monolith.seen();
    let reached = seen.last().expect("it reached the service");
    assert_eq!(reached.header("x-auth-request-user"), granted.content["device_id"].as_str());
    assert_eq!(reached.header("x-auth-request-kind"), Some("device"));
}

pub(super) async fn ages() {
    let world = fleet(World::new().standing_clock()).await;
    let mut ada = signed_in(&world, "ada").await;
    let mut wall = display(&world, "SN-1");
    activate(&world, &mut ada, &mut wall, "acme").await;
    let first = wall.token();
    let told = async |after: Duration| {
        world.advance(after);
        assert!(world.poll_revocations().await, "the store is there");
        let heard = wall.ask("/wall/calendar").await;
        let renew = heard.field("auth-renew").map(str::to_owned);
        (heard.status, heard.field("x-gateway-answer").unwrap_or_default().to_owned(), renew)
    };
    let served = |renew: Option<&str>| (200, "upstream".to_owned(), renew.map(str::to_owned));
    assert_eq!(told(Duration::from_secs(6)).await, served(None));
    assert_eq!(told(12 * HOUR).await, served(Some("due")));
    assert_eq!(told(12 * HOUR).await, served(Some("overdue")));
    assert_eq!(told(24 * HOUR).await, (503, "renewal-required".to_owned(), None));
    assert_eq!(told(15 * 24 * HOUR).await, (503, "renewal-required".to_owned(), None), "over is no refusal either");
    let renewed = wall.renew().await;
    assert_eq!(renewed.status, 200, "{renewed:?}");
    assert_ne!(wall.token(), first);
    assert_eq!(wall.ask("/wall/calendar").await.status, 200);
    assert_eq!(
        wall.post("token", &serde_json::json!({ "token": first })).await.status,
        200,
        "again, as often as it likes"
    );
}

pub(super) async fn coming_back() {
    let world = fleet(World::new()).await;
    let (mut ada, mut grace) = (signed_in(&world, "ada").await, signed_in(&world, "grace").await);
    let mut wall = display(&world, "SN-1");
    assert_eq!(wall.reactivate().await.told(), (404, "device-answer", Some("device-unknown")));
    activate(&world, &mut ada, &mut wall, "acme").await;
    let device_id = wall.granted.take().expect("granted")["device_id"].clone();
    let back = wall.reactivate().await;
    assert_eq!((back.status, &back.content["device_id"]), (200, &device_id), "{back:?}");
    let devices = world.devices();
    devices.write_last_seen().await.expect("the store is there");
    let id = device_id.as_str().and_then(|id| id.parse().ok()).expect("an id");
    let shown = devices.registry().show(id).await.expect("the store is there").expect("it is known");
    assert_eq!(shown.last_address.as_deref(), Some("127.0.0.1"), "whence it came is noted");
    assert_eq!(wall.ask("/wall/calendar").await.status, 200);
    let statement = wall.post("statements", &serde_json::json!({ "nonce": "AAAAAAAAAAAAAAAAAAAAAA" })).await;
    assert_eq!(statement.content["statement"].as_str().map(|jws| jws.split('.').count()), Some(3), "{statement:?}");

    // The next PIN of a display of acme's is nothing to anybody else.
    let begun = wall.begin().await;
    let form = [("pin".to_owned(), begun.content["pin"].as_str().expect("a PIN").to_owned())];
    let seen = grace.browser().post(&world.url("/.candor/activate"), &form).await.expect("an answer");
    assert_eq!(seen.status, 404, "{}", seen.text());
}

/// A display that knows no more than to show a token, or to ask for another by the one that it has.
pub(super) async fn without_a_key() {
    let world = fleet(World::new()).await;
    let devices = world.devices();
    let registered = world.register("acme").await;
    let lasting = devices.mint_lasting(&registered.binding, world.clock().now()).expect("it can be signed");
    let keyed = registered.token(&devices, world.clock());
    let mut wall = display(&world, "SN-1");
    let heard = without_proof(&mut wall, lasting.text.expose_secret()).await;
    assert_eq!(
        (heard.status, heard.content["device_id"].as_str()),
        (200, Some(&*registered.binding.device.to_string()))
    );
    let renewed = heard.content["token"].as_str().expect("a token").to_owned();
    for good in [lasting.text.expose_secret(), &renewed] {
        let seen = wall.ask_by(good, "/wall/calendar").await;
        assert_eq!(seen.status, 200, "the predecessor is good too: {seen:?}");
    }
    assert_eq!(
        without_proof(&mut wall, &keyed).await.told(),
        (400, "bad-request", Some("bad-proof")),
        "its key must be proven"
    );
    assert_eq!(without_proof(&mut wall, "eyJ.made.up").await.told(), (404, "device-answer", Some("device-unknown")));
    world.change(&registered, BindingState::Revoked).await;
    assert_eq!(without_proof(&mut wall, &renewed).await.told(), (410, "device-answer", Some("device-revoked")));
}

/// Asks for another token by this one alone.
async fn without_proof(wall: &mut Device, token: &str) -> DeviceHeard {
    let mut request = wall.request("token", &json!({ "token": token })).await;
    request.proof = None;
    wall.send(&request).await
}
