//! Ends that somebody made up, and ends that somebody outlives.

use std::time::Duration;

use gateway::demo::{AccessTokenSpec, Twin};
use serde_json::json;
use world::{
    World,
    caller::{Caller, Form},
};

use super::{Attack, Probes};

pub(super) const ATTACKS: &[Attack] = &[
    Attack { name: "made_up_logout_tokens", fault: "logout-token-unverified", run: || Box::pin(made_up_tokens()) },
    Attack { name: "tickets_that_outlive_an_order", fault: "ended-in-store-only", run: || Box::pin(outlived_orders()) },
];

fn logout(subject: &str) -> AccessTokenSpec {
    let event = "http://schemas.openid.net/event/backchannel-logout";
    let claims = json!({ "aud": "candor", "events": { event: {} } });
    AccessTokenSpec::of(subject).aged(Duration::ZERO).typed(Some("logout+jwt")).with(claims)
}

async fn send(world: &World, token: String) -> Option<u16> {
    let to = world.url("/.candor/logout/backchannel");
    let fields = [("logout_token".to_owned(), token)];
    Caller::new(Form::Script).post(&to, &fields, &world.monolith).await.status()
}

async fn signed_in(world: &World) -> Caller {
    let mut person = Caller::new(Form::Browser);
    world.sign_in(&mut person, "ada", "/calendar").await;
    person
}

/// Strangers who sign somebody out by tokens that the provider never signed.
async fn made_up_tokens() -> Probes {
    let world = World::new().start().await;
    let mut victim = signed_in(&world).await;
    let mut probes = Probes::default();
    let twins = [Twin::Forged, Twin::UnknownKid].map(|twin| world.idp.twin(&logout("ada"), twin));
    let others = ["key-7", "../key-0", ""].map(|kid| world.idp.mint(&logout("ada").under_kid(kid)));
    for token in twins.into_iter().chain(others) {
        let status = send(&world, token).await;
        let after = world.ask(&mut victim, "/calendar").await;
        probes.made(after.identities().is_empty(), || format!("{status:?}, then {}", after.line()));
    }
    probes
}

/// Somebody who was signed out, by their provider or by an operator, and asks on with their old ticket, at once.
async fn outlived_orders() -> Probes {
    let world = World::new().standing_clock().start().await;
    let mut probes = Probes::default();
    let mut by_provider = signed_in(&world).await;
    assert_eq!(send(&world, world.idp.mint(&logout("ada"))).await, Some(200));
    let mut told = vec![world.ask(&mut by_provider, "/calendar").await];
    world.advance(Duration::from_secs(31));
    let mut by_hand = signed_in(&world).await;
    world.revoke("ada").await;
    told.push(world.ask(&mut by_hand, "/calendar").await);
    for heard in told {
        probes.made(!heard.identities().is_empty(), || heard.line());
    }
    probes
}
