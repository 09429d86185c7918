//! Breaks what a cell breaks, sees whether anybody met it, and heals it.

use std::time::Duration;

use gateway::demo::Mode;
use world::{
    World,
    caller::{Form, Heard},
    disk,
    fault_proxy::FaultProxy,
    keyring,
    names::DnsBreak,
};

use super::{
    oracle::{self, Complaints},
    table::{CacheState, Cell, Dependency, Fault, Outcome},
};

/// Breaks everything that is broken in the cell. What the gateway says of its requests counts from here on.
pub(super) async fn break_all(world: &mut World, cell: &Cell) {
    world.forget_access();
    for (dependency, fault) in cell.breaks() {
        match fault {
            Fault::Proxy(how) => {
                let proxy = proxy(world, dependency).expect("what breaks so has a proxy");
                proxy.break_with(how).await;
            }
            Fault::Store(how) => world.store.break_with(how).await.expect("the store can be broken"),
            Fault::Within(how) => world.disturb_store(how).await,
            Fault::DemandsName(how) => world.monolith.set_mode(Mode::DemandsName(how)),
            Fault::Keyring(how) => how.apply(&world.data()).expect("the keyring can be broken"),
            Fault::Disk(how) => how.apply(&world.data()).expect("the folder can be broken"),
            Fault::Step(how) => how.take(world.clock()),
            Fault::Dns(how) => set_names(world, cell, Some(how)).await,
        }
    }
}

/// What comes of it was taken in by a gateway that runs.
async fn set_names(world: &World, cell: &Cell, how: Option<DnsBreak>) {
    world.names.set_broken(how);
    if cell.cache_state != CacheState::Cold {
        world.names.looked_up().await;
    }
}

/// The last first, as it lies on top of the other.
pub(super) async fn heal_all(world: &mut World, cell: &Cell) {
    let breaks: Vec<_> = cell.breaks().collect();
    for (dependency, fault) in breaks.into_iter().rev() {
        match fault {
            Fault::Proxy(_) => proxy(world, dependency).expect("what breaks so has a proxy").heal().await,
            Fault::Store(_) | Fault::Within(_) => world.heal_store().await,
            Fault::DemandsName(_) => world.monolith.set_mode(Mode::Healthy),
            Fault::Keyring(_) => keyring::heal(&world.data()).expect("the keyring can be healed"),
            Fault::Disk(_) => disk::heal(&world.data()).expect("the folder can be healed"),
            Fault::Step(how) => how.take_back(world.clock()),
            Fault::Dns(_) => {
                world.names.set_broken(None);
                world.names.looked_up().await;
            }
        }
    }
}

/// Counts the cell as touched if somebody met what is broken: as its proxy counted, as the store answered when it was
/// asked (`confirmed`), as the monolith saw, or as the gateway told the caller (`heard`), the monolith or its access log.
/// A cell that must show its break, and that nobody met, has tested nothing. Where nobody waits for it, that may come a
/// moment later.
pub(super) async fn judge_the_touch(
    world: &World,
    cell: &Cell,
    confirmed: bool,
    heard: &Heard,
    complaints: &mut Complaints,
) {
    let mut beat = tokio::time::interval(Duration::from_millis(10));
    let met = || cell.breaks().any(|(dependency, fault)| was_met(world, dependency, fault, confirmed, heard));
    let must_show = cell.shows_its_break();
    for _ in 0..300 {
        if !must_show || met() {
            break;
        }
        beat.tick().await;
    }
    if met() {
        complaints.count_as_touched();
    } else if must_show {
        complaints.add("what was broken was never touched");
    }
}

fn was_met(world: &World, dependency: Dependency, fault: Fault, confirmed: bool, heard: &Heard) -> bool {
    let counted = match (fault, proxy(world, dependency)) {
        (Fault::Proxy(_), Some(proxy)) => proxy.touched() > 0,
        (Fault::Store(_) | Fault::Within(_), _) => !confirmed,
        (Fault::DemandsName(_), _) => world.monolith.denied() > 0,
        (Fault::Keyring(_) | Fault::Disk(_) | Fault::Step(_) | Fault::Dns(_) | Fault::Proxy(_), _) => false,
    };
    // Nobody can count a connection that is refused, nor a write that fails: but who made it says so.
    counted || is_said(world, dependency, heard)
}

/// Whether the gateway says that this dependency was missing.
fn is_said(world: &World, dependency: Dependency, heard: &Heard) -> bool {
    let words: &[&str] = match dependency {
        // Without the document nobody knows where the keys are.
        Dependency::Discovery => &["discovery", "keys"],
        Dependency::Keys => &["keys"],
        Dependency::Token => &["token-endpoint"],
        Dependency::Userinfo => &["userinfo"],
        Dependency::Introspection => &["introspection"],
        // Only browsers go there: whoever was sent there and has come back has not met it.
        Dependency::EndOfSession => return heard.answer.as_ref().is_ok_and(|seen| seen.onward().is_some()),
        // The database is in that folder.
        Dependency::Store | Dependency::Disk => &["store", "revocations"],
        Dependency::Keyring => &["keyring"],
        Dependency::Clock => &["clock"],
        // It is what says whose a token of before is.
        Dependency::Monolith | Dependency::Endpoint | Dependency::Dns => {
            return world.access().iter().any(|line| line.get("fault").is_some() || line["reason"] == "adoption");
        }
    };
    let told = || heard.reached.iter().filter_map(|seen| seen.header("x-gateway-undecided"));
    let signed_out = dependency == Dependency::Store && oracle::meets(Outcome::SignedOutHere, Form::Browser, heard);
    let not_sent_on = || heard.answer.as_ref().is_ok_and(|seen| seen.text().contains("Your provider does not answer"));
    signed_out
        || dependency == Dependency::Discovery && not_sent_on()
        || told().any(|word| words.contains(&word))
        || world.access().iter().any(|line| line["reason"].as_str().is_some_and(|reason| words.contains(&reason)))
}

fn proxy(world: &World, dependency: Dependency) -> Option<&FaultProxy> {
    match dependency {
        Dependency::Discovery => Some(&world.proxies.discovery),
        Dependency::Keys => Some(&world.proxies.keys),
        Dependency::Token => Some(&world.proxies.token),
        Dependency::Userinfo => Some(&world.proxies.userinfo),
        Dependency::Introspection => Some(&world.proxies.introspection),
        Dependency::EndOfSession => Some(&world.proxies.front),
        Dependency::Monolith => Some(&world.proxies.monolith),
        Dependency::Endpoint => Some(&world.proxies.endpoint),
        Dependency::Store | Dependency::Dns | Dependency::Keyring | Dependency::Disk | Dependency::Clock => None,
    }
}
