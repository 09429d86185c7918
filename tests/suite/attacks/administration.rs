//! Orders at the admin listener, by somebody who may not give them.

use std::time::Duration;

use serde_json::json;
use world::{
    World,
    caller::{Caller, Form},
    fault_proxy::Break,
    raw,
};

use super::{Attack, Probes};
use crate::{
    administration::{END, RELEASE, SESSIONS, SIGN_OUT, get, post, token, warm, with_role},
    ending::{is_in, signed_in},
};

pub(super) const ATTACKS: &[Attack] = &[
    Attack { name: "orders_by_a_cookie", fault: "ticket-administers", run: || Box::pin(by_cookie()) },
    Attack { name: "orders_by_another_site", fault: "any-site-may-order", run: || Box::pin(by_another_site()) },
    Attack { name: "orders_in_an_outage", fault: "order-by-stale-verdict", run: || Box::pin(in_an_outage()) },
];

/// Somebody who has the role, and a browser with their session of the service: its cookie comes along to any port of the
/// host, and whoever gets hold of it administers nothing by it.
async fn by_cookie() -> Probes {
    let mut world = World::new().standing_clock().prepare().await;
    world.settings.administer_sessions();
    world.start_gateway().await;
    let mut victim = signed_in(&world, "ada", "s-1").await;
    world.idp.states_of("grace", json!({ "roles": ["security"] }));
    let mut grace = Caller::new(Form::Browser);
    world.sign_in(&mut grace, "grace", "/calendar").await;
    world.poll_revocations().await;
    let ticket = grace.browser().cookie(&world.url("/"), "candor").expect("signed in").to_owned();
    let mut probes = Probes::default();
    for form in [Form::Script, Form::Browser] {
        for path in [SESSIONS, "/admin/v1/held", "/held"] {
            let mut caller = Caller::new(form);
            caller.browser().set_cookie(&world.admin_url("/"), "candor", &ticket);
            let seen = get(&world, &mut caller, path).await;
            probes.made(seen.status == 200, || format!("{path}: {}", seen.status));
        }
    }
    let mut caller = Caller::new(Form::Script);
    caller.browser().set_cookie(&world.admin_url("/"), "candor", &ticket);
    let order = json!({ "issuer": world.idp.issuer(), "subject": "ada", "reason": "theirs" });
    let seen = post(&world, &mut caller, SIGN_OUT, order).await;
    let is_out = !is_in(&world, &mut victim).await;
    probes.made(is_out || seen.status == 200, || format!("{SIGN_OUT}: {}", seen.status));
    probes
}

/// A page of somebody else's that makes an administrator's browser post, where something before the gateway adds their
/// token.
async fn by_another_site() -> Probes {
    let mut world = World::new().standing_clock().prepare().await;
    world.settings.administer_sessions();
    world.start_gateway().await;
    let mut victim = signed_in(&world, "ada", "s-1").await;
    warm(&world, &mut with_role(&world, "security")).await;
    let host = world.admin_url("/").authority().to_owned();
    let public = world.url("/").origin().ascii_serialization();
    let origins = [
        "Origin: http://evil.example\r\nSec-Fetch-Site: cross-site\r\n".to_owned(),
        "Origin: http://evil.example\r\n".to_owned(),
        "Origin: null\r\n".to_owned(),
        // The service's own pages administer nothing either.
        format!("Origin: {public}\r\nSec-Fetch-Site: same-site\r\n"),
        format!("Origin: {public}\r\n"),
    ];
    let (issuer, token) = (world.idp.issuer(), token(&world, "security"));
    let order = json!({ "issuer": issuer, "subject": "ada", "reason": "theirs" }).to_string();
    let mut probes = Probes::default();
    for origin in &origins {
        for (path, media, body) in [
            (SIGN_OUT, "application/json", order.as_str()),
            (RELEASE, "application/json", r#"{"which":"all","reason":"theirs"}"#),
            ("/held", "application/x-www-form-urlencoded", "provider=pretend&reason=theirs&meant=release"),
        ] {
            let fields = format!("Authorization: Bearer {token}\r\nContent-Type: {media}\r\n{origin}");
            let heard = raw::ask(&host, raw::request("POST", path, &host, &fields, body)).await;
            probes.made(heard.status() == Some(200), || format!("{path} {origin}: {:?}", heard.status()));
        }
    }
    let is_out = !is_in(&world, &mut victim).await;
    probes.made(is_out, || "the victim is out".to_owned());
    probes
}

/// Somebody whose role may have been taken away since: nobody can tell while the provider's keys are out of reach.
async fn in_an_outage() -> Probes {
    let mut world = World::new().standing_clock().prepare().await;
    world.settings.administer_sessions();
    world.start_gateway().await;
    let mut victim = signed_in(&world, "ada", "s-1").await;
    let mut admin = with_role(&world, "security");
    warm(&world, &mut admin).await;
    world.proxies.keys.break_with(Break::Reset).await;
    world.advance(Duration::from_secs(2 * 3600));
    world.poll_revocations().await;
    let mut probes = Probes::default();
    // The first of these finds out.
    for _ in 0..3 {
        world.ask(&mut admin, "/api/calendar").await;
    }
    let order = json!({ "issuer": world.idp.issuer(), "subject": "ada", "reason": "theirs" });
    for path in [SESSIONS, "/admin/v1/held"] {
        let seen = get(&world, &mut admin, path).await;
        probes.made(seen.status != 503, || format!("{path}: {}", seen.status));
    }
    let end = json!({ "session": "AAAAAAAAAAAAAAAAAAAAAA", "reason": "theirs" });
    for (path, order) in [(END, end), (SIGN_OUT, order)] {
        let seen = post(&world, &mut admin, path, order).await;
        probes.made(seen.status != 503, || format!("{path}: {}", seen.status));
    }
    let is_out = !is_in(&world, &mut victim).await;
    probes.made(is_out, || "the victim is out".to_owned());
    probes
}
