//! The table: which flow, with which dependency broken in which way, seen by whom, ends how.
//!
//! It is written as matches without a default arm, over every flow, dependency and cache state, and over every way to
//! break: a combination that nobody thought about does not compile.

mod dependency;
mod flow;
mod of_endpoints;
mod of_requests;
mod of_sessions;
mod of_the_fleet;
mod of_what_lasts;
mod rules;

use std::time::Duration;

use world::{
    caller::Form,
    disk::DiskBreak,
    fault_proxy::{
        Break::{Status, WrongCertificate},
        RETRY_AFTER,
    },
    store::StoreBreak,
};

pub(crate) use self::{
    dependency::{CacheState, Dependency, Fault},
    flow::Flow,
    rules::{of_monolith, of_monolith_for_the_undecided},
};

/// Why a dependency is not crossed with a way that has nothing to do with it.
const NOBODY_ASKS_IT: &str = "nobody asks it on this way";

/// What must come of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The monolith's answer, to a request in the caller's name.
    Served,
    /// The monolith's answer, to a request in nobody's name.
    ServedWithoutName,
    /// The same, and the monolith is told that we cannot tell whose.
    ServedUndecided,
    /// A redirect to the provider.
    ToProvider,
    /// 503 `verdict-unavailable`: we cannot tell.
    Unavailable,
    /// The same, after the monolith denied a request that went on in nobody's name: whoever sent it may be known.
    UnavailableSinceDenied,
    /// 502 `upstream-failed`, 503 for devices.
    UpstreamFailed,
    /// 504 `upstream-timeout`, 503 for devices.
    UpstreamTimeout,
    /// 503 `upstream-disputed`.
    Disputed,
    /// The upstream's own answer with this status, marked `upstream`.
    PassedOn(u16),
    /// An answer that began, and was cut.
    Cut,
    /// A page that says: signed out.
    SignedOut,
    /// The same, once the provider has said so too.
    SignedOutThere,
    /// A page that says: signed out here, and elsewhere as soon as the store is back.
    SignedOutHere,
    /// Where somebody is signed in.
    Listed,
    /// A page that says: a session was ended. It is, at once.
    SessionEnded,
    /// 200 with an empty object: what the provider said ends here too. It has, at once.
    TakenIn,
    /// 503, and what was asked for is kept.
    TryAgain,
    /// 503, and the same callback may yet succeed: nobody has seen its code.
    TryIsKept,
    /// 503, and the page leads to where the sign-in begins once more, with the address that was wanted: the provider
    /// has answered the code.
    TryIsSpent,
    /// 200 to another proxy, with the caller's name.
    Vouched,
    /// 201 with a PIN.
    PinShown,
    /// 200 with a token.
    Granted,
    /// 200 with a statement that the display is good.
    Stated,
    /// 200 with the name of the key that was added.
    KeyAdded,
    /// 200 with a PIN, in the shape of the service's own.
    OldPinShown,
    /// A page that says: the display is activated.
    Confirmed,
    /// 503 `renewal-required`: it proves its key and gets another token.
    RenewalRequired,
}

/// One entry of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    /// This must come of it.
    Expect(Outcome),
    /// The combination means nothing, for this reason.
    Nothing(&'static str),
}

/// One cell of the matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cell {
    pub flow: Flow,
    pub dependency: Dependency,
    pub fault: Fault,
    /// What else is broken at the same time.
    pub also: Option<(Dependency, Fault)>,
    pub cache_state: CacheState,
    pub form: Form,
    pub expected: Outcome,
}

impl Cell {
    /// Everything that is broken in it.
    pub(crate) fn breaks(&self) -> impl Iterator<Item = (Dependency, Fault)> + use<> {
        [(self.dependency, self.fault)].into_iter().chain(self.also)
    }

    /// Whether the provider is reached by TLS in it: where the certificate is what breaks.
    pub(crate) fn is_reached_by_tls(&self) -> bool {
        self.breaks().any(|(_, fault)| fault == Fault::Proxy(WrongCertificate))
    }

    /// Whether it is the provider that breaks: only then does a cold start forget what it knew of it.
    pub(crate) fn is_about_the_provider(&self) -> bool {
        let provider = [
            Dependency::Discovery,
            Dependency::Keys,
            Dependency::Token,
            Dependency::Userinfo,
            Dependency::Introspection,
            Dependency::EndOfSession,
        ];
        self.breaks().any(|(dependency, _)| provider.contains(&dependency))
    }

