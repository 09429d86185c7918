//! What a verdict depends on, by name: the words of logs, counters and problem details.

use std::fmt;

/// Something outside the request that a verdict needs. When it fails, the verdict is Unavailable, never a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dependency {
    /// The service behind us, about a device's token that only it knows yet.
    Adoption,
    /// The task that does our I/O: it was stopped, or it panicked.
    Background,
    /// What an issuer states of somebody: their groups and roles.
    Claims,
    /// The wall clock.
    Clock,
    /// The configuration: it does not name what a credential of ours stands on. Another one may.
    Configuration,
    /// A provider's discovery document (OpenID Connect Discovery 1.0).
    Discovery,
    /// A provider's introspection endpoint (RFC 7662), about a token that only it can read.
    Introspection,
    /// Our own keys.
    Keyring,
    /// An issuer's key set (RFC 7517).
    Keys,
    /// Our own judgement: the mass-refusal guard holds refusals back, or a rule of ours asks for something first.
    OwnJudgement,
    /// The set of what has been revoked.
    Revocations,
    /// The database of sessions.
    Store,
    /// A provider's token endpoint (RFC 6749 §3.2).
    TokenEndpoint,
    /// A provider's userinfo endpoint (OpenID Connect Core §5.3).
    Userinfo,
}

impl Dependency {
    /// Every dependency, in the order of their names.
    pub const ALL: [Self; 14] = [
        Self::Adoption,
        Self::Background,
        Self::Claims,
        Self::Clock,
        Self::Configuration,
        Self::Discovery,
        Self::Introspection,
        Self::Keyring,
        Self::Keys,
        Self::OwnJudgement,
        Self::Revocations,
        Self::Store,
        Self::TokenEndpoint,
        Self::Userinfo,
    ];

    /// The word that logs, counters and problem details use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Adoption => "adoption",
            Self::Background => "background-tasks",
            Self::Claims => "claims",
            Self::Clock => "clock",
            Self::Configuration => "configuration",
            Self::Discovery => "discovery",
            Self::Introspection => "introspection",
            Self::Keyring => "keyring",
            Self::Keys => "keys",
            Self::OwnJudgement => "own-judgement",
            Self::Revocations => "revocations",
            Self::Store => "store",
            Self::TokenEndpoint => "token-endpoint",
            Self::Userinfo => "userinfo",
        }
    }
}

impl fmt::Display for Dependency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
