//! The examples of `auth-core`, as they stand there: each is served here, and its provider is broken while it runs.

use std::{future::Future, net::SocketAddr, time::Duration};

use gateway::demo::{AccessTokenSpec, Twin, browser::SeenPage};
use libtest_mimic::Trial;
use serde_json::json;
use tokio::net::TcpListener;
use tonic::{Code, Request, transport::Channel};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use world::{
    World,
    caller::{Caller, Form},
    fault_proxy::Break,
    raw,
};

use crate::in_a_runtime;

#[path = "../../../auth-core/examples/axum.rs"]
#[allow(dead_code, unreachable_pub, reason = "its `main` is for those who run it")]
mod axum_service;
#[path = "../../../auth-core/examples/behind_a_gateway.rs"]
#[allow(dead_code, unreachable_pub, reason = "the same")]
mod behind_a_gateway;
#[path = "../../../auth-core/examples/hyper.rs"]
#[allow(dead_code, unreachable_pub, reason = "the same")]
mod hyper_service;
#[path = "../../../auth-core/examples/tonic.rs"]
#[allow(dead_code, unreachable_pub, reason = "the same")]
mod tonic_service;

pub(super) fn tests() -> Vec<Trial> {
    vec![
        in_a_runtime("linking::a_service_of_axum", a_service_of_axum),
        in_a_runtime("linking::a_service_of_hyper", a_service_of_hyper),
        in_a_runtime("linking::a_server_of_tonic", a_server_of_tonic),
        in_a_runtime("linking::a_service_behind_the_gateway", a_service_behind_the_gateway),
    ]
}

async fn a_service_of_axum() {
    let world = World::new().start().await;
    set_keys(&world, Some(Break::Refused)).await;
    let (listener, address) = listener().await;
    let app = axum_service::app(&world.idp.issuer()).expect("it starts though its provider is down");
    tokio::spawn(async move { axum::serve(listener, app).await });
    is_broken_and_healed(&world, address).await;
    assert_eq!(get(address, "/open", None).await, (200, "open".to_owned()));
}

async fn a_service_of_hyper() {
    let world = World::new().start().await;
    set_keys(&world, Some(Break::Refused)).await;
    let ((listener, address), issuer) = (listener().await, world.idp.issuer());
    tokio::spawn(async move { hyper_service::serve(listener, &issuer).await });
    is_broken_and_healed(&world, address).await;
}

/// A service over HTTP, whose provider is down at its first start, comes back, and goes again.
async fn is_broken_and_healed(world: &World, address: SocketAddr) {
    let spec = AccessTokenSpec::of("ada").with(json!({ "aud": "api", "scope": "orders:read" }));
    let good = world.idp.mint(&spec);
    let me = async |token: &str| get(address, "/me", Some(token)).await;
    assert_eq!(me(&good).await.0, 503, "its keys were never had");
    assert_eq!(get(address, "/me", None).await.0, 401);
    set_keys(world, None).await;
    until(async || me(&good).await.0 == 200).await;
    assert_eq!(me(&good).await.1, "ada");
    set_keys(world, Some(Break::Status(401))).await;
    assert_eq!(me(&good).await.0, 200, "the keys are known");
    for twin in [Twin::Expired, Twin::OtherTenant] {
        assert_eq!(me(&world.idp.mint(&spec.clone().twin(twin))).await.0, 401, "{}", twin.as_str());
    }
    for twin in [Twin::Forged, Twin::UnknownKid] {
        assert!(matches!(me(&world.idp.mint(&spec.clone().twin(twin))).await.0, 401 | 503), "{}", twin.as_str());
    }
    let elsewhere = world.idp.mint(&spec.clone().with(json!({ "aud": "another", "scope": "orders:read" })));
    assert_eq!(me(&elsewhere).await.0, 401, "a token for somebody else");
    let poor = world.idp.mint(&spec.with(json!({ "aud": "api" })));
    assert_eq!(me(&poor).await.0, 403, "a token without the scope");
}