    /// Whether its outcome is not what comes of it when nothing is broken. Then somebody must have met what is broken;
    /// where everything goes on as if nothing were, nobody need.
    pub(crate) fn shows_its_break(&self) -> bool {
        self.expected != self.flow.whole()
    }

    /// Whether answers of the token endpoint are what breaks: then nobody can tell a refusal from a token that was spent
    /// before.
    pub(crate) fn breaks_the_token_endpoint(&self) -> bool {
        self.breaks().any(|(dependency, _)| dependency == Dependency::Token)
    }

    /// For how long whoever met the break was told to leave the dependency alone.
    pub(crate) fn asked_to_wait(&self) -> Duration {
        let asks = self.breaks().any(|(_, fault)| fault == Fault::Proxy(Status(429)));
        if asks { RETRY_AFTER } else { Duration::ZERO }
    }

    /// Whether what comes of it needs the next start: until then nobody can tell which sessions a store had that was lost.
    pub(crate) fn is_over_at_the_next_start(&self) -> bool {
        let by_rows = matches!(self.flow, Flow::SessionsPage | Flow::SessionEnd | Flow::BackChannelLogout);
        by_rows && self.breaks().any(|(_, fault)| fault == Fault::Disk(DiskBreak::Gone))
    }

    /// Its name, as failures and the list of tests give it.
    pub(crate) fn name(&self) -> String {
        let Self { flow, dependency, fault, also, cache_state, form, .. } = self;
        let (dependency, fault) = match also {
            None => (format!("{dependency:?}"), fault.name()),
            Some((other, how)) => (format!("{dependency:?}+{other:?}"), format!("{}+{}", fault.name(), how.name())),
        };
        format!("{flow:?}/{dependency}/{fault}/{cache_state:?}/{}", form.name())
    }
}

/// The table itself: what cannot be, for any way; then each kind of way has its part.
pub(super) fn entry(flow: Flow, dependency: Dependency, cache_state: CacheState, fault: Fault, form: Form) -> Entry {
    use {CacheState::*, Entry::*, Flow as F};
    if matches!(dependency, Dependency::Endpoint | Dependency::Dns) {
        return of_endpoints::entry(flow, dependency, cache_state, fault, form);
    }
    match (fault, cache_state) {
        (Fault::Store(StoreBreak::Garbage | StoreBreak::LockedOut), Warm | Stale) => {
            return Nothing("who has the file open keeps it: from within, its connections end first");
        }
        (Fault::Store(StoreBreak::Emptied), Cold) => {
            return Nothing("it can be read and is another: no start, exit 20");
        }
        (Fault::Within(_), Cold) => return Nothing("who has not started has no connections"),
        (Fault::Keyring(_), Cold) => return Nothing("there is no start without its keyring: exit 20"),
        (
            Fault::Proxy(_)
            | Fault::Store(_)
            | Fault::Within(_)
            | Fault::DemandsName(_)
            | Fault::Keyring(_)
            | Fault::Disk(_)
            | Fault::Step(_)
            | Fault::Dns(_),
            Warm | Cold | Stale,
        ) => {}
    }
    match flow {
        F::SignInBegin
        | F::Callback
        | F::Ticket
        | F::RenewalDue
        | F::RenewalPastGrace
        | F::Logout
        | F::BearerKnownKid
        | F::BearerUnknownKid
        | F::PublicRoute
        | F::StrictRoute
        | F::Verify
        | F::ForwardedRequest
        | F::GrpcCall => of_requests::entry(flow, dependency, cache_state, fault, form),
        F::UserinfoCallback
        | F::UserinfoRenewal
        | F::LogoutAtProvider
        | F::SessionsPage
        | F::SessionEnd
        | F::BackChannelLogout
        | F::OpaqueKnown
        | F::OpaqueUnknown => of_sessions::entry(flow, dependency, cache_state, fault, form),
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
        | F::OldPinPoll => of_the_fleet::entry(flow, dependency, cache_state, fault),
        F::Upgrade | F::StreamingBody | F::EventStream => of_what_lasts::entry(flow, dependency, cache_state),
    }
}
