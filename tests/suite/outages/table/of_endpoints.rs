//! The table's part about where a service is: one of its endpoints breaks, or the resolver that knows their names.

use world::{
    caller::Form,
    fault_proxy::Break::{Hang, Status},
    names::DnsBreak,
};

use super::{CacheState, Dependency, Entry, Fault, Flow, Outcome};

/// What comes of it. Nobody notices that one endpoint of three is gone, or that a resolver does not answer which has
/// answered before.
pub(super) fn entry(flow: Flow, dependency: Dependency, cache_state: CacheState, fault: Fault, form: Form) -> Entry {
    use {CacheState::*, Entry::*};
    if !matches!(flow, Flow::ForwardedRequest | Flow::DeviceToken) || cache_state == Stale {
        return Nothing("the forwarded requests of people, programs and displays, warm and cold, stand for all");
    }
    let displays = form == Form::Device || flow == Flow::DeviceToken;
    match (dependency, fault) {
        (Dependency::Endpoint, Fault::Proxy(Hang)) if displays => Nothing(
            "a display is answered when its time is over: whose turn it is decides whether it meets the one that hangs",
        ),
        (Dependency::Endpoint, Fault::Proxy(Status(500))) => Nothing(
            "it is the application's own answer, and passed on: whose turn it is decides whether somebody meets it",
        ),
        (Dependency::Endpoint, Fault::Proxy(_)) => Expect(flow.whole()),
        (Dependency::Dns, Fault::Dns(DnsBreak::Down | DnsBreak::Empty)) if cache_state == Warm => Expect(flow.whole()),
        // Nobody knows where it is, or it is where nobody listens.
        (Dependency::Dns, Fault::Dns(_)) => Expect(Outcome::UpstreamFailed),
        (_, _) => unreachable!("{dependency:?} does not break so, or has a table of its own"),
    }
}
