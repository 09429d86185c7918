//! The table's part about people and programs: who signs in or out, and who asks with a ticket or a bearer token.

use world::{caller::Form, disk::DiskBreak, step::Step};

use super::{
    CacheState, Dependency, Entry, Fault, Flow, NOBODY_ASKS_IT, Outcome,
    rules::{is_full, of_clock, of_disk, of_monolith, of_revocations, stops_reading},
};

/// What comes of it, for a flow of theirs.
pub(super) fn entry(flow: Flow, dependency: Dependency, cache_state: CacheState, fault: Fault, form: Form) -> Entry {
    use {CacheState::*, Dependency as D, Entry::*, Flow as F, Outcome::*};
    match (flow, dependency, cache_state) {
        (
            F::UserinfoCallback
            | F::UserinfoRenewal
            | F::LogoutAtProvider
            | F::SessionsPage
            | F::SessionEnd
            | F::BackChannelLogout
            | F::OpaqueKnown
            | F::OpaqueUnknown,
            ..,
        )
        | (
            F::DeviceToken
            | F::OverdueToken
            | F::Adoption
            | F::LegacyToken
            | F::Activation
            | F::Polling
            | F::Confirmation
            | F::Renewal
            | F::Reactivation
            | F::Statement
            | F::KeyRotation
            | F::OldPin
            | F::OldPinPoll
            | F::Upgrade
            | F::StreamingBody
            | F::EventStream,
            ..,
        ) => unreachable!("these have a table of their own"),
        (_, D::Userinfo | D::Introspection | D::EndOfSession | D::Endpoint | D::Dns, Warm | Cold | Stale) => {
            Nothing(NOBODY_ASKS_IT)
        }
        (_, _, Stale) => stale(flow, dependency, fault, form),
        (F::GrpcCall, D::Keys, Warm) => Expect(Served),
        (F::GrpcCall, D::Keys, Cold) => Expect(Unavailable),
        (F::GrpcCall, D::Monolith, Warm) => Expect(of_monolith(fault, form)),
        (F::GrpcCall, D::Monolith, Cold) => Nothing("what answers in the form of gRPC is the same after a start"),
        (F::GrpcCall, D::Discovery | D::Token | D::Store | D::Keyring | D::Disk | D::Clock, Warm | Cold) => {
            Nothing("the flow by a known key is this")
        }
        (F::ForwardedRequest, D::Keyring | D::Disk | D::Clock, Warm | Cold) => {
            Nothing("the flows by ticket and by bearer are this")
        }
        // The keys are in memory: their file is read when the gateway starts, and never again.
        (_, D::Keyring, Warm | Cold) => Expect(flow.whole()),
        (F::RenewalPastGrace, D::Disk, Warm | Cold) => match (fault, form) {
            // Its row is gone with the folder, or cannot be read.
            (Fault::Disk(DiskBreak::Gone | DiskBreak::AFile), Form::Script) if cache_state == Warm => {
                Expect(Unavailable)
            }
            (_, _) => of_disk(flow, fault, cache_state),
        },
        (_, D::Disk, Warm | Cold) => of_disk(flow, fault, cache_state),
        // Whether the new ID token is over is what only one reading says, and it is no witness.
        (F::RenewalPastGrace, D::Clock, Warm | Cold)
            if fault == Fault::Step(Step::TenMinutesAhead) && form == Form::Script =>
        {
            Expect(Unavailable)
        }
        (_, D::Clock, Warm | Cold) => Expect(of_clock(flow, fault)),

        // To begin, the provider must be there: it is asked, unless it was a moment ago.
        (F::SignInBegin, D::Discovery, Warm | Cold) => Expect(TryAgain),
        (F::SignInBegin, D::Keys | D::Token, Warm | Cold) => Expect(ToProvider),
        (F::SignInBegin, D::Store, Warm | Cold) => Expect(ToProvider),
        (F::SignInBegin, D::Monolith, Warm | Cold) => Nothing("the monolith has no part in it"),

        // No code is spent while nobody could read what it buys. Only a session that cannot be written comes after.
        (F::Callback, D::Token, Warm) => Expect(TryIsKept),
        (F::Callback, D::Keys | D::Discovery, Warm) => Expect(Served),
        (F::Callback, D::Keys | D::Discovery | D::Token, Cold) => Expect(TryIsKept),
        (F::Callback, D::Store, Warm | Cold) => Expect(TryIsSpent),
        (F::Callback, D::Monolith, Warm | Cold) => Nothing("a forwarded request is what comes after"),

        (F::Ticket, D::Discovery | D::Keys | D::Token, Warm | Cold) => Expect(Served),
        (F::Ticket, D::Store, Warm | Cold) => Expect(Served),
        (F::Ticket, D::Monolith, Warm | Cold) => Nothing("this is a forwarded request"),

        // Nobody waits for it, and nobody is out because of it.
        (F::RenewalDue, D::Discovery | D::Keys | D::Token | D::Store, Warm | Cold) => Expect(Served),
        (F::RenewalPastGrace, D::Discovery | D::Keys, Warm) => Expect(Served),
        (F::RenewalPastGrace, D::Store, Warm | Cold) if !stops_reading(fault) && is_full(fault) => {
            Nothing("in its last page there may be room for little things")
        }
        (F::RenewalPastGrace, D::Discovery | D::Keys | D::Token | D::Store, Warm | Cold) => Expect(match form {
            // As last known good.
            Form::Browser => Served,
            Form::Script | Form::Device | Form::Grpc => Unavailable,
        }),
        (F::RenewalDue | F::RenewalPastGrace, D::Monolith, Warm | Cold) => Nothing("this is a forwarded request"),

        (F::Logout, D::Discovery | D::Keys | D::Token, Warm | Cold) => Expect(SignedOut),
        (F::Logout, D::Store, Warm | Cold) => Expect(SignedOutHere),
        (F::Logout, D::Monolith, Warm | Cold) => Nothing("the monolith has no part in it"),

        (F::BearerKnownKid, D::Discovery | D::Keys, Warm) => Expect(Served),
        (F::BearerKnownKid, D::Discovery | D::Keys, Cold) => Expect(Unavailable),
        (F::BearerKnownKid, D::Store, Warm | Cold) => Expect(Served),
        (F::BearerKnownKid, D::Token, Warm | Cold) => Nothing("a program has no part in the code flow"),
        (F::BearerKnownKid, D::Monolith, Warm | Cold) => Nothing("this is a forwarded request"),

        (F::BearerUnknownKid, D::Keys, Warm | Cold) => Expect(Unavailable),
        // The document is known, and says where the keys are: it is not asked again for a key.
        (F::BearerUnknownKid, D::Discovery, Warm) => Expect(Served),
        (F::BearerUnknownKid, D::Discovery, Cold) => Expect(Unavailable),
        (F::BearerUnknownKid, D::Store, Warm | Cold) => Expect(Served),
        (F::BearerUnknownKid, D::Token, Warm | Cold) => Nothing("a program has no part in the code flow"),
        (F::BearerUnknownKid, D::Monolith, Warm | Cold) => Nothing("this is a forwarded request"),

        // Nothing is waited for: whom we cannot tell goes on without a name, and the monolith is told so.
        (F::PublicRoute, D::Discovery | D::Keys, Warm) => Expect(Served),
        (F::PublicRoute, D::Discovery | D::Keys, Cold) => Expect(ServedUndecided),
        (F::PublicRoute, D::Store, Warm | Cold) => Expect(Served),
        (F::PublicRoute, D::Token, Warm | Cold) => Nothing("a program has no part in the code flow"),
        (F::PublicRoute, D::Monolith, Warm | Cold) => Expect(of_monolith(fault, form)),

        (F::StrictRoute, D::Discovery | D::Keys | D::Token, Warm | Cold) => match form {
            Form::Browser => Expect(Served),
            Form::Script | Form::Device | Form::Grpc => Nothing("the flow by a known key is this"),
        },
        (F::StrictRoute, D::Store, Warm | Cold) => Expect(of_revocations(fault)),
        (F::StrictRoute, D::Monolith, Warm | Cold) => Nothing("this is a forwarded request"),

        (F::Verify, D::Discovery | D::Keys, Warm) => Expect(Vouched),
        (F::Verify, D::Discovery | D::Keys, Cold) => Expect(Unavailable),
        (F::Verify, D::Store, Warm | Cold) => Expect(Vouched),
        (F::Verify, D::Token, Warm | Cold) => Nothing("a program has no part in the code flow"),
        (F::Verify, D::Monolith, Warm | Cold) => Nothing("nothing is forwarded"),

        (F::ForwardedRequest, D::Monolith, Warm | Cold) => Expect(of_monolith(fault, form)),
        (F::ForwardedRequest, D::Discovery | D::Keys | D::Token | D::Store, Warm | Cold) => {
            Nothing("the flows by ticket and by bearer are this")
        }
    }
}

