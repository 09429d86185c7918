//! Why nobody was signed in. None of these is a verdict about a credential, so none of them can become a 401.
//!
//! Three situations are told apart, since each needs somebody else: the provider refused (the person, or whoever set
//! this up), its answer was wrong (whoever runs it), it did not answer (time).

use super::callback::MalformedCallback;
use crate::{idp::InvalidResponse, verdict::Unavailable};

/// Why a sign-in did not begin.
#[derive(Debug)]
pub enum BeginFault {
    /// No provider has this name.
    NoSuchProvider,
    /// The provider answered, and its answer is invalid: a 502 page that does not load itself again.
    InvalidResponse(InvalidResponse),
    /// The provider, or our own keyring, cannot be had: a 503 page.
    Unavailable(Unavailable),
}

/// Why a sign-in did not end well. `spent` is the name of the cookie of a pending sign-in that is
/// of no more use.
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
        why: BeginsAgain,
        /// Where the person wanted to go, if that is known.
        return_to: Option<String>,
        /// Whether the sign-in that the link begins must say so ([`super::Begin::again`]): if its cookie is missing
        /// again, cookies are blocked.
        again: bool,
        /// The cookie to clear.
        spent: Option<String>,
    },
    /// This browser keeps no cookies.
    CookiesBlocked,
    /// The provider said no: a page with its words, never a loop.
    Refused {
        /// What it objects to.
        objection: Objection,
        /// The provider's word (RFC 6749 §4.1.2.1). Bounded; not escaped.
        word: String,
        /// The provider's explanation. Bounded; not escaped.
        description: Option<String>,
        /// Where the person wanted to go.
        return_to: String,
        /// The cookie to clear.
        spent: Option<String>,
    },
    /// The provider answered, and its answer is invalid: a 502 page that does not load itself again.
    InvalidResponse {
        /// In which way.
        response: InvalidResponse,
        /// Where the person wanted to go.
        return_to: String,
        /// The cookie to clear, if the provider has answered the code.
        spent: Option<String>,
    },
    /// This sign-in, or as many as the provider is asked about at once, are being finished at the moment. It stays
    /// pending, and nobody was asked: the same callback may yet succeed.
    Busy {
        /// Where the person wanted to go.
        return_to: String,
    },
    /// The provider does not know this gateway, or not what it asks for: it is set up wrongly here or there, for everybody
    /// who signs in. A 503 page that says so, since waiting alone does not help. It stays pending: nobody's fault ends it.
    Misconfigured {
        /// What was missing, and what to do about it.
        unavailable: Unavailable,
        /// Where the person wanted to go.
        return_to: String,
    },
    /// We cannot tell: a 503 page that offers to try again, by `login` with `return_to`.
    Unavailable {
        /// What was missing.
        unavailable: Unavailable,
        /// Where the person wanted to go.
        return_to: String,
        /// The cookie to clear: the provider answered the code, so the same callback cannot work again. Without
        /// it the sign-in stays pending, and the same callback may yet succeed.
        spent: Option<String>,
    },
}

/// What a provider objects to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Objection {
    /// To signing this person in, now.
    ToPerson,
    /// To what we ask for, such as `scopes`: whoever set this up must put it right.
    ToRequest,
}

/// Why a sign-in begins again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BeginsAgain {
    /// No `state`.
    NoState,
    /// A `state` that is not ours, or older than ten minutes.
    StateUnreadable,
    /// A `state` of another provider's sign-in (RFC 9700 §4.4).
    OtherProvider,
    /// The `state` is ours, and the browser does not have its cookie.
    NoPendingSignIn,
    /// It is spent: the provider has answered its code before.
    Spent,
    /// The provider does not take the code, or not any more.
    StaleCode,
}

impl SignInFault {
    /// Whether the pending sign-in is of no more use.
    pub(super) fn spends_it(&self) -> bool {
        match self {
            Self::BeginAgain { spent, .. }
            | Self::Refused { spent, .. }
            | Self::InvalidResponse { spent, .. }
            | Self::Unavailable { spent, .. } => spent.is_some(),
            Self::NoSuchProvider
            | Self::Malformed(_)
            | Self::CookiesBlocked
            | Self::Busy { .. }
            | Self::Misconfigured { .. } => false,
        }
    }
}

impl Objection {
    /// What a provider's word at the callback objects to (RFC 6749 §4.1.2.1, OpenID Connect Core §3.1.2.6; Keycloak says
    /// `not_allowed`). Whatever is not listed is said to the person, who reads it.
    pub(super) fn of(word: &str) -> Self {
        match word {
            "invalid_request"
            | "invalid_request_object"
            | "invalid_request_uri"
            | "invalid_resource"
            | "invalid_scope"
            | "invalid_target"
            | "not_allowed"
            | "registration_not_supported"
            | "request_not_supported"
            | "request_uri_not_supported"
            | "unauthorized_client"
            | "unsupported_response_type" => Self::ToRequest,
            _ => Self::ToPerson,
        }
    }

    /// Its word in the metric `candor_sign_in_refused_total`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ToPerson => "person",
            Self::ToRequest => "request",
        }
    }
}

impl BeginsAgain {
    /// The word that logs use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoState => "no-state",
            Self::StateUnreadable => "state-unreadable",
            Self::OtherProvider => "other-provider",
            Self::NoPendingSignIn => "no-pending-sign-in",
            Self::Spent => "spent",
            Self::StaleCode => "stale-code",
        }
    }
}
