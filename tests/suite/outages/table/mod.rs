//! The table: which flow, with which dependency broken in which way, seen by whom, ends how.
//!
//! It is written as matches without a default arm, over every flow, dependency and cache state, and over every way to
//! break: a combination that nobody thought about does not compile.

mod of_the_fleet;

use std::time::Duration;

use auth_core::database::Disturbance;
use gateway::demo::monolith::DenialMode;
use world::{
    caller::Form,
    disk::DiskBreak,
    fault_proxy::Break::{
        self, Challenge, Drip, EmptySet, Garble, Half, Hang, LoginRedirect, NoChallenge, Nonsense, Refused, Reset,
        Status, WrongCertificate,
    },
    fault_proxy::RETRY_AFTER,
    keyring::KeyringBreak,
    step::Step,
    store::StoreBreak,
};

/// What somebody does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    /// Begins to sign in.
    SignInBegin,
    /// Comes back from the provider with a code.
    Callback,
    /// Asks with the ticket of a session.
    Ticket,
    /// Asks with the ticket of a session that is to be renewed, and need not be yet.
    RenewalDue,
    /// Asks with the ticket of a session that was to be renewed long ago.
    RenewalPastGrace,
    /// Signs out.
    Logout,
    /// Asks with a bearer token whose key the gateway knows, if it knows any.
    BearerKnownKid,
    /// Asks with a bearer token signed by a key that the gateway has not seen yet.
    BearerUnknownKid,
    /// Asks on a route open to anyone.
    PublicRoute,
    /// Asks where nothing may be stale: `max_stale = "0s"`.
    StrictRoute,
    /// Another proxy asks whether somebody with a bearer token may pass.
    Verify,
    /// Asks with a credential that needs nobody's help, so that all hangs on the monolith.
    ForwardedRequest,
    /// A display asks with its device token.
    DeviceToken,
    /// A display asks with a device token that it should have renewed days ago.
    OverdueToken,
    /// A display asks for the first time, with a token of the monolith's.
    Adoption,
    /// A display asks with a token of the monolith's that was adopted before.
    LegacyToken,
    /// A display asks for a PIN.
    Activation,
    /// A display asks what became of its PIN, which an administrator has confirmed.
    Polling,
    /// An administrator types a PIN and says where the display hangs.
    Confirmation,
    /// A display asks for another token in place of its own.
    Renewal,
    /// A display asks for a token in place of one that it lost.
    Reactivation,
    /// A display asks for a statement about itself.
    Statement,
    /// A display puts another key in place of its own.
    KeyRotation,
    /// An app of before asks for a PIN where the service's own were.
    OldPin,
    /// The same asks there what became of its PIN, which an administrator has confirmed.
    OldPinPoll,
}

/// What is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dependency {
    /// The provider's discovery document.
    Discovery,
    /// The provider's key set.
    Keys,
    /// The provider's token endpoint.
    Token,
    /// The gateway's database.
    Store,
    /// The legacy service.
    Monolith,
    /// The file of the gateway's own keys.
    Keyring,
    /// The folder of everything that the gateway keeps.
    Disk,
    /// The wall clock.
    Clock,
}

/// What the gateway knew before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CacheState {
    /// It has run, and has met the dependency whole.
    Warm,
    /// It starts with the dependency broken, and without a last-known-good of the provider.
    Cold,
    /// It has run, and has met the dependency whole, two hours ago: every confirmation is missing.
    Stale,
}

/// In which way it is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The network, or what answers behind it: a fault proxy stands between.
    Proxy(Break),
    /// As SQLite breaks, by what somebody else does to the file.
    Store(StoreBreak),
    /// As SQLite breaks, by what becomes of the connections to it.
    Within(Disturbance),
    /// The monolith is whole, and denies whoever is not named to it.
    DemandsName(DenialMode),
    /// As a file breaks.
    Keyring(KeyringBreak),
    /// As a disk breaks.
    Disk(DiskBreak),
    /// As a clock breaks.
    Step(Step),
}

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
    /// A page that says: signed out here, and elsewhere as soon as the store is back.
    SignedOutHere,
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

