//! The form of what one of our own paths answers. No page and no path is known here.

use std::time::Duration;

use auth_core::verdict::Unavailable;
use http::{Response, StatusCode, header::LOCATION};

use super::{Form, Head, PROXY_STATUS, append, set};
use crate::{
    body::Body,
    fault::{AnswerWord, DeviceProblem, Fault, FaultStatus, VERDICT_UNAVAILABLE},
    response::{
        cookies::SetCookie,
        own_answer::{OwnAnswer, OwnContent, OwnFailure, OwnStatus, ProblemTold},
        page::Page,
        problem::ProblemDetails,
    },
};

/// The `Proxy-Status` of a provider's wrong answer: nothing was forwarded (RFC 9209 §2.3).
const INVALID_RESPONSE: &str = "candor; error=proxy_internal_response; details=\"sign-in-failed\"";

impl Form<'_> {
    pub(super) fn own(&self, answer: OwnAnswer) -> Response<Body> {
        let OwnAnswer { content, status, cookies, clear, field, why: _ } = answer;
        let head = match status {
            OwnStatus::Status(status) => Head::failed(status, AnswerWord::Own, None),
            OwnStatus::Ok | OwnStatus::Failed(_) => Head::OK,
            OwnStatus::Created => Head::new(StatusCode::CREATED, AnswerWord::Own),
            OwnStatus::Accepted => Head::new(StatusCode::ACCEPTED, AnswerWord::Own),
        };
        let mut response = match (content, status) {
            (OwnContent::Page(page), OwnStatus::Failed(failure)) => self.failed(failure, page),
            (OwnContent::Page(page), _) => self.page(&head, page),
            (OwnContent::Json(value), _) => self.content(&head, value.to_string(), "application/json"),
            (OwnContent::Redirect(to), _) => self.see_other(to.as_str(), AnswerWord::Own),
            (OwnContent::Moved(to), _) => {
                let head = Head::new(StatusCode::PERMANENT_REDIRECT, AnswerWord::Own);
                let mut response = self.respond(&head, Body::empty());
                set(&mut response, LOCATION, to.as_str());
                response
            }
            (OwnContent::Text { text, media_type }, _) => self.content(&head, text, media_type),
            (OwnContent::Identity(stated), _) => {
                let mut response = self.respond(&head, Body::empty());
                response.headers_mut().extend(stated.into_headers());
                response
            }
            (OwnContent::Problem(problem, told), _) => self.problem(problem, told),
        };
        if let Some((name, value)) = field.map(|field| *field) {
            response.headers_mut().insert(name, value);
        }
        append(&mut response, cookies);
        append(&mut response, clear.map(|clear| SetCookie::forget_ticket(clear, self.site)));
        response
    }

    /// Devices are told alike in whatever form they seem to ask.
    fn problem(&self, problem: DeviceProblem, told: ProblemTold) -> Response<Body> {
        let retry = told.retry_after.map(|wait| self.spread(wait));
        let head = Head::failed(problem.status(), problem.answer(), retry);
        let detail = told.detail.unwrap_or_else(|| problem.explain().to_owned());
        let document = ProblemDetails::of_device(problem, head.status.as_u16(), detail, self.id, self.site);
        self.content(&head, document.retry_after(retry).for_device().json(), ProblemDetails::MEDIA_TYPE)
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
            OwnFailure::TooManyGuesses { retry_after } => {
                let limited = Fault::RateLimited { retry_after };
                let head = Head::failed(FaultStatus::TooManyRequests, limited.word(), spread(retry_after));
                (head, "So many wrong PINs were typed that none is looked at.", limited.proxy_status())
            }
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
