//! Access tokens that reach a service which is not to have them, or in the name of somebody else.

use std::time::Duration;

use http::{HeaderName, HeaderValue};
use world::{
    caller::{Caller, Form},
    fault_proxy::Break,
};

use super::{Attack, Probes};
use crate::{
    access_tokens::{FIELD, HANDED, tokens, world},
    ending::signed_in,
};

pub(super) const ATTACKS: &[Attack] = &[
    Attack {
        name: "access_tokens_where_none_is_due",
        fault: "access-token-on-every-route",
        run: || Box::pin(where_none_is_due()),
    },
    Attack { name: "access_tokens_that_are_over", fault: "access-token-past-its-end", run: || Box::pin(over()) },
];

/// The spellings that some framework takes for the field.
const SPELLINGS: [&str; 4] =
    ["x-forwarded-access-token", "X-FORWARDED-ACCESS-TOKEN", "x.forwarded.access.token", "x~forwarded-access~token"];

/// Somebody who sends a token of their own making, and services that no token is meant for.
async fn where_none_is_due() -> Probes {
    let world = world().await;
    let mut probes = Probes::default();
    let mut grace = signed_in(&world, "grace", "s-2").await;
    let of_grace = tokens(&world.ask(&mut grace, HANDED).await);
    let stolen = of_grace.first().cloned().unwrap_or_default();
    let mut ada = signed_in(&world, "ada", "s-1").await;
    for path in ["/calendar", "/api/calendar", "/public/page", "/admin/panel"] {
        let heard = world.ask(&mut ada, path).await;
        probes.made(!tokens(&heard).is_empty(), || format!("{path}: {}", heard.line()));
    }
    for spelling in SPELLINGS {
        let program = Caller::bearing(Form::Script, &world.token("robot"));
        let nobody = Caller::new(Form::Script);
        for (mut caller, whose, paths) in
            [(program, "a program", [HANDED, "/api/calendar"]), (nobody, "nobody", ["/public/page", "/public/other"])]
        {
            let name = HeaderName::from_bytes(spelling.to_ascii_lowercase().as_bytes()).expect("a name");
            caller.browser().always_send(name, HeaderValue::from_str(&stolen).expect("a value"));
            for path in paths {
                let heard = world.ask(&mut caller, path).await;
                let reached = heard.reached.iter().flat_map(|seen| &seen.headers).any(|(_, value)| *value == stolen);
                probes.made(reached, || format!("{whose} by {spelling} at {path}: {}", heard.line()));
            }
        }
        // Ada shows Grace's: the service is told hers alone.
        let name = HeaderName::from_bytes(spelling.to_ascii_lowercase().as_bytes()).expect("a name");
        let mut thief = signed_in(&world, "ada", "s-3").await;
        thief.browser().always_send(name, HeaderValue::from_str(&stolen).expect("a value"));
        let heard = world.ask(&mut thief, HANDED).await;
        let fields: Vec<_> = heard.reached.iter().flat_map(|seen| &seen.headers).collect();
        let told = fields.iter().any(|(_, value)| *value == stolen);
        let is_hers = tokens(&heard).iter().all(|token| world.idp.whose(token).as_deref() == Some("ada"));
        probes.made(told || !is_hers, || format!("{FIELD} by {spelling}: {}", heard.line()));
    }
    probes
}

/// A token that is over, while nobody can say whether the person would be given another.
async fn over() -> Probes {
    let world = world().await;
    let mut probes = Probes::default();
    let mut ada = signed_in(&world, "ada", "s-1").await;
    world.ask(&mut ada, HANDED).await;
    world.proxies.token.break_with(Break::Status(503)).await;
    for minutes in [60, 61, 120, 300] {
        world.advance(Duration::from_secs(minutes * 60));
        world.poll_revocations().await;
        let heard = world.ask(&mut ada, HANDED).await;
        probes.made(!tokens(&heard).is_empty(), || format!("after {minutes} minutes more: {}", heard.line()));
    }
    probes
}
