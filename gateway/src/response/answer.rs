//! What happened to a request, before it takes a form: a fault, an answer of our own, a refusal, Unavailable, or an
//! upstream answer that was judged. Deliberately absent: any status.

use auth_core::{
    principal::Principal,
    session::LogoutReach,
    sign_in::{InvalidResponse, Objection},
    verdict::{Rejected, Unavailable},
};
use http::HeaderMap;

use crate::{
    fault::{AnswerWord, Fault},
    response::cookies::{ClearCookie, SetCookie},
    upstream::VettedResponse,
};

/// What happened.
#[derive(Debug)]
pub enum Answer {
    /// Something went wrong that is no verdict.
    Fault(Fault),
    /// One of our own paths answers.
    Own(OwnAnswer),
    /// The credential is provably no good, or absent.
    Refused(Refusal),
    /// We cannot tell.
    Unavailable(Unavailable),
    /// The upstream's answer, judged.
    Upstream(VettedResponse),
}

/// What whoever asked may do next.
#[derive(Clone, Debug, Default)]
pub struct Recourse {
    /// Whether the request can be made again by following a link: GET or HEAD.
    pub repeatable: bool,
    /// Its path and query, if they are safe to link to.
    pub here: Option<String>,
    /// Whether signing in could help here: the route is for people, and there is a provider.
    pub sign_in: bool,
}

/// A refusal on its way out, and the right to forget the ticket if the refusal ended it.
#[derive(Debug)]
pub struct Refusal {
    rejected: Rejected,
    forget: Option<ClearCookie>,
}

/// What one of our own paths answers.
#[derive(Debug)]
pub enum OwnAnswer {
    /// 200 with JSON.
    Json(serde_json::Value),
    /// Who is signed in, for people.
    Me(Box<Principal>),
    /// What a word of `x-gateway-answer` means.
    Explain(AnswerWord),
    /// A forward-auth question answered with yes: 200, and who it is.
    Vouched(HeaderMap),
    /// Which provider to sign in with: name and address.
    Choose(Vec<(String, String)>),
    /// 303 to the provider, with the sign-in that has begun kept in a cookie.
    ToProvider {
        /// The provider's authorisation address, with our question.
        location: String,
        /// The try to keep, and those to take back.
        cookies: Vec<SetCookie>,
    },
    /// 303 to where the person wanted to go, with the ticket.
    SignedIn {
        /// The ticket to keep, and the spent try.
        cookies: Vec<SetCookie>,
        /// A path of ours, safe.
        return_to: String,
    },
    /// The person must begin once more, by choice.
    SignInFailed {
        /// What went wrong.
        how: SignInFailure,
        /// Where signing in begins, with the address that was wanted.
        begin: String,
        /// The spent try.
        cookies: Vec<SetCookie>,
    },
    /// This sign-in, or as many as may be at once, are being finished: nobody was asked, and nothing is lost.
    SignInBusy {
        /// Where another sign-in begins, with the address that was wanted.
        begin: String,
    },
    /// Nobody can be signed in at the moment.
    SignInUnavailable {
        /// What is missing.
        unavailable: Unavailable,
        /// Where another sign-in begins, with the address that was wanted, if that is not where this was asked.
        begin: Option<String>,
        /// The spent try. None spent: the same callback may yet succeed.
        cookies: Vec<SetCookie>,
    },
    /// The button that signs out.
    ConfirmLogout,
    /// Signed out: here, and as far as the other gateways know.
    SignedOut {
        /// The right to forget the ticket.
        forget: Option<ClearCookie>,
        /// How far it has reached.
        reach: LogoutReach,
    },
    /// The metrics of the admin listener, in the text form that Prometheus reads.
    Metrics(String),
    /// Alive, and ready for requests.
    Well,
    /// Alive, and on its way out: no new requests, please.
    Draining,
    /// A logout by somebody who was not signed in.
    WasNotSignedIn {
        /// The right to forget a ticket that had ended before.
        forget: Option<ClearCookie>,
    },
}

/// Why a person has to begin a sign-in once more.
#[derive(Debug)]
pub enum SignInFailure {
    /// The callback belongs to no sign-in of this browser's.
    BeginAgain,
    /// The browser keeps no cookies.
    CookiesBlocked,
    /// The provider said no.
    Refused {
        /// What it objects to.
        objection: Objection,
        /// Its word.
        word: String,
        /// Its explanation.
        description: Option<String>,
    },
    /// The provider answered, and its answer is invalid.
    InvalidResponse(InvalidResponse),
}

/// What the log says about an answer.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Why {
    pub(crate) reason: Option<&'static str>,
    pub(crate) detail: Option<String>,
    pub(crate) fault: Option<&'static str>,
}

impl Why {
    /// We could not tell.
    fn missing(unavailable: &Unavailable) -> Self {
        let (reason, detail) = (unavailable.dependency.as_str(), unavailable.to_string());
        Self { reason: Some(reason), detail: Some(detail), fault: None }
    }
}

impl Answer {
    /// What the log says about it, and about a request whose sender we could not tell.
    pub(crate) fn why(&self, undecided: Option<&Unavailable>) -> Why {
        match self {
            Self::Fault(fault @ Fault::UndecidedIdentity(undecided)) => Why {
                reason: Some(undecided.unavailable.dependency.as_str()),
                detail: Some(fault.to_string()),
                fault: Some(fault.proxy_error()),
            },
            Self::Fault(fault) => {
                Why { reason: None, detail: Some(fault.to_string()), fault: Some(fault.proxy_error()) }
            }
            Self::Unavailable(unavailable) | Self::Own(OwnAnswer::SignInUnavailable { unavailable, .. }) => {
                Why::missing(unavailable)
            }
            Self::Refused(refusal) => Why {
                reason: Some(refusal.rejected.reason().as_str()),
                detail: Some(refusal.rejected.detail().to_string()),
                fault: None,
            },
            Self::Own(OwnAnswer::SignInFailed { how: SignInFailure::Refused { word, .. }, .. }) => {
                Why { detail: Some(format!("the provider said {word:?}")), ..Why::default() }
            }
            Self::Own(OwnAnswer::SignInFailed { how: SignInFailure::InvalidResponse(response), .. }) => {
                Why { reason: Some(response.as_str()), detail: Some(response.to_string()), fault: None }
            }
            Self::Own(_) | Self::Upstream(_) => undecided.map_or_else(Why::default, Why::missing),
        }
    }
}

impl Refusal {
    /// A refusal; `forget` if it ended the ticket that came with the request.
    pub fn new(rejected: Rejected, forget: Option<ClearCookie>) -> Self {
        Self { rejected, forget }
    }

    /// The refusal, and the right to forget.
    pub(crate) fn into_parts(self) -> (Rejected, Option<ClearCookie>) {
        (self.rejected, self.forget)
    }

    /// What was proven.
    pub fn rejected(&self) -> &Rejected {
        &self.rejected
    }
}
