//! A provider whose clock is as wrong as ours.

use std::time::Duration;

use auth_core::refusal_guard::RefusalGuard;
use world::{
    World,
    caller::{Caller, Form},
    fault_proxy::Break,
};

use super::HOUR;

/// The provider stands on the same machine, so its clock is as wrong, and its word is believed. The mass-refusal guard
/// counts who expires by that: beyond its first few nobody loses anything.
pub(super) async fn wrong_together_with_the_provider() {
    const PEOPLE: usize = 25;
    let mut world = World::new().secure().standing_clock().start().await;
    world.until_provider_is_on_disk().await;
    let mut people: Vec<_> = (0..PEOPLE).map(|_| Caller::new(Form::Browser)).collect();
    for person in &mut people {
        world.sign_in(person, "ada", "/calendar").await;
    }
    let clock = world.clock().clone();
    let believed = async |world: &mut World| {
        let mut beat = tokio::time::interval(Duration::from_millis(20));
        for _ in 0..200 {
            let seen = world.try_until_callback(&mut Caller::new(Form::Browser), "grace", "/calendar").await;
            // An answer from before the step may have contradicted the wall clock: the next ones put that right.
            if seen.is_ok() && clock.readings().to_string().contains("they agree") {
                return;
            }
            world.advance(Duration::from_secs(1));
            beat.tick().await;
        }
        panic!("the provider is never believed");
    };
    step(&world, 13 * HOUR).await;
    believed(&mut world).await;
    let mut lost = 0;
    for person in &mut people {
        let heard = world.ask(person, "/calendar").await;
        lost += usize::from(heard.answer.is_ok_and(|seen| !seen.deleted_cookies().is_empty()));
    }
    assert_eq!(lost, RefusalGuard::FEW - 1);
    step(&world, -13 * HOUR).await;
    believed(&mut world).await;
    for person in &mut people[lost..] {
        world.warm_up(person, "/calendar").await;
    }
}

/// Steps the clock of both. An answer that was under way meanwhile would bear witness of the time before.
async fn step(world: &World, by: i64) {
    let proxies = [&world.proxies.discovery, &world.proxies.keys, &world.proxies.token];
    for proxy in proxies {
        proxy.break_with(Break::Refused).await;
    }
    world.clock().step_wall(by);
    for proxy in proxies {
        proxy.heal().await;
    }
}
