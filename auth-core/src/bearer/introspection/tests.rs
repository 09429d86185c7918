//! Opaque tokens, and an issuer that says of them whatever the test tells it.

use serde_json::json;

use crate::{
    background::Background,
    bearer::{BearerIssuer, BearerMemory, Bearers, Profile},
    clock::{Clock, Timestamp},
    credential::CredentialText,
    discovery::{Discovery, DiscoveryConfig},
    jws::{Algorithm, tests::TestIssuer},
    keys::{IssuerKeys, KeyPolicy, KeySetLocation, KeysConfig},
    outbound::{Outbound, OutboundPolicy},
    principal::{Kind, Principal, UserClaim, stated::Absence},
    testing::{Folder, RawServer},
    verdict::Stop,
};

use super::*;

const NOON: i64 = 1_800_000_000;
const JSON: &str = "content-type: application/json\r\n";
const TOKEN: &str = "0paque-token";

struct Setting {
    server: RawServer,
    bearers: Bearers,
    clock: Clock,
    _data: Folder,
}

impl Setting {
    async fn new(kind: Kind) -> Self {
        Self::by(kind, true).await
    }

    /// With the endpoint `configured`, else by discovery.
    async fn by(kind: Kind, configured: bool) -> Self {
        let (server, folder) = (RawServer::start().await, Folder::new());
        let (clock, data) = (Clock::standing_at(Timestamp::from_secs(NOON)), folder.taken());
        let issuer: Arc<str> = server.base().into();
        let url = Url::parse(&issuer).expect("an issuer");
        let outbound = Outbound::new(&url, OutboundPolicy::default(), clock.clone()).expect("no certificates");
        let config = DiscoveryConfig { issuer: issuer.clone(), discovery_url: None, endpoint_hosts: Vec::new() };
        let (background, of) = (Background::current(), outbound.clone());
        let discovery = Discovery::new(config, of.clone(), background.clone(), clock.clone(), &data);
        let config = IntrospectionConfig {
            client_id: "the gate".to_owned(),
            client_secret: Some("s:cret".to_owned().into()),
            endpoint: configured.then(|| url.join("/introspect").expect("an address")),
            cache: Duration::from_secs(60),
        };
        let memory = IntrospectionMemory::default();
        let introspection = Introspection::new(config, discovery, of, background.clone(), clock.clone(), memory);
        let config = KeysConfig {
            issuer: issuer.clone(),
            location: KeySetLocation::Uri(url),
            algorithms: vec![Algorithm::EdDsa],
            policy: KeyPolicy::default(),
        };
        let keys = IssuerKeys::new(config, outbound, background, clock.clone(), &data);
        let bearers = Bearers::new(vec![BearerIssuer {
            issuer,
            audience: vec!["api".into(), "us".into()],
            leeway: Duration::from_secs(30),
            kind,
            user_claim: UserClaim::Subject,
            absence: Absence::default(),
            profile: Profile::Jwt,
            introspection: Some(introspection),
            keys,
            memory: BearerMemory::default(),
        }]);
        Self { server, bearers, clock, _data: folder }
    }

    /// The issuer says that tokens are active, with these changes; null takes a member out.
    fn says_active(&self, change: &Value) {
        let mut said = json!({ "active": true, "sub": "ada", "iat": NOON - 60, "exp": NOON + 3600 });
        for (name, value) in change.as_object().expect("an object") {
            match value {
                Value::Null => drop(said.as_object_mut().expect("an object").remove(name)),
                value => said[name] = value.clone(),
            }
        }
        self.server.says(200, JSON, &said.to_string());
    }

    async fn asked(&self, token: &str) -> Result<Principal, Stop> {
        self.bearers.verify(&CredentialText::new(token), self.clock.now()).await
    }

    async fn word(&self, token: &str) -> String {
        match self.asked(token).await {
            Ok(principal) => match principal.freshness {
                Freshness::Live => principal.subject.id.to_string(),
                Freshness::LastKnownGood { missing, .. } => format!("{}, {missing} stale", principal.subject.id),
            },
            Err(Stop::Rejected(rejected)) => rejected.reason().as_str().to_owned(),
            Err(Stop::Unavailable(unavailable)) => unavailable.dependency.as_str().to_owned(),
        }
    }

