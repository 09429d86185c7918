//! Why nobody was signed in. None of these is a verdict about a credential, so none of them can become a 401.

use super::callback::MalformedCallback;
use crate::verdict::Unavailable;

/// Why a sign-in did not begin.
#[derive(Debug)]
pub enum BeginFault {
    /// No provider has this name.
    NoSuchProvider,
    /// The provider, or our own keyring, cannot be had: a 503 page.
    Unavailable(Unavailable),
}

/// Why a sign-in did not end well. `spent` is the name of a try cookie that is of no more use.
#[derive(Debug)]
pub enum SignInFault {
    /// No provider has this name.
    NoSuchProvider,
    /// No provider sends such a callback: a bad request.
    Malformed(MalformedCallback),
    /// The callback is no (longer) part of a sign-in of this browser's: a page with a link that begins again, and
    /// never a redirect, which could turn in circles.
    BeginAgain {
        /// What was missing, for the log.
        why: Why,
        /// Where the person wanted to go, if that is known.
        return_to: Option<String>,
        /// Whether the sign-in that the link begins must say so ([`super::Begin::again`]): if its cookie is missing
        /// again, cookies are blocked.
        again: bool,
        /// The try cookie to forget.
        spent: Option<String>,
    },
    /// This browser keeps no cookies.
    CookiesBlocked,
    /// The provider said no, or what it said cannot be trusted: a page with `correlation`, never a loop.
    Refused {
        /// The provider's word (RFC 6749 §4.1.2.1), or ours in the same style. Bounded; not escaped.
        word: String,
        /// The provider's explanation. Bounded; not escaped.
        description: Option<String>,
        /// Finds the log line.
        correlation: String,
        /// Where the person wanted to go.
        return_to: String,
        /// The try cookie to forget.
        spent: Option<String>,
    },
    /// We cannot tell: a 503 page that offers to try again, by `login` with `return_to`.
    Unavailable {
        /// What was missing.
        unavailable: Unavailable,
        /// Where the person wanted to go.
        return_to: String,
        /// The try cookie to forget: the provider answered the code, so the same callback cannot work again. Without
        /// it the try is kept, and the same callback may yet succeed.
        spent: Option<String>,
    },
}

/// Why a sign-in begins again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// No `state`.
    NoState,
    /// A `state` that is not ours, or older than ten minutes.
    StateUnreadable,
    /// A `state` of another provider's sign-in (RFC 9700 §4.4).
    OtherProvider,
    /// The `state` is ours, and the browser does not have its cookie.
    NoTry,
    /// The provider does not take the code, or not any more.
    StaleCode,
}

impl Why {
    /// The word that logs use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoState => "no-state",
            Self::StateUnreadable => "state-unreadable",
            Self::OtherProvider => "other-provider",
            Self::NoTry => "no-try",
            Self::StaleCode => "stale-code",
        }
    }
}

/// Counts and logs what kept somebody from signing in. Sign-ins are few, so the name may be made on the way.
pub(super) fn noted(provider: &str, unavailable: Unavailable) -> Unavailable {
    let dependency = unavailable.dependency.as_str();
    metrics::counter!(format!("unavailable.{dependency}")).increment(1);
    tracing::warn!(provider, dependency, cause = %unavailable, "a sign-in cannot be had");
    unavailable
}
