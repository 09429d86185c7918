//! A new configuration while the gateway runs: who is under way goes on under the one before, and what is known of the
//! world outside is known to the next.

use auth_core::refusal_guard::RefusalGuard;
use gateway::demo::{AccessTokenSpec, Part};
use libtest_mimic::Trial;
use tokio::net::TcpListener;
use world::{
    World,
    caller::{Caller, Form},
    fault_proxy::Break,
};

use super::{OK, Setting, line::Line, request};
use crate::in_a_runtime;

pub(super) fn tests() -> Vec<Trial> {
    vec![
        in_a_runtime("serving::a_new_configuration_goes_on_with_the_same_connections", the_same_connections),
        in_a_runtime("serving::who_is_under_way_to_another_endpoint_gets_there", under_way_to_another_endpoint),
        in_a_runtime("serving::timeouts_are_those_of_when_a_connection_begins", timeouts_of_now),
        in_a_runtime("serving::a_new_configuration_asks_no_provider_again", no_provider_is_asked_again),
        in_a_runtime("serving::keys_for_other_algorithms_remember_nothing", other_algorithms),
        in_a_runtime("serving::a_sign_in_is_finished_once_under_two_configurations", a_sign_in_is_finished_once),
        in_a_runtime("serving::another_audience_is_judged_anew", another_audience),
        in_a_runtime("serving::limits_and_the_guard_outlive_a_configuration", limits_and_the_guard),
    ]
}

async fn the_same_connections() {
    let mut setting = Setting::patient().await;
    let (mut client, mut upstream, _) = setting.asked(&request("GET", "before", "")).await;
    setting.world.settings.replace("path = \"/public/\"", "path = \"/open/\"");
    setting.world.settings.replace("[upstreams.monolith]", "[upstreams.monolith]\nhost = \"service.example\"");
    setting.world.reconfigure();
    upstream.say(OK).await;
    assert!(client.message().await.ends_with("ok"), "its route is gone, and it had arrived before");
    client.say(request("GET", "after", "")).await;
    assert!(client.message().await.starts_with("HTTP/1.1 401 "), "nobody signed in, and no open route is left here");
    client.say("GET /open/after HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").await;
    // On the connection that the configuration before has opened.
    let head = upstream.head().await;
    assert!(head.starts_with("GET /open/after ") && head.contains("\r\nhost: service.example\r\n"), "{head}");
    upstream.say(OK).await;
    assert!(client.message().await.ends_with("ok"));
}

async fn under_way_to_another_endpoint() {
    let mut setting = Setting::patient().await;
    let other = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port is free");
    let address = |listener: &TcpListener| listener.local_addr().expect("it is bound").to_string();
    let (mut client, mut upstream, _) = setting.asked(&request("GET", "before", "")).await;
    setting.world.settings.replace(&address(&setting.upstream), &address(&other));
    setting.world.reconfigure();
    upstream.say(OK).await;
    assert!(client.message().await.ends_with("ok"));
    client.say(request("GET", "after", "")).await;
    let mut next = Line::accepted(&other).await;
    next.head().await;
    next.say(OK).await;
    assert!(client.message().await.ends_with("ok"));
    assert_eq!(upstream.end().await.rest, "", "nothing else was sent there, and its connection is closed");
}

async fn timeouts_of_now() {
    let mut setting = Setting::patient().await;
    setting.world.settings.replace("data = \"data\"", "data = \"data\"\nidle_timeout = \"3s\"");
    setting.world.reconfigure();
    let (mut client, mut upstream, _) = setting.asked(&request("GET", "once", "")).await;
    upstream.say(OK).await;
    assert!(client.message().await.ends_with("ok"));
    assert_eq!(client.end().await.rest, "", "it ends before the 75 s that the configuration before said");
}

/// Its document and its keys are what they were, and so is what was remembered of tokens.
async fn no_provider_is_asked_again() {
    let mut world = World::new().start().await;
    let mut known = Caller::bearing(Form::Script, &world.token("display-1"));
    world.warm_up(&mut known, "/api/calendar").await;
    world.until_provider_is_on_disk().await;
    let asked = |world: &World| (world.idp.asked(Part::Discovery), world.idp.asked(Part::Keys));
    let before = asked(&world);
    world.proxies.keys.break_with(Break::Refused).await;
    world.proxies.discovery.break_with(Break::Refused).await;
    std::fs::remove_dir_all(world.data().join("issuers")).expect("what is on disk can be removed");
    world.settings.replace("path = \"/passed/\"", "path = \"/elsewhere/\"");
    world.reconfigure();
    let mut new = Caller::bearing(Form::Script, &world.token("display-2"));
    for caller in [&mut known, &mut new] {
        let heard = world.ask(caller, "/api/calendar").await;
        assert_eq!(heard.status(), Some(200), "{}", heard.line());
    }
    assert_eq!(asked(&world), before);
}

