//! The words of `x-gateway-answer`.

use std::fmt;

use http::HeaderValue;

/// The value of `x-gateway-answer`: what kind of answer this is. A closed list, and the only vocabulary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AnswerWord {
    /// The request cannot be served as it was sent.
    BadRequest,
    /// A credential was given, and it is provably no good.
    CredentialInvalid,
    /// No credential was given.
    CredentialMissing,
    /// A device did not get what it asked for on its own paths, and that is no verdict.
    DeviceAnswer,
    /// We know who this is, and their issuer did not state the groups or roles that would decide whether they may.
    GroupsNotStated,
    /// Our own mistake.
    InternalError,
    /// No endpoint of the upstream is left.
    NoEndpoint,
    /// No route matches.
    NoSuchRoute,
    /// We know who this is, and they may not.
    NotPermitted,
    /// More than we can do, or than this client may ask for.
    Overloaded,
    /// One of our own paths answered.
    Own,
    /// The device's token has run out; it can get a new one by itself.
    RenewalRequired,
    /// The provider answered a sign-in, and its answer was wrong.
    SignInFailed,
    /// The upstream answered, and the route lets this status through.
    Upstream,
    /// The upstream denied somebody whom we vouch for.
    UpstreamDisputed,
    /// The upstream could not be reached or understood.
    UpstreamFailed,
    /// The upstream did not keep its deadline.
    UpstreamTimeout,
    /// We cannot tell whether the credential is good.
    VerdictUnavailable,
}

impl AnswerWord {
    /// Every word, in the order of their names.
    pub const ALL: [Self; 18] = [
        Self::BadRequest,
        Self::CredentialInvalid,
        Self::CredentialMissing,
        Self::DeviceAnswer,
        Self::GroupsNotStated,
        Self::InternalError,
        Self::NoEndpoint,
        Self::NoSuchRoute,
        Self::NotPermitted,
        Self::Overloaded,
        Self::Own,
        Self::RenewalRequired,
        Self::SignInFailed,
        Self::Upstream,
        Self::UpstreamDisputed,
        Self::UpstreamFailed,
        Self::UpstreamTimeout,
        Self::VerdictUnavailable,
    ];

    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BadRequest => "bad-request",
            Self::CredentialInvalid => "credential-invalid",
            Self::CredentialMissing => "credential-missing",
            Self::DeviceAnswer => "device-answer",
            Self::GroupsNotStated => "groups-not-stated",
            Self::InternalError => "internal-error",
            Self::NoEndpoint => "no-endpoint",
            Self::NoSuchRoute => "no-such-route",
            Self::NotPermitted => "not-permitted",
            Self::Overloaded => "overloaded",
            Self::Own => "own",
            Self::RenewalRequired => "renewal-required",
            Self::SignInFailed => "sign-in-failed",
            Self::Upstream => "upstream",
            Self::UpstreamDisputed => "upstream-disputed",
            Self::UpstreamFailed => "upstream-failed",
            Self::UpstreamTimeout => "upstream-timeout",
            Self::VerdictUnavailable => "verdict-unavailable",
        }
    }

    /// The word that `text` spells, if it is one.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|word| word.as_str() == text)
    }

    /// The field's value.
    pub fn header(self) -> HeaderValue {
        HeaderValue::from_static(self.as_str())
    }
}

impl fmt::Display for AnswerWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_words_are_a_closed_list() {
        for word in AnswerWord::ALL {
            assert_eq!(AnswerWord::parse(word.as_str()), Some(word));
        }
        assert_eq!(AnswerWord::parse("unauthorized"), None);
    }
}