/// What comes of an outage that has lasted for hours: who is known is still known.
fn stale(flow: Flow, dependency: Dependency, fault: Fault, form: Form) -> Entry {
    use {Dependency as D, Entry::*, Flow as F, Outcome::*};
    match (flow, dependency) {
        (F::Ticket, D::Store) | (F::BearerKnownKid, D::Discovery | D::Keys | D::Store) => Expect(Served),
        (F::StrictRoute, D::Store) => match form {
            Form::Browser => Expect(of_revocations(fault)),
            Form::Script | Form::Device | Form::Grpc => Nothing("the keys of its bearer are stale too"),
        },
        (F::SignInBegin | F::Callback | F::Logout, _) => Nothing("nothing that they need goes stale"),
        (F::RenewalDue | F::RenewalPastGrace, _) => Nothing("what is past its grace is stale enough"),
        (
            F::Ticket | F::StrictRoute,
            D::Discovery | D::Keys | D::Token | D::Monolith | D::Keyring | D::Disk | D::Clock,
        )
        | (F::BearerKnownKid, D::Token | D::Monolith | D::Keyring | D::Disk | D::Clock)
        | (
            F::Ticket | F::StrictRoute | F::BearerKnownKid,
            D::Userinfo | D::Introspection | D::EndOfSession | D::Endpoint | D::Dns,
        ) => Nothing("it does not stand on that"),
        (F::BearerUnknownKid | F::PublicRoute | F::Verify | F::ForwardedRequest | F::GrpcCall, _) => {
            Nothing("the flow by a known key is this")
        }
        (
            F::UserinfoCallback
            | F::UserinfoRenewal
            | F::LogoutAtProvider
            | F::SessionsPage
            | F::SessionEnd
            | F::BackChannelLogout
            | F::OpaqueKnown
            | F::OpaqueUnknown
            | F::DeviceToken
            | F::OverdueToken
            | F::Adoption
            | F::LegacyToken
            | F::Activation
            | F::Polling
            | F::Confirmation
            | F::Renewal
            | F::Reactivation
            | F::Statement
            | F::KeyRotation
            | F::OldPin
            | F::OldPinPoll
            | F::Upgrade
            | F::StreamingBody
            | F::EventStream,
            _,
        ) => unreachable!("these have a table of their own"),
    }
}
