//! What people are told about PINs.

use auth_core::{
    database::Disturbance,
    device::{
        activation::{AskingNetwork, KeylessBegin},
        registry::DeviceDescription,
    },
};
use std::time::Duration;
use world::{
    World,
    caller::{Caller, Form},
};

use super::{confirm, display, fleet, signed_in, with_fleet};

/// The page of a PIN that was typed.
async fn typed(world: &World, installer: &mut Caller, pin: &str) -> gateway::demo::browser::SeenPage {
    let form = [("pin".to_owned(), pin.to_owned())];
    installer.browser().post(&world.url("/.candor/activate"), &form).await.expect("an answer")
}

/// What is the same in two answers, but for the number of the request.
fn comparable(page: &gateway::demo::browser::SeenPage) -> (u16, String) {
    let text = page.text();
    (page.status.as_u16(), text.split("<footer>").next().unwrap_or_default().to_owned())
}

pub(super) async fn one_answer() {
    let world = fleet(World::new().standing_clock()).await;
    let (mut ada, mut grace) = (signed_in(&world, "ada").await, signed_in(&world, "grace").await);
    let mut wall = display(&world, "SN-1");
    let begun = wall.begin().await;
    let pin = begun.content["pin"].as_str().expect("a PIN").to_owned();
    let wrong = if pin == "000000" { "000001" } else { "000000" };
    let never = comparable(&typed(&world, &mut ada, wrong).await);
    assert_eq!(never.0, 404, "{}", never.1);

    // Spaces help to read it out.
    let spaced = format!("{} {}", &pin[..3], &pin[3..]);
    assert_eq!(typed(&world, &mut ada, &spaced).await.status, 200);
    let letters = typed(&world, &mut ada, "48291o").await;
    assert!(letters.status == 400 && letters.text().contains("digits only"), "{}", letters.text());

    let done = confirm(&world, &mut ada, &begun.content, "acme").await;
    assert_eq!(done.status, 200, "{}", done.text());
    assert_eq!(comparable(&typed(&world, &mut ada, &pin).await), never, "used");
    // It belongs to acme from now on: its next PIN is nothing to globex.
    let next = wall.begin().await;
    let of_acme = next.content["pin"].as_str().expect("a PIN").to_owned();
    assert_eq!(comparable(&typed(&world, &mut grace, &of_acme).await), never, "another tenant's");
    world.advance(Duration::from_secs(601));
    assert!(world.poll_revocations().await, "the store is there");
    assert_eq!(comparable(&typed(&world, &mut ada, &of_acme).await), never, "over");
    assert_eq!(wall.poll(&next.content).await.told(), (410, "device-answer", Some("activation-expired")));

    let mut last = never.0;
    for guess in 0..6 {
        last = typed(&world, &mut ada, &format!("00001{guess}")).await.status.as_u16();
    }
    assert_eq!(last, 429, "guesses are few");
    let good = display(&world, "SN-2").begin().await;
    let spent = typed(&world, &mut ada, good.content["pin"].as_str().expect("a PIN")).await;
    assert!(spent.status == 429 && spent.header("retry-after").is_some(), "not even a good one: {}", spent.text());
}

