//! Scripts of another origin that a route lists: their preflights go to the service, and they can tell our own answers apart.

use libtest_mimic::Trial;
use world::{World, chromium::Chromium, fault_proxy::Break, scripted::Scripted, settings::Settings};

use super::{Setting, patient};
use crate::{in_a_runtime, report};

const LISTED: &str = "https://app.example";

pub(super) fn tests() -> Vec<Trial> {
    const IN_CHROMIUM: &str = "serving::a_script_of_another_origin_tells_401_from_503_in_chromium";
    let mut tests = vec![
        in_a_runtime("serving::a_preflight_is_the_services", a_preflight_is_the_services),
        in_a_runtime("serving::our_own_answers_can_be_read_across_origins", our_own_answers_can_be_read),
    ];
    if Chromium::is_installed() {
        tests.push(in_a_runtime(IN_CHROMIUM, in_chromium));
    } else {
        report::left_out(format!("{IN_CHROMIUM}: the driver of Chromium is not installed (tests/peers/install)"));
    }
    tests
}

/// What is for programs and people is for scripts of `origin` too.
fn for_scripts_of(origin: &str) -> impl FnOnce(&mut Settings) {
    move |settings| {
        let cors = format!("expect = \"json\"\ncors = \"pass\"\ncors_origins = [\"{origin}\"]");
        settings.replace("expect = \"json\"", &cors);
    }
}

fn listed(settings: &mut Settings) {
    patient(settings);
    for_scripts_of(LISTED)(settings);
}

/// A request of a script. `fields` are lines that end in CRLF.
fn of_script(method: &str, path: &str, fields: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nOrigin: {LISTED}\r\n{fields}\r\n")
}

const PREFLIGHT: &str = "Access-Control-Request-Method: PUT\r\nAccess-Control-Request-Headers: authorization\r\n";

async fn a_preflight_is_the_services() {
    let setting = Setting::with(listed).await;
    let (mut client, mut upstream, head) = setting.asked(&of_script("OPTIONS", "/api/x", PREFLIGHT)).await;
    let lower = head.to_ascii_lowercase();
    assert!(head.starts_with("OPTIONS /api/x ") && lower.contains("access-control-request-method: put"), "{head}");
    assert!(!lower.contains("x-auth-request") && !lower.contains("x-gateway"), "in nobody's name: {head}");
    let allowed = "HTTP/1.1 204 No Content\r\nAccess-Control-Allow-Origin: https://app.example\r\n\
                   Access-Control-Allow-Methods: PUT\r\nVary: Origin, Accept\r\n\r\n";
    upstream.say(allowed).await;
    let answer = client.head().await.to_ascii_lowercase();
    assert!(answer.starts_with("http/1.1 204 ") && answer.contains("access-control-allow-methods: put"), "{answer}");
    assert_eq!(answer.matches("access-control-allow-origin").count(), 1, "the service's own, as it is: {answer}");
    assert!(!answer.contains("access-control-expose-headers"), "{answer}");

    // A service that wants a credential of a preflight says so in vain: no browser sends one. It blames nobody we know.
    client.say(of_script("OPTIONS", "/api/x", PREFLIGHT)).await;
    upstream.head().await;
    upstream.say("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n").await;
    let answer = client.head().await;
    assert!(answer.starts_with("HTTP/1.1 401 ") && answer.contains("x-gateway-answer: upstream"), "{answer}");

    // Without a method that it asks about, it is a request like any other.
    client.say(of_script("OPTIONS", "/api/x", "")).await;
    let answer = client.message().await;
    assert!(answer.starts_with("HTTP/1.1 401 ") && answer.contains("credential-missing"), "{answer}");
}

async fn our_own_answers_can_be_read() {
    let setting = Setting::with(listed).await;
    let mut client = setting.client().await;
    client.say(of_script("GET", "/api/x", "")).await;
    let refused = client.message().await;
    client.say(of_script("GET", "/api/x", "Authorization: Bearer nonsense\r\n")).await;
    let invalid = client.message().await;
    // Nobody is there to answer a preflight.
    let Setting { world, upstream } = setting;
    drop(upstream);
    client.say(of_script("OPTIONS", "/api/x", PREFLIGHT)).await;
    let failed = client.message().await;
    for (answer, status) in [(&refused, "401"), (&invalid, "401"), (&failed, "502")] {
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        for field in [
            "access-control-allow-origin: https://app.example\r\n",
            "access-control-allow-credentials: true\r\n",
            "vary: origin\r\n",
        ] {
            assert!(answer.contains(field), "{field} is not in {answer}");
        }
        let exposed = answer.split("access-control-expose-headers: ").nth(1).and_then(|rest| rest.lines().next());
        let exposed: Vec<_> = exposed.expect("it says what can be read").split(", ").collect();
        for name in ["retry-after", "www-authenticate", "x-gateway-answer", "x-request-id"] {
            assert!(exposed.contains(&name), "{name} is not among {exposed:?}");
        }
    }
    drop(world);
}

/// What a script finds out about the answer to a GET at `path`, in one line.
async fn asked_by_script(browser: &Chromium, world: &World, path: &str) -> String {
    let script = format!(
        "return fetch('{}', {{ credentials: 'include' }}).then(\
           answer => answer.status + ' ' + answer.headers.get('x-gateway-answer') + ' ' + answer.headers.has('retry-after'),\
           failed => String(failed))",
        world.url(path)
    );
    browser.run(&script).await.as_str().unwrap_or_default().to_owned()
}

/// A page of another origin asks: for a stranger, for somebody whom the gateway knows while the service is there, and while it
/// is not. On a route that does not list the origin it learns nothing.
async fn in_chromium() {
    let mut world = World::new().prepare().await;
    let app = Scripted::before(world.monolith.address()).await;
    app.say("/app", world::scripted::answer("200 OK", "Content-Type: text/html\r\n", "<title>An app</title>"));
    for_scripts_of(app.base().trim_end_matches('/'))(&mut world.settings);
    world.start_gateway().await;
    world.idp.set_login(gateway::demo::Login::Immediately("ada".to_owned()));
    let page = format!("{}/app", app.base().trim_end_matches('/')).parse().expect("an address");
    let browser = Chromium::open().await;
    browser.go(&page).await;
    assert_eq!(asked_by_script(&browser, &world, "/api/x").await, "401 credential-missing false");
    assert!(asked_by_script(&browser, &world, "/x").await.contains("Failed to fetch"), "that route lists nobody");
    browser.go(&world.url("/calendar")).await;
    browser.until("return location.pathname === '/calendar'").await;
    browser.go(&page).await;
    world.proxies.monolith.break_with(Break::Refused).await;
    assert_eq!(asked_by_script(&browser, &world, "/api/x").await, "502 upstream-failed true");
    browser.close().await;
}
