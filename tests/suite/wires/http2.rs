//! Flows over every protocol that clients speak.

use libtest_mimic::Trial;
use world::{
    World,
    caller::{Caller, Form},
    wire::Protocol,
};

use crate::in_a_runtime;

pub(super) fn tests() -> Vec<Trial> {
    Protocol::ALL
        .map(|protocol| {
            let name = format!("wires::everybody_is_served_over_{}", protocol.name());
            in_a_runtime(&name, move || everybody_is_served(protocol))
        })
        .into()
}

/// A person, a program, somebody without a credential and somebody with a bad one, each as over HTTP/1.1.
async fn everybody_is_served(protocol: Protocol) {
    let world = World::new().over(protocol).start().await;
    let mut ada = Caller::new(Form::Browser);
    world.sign_in(&mut ada, "ada", "/calendar").await;
    let again = world.ask(&mut ada, "/calendar").await;
    assert_eq!((again.status(), again.identities()), (Some(200), vec!["ada"]), "{}", again.line());
    let mut program = Caller::bearing(Form::Script, &world.token("display-1"));
    world.warm_up(&mut program, "/api/calendar").await;
    let fields = [("a".to_owned(), "1".to_owned())];
    let posted = program.post(&world.url("/api/calendar"), &fields, &world.monolith).await;
    assert_eq!((posted.status(), posted.identities()), (Some(200), vec!["display-1"]), "{}", posted.line());
    let stranger = world.ask(&mut Caller::new(Form::Script), "/api/calendar").await;
    assert_eq!((stranger.status(), stranger.reached.len()), (Some(401), 0), "{}", stranger.line());
    let forged = format!("{}x", world.token("display-1"));
    let forged = world.ask(&mut Caller::bearing(Form::Script, &forged), "/api/calendar").await;
    assert_eq!((forged.status(), forged.word()), (Some(401), Some("credential-invalid")), "{}", forged.line());
    let is_http2 = matches!(protocol, Protocol::Http2 | Protocol::Http2Tls);
    let expected = if is_http2 { serde_json::Value::from("HTTP/2") } else { serde_json::Value::Null };
    let lines = world.access_to("/api/calendar").await;
    assert!(lines.iter().all(|line| line["protocol"] == expected), "{lines:?}");
}
