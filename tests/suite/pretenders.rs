//! The pretenders of the test world themselves: a test that stands on a broken one proves nothing.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use gateway::demo::{
    AccessTokenSpec, Health, Idp, Login, Mode, Monolith, Part, Twin,
    browser::{Browser, NoAnswer, SeenPage},
    idp,
};
use libtest_mimic::Trial;
use serde_json::Value;
use url::Url;
use world::{
    authority::Authority,
    fault_proxy::{Break, FaultProxy},
};

use crate::in_a_runtime;

const DEADLINE: Duration = Duration::from_millis(400);
const ANYWHERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

pub(crate) fn tests() -> Vec<Trial> {
    vec![
        in_a_runtime("pretenders::a_wire_breaks_in_every_way_and_heals", a_wire_breaks_in_every_way_and_heals),
        in_a_runtime("pretenders::breaking_breaks_what_stands", breaking_breaks_what_stands),
        in_a_runtime("pretenders::the_provider_signs_people_in", the_provider_signs_people_in),
        in_a_runtime("pretenders::the_provider_wants_pkce_and_spends_a_code_once", a_code_is_spent_once),
        in_a_runtime("pretenders::the_provider_can_be_broken", the_provider_can_be_broken),
        in_a_runtime("pretenders::a_twin_differs_from_the_good_one", a_twin_differs_from_the_good_one),
        in_a_runtime("pretenders::the_monolith_remembers", the_monolith_remembers),
    ]
}

async fn get(address: &str) -> Result<SeenPage, NoAnswer> {
    let url = Url::parse(address).expect("an address");
    Browser::with_headers(DEADLINE, http::HeaderMap::new()).get(&url).await
}

async fn a_wire_breaks_in_every_way_and_heals() {
    let monolith = Monolith::start(ANYWHERE).await.expect("it listens");
    let proxy = FaultProxy::to(monolith.address()).await.expect("it listens");
    let address = proxy.base() + "/x";
    let check = async |how: Break, expected: &str, touched: usize| {
        proxy.break_with(how).await;
        let heard = match get(&address).await {
            Ok(seen) => seen.status.as_u16().to_string(),
            Err(NoAnswer::Late(_)) => "late".into(),
            Err(_) => "broken".into(),
        };
        assert_eq!(heard, expected, "{how:?}");
        assert_eq!(proxy.touched(), touched, "{how:?}");
        proxy.heal().await;
        assert_eq!(get(&address).await.expect("it is healed").status, 200, "after {how:?}");
    };
    check(Break::Refused, "broken", 0).await;
    check(Break::Reset, "broken", 1).await;
    check(Break::Hang, "late", 1).await;
    check(Break::Drip, "late", 1).await;
    check(Break::Half, "broken", 1).await;
    check(Break::Garble, "broken", 1).await;
    check(Break::Nonsense, "200", 1).await;
    check(Break::EmptySet, "200", 1).await;
    check(Break::LoginRedirect, "302", 1).await;
    for status in [401, 403, 429, 500, 503] {
        check(Break::Status(status), &status.to_string(), 1).await;
    }
}

async fn breaking_breaks_what_stands() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let monolith = Monolith::start(ANYWHERE).await.expect("it listens");
    let proxy = FaultProxy::to(monolith.address()).await.expect("it listens");
    let mut standing = tokio::net::TcpStream::connect(proxy.address()).await.expect("it accepts");
    let mut some = [0; 1024];
    standing.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("it reads");
    let read = standing.read(&mut some).await.expect("it answers");
    assert!(some[..read].starts_with(b"HTTP/1.1 200"), "healthy at first");
    proxy.break_with(Break::Status(401)).await;
    standing.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("it still reads");
    let mut said = Vec::new();
    standing.read_to_end(&mut said).await.expect("it answers");
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(said.contains("401 Unauthorized"), "the standing connection is broken too: {said}");
    assert_eq!(proxy.touched(), 1);
}

/// The address that signs in at `idp` with the S256 challenge of `verifier`.
fn authorize(idp: &Idp, challenge: &str) -> Url {
    let mut url = Url::parse(&idp.url(Part::Authorize)).expect("an address");
    url.query_pairs_mut().extend_pairs([
        ("client_id", "candor"),
        ("response_type", "code"),
        ("redirect_uri", "http://127.0.0.1:1/back"),
        ("scope", "openid profile"),
        ("state", "a state"),
        ("nonce", "a nonce"),
        ("code_challenge", challenge),
        ("code_challenge_method", "S256"),
    ]);
    url
}

/// RFC 7636, appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

