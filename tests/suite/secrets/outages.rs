//! The flows in which a provider or the store fails, and says what it should not.

use http::{HeaderValue, header};
use serde_json::json;
use world::{
    caller::{Caller, Form},
    scripted::{Scripted, answer, json as json_answer},
    store::StoreBreak,
};

use super::{Canaries, Stage, flows::TICKET};

/// A token endpoint that fails, and says what it should not.
pub(super) async fn exchanges(stage: &mut Stage) {
    let said = stage.canaries.make("said by the token endpoint");
    let wrong = |name: &str, value: serde_json::Value| {
        let mut tokens = json!({"access_token": said, "token_type": "Bearer", "id_token": said, "refresh_token": said});
        tokens[name] = value;
        tokens.to_string()
    };
    let refusal = |word: &str| {
        json!({"error": word, "error_description": "refused: @CODE @VERIFIER @SECRET", "code": said}).to_string()
    };
    let answers = [
        json_answer("500 Internal Server Error", &said),
        answer("302 Found", &format!("Location: https://{said}/\r\n"), &said),
        json_answer("200 OK", &said),
        json_answer("200 OK", &format!("{{\"access_token\": {said}}}")),
        json_answer("200 OK", &wrong("access_token", json!({ "kestrel": said }))),
        json_answer("200 OK", &wrong("refresh_token", json!([said]))),
        json_answer("200 OK", &wrong("token_type", json!(said))),
        json_answer("200 OK", &wrong("expires_in", json!(said))),
        json_answer("200 OK", &wrong("id_token", json!({ "kestrel": said }))),
        json_answer("200 OK", &wrong("id_token", json!(said))),
        json_answer("200 OK", &wrong("id_token", json!(format!("{said}.{said}.{said}")))),
        json_answer("400 Bad Request", &said),
        json_answer("400 Bad Request", &refusal("invalid_grant")),
        json_answer("400 Bad Request", &refusal("invalid_request")),
        json_answer("400 Bad Request", &refusal("access_denied")),
        json_answer("400 Bad Request", &refusal("kestrel")),
        json_answer("401 Unauthorized", &refusal("invalid_client")),
        json_answer("429 Too Many Requests", &refusal("temporarily_unavailable")),
    ];
    for bytes in answers {
        let (mut caller, callback) = stage.at_callback("/").await;
        let code = callback.query_pairs().find(|(name, _)| name == "code").expect("a code").1.into_owned();
        // What it was asked is not known before it is asked: the first time it only listens.
        stage.provider.say("/token", json_answer("503 Service Unavailable", ""));
        caller.browser().get(&callback).await.expect("an answer");
        let asked = stage.provider.heard("/token").pop().expect("it was asked").request;
        let form = asked.split_once("\r\n\r\n").map(|(_, form)| form).unwrap_or_default();
        let verifier = url::form_urlencoded::parse(form.as_bytes()).find(|(name, _)| name == "code_verifier");
        let verifier = stage.canaries.plant("PKCE verifier", &verifier.expect("PKCE").1);
        let echo = bytes.replace("@CODE", &code).replace("@VERIFIER", &verifier);
        let echo = echo.replace("@SECRET", "a pretend secret").replacen("Content-Length", "X-Length", 1);
        stage.provider.say("/token", echo);
        caller.browser().get(&callback).await.expect("an answer");
    }
    stage.provider.relay();
}

/// A callback and a logout while the store is locked. Nothing after this finds a store.
pub(super) async fn dead_store(stage: &mut Stage) {
    let mut caller = Caller::new(Form::Browser);
    stage.world.sign_in(&mut caller, "grace", "/").await;
    stage.plant_exchange();
    stage.plant_cookies(caller.browser());
    let (mut late, callback) = stage.at_callback("/").await;
    stage.world.store.break_with(StoreBreak::Full).await.expect("it breaks");
    let refused = late.browser().get(&callback).await.expect("an answer");
    assert_eq!(refused.status, 503, "{}", refused.text());
    stage.plant_exchange();
    let out = caller.browser().post(&stage.world.url("/.candor/logout"), &[]).await.expect("an answer");
    assert_eq!(out.status, 200, "{}", out.text());
}

/// A provider that never said anything of sense.
pub(super) fn nonsense(provider: &Scripted, canaries: &mut Canaries) {
    let said = canaries.make("said by the provider");
    provider.say("/.well-known", json_answer("500 Internal Server Error", &said));
    provider.say("/keys", json_answer("500 Internal Server Error", &said));
}

/// Strangers at a gateway whose provider says nonsense.
pub(super) async fn strangers(stage: &mut Stage) {
    let said = stage.canaries.make("nonsense of the provider's");
    let issuer = stage.provider.base();
    let document = |name: &str, value: serde_json::Value| {
        let mut document = json!({"issuer": issuer, "jwks_uri": format!("{issuer}/keys")});
        document[name] = value;
        json_answer("200 OK", &document.to_string())
    };
    let documents = [
        json_answer("200 OK", &said),
        answer("302 Found", &format!("Location: https://u:{said}@127.0.0.1/{said}\r\n"), ""),
        document("issuer", json!(said)),
        document("jwks_uri", json!(format!("https://user:{said}@{said}"))),
        document("token_endpoint", json!({ "kestrel": said })),
        document("authorization_endpoint", json!(format!("http://10.0.0.1/{said}"))),
        format!("HTTP/1.1 200 OK\r\nContent-Length: {said}\r\n\r\n"),
        format!("{said}\r\n\r\n"),
        document("kestrel", json!(said)),
    ];
    let token = stage.world.token("display");
    stage.canaries.plant_jwt("bearer", &token);
    for bytes in documents {
        stage.provider.say("/.well-known", bytes);
        let secret = stage.canaries.make("query without a provider");
        let fields = "Accept: text/html\r\nSec-Fetch-Mode: navigate\r\n";
        stage.ask("GET", &format!("/here-and-in-the-log?{secret}"), fields, "").await;
        stage.ask("GET", &format!("/.candor/login?return_to=/x?{secret}"), fields, "").await;
        stage.ask("GET", &format!("/api/x?{secret}"), &format!("Authorization: Bearer {token}\r\n"), "").await;
    }
    for keys in [
        json_answer("200 OK", &said),
        json_answer("200 OK", &json!({ "keys": said }).to_string()),
        json_answer("200 OK", &json!({"keys": [{"kty": said, "kid": said, "n": said}]}).to_string()),
        json_answer("200 OK", &json!({"keys": [{"kty": "oct", "k": said}]}).to_string()),
        json_answer("200 OK", &json!({"keys": [{"kty": "RSA", "n": said, "e": "AQAB", "d": said}]}).to_string()),
    ] {
        stage.provider.say("/keys", keys);
        stage.ask("GET", "/api/x", &format!("Authorization: Bearer {token}\r\n"), "").await;
    }
    let mut caller = Caller::new(Form::Script);
    let value = HeaderValue::from_str(&format!("{TICKET}={said}")).expect("visible ASCII");
    caller.browser().always_send(header::COOKIE, value);
    caller.browser().get(&stage.world.url("/here-and-in-the-log")).await.expect("an answer");
}
