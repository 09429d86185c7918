//! The table's part about what a provider is asked once more, and about ending sessions by their rows.
//!
//! Most of it follows by rule from what each stands on: the endpoint that it is about, and whatever the same way without
//! that endpoint stands on.

use world::caller::Form;

use super::{
    CacheState, Dependency, Entry, Fault, Flow, NOBODY_ASKS_IT, Outcome, of_requests,
    rules::{is_full, of_clock, of_disk, stops_reading},
};

/// What comes of it, for a flow of these.
pub(super) fn entry(flow: Flow, dependency: Dependency, cache_state: CacheState, fault: Fault, form: Form) -> Entry {
    use {Dependency as D, Entry::*, Flow as F};
    match (flow, dependency) {
        (F::UserinfoCallback | F::UserinfoRenewal, D::Introspection | D::EndOfSession)
        | (F::OpaqueKnown | F::OpaqueUnknown, D::Userinfo | D::EndOfSession)
        | (F::SessionsPage | F::SessionEnd | F::BackChannelLogout, D::Userinfo | D::Introspection | D::EndOfSession) => {
            Nothing(NOBODY_ASKS_IT)
        }
        (F::LogoutAtProvider, _) => of_logout(dependency, cache_state, fault),
        (F::UserinfoCallback | F::UserinfoRenewal, _) => with_userinfo(flow, dependency, cache_state, fault, form),
        (F::OpaqueKnown | F::OpaqueUnknown, _) => opaque(flow, dependency, cache_state, fault),
        (F::SessionsPage | F::SessionEnd | F::BackChannelLogout, _) => by_rows(flow, dependency, cache_state, fault),
        (_, _) => unreachable!("these have a table of their own"),
    }
}

/// Userinfo is asked when the code or the refresh token is spent: who signs in begins once more, and who is renewed goes on
/// with what was known. All else is as without it.
fn with_userinfo(flow: Flow, dependency: Dependency, cache_state: CacheState, fault: Fault, form: Form) -> Entry {
    use {CacheState::*, Dependency as D, Entry::*};
    let without = if flow == Flow::UserinfoCallback { Flow::Callback } else { Flow::RenewalPastGrace };
    match (dependency, cache_state) {
        (_, Stale) => Nothing("nothing that they need goes stale"),
        (D::Userinfo, Warm | Cold) => Expect(match (flow, form) {
            (Flow::UserinfoCallback, _) => Outcome::TryIsSpent,
            // As last known good.
            (_, Form::Browser) => Outcome::Served,
            (_, Form::Script | Form::Device | Form::Grpc) => Outcome::Unavailable,
        }),
        (D::Store | D::Keyring | D::Disk | D::Clock, Warm | Cold) => {
            of_requests::entry(without, dependency, cache_state, fault, form)
        }
        (D::Discovery | D::Keys | D::Token | D::Monolith, Warm | Cold) => {
            Nothing("the same way without userinfo is this")
        }
        (D::Introspection | D::EndOfSession | D::Endpoint | D::Dns, Warm | Cold) => Nothing(NOBODY_ASKS_IT),
    }
}

/// What was said of a token stands in while its issuer cannot be asked; of one that nobody has asked about, nothing was.
/// Nobody needs keys for it.
fn opaque(flow: Flow, dependency: Dependency, cache_state: CacheState, fault: Fault) -> Entry {
    use {CacheState::*, Dependency as D, Entry::*};
    let known = flow == Flow::OpaqueKnown;
    match (dependency, cache_state) {
        (D::Introspection, Warm | Stale) if known => Expect(Outcome::Served),
        (D::Store, Stale) if known => Expect(Outcome::Served),
        (_, Stale) => Nothing("it does not stand on that"),
        // What was said is in memory, and gone with it.
        (D::Introspection, Warm | Cold) | (D::Discovery, Cold) => Expect(Outcome::Unavailable),
        (D::Discovery, Warm) | (D::Keys | D::Store | D::Keyring, Warm | Cold) => Expect(flow.whole()),
        (D::Disk, Warm | Cold) => of_disk(flow, fault, cache_state),
        (D::Clock, Warm | Cold) => Expect(of_clock(flow, fault)),
        (D::Token, Warm | Cold) => Nothing("a program has no part in the code flow"),
        (D::Monolith, Warm | Cold) => Nothing("this is a forwarded request"),
        (D::Userinfo | D::EndOfSession | D::Endpoint | D::Dns, Warm | Cold) => Nothing(NOBODY_ASKS_IT),
    }
}

/// Whatever is broken at the provider, and at the address to sign out at, here it is over all the same.
fn of_logout(dependency: Dependency, cache_state: CacheState, fault: Fault) -> Entry {
    use {CacheState::*, Dependency as D, Entry::*};
    match (dependency, cache_state) {
        (_, Stale) => Nothing("nothing that they need goes stale"),
        (D::Discovery | D::EndOfSession, Warm | Cold) => Expect(Outcome::SignedOut),
        (D::Store | D::Disk | D::Clock | D::Keyring | D::Keys | D::Token, Warm | Cold) => {
            match of_requests::entry(Flow::Logout, dependency, cache_state, fault, Form::Browser) {
                Expect(Outcome::SignedOut) => Expect(Outcome::SignedOutThere),
                other => other,
            }
        }
        (D::Monolith, Warm | Cold) => Nothing("the monolith has no part in it"),
        (D::Userinfo | D::Introspection | D::Endpoint | D::Dns, Warm | Cold) => Nothing(NOBODY_ASKS_IT),
    }
}

/// What works on the rows needs the store: to read them, and to write down an end. Of the provider it needs the keys that
/// signed what it says.
fn by_rows(flow: Flow, dependency: Dependency, cache_state: CacheState, fault: Fault) -> Entry {
    use {CacheState::*, Dependency as D, Entry::*};
    match (dependency, cache_state) {
        (_, Stale) => Nothing("nothing that they need goes stale"),
        (D::Store, Warm | Cold) if flow == Flow::SessionsPage => {
            Expect(if stops_reading(fault) { Outcome::Unavailable } else { flow.whole() })
        }
        (D::Store, Warm | Cold) if is_full(fault) && !matches!(fault, Fault::Store(_)) => {
            Nothing("in its last page there may be room for little things")
        }
        (D::Store, Warm | Cold) => Expect(Outcome::Unavailable),
        (D::Discovery | D::Keys, Cold) if flow == Flow::BackChannelLogout => Expect(Outcome::Unavailable),
        (D::Discovery | D::Keys | D::Token | D::Keyring, Warm | Cold) => Expect(flow.whole()),
        (D::Disk, Warm | Cold) => of_disk(flow, fault, cache_state),
        (D::Clock, Warm | Cold) => Expect(of_clock(flow, fault)),
        (D::Monolith, Warm | Cold) => Nothing("the monolith has no part in it"),
        (D::Userinfo | D::Introspection | D::EndOfSession | D::Endpoint | D::Dns, Warm | Cold) => {
            Nothing(NOBODY_ASKS_IT)
        }
    }
}