impl Flow {
    pub(crate) const ALL: [Self; 25] = [
        Self::SignInBegin,
        Self::Callback,
        Self::Ticket,
        Self::RenewalDue,
        Self::RenewalPastGrace,
        Self::Logout,
        Self::BearerKnownKid,
        Self::BearerUnknownKid,
        Self::PublicRoute,
        Self::StrictRoute,
        Self::Verify,
        Self::ForwardedRequest,
        Self::DeviceToken,
        Self::OverdueToken,
        Self::Adoption,
        Self::LegacyToken,
        Self::Activation,
        Self::Polling,
        Self::Confirmation,
        Self::Renewal,
        Self::Reactivation,
        Self::Statement,
        Self::KeyRotation,
        Self::OldPin,
        Self::OldPinPoll,
    ];

    /// Who goes this way.
    pub(super) const fn forms(self) -> &'static [Form] {
        match self {
            Self::SignInBegin | Self::Callback | Self::Logout | Self::Confirmation | Self::RenewalDue => {
                &[Form::Browser]
            }
            Self::Verify => &[Form::Script],
            Self::BearerKnownKid | Self::BearerUnknownKid => &[Form::Script, Form::Device],
            Self::Ticket | Self::RenewalPastGrace | Self::StrictRoute | Self::PublicRoute => {
                &[Form::Browser, Form::Script]
            }
            Self::ForwardedRequest => &[Form::Browser, Form::Script, Form::Device],
            Self::DeviceToken
            | Self::OverdueToken
            | Self::Adoption
            | Self::LegacyToken
            | Self::Activation
            | Self::Polling
            | Self::Renewal
            | Self::Reactivation
            | Self::Statement
            | Self::KeyRotation
            | Self::OldPin
            | Self::OldPinPoll => &[Form::Device],
        }
    }

    /// What comes of it when nothing is broken.
    pub(crate) const fn whole(self) -> Outcome {
        match self {
            Self::SignInBegin => Outcome::ToProvider,
            Self::Logout => Outcome::SignedOut,
            Self::Verify => Outcome::Vouched,
            Self::Callback
            | Self::Ticket
            | Self::RenewalDue
            | Self::RenewalPastGrace
            | Self::BearerKnownKid
            | Self::BearerUnknownKid
            | Self::PublicRoute
            | Self::StrictRoute
            | Self::ForwardedRequest
            | Self::DeviceToken
            | Self::Adoption
            | Self::LegacyToken => Outcome::Served,
            Self::OverdueToken => Outcome::RenewalRequired,
            Self::Activation => Outcome::PinShown,
            Self::Polling | Self::Renewal | Self::Reactivation | Self::OldPinPoll => Outcome::Granted,
            Self::Confirmation => Outcome::Confirmed,
            Self::Statement => Outcome::Stated,
            Self::KeyRotation => Outcome::KeyAdded,
            Self::OldPin => Outcome::OldPinShown,
        }
    }
}

impl Flow {
    /// Whether it is a display's that the gateway knows as one of its fleet.
    pub(super) const fn is_of_the_fleet(self) -> bool {
        match self {
            Self::DeviceToken | Self::OverdueToken | Self::Adoption | Self::LegacyToken => true,
            Self::Activation
            | Self::Polling
            | Self::Confirmation
            | Self::Renewal
            | Self::Reactivation
            | Self::Statement
            | Self::KeyRotation
            | Self::OldPin
            | Self::OldPinPoll => true,
            Self::SignInBegin
            | Self::Callback
            | Self::Ticket
            | Self::RenewalDue
            | Self::RenewalPastGrace
            | Self::Logout
            | Self::BearerKnownKid
            | Self::BearerUnknownKid
            | Self::PublicRoute
            | Self::StrictRoute
            | Self::Verify
            | Self::ForwardedRequest => false,
        }
    }

    /// Whether it is one of the ways in which a display comes to its token, on the gateway's own paths.
    pub(super) fn is_of_the_protocol(self) -> bool {
        let proxied = [Self::DeviceToken, Self::OverdueToken, Self::Adoption, Self::LegacyToken];
        self.is_of_the_fleet() && !proxied.contains(&self)
    }
}

impl CacheState {
    pub(super) const ALL: [Self; 3] = [Self::Warm, Self::Cold, Self::Stale];
}

impl Dependency {
    pub(crate) const ALL: [Self; 8] =
        [Self::Discovery, Self::Keys, Self::Token, Self::Store, Self::Monolith, Self::Keyring, Self::Disk, Self::Clock];

