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
    Attack { name: "frames_of_foreign_issuers", fault: "frames-name-any-issuer", run: || Box::pin(foreign_frames()) },
    Attack {
        name: "frames_that_guess_sessions",
        fault: "short-sessions-are-named",
        run: || Box::pin(guessing_frames()),
    },
    Attack {
        name: "made_up_returns_from_signing_out",
        fault: "any-state-is-back",
        run: || Box::pin(made_up_returns()),
    },
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

/// What a page in a frame sends about sessions at the provider, as query parameters.
async fn frame(world: &World, parameters: &[(&str, &str)]) -> Option<u16> {
    let mut to = world.url("/.candor/logout/frontchannel");
    to.query_pairs_mut().extend_pairs(parameters);
    Caller::new(Form::Browser).get(&to, &world.monolith).await.status()
}

/// Somebody who has signed in, at the provider's session `sid`.
async fn signed_in_at(world: &World, sid: &str) -> Caller {
    world.idp.states_of("ada", json!({ "sid": sid }));
    signed_in(world).await
}

/// Pages of another issuer, configured here or not, that name a session as this one does; and one that says nothing, or says
/// two things at once.
async fn foreign_frames() -> Probes {
    const SID: &str = "a-session-at-the-provider";
    let mut world = World::new().prepare().await;
    let second = "[[identity]]\nname = \"second\"\nissuer = \"https://second.invalid\"\nclient_id = \"candor\"\n\n\
                  [upstreams.monolith]";
    world.settings.replace("[upstreams.monolith]", second);
    world.start_gateway().await;
    let mut login = world.url("/.candor/login");
    login.query_pairs_mut().append_pair("provider", "pretend").append_pair("return_to", "/calendar");
    world.idp.states_of("ada", json!({ "sid": SID }));
    world.idp.set_login(gateway::demo::Login::Immediately("ada".to_owned()));
    let mut victim = Caller::new(Form::Browser);
    victim.browser().visit(&login).await.expect("signed in");
    let issuer = world.idp.issuer();
    let mut probes = Probes::default();
    let twice = format!("{issuer} {issuer}");
    for parameters in [
        &[("iss", "https://second.invalid"), ("sid", SID)][..],
        &[("iss", "https://third.invalid"), ("sid", SID)],
        &[("iss", &issuer.to_uppercase()), ("sid", SID)],
        &[("iss", &format!("{issuer}/")), ("sid", SID)],
        &[("iss", &twice), ("sid", SID)],
        &[("iss", ""), ("sid", SID)],
        &[("sid", SID)],
        &[("iss", "https://second.invalid"), ("iss", &issuer), ("sid", SID)],
    ] {
        let status = frame(&world, parameters).await;
        let after = world.ask(&mut victim, "/calendar").await;
        probes.made(after.identities().is_empty(), || format!("{parameters:?}: {status:?}, then {}", after.line()));
    }
    assert_eq!(frame(&world, &[("iss", &issuer), ("sid", SID)]).await, Some(200));
    assert!(
        world.ask(&mut victim, "/calendar").await.identities().is_empty(),
        "what is foreign is bent from what counts"
    );
    probes
}

/// Somebody who counts through the names of sessions, at a provider that numbers them; or knows a part of one, or a pattern.
async fn guessing_frames() -> Probes {
    let world = World::new().start().await;
    let issuer = world.idp.issuer();
    let mut probes = Probes::default();
    let mut numbered = signed_in_at(&world, "7").await;
    let mut named = signed_in_at(&world, "a-session-at-the-provider").await;
    let guesses = (0..10).map(|number| number.to_string());
    let patterns =
        ["", "%", "a-session-at-the-%", "*", "' OR '1'='1' --------", "a-session-at-the-", "7\0"].map(str::to_owned);
    for sid in guesses.chain(patterns) {
        let status = frame(&world, &[("iss", &issuer), ("sid", &sid)]).await;
        for victim in [&mut numbered, &mut named] {
            let after = world.ask(victim, "/calendar").await;
            probes.made(after.identities().is_empty(), || format!("{sid}: {status:?}, then {}", after.line()));
        }
    }
    probes
}

/// A link to our own address that says that somebody is signed out at their provider, where they still are.
async fn made_up_returns() -> Probes {
    let mut world = World::new().prepare().await;
    world.idp.offer_logout();
    world.start_gateway().await;
    let mut victim = signed_in(&world).await;
    let sent = victim.post(&world.url("/.candor/logout"), &[], &world.monolith).await.answer.expect("a page");
    assert!(sent.onward().is_some(), "on to the provider: {}", sent.text());
    let mut probes = Probes::default();
    for state in ["", "x", "AAAAAAAAAAAAAAAAAAAAAA", "../state", "null", "%00"] {
        let mut back = world.url("/.candor/logout");
        back.query_pairs_mut().append_pair("state", state);
        let told = world.ask(&mut victim, &back[url::Position::BeforePath..]).await.answer.expect("a page").text();
        probes.made(told.contains("signed out there too"), || format!("{state}: {told}"));
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
