//! Scripts of other origins: what they can find out, and what they can have the service do by a preflight.

use world::{
    World,
    caller::{Caller, Form},
    raw,
};

use super::{Attack, Probes, reached};

pub(super) const ATTACKS: &[Attack] = &[
    Attack { name: "identities_by_preflight", fault: "preflight-keeps-credentials", run: || Box::pin(by_preflight()) },
    Attack { name: "answers_read_by_strangers", fault: "every-origin-is-listed", run: || Box::pin(by_strangers()) },
];

/// The origin that the routes list.
const LISTED: &str = "https://app.example";

/// Others, some of which look like it.
const OTHERS: [&str; 9] = [
    "null",
    "https://evil.example",
    "http://app.example",
    "https://app.example:8443",
    "https://app.example.evil.example",
    "https://evilapp.example",
    "HTTPS://APP.EXAMPLE",
    "https://app.example, https://evil.example",
    "*",
];

async fn world() -> World {
    let mut world = World::new().prepare().await;
    let cors =
        format!("expect = \"json\"\ncors = \"pass\"\ncors_origins = [\"{LISTED}\"]\nforward_authorization = true");
    world.settings.replace("expect = \"json\"", &cors);
    world.start_gateway().await;
    world
}

/// A preflight that shows what a browser never shows with one: the service is told of nobody, and handed nothing.
async fn by_preflight() -> Probes {
    let world = world().await;
    let host = world.url("/").authority().to_owned();
    let token = world.token("display-4.12");
    world.warm_up(&mut Caller::bearing(Form::Script, &token), "/api/x").await;
    let mut person = Caller::new(Form::Browser);
    world.sign_in(&mut person, "ada", "/calendar").await;
    let cookie = person.browser().cookie(&world.url("/"), "candor").expect("she is signed in").to_owned();
    let mut probes = Probes::default();
    let shown = [
        format!("Authorization: Bearer {token}\r\n"),
        format!("Cookie: candor={cookie}\r\n"),
        format!("Cookie: other=1; candor={cookie}\r\n"),
        "Authorization: Basic cm9vdDpyb290\r\n".to_owned(),
        "X-Auth-Request-User: root\r\n".to_owned(),
        "Authorization: Bearer nonsense\r\n".to_owned(),
    ];
    for (number, shown) in shown.iter().enumerate() {
        for method in ["GET", "POST", "DELETE"] {
            let mark = format!("/api/preflight-{number}-{method}");
            let fields = format!("Origin: {LISTED}\r\nAccess-Control-Request-Method: {method}\r\n{shown}");
            raw::ask(&host, raw::request("OPTIONS", &mark, &host, &fields, "")).await;
            let seen = reached(&world, &mark);
            assert_eq!(seen.len(), 1, "a preflight reaches the service: {shown}");
            let told = ["x-auth-request-user", "x-gateway-identity", "authorization", "cookie"];
            let told: Vec<_> = seen[0].headers.iter().filter(|(name, _)| told.contains(&name.as_str())).collect();
            probes.made(!told.is_empty(), || format!("{method} with {shown}: {told:?}"));
        }
    }
    probes
}

/// Our 401, and a preflight's answer, for origins that no route lists: neither may be read there, and no preflight of theirs
/// goes where only people and programs may.
async fn by_strangers() -> Probes {
    let world = world().await;
    let host = world.url("/").authority().to_owned();
    let readable = |answer: &raw::Answered| {
        String::from_utf8_lossy(&answer.bytes).to_ascii_lowercase().contains("access-control-allow-origin")
    };
    let mut probes = Probes::default();
    for (number, origin) in OTHERS.into_iter().enumerate() {
        for (method, more) in [("GET", ""), ("POST", ""), ("OPTIONS", "Access-Control-Request-Method: GET\r\n")] {
            let path = format!("/api/stranger-{number}");
            let fields = format!("Origin: {origin}\r\n{more}");
            let answer = raw::ask(&host, raw::request(method, &path, &host, &fields, "")).await;
            let refused = answer.status() == Some(401) && reached(&world, &path).is_empty();
            probes.made(readable(&answer) || !refused, || format!("{method} {origin}: {answer:?}"));
        }
    }
    let known = format!("Origin: {LISTED}\r\n");
    let answer = raw::ask(&host, raw::request("GET", "/api/x", &host, &known, "")).await;
    assert!(readable(&answer), "the listed one may: {answer:?}");
    let elsewhere = raw::ask(&host, raw::request("GET", "/x", &host, &known, "")).await;
    probes.made(readable(&elsewhere), || format!("on a route without `cors`: {elsewhere:?}"));
    probes
}