fn fields(of: &[(&str, &str)]) -> Vec<(String, String)> {
    of.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

async fn exchange(browser: &mut Browser, idp: &Idp, code: &str, verifier: &str) -> SeenPage {
    let form = fields(&[
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", "http://127.0.0.1:1/back"),
        ("code_verifier", verifier),
        ("client_id", "candor"),
        ("client_secret", "a pretend secret"),
    ]);
    let url = Url::parse(&idp.url(Part::Token)).expect("an address");
    browser.post(&url, &form).await.expect("it answers")
}

fn code_of(back: &Url) -> String {
    back.query_pairs().find(|(name, _)| name == "code").map(|(_, code)| code.into_owned()).unwrap_or_default()
}

async fn the_provider_signs_people_in() {
    let idp = Idp::start(idp::IdpOptions::default()).await.expect("it listens");
    idp.set_login(Login::Form);
    let mut browser = Browser::navigating(DEADLINE);
    let page = browser.get(&authorize(&idp, CHALLENGE)).await.expect("a page");
    let (action, mut form) = page.form().expect("a form");
    form.extend(fields(&[("user", "grace")]));
    let back = browser.post(&action, &form).await.expect("an answer").location().expect("a redirect");
    assert!(back.as_str().starts_with("http://127.0.0.1:1/back?code="), "{back}");
    let answer = exchange(&mut browser, &idp, &code_of(&back), VERIFIER).await;
    let tokens: Value = serde_json::from_slice(&answer.body).expect("JSON");
    let claims = claims(tokens["id_token"].as_str().expect("an ID token"));
    assert_eq!((&claims["sub"], &claims["nonce"]), (&"grace".into(), &"a nonce".into()));
    assert_eq!(claims["iss"], idp.issuer());
}

async fn a_code_is_spent_once() {
    let idp = Idp::start(idp::IdpOptions::default()).await.expect("it listens");
    let mut browser = Browser::navigating(DEADLINE);
    let plain = browser.get(&authorize(&idp, "too short")).await.expect("an answer").location().expect("a redirect");
    assert!(plain.as_str().contains("error=invalid_request"), "{plain}");
    let back = browser.get(&authorize(&idp, CHALLENGE)).await.expect("an answer").location().expect("a redirect");
    let code = code_of(&back);
    assert_eq!(exchange(&mut browser, &idp, &code, VERIFIER).await.status, 200);
    let again = exchange(&mut browser, &idp, &code, VERIFIER).await;
    assert!(again.text().contains("invalid_grant"), "{}", again.text());
    let other = browser.get(&authorize(&idp, CHALLENGE)).await.expect("an answer").location().expect("a redirect");
    let wrong = exchange(&mut browser, &idp, &code_of(&other), "another verifier").await;
    assert!(wrong.text().contains("invalid_grant"), "{}", wrong.text());
}

async fn the_provider_can_be_broken() {
    let idp = Idp::start(idp::IdpOptions::default()).await.expect("it listens");
    let keys = idp.url(Part::Keys);
    idp.set_health(Health::Failing);
    assert_eq!(get(&keys).await.expect("an answer").status, 500);
    idp.set_health(Health::NonsenseKeys);
    assert!(get(&keys).await.expect("an answer").text().contains("nginx"));
    idp.set_health(Health::Down);
    assert!(get(&keys).await.is_err());
    idp.set_health(Health::Healthy);
    let published = |seen: &SeenPage| serde_json::from_slice::<Value>(&seen.body).expect("JSON")["keys"].clone();
    assert_eq!(published(&get(&keys).await.expect("keys")).as_array().map(Vec::len), Some(1));
    idp.rotate();
    assert_eq!(published(&get(&keys).await.expect("keys")).as_array().map(Vec::len), Some(2));

    // Each part can stand behind a proxy of its own, under TLS too.
    let proxy = FaultProxy::secure(idp.address(), Authority::shared()).await.expect("it listens");
    idp.stands_at(Part::Keys, &proxy.base());
    let document = get(&idp.url(Part::Discovery)).await.expect("the document");
    let document: Value = serde_json::from_slice(&document.body).expect("JSON");
    assert_eq!(document["jwks_uri"], proxy.base() + "/keys");
}

async fn a_twin_differs_from_the_good_one() {
    let idp = Idp::start(idp::IdpOptions::default()).await.expect("it listens");
    let good = idp.mint(&AccessTokenSpec::of("display"));
    for twin in Twin::ALL {
        let bad = idp.twin(&AccessTokenSpec::of("display"), twin);
        assert_ne!(bad, good, "{twin:?}");
        assert_eq!(claims(&bad)["sub"], "display", "{twin:?} is about the same subject");
    }
}

async fn the_monolith_remembers() {
    let monolith = Monolith::start(ANYWHERE).await.expect("it listens");
    let mut browser = Browser::navigating(DEADLINE);
    browser.always_send("x-oracle".parse().expect("a name"), "17".parse().expect("a value"));
    let url = Url::parse(&format!("http://{}/a?b", monolith.address())).expect("an address");
    browser.get(&url).await.expect("an answer");
    let seen = monolith.seen_by("17");
    assert_eq!(seen.iter().map(|seen| &*seen.target).collect::<Vec<_>>(), ["/a?b"]);
    assert_eq!((seen[0].identity(), &seen[0].body), (None, &Bytes::new()));
    monolith.set_mode(Mode::DenyAll);
    assert_eq!(browser.get(&url).await.expect("an answer").status, 401);
    monolith.set_mode(Mode::Hanging);
    assert!(matches!(browser.get(&url).await, Err(NoAnswer::Late(_))));
    monolith.set_mode(Mode::Down);
    assert!(matches!(browser.get(&url).await, Err(NoAnswer::Broken(_))));
}

fn claims(token: &str) -> Value {
    use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
    let payload = token.split('.').nth(1).expect("a JWT has three parts");
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(payload).expect("base64");
    serde_json::from_slice(&bytes).expect("JSON")
}
