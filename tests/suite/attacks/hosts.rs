//! Hosts that two readers take for two things.

use world::{World, raw};

use super::{Attack, Probes, reached};

pub(super) const ATTACKS: &[Attack] = &[Attack {
    name: "hosts_with_two_spellings",
    fault: "host-keeps-its-dot",
    run: || Box::pin(hosts_with_two_spellings()),
}];

/// A host and an address where nobody may enter without a token, on a path that is open everywhere else.
const GUARDED: &str = r#"
[[routes]]
path = "/public/"
host = "admin.test"
upstream = "monolith"
allow = ["service"]

[[routes]]
path = "/public/"
host = "192.0.2.7"
upstream = "monolith"
allow = ["service"]
"#;

/// What some server reads as one of the two.
const SPELLINGS: [&str; 20] = [
    "admin.test",
    "ADMIN.Test",
    "admin.test.",
    "Admin.Test.",
    "admin.test:80",
    "admin.test.:80",
    "admin.test.:0443",
    "admin.test..",
    "admin.test:",
    "admin%2etest",
    "admin.test%2e",
    "me@admin.test",
    "admin.test@public.test",
    "xn--admin-.test",
    "192.0.2.7.",
    "192.0.519",
    "192.519",
    "0xc0.0.2.7",
    "3221225991",
    "[::ffff:192.0.2.7]",
];

/// Said by `Host`, by an absolute address, by a proxy that is trusted, and to forward-auth.
async fn hosts_with_two_spellings() -> Probes {
    let mut world = World::new().configured(GUARDED).prepare().await;
    world.settings.trust_loopback();
    world.start_gateway().await;
    let host = world.url("/").authority().to_owned();
    let mut probes = Probes::default();
    for (number, spelling) in SPELLINGS.into_iter().enumerate() {
        for (way, start, named, field) in [
            ("host", String::new(), spelling, String::new()),
            ("line", format!("http://{spelling}"), spelling, String::new()),
            ("x-forwarded", String::new(), host.as_str(), format!("X-Forwarded-Host: {spelling}\r\n")),
            ("forwarded", String::new(), host.as_str(), format!("Forwarded: host=\"{spelling}\"\r\n")),
        ] {
            let mark = format!("probe{number}{way}e");
            let target = format!("{start}/public/hosts?{mark}");
            let heard = raw::ask(&host, raw::request("GET", &target, named, &field, "")).await;
            let entered = !reached(&world, &mark).is_empty();
            probes.made(entered, || format!("{way}: {spelling} reached the monolith: {:?}", heard.status()));
        }
        let asked =
            format!("X-Forwarded-Method: GET\r\nX-Forwarded-Uri: /public/hosts\r\nX-Forwarded-Host: {spelling}\r\n");
        let heard = raw::ask(&host, raw::request("GET", "/.candor/verify", &host, &asked, "")).await;
        probes.made(heard.status() == Some(200), || format!("forward-auth let {spelling} pass"));
    }
    probes
}
