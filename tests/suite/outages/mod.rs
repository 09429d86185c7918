//! THE matrix: flows by dependencies by faults by askers, warm and cold. Every cell runs in a world of its own, with a
//! good credential and, where the flow has one, a bad twin; and at its end everything is healed and must work again.
//!
//! What must come of each cell stands in [`table`], which of them are run in [`plan`]; what must never be, in
//! [`oracle`]; how it is done, in [`flows`] and [`breaking`].

mod breaking;
mod fleet_twins;
pub(crate) mod flows;
mod installer;
mod old_pin;
pub(crate) mod oracle;
pub(crate) mod plan;
mod protocol;
pub(crate) mod table;
pub(crate) mod twins;

use std::time::Duration;

use auth_core::Clock;
use libtest_mimic::Trial;
use world::{
    World,
    caller::{Caller, Form, Heard},
    fault_proxy::Break,
    store::StoreBreak,
    wire::Protocol,
};

use self::{
    flows::Going,
    oracle::Complaints,
    table::{CacheState, Cell, Dependency, Flow},
};
use crate::{in_a_runtime, plain, report};
pub(crate) use oracle::sum_up;

/// After everything was healed, who asks later than this is served.
const RECOVERY: Duration = Duration::from_millis(5_001);

/// How often somebody looks whether what goes on in the background is done.
const TRIES: u32 = 60;

/// In how many worlds a cell may miss a deadline.
const WORLDS: u32 = 2;

/// Longer than anything is confirmed for, shorter than who is known goes on without.
const LONG_OUTAGE: Duration = Duration::from_secs(2 * 3600);

pub(crate) fn tests() -> Vec<Trial> {
    let cells = plan::cells().into_iter().enumerate();
    let ran = cells.map(|(index, cell)| in_a_runtime(&format!("outages::{}", cell.name()), move || run(cell, index)));
    let others = [
        plain("outages::the_matrix_is_large_enough", the_matrix_is_large_enough),
        in_a_runtime("outages::it_starts_and_serves_whom_it_knows_with_everything_down", starts_with_everything_down),
    ];
    ran.chain(others).collect()
}

/// The goal is counted where cells ran; here, that the table has not quietly shrunk.
fn the_matrix_is_large_enough() {
    let cells = plan::cells();
    let show = cells.iter().filter(|cell| cell.shows_its_break()).count();
    assert!(show >= oracle::LEAST_TOUCHED, "{show} of {} cells show that they touch what they break", cells.len());
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
    for proxy in [&world.proxies.discovery, &world.proxies.keys, &world.proxies.token] {
        proxy.break_with(Break::Refused).await;
    }
    world.store.break_with(StoreBreak::Garbage).await.expect("the store can be broken");
    world.start_gateway().await;
    let (person, display) =
        (world.ask(&mut person, "/calendar").await, world.ask(&mut display, "/display/calendar").await);
    assert_eq!((person.status(), display.status()), (Some(200), Some(200)), "{} {}", person.line(), display.line());
    assert_eq!((person.identities().len(), display.identities().len()), (1, 1), "each in their own name");
}

async fn run(cell: Cell, index: usize) {
    complaints_of(cell, index).await.settle(&cell);
}

/// What there is to complain about. A busy machine may miss a deadline of 400 ms, and the gateway says so: true, and not
/// what the table expects. Then the cell has another world. A lie has no second chance.
pub(crate) async fn complaints_of(cell: Cell, index: usize) -> Complaints {
    for _ in 0..WORLDS {
        let complaints = judged(cell, index).await;
        if complaints.lines().is_empty() || complaints.are_grave() {
            return complaints;
        }
        report::count("cells of the outage matrix begun again, since a deadline was missed");
    }
    judged(cell, index).await
}

