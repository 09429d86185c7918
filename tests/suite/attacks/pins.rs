//! What somebody tries who finds an unlocked phone beside a display.

use std::time::Duration;

use world::World;

use super::{Attack, Probes};
use crate::devices::{display, fleet, signed_in};

pub(super) const ATTACKS: &[Attack] = &[Attack {
    name: "pins_by_an_old_sign_in",
    fault: "any-sign-in-confirms",
    run: || Box::pin(pins_by_an_old_sign_in()),
}];

/// A display's PIN, typed by somebody who signed in more than a quarter of an hour ago.
async fn pins_by_an_old_sign_in() -> Probes {
    let world = fleet(World::new().standing_clock()).await;
    let mut ada = signed_in(&world, "ada").await;
    let mut wall = display(&world, "SN-1");
    let page = world.url("/.candor/activate");
    world.advance(Duration::from_secs(901));
    assert!(world.poll_revocations().await, "the store is there");
    let begun = wall.begin().await;
    let pin = [("pin".to_owned(), begun.content["pin"].as_str().expect("a PIN").to_owned())];
    let mut probes = Probes::default();
    let seen = ada.browser().post(&page, &pin).await.expect("an answer");
    probes.made(seen.text().contains("wall-7"), || format!("shown which display it is: {}", seen.status));
    probes
}
