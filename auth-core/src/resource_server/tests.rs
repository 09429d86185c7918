use std::time::Duration;

use http::{HeaderMap, HeaderValue};
use serde_json::{Value, json};
use tokio::runtime::Handle;

use super::*;
use crate::{
    dependency::Dependency,
    principal::Kind,
    testing::{Folder, TestProvider},
};

/// A head with this field.
fn head(name: &'static str, value: &str) -> HeaderMap {
    HeaderMap::from_iter([(http::HeaderName::from_static(name), HeaderValue::try_from(value).expect("a good value"))])
}

/// Good claims of `issuer`, with these changes; null takes one out.
fn claims(issuer: &str, change: &Value) -> Value {
    let now = Clock::system().now().wall().as_secs();
    let mut claims = json!({
        "iss": issuer, "sub": "ada", "aud": "api", "iat": now - 10, "exp": now + 600, "scope": "orders:read profile",
        "client_id": "shop",
    });
    let all = claims.as_object_mut().expect("an object");
    for (name, value) in change.as_object().expect("an object") {
        match value {
            Value::Null => drop(all.remove(name)),
            value => drop(all.insert(name.clone(), value.clone())),
        }
    }
    claims
}

/// What `auth` says of a request with this head: who it is, or a word.
async fn said(auth: &Bearer, head: &HeaderMap) -> String {
    match auth.admit(head).await {
        Ok(admitted) => admitted.principal().map_or("nobody".to_owned(), |known| known.subject.id.to_string()),
        Err(NotAdmitted::Ambiguous(_)) => "ambiguous".to_owned(),
        Err(NotAdmitted::Stop(Stop::Rejected(rejected))) => rejected.reason().as_str().to_owned(),
        Err(NotAdmitted::Stop(Stop::Unavailable(unavailable))) => format!("unavailable: {}", unavailable.dependency),
    }
}

async fn of_token(auth: &Bearer, token: &str) -> String {
    said(auth, &head("authorization", &format!("Bearer {token}"))).await
}

#[test]
fn what_cannot_start_says_the_way_out() {
    let issuer = || Bearer::issuer("https://idp.example").expect("an address");
    let check = |started: Result<Bearer, StartError>, expected: &str| {
        let fault = started.expect_err(expected).to_string();
        assert!(fault.contains(expected) && fault.contains("Way out: "), "{fault}");
    };
    check(issuer().audience("api").start(), "no tokio runtime");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let _inside = runtime.enter();
    check(issuer().start(), "no audience");
    check(issuer().audience(" ").start(), "no audience");
    check(issuer().audience("api").scope("").start(), "a scope");
    check(issuer().audience("api").client("").start(), "a client");
    check(issuer().audience("api").jwks("idp.example/keys").start(), "idp.example/keys");
    check(issuer().audience("api").ca("nonsense").start(), "certificates");
    check(issuer().audience("api").algorithms([]).start(), "no algorithm");
    check(issuer().audience("api").timeout(Duration::ZERO).start(), "no time");
    let again = issuer().audience("api").issuer("https://idp.example").expect("an address");
    check(again.audience("other").start(), "named twice");
    check(BearerBuilder::new().start(), "nobody is trusted");
    check(BearerBuilder::new().audience("api").start(), "`audience` is said before any issuer");
    for bad in ["", "idp.example", "http://idp.example", "ftp://idp.example", "https://169.254.169.254", "https://"] {
        check(Bearer::issuer(bad).and_then(|builder| builder.audience("api").start()), "no address");
        check(Bearer::gateway_identity(bad).and_then(|builder| builder.audience("api").start()), "no address");
    }
    // No token can name these, and all would be refused for it.
    for never in [" https://idp.example", "https://idp.example\n", "https://idp.example/?a=b", "https://idp.example/#a"]
    {
        check(Bearer::issuer(never).and_then(|builder| builder.audience("api").start()), "as its tokens say it");
    }
    let told = Bearer::issuer("https://ada:secret@idp.example").expect_err("no token names a password").to_string();
    assert!(told.contains("as its tokens say it") && !told.contains("secret"), "{told}");
    let keys = issuer().audience("api").jwks("http://127.0.0.1:9/keys?appid=api");
    assert!(keys.start().is_ok(), "an address of keys may ask for some");
}

