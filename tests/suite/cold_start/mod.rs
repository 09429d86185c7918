//! A cold start, with real processes: a gateway is killed, everything that it depends on breaks, and another starts on
//! the same data. Whom the first one knew, the second one knows.

mod people;
mod rounds;
mod tally;

use libtest_mimic::Trial;
use world::{
    World,
    fault_proxy::Break::{self, Nonsense, Refused, Status},
    process::Process,
    store::StoreBreak,
};

use self::{people::People, tally::Tally};
use crate::{in_a_runtime, report};

/// How the provider's proxies are broken, one round after the other. The first is how the second process meets them.
const BROKEN: [Break; 4] = [Refused, Status(500), Status(401), Nonsense];

pub(crate) fn tests() -> Vec<Trial> {
    vec![in_a_runtime("cold_start::killed_and_started_with_everything_down", killed_and_started)]
}

async fn killed_and_started() {
    let mut world = World::new().prepare().await;
    let config = world.write_config();
    let mut first = Process::start(&config);
    first.serving().await;

    let mut people = People::meet(&world).await;
    world.until_provider_is_on_disk().await;
    let a = first.id();
    first.kill();

    world.store.break_with(StoreBreak::Garbage).await.expect("the store can be broken");
    break_provider(&world, BROKEN[0]).await;
    let mut second = Process::start(&config);
    second.serving().await;
    let b = second.id();
    let mut tally = Tally::default();
    tally.sees_an_unknown_key(&world).await;
    for how in BROKEN {
        tally.round = format!("provider {}, store garbage", how.name());
        break_provider(&world, how).await;
        tally.sees_everybody(&world, &mut people).await;
    }
    tally.sees_a_broken_monolith(&world, &mut people).await;
    tally.round = "signing out with everything down".into();
    people.sign_grace_out(&world, &mut tally).await;
    tally.sees_everybody(&world, &mut people).await;

    // Who signed out in the dark stays signed out, though no store has heard of it.
    second.kill();
    let mut third = Process::start(&config);
    third.serving().await;
    tally.round = "killed again".into();
    tally.sees_everybody(&world, &mut people).await;

    world.store.heal().await.expect("the store can be healed");
    for proxy in [&world.proxies.discovery, &world.proxies.keys, &world.proxies.token, &world.proxies.front] {
        proxy.heal().await;
    }
    tally.round = "healed".into();
    tally.sees_everybody_healed(&world, &mut people).await;
    let Tally { cells, false_refusals, wrongly_admitted, complaints, .. } = tally;
    report::say(format!(
        "cold start: killed PID {a}, new PID {b}, {cells} cells, {false_refusals} false refusals, \
         {wrongly_admitted} wrongly admitted"
    ));
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

async fn break_provider(world: &World, how: Break) {
    for proxy in [&world.proxies.discovery, &world.proxies.keys, &world.proxies.token, &world.proxies.front] {
        proxy.break_with(how).await;
    }
}
