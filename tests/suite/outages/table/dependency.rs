//! What is broken in the outage matrix, and how.

use auth_core::database::Disturbance;
use gateway::demo::monolith::DenialMode;
use world::{
    disk::DiskBreak,
    fault_proxy::Break::{
        self, Challenge, Drip, EmptySet, Garble, Half, Hang, LoginRedirect, NoChallenge, Nonsense, Refused, Reset,
        Status, WrongCertificate,
    },
    keyring::KeyringBreak,
    names::DnsBreak,
    step::Step,
    store::StoreBreak,
};

/// What is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dependency {
    /// The provider's discovery document.
    Discovery,
    /// The provider's key set.
    Keys,
    /// The provider's token endpoint.
    Token,
    /// Its userinfo endpoint.
    Userinfo,
    /// Its introspection endpoint.
    Introspection,
    /// Where people sign out at the provider.
    EndOfSession,
    /// The gateway's database.
    Store,
    /// The legacy service.
    Monolith,
    /// One of its endpoints, where there are three.
    Endpoint,
    /// The resolver that knows the name of its endpoint.
    Dns,
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
    /// As DNS breaks.
    Dns(DnsBreak),
}

impl CacheState {
    pub(crate) const ALL: [Self; 3] = [Self::Warm, Self::Cold, Self::Stale];
}

impl Dependency {
    pub(crate) const ALL: [Self; 13] = [
        Self::Discovery,
        Self::Keys,
        Self::Token,
        Self::Userinfo,
        Self::Introspection,
        Self::EndOfSession,
        Self::Store,
        Self::Monolith,
        Self::Endpoint,
        Self::Dns,
        Self::Keyring,
        Self::Disk,
        Self::Clock,
    ];

    /// The ways in which it can break. A wrong certificate is for those that are reached by TLS.
    pub(crate) fn faults(self) -> Vec<Fault> {
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
            Self::Keys | Self::Userinfo | Self::Introspection => {
                proxy.into_iter().chain([EmptySet, WrongCertificate]).map(Fault::Proxy).collect()
            }
            Self::EndOfSession => proxy.into_iter().map(Fault::Proxy).collect(),
            Self::Discovery | Self::Token => proxy.into_iter().chain([WrongCertificate]).map(Fault::Proxy).collect(),
            Self::Monolith => {
                let challenges = [Challenge("Basic"), Challenge("Negotiate"), NoChallenge];
                let demands = DenialMode::ALL.map(Fault::DemandsName);
                proxy.into_iter().chain(challenges).map(Fault::Proxy).chain(demands).collect()
            }
            Self::Endpoint => [Refused, Hang, Reset, Status(401), Status(500)].map(Fault::Proxy).to_vec(),
            Self::Dns => DnsBreak::ALL.into_iter().map(Fault::Dns).collect(),
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
    pub(crate) fn name(self) -> String {
        match self {
            Self::Proxy(how) => how.name(),
            Self::Store(how) => how.name(),
            Self::Within(how) => format!("within-{how:?}").to_lowercase(),
            Self::DemandsName(how) => format!("demands-a-name-{how:?}").to_lowercase(),
            Self::Keyring(how) => format!("{how:?}").to_lowercase(),
            Self::Disk(how) => format!("{how:?}").to_lowercase(),
            Self::Step(how) => format!("{how:?}").to_lowercase(),
            Self::Dns(how) => format!("{how:?}").to_lowercase(),
        }
    }
}
