//! Back-channel logout, by posting tokens as a provider does.

use std::time::Duration;

use auth_core::database::Disturbance;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use gateway::demo::{AccessTokenSpec, Twin, browser::SeenPage};
use serde_json::{Value, json};
use world::{
    World,
    caller::{Caller, Form},
    fault_proxy::Break,
    raw,
};

use super::{is_in, signed_in};
use crate::report;

const PATH: &str = "/.candor/logout/backchannel";
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// What a good logout token about `subject` is made from. `more`: further claims, or others in their place.
fn logout(subject: &str, more: Value) -> AccessTokenSpec {
    let mut claims = json!({ "aud": "candor", "events": { EVENT: {} } });
    claims.as_object_mut().expect("an object").extend(more.as_object().cloned().unwrap_or_default());
    let spec = AccessTokenSpec::of(subject).aged(Duration::ZERO).lasting(Duration::from_secs(120));
    spec.typed(Some("logout+jwt")).with(claims)
}

async fn send(world: &World, token: &str) -> SeenPage {
    let fields = [("logout_token".to_owned(), token.to_owned())];
    let heard = Caller::new(Form::Script).post(&world.url(PATH), &fields, &world.monolith).await;
    heard.answer.expect("it is answered")
}

/// Every kind of token that is none: 400, JSON, not kept by any cache, and nobody is out.
pub(super) async fn wrong_kinds() {
    let world = World::new().start().await;
    let mut ada = signed_in(&world, "ada", "s-1").await;
    let mint = |more: Value| world.idp.mint(&logout("ada", more));
    let twin = |twin: Twin| world.idp.twin(&logout("ada", json!({})), twin);
    let of_issuer = |more: Value, spec: AccessTokenSpec| world.idp.mint(&spec.with(more));
    let good = mint(json!({}));
    let (signed, signature) = good.rsplit_once('.').expect("three parts");
    let (_, payload) = signed.split_once('.').expect("three parts");
    let headed = |header: &str, signature: &str| format!("{}.{payload}.{signature}", BASE64.encode(header));
    let base = || AccessTokenSpec::of("ada").aged(Duration::ZERO).typed(Some("logout+jwt"));
    let kinds: Vec<(&str, String)> = vec![
        ("no token", String::new()),
        ("no JWT", "logout".to_owned()),
        ("longer than any", "x".repeat(9000)),
        ("two parts", signed.to_owned()),
        ("five parts, as JWE has", format!("{good}.x.y")),
        ("alg none", headed(r#"{"alg":"none"}"#, "")),
        ("alg none, with a signature", headed(r#"{"alg":"none"}"#, signature)),
        ("a shared secret", headed(r#"{"alg":"HS256"}"#, &BASE64.encode([7; 32]))),
        ("another algorithm", headed(r#"{"alg":"ES256","kid":"key-0"}"#, &BASE64.encode([7; 64]))),
        ("a critical extension", headed(r#"{"alg":"RS256","kid":"key-0","crit":["x"]}"#, signature)),
        ("cut short", good[..good.len() - 40].to_owned()),
        ("by a foreign key", twin(Twin::Forged)),
        ("by a key that was never published", twin(Twin::UnknownKid)),
        ("of another issuer", twin(Twin::OtherTenant)),
        ("over", twin(Twin::Expired)),
        (
            "issued long ago",
            world.idp.mint(&logout("ada", json!({})).aged(Duration::from_secs(900)).lasting(Duration::from_secs(3600))),
        ),
        ("for somebody else", mint(json!({ "aud": "somebody else" }))),
        ("for us and somebody else", mint(json!({ "aud": ["candor", "somebody else"] }))),
        ("for nobody", mint(json!({ "aud": [] }))),
        ("with a nonce", mint(json!({ "nonce": "n" }))),
        ("with no events", of_issuer(json!({ "aud": "candor" }), base())),
        ("with another event", mint(json!({ "events": { "http://schemas.openid.net/event/other": {} } }))),
        ("with an event that is no object", mint(json!({ "events": { EVENT: "yes" } }))),
        ("with events in a list", mint(json!({ "events": [EVENT] }))),
        ("about nobody", mint(json!({ "sub": "" }))),
        ("about a number", mint(json!({ "sub": 7 }))),
        ("about a session that is a number", mint(json!({ "sid": 1 }))),
        ("about a session without a name", mint(json!({ "sid": "" }))),
        ("without an id", mint(json!({ "jti": "" }))),
        ("with an id that is a number", mint(json!({ "jti": 9 }))),
        ("issued at a text", mint(json!({ "iat": "now" }))),
        ("good until a text", mint(json!({ "exp": "soon" }))),
        ("an access token", world.token("ada")),
        ("an ID token", of_issuer(json!({ "aud": "candor" }), base().typed(Some("JWT")))),
        ("an access token's type", world.idp.mint(&logout("ada", json!({})).typed(Some("at+jwt")))),
    ];
    let ended = std::cell::Cell::new(0);
    let count = kinds.len();
    let judge = async |kind: &str, status: u16, headers: Vec<(String, String)>, body: String, ada: &mut Caller| {
        assert_eq!(status, 400, "{kind}: {body}");
        let field = |name: &str| headers.iter().find(|(is, _)| is == name).map(|(_, value)| value.clone());
        assert_eq!(field("cache-control").as_deref(), Some("no-store"), "{kind}");
        assert_eq!(field("content-type").as_deref(), Some("application/json"), "{kind}");
        let said: Value = serde_json::from_str(&body).expect("JSON");
        assert_eq!(said["error"], "invalid_request", "{kind}");
        assert!(said["error_description"].is_string(), "{kind}");
        if !is_in(&world, ada).await {
            ended.set(ended.get() + 1);
        }
    };
    for (kind, token) in kinds {
        let seen = send(&world, &token).await;
        let headers = seen
            .headers
            .iter()
            .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
        judge(kind, seen.status.as_u16(), headers.collect(), seen.text(), &mut ada).await;
    }
    // The same token in requests that are none of the kind.
    let escaped = form_urlencoded(&good);
    let host = world.url("/").authority().to_owned();
    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    let requests = [
        ("twice", form, format!("logout_token={escaped}&logout_token={escaped}")),
        ("under another name", form, format!("token={escaped}")),
        ("as JSON", "Content-Type: application/json\r\n", json!({ "logout_token": good }).to_string()),
        ("as text", "Content-Type: text/plain\r\n", format!("logout_token={escaped}")),
        ("in nothing", form, String::new()),
    ];
    let shapes = requests.len();
    for (kind, fields, body) in requests {
        let heard = raw::ask(&host, raw::request("POST", PATH, &host, fields, &body)).await;
        assert_eq!(heard.status(), Some(400), "{kind}");
        if !is_in(&world, &mut ada).await {
            ended.set(ended.get() + 1);
        }
    }
    report::say(format!("logout tokens: {} wrong kinds, {} ended", count + shapes, ended.get()));
    assert_eq!(ended.get(), 0);
    assert_eq!(send(&world, &good).await.status, 200, "what the wrong ones are bent from is good");
    assert!(!is_in(&world, &mut ada).await);
}

fn form_urlencoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// By session, by person, once; in force at the next request, and after a restart.
pub(super) async fn right_kinds() {
    let mut world = World::new().start().await;
    let mut desk = signed_in(&world, "ada", "s-1").await;
    let mut phone = signed_in(&world, "ada", "s-2").await;
    let mut grace = signed_in(&world, "grace", "s-3").await;
    let of_desk = world.idp.mint(&logout("ada", json!({ "sid": "s-1" })));
    assert_eq!(send(&world, &of_desk).await.status, 200);
    assert!(!is_in(&world, &mut desk).await && is_in(&world, &mut phone).await);
    assert_eq!(send(&world, &of_desk).await.status, 400, "it was taken before");
    let not_theirs = world.idp.mint(&logout("ada", json!({ "sid": "s-3" })));
    assert_eq!(send(&world, &not_theirs).await.status, 200, "there is nothing of hers to end, and so be it");
    assert!(is_in(&world, &mut grace).await);
    let plain = logout("ada", json!({})).typed(Some("JWT"));
    assert_eq!(send(&world, &world.idp.mint(&plain)).await.status, 200, "providers that give it no type of its own");
    assert!(!is_in(&world, &mut phone).await && is_in(&world, &mut grace).await);
    world.restart_gateway().await;
    assert!(!is_in(&world, &mut phone).await && is_in(&world, &mut grace).await);
    world.idp.rotate();
    let by_a_new_key = world.idp.mint(&logout("grace", json!({ "sid": "s-3" })));
    assert_eq!(send(&world, &by_a_new_key).await.status, 200, "keys change");
    assert!(!is_in(&world, &mut grace).await);
}

/// What cannot be told, or not be written down, is 503, and the same token counts later.
pub(super) async fn outages() {
    let mut world = World::new().start().await;
    let mut ada = signed_in(&world, "ada", "s-1").await;
    let token = world.idp.mint(&logout("ada", json!({ "sid": "s-1" })));
    world.disturb_store(Disturbance::Closed).await;
    let seen = send(&world, &token).await;
    assert_eq!((seen.status.as_u16(), seen.header("x-gateway-answer")), (503, Some("verdict-unavailable")));
    assert!(seen.header("retry-after").is_some() && seen.header("cache-control") == Some("no-store"));
    assert!(is_in(&world, &mut ada).await);
    world.heal_store().await;

    world.proxies.keys.break_with(Break::Status(500)).await;
    world.idp.rotate();
    let by_a_new_key = world.idp.mint(&logout("ada", json!({ "sid": "s-1" })));
    assert_eq!(send(&world, &by_a_new_key).await.status, 503, "a newer set of keys might have it");
    assert!(is_in(&world, &mut ada).await);
    assert_eq!(send(&world, &token).await.status, 200, "keys last known good, and the token that came too early");
    assert!(!is_in(&world, &mut ada).await);
}
