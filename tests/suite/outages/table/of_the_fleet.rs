//! The table's part about the fleet: displays that hold tokens of the gateway's own, or of the monolith's.

use super::{
    CacheState, Dependency, Entry, Fault, Flow, NOBODY_ASKS_IT, Outcome,
    rules::{of_disk, of_monolith, stops_reading},
};
use auth_core::database::Disturbance;
use world::{
    caller::Form,
    disk::DiskBreak,
    fault_proxy::Break::{Hang, Refused, Status},
    step::Step,
};

/// What comes of it, for a flow of the fleet's.
pub(super) fn entry(flow: Flow, dependency: Dependency, cache_state: CacheState, fault: Fault) -> Entry {
    use {CacheState::*, Dependency as D, Entry::*};
    if flow.is_of_the_protocol() {
        return of_the_protocol(flow, dependency, cache_state, fault);
    }
    match (dependency, cache_state) {
        (D::Userinfo | D::Introspection | D::EndOfSession | D::Endpoint | D::Dns, _) => Nothing(NOBODY_ASKS_IT),
        (D::Discovery | D::Keys | D::Token, _) => Nothing("no display signs in through a provider"),
        (D::Monolith | D::Keyring | D::Disk | D::Clock, Stale) => Nothing("it does not stand on that"),
        (D::Store, Stale) if flow == Flow::Adoption => Nothing("nothing that it needs goes stale"),
        (D::Store, Warm | Cold | Stale) if flow == Flow::OverdueToken && !stops_reading(fault) => {
            Nothing("that it takes no writes is noticed when something is written behind")
        }
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

/// What comes of it on the gateway's own paths. Only the registry counts there: a dead monolith turns no PIN into an error,
/// nor does the provider once an administrator has signed in.
fn of_the_protocol(flow: Flow, dependency: Dependency, cache_state: CacheState, fault: Fault) -> Entry {
    use {CacheState::*, Dependency as D, Entry::*};
    match (dependency, cache_state) {
        (D::Userinfo | D::Introspection | D::EndOfSession | D::Endpoint | D::Dns, _) => Nothing(NOBODY_ASKS_IT),
        (_, Stale) => Nothing("nothing that they need goes stale"),
        (D::Discovery | D::Keys | D::Token, Warm | Cold) if flow != Flow::Confirmation => {
            Nothing("no display signs in through a provider")
        }
        (D::Store, Warm | Cold) if fault == Fault::Within(Disturbance::Full) => {
            Nothing("in its last page there may be room for little things")
        }
        (D::Store, Warm | Cold) => Expect(match flow {
            // These write nothing.
            Flow::Polling | Flow::Renewal | Flow::Statement if !stops_reading(fault) => flow.whole(),
            _ => Outcome::Unavailable,
        }),
        // The registry is made again, empty, and that somebody is not in it proves nothing. Whoever asks for the first time
        // need not be in it, and a token that it gave writes its display down again.
        (D::Disk, Warm) if fault == Fault::Disk(DiskBreak::Gone) => Expect(match flow {
            Flow::Activation | Flow::OldPin | Flow::Renewal => flow.whole(),
            _ => Outcome::Unavailable,
        }),
        (D::Disk, Warm | Cold) => of_disk(flow, fault, cache_state),
        (D::Clock, Warm | Cold) if flow == Flow::Confirmation && fault == Fault::Step(Step::DayAhead) => {
            Expect(Outcome::Unavailable)
        }
        (D::Discovery | D::Keys | D::Token | D::Monolith | D::Keyring | D::Clock, Warm | Cold) => Expect(flow.whole()),
    }
}

/// What comes of a broken registry. Displays hold on to their tokens for days without it, and nobody is told to renew what
/// cannot be. Nobody is adopted who could not be written down; and whoever was, is known after a start once the rows are
/// read.
fn of_store(flow: Flow, cache_state: CacheState, fault: Fault) -> Outcome {
    match flow {
        Flow::OverdueToken => Outcome::Served,
        Flow::Adoption => Outcome::Unavailable,
        Flow::LegacyToken if cache_state == CacheState::Cold && stops_reading(fault) => Outcome::Unavailable,
        _ => flow.whole(),
    }
}

/// What comes of a broken monolith. Whoever it would have to vouch for first is told to come again, whatever it says.
fn of_monolith_to_displays(flow: Flow, fault: Fault) -> Outcome {
    if flow == Flow::Adoption { Outcome::Unavailable } else { of_monolith(fault, Form::Device) }
}
