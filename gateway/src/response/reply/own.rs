//! The form of what one of our own paths answers. No page and no path is known here.

use std::time::Duration;

use auth_core::verdict::Unavailable;
use http::Response;

use super::{Form, Head, PROXY_STATUS, append, set};
use crate::{
    body::Body,
    fault::{AnswerWord, Fault, FaultStatus, VERDICT_UNAVAILABLE},
    response::{
        cookies::SetCookie,
        own_answer::{OwnAnswer, OwnContent, OwnFailure, OwnStatus},
        page::Page,
    },
};

/// The `Proxy-Status` of a provider's wrong answer: nothing was forwarded (RFC 9209 §2.3).
const INVALID_RESPONSE: &str = "candor; error=proxy_internal_response; details=\"sign-in-failed\"";

impl Form<'_> {
    pub(super) fn own(&self, answer: OwnAnswer) -> Response<Body> {
        let OwnAnswer { content, status, cookies, clear, why: _ } = answer;
        let head = match status {
            OwnStatus::Status(status) => Head::failed(status, AnswerWord::Own, None),
            OwnStatus::Ok | OwnStatus::Failed(_) => Head::OK,
        };
        let mut response = match (content, status) {
            (OwnContent::Page(page), OwnStatus::Failed(failure)) => self.failed(failure, page),
            (OwnContent::Page(page), OwnStatus::Ok | OwnStatus::Status(_)) => self.page(&head, page),
            (OwnContent::Json(value), _) => self.content(&head, value.to_string(), "application/json"),
            (OwnContent::Redirect(to), _) => self.see_other(to.as_str(), AnswerWord::Own),
            (OwnContent::Text { text, media_type }, _) => self.content(&head, text, media_type),
            (OwnContent::Identity(stated), _) => {
                let mut response = self.respond(&head, Body::empty());
                response.headers_mut().extend(stated.into_headers());
                response
            }
        };
        append(&mut response, cookies);
        append(&mut response, clear.map(|clear| SetCookie::forget_ticket(clear, self.site)));
        response
    }

    fn failed(&self, failure: OwnFailure, page: Page) -> Response<Body> {
        let unavailable = FaultStatus::ServiceUnavailable;
        let spread = |wait: Duration| Some(self.spread(wait));
        let (head, detail, proxy_status) = match failure {
            OwnFailure::Busy => {
                let fault = Fault::Overloaded;
                let retry = spread(fault.retry_after().unwrap_or(Unavailable::RETRY_AFTER));
                (Head::failed(unavailable, fault.word(), retry), fault.explain(), fault.proxy_status())
            }
            OwnFailure::InvalidResponse(detail) => (
                Head::failed(FaultStatus::BadGateway, AnswerWord::SignInFailed, None),
                detail,
                INVALID_RESPONSE.to_owned(),
            ),
            OwnFailure::Unavailable { retry_after, detail } => {
                let head = Head::failed(unavailable, AnswerWord::VerdictUnavailable, spread(retry_after));
                (head, detail, VERDICT_UNAVAILABLE.to_owned())
            }
        };
        let mut response = self.said(&head, detail, || page);
        set(&mut response, PROXY_STATUS, proxy_status);
        response
    }
}