async fn a_server_of_tonic() {
    let world = World::new().start().await;
    set_keys(&world, Some(Break::Refused)).await;
    let (listener, address) = listener().await;
    let server = tonic_service::server(&world.idp.issuer()).expect("it starts though its provider is down");
    let incoming = tonic::transport::server::TcpIncoming::from(listener);
    tokio::spawn(async move { server.serve_with_incoming(incoming).await });
    let channel = Channel::from_shared(format!("http://{address}")).expect("an address").connect_lazy();
    let check = async |token: Option<&str>| {
        let mut request = Request::new(HealthCheckRequest::default());
        if let Some(token) = token {
            let value = format!("Bearer {token}").parse().expect("a token is text");
            request.metadata_mut().insert("authorization", value);
        }
        match HealthClient::new(channel.clone()).check(request).await {
            Ok(_) => (Code::Ok, String::new()),
            Err(status) => (status.code(), status.message().to_owned()),
        }
    };
    let spec = AccessTokenSpec::of("ada").with(json!({ "aud": "api", "scope": "orders:read" }));
    let good = world.idp.mint(&spec);
    assert_eq!(check(Some(&good)).await, (Code::Unavailable, "verdict-unavailable".to_owned()));
    assert_eq!(check(None).await, (Code::Unauthenticated, "credential-missing".to_owned()));
    set_keys(&world, None).await;
    until(async || check(Some(&good)).await.0 == Code::Ok).await;
    set_keys(&world, Some(Break::Hang)).await;
    assert_eq!(check(Some(&good)).await.0, Code::Ok, "the keys are known");
    let expired = world.idp.mint(&spec.clone().twin(Twin::Expired));
    assert_eq!(check(Some(&expired)).await, (Code::Unauthenticated, "credential-invalid".to_owned()));
    let poor = world.idp.mint(&spec.with(json!({ "aud": "api" })));
    assert_eq!(check(Some(&poor)).await, (Code::PermissionDenied, "not-permitted".to_owned()));
}

/// The identity is the one that the gateway sent to the monolith: nobody makes another.
async fn a_service_behind_the_gateway() {
    let mut world = World::new().start().await;
    let mut person = Caller::new(Form::Browser);
    let seen: SeenPage = world.sign_in(&mut person, "ada", "/calendar").await;
    assert_eq!(seen.status, 200);
    let heard = world.ask(&mut person, "/calendar").await;
    let identity = heard.reached.last().and_then(|seen| seen.header("x-gateway-identity")).expect("signed").to_owned();
    let (listener, address) = listener().await;
    let home = world.url("/").origin().ascii_serialization();
    let app = behind_a_gateway::app(&home, "monolith").expect("it starts");
    tokio::spawn(async move { axum::serve(listener, app).await });
    let ask = async |lines: &str| ask(address, "/me", lines).await;
    let with = format!("X-Gateway-Identity: {identity}\r\n");
    until(async || ask(&with).await.0 == 200).await;
    assert_eq!(ask(&with).await.1, "user ada");
    assert_eq!(ask("").await.0, 401, "past the gateway nobody is known");
    assert_eq!(ask("X-Auth-Request-User: ada\r\nRemote-User: ada\r\n").await.0, 401, "whatever they write");
    assert_eq!(ask(&format!("Authorization: Bearer {identity}\r\n")).await.0, 401);
    let (signed, signature) = identity.rsplit_once('.').expect("a token");
    let forged: String = signature.chars().rev().collect();
    assert!(matches!(ask(&format!("X-Gateway-Identity: {signed}.{forged}\r\n")).await.0, 401 | 503));
    assert_eq!(ask("X-Gateway-Undecided: keys\r\n").await.0, 503, "the gateway could not tell either");
    let other = behind_a_gateway::app(&home, "another").expect("it starts");
    let (listener, elsewhere) = self::listener().await;
    tokio::spawn(async move { axum::serve(listener, other).await });
    until(async || self::ask(elsewhere, "/me", &with).await.0 == 401).await;
    world.stop_gateway().await;
    assert_eq!(ask(&with).await.0, 200, "its keys are known");
}

/// Breaks the provider's document and keys, or heals them.
async fn set_keys(world: &World, how: Option<Break>) {
    for proxy in [&world.proxies.keys, &world.proxies.discovery] {
        match how {
            Some(how) => proxy.break_with(how).await,
            None => proxy.heal().await,
        }
    }
}

async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has ports");
    let address = listener.local_addr().expect("it is bound");
    (listener, address)
}

async fn get(address: SocketAddr, path: &str, token: Option<&str>) -> (u16, String) {
    let lines = token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
    ask(address, path, &lines).await
}

/// The status and the body of one answer.
async fn ask(address: SocketAddr, path: &str, lines: &str) -> (u16, String) {
    let host = address.to_string();
    let heard = raw::ask(&host, raw::request("GET", path, &host, lines, "")).await;
    let text = String::from_utf8_lossy(&heard.bytes).into_owned();
    let body = text.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default();
    (heard.status().unwrap_or_default(), body)
}

/// What the service does in the background comes a moment later.
async fn until<F: Future<Output = bool>>(mut done: impl FnMut() -> F) {
    let mut beat = tokio::time::interval(Duration::from_millis(50));
    for _ in 0..400 {
        if done().await {
            return;
        }
        beat.tick().await;
    }
    panic!("it never came");
}
