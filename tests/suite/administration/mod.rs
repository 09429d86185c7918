//! The admin listener, for those who look after sessions: they see which stand and which are held, and end them, with their
//! own bearer token. Nobody else does, no cookie counts, and in an outage nothing is ordered.

mod held;
mod sessions;

use std::time::Duration;

use gateway::demo::{AccessTokenSpec, browser::SeenPage};
use libtest_mimic::Trial;
use serde_json::{Value, json};
use world::{
    World,
    caller::{Caller, Form},
};

use crate::in_a_runtime;

pub(crate) const SESSIONS: &str = "/admin/v1/sessions";
pub(crate) const END: &str = "/admin/v1/sessions/end";
pub(crate) const SIGN_OUT: &str = "/admin/v1/sessions/sign-out";
pub(crate) const RELEASE: &str = "/admin/v1/held/release";

pub(crate) fn tests() -> Vec<Trial> {
    vec![
        in_a_runtime("administration::sessions_are_seen_and_ended", sessions::seen_and_ended),
        in_a_runtime("administration::bad_input_ends_nothing", sessions::bad_input),
        in_a_runtime("administration::nothing_is_ordered_in_an_outage", sessions::outages),
        in_a_runtime("administration::held_sessions_are_seen_and_released", held::seen_and_released),
    ]
}

/// A world whose admin listener has its roles.
pub(crate) async fn world() -> World {
    let mut world = World::new().standing_clock().prepare().await;
    world.settings.administer_sessions();
    world.start_gateway().await;
    world
}

/// A program with this role.
pub(crate) fn with_role(world: &World, role: &str) -> Caller {
    Caller::bearing(Form::Script, &token(world, role))
}

/// Its token.
pub(crate) fn token(world: &World, role: &str) -> String {
    let lasting = AccessTokenSpec::of("operations").lasting(Duration::from_secs(36_000));
    world.idp.mint(&lasting.with(json!({ "roles": [role] })))
}

/// Asks for `path` on the admin listener.
pub(crate) async fn get(world: &World, caller: &mut Caller, path: &str) -> SeenPage {
    caller.get(&world.admin_url(path), &world.monolith).await.answer.expect("it is answered")
}

/// Posts JSON to `path` on the admin listener.
pub(crate) async fn post(world: &World, caller: &mut Caller, path: &str, body: Value) -> SeenPage {
    caller.post_json(&world.admin_url(path), &body, &world.monolith).await.answer.expect("it is answered")
}

/// Asks until everything that vouches for a token is known.
pub(crate) async fn warm(world: &World, caller: &mut Caller) {
    let mut beat = tokio::time::interval(Duration::from_millis(20));
    for _ in 0..50 {
        world.poll_revocations().await;
        if world.ask(caller, "/admin/panel").await.status() == Some(200) {
            return;
        }
        // Whose schedule a moved clock has overtaken is asked when a key is not known.
        let unknown = world.idp.mint(&AccessTokenSpec::of("robot").under_kid("key-9"));
        world.ask(&mut Caller::bearing(Form::Script, &unknown), "/api/calendar").await;
        world.advance(Duration::from_secs(20));
        beat.tick().await;
    }
    let last = world.access().pop();
    panic!("all is well before anything breaks: {last:?}");
}

fn json_of(seen: &SeenPage) -> Value {
    serde_json::from_str(&seen.text()).unwrap_or_else(|fault| panic!("{fault}: {}", seen.text()))
}
