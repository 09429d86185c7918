//! What leaves: the only file that puts a status on the wire.
//!
//! A [`Reply`] says what happened; [`Reply::into_http`] says it in the form of whoever asked. 401, 403 and the redirect
//! to our own sign-in come from a [`Refusal`], which takes a proven [`Rejected`], or from an upstream answer that was
//! judged. That is checked once more on the finished response.

use auth_core::verdict::{Rejected, Unavailable};
use bytes::Bytes;
use http::Response;
use http_body_util::Full;

use crate::{
    fault::{Asker, Fault},
    request_id::RequestId,
    site::Site,
};

/// An answer to one request, not yet in the form of its asker.
#[derive(Debug)]
#[must_use]
pub struct Reply {
    /// What happened.
    pub answer: Answer,
    /// Who asked. It changes the form only.
    pub asker: Asker,
    /// Which request this answers.
    pub id: RequestId,
    /// Where it was asked, as far as the answer's form depends on it.
    pub place: Place,
}

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
}

/// Where something was asked.
#[derive(Clone, Debug, Default)]
pub struct Place {
    /// Whether the request can be made again by following a link: GET or HEAD.
    pub repeatable: bool,
    /// The path and query to come back to after signing in; `None` where people cannot sign in.
    pub return_to: Option<String>,
}

/// A refusal on its way out.
#[derive(Debug)]
pub struct Refusal {
    rejected: Rejected,
}

/// What one of our own paths answers.
#[derive(Debug)]
pub enum OwnAnswer {
    /// 200 with JSON.
    Json(serde_json::Value),
}

impl Reply {
    /// The answer to a request that went no further than its head.
    pub fn to(asker: Asker, id: RequestId, fault: Fault) -> Self {
        Self { answer: Answer::Fault(fault), asker, id, place: Place::default() }
    }

    /// The response, in the form of its asker.
    pub fn into_http(self, site: &Site) -> Response<Full<Bytes>> {
        let _ = site;
        todo!()
    }
}