/// Runs a cell. `index` chooses which twin goes first.
async fn judged(cell: Cell, index: usize) -> Complaints {
    let mut complaints = Complaints::default();
    // A sample of them in HTTP/2: what comes of a cell has nothing to do with it.
    let mut world = World::new().over(if index % 6 == 1 { Protocol::Http2 } else { Protocol::Http1 });
    if cell.is_reached_by_tls() {
        world = world.secure();
    }
    if cell.breaks().any(|(dependency, _)| dependency == Dependency::Clock) {
        // Whoever sets the gateway's clock does not set the provider's.
        world = world.provider_clock(Clock::standing_at(Clock::system().now().wall()));
    }
    let mut world = world.standing_clock().prepare().await;
    if cell.flow == Flow::Verify {
        world.settings.trust_loopback();
    }
    if cell.flow.is_of_the_fleet() {
        world.settings.add_fleet();
    }
    if cell.flow.is_renewed() {
        world.settings.renew_sessions();
    }
    if cell.flow.asks_userinfo() {
        world.settings.verify_userinfo();
    }
    if cell.flow == Flow::LogoutAtProvider {
        world.idp.offer_logout();
    }
    if cell.flow.is_opaque() {
        world.settings.introspect();
    }
    if cell.breaks().any(|(dependency, _)| dependency == Dependency::Endpoint) {
        world.settings.add_endpoints(&world.proxies, &world.monolith);
    }
    if cell.breaks().any(|(dependency, _)| dependency == Dependency::Dns) {
        world.settings.name_the_endpoint(&world.proxies);
        world.names.lead_to(world.proxies.monolith.address());
    }
    world.start_gateway().await;
    let mut going = Going::prepare(&mut world, &cell, index).await;
    if cell.cache_state == CacheState::Cold {
        world.stop_gateway().await;
        if cell.is_about_the_provider() {
            world.forget_providers();
        }
    }
    breaking::break_all(&mut world, &cell).await;
    if cell.cache_state == CacheState::Stale {
        world.advance(LONG_OUTAGE);
    }
    if cell.cache_state == CacheState::Cold {
        world.start_gateway().await;
    }
    // Nobody is asked before the store has been: whoever counts on its answer has missed one, or has a fresh one.
    let confirmed = world.poll_revocations().await;

    let heard = going.good(&world).await;
    oracle::judge_good("broken", &heard, going.subject(), &cell, &mut complaints);
    if !oracle::meets(cell.expected, cell.form, &heard) {
        complaints.add(format!("heard {}", heard.line()));
    }
    going.judge_the_code(cell.expected, &mut complaints);
    going.twins_while_broken(&world, &mut complaints).await;
    if cell.is_about_the_provider() {
        going.strangers_while_broken(&world, &mut complaints).await;
    }
    breaking::judge_the_touch(&world, &cell, confirmed, &heard, &mut complaints).await;

    breaking::heal_all(&mut world, &cell).await;
    if cell.is_over_at_the_next_start() {
        world.restart_gateway().await;
    }
    let heard = first_ask_after(&world, &cell, &mut going, index.is_multiple_of(2), &mut complaints).await;
    if !oracle::meets(cell.flow.whole(), cell.form, &heard) {
        complaints.add(format!("healed, heard {}", heard.line()));
    }
    going.twins_when_healed(&world, &mut complaints).await;
    going.afterwards(&world, &mut complaints).await;
    complaints
}

/// What comes of the first ask that is later than [`RECOVERY`] after everything was healed, by the world's clock. In every
/// other cell somebody has asked before that, at once: then it may come too early, and must change nothing.
async fn first_ask_after(
    world: &World,
    cell: &Cell,
    going: &mut Going,
    early: bool,
    complaints: &mut Complaints,
) -> Heard {
    if early {
        let heard = going.good_again(world).await;
        oracle::judge_good("healed just now", &heard, going.subject(), cell, complaints);
    }
    world.advance(RECOVERY + cell.asked_to_wait());
    // In that time the store is polled once, by a timer that knows nothing of this clock.
    world.poll_revocations().await;
    let mut beat = tokio::time::interval(Duration::from_millis(20));
    for _ in 0..TRIES {
        let heard = going.good_again(world).await;
        oracle::judge_good("healed", &heard, going.subject(), cell, complaints);
        // A route open to anyone waits for nobody: what was begun in the background comes a moment later.
        if cell.flow != Flow::PublicRoute || oracle::meets(cell.flow.whole(), cell.form, &heard) {
            return heard;
        }
        beat.tick().await;
    }
    going.good_again(world).await
}
