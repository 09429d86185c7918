//! THE matrix: flows by dependencies by faults by askers, warm and cold. Every cell runs in a world of its own, with a
//! good credential and, where the flow has one, a bad twin; and at its end everything is healed and must work again.
//!
//! What must come of each cell stands in [`table`]; what must never be, in [`oracle`]; how it is done, in [`flows`].

pub(crate) mod flows;
pub(crate) mod oracle;
pub(crate) mod table;

use std::time::Duration;

use libtest_mimic::Trial;
use world::{
    World,
    caller::{Caller, Form, Heard},
    store::StoreBreak,
    wire::{Break, Wire},
};

use self::{
    flows::Going,
    oracle::Complaints,
    table::{Cell, Dependency, Fault, Temper},
};
use crate::{in_a_runtime, plain};
pub(crate) use oracle::sum_up;

/// How often what was healed is asked again before it counts as not healed.
const TRIES: u32 = 60;

/// Longer than anything is confirmed for, shorter than who is known goes on without.
const LONG_OUTAGE: Duration = Duration::from_secs(2 * 3600);

pub(crate) fn tests() -> Vec<Trial> {
    let cells = table::cells().into_iter().enumerate();
    let ran = cells.map(|(index, cell)| in_a_runtime(&format!("outages::{}", cell.name()), move || run(cell, index)));
    let others = [
        plain("outages::the_matrix_is_large_enough", the_matrix_is_large_enough),
        in_a_runtime("outages::it_starts_and_serves_whom_it_knows_with_everything_down", starts_with_everything_down),
    ];
    ran.chain(others).collect()
}

/// The goal is counted where cells ran; here, that the table has not quietly shrunk.
fn the_matrix_is_large_enough() {
    let cells = table::cells();
    let expected_to_touch = cells.iter().filter(|cell| cell.touches()).count();
    assert!(expected_to_touch >= 120, "{expected_to_touch} of {} cells touch what they break", cells.len());
}

/// With the last-known-good on disk and everything down at once, a start loses nobody.
async fn starts_with_everything_down() {
    let mut world = World::new().standing_clock().start().await;
    let mut person = Caller::new(Form::Browser);
    world.sign_in(&mut person, "ada", "/calendar").await;
    let mut display = Caller::bearing(Form::Device, &world.token("display-4.12"));
    assert_eq!(world.ask(&mut display, "/display/calendar").await.status(), Some(200));
    world.until_provider_is_on_disk().await;
    world.stop_gateway().await;
    for wire in [&world.wires.discovery, &world.wires.keys, &world.wires.token] {
        wire.break_with(Break::Refused).await;
    }
    world.store.break_with(StoreBreak::Garbage).await.expect("the store can be broken");
    world.start_gateway().await;
    let (person, display) =
        (world.ask(&mut person, "/calendar").await, world.ask(&mut display, "/display/calendar").await);
    assert_eq!((person.status(), display.status()), (Some(200), Some(200)), "{} {}", person.line(), display.line());
    assert_eq!((person.identities().len(), display.identities().len()), (1, 1), "each in their own name");
}

async fn run(cell: Cell, index: usize) {
    judged(cell, index).await.settle(&cell);
}

/// Runs a cell. `index` chooses the twin.
pub(crate) async fn judged(cell: Cell, index: usize) -> Complaints {
    let mut complaints = Complaints::default();
    let mut world = World::new();
    if cell.is_reached_by_tls() {
        world = world.secure();
    }
    let mut world = world.standing_clock().start().await;
    let mut going = Going::prepare(&mut world, &cell, index).await;
    if cell.temper == Temper::Cold {
        world.stop_gateway().await;
        if cell.is_about_the_provider() {
            world.forget_providers();
        }
    }
    break_it(&mut world, &cell).await;
    if cell.temper == Temper::Stale {
        world.clock().advance(LONG_OUTAGE);
    }
    if cell.temper == Temper::Cold {
        world.start_gateway().await;
    }

    let heard = going.good(&world).await;
    oracle::judge_good("broken", &heard, going.subject(), &cell, &mut complaints);
    if !oracle::meets(cell.expected, cell.form, &heard) {
        complaints.add(format!("heard {}", heard.line()));
    }
    if let Some((name, heard)) = going.twin(&world).await {
        oracle::judge_twin("broken", &heard, name, &mut complaints);
    }
    let touched = wire(&world, cell.dependency).is_some_and(|wire| wire.touched() > 0);
    oracle::count(touched || cell.shows_its_break());
    if cell.touches() && !touched && !cell.shows_its_break() {
        complaints.add("what was broken was never touched");
    }

    heal(&mut world, &cell).await;
    let heard = until_healed(&mut world, &cell, &mut going, &mut complaints).await;
    if !oracle::meets(going.healed(), cell.form, &heard) {
        complaints.add(format!("healed, heard {}", heard.line()));
    }
    if let Some((name, heard)) = going.twin(&world).await {
        oracle::judge_twin("healed", &heard, name, &mut complaints);
    }
    going.afterwards(&world, &mut complaints).await;
    complaints
}

/// Asks again until it works. Time goes on between the tries, so that no back-off is waited for.
async fn until_healed(world: &mut World, cell: &Cell, going: &mut Going, complaints: &mut Complaints) -> Heard {
    let mut beat = tokio::time::interval(Duration::from_millis(20));
    let mut heard = going.good_again(world).await;
    for _ in 0..TRIES {
        oracle::judge_good("healed", &heard, going.subject(), cell, complaints);
        if oracle::meets(going.healed(), cell.form, &heard) {
            break;
        }
        world.clock().advance(Duration::from_secs(3));
        beat.tick().await;
        heard = going.good_again(world).await;
    }
    heard
}

async fn break_it(world: &mut World, cell: &Cell) {
    match cell.fault {
        Fault::Wire(how) => {
            let wire = wire(world, cell.dependency).expect("what breaks like a wire has one");
            wire.break_with(how).await;
        }
        Fault::Store(how) => world.store.break_with(how).await.expect("the store can be broken"),
    }
}

async fn heal(world: &mut World, cell: &Cell) {
    match wire(world, cell.dependency) {
        Some(wire) => wire.heal().await,
        None => world.store.heal().await.expect("the store can be healed"),
    }
}

fn wire(world: &World, dependency: Dependency) -> Option<&Wire> {
    match dependency {
        Dependency::Discovery => Some(&world.wires.discovery),
        Dependency::Keys => Some(&world.wires.keys),
        Dependency::Token => Some(&world.wires.token),
        Dependency::Monolith => Some(&world.wires.monolith),
        Dependency::Store => None,
    }
}