    /// The ways in which it can break. A wrong certificate is for those that are reached by TLS.
    pub(super) fn faults(self) -> Vec<Fault> {
        let proxy = [
            Refused,
            Reset,
            Hang,
            Drip,
            Half,
            Garble,
            Status(401),
            Status(403),
            Status(429),
            Status(500),
            Nonsense,
            LoginRedirect,
        ];
        match self {
            Self::Keys => proxy.into_iter().chain([EmptySet, WrongCertificate]).map(Fault::Proxy).collect(),
            Self::Discovery | Self::Token => proxy.into_iter().chain([WrongCertificate]).map(Fault::Proxy).collect(),
            Self::Monolith => {
                let challenges = [Challenge("Basic"), Challenge("Negotiate"), NoChallenge];
                let demands = DenialMode::ALL.map(Fault::DemandsName);
                proxy.into_iter().chain(challenges).map(Fault::Proxy).chain(demands).collect()
            }
            Self::Keyring => KeyringBreak::ALL.into_iter().map(Fault::Keyring).collect(),
            Self::Disk => DiskBreak::ALL.into_iter().map(Fault::Disk).collect(),
            Self::Clock => Step::ALL.into_iter().map(Fault::Step).collect(),
            Self::Store => {
                let within = Disturbance::ALL.into_iter().map(Fault::Within);
                StoreBreak::ALL.into_iter().map(Fault::Store).chain(within).collect()
            }
        }
    }
}

impl Fault {
    fn name(self) -> String {
        match self {
            Self::Proxy(how) => how.name(),
            Self::Store(how) => how.name(),
            Self::Within(how) => format!("within-{how:?}").to_lowercase(),
            Self::DemandsName(how) => format!("demands-a-name-{how:?}").to_lowercase(),
            Self::Keyring(how) => format!("{how:?}").to_lowercase(),
            Self::Disk(how) => format!("{how:?}").to_lowercase(),
            Self::Step(how) => format!("{how:?}").to_lowercase(),
        }
    }
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
        let provider = [Dependency::Discovery, Dependency::Keys, Dependency::Token];
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

/// The table itself.
pub(super) fn entry(flow: Flow, dependency: Dependency, cache_state: CacheState, fault: Fault, form: Form) -> Entry {
    use {CacheState::*, Dependency as D, Entry::*, Flow as F, Outcome::*};
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
            | Fault::Step(_),
            Warm | Cold | Stale,
        ) => {}
    }
    match (flow, dependency, cache_state) {
        (
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
            | F::OldPinPoll,
            ..,
        ) => of_the_fleet::entry(flow, dependency, cache_state, fault),
        (_, _, Stale) => stale(flow, dependency, fault, form),
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
            Form::Script | Form::Device => Unavailable,
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
            Form::Script | Form::Device => Nothing("the flow by a known key is this"),
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
            Form::Script | Form::Device => Nothing("the keys of its bearer are stale too"),
        },
        (F::SignInBegin | F::Callback | F::Logout, _) => Nothing("nothing that they need goes stale"),
        (F::RenewalDue | F::RenewalPastGrace, _) => Nothing("what is past its grace is stale enough"),
        (
            F::Ticket | F::StrictRoute,
            D::Discovery | D::Keys | D::Token | D::Monolith | D::Keyring | D::Disk | D::Clock,
        )
        | (F::BearerKnownKid, D::Token | D::Monolith | D::Keyring | D::Disk | D::Clock) => {
            Nothing("it does not stand on that")
        }
        (F::BearerUnknownKid | F::PublicRoute | F::Verify | F::ForwardedRequest, _) => {
            Nothing("the flow by a known key is this")
        }
        (
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
            | F::OldPinPoll,
            _,
        ) => {
            unreachable!("these have a table of their own")
        }
    }
}

/// What comes of a broken folder: nothing, for who is known. Where it is gone, it is made again from what is held, with
/// everything that matters in it. Where that cannot be, nothing is written to nowhere: nobody can sign in or out, and
/// nobody can say who else has. What cannot be written to our own files is in the database.
pub(super) fn of_disk(flow: Flow, fault: Fault, cache_state: CacheState) -> Entry {
    match (fault, cache_state) {
        (Fault::Disk(DiskBreak::AFile), CacheState::Cold) => {
            Entry::Nothing("there is no start where it cannot be made: exit 20")
        }
        (Fault::Disk(DiskBreak::Gone), CacheState::Cold) => {
            Entry::Nothing("a start without it is a first start, which knows nothing of before")
        }
        (Fault::Disk(DiskBreak::AFile), _) => Entry::Expect(match flow {
            Flow::Callback => Outcome::TryIsSpent,
            Flow::Adoption => Outcome::Unavailable,
            _ if flow.is_of_the_protocol() => Outcome::Unavailable,
            Flow::Logout => Outcome::TryAgain,
            Flow::StrictRoute => Outcome::Unavailable,
            _ => flow.whole(),
        }),
        (_, _) => Entry::Expect(flow.whole()),
    }
}