#[tokio::test]
async fn each_token_gets_its_verdict() {
    let (idp, other) = (TestProvider::start().await, TestProvider::start().await);
    let auth = Bearer::issuer(&idp.issuer).expect("loopback").audience("api").start().expect("it starts");
    let token = |change: Value| idp.sign(&claims(&idp.issuer, &change));
    assert_eq!(of_token(&auth, &token(json!({}))).await, "ada");
    assert_eq!(of_token(&auth, &token(json!({ "aud": "another" }))).await, "wrong-audience");
    assert_eq!(of_token(&auth, &token(json!({ "exp": 1 }))).await, "expired");
    assert_eq!(of_token(&auth, &other.sign(&claims(&other.issuer, &json!({})))).await, "wrong-issuer");
    assert_eq!(of_token(&auth, "nonsense").await, "malformed");
    assert_eq!(said(&auth, &HeaderMap::new()).await, "missing");
    assert_eq!(said(&auth, &head("authorization", "Basic YTpi")).await, "missing");
    assert_eq!(said(&auth, &head("x-gateway-identity", &token(json!({})))).await, "missing");
    let mut two = head("authorization", &format!("Bearer {}", token(json!({}))));
    two.append("authorization", HeaderValue::from_static("Bearer x"));
    assert_eq!(said(&auth, &two).await, "ambiguous");
}

#[tokio::test]
async fn rules_are_asked_of_each_route_by_itself() {
    let idp = TestProvider::start().await;
    let auth = Bearer::issuer(&idp.issuer).expect("loopback").audience("api").start().expect("it starts");
    let token = idp.sign(&claims(&idp.issuer, &json!({ "roles": ["editor"] })));
    let bare = idp.sign(&claims(&idp.issuer, &json!({ "scope": null, "scp": ["orders:read"], "client_id": null })));
    assert_eq!(of_token(&auth.scope("orders:read"), &token).await, "ada");
    assert_eq!(of_token(&auth.scope("orders:read"), &bare).await, "ada");
    assert_eq!(of_token(&auth.scope("orders:read").scope("orders:write"), &token).await, "not-permitted");
    assert_eq!(of_token(&auth.scope("orders"), &token).await, "not-permitted");
    assert_eq!(of_token(&auth.scope("orders:read profile"), &token).await, "ada", "a list is each of its scopes");
    assert_eq!(of_token(&auth.scope("orders:read orders:write"), &token).await, "not-permitted");
    assert_eq!(of_token(&auth.scope(" "), &token).await, "not-permitted");
    assert_eq!(of_token(&auth.scope(""), &token).await, "not-permitted");
    assert_eq!(of_token(&auth.client("shop").client("till"), &token).await, "ada");
    assert_eq!(of_token(&auth.client("till"), &token).await, "not-permitted");
    assert_eq!(of_token(&auth.client("shop"), &bare).await, "not-permitted");
    assert_eq!(of_token(&auth.allow(Allow::role("editor")), &token).await, "ada");
    assert_eq!(of_token(&auth.allow(Allow::role("chief")), &token).await, "not-permitted");
    assert_eq!(of_token(&auth.allow(Allow::role("editor")), &bare).await, "unavailable: claims");
    assert_eq!(of_token(&auth.optional(), &token).await, "ada");
    assert_eq!(of_token(&auth.optional(), "nonsense").await, "nobody");
    assert_eq!(said(&auth.optional(), &HeaderMap::new()).await, "nobody");
    assert_eq!(of_token(&auth, &token).await, "ada", "and no other route has changed");
}