pub(super) async fn who_may() {
    let mut world = with_fleet(World::new().standing_clock()).await;
    world.settings.replace(", \"group:admirals\"] }", "] }");
    world.start_gateway().await;
    let begun = display(&world, "SN-1").begin().await;
    let pin = begun.content["pin"].as_str().expect("a PIN").to_owned();
    let address = format!("/.candor/activate?pin={pin}");

    let mut nobody = Caller::new(Form::Browser);
    let heard = world.ask(&mut nobody, &address).await;
    assert_eq!((heard.status(), heard.word()), (Some(303), Some("credential-missing")), "{}", heard.line());

    let mut grace = signed_in(&world, "grace").await;
    let heard = world.ask(&mut grace, &address).await;
    assert_eq!((heard.status(), heard.word()), (Some(403), Some("not-permitted")), "{}", heard.line());
    assert_eq!(typed(&world, &mut grace, &pin).await.status, 403);

    let mut ada = signed_in(&world, "ada").await;
    let page = ada.browser().get(&world.url(&address)).await.expect("an answer");
    assert!(page.status == 200 && page.text().contains(&format!("value=\"{pin}\"")), "{}", page.text());

    // Another site's form is not hers.
    let mut elsewhere = Caller::new(Form::Script);
    let ticket = ada.browser().cookie(&world.url("/"), "candor").expect("a ticket").to_owned();
    elsewhere.browser().set_cookie(&world.url("/"), "candor", &ticket);
    elsewhere.browser().always_send(http::header::ORIGIN, http::HeaderValue::from_static("https://elsewhere.example"));
    elsewhere
        .browser()
        .always_send(http::HeaderName::from_static("sec-fetch-site"), http::HeaderValue::from_static("cross-site"));
    assert_eq!(typed(&world, &mut elsewhere, &pin).await.status, 400);

    world.advance(Duration::from_secs(15 * 60 + 1));
    assert!(world.poll_revocations().await, "the store is there");
    let late = ada.browser().get(&world.url(&address)).await.expect("an answer");
    assert!(late.status == 200 && late.text().contains("Sign in once more"), "{}", late.text());
    assert!(late.text().contains("fresh=1"), "{}", late.text());
    let posted = typed(&world, &mut ada, &pin).await;
    assert!(posted.text().contains("Sign in once more"), "{}", posted.text());
}

/// Displays of before, each in a network of its own, so that a PIN typed at random hits one more often.
async fn many_displays(world: &World) {
    let (devices, now) = (world.devices(), world.clock().now());
    for number in 0..=u8::MAX {
        let about = DeviceDescription { hardware_id: number.to_string(), model: "old".into(), app_version: "1".into() };
        let network = AskingNetwork::of([198, 51, 100, number].into());
        let begun = devices.begin_keyless(about, &network, now).await.expect("the store is there");
        assert!(matches!(begun, KeylessBegin::Begun(_)), "{number}");
    }
}

pub(super) async fn tag_asked() {
    let world = fleet(World::new().standing_clock()).await;
    let (mut ada, mut grace) = (signed_in(&world, "ada").await, signed_in(&world, "grace").await);
    let begun = display(&world, "SN-1").begin().await;
    let [pin, tag] = ["pin", "tag"].map(|name| begun.content[name].as_str().expect("text").to_owned());
    many_displays(&world).await;
    // A thousand to one a day, with 257 of a million in reach: that is three guesses.
    let wrong = async |caller: &mut Caller, number: u32| typed(&world, caller, &format!("{number:08}")).await;
    for guess in 0..3 {
        let seen = wrong(&mut ada, guess).await;
        assert_eq!((seen.status.as_u16(), seen.text().contains("name=\"tag\"")), (404, guess == 2), "{}", seen.text());
    }
    let (right, never) = (comparable(&typed(&world, &mut ada, &pin).await), comparable(&wrong(&mut ada, 9).await));
    let shown = |page: &(u16, String), pin: &str| (page.0, page.1.replace(pin, "PIN"));
    assert_eq!(shown(&right, &pin), shown(&never, "00000009"), "what is asked says nothing about the PIN");
    assert!(right.0 == 200 && right.1.contains("name=\"tag\"") && !right.1.contains("wall-7"), "{}", right.1);
    let with_tag = async |caller: &mut Caller, pin: &str, tag: &str| {
        let form = [("pin", pin), ("tag", tag)].map(|(name, value)| (name.to_owned(), value.to_owned()));
        caller.browser().post(&world.url("/.candor/activate"), &form).await.expect("an answer")
    };
    let other = if tag == "BBBB" { "CCCC" } else { "BBBB" };
    let wrong_tag = comparable(&with_tag(&mut ada, &pin, other).await);
    assert_eq!(wrong_tag, comparable(&with_tag(&mut ada, "00000009", &tag).await), "wrong is wrong");
    assert_eq!(wrong_tag.0, 404);
    let no_tag = with_tag(&mut ada, &pin, "1234").await;
    assert!(no_tag.status == 400 && no_tag.text().contains("four letters"), "{}", no_tag.text());
    let spent = with_tag(&mut ada, &pin, &tag).await;
    assert_eq!(spent.status, 429, "her own five are spent too: {}", spent.text());

    // Globex's guesses are its own. Acme's next administrator goes on with the tag, typed or scanned.
    let elsewhere = typed(&world, &mut grace, &pin).await;
    assert!(elsewhere.status == 200 && elsewhere.text().contains("wall-7"), "{}", elsewhere.text());
    world.advance(Duration::from_secs(15 * 60));
    assert!(world.poll_revocations().await, "the store is there");
    let begun = display(&world, "SN-2").begin().await;
    let [pin, complete] = ["pin", "verification_uri_complete"].map(|name| begun.content[name].as_str().expect("text"));
    let mut ada = signed_in(&world, "ada").await;
    many_displays(&world).await;
    let asked = typed(&world, &mut ada, pin).await;
    assert!(asked.status == 200 && asked.text().contains("name=\"tag\""), "still: {}", asked.text());
    let scanned = ada.browser().get(&complete.parse().expect("an address")).await.expect("an answer");
    let found = ada.browser().submit(&scanned, &[("pin", pin)]).await.expect("an answer");
    assert!(found.status == 200 && found.text().contains("wall-7"), "{}", found.text());
    let done = ada.browser().submit(&found, &[("tenant", "acme"), ("room", "4.12")]).await.expect("an answer");
    assert!(done.text().contains("The display is activated"), "{}", done.text());
}

