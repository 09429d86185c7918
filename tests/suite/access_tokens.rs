//! `forward_access_token`: a service is handed the access token of whoever showed a ticket, renewed, or the request is 503.

use std::time::Duration;

use libtest_mimic::Trial;
use world::{
    World,
    caller::{Caller, Form, Heard},
    fault_proxy::Break,
};

use crate::{ending::signed_in, in_a_runtime};

/// Where the service is handed it.
pub(crate) const HANDED: &str = "/mail/inbox";
/// The field.
pub(crate) const FIELD: &str = "x-forwarded-access-token";

const HOUR: Duration = Duration::from_secs(3600);

pub(crate) fn tests() -> Vec<Trial> {
    vec![
        in_a_runtime("access_tokens::a_service_is_handed_the_persons_own", handed),
        in_a_runtime("access_tokens::one_that_is_over_is_renewed_or_the_request_is_503", outages),
        in_a_runtime("access_tokens::sessions_of_before_get_one_by_a_renewal", of_before),
    ]
}

/// The route, in the configuration.
pub(crate) const ROUTE: &str = "\n[[routes]]\npath = \"/mail/\"\nupstream = \"monolith\"\nallow = [\"user\", \"service\"]\n\
                                response_timeout = \"400ms\"\nforward_access_token = true\n";

/// A world with the route, whose sessions are renewed.
pub(crate) async fn world() -> World {
    let mut world = World::new().standing_clock().configured(ROUTE).prepare().await;
    world.settings.renew_sessions();
    world.start_gateway().await;
    world
}

/// The tokens that the monolith was handed with a request.
pub(crate) fn tokens(heard: &Heard) -> Vec<String> {
    let fields = heard.reached.iter().flat_map(|seen| &seen.headers);
    fields.filter(|(name, _)| name == FIELD).map(|(_, value)| value.clone()).collect()
}

/// Asks, and gives the one token that was handed on.
async fn handed_to(world: &World, person: &mut Caller) -> String {
    let heard = world.ask(person, HANDED).await;
    assert_eq!(heard.status(), Some(200), "{}", heard.line());
    let [token] = &tokens(&heard)[..] else { panic!("not one: {:?}", tokens(&heard)) };
    token.clone()
}

async fn later(world: &World, by: Duration) {
    world.advance(by);
    world.poll_revocations().await;
}

async fn handed() {
    let world = world().await;
    let mut ada = signed_in(&world, "ada", "s-1").await;
    let mut grace = signed_in(&world, "grace", "s-2").await;
    let (of_ada, of_grace) = (handed_to(&world, &mut ada).await, handed_to(&world, &mut grace).await);
    assert_eq!(world.idp.whose(&of_ada).as_deref(), Some("ada"));
    assert_eq!(world.idp.whose(&of_grace).as_deref(), Some("grace"));
    assert_eq!(handed_to(&world, &mut ada).await, of_ada, "the same while it is good");
    // With each renewal there is another.
    later(&world, Duration::from_secs(25 * 60)).await;
    let next = handed_to(&world, &mut ada).await;
    assert!(next != of_ada && world.idp.whose(&next).as_deref() == Some("ada"));

    // Nobody else has one, and no other route is handed any.
    let elsewhere = world.ask(&mut ada, "/calendar").await;
    assert!(elsewhere.status() == Some(200) && tokens(&elsewhere).is_empty(), "{}", elsewhere.line());
    let program = world.ask(&mut Caller::bearing(Form::Script, &world.token("robot")), HANDED).await;
    assert!(program.status() == Some(200) && tokens(&program).is_empty(), "{}", program.line());
    let nobody = world.ask(&mut Caller::new(Form::Script), HANDED).await;
    assert_eq!((nobody.status(), nobody.reached.len()), (Some(401), 0), "{}", nobody.line());
    let lines = world.access().iter().map(ToString::to_string).collect::<String>();
    assert!(lines.contains(HANDED) && !lines.contains(&next) && !lines.contains(&of_ada), "no line holds one");
}

async fn outages() {
    let mut world = world().await;
    let mut ada = signed_in(&world, "ada", "s-1").await;
    let first = handed_to(&world, &mut ada).await;
    world.proxies.token.break_with(Break::Status(500)).await;
    later(&world, HOUR - Duration::from_secs(60)).await;
    assert_eq!(handed_to(&world, &mut ada).await, first, "it is good for a minute yet");
    later(&world, Duration::from_secs(60)).await;
    let heard = world.ask(&mut ada, HANDED).await;
    assert_eq!((heard.status(), heard.word(), heard.reached.len()), (Some(503), Some("verdict-unavailable"), 0));
    let page = heard.answer.expect("a page");
    assert!(page.text().contains("You have not been signed out") && page.set_cookies().is_empty(), "{}", page.text());
    let heard = world.ask(&mut ada, "/calendar").await;
    assert_eq!(heard.status(), Some(200), "elsewhere they are served: {}", heard.line());
    world.proxies.token.heal().await;
    later(&world, Duration::from_secs(60)).await;
    let second = handed_to(&world, &mut ada).await;
    assert!(second != first && world.idp.whose(&second).as_deref() == Some("ada"));

    // The store is asked by nobody who is here just now; after a restart it must say.
    world.disturb_store(auth_core::database::Disturbance::Closed).await;
    assert_eq!(handed_to(&world, &mut ada).await, second);
    world.heal_store().await;
    world.restart_gateway().await;
    assert_eq!(handed_to(&world, &mut ada).await, second, "the row has it");

    // Whom their provider has disabled is told so by their session's own verdict, and no token of theirs goes on.
    world.idp.disable("ada");
    later(&world, 2 * HOUR).await;
    let heard = world.ask(&mut ada, HANDED).await;
    assert_eq!((heard.status(), heard.reached.len()), (Some(303), 0), "{}", heard.line());
}

async fn of_before() {
    let mut world = World::new().standing_clock().prepare().await;
    world.settings.renew_sessions();
    world.start_gateway().await;
    let mut ada = signed_in(&world, "ada", "s-1").await;
    let text = world.settings.text();
    let last = text.rfind("[[routes]]").map(|at| text[at..].to_owned()).expect("a route");
    world.settings.replace(&last, &format!("{last}{ROUTE}"));
    world.restart_gateway().await;
    later(&world, Duration::from_secs(60)).await;
    let token = handed_to(&world, &mut ada).await;
    assert_eq!(world.idp.whose(&token).as_deref(), Some("ada"));

    // One that cannot be renewed is handed on until its end, and then only signing in again brings another.
    let world = World::new().standing_clock().configured(ROUTE).start().await;
    let mut ada = signed_in(&world, "ada", "s-1").await;
    let token = handed_to(&world, &mut ada).await;
    later(&world, HOUR - Duration::from_secs(5)).await;
    assert_eq!(handed_to(&world, &mut ada).await, token);
    later(&world, Duration::from_secs(6)).await;
    let heard = world.ask(&mut ada, HANDED).await;
    assert_eq!((heard.status(), heard.reached.len()), (Some(503), 0), "{}", heard.line());
    let mut again = signed_in(&world, "ada", "s-2").await;
    assert!(handed_to(&world, &mut again).await != token);
}
