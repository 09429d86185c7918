//! Pages of ours with a form, for somebody whom we know: what comes before anything that such a page does.
//!
//! First that the form comes from a page of ours, then what it says, then who asks: in this order a form of another site
//! costs nothing, and what makes no sense is said to be so to anybody.

use auth_core::{policy::Requirement, refusal_guard::Harm};
use http::{Method, request};
use serde::de::DeserializeOwned;

use super::content::{self, ContentFault};
use crate::{
    body::Received,
    context::{Admitted, RequestContext},
    fault::{BadRequest, Fault},
    request::RequestHead,
    response::{answer::Answer, reply::Reply},
};

/// A request for such a page.
#[derive(Clone, Copy)]
pub(super) struct FormPage<'a> {
    pub(super) context: &'a RequestContext,
    pub(super) head: &'a RequestHead,
    pub(super) parts: &'a request::Parts,
    pub(super) requirement: &'a Requirement,
    /// The most that the form may hold, in bytes.
    pub(super) most: usize,
}

impl FormPage<'_> {
    /// What is posted, if anything is, and by whom.
    ///
    /// # Errors
    /// The answer to give instead.
    pub(super) async fn asked<F: DeserializeOwned>(self, body: Received) -> Result<(Option<F>, Admitted), Answer> {
        let posted = self.parts.method == Method::POST;
        if posted && !self.head.same_origin {
            return Err(Answer::Fault(Fault::BadRequest(BadRequest::CrossSite)));
        }
        let form = if posted { Some(self.form(body).await?) } else { None };
        let admitted = self.context.admit(self.head, self.requirement, Harm::None).await?;
        Ok((form, admitted))
    }

    /// The reply that says what was decided.
    pub(super) fn reply(self, decided: Result<Answer, Answer>) -> Reply {
        let (Ok(answer) | Err(answer)) = decided;
        Reply { recourse: self.context.recourse_of(self.head, self.requirement), ..self.context.reply(answer) }
    }

    async fn form<F: DeserializeOwned>(self, body: Received) -> Result<F, Answer> {
        let read = content::read(self.parts, body, "application/x-www-form-urlencoded", self.most).await;
        let form = read.map_err(|fault| {
            Answer::Fault(match fault {
                ContentFault::WrongMediaType => Fault::BadRequest(BadRequest::OwnParameters),
                ContentFault::TooLarge => Fault::BodyTooLarge,
                ContentFault::Broken => Fault::BadRequest(BadRequest::BodyBroken),
                ContentFault::Stalled => Fault::BadRequest(BadRequest::BodyStalled),
            })
        })?;
        serde_html_form::from_bytes(&form).map_err(|_| bad_parameters())
    }
}

/// What was sent makes no sense here.
pub(super) fn bad_parameters() -> Answer {
    Answer::Fault(Fault::BadRequest(BadRequest::OwnParameters))
}
