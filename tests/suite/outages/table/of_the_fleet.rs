//! The table's part about the fleet: displays that hold tokens of the gateway's own, or of the monolith's.

use super::{CacheState, Dependency, Entry, Fault, Flow, Outcome, of_disk, of_monolith, stops_reading};
use world::{
    caller::Form,
    fault_proxy::Break::{Hang, Refused, Status},
};

/// What comes of it, for a flow of the fleet's.
pub(super) fn entry(flow: Flow, dependency: Dependency, cache_state: CacheState, fault: Fault) -> Entry {
    use {CacheState::*, Dependency as D, Entry::*};
    match (dependency, cache_state) {
        (D::Discovery | D::Keys | D::Token, _) => Nothing("no display signs in through a provider"),
        (D::Monolith | D::Keyring | D::Disk | D::Clock, Stale) => Nothing("it does not stand on that"),
        (D::Store, Stale) if flow == Flow::Adoption => Nothing("nothing that it needs goes stale"),
        (D::Store, Warm | Cold | Stale) => Expect(of_store(flow, cache_state, fault)),
        (_, Warm | Cold) if flow == Flow::OverdueToken => {
            Nothing("only the registry decides whether it must be renewed")
        }
        // What a display does here is what the monolith of January 2021 made it erase itself by.
        (D::Monolith, Warm) => Expect(of_monolith_to_displays(flow, fault)),
        (D::Monolith, Cold) => match fault {
            Fault::Proxy(Refused | Hang | Status(401)) => Expect(of_monolith_to_displays(flow, fault)),
            _ => Nothing("the forwarded request of another display is this"),
        },
        (D::Keyring, Warm | Cold) => Expect(flow.whole()),
        (D::Disk, Warm | Cold) => of_disk(flow, fault, cache_state),
        // It is good for longer than any step.
        (D::Clock, Warm | Cold) => Expect(flow.whole()),
    }
}

/// What comes of a broken registry. Displays hold on to their tokens for days without it, and nobody is told to renew what
/// cannot be. Nobody is adopted who could not be written down; and whoever was, is known after a start once the rows are
/// read.
fn of_store(flow: Flow, cache_state: CacheState, fault: Fault) -> Outcome {
    match flow {
        Flow::OverdueToken if stops_reading(fault) => Outcome::Served,
        Flow::Adoption => Outcome::Unavailable,
        Flow::LegacyToken if cache_state == CacheState::Cold && stops_reading(fault) => Outcome::Unavailable,
        _ => flow.whole(),
    }
}

/// What comes of a broken monolith. Whoever it would have to vouch for first is told to come again, whatever it says.
fn of_monolith_to_displays(flow: Flow, fault: Fault) -> Outcome {
    if flow == Flow::Adoption { Outcome::Unavailable } else { of_monolith(fault, Form::Device) }
}
