//! A service that is half dead, or that asks everybody for a name, while we cannot give it one: what it says of people
//! and displays whose credential is good must not reach them as a refusal.

use gateway::demo::{AccessTokenSpec, Twin};
use http::{HeaderName, HeaderValue};
use world::{
    World,
    caller::{Caller, Form, Heard},
    fault_proxy::Break,
    scripted::{Scripted, answer},
};

use super::{Attack, Probes};

pub(super) const ATTACKS: &[Attack] = &[
    Attack {
        name: "an_outage_on_an_open_route",
        fault: "undecided-is-anyone",
        run: || Box::pin(an_outage_on_an_open_route()),
    },
    Attack {
        name: "a_denial_of_a_display_that_must_renew",
        fault: "lapsed-display-is-denied",
        run: || Box::pin(a_denial_of_a_display_that_must_renew()),
    },
    Attack {
        name: "a_half_dead_password_prompt",
        fault: "basic-challenge-passed",
        run: || Box::pin(a_half_dead_password_prompt()),
    },
    Attack {
        name: "a_half_dead_grpc_service",
        fault: "grpc-denial-passed-on",
        run: || Box::pin(a_half_dead_grpc_service()),
    },
    Attack {
        name: "an_outage_before_a_grpc_service",
        fault: "grpc-unavailable-is-16",
        run: || Box::pin(an_outage_before_a_grpc_service()),
    },
];

/// Open routes in every form that a configuration gives them.
const OPEN: &str = r#"
[[routes]]
path = "/open/passed/"
upstream = "monolith"
allow = ["anyone"]
on_denial = "pass"
login_paths = ["/accounts/login"]

[[routes]]
path = "/open/display/"
upstream = "monolith"
allow = ["anyone"]
client_kind = "device"
expect = "json"
login_paths = ["/accounts/login"]

[[routes]]
path = "/open/strict/"
upstream = "monolith"
allow = ["anyone"]
max_stale = "0s"
login_paths = ["/accounts/login"]
"#;

/// Where anyone may pass.
const ROUTES: [&str; 4] = ["/public/", "/open/passed/", "/open/display/", "/open/strict/"];

/// How a service turns away whom it knows no name of.
const DENIALS: [(&str, &str, &str); 6] = [
    ("401", "401 Unauthorized", "WWW-Authenticate: Bearer\r\n"),
    ("401-basic", "401 Unauthorized", "WWW-Authenticate: Basic realm=\"x\"\r\n"),
    ("403", "403 Forbidden", ""),
    ("407", "407 Proxy Authentication Required", "Proxy-Authenticate: Basic\r\n"),
    ("login", "302 Found", "Location: /accounts/login?next=%2F\r\n"),
    ("our-login", "302 Found", "Location: /.candor/login\r\n"),
];

/// A good bearer on routes open to anyone, while its issuer's keys cannot be had, before a service that wants a name.
async fn an_outage_on_an_open_route() -> Probes {
    let mut probes = Probes::default();
    for broken in [Break::Refused, Break::Status(500), Break::Status(401), Break::EmptySet, Break::Nonsense] {
        let mut world = World::new().configured(OPEN).prepare().await;
        let service = denying(&mut world).await;
        world.proxies.keys.break_with(broken).await;
        world.start_gateway().await;
        let token = world.token("display-4.12");
        for (route, (denial, ..)) in ROUTES.iter().flat_map(|route| DENIALS.map(|denial| (route, denial))) {
            for form in [Form::Browser, Form::Script, Form::Device] {
                let path = format!("{route}{denial}");
                let heard = world.ask(&mut Caller::bearing(form, &token), &path).await;
                probes.made(is_refused(&heard), || format!("{path}, keys {}: {}", broken.name(), heard.line()));
            }
        }
        assert!(!service.heard("/public/").is_empty(), "it was asked");
    }
    probes
}

/// A display whose token is over, on a route of displays that is open to anyone, before a service that wants a name.
async fn a_denial_of_a_display_that_must_renew() -> Probes {
    let mut probes = Probes::default();
    let mut world = World::new().configured(OPEN).prepare().await;
    let service = denying(&mut world).await;
    world.start_gateway().await;
    service.say("/api/warm", answer("200 OK", "", ""));
    let good = world.token("display-4.12");
    world.warm_up(&mut Caller::bearing(Form::Script, &good), "/api/warm").await;
    let over = world.idp.mint(&AccessTokenSpec::of("display-4.12").twin(Twin::Expired));
    for (denial, ..) in DENIALS {
        let path = format!("/open/display/{denial}");
        let heard = world.ask(&mut Caller::bearing(Form::Device, &over), &path).await;
        let told = heard.status() == Some(503) && heard.word() == Some("renewal-required");
        probes.made(!told, || format!("{path}: {}", heard.line()));
    }
    assert!(!service.heard("/open/display/").is_empty(), "it was asked");
    probes
}