#[tokio::test]
async fn an_outage_is_never_a_refusal_and_lets_nobody_in() {
    let mut idp = TestProvider::start().await;
    let data = Folder::new();
    let (good, forged) = (
        idp.sign(&claims(&idp.issuer, &json!({}))),
        TestProvider::start().await.sign(&claims(&idp.issuer, &json!({}))),
    );
    let issuer = idp.issuer.clone();
    let start = |cached: bool| {
        let builder = Bearer::issuer(&issuer).expect("loopback").audience("api");
        let builder = if cached { builder.cache_dir(data.path().join("keys")) } else { builder };
        builder.start().expect("it starts")
    };
    let auth = start(true);
    assert_eq!(of_token(&auth, &good).await, "ada");
    idp.kill().await;
    assert_eq!(of_token(&auth, &good).await, "ada", "the keys are known");
    assert_ne!(of_token(&auth, &forged).await, "ada");
    let fresh = start(false);
    assert_eq!(of_token(&fresh, &good).await, "unavailable: discovery", "they were never had");
    assert_eq!(of_token(&fresh, &forged).await, "unavailable: discovery");
    assert_eq!(of_token(&fresh.optional(), &good).await, "nobody");
    let second = start(true);
    assert_eq!(of_token(&second, &good).await, "unavailable: discovery", "the folder is the first one's: one warning");
    drop((auth, second));
    assert_eq!(of_token(&start(true), &good).await, "ada", "what was last known good outlives a restart");
}

#[tokio::test]
async fn a_gateway_names_who_is_asking() {
    let (gateway, other) = (TestProvider::start().await, TestProvider::start().await);
    let auth = Bearer::gateway_identity(&gateway.issuer)
        .expect("loopback")
        .jwks(format!("{}/keys", gateway.issuer))
        .audience("calendar")
        .start()
        .expect("it starts");
    let identity = |change: Value| {
        let mut all =
            claims(&gateway.issuer, &json!({ "aud": "calendar", "idp": "https://idp.example", "user": "ada" }));
        all["kind"] = json!("device");
        for (name, value) in change.as_object().expect("an object") {
            all[name] = value.clone();
        }
        all
    };
    let sign = |change: Value| gateway.sign_as("gateway-identity+jwt", &identity(change));
    let of = async |text: &str| said(&auth, &head("x-gateway-identity", text)).await;
    let good = sign(json!({}));
    assert_eq!(of(&good).await, "ada");
    assert_eq!(of(&sign(json!({ "aud": "another" }))).await, "wrong-audience");
    assert_eq!(of(&sign(json!({ "iss": other.issuer }))).await, "wrong-issuer");
    assert_eq!(of(&gateway.sign(&identity(json!({})))).await, "unavailable: own-judgement", "it is no identity");
    assert_eq!(of(&other.sign_as("gateway-identity+jwt", &identity(json!({})))).await, "unavailable: keys");
    assert_eq!(of(&sign(json!({ "exp": 1 }))).await, "unavailable: clock", "no fault of whoever is asking");
    assert_eq!(of(&sign(json!({ "kind": "king" }))).await, "unavailable: own-judgement");
    assert_eq!(said(&auth, &HeaderMap::new()).await, "missing");
    assert_eq!(of_token(&auth, &good).await, "missing", "and not as a bearer");
    assert_eq!(said(&auth, &head("x-gateway-undecided", "store")).await, "unavailable: store");
    let mut two = head("x-gateway-identity", &good);
    two.append("x-gateway-identity", HeaderValue::from_static("x"));
    assert_eq!(said(&auth, &two).await, "ambiguous");
    let admitted = auth.admit(&head("x-gateway-identity", &good)).await.expect("it is good");
    let known = admitted.principal().expect("somebody");
    assert_eq!((known.kind, &*known.subject.issuer), (Kind::Device, "https://idp.example"));
}

#[tokio::test]
async fn the_runtime_that_is_gone_teaches_nothing_new_and_forgets_nothing() {
    let idp = TestProvider::start().await;
    let good = idp.sign(&claims(&idp.issuer, &json!({})));
    let issuer = idp.issuer.clone();
    let elsewhere = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let handle = runtime.handle().clone();
        let start = |handle: &Handle| {
            Bearer::issuer(&issuer).expect("loopback").audience("api").start_on(handle.clone()).expect("it starts")
        };
        let known = start(&handle);
        assert_eq!(runtime.block_on(of_token(&known, &good)), "ada");
        drop(runtime);
        (known, start(&handle), good)
    };
    let (known, fresh, good) = tokio::task::spawn_blocking(elsewhere).await.expect("it ends");
    assert_eq!(of_token(&known, &good).await, "ada");
    assert_eq!(of_token(&fresh, &good).await, format!("unavailable: {}", Dependency::Background));
}
