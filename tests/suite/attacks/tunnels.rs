//! WebSockets: opened by pages of other sites, switched to something else, kept after the end of who opened them; and ended,
//! or ended with the wrong word, where nothing is proven.

use std::time::Duration;

use auth_core::database::Disturbance;
use tokio::time::{interval, timeout};

use super::{Attack, Probes};
use crate::serving::{
    Setting, request,
    tunnels::{HANDSHAKE, HELLO, SWITCHED, close_code, opened},
};

pub(super) const ATTACKS: &[Attack] = &[
    Attack { name: "websockets_of_other_sites", fault: "websocket-from-any-site", run: || Box::pin(of_other_sites()) },
    Attack {
        name: "switching_to_something_else",
        fault: "websocket-accept-unread",
        run: || Box::pin(something_else()),
    },
    Attack {
        name: "websockets_that_outlive_an_end",
        fault: "tunnel-outlives-revocation",
        run: || Box::pin(outliving_an_end()),
    },
    Attack {
        name: "websockets_that_end_by_an_outage",
        fault: "tunnel-closed-by-outage",
        run: || Box::pin(ended_by_an_outage()),
    },
    Attack {
        name: "policy_words_without_a_proof",
        fault: "policy-word-without-proof",
        run: || Box::pin(words_without_a_proof()),
    },
];

/// Longer than the end of a tunnel takes, on a busy machine too.
const LONG: Duration = Duration::from_secs(10);

/// A handshake on a route for people and programs, by somebody with a token.
fn by_token(setting: &Setting, subject: &str) -> String {
    let token = setting.world.token(subject);
    let fields = format!("{HANDSHAKE}Authorization: Bearer {token}\r\n");
    request("GET", "ws", &fields).replace("/public/", "/api/")
}

async fn of_other_sites() -> Probes {
    let mut probes = Probes::default();
    let setting = Setting::patient().await;
    let own = setting.world.settings.public_url().origin().ascii_serialization();
    let origins = [
        String::new(),
        "Origin: null\r\n".to_owned(),
        "Origin: https://evil.example\r\n".to_owned(),
        format!("Origin: {own}.evil.example\r\n"),
        format!("Origin: {own}1\r\n"),
        format!("Origin: {}\r\n", own.replace("http://", "https://")),
        format!("Origin: {own}\r\nOrigin: https://evil.example\r\n"),
    ];
    for origin in origins {
        let mut page = setting.client().await;
        page.say(request("GET", "ws", &format!("{HANDSHAKE}Cookie: app=1\r\n{origin}"))).await;
        let reached = tokio::select! {
            _ = setting.upstream() => true,
            head = page.head() => !head.starts_with("HTTP/1.1 400 "),
        };
        probes.made(reached, || format!("{origin:?} opened a WebSocket with a cookie"));
    }
    probes
}

async fn something_else() -> Probes {
    let mut probes = Probes::default();
    let setting = Setting::patient().await;
    let wrong = [
        SWITCHED.replace("s3pP", "AAAA"),
        SWITCHED.replace("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n", ""),
        SWITCHED.replace("\r\n\r\n", "\r\nSec-WebSocket-Protocol: never-offered\r\n\r\n"),
    ];
    for wrong in wrong {
        let (mut client, mut upstream, _) = setting.asked(&request("GET", "ws", HANDSHAKE)).await;
        upstream.say(&wrong).await;
        let head = client.head().await;
        probes.made(head.contains(" 101 "), || format!("{wrong:?} was believed"));
    }
    probes
}

async fn outliving_an_end() -> Probes {
    let mut probes = Probes::default();
    let setting = Setting::patient().await;
    let (mut client, _upstream) = opened(&setting, &by_token(&setting, "ada")).await;
    setting.world.revoke("ada").await;
    let closed = timeout(LONG, close_code(&mut client)).await;
    probes.made(closed.is_err(), || "a WebSocket was still open after its person was signed out".to_owned());
    probes
}

async fn ended_by_an_outage() -> Probes {
    let mut probes = Probes::default();
    let setting = Setting::patient().await;
    let (mut client, mut upstream) = opened(&setting, &by_token(&setting, "ada")).await;
    setting.world.disturb_store(Disturbance::Closed).await;
    // Longer than a confirmation may be missing before it counts.
    let mut beat = interval(world::DEADLINE / 8);
    for _ in 0..32 {
        beat.tick().await;
        let passed = upstream.try_say(HELLO).await && client.try_exactly(HELLO.len()).await.as_deref() == Some(HELLO);
        probes.made(!passed, || "a WebSocket was closed since the store is down".to_owned());
        if !passed {
            break;
        }
    }
    probes
}

async fn words_without_a_proof() -> Probes {
    let mut probes = Probes::default();
    let setting = Setting::patient().await;
    let (mut client, upstream) = opened(&setting, &by_token(&setting, "ada")).await;
    drop(upstream);
    let code = close_code(&mut client).await;
    probes.made(code == 1008, || "the service went away, and the client was told that it may not".to_owned());
    probes
}