/// People and programs whom we vouch for, before a service that asks everybody for a password.
async fn a_half_dead_password_prompt() -> Probes {
    let mut world = World::new().prepare().await;
    let service = denying(&mut world).await;
    world.start_gateway().await;
    let token = world.token("display-4.12");
    service.say("/api/warm", answer("200 OK", "", ""));
    world.warm_up(&mut Caller::bearing(Form::Script, &token), "/api/warm").await;
    service.say("/calendar", answer("200 OK", "", ""));
    let mut person = Caller::new(Form::Browser);
    world.sign_in(&mut person, "ada", "/calendar").await;
    let mut probes = Probes::default();
    let also = HeaderValue::from_static("Basic YWRhOmFkYQ==");
    for path in ["/401-basic", "/api/401-basic", "/public/401-basic", "/deep/er/401-basic"] {
        let heard = world.ask(&mut person, path).await;
        probes.made(is_refused(&heard), || format!("a person at {path}: {}", heard.line()));
    }
    for path in ["/api/401-basic", "/display/401-basic", "/public/401-basic", "/admin/401-basic"] {
        let heard = world.ask(&mut Caller::bearing(Form::Device, &token), path).await;
        probes.made(is_refused(&heard), || format!("a display at {path}: {}", heard.line()));
    }
    // Who answers the prompt is asked again, since the service is down.
    person.browser().always_send(HeaderName::from_static("authorization"), also);
    let heard = world.ask(&mut person, "/401-basic").await;
    probes.made(is_refused(&heard), || format!("a person with a password: {}", heard.line()));
    probes
}

/// A program that calls by gRPC with a good credential, before a service that says to everybody that they are not signed in.
async fn a_half_dead_grpc_service() -> Probes {
    let mut world = World::new().prepare().await;
    let service = Scripted::before(world.monolith.address()).await;
    world.settings.replace(&world.proxies.monolith.base(), &service.base());
    world.start_gateway().await;
    let mut program = calling_by_grpc(&world.token("display-4.12"));
    service.say("/api/warm", answer("200 OK", "Content-Type: application/grpc\r\nGrpc-Status: 0\r\n", ""));
    world.warm_up(&mut program, "/api/warm").await;
    let mut probes = Probes::default();
    for kind in ["application/grpc", "application/grpc+proto", "Application/GRPC; charset=utf-8"] {
        service.say("/", answer("200 OK", &format!("Content-Type: {kind}\r\nGrpc-Status: 16\r\n"), ""));
        for path in ["/api/call", "/public/call", "/admin/call"] {
            let heard = world.ask(&mut program, path).await;
            probes.made(is_refused_by_grpc(&heard), || format!("{path}, {kind}: {}", heard.line()));
        }
    }
    assert!(!service.heard("/api/call").is_empty(), "it was asked");
    probes
}

/// The same before a service that is well, while nobody can tell whether the credential is good.
async fn an_outage_before_a_grpc_service() -> Probes {
    let mut probes = Probes::default();
    for broken in [Break::Refused, Break::Status(500), Break::Status(401), Break::EmptySet, Break::Nonsense] {
        let mut world = World::new().prepare().await;
        world.proxies.keys.break_with(broken).await;
        world.start_gateway().await;
        let heard = world.ask(&mut calling_by_grpc(&world.token("display-4.12")), "/api/call").await;
        assert_eq!(heard.word(), Some("verdict-unavailable"), "{}", heard.line());
        probes.made(is_refused_by_grpc(&heard), || format!("keys {}: {}", broken.name(), heard.line()));
    }
    probes
}

fn calling_by_grpc(token: &str) -> Caller {
    let mut program = Caller::bearing(Form::Script, token);
    let kind = HeaderValue::from_static("application/grpc");
    program.browser().always_send(HeaderName::from_static("content-type"), kind);
    program
}

/// Whether a gRPC client with a good credential takes an answer for a refusal.
fn is_refused_by_grpc(heard: &Heard) -> bool {
    let status = heard.answer.as_ref().ok().and_then(|seen| seen.header("grpc-status"));
    is_refused(heard) || matches!(status, Some("16" | "7"))
}

/// In the monolith's place, a service that denies as the end of the path says.
async fn denying(world: &mut World) -> Scripted {
    let service = Scripted::before(world.monolith.address()).await;
    for base in ["/", "/api/", "/display/", "/public/", "/admin/", "/deep/er/"].iter().chain(&ROUTES[1..]) {
        for (denial, status, fields) in DENIALS {
            service.say(&format!("{base}{denial}"), answer(status, fields, ""));
        }
    }
    world.settings.replace(&world.proxies.monolith.base(), &service.base());
    service
}

/// Whether somebody with a good credential was told, by anybody, that it is none.
fn is_refused(heard: &Heard) -> bool {
    match heard.status() {
        Some(401 | 403 | 407) => true,
        Some(300..=399) => heard.answer.as_ref().is_ok_and(|seen| seen.location().is_some()),
        _ => false,
    }
}