pub(super) async fn room_in_the_link() {
    let world = fleet(World::new().standing_clock()).await;
    let begun = display(&world, "SN-1").begin().await;
    let pin = begun.content["pin"].as_str().expect("a PIN").to_owned();
    let address = world.url(&format!("/.candor/activate?pin={pin}&room=Room%204.12"));
    let mut ada = signed_in(&world, "ada").await;
    let page = ada.browser().get(&address).await.expect("an answer");
    let found = ada.browser().submit(&page, &[("pin", &pin)]).await.expect("an answer");
    assert!(found.text().contains("name=\"room\" value=\"Room 4.12\""), "{}", found.text());
    let hostile = world.url(&format!("/.candor/activate?pin={pin}&room=%22%3Cb%3E"));
    let page = ada.browser().get(&hostile).await.expect("an answer");
    assert!(page.text().contains("value=\"&#34;&#60;b&#62;\"") && !page.text().contains("<b>"), "{}", page.text());
    let long = world.url(&format!("/.candor/activate?pin={pin}&room={}", "x".repeat(65)));
    let page = ada.browser().get(&long).await.expect("an answer");
    assert!(!page.text().contains("xxx"), "what no form takes: {}", page.text());

    world.advance(Duration::from_secs(15 * 60 + 1));
    assert!(world.poll_revocations().await, "the store is there");
    let late = ada.browser().get(&address).await.expect("an answer");
    assert!(late.text().contains("Sign in once more") && late.text().contains("%26room%3DRoom"), "{}", late.text());
}

pub(super) async fn store_down() {
    let mut world = fleet(World::new()).await;
    let mut ada = signed_in(&world, "ada").await;
    let mut wall = display(&world, "SN-1");
    let begun = wall.begin().await;
    let pin = begun.content["pin"].as_str().expect("a PIN").to_owned();
    // A proof needs no store, so its nonce is there.
    let nonce = wall.nonce().await;
    world.disturb_store(Disturbance::Closed).await;
    let page = typed(&world, &mut ada, &pin).await;
    assert_eq!((page.status.as_u16(), page.header("retry-after").is_some()), (503, true), "{}", page.text());
    assert!(page.deleted_cookies().is_empty());
    let content = serde_json::json!({ "activation_id": begun.content["activation_id"], "device_code": begun.content["device_code"] });
    let proof = Some(wall.proof_over("activations/token", &nonce));
    let mut request = wall.request("activations/token", &content).await;
    request.proof = proof;
    let heard = wall.send(&request).await;
    assert_eq!(heard.told(), (503, "verdict-unavailable", Some("verdict-unavailable")), "{heard:?}");
    assert!(heard.content["retry_after_s"].as_u64().is_some() && heard.content["wipe"] == false, "{heard:?}");
    world.heal_store().await;
    assert!(world.poll_revocations().await, "the store is back");
    let done = confirm(&world, &mut ada, &begun.content, "acme").await;
    assert_eq!(done.status, 200, "the same PIN is good: {}", done.text());
}
