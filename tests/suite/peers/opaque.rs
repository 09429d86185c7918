//! What only the provider can say: userinfo about people, and introspection of tokens that nobody else can read.

use std::time::Duration;

use serde_json::Value;
use url::Url;
use world::{
    caller::{Caller, Form, Heard},
    fault_proxy::Break,
};

use super::{
    Stage, goes_on, signed_in,
    stage::{Place, SECRET},
};

/// The ID token says `sub` and no more.
pub(super) async fn userinfo() {
    let place = Place { renewed: true, claims_at_userinfo: true, further: "userinfo = \"merge\"", ..Place::default() };
    let stage = Stage::at(place).await;
    let mut ada = signed_in(&stage, "ada").await;
    let is_whole = |heard: &Heard| {
        let [reached] = &heard.reached[..] else { panic!("one request reached the monolith: {}", heard.line()) };
        let said = ["user", "email", "groups"].map(|name| reached.header(&format!("x-auth-request-{name}")));
        assert_eq!(said, [Some("ada"), Some("ada@example.test"), Some("staff")], "{}", heard.line());
    };
    is_whole(&stage.ask(&mut ada, "/staff/rota").await);
    stage.advance(Duration::from_secs(20 * 60 + 1)).await;
    is_whole(&stage.ask(&mut ada, "/staff/rota").await);
    assert_eq!(stage.peer.refreshes(), 1, "a renewed session asks again");

    let place = Place { further: "userinfo = \"verify-sub\"", ..Place::default() };
    let stage = Stage::at(place).await;
    let mut grace = signed_in(&stage, "grace").await;
    goes_on(&stage.ask(&mut grace, "/staff/rota").await, "grace");
}

const OPAQUE: &str = r#"
[[bearer]]
issuer = "{issuer}"
audience = ["api://monolith"]
introspection = { client_id = "candor", client_secret = { file = "client_secret" } }

[[routes]]
path = "/robots/"
upstream = "monolith"
allow = ["service"]
max_stale = "2m"
"#;

pub(super) async fn introspection() {
    let stage = Stage::at(Place { further: OPAQUE, ..Place::default() }).await;
    let client = [("client_id", "robot"), ("client_secret", SECRET)];
    let [good, elsewhere] = ["api://monolith", "api://elsewhere"].map(|resource| {
        let fields = [("grant_type", "client_credentials"), ("resource", resource)];
        let fields: Vec<(&str, &str)> = fields.into_iter().chain(client).collect();
        let stage = &stage;
        async move {
            let said: Value = serde_json::from_str(&post(stage, "/token", &fields).await).expect("JSON");
            said["access_token"].as_str().unwrap_or_else(|| panic!("a token: {said}")).to_owned()
        }
    });
    let (good, elsewhere) = (good.await, elsewhere.await);
    assert!(!good.contains('.'), "nobody can read it");
    let ask = async |token: &str| {
        let heard = stage.ask(&mut Caller::bearing(Form::Script, token), "/robots/list").await;
        let reached = heard.identities().join(" ");
        (heard.status(), heard.word().map(str::to_owned), reached)
    };
    let told = |status: u16, word: &str, who: &str| (Some(status), Some(word.to_owned()), who.to_owned());
    let (served, refused) = (told(200, "upstream", "robot"), told(401, "credential-invalid", ""));
    assert_eq!(ask(&good).await, served);
    assert_eq!(ask(&elsewhere).await, refused, "a token for another service");
    assert_eq!(ask("kT0pRgS9vYxNnWbQmZ3cLdE7hJfA2u").await, refused, "no token at all");

    // What it said last stands for a minute, and while it cannot be asked for as long as the route takes that.
    stage.proxy.break_with(Break::Reset).await;
    stage.advance(Duration::from_secs(61)).await;
    until(&ask, &good, &served).await;
    stage.advance(Duration::from_secs(180)).await;
    until(&ask, &good, &told(503, "verdict-unavailable", "")).await;
    stage.proxy.heal().await;
    stage.advance(Duration::from_secs(11)).await;
    until(&ask, &good, &served).await;

    let fields: Vec<(&str, &str)> = [("token", &*good)].into_iter().chain(client).collect();
    post(&stage, "/token/revocation", &fields).await;
    stage.advance(Duration::from_secs(61)).await;
    until(&ask, &good, &refused).await;
}

/// Asks until the answer is this one: who is revoked is asked again all the while, and is not known while time leaps.
async fn until<T: PartialEq + std::fmt::Debug>(ask: &impl AsyncFn(&str) -> T, token: &str, wanted: &T) {
    let mut beat = tokio::time::interval(Duration::from_millis(20));
    for _ in 0..200 {
        beat.tick().await;
        if ask(token).await == *wanted {
            return;
        }
    }
    assert_eq!(ask(token).await, *wanted);
}

/// What the provider answers to a form that a client of its posts.
async fn post(stage: &Stage, path: &str, fields: &[(&str, &str)]) -> String {
    let url = Url::parse(&stage.proxy.base()).and_then(|base| base.join(path)).expect("an address");
    let fields: Vec<_> = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let answer = Caller::new(Form::Script).browser().post(&url, &fields).await.expect("the provider answers");
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.text()
}
