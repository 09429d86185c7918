//! What happened to a request, before it takes a form: a fault, an answer of our own, a refusal, Unavailable, or an
//! upstream answer that was judged. Deliberately absent: any status.

use std::time::Duration;

use auth_core::verdict::{Rejected, Unavailable};

use crate::{
    fault::Fault,
    response::{cookies::ClearCookie, own_answer::OwnAnswer},
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
    /// Whether the browser came by another address than the public one, where no cookie of a sign-in would be found.
    pub elsewhere: bool,
    /// Over how long devices that are turned away are asked to come back: each at a moment of its own.
    pub returns_over: Duration,
}

/// A refusal on its way out, and the right to forget the ticket if the refusal ended it.
#[derive(Debug)]
pub struct Refusal {
    rejected: Rejected,
    forget: Option<ClearCookie>,
}

/// What the log says about an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Why {
    pub(crate) reason: Option<&'static str>,
    pub(crate) detail: Option<String>,
    pub(crate) fault: Option<&'static str>,
}

impl Why {
    /// We could not tell.
    pub(crate) fn missing(unavailable: &Unavailable) -> Self {
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
            Self::Unavailable(unavailable) => Why::missing(unavailable),
            Self::Refused(refusal) => Why {
                reason: Some(refusal.rejected.reason().as_str()),
                detail: Some(refusal.rejected.detail().to_string()),
                fault: None,
            },
            Self::Own(OwnAnswer { why: Some(why), .. }) => why.clone(),
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
