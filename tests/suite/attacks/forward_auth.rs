//! What another proxy is told, and who else may ask for it.

use gateway::demo::{AccessTokenSpec, Twin};
use world::{
    World,
    caller::{Caller, Form},
    raw::{self, Answered},
};

use super::{Attack, Probes};

pub(super) const ATTACKS: &[Attack] = &[
    Attack { name: "verify_from_outside", fault: "verify-is-public", run: || Box::pin(verify_from_outside()) },
    Attack {
        name: "names_that_verify_leaves_standing",
        fault: "verify-says-only-what-is",
        run: || Box::pin(names_left_standing()),
    },
    Attack {
        name: "a_display_refused_through_a_proxy",
        fault: "verify-forgets-who-asks",
        run: || Box::pin(a_display_refused_through_a_proxy()),
    },
];

/// The identity headers that a proxy before services of the default naming copies.
const COPIED: [&str; 8] = [
    "x-auth-request-user",
    "x-auth-request-issuer",
    "x-auth-request-kind",
    "x-auth-request-email",
    "x-auth-request-preferred-username",
    "x-auth-request-groups",
    "x-gateway-identity",
    "x-gateway-undecided",
];

/// A client behind a trusted proxy asks for its own signed identity, for an address and a host that it makes up.
async fn verify_from_outside() -> Probes {
    let world = trusting().await;
    let host = world.url("/").authority().to_owned();
    let bearing = format!("Authorization: Bearer {}\r\n", world.token("ada"));
    let mut probes = Probes::default();
    let addresses = ["X-Forwarded-Method: GET\r\nX-Forwarded-Uri: ", "X-Original-Method: GET\r\nX-Original-URI: "];
    for path in ["/.candor/verify", "/.candor/verify?x", "/.candor//verify", "/.candor/%76erify", "/.Candor/verify"] {
        for (original, method) in addresses.iter().flat_map(|one| ["GET", "POST", "DELETE"].map(|it| (one, it))) {
            let fields = format!("{bearing}X-Forwarded-Host: other.test\r\n{original}/api/x\r\n");
            let heard = raw::ask(&host, raw::request(method, path, &host, &fields, "")).await;
            let told = field(&heard, "x-gateway-identity").is_some_and(|identity| !identity.is_empty());
            probes.made(told, || format!("{method} {path}: {heard:?}"));
        }
    }
    // And where another proxy asks, nothing else is to be had.
    let verify = world.settings.verify_url().authority().to_owned();
    for path in ["/", "/api/x", "/public/x", "/.candor/me", "/.candor/login", "/.candor/keys.json", "/metrics"] {
        let heard = raw::ask(&verify, raw::request("GET", path, &host, &bearing, "")).await;
        probes.made(heard.status() != Some(404), || format!("{path} on the forward-auth listener: {heard:?}"));
    }
    probes
}

/// A client names itself in fields that a proxy copies from our answer over its own, where we have something to say.
async fn names_left_standing() -> Probes {
    let world = trusting().await;
    let (display, host) = (world.token("display-4.12"), world.url("/").authority().to_owned());
    let mut probes = Probes::default();
    for (path, credential) in [
        ("/public/x", String::new()),
        ("/public/x", "Cookie: candor=nonsense\r\n".to_owned()),
        ("/api/x", format!("Authorization: Bearer {display}\r\n")),
        ("/.candor/login", String::new()),
    ] {
        let claims: String = COPIED.map(|name| format!("{name}: mallory\r\n")).concat();
        let fields = format!("{credential}{claims}X-Forwarded-Method: GET\r\nX-Forwarded-Uri: {path}\r\n");
        let verify = world.settings.verify_url();
        let asked = raw::request("GET", verify.path(), &host, &fields, "");
        let heard = raw::ask(verify.authority(), asked).await;
        assert_eq!(heard.status(), Some(200), "{path}: {heard:?}");
        for name in COPIED {
            let left = field(&heard, name).unwrap_or_else(|| "mallory".to_owned());
            probes.made(left.contains("mallory"), || format!("{name} at {path}"));
        }
        // What no proxy overwrites, and CGI takes for the same name.
        for (name, byte) in COPIED.iter().flat_map(|name| ["_", "~", ".", "'"].map(|byte| (name, byte))) {
            let name = name.replace('-', byte);
            let fields =
                format!("{credential}{name}: mallory\r\nX-Forwarded-Method: GET\r\nX-Forwarded-Uri: {path}\r\n");
            let heard = raw::ask(verify.authority(), raw::request("GET", verify.path(), &host, &fields, "")).await;
            probes.made(heard.status() == Some(200), || format!("{name} at {path}"));
        }
    }
    probes
}

/// A display whose token has merely run out, asked about by a proxy, and by itself.
async fn a_display_refused_through_a_proxy() -> Probes {
    let world = trusting().await;
    let host = world.url("/").authority().to_owned();
    let verify = world.settings.verify_url();
    let expired = world.idp.twin(&AccessTokenSpec::of("display-4.12"), Twin::Expired);
    let bearing = format!("Authorization: Bearer {expired}\r\n");
    let mut probes = Probes::default();
    for accept in ["", "Accept: application/json\r\n", "Accept: text/html\r\nSec-Fetch-Mode: navigate\r\n"] {
        for method in ["GET", "POST"] {
            let path = "/display/calendar";
            let direct = raw::ask(&host, raw::request(method, path, &host, &format!("{bearing}{accept}"), "")).await;
            probes.made(direct.status() != Some(503), || format!("{method} {path}: {direct:?}"));
            let original = format!("X-Forwarded-Method: {method}\r\nX-Forwarded-Uri: {path}\r\n");
            let fields = format!("{bearing}{accept}{original}");
            let asked = raw::request("GET", verify.path(), &host, &fields, "");
            let asked = raw::ask(verify.authority(), asked).await;
            let word = field(&asked, "x-gateway-answer");
            let same = asked.status() == Some(503) && word.as_deref() == Some("renewal-required");
            probes.made(!same, || format!("{method} {path} by a proxy: {asked:?}"));
        }
    }
    probes
}

/// A world that trusts the proxy that asks from this machine, and knows its provider.
async fn trusting() -> World {
    let mut world = World::new().prepare().await;
    world.settings.trust_loopback();
    world.start_gateway().await;
    world.warm_up(&mut Caller::bearing(Form::Script, &world.token("ada")), "/api/x").await;
    world
}

/// The value of a field of an answer's head, if it states one.
fn field(heard: &Answered, name: &str) -> Option<String> {
    let text = String::from_utf8_lossy(&heard.bytes).into_owned();
    let head = text.split("\r\n\r\n").next().unwrap_or_default();
    let fields = head.lines().filter_map(|line| line.split_once(':'));
    fields.into_iter().find(|(has, _)| has.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim().to_owned())
}
