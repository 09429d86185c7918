//! The table's part about what lasts: a WebSocket, an upload, a stream of events, open when something breaks. Nobody is asked
//! about it by anybody: it goes on.

use super::{CacheState, Dependency, Entry, Flow, NOBODY_ASKS_IT};

/// What comes of it, for a flow that lasts.
pub(super) fn entry(flow: Flow, dependency: Dependency, cache_state: CacheState) -> Entry {
    use {CacheState::*, Dependency as D, Entry::*};
    match (dependency, cache_state) {
        (_, Cold) => Nothing("a start ends what was open"),
        (D::Monolith | D::Endpoint | D::Dns, Warm | Stale) => Nothing("it is the other end of what is open"),
        (D::Userinfo | D::Introspection | D::EndOfSession, Warm | Stale) => Nothing(NOBODY_ASKS_IT),
        // One that lasts for hours: however stale it all is.
        (D::Store, Stale) => Expect(flow.whole()),
        (D::Discovery | D::Keys | D::Token | D::Keyring | D::Disk | D::Clock, Stale) => {
            Nothing("it does not stand on that")
        }
        (D::Discovery | D::Keys | D::Token | D::Store | D::Keyring | D::Disk | D::Clock, Warm) => Expect(flow.whole()),
    }
}
