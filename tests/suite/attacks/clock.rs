//! A clock that somebody else sets: time comes to a machine by unauthenticated packets, and from whoever may run `date`.

use std::time::Duration;

use auth_core::Clock;
use gateway::demo::AccessTokenSpec;
use world::{
    World,
    caller::{Caller, Form},
};

use super::{Attack, Probes};

pub(super) const ATTACKS: &[Attack] =
    &[Attack { name: "a_clock_set_by_others", fault: "wall-clock-alone", run: || Box::pin(set_by_others()) }];

const HOUR: u64 = 3600;

/// The wall clock is set back, so that what is over might be good again; and forward, so that what is good might be
/// refused, and forgotten.
async fn set_by_others() -> Probes {
    let now = Clock::system().now().wall();
    let (clock, provider) = (Clock::standing_at(now), Clock::standing_at(now));
    let world = World::new().clock(clock.clone()).provider_clock(provider).start().await;
    world.until_provider_is_on_disk().await;
    let mut signed_in = Caller::new(Form::Browser);
    world.sign_in(&mut signed_in, "ada", "/calendar").await;
    let bearer = |age: u64, life: u64| {
        let bearer = AccessTokenSpec::of("ada").aged(Duration::from_secs(age)).lasting(Duration::from_secs(life));
        Caller::bearing(Form::Script, &world.idp.mint(&bearer))
    };
    let mut over = bearer(2 * HOUR, 2 * HOUR - 300);
    let mut good = bearer(2 * HOUR, 48 * HOUR);
    world.warm_up(&mut good, "/api/x").await;
    let mut probes = Probes::default();
    for by in [-600, -3000, -7000] {
        clock.step_wall(by);
        let heard = world.ask(&mut over, "/api/x").await;
        probes.made(!heard.identities().is_empty(), || format!("over, by {by} s: {}", heard.line()));
        clock.step_wall(-by);
    }
    for by in [13 * 3600, 24 * 3600, 365 * 24 * 3600] {
        clock.step_wall(by);
        for (who, caller, path) in [("a ticket", &mut signed_in, "/calendar"), ("a bearer", &mut good, "/api/x")] {
            let heard = world.ask(caller, path).await;
            let forgot = heard.answer.as_ref().is_ok_and(|seen| !seen.deleted_cookies().is_empty());
            let lied = matches!(heard.status(), Some(401 | 403 | 303)) || forgot;
            probes.made(lied, || format!("{who}, by {by} s: {}", heard.line()));
        }
        clock.step_wall(-by);
    }
    probes
}