    fn pass(&self, secs: u64) {
        self.clock.advance(Duration::from_secs(secs));
    }
}

#[tokio::test]
async fn only_a_whole_answer_that_says_no_is_a_proof() {
    let setting = Setting::new(Kind::Service).await;
    let check = async |status: u16, fields: &str, body: &str, expected: &str| {
        setting.server.says(status, fields, body);
        assert_eq!(setting.word(TOKEN).await, expected, "{status} {fields:?} {body}");
    };
    check(200, JSON, r#"{"active":false}"#, "inactive").await;
    check(200, JSON, r#"{"active":false,"sub":7,"iat":"never"}"#, "inactive").await;
    check(200, "Content-Type: Application/JSON; charset=utf-8\r\n", r#"{"active":false}"#, "inactive").await;
    for status in [201, 204, 301, 302, 307, 400, 401, 403, 404, 408, 418, 425, 429, 500, 502, 503, 504, 599] {
        check(status, JSON, r#"{"active":false}"#, "introspection").await;
        check(status, JSON, r#"{"active":true,"sub":"ada","iat":1}"#, "introspection").await;
    }
    for fields in ["", "content-type: text/html\r\n", "content-type: application/token-introspection+jwt\r\n"] {
        check(200, fields, r#"{"active":false}"#, "introspection").await;
    }
    let nonsense = [
        "",
        "null",
        "false",
        "[]",
        "{}",
        "<html>",
        r#"{"active":false"#,
        r#"{"active":null}"#,
        r#"{"active":"false"}"#,
        r#"{"active":0}"#,
        r#"{"active":[false]}"#,
        r#"{"Active":false}"#,
        r#"{"active":true,"active":false}"#,
        r#"{"active":false,"error":"invalid_client"}"#,
        r#"[{"active":false}]"#,
    ];
    for body in nonsense {
        check(200, JSON, body, "introspection").await;
    }
    check(200, JSON, &format!(r#"{{"active":false,"a":"{}"}}"#, "x".repeat(70_000)), "introspection").await;
    setting.server.says_raw("");
    assert_eq!(setting.word(TOKEN).await, "introspection", "the connection breaks");
    setting
        .server
        .says_raw("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 30\r\n\r\n{\"active\":false}");
    assert_eq!(setting.word(TOKEN).await, "introspection", "cut short");
}

#[tokio::test]
async fn what_is_said_of_an_active_token_is_judged() {
    let check = async |setting: &Setting, change: Value, expected: &str| {
        setting.says_active(&change);
        let token = format!("t{}", setting.server.asked());
        assert_eq!(setting.word(&token).await, expected, "{change}");
    };
    let programs = Setting::new(Kind::Service).await;
    check(&programs, json!({}), "ada").await;
    check(&programs, json!({ "iss": programs.server.base(), "aud": "us" }), "ada").await;
    check(&programs, json!({ "aud": ["other", "api"], "exp": null, "scope": "a b" }), "ada").await;
    check(&programs, json!({ "sub": null, "client_id": "robot" }), "robot").await;
    check(&programs, json!({ "sub": null }), "introspection").await;
    check(&programs, json!({ "iss": "https://another.example" }), "wrong-issuer").await;
    check(&programs, json!({ "iss": format!("{}/", programs.server.base()) }), "wrong-issuer").await;
    check(&programs, json!({ "aud": "other" }), "wrong-audience").await;
    check(&programs, json!({ "aud": ["other", "another", "third"] }), "wrong-audience").await;
    for lack in [json!({ "iat": null }), json!({ "iat": "soon, I think" }), json!({ "exp": [1, 2, 3, 4, 5, 6, 7, 8] })]
    {
        check(&programs, lack, "introspection").await;
    }
    check(&programs, json!({ "sub": 7 }), "introspection").await;
    check(&programs, json!({ "sub": "" }), "introspection").await;
    check(&programs, json!({ "aud": [] }), "introspection").await;
    check(&programs, json!({ "aud": { "api": 1 } }), "introspection").await;
    check(&programs, json!({ "iss": 1234567 }), "introspection").await;
    check(&programs, json!({ "exp": 1e300 }), "introspection").await;
    check(&programs, json!({ "exp": -1, "iss": programs.server.base() }), "introspection").await;
    check(&programs, json!({ "exp": NOON - 600 }), "introspection").await;
    check(&programs, json!({ "nbf": NOON + 86_400 }), "clock").await;
    check(&programs, json!({ "iat": NOON + 86_400, "exp": NOON + 90_000 }), "clock").await;
    check(&programs, json!({ "token_type": "Bearer" }), "ada").await;
    check(&programs, json!({ "token_type": "DPoP", "cnf": { "jkt": "x" } }), "malformed").await;
    check(&programs, json!({ "token_use": "refresh_token" }), "malformed").await;
    check(&programs, json!({ "typ": "Refresh" }), "malformed").await;
    check(&programs, json!({ "events": { "http://schemas.openid.net/event/backchannel-logout": {} } }), "malformed")
        .await;
    let people = Setting::new(Kind::User).await;
    check(&people, json!({ "client_id": "web" }), "ada").await;
    check(&people, json!({ "sub": null, "client_id": "robot" }), "introspection").await;
}

#[tokio::test]
async fn an_answer_is_remembered_for_a_while_and_stands_in_while_the_issuer_is_down() {
    let setting = Setting::new(Kind::Service).await;
    setting.says_active(&json!({ "exp": NOON + 1000 }));
    assert_eq!(setting.word(TOKEN).await, "ada");
    setting.server.says(500, "", "");
    setting.pass(59);
    assert_eq!((setting.word(TOKEN).await.as_str(), setting.server.asked()), ("ada", 1), "for a minute nobody asks");
    setting.pass(1);
    assert_eq!((setting.word(TOKEN).await.as_str(), setting.server.asked()), ("ada, introspection stale", 2));
    assert_eq!((setting.word(TOKEN).await.as_str(), setting.server.asked()), ("ada, introspection stale", 2), "paused");
    assert_eq!(setting.word("another").await, "introspection", "nothing was ever said of it");
    setting.pass(300);
    let stale = setting.asked(TOKEN).await.expect("what was said last").freshness.staleness(setting.clock.now());
    assert_eq!(stale, Some((Dependency::Introspection, Duration::from_secs(300))), "a route judges how old that is");
    setting.says_active(&json!({ "exp": NOON - 3600 }));
    setting.pass(5);
    assert_eq!(setting.word(TOKEN).await, "ada, introspection stale", "what contradicts itself replaces nothing");
    setting.says_active(&json!({ "exp": NOON + 1000 }));
    setting.pass(5);
    assert_eq!(setting.word(TOKEN).await, "ada", "it is asked again");
    setting.server.says(200, JSON, r#"{"active":false}"#);
    setting.pass(60);
    assert_eq!(setting.word(TOKEN).await, "inactive");
    setting.server.says(500, "", "");
    assert_eq!(setting.word(TOKEN).await, "introspection", "what was said before is forgotten, and no refusal kept");
    setting.says_active(&json!({ "exp": NOON + 1000 }));
    assert_eq!(setting.word(TOKEN).await, "ada", "a refusal is asked for each time");
}

#[tokio::test]
async fn what_is_over_by_its_last_answer_is_asked_about_and_never_refused_by_memory() {
    let setting = Setting::new(Kind::Service).await;
    setting.says_active(&json!({ "exp": NOON + 10 }));
    assert_eq!(setting.word(TOKEN).await, "ada");
    setting.server.says(503, "retry-after: 7\r\n", "");
    setting.pass(11);
    assert_eq!(setting.word(TOKEN).await, "introspection", "the issuer may have prolonged it");
    let Err(Stop::Unavailable(down)) = setting.asked("new").await else { panic!("nobody knows it") };
    assert_eq!(down.retry_after, Duration::from_secs(7));
    setting.says_active(&json!({ "exp": NOON + 100 }));
    setting.pass(5);
    assert_eq!(setting.word(TOKEN).await, "ada", "it has");
}

#[tokio::test]
async fn many_who_show_a_token_at_once_cause_one_question_and_nobody_who_leaves_stops_it() {
    let setting = Setting::new(Kind::Service).await;
    setting.says_active(&json!({}));
    let answers = tokio::join!(setting.word(TOKEN), setting.word(TOKEN), setting.word(TOKEN), setting.word(TOKEN));
    assert_eq!(answers, ("ada".to_owned(), "ada".to_owned(), "ada".to_owned(), "ada".to_owned()));
    assert_eq!(setting.server.asked(), 1);
    let mut leaving = Box::pin(setting.word("second"));
    std::future::poll_fn(|context| {
        assert!(leaving.as_mut().poll(context).is_pending(), "the issuer is being asked");
        std::task::Poll::Ready(())
    })
    .await;
    drop(leaving);
    setting.server.until_asked(2).await;
    while !matches!(setting.word("second").await.as_str(), "ada") {}
    assert_eq!(setting.server.asked(), 2, "the question went on, and its answer was kept");
}

#[tokio::test]
async fn the_question_names_the_client_and_stays_where_it_may_go() {
    let setting = Setting::new(Kind::Service).await;
    setting.says_active(&json!({}));
    assert_eq!(setting.word("a+b/c==").await, "ada");
    let heard = setting.server.heard();
    assert!(heard.starts_with("POST /introspect HTTP/1.1\r\n"), "{heard}");
    // RFC 6749 §2.3.1: "the+gate:s%3Acret".
    assert!(heard.contains("authorization: Basic dGhlK2dhdGU6cyUzQWNyZXQ=\r\n"), "{heard}");
    assert!(heard.ends_with("\r\n\r\ntoken=a%2Bb%2Fc%3D%3D&token_type_hint=access_token"), "{heard}");

    let document = |setting: &Setting, endpoint: &str| {
        let at = |path: &str| format!("{}{path}", setting.server.base());
        let endpoint = if endpoint.starts_with('/') { at(endpoint) } else { endpoint.to_owned() };
        json!({
            "issuer": setting.server.base(), "jwks_uri": at("/keys"), "introspection_endpoint": endpoint,
            "introspection_endpoint_auth_methods_supported": ["private_key_jwt", "client_secret_post"],
            "active": true, "sub": "ada", "iat": NOON,
        })
    };
    // Where nobody says what is where, one answer is the document and the word about a token.
    let setting = Setting::by(Kind::Service, false).await;
    let elsewhere = document(&setting, "http://elsewhere.example/introspect");
    setting.server.says(200, JSON, &elsewhere.to_string());
    assert_eq!(setting.word(TOKEN).await, "discovery", "that host was never named for anything else");
    assert_eq!(setting.server.asked(), 1, "and nobody was told the secret");
    let setting = Setting::by(Kind::Service, false).await;
    setting.server.says(200, JSON, &document(&setting, "/ask").to_string());
    assert_eq!(setting.word(TOKEN).await, "ada");
    let heard = setting.server.heard();
    assert!(heard.starts_with("POST /ask HTTP/1.1\r\n") && !heard.contains("authorization:"), "{heard}");
    assert!(heard.ends_with("&client_id=the+gate&client_secret=s%3Acret"), "{heard}");
}

#[tokio::test]
async fn a_token_that_can_be_read_here_is_not_sent_anywhere() {
    let setting = Setting::new(Kind::Service).await;
    setting.says_active(&json!({}));
    let is_opaque = |token: &str| setting.bearers.is_opaque(&CredentialText::new(token));
    assert!(is_opaque(TOKEN) && is_opaque("a.b.c") && is_opaque(&"x".repeat(8192)));
    let anothers = TestIssuer::new("k1").token(&json!({ "iss": "https://another.example" }));
    assert!(!is_opaque(&anothers) && !is_opaque(&"x".repeat(8193)));
    assert_eq!(setting.word(&anothers).await, "keys");
    assert_eq!(setting.server.asked(), 0);
}
