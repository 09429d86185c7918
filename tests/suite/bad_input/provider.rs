//! Discovery documents and key sets that are none: nobody can be told who they are, so everybody is told 503.

use gateway::demo::Part;
use serde_json::{Value, json};
use world::{
    World,
    process::Process,
    raw,
    scripted::{Scripted, answer, json as json_answer},
};

use super::{Case, Expected, Tally, deadlines};

/// What the provider answers under one path.
struct Nonsense {
    path: &'static str,
    answer: Vec<u8>,
}

/// Starts a gateway for each, which never knew anything better.
pub(super) async fn all(tally: &mut Tally) {
    for number in 0..documents("http://issuer").len() {
        ask(tally, |issuer| Nonsense { path: "/.well-known", answer: documents(issuer).swap_remove(number) }).await;
    }
    for number in 0..key_sets().len() {
        ask(tally, |_| Nonsense { path: "/keys", answer: key_sets().swap_remove(number) }).await;
    }
}

async fn ask(tally: &mut Tally, nonsense: impl FnOnce(&str) -> Nonsense) {
    let mut world = World::new().prepare().await;
    let provider = Scripted::before(world.idp.address()).await;
    deadlines(&mut world.settings);
    world.settings.replace(&world.idp.issuer(), &provider.base());
    for part in [Part::Discovery, Part::Keys, Part::Token] {
        world.idp.stands_at(part, &provider.base());
    }
    let Nonsense { path, answer } = nonsense(&provider.base());
    let name = String::from_utf8_lossy(&answer[..answer.len().min(300)]).into_owned();
    provider.say(path, answer);
    let mut gateway = Process::start(&world.write_config());
    gateway.serving().await;
    let host = world.url("/").authority().to_owned();
    let authorized = format!("Authorization: Bearer {}\r\n", world.token("display"));
    let asked = [("/api/x", authorized), ("/.candor/login", "Accept: text/html\r\n".to_owned())];
    for (target, fields) in asked {
        let bytes = raw::request("GET", target, &host, &fields, "").into_bytes();
        let heard = raw::ask(&host, &bytes).await;
        let case = Case { name: format!("{target} {path} {name}"), bytes, expected: Expected::Refused };
        tally.judge(&case, &heard);
        if target == "/api/x" && heard.status() != Some(503) {
            tally.faults.push(format!("{}: a good credential was told {heard:?}", case.name));
        }
    }
    if provider.heard(path).is_empty() {
        tally.faults.push(format!("nobody asked for {path}"));
    }
    tally.stop(gateway).await;
}

fn documents(issuer: &str) -> Vec<Vec<u8>> {
    let keys = format!("{issuer}/keys");
    let with = |name: &str, value: Value| {
        let mut document = json!({
            "issuer": issuer,
            "jwks_uri": keys,
            "authorization_endpoint": format!("{issuer}/authorize"),
            "token_endpoint": format!("{issuer}/token"),
        });
        document[name] = value;
        json_answer("200 OK", &document.to_string())
    };
    let mut all: Vec<String> = vec![
        with("issuer", json!(null)),
        with("issuer", json!(7)),
        with("issuer", json!(format!("{issuer}/"))),
        with("issuer", json!("https://somebody-else.example")),
        with("jwks_uri", json!(null)),
        with("jwks_uri", json!([keys])),
        with("jwks_uri", json!("")),
        with("jwks_uri", json!("/keys")),
        with("jwks_uri", json!("http://192.0.2.1/keys")),
        with("jwks_uri", json!("http://169.254.169.254/latest/meta-data")),
        with("jwks_uri", json!("file:///etc/passwd")),
        with("jwks_uri", json!("https://[::1")),
        with("jwks_uri", json!("javascript:alert(1)")),
        with("token_endpoint", json!({})),
        with("authorization_endpoint", json!("ftp://127.0.0.1/")),
        with("padding", json!("a".repeat(300 * 1024))),
    ];
    all.extend(bodies().map(|body| json_answer("200 OK", &body)));
    all.push(json_answer("404 Not Found", "{}"));
    all.push(answer("301 Moved Permanently", &format!("Location: {issuer}/keys\r\n"), ""));
    all.into_iter().map(String::into_bytes).chain(broken()).collect()
}

fn key_sets() -> Vec<Vec<u8>> {
    let keys = |keys: Value| json_answer("200 OK", &json!({ "keys": keys }).to_string());
    let rsa = |n: Value, e: Value| keys(json!([{"kty": "RSA", "kid": "key-0", "alg": "RS256", "n": n, "e": e}]));
    let mut all: Vec<String> = vec![
        keys(json!(null)),
        keys(json!({})),
        keys(json!([])),
        keys(json!([null, 7, "a", [], {}])),
        keys(json!([{"kty": "oct", "kid": "key-0", "k": "AAAA"}])),
        keys(json!([{"kty": "RSA", "kid": "key-0"}])),
        keys(json!([{"kty": "EC", "kid": "key-0", "crv": "P-256", "x": "AAAA", "y": "AAAA"}])),
        keys(json!([{"kty": "OKP", "kid": "key-0", "crv": "Ed25519", "x": "AAAA"}])),
        keys(json!([{"kty": "RSA", "kid": "key-0", "n": "AQAB", "e": "AQAB", "d": "AQAB"}])),
        keys(json!(vec![json!({"kty": "RSA", "kid": "key-0"}); 2000])),
        rsa(json!("AQAB"), json!("AQAB")),
        rsa(json!(""), json!("")),
        rsa(json!("!!!!"), json!("AQAB")),
        rsa(json!(7), json!([])),
        rsa(json!("A".repeat(600 * 1024)), json!("AQAB")),
    ];
    all.extend(bodies().map(|body| json_answer("200 OK", &body)));
    all.push(json_answer("500 Internal Server Error", "{\"keys\":[]}"));
    all.into_iter().map(String::into_bytes).chain(broken()).collect()
}

/// Bodies that are no JSON object.
fn bodies() -> impl Iterator<Item = String> {
    let deep = "[".repeat(100_000);
    let bodies =
        ["", "{", "[]", "null", "7", "\"a\"", "<html>", "{\"keys\":", "\u{feff}{}", "{}{}", "{\"a\":1,\"a\":2}", &deep];
    bodies.map(str::to_owned).into_iter()
}

/// Answers that are no HTTP, or not whole.
fn broken() -> impl Iterator<Item = Vec<u8>> {
    [
        &b""[..],
        b"\0\x01\x02\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 4000\r\n\r\n{\"keys\": [",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n\xff\xfe",
    ]
    .into_iter()
    .map(<[u8]>::to_vec)
}