/// What is remembered of a token is what its issuer signed, and never that it is for us.
async fn another_audience() {
    let mut world = World::new().start().await;
    let mut known = Caller::bearing(Form::Script, &world.token("display-1"));
    world.warm_up(&mut known, "/api/calendar").await;
    world.settings.replace("audience = [\"api://monolith\"]", "audience = [\"api://another\"]");
    world.reconfigure();
    let heard = world.ask(&mut known, "/api/calendar").await;
    assert_eq!((heard.status(), heard.word()), (Some(401), Some("credential-invalid")), "{}", heard.line());
    world.settings.replace("audience = [\"api://another\"]", "audience = [\"api://monolith\"]");
    world.reconfigure();
    assert_eq!(world.ask(&mut known, "/api/calendar").await.status(), Some(200));
}

/// What one set of keys has said of a token counts for those keys alone.
async fn other_algorithms() {
    let mut world = World::new().start().await;
    let mut known = Caller::bearing(Form::Script, &world.token("display-1"));
    world.warm_up(&mut known, "/api/calendar").await;
    let (taken, other) =
        ("audience = [\"api://monolith\"]", "audience = [\"api://monolith\"]\nalgorithms = [\"ES256\"]");
    world.settings.replace(taken, other);
    world.reconfigure();
    let heard = world.ask(&mut known, "/api/calendar").await;
    assert_eq!(heard.status(), Some(503), "its algorithm is not taken any more: {}", heard.line());
    assert!(heard.identities().is_empty());
    world.settings.replace(other, taken);
    world.reconfigure();
    assert_eq!(world.ask(&mut known, "/api/calendar").await.status(), Some(200));
}

/// A configuration that mistakes the audience is what the guard is for: it knows whom the one before took.
async fn limits_and_the_guard() {
    let mut world = World::new().standing_clock().start().await;
    let mut displays: Vec<Caller> = (0..RefusalGuard::FEW + 5)
        .map(|number| {
            Caller::bearing(Form::Device, &world.idp.mint(&AccessTokenSpec::of(&format!("display-{number}"))))
        })
        .collect();
    world.warm_up(&mut displays[0], "/display/calendar").await;
    for display in &mut displays {
        assert_eq!(world.ask(display, "/display/calendar").await.status(), Some(200));
    }
    let mut stranger = Caller::new(Form::Browser);
    let callback = "/.candor/callback/pretend?state=x&code=y";
    for _ in 0..60 {
        assert_eq!(world.ask(&mut stranger, callback).await.status(), Some(400));
    }
    world.settings.replace("audience = [\"api://monolith\"]", "audience = [\"api://mistaken\"]");
    world.reconfigure();
    assert_eq!(world.ask(&mut stranger, callback).await.status(), Some(429), "it has come back often enough");
    let mut told = Vec::new();
    for display in &mut displays {
        told.push(world.ask(display, "/display/calendar").await.status().unwrap_or(0));
    }
    let refused = told.iter().filter(|status| **status == 401).count();
    assert!(refused <= RefusalGuard::FEW && told.last() == Some(&503), "it wiped too many: {told:?}");
}

async fn a_sign_in_is_finished_once() {
    let mut world = World::new().standing_clock().start().await;
    let mut person = Caller::new(Form::Browser);
    let callback = world.until_callback(&mut person, "ada", "/calendar").await;
    let cookies: Vec<(String, String)> = person
        .browser()
        .cookie_names(&callback)
        .into_iter()
        .filter_map(|name| {
            let value = person.browser().cookie(&callback, &name)?.to_owned();
            Some((name, value))
        })
        .collect();
    let seen = person.browser().get(&callback).await.expect("an answer");
    assert_eq!(seen.status, 303, "{}", seen.text());
    let asked = world.idp.asked(Part::Token);
    world.settings.replace("path = \"/passed/\"", "path = \"/elsewhere/\"");
    world.reconfigure();
    // Whoever copied the cookie comes with it once more.
    let mut copy = Caller::new(Form::Browser);
    for (name, value) in &cookies {
        copy.browser().set_cookie(&callback, name, value);
    }
    let seen = copy.browser().get(&callback).await.expect("an answer");
    assert_eq!(seen.status, 400, "{}", seen.text());
    assert_eq!(world.idp.asked(Part::Token), asked, "the provider is not asked for what was spent");
}
