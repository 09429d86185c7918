//! Requests that name another method than their own.

use gateway::demo::monolith::SeenRequest;
use world::{World, raw};

use super::{Attack, Probes, reached};

pub(super) const ATTACKS: &[Attack] =
    &[Attack { name: "overridden_methods", fault: "method-override-beside", run: || Box::pin(overridden_methods()) }];

/// Orders that anybody may look at and place, and nobody may delete without a token.
const GUARDED: &str = r#"
[[routes]]
path = "/public/orders/"
upstream = "monolith"
allow = ["anyone"]

[[routes]]
path = "/public/orders/"
methods = ["DELETE"]
upstream = "monolith"
allow = ["service"]
"#;

const FIELDS: [&str; 8] = [
    "X-HTTP-Method-Override",
    "x-http-method-override",
    "X-HTTP-Method",
    "X-Method-Override",
    "X.HTTP.Method.Override",
    "X~HTTP~Method~Override",
    "X-HTTP'Method-Override",
    "X_HTTP_Method_Override",
];

const PARAMETERS: [&str; 5] = ["_method", "%5fmethod", "+_method", ".method", "X-HTTP-Method-Override"];

/// POST may pass; a DELETE within it reaches no service that would do it, and forward-auth lets none pass.
async fn overridden_methods() -> Probes {
    let mut world = World::new().configured(GUARDED).prepare().await;
    world.settings.trust_loopback();
    world.start_gateway().await;
    let (host, verify) = (world.url("/").authority().to_owned(), world.settings.verify_url());
    let mut probes = Probes::default();
    let fields = FIELDS.map(|field| (String::new(), format!("{field}: DELETE\r\n")));
    let parameters = PARAMETERS.map(|parameter| (format!("&{parameter}=DELETE"), String::new()));
    for (number, (query, fields)) in fields.into_iter().chain(parameters).enumerate() {
        let target = format!("/public/orders/7?probe{number}e{query}");
        raw::ask(&host, raw::request("POST", &target, &host, &fields, "")).await;
        let deleted = reached(&world, &format!("probe{number}e")).iter().any(deletes);
        probes.made(deleted, || format!("POST {target} with {fields} reached the monolith"));

        let asked = format!("{fields}X-Forwarded-Method: POST\r\nX-Forwarded-Uri: {target}\r\n");
        let heard = raw::ask(verify.authority(), raw::request("GET", verify.path(), &host, &asked, "")).await;
        assert_ne!(heard.status(), Some(404), "forward-auth is asked: {heard:?}");
        probes.made(heard.status() == Some(200), || format!("forward-auth let POST {target} with {fields} pass"));
    }
    // A service that folds case deletes by these too.
    for method in ["delete", "Delete", "dELETE"] {
        let original = format!("X-Forwarded-Method: {method}\r\nX-Forwarded-Uri: /public/orders/7\r\n");
        let heard = raw::ask(verify.authority(), raw::request("GET", verify.path(), &host, &original, "")).await;
        assert_ne!(heard.status(), Some(404), "forward-auth is asked: {heard:?}");
        probes.made(heard.status() == Some(200), || format!("forward-auth let {method} pass"));
        let direct = raw::ask(&host, raw::request(method, "/public/orders/7", &host, "", "")).await;
        probes.made(direct.status() == Some(200), || format!("{method} passed"));
    }
    probes
}

/// Whether some framework would delete: a field or a parameter says so, whatever stands between its words.
fn deletes(seen: &SeenRequest) -> bool {
    let folded = |name: &str| name.replace(|c: char| !c.is_ascii_alphanumeric(), "-").to_ascii_lowercase();
    let names = ["x-http-method-override", "x-http-method", "x-method-override"];
    seen.target.contains("=DELETE") || seen.headers.iter().any(|(name, _)| names.contains(&folded(name).as_str()))
}
