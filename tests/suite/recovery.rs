//! What an outage leaves behind when it is over: a fleet of displays, some of which renewed their tokens while the key set
//! could not be had. Each asks again when it was told to. Time is the world's, so that no machine is too slow for it.

use std::time::Duration;

use auth_core::Timestamp;
use gateway::demo::AccessTokenSpec;
use libtest_mimic::Trial;
use world::{
    World,
    caller::{Caller, Form, Heard},
    fault_proxy::Break,
};

use crate::{in_a_runtime, report};

/// How many displays there are, and how many of them renewed their token.
const FLEET: usize = 200;
const RENEWED: usize = 20;

const OUTAGE: Duration = Duration::from_secs(120);
/// How often a display asks that is served.
const EVERY: Duration = Duration::from_secs(30);
const SECOND: Duration = Duration::from_secs(1);

/// Asks later than this after healing are served.
const KNOWN_AFTER: Duration = Duration::from_secs(5);
/// Whoever was sent away last may have been told to wait for half as long again, in whole seconds.
const ALL_BACK_AFTER: Duration = Duration::from_secs(9);

pub(crate) fn tests() -> Vec<Trial> {
    vec![in_a_runtime("recovery::displays_come_back_within_seconds_whoever_asked_meanwhile", displays_come_back)]
}

struct Display {
    caller: Caller,
    asks_at: Timestamp,
    back: bool,
}

async fn displays_come_back() {
    let world = World::new().standing_clock().start().await;
    let old: Vec<_> = (RENEWED..FLEET).map(|number| world.token(&format!("display-{number}"))).collect();
    world.warm_up(&mut Caller::bearing(Form::Device, &old[0]), "/display/calendar").await;
    world.proxies.keys.break_with(Break::Status(500)).await;
    world.idp.rotate();
    let new = (0..RENEWED).map(|number| world.token(&format!("display-{number}")));
    let begun = world.clock().now().wall();
    let mut fleet: Vec<_> = new
        .chain(old)
        .enumerate()
        .map(|(number, token)| Display {
            caller: Caller::bearing(Form::Device, &token),
            asks_at: begun + SECOND * u32::try_from(number % 30).expect("few"),
            back: false,
        })
        .collect();
    let mut healed = None;
    let mut last_back = Duration::ZERO;
    while !fleet.iter().all(|display| display.back) {
        let now = world.clock().now().wall();
        if healed.is_none() && now.since(begun) >= OUTAGE {
            world.proxies.keys.heal().await;
            healed = Some(now);
        }
        if healed.is_none() {
            strangers(&world, now).await;
        }
        for (number, display) in fleet.iter_mut().enumerate().filter(|(_, display)| display.asks_at <= now) {
            let heard = world.ask(&mut display.caller, "/display/calendar").await;
            let since = healed.map(|healed| now.since(healed));
            if number >= RENEWED || since.is_some_and(|since| since >= KNOWN_AFTER) {
                assert_eq!(heard.status(), Some(200), "display {number}, {since:?} after healing: {}", heard.line());
            }
            display.asks_at = now + told(&heard).unwrap_or(EVERY);
            if let (Some(since), Some(200), false) = (since, heard.status(), display.back) {
                display.back = true;
                last_back = last_back.max(if number < RENEWED { since } else { Duration::ZERO });
            }
        }
        world.clock().advance(SECOND);
    }
    assert!(last_back <= ALL_BACK_AFTER, "the last display was back {last_back:?} after healing");
    report::say(format!(
        "recovery: {FLEET} displays, {RENEWED} with a new key, all back {} s after healing",
        last_back.as_secs()
    ));
}

/// Some who make up keys, every second.
async fn strangers(world: &World, now: Timestamp) {
    for number in 0..3 {
        let made_up = AccessTokenSpec::of("mallory").under_kid(&format!("{}-{number}", now.as_secs()));
        let heard = world.ask(&mut Caller::bearing(Form::Script, &world.idp.mint(&made_up)), "/api/x").await;
        assert_eq!(heard.status(), Some(503), "nobody can tell: {}", heard.line());
    }
}

/// How long somebody was told to wait.
fn told(heard: &Heard) -> Option<Duration> {
    let field = heard.answer.as_ref().ok()?.header("retry-after")?;
    Some(Duration::from_secs(field.parse().expect("whole seconds")))
}