/// What comes of a step of the wall clock: what only one reading calls over is neither good nor over, so nothing comes of
/// a step back, nor of a small one. That something has begun its seal or signature says. Who comes back from the provider
/// brings a witness.
fn of_clock(flow: Flow, fault: Fault) -> Outcome {
    use {Flow as F, Outcome::*};
    let Fault::Step(step) = fault else { unreachable!("that is no way of the clock's") };
    match (flow, step) {
        (F::SignInBegin | F::Callback, _) | (_, Step::TenMinutesAhead | Step::TenMinutesBehind | Step::DayBehind) => {
            flow.whole()
        }
        (F::Logout, Step::DayAhead) => TryAgain,
        (F::PublicRoute, Step::DayAhead) => ServedUndecided,
        (_, Step::DayAhead) => Unavailable,
    }
}

/// Whether it is one that takes no more.
fn is_full(fault: Fault) -> bool {
    matches!(fault, Fault::Store(StoreBreak::Full) | Fault::Within(Disturbance::Full))
}

/// What comes of a broken store where nothing may be stale: who is revoked is, once that cannot be read.
fn of_revocations(fault: Fault) -> Outcome {
    if stops_reading(fault) { Outcome::Unavailable } else { Outcome::Served }
}

/// Whether a broken store cannot be read. What stops only writing stops no poll.
pub(super) fn stops_reading(fault: Fault) -> bool {
    match fault {
        Fault::Proxy(_) | Fault::DemandsName(_) | Fault::Keyring(_) | Fault::Disk(_) | Fault::Step(_) => {
            unreachable!("that is no way of the store's")
        }
        Fault::Store(StoreBreak::Emptied | StoreBreak::Garbage | StoreBreak::LockedOut)
        | Fault::Within(Disturbance::Closed | Disturbance::Garbage | Disturbance::Locked) => true,
        Fault::Store(StoreBreak::Locked | StoreBreak::Full) | Fault::Within(Disturbance::Full) => false,
    }
}

/// What comes of a broken monolith, for somebody we vouch for. What would make a display erase itself is disputed: a
/// 403, and HTML where JSON is expected. Others may be told that.
pub(crate) fn of_monolith(fault: Fault, form: Form) -> Outcome {
    match fault {
        Fault::Store(_) | Fault::Within(_) | Fault::Keyring(_) | Fault::Disk(_) | Fault::Step(_) => {
            unreachable!("that is no way of the monolith's")
        }
        Fault::DemandsName(_) => Outcome::Served,
        Fault::Proxy(how) => match how {
            Refused | Reset | Garble | WrongCertificate => Outcome::UpstreamFailed,
            Hang | Drip => Outcome::UpstreamTimeout,
            Half => Outcome::Cut,
            Status(401) | Challenge(_) | NoChallenge | LoginRedirect => Outcome::Disputed,
            Status(403 | 429) | Nonsense if form == Form::Device => Outcome::Disputed,
            Status(status) => Outcome::PassedOn(status),
            Nonsense | EmptySet => Outcome::PassedOn(200),
        },
    }
}

/// What comes of a broken monolith for somebody whom nobody can tell, where anyone may pass: what denies the nameless says
/// nothing about them.
pub(super) fn of_monolith_for_the_undecided(fault: Fault, form: Form) -> Outcome {
    match fault {
        Fault::DemandsName(_) | Fault::Proxy(Status(401 | 403) | Challenge(_) | NoChallenge | LoginRedirect) => {
            Outcome::UnavailableSinceDenied
        }
        Fault::Proxy(_) | Fault::Store(_) | Fault::Within(_) | Fault::Keyring(_) | Fault::Disk(_) | Fault::Step(_) => {
            of_monolith(fault, form)
        }
    }
}
