//! The table's part about the fleet: displays that hold tokens of the gateway's own.

use super::{CacheState, Dependency, Entry, Fault, Flow, Outcome, of_disk, of_monolith, stops_reading};
use world::{
    caller::Form,
    fault_proxy::Break::{Hang, Refused, Status},
};

/// What comes of it, for a flow of the fleet's.
pub(super) fn entry(flow: Flow, dependency: Dependency, cache_state: CacheState, fault: Fault) -> Entry {
    use {CacheState::*, Dependency as D, Entry::*, Outcome::*};
    match (dependency, cache_state) {
        (D::Discovery | D::Keys | D::Token, _) => Nothing("no display signs in through a provider"),
        (D::Monolith | D::Keyring | D::Disk | D::Clock, Stale) => Nothing("it does not stand on that"),
        // Displays hold on to their tokens for days without the registry, and nobody is told to renew what cannot be.
        (D::Store, Warm | Cold | Stale) if flow == Flow::OverdueToken && stops_reading(fault) => Expect(Served),
        (D::Store, Warm | Cold | Stale) => Expect(flow.whole()),
        (_, Warm | Cold) if flow == Flow::OverdueToken => {
            Nothing("only the registry decides whether it must be renewed")
        }
        // What a display does here is what the monolith of January 2021 made it erase itself by.
        (D::Monolith, Warm) => Expect(of_monolith(fault, Form::Device)),
        (D::Monolith, Cold) => match fault {
            Fault::Proxy(Refused | Hang | Status(401)) => Expect(of_monolith(fault, Form::Device)),
            _ => Nothing("the forwarded request of another display is this"),
        },
        (D::Keyring, Warm | Cold) => Expect(flow.whole()),
        (D::Disk, Warm | Cold) => of_disk(flow, fault, cache_state),
        // It is good for longer than any step.
        (D::Clock, Warm | Cold) => Expect(flow.whole()),
    }
}
