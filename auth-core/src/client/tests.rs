//! The device's own side by tables, in virtual time.

use std::{sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::*;

const SECOND: Duration = Duration::from_secs(1);
const JSON: &str = "application/json";

/// A device with whoever drives it: keeps what is stored, and looks at every order.
struct Bench {
    device: DeviceClient,
    now: Duration,
    count: u8,
    durable: StoredState,
    sent: Option<ClientRequest>,
    wiped: Vec<String>,
    reported: Vec<String>,
    timer: Duration,
}

fn settings() -> Arc<ClientSettings> {
    Arc::new(ClientSettings {
        origin: "https://app.example.com".to_owned(),
        own_prefix: "/.candor".to_owned(),
        data_path: "/api/calendar".to_owned(),
        every: Duration::from_secs(60),
        hardware_id: "SN-1".to_owned(),
        model: "Wall 10".to_owned(),
        app_version: "2.0".to_owned(),
    })
}

fn statement_key() -> ClientKey {
    ClientKey::new(&Moment { now: Duration::ZERO, wall: 0, entropy: [9; 32] })
}

fn signed(by: &ClientKey, header: &Value, claims: &Value) -> String {
    key::signed(&by.pair().expect("a key"), header, claims)
}

fn http(status: u16, kind: &str, body: impl Into<String>) -> HttpAnswer {
    HttpAnswer {
        status: Some(status),
        content_type: Some(kind.to_owned()),
        nonce: Some("n".to_owned()),
        body: body.into(),
        ..HttpAnswer::default()
    }
}

fn problem(status: u16, word: &str) -> HttpAnswer {
    let body = json!({ "type": format!("/.candor/problems/{word}"), "wipe": false });
    http(status, "application/problem+json", body.to_string())
}

fn granted(generation: u64) -> HttpAnswer {
    let key = json!({ "kty": "OKP", "crv": "Ed25519", "kid": "s1", "x": statement_key().x() });
    let body = json!({
        "device_id": "dev-1", "token": format!("token-{generation}"), "tenant": "acme", "room": "4.12",
        "generation": generation, "renew_in": 43_200, "expires_in": 1_209_600, "statement_keys": { "keys": [key] },
    });
    http(200, JSON, body.to_string())
}

impl Bench {
    fn fresh() -> Self {
        Self::with(StoredState::default())
    }

    fn with(stored: StoredState) -> Self {
        let moment = Moment { now: Duration::ZERO, wall: 0, entropy: [0; 32] };
        let device = DeviceClient::new(settings(), stored.clone(), &moment);
        let mut bench = Self {
            device,
            now: Duration::ZERO,
            count: 0,
            durable: stored,
            sent: None,
            wiped: Vec::new(),
            reported: Vec::new(),
            timer: Duration::ZERO,
        };
        bench.tell(ClientEvent::Boot);
        bench
    }

    /// One that shows its data.
    fn active() -> Self {
        let mut bench = Self::fresh();
        bench.give(http(200, JSON, r#"{"nonce":"n","expires_in":300}"#));
        bench.give(granted(1));
        bench.give(http(200, JSON, r#"{"today":1}"#));
        assert_eq!(bench.device.state(), ClientState::Active);
        bench.until_timer();
        bench
    }

    fn moment(&mut self) -> Moment {
        self.count = self.count.wrapping_add(1);
        Moment { now: self.now, wall: 0, entropy: [self.count; 32] }
    }

    fn tell(&mut self, event: ClientEvent) {
        let moment = self.moment();
        let actions = self.device.handle(event, &moment);
        assert!(matches!(actions.last(), Some(ClientAction::Timer { .. })), "a timer runs: {actions:?}");
        for action in actions {
            match action {
                ClientAction::Store { state } => self.durable = state,
                ClientAction::Wipe { parts } => self.wiped.extend(parts),
                ClientAction::Send { request } => self.sent = Some(request),
                ClientAction::Show { screen } => assert_eq!(screen, self.device.screen()),
                ClientAction::Timer { at } => self.timer = at,
                ClientAction::Report { word } => self.reported.push(word),
            }
        }
    }

    /// Answers the call under way; first the nonce, where it asks for one.
    fn give(&mut self, answer: HttpAnswer) {
        let sent = self.sent.take().expect("a call is under way");
        self.tell(ClientEvent::Answer { number: sent.number, answer });
    }

    fn until_timer(&mut self) {
        self.now = self.now.max(self.timer);
        self.tell(ClientEvent::Timer);
        if self.sent.as_ref().is_some_and(|sent| sent.url.ends_with("/nonce")) {
            self.give(http(200, JSON, r#"{"nonce":"n"}"#));
        }
    }

    /// What it asks: the last part of the address.
    fn asks(&self) -> &str {
        self.sent.as_ref().map_or("nothing", |sent| sent.url.rsplit_once('/').map_or("", |(_, last)| last))
    }

    fn state_statement(&self, verdict: &str, change: impl FnOnce(&mut Value)) -> HttpAnswer {
        let sent = self.sent.as_ref().expect("a call is under way");
        let asked: Value = serde_json::from_str(&sent.body).expect("a body");
        let mut claims = json!({
            "iss": "x", "sub": "dev-1", "jkt": self.key().thumbprint(), "gen": 1, "verdict": verdict, "reason": "r",
            "wipe": ["token", "calendar"], "nonce": asked["nonce"], "iat": 1, "exp": 2, "jti": "j",
        });
        change(&mut claims);
        let header = json!({ "typ": "device-statement+jwt", "alg": "EdDSA", "kid": "s1" });
        http(200, JSON, json!({ "statement": signed(&statement_key(), &header, &claims) }).to_string())
    }

    fn key(&self) -> ClientKey {
        self.durable.key.clone().expect("it has a key")
    }

    fn expect(&self, state: ClientState, asks: &str, what: &str) {
        assert_eq!((self.device.state(), self.asks()), (state, asks), "{what}");
        assert!(self.wiped.is_empty(), "{what}: nothing is erased");
        assert!(self.durable.credential.is_some() && self.durable.data.is_some(), "{what}: nothing is lost");
    }
}

#[test]
fn a_new_device_shows_a_pin_and_is_given_a_place() {
    let mut bench = Bench::fresh();
    let key = bench.durable.key.clone().expect("the key is stored before anything is sent");
    assert_eq!((bench.asks(), bench.device.screen()), ("nonce", Screen::Connecting));
    bench.give(http(200, JSON, r#"{"nonce":"n1"}"#));
    assert_eq!(bench.asks(), "reactivations");
    bench.give(problem(404, "device-unknown"));
    assert_eq!(bench.asks(), "activations");
    let open = json!({ "activation_id": "a", "device_code": "c", "pin": "482913", "tag": "KZQX", "expires_in": 600, "interval": 5,
        "verification_uri": "u", "verification_uri_complete": "u?pin=482913&tag=KZQX" });
    bench.give(http(201, JSON, open.to_string()));
    let (pin, tag) = ("482913".to_owned(), Some("KZQX".to_owned()));
    let pin = Screen::Pin { pin, tag, uri: "u?pin=482913&tag=KZQX".to_owned(), over: None };
    assert_eq!((bench.device.screen(), bench.timer - bench.now), (pin, 5 * SECOND));
    bench.until_timer();
    bench.give(http(202, JSON, r#"{"status":"slow-down","interval":10}"#));
    assert_eq!(bench.timer - bench.now, 10 * SECOND);
    bench.until_timer();
    assert_eq!(bench.asks(), "token");
    bench.give(granted(1));
    assert_eq!(bench.durable.credential.as_ref().map(|own| own.token.0.as_str()), Some("token-1"));
    assert_eq!(bench.durable.key, Some(key));
    bench.give(http(200, JSON, r#"{"today":1}"#));
    assert_eq!(bench.device.screen(), Screen::Live { data: r#"{"today":1}"#.to_owned() });
}

#[test]
fn a_key_proof_is_what_rfc_9449_says() {
    let mut bench = Bench::fresh();
    bench.give(http(200, JSON, r#"{"nonce":"n1"}"#));
    let sent = bench.sent.clone().expect("it asks");
    let proof = &sent.headers.iter().find(|(name, _)| name == "dpop").expect("a proof").1.0;
    let part = |index: usize| -> Value {
        let part = proof.split('.').nth(index).expect("three parts");
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).expect("base64url")).expect("JSON")
    };
    let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": bench.key().x() });
    assert_eq!(part(0), json!({ "typ": "dpop+jwt", "alg": "EdDSA", "jwk": jwk }));
    let claims = part(1);
    let url = "https://app.example.com/.candor/device/reactivations";
    assert_eq!((&claims["htm"], &claims["htu"], &claims["nonce"]), (&json!("POST"), &json!(url), &json!("n1")));
    let (signed, signature) = proof.rsplit_once('.').expect("a signature");
    let x = URL_SAFE_NO_PAD.decode(bench.key().x()).expect("base64url");
    let key = aws_lc_rs::signature::UnparsedPublicKey::new(&aws_lc_rs::signature::ED25519, x);
    let signature = URL_SAFE_NO_PAD.decode(signature).expect("base64url");
    key.verify(signed.as_bytes(), &signature).expect("it holds");
    assert!(!format!("{sent:?} {:?}", bench.durable).contains("n1"), "no log shows a proof");
}

/// "What arrives": answers to a device that asks for what it shows.
#[test]
fn what_arrives_while_it_shows_data() {
    use ClientState::{Active, Checking, Degraded, PinKeep, Reauthenticating};
    let html = "text/html";
    let own = |status, word| problem(status, word);
    let table: Vec<(&str, HttpAnswer, ClientState, &str)> = vec![
        ("nothing", HttpAnswer::none(), Degraded, "nothing"),
        ("JSON", http(200, JSON, r#"{"today":2}"#), Active, "nothing"),
        ("a page", http(200, html, "<h1>Welcome</h1>"), Degraded, "nothing"),
        ("a page called JSON", http(200, JSON, "<h1>"), Degraded, "nothing"),
        ("cut short", http(200, JSON, r#"{"today":"#), Degraded, "nothing"),
        ("a redirect", http(302, html, ""), Degraded, "nothing"),
        ("400", http(400, html, ""), Active, "nothing"),
        ("404", http(404, html, ""), Active, "nothing"),
        ("405", http(405, html, ""), Active, "nothing"),
        ("415", http(415, html, ""), Active, "nothing"),
        ("422", http(422, JSON, "{}"), Active, "nothing"),
        ("401, unsigned", http(401, JSON, r#"{"error":"token expired"}"#), Degraded, "nothing"),
        ("401 Basic", http(401, html, "<h1>Authorization Required</h1>"), Degraded, "nothing"),
        ("403", http(403, html, ""), Degraded, "nothing"),
        ("401 of ours", own(401, "credential-invalid"), Checking, "statements"),
        ("403 of ours", own(403, "not-permitted"), Checking, "statements"),
        ("404 of ours", own(404, "device-unknown"), Checking, "statements"),
        ("renewal required", own(503, "renewal-required"), Reauthenticating, "token"),
        ("ambiguous", own(409, "tenant-ambiguous"), PinKeep, "activations"),
        ("408", http(408, html, ""), Degraded, "nothing"),
        ("425", http(425, html, ""), Degraded, "nothing"),
        ("429", http(429, html, ""), Degraded, "nothing"),
        ("500", http(500, html, ""), Degraded, "nothing"),
        ("502", http(502, html, ""), Degraded, "nothing"),
        ("503 of ours", own(503, "verdict-unavailable"), Degraded, "nothing"),
        ("504", http(504, html, ""), Degraded, "nothing"),
        ("522", http(522, html, ""), Degraded, "nothing"),
    ];
    for (what, answer, state, asks) in table {
        let mut bench = Bench::active();
        bench.give(answer);
        bench.expect(state, asks, what);
        // Whatever it was: once all is well, it is active again.
        while bench.device.state() != Active {
            if bench.sent.is_none() {
                bench.until_timer();
            }
            match bench.asks() {
                "calendar" => bench.give(http(200, JSON, r#"{"today":3}"#)),
                "statements" => bench.give(bench.state_statement("valid", |_| {})),
                "activations" => bench.give(http(
                    201,
                    JSON,
                    r#"{"activation_id":"a","device_code":"c","pin":"1","verification_uri":"u","expires_in":9,"interval":1}"#,
                )),
                _ => bench.give(granted(1)),
            }
        }
    }
}

#[test]
fn three_unsigned_denials_are_asked_about_and_two_are_not() {
    let mut bench = Bench::active();
    for _ in 0..2 {
        bench.give(http(401, "text/html", ""));
        bench.expect(ClientState::Degraded, "nothing", "not yet");
        bench.until_timer();
    }
    bench.give(http(403, "text/html", ""));
    bench.expect(ClientState::Checking, "statements", "now");
    // The answer is believed for a while, whatever is hinted.
    bench.give(bench.state_statement("valid", |_| {}));
    bench.give(granted(1));
    bench.give(problem(401, "credential-invalid"));
    bench.expect(ClientState::Degraded, "nothing", "asked a moment ago");
}

#[test]
fn a_statement_is_believed_only_if_everything_fits() {
    type Change = fn(&mut Value);
    let table: [(&str, Change); 8] = [
        ("another device", |claims| claims["sub"] = json!("dev-2")),
        ("no device", |claims| claims["sub"] = json!(null)),
        ("another key", |claims| claims["jkt"] = json!("other")),
        ("an older generation", |claims| claims["gen"] = json!(0)),
        ("no generation", |claims| claims["gen"] = json!(null)),
        ("another nonce", |claims| claims["nonce"] = json!("AAAAAAAAAAAAAAAAAAAAAA")),
        ("a verdict that nobody knows", |claims| claims["verdict"] = json!("erase")),
        ("no verdict", |claims| claims["verdict"] = json!(7)),
    ];
    let checking = || {
        let mut bench = Bench::active();
        bench.give(problem(401, "credential-invalid"));
        bench
    };
    for (what, change) in table {
        let mut bench = checking();
        bench.give(bench.state_statement("revoked", change));
        bench.expect(ClientState::Degraded, "nothing", what);
        assert_eq!(bench.reported, ["statement-rejected"], "{what}");
    }
    let mut bench = checking();
    let mut forged: Value = serde_json::from_str(&bench.state_statement("revoked", |_| {}).body).expect("JSON");
    let text = forged["statement"].as_str().expect("a statement").to_owned();
    let by_another = Bench::fresh().key();
    let header = json!({ "typ": "device-statement+jwt", "alg": "EdDSA", "kid": "s1" });
    let claims: Value =
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text.split('.').nth(1).expect("claims")).expect("base64url"))
            .expect("JSON");
    forged["statement"] = json!(signed(&by_another, &header, &claims));
    bench.give(http(200, JSON, forged.to_string()));
    bench.expect(ClientState::Degraded, "nothing", "signed by another key");
}

#[test]
fn two_statements_ten_minutes_apart_erase_what_they_list() {
    let mut bench = Bench::active();
    bench.give(problem(401, "credential-invalid"));
    bench.give(bench.state_statement("revoked", |_| {}));
    bench.expect(ClientState::RevokedPending, "nothing", "said once");
    assert!(bench.durable.hidden && bench.timer - bench.now >= CONFIRM_AFTER);
    assert_eq!(bench.device.screen(), Screen::Neutral);
    // Pressed before its time, it waits on.
    bench.now += 5 * SECOND;
    bench.tell(ClientEvent::Retry);
    bench.expect(ClientState::RevokedPending, "nothing", "pressed");
    bench.until_timer();
    bench.give(http(503, "text/html", ""));
    bench.expect(ClientState::RevokedPending, "nothing", "an outage says nothing");
    bench.until_timer();
    bench.give(bench.state_statement("revoked", |claims| claims["wipe"] = json!(["token", "calendar"])));
    assert_eq!(bench.wiped, ["token", "calendar"]);
    assert_eq!((bench.device.state(), bench.asks()), (ClientState::Unprovisioned, "reactivations"));
    assert!(bench.durable.credential.is_none() && bench.durable.data.is_none() && bench.durable.key.is_some());
}

#[test]
fn a_second_statement_that_says_otherwise_saves_it() {
    for (verdict, state, asks) in [
        ("valid", ClientState::Reauthenticating, "token"),
        ("unknown", ClientState::Reauthenticating, "token"),
        ("suspended", ClientState::Suspended, "nothing"),
        ("transferred", ClientState::RevokedPending, "nothing"),
    ] {
        let mut bench = Bench::active();
        bench.give(problem(401, "credential-invalid"));
        bench.give(bench.state_statement("revoked", |_| {}));
        bench.until_timer();
        bench.give(bench.state_statement(verdict, |_| {}));
        bench.expect(state, asks, verdict);
    }
}

#[test]
fn a_restart_forgets_the_first_statement_and_shows_nothing() {
    let mut bench = Bench::active();
    bench.give(problem(401, "credential-invalid"));
    bench.give(bench.state_statement("revoked", |_| {}));
    let mut again = Bench::with(bench.durable.clone());
    assert_eq!((again.device.state(), again.device.screen()), (ClientState::Suspended, Screen::Neutral));
    again.give(http(200, JSON, r#"{"nonce":"n"}"#));
    again.give(again.state_statement("revoked", |_| {}));
    again.expect(ClientState::RevokedPending, "nothing", "it begins anew");
}

#[test]
fn what_was_being_erased_when_the_power_went_is_erased() {
    let stored = StoredState { wiping: vec!["calendar".to_owned()], ..StoredState::default() };
    let bench = Bench::with(stored);
    assert_eq!((bench.wiped, bench.durable.wiping.len()), (vec!["calendar".to_owned()], 0));
}

#[test]
fn an_answer_to_no_question_changes_nothing() {
    let mut bench = Bench::active();
    let late = bench.sent.clone().expect("it asks").number;
    bench.now += ANSWER_WITHIN;
    bench.tell(ClientEvent::Timer);
    bench.expect(ClientState::Degraded, "calendar", "nothing came in time");
    bench.sent = None;
    let before = bench.device.clone();
    for answer in [granted(7), http(401, "text/html", ""), http(200, JSON, "{}"), problem(410, "device-revoked")] {
        bench.tell(ClientEvent::Answer { number: late, answer: answer.clone() });
        bench.tell(ClientEvent::Answer { number: late + 100, answer });
    }
    assert!(bench.device == before && bench.sent.is_none());
}

#[test]
fn retry_is_the_timer_early_and_not_twice() {
    let mut bench = Bench::active();
    bench.give(http(503, "text/html", ""));
    bench.now += SECOND;
    bench.tell(ClientEvent::Retry);
    bench.expect(ClientState::Degraded, "calendar", "pressed");
    let number = bench.sent.as_ref().map(|sent| sent.number);
    bench.now += 5 * SECOND;
    bench.tell(ClientEvent::Retry);
    assert_eq!(bench.sent.as_ref().map(|sent| sent.number), number, "a call is under way");
    bench.give(http(503, "text/html", ""));
    bench.now += SECOND;
    bench.tell(ClientEvent::Retry);
    bench.expect(ClientState::Degraded, "nothing", "the same press");
    bench.now += 2 * SECOND;
    bench.tell(ClientEvent::Retry);
    bench.expect(ClientState::Degraded, "calendar", "another press");
}

#[test]
fn a_renewal_that_fails_darkens_nothing() {
    let mut bench = Bench::active();
    bench.give(http(200, JSON, r#"{"today":1}"#));
    bench.now = bench.device.renews_at();
    bench.timer = bench.now;
    bench.until_timer();
    bench.expect(ClientState::Active, "token", "it renews");
    bench.give(HttpAnswer { retry_after: Some(40), ..http(503, "text/html", "") });
    bench.expect(ClientState::Active, "nothing", "the store is down");
    assert!(bench.timer - bench.now >= 40 * SECOND);
    bench.until_timer();
    bench.expect(ClientState::Active, "calendar", "and its token is still served");
    bench.give(HttpAnswer { auth_renew: Some("overdue".to_owned()), ..http(200, JSON, r#"{"today":1}"#) });
    bench.until_timer();
    bench.expect(ClientState::Active, "token", "again");
    bench.give(granted(1));
    bench.expect(ClientState::Degraded, "calendar", "renewed");
}

#[test]
fn a_key_is_enough_to_come_back() {
    let mut bench = Bench::active();
    bench.give(problem(503, "renewal-required"));
    bench.give(problem(404, "device-unknown"));
    bench.expect(ClientState::Reauthenticating, "reactivations", "the token names nothing there");
    bench.give(granted(1));
    bench.give(http(200, JSON, r#"{"today":1}"#));
    bench.expect(ClientState::Active, "nothing", "back");
    // And with its key alone.
    let stored = StoredState { key: bench.durable.key.clone(), ..StoredState::default() };
    let mut bench = Bench::with(stored);
    bench.give(http(200, JSON, r#"{"nonce":"n"}"#));
    assert_eq!(bench.asks(), "reactivations");
    bench.give(granted(1));
    bench.give(http(200, JSON, r#"{"today":1}"#));
    assert_eq!(bench.device.state(), ClientState::Active);
}

#[test]
fn the_statement_keys_are_those_of_its_activation() {
    let mut bench = Bench::active();
    let pinned = bench.durable.credential.as_ref().expect("it has one").statement_keys.clone();
    bench.give(problem(503, "renewal-required"));
    let mut other: Value = serde_json::from_str(&granted(1).body).expect("JSON");
    other["statement_keys"]["keys"][0]["x"] = json!(Bench::fresh().key().x());
    bench.give(http(200, JSON, other.to_string()));
    assert_eq!(bench.durable.credential.as_ref().expect("it has one").statement_keys, pinned);
}

#[test]
fn a_nonce_that_is_refused_is_replaced_twice_and_then_waited_for() {
    let mut bench = Bench::active();
    bench.give(problem(503, "renewal-required"));
    for _ in 0..2 {
        bench.give(problem(400, "use-dpop-nonce"));
        bench.expect(ClientState::Reauthenticating, "token", "with the new one");
    }
    bench.give(problem(400, "use-dpop-nonce"));
    bench.expect(ClientState::Degraded, "nothing", "it waits");
}

#[test]
fn attempts_are_forgotten_after_three_successes() {
    let mut bench = Bench::active();
    for _ in 0..9 {
        bench.give(http(503, "text/html", ""));
        bench.until_timer();
    }
    for _ in 0..2 {
        bench.give(http(200, JSON, "{}"));
        bench.until_timer();
        assert!(bench.device.attempts > 0);
    }
    bench.give(http(200, JSON, "{}"));
    assert_eq!(bench.device.attempts, 0);
}

#[test]
fn what_could_not_be_stored_is_stored_with_the_next_timer() {
    let mut bench = Bench::active();
    let kept = bench.durable.clone();
    bench.durable = StoredState::default();
    bench.tell(ClientEvent::NotStored);
    bench.give(http(503, "text/html", ""));
    bench.until_timer();
    assert_eq!(bench.durable, kept);
}

#[test]
fn all_of_it_is_plain_data() {
    let bench = Bench::active();
    let text = serde_json::to_string(&bench.device).expect("it can be written");
    let again: DeviceClient = serde_json::from_str(&text).expect("and read");
    assert!(again == bench.device);
}
