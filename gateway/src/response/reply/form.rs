//! The form of one answer: people get a page, programs problem details, and those that speak gRPC a status of theirs.

use std::time::Duration;

use http::{
    HeaderName, HeaderValue, Response,
    header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, SET_COOKIE},
};

use super::Head;
use crate::{
    body::Body,
    config::site::{LoginLink, Site},
    fault::ClientKind,
    request::id::RequestId,
    response::{
        answer::Recourse,
        cookies::SetCookie,
        page::{self, Page},
        problem::ProblemDetails,
    },
};

/// For whom an answer is, where, and under what names.
pub(super) struct Form<'s> {
    pub(super) client_kind: ClientKind,
    pub(super) id: RequestId,
    pub(super) recourse: Recourse,
    pub(super) site: &'s Site,
}

impl Form<'_> {
    /// People get a page, programs a problem, or a status if they speak gRPC.
    pub(super) fn said(&self, head: &Head, detail: &str, page: impl FnOnce() -> Page) -> Response<Body> {
        if self.client_kind == ClientKind::Browser {
            return self.page(head, page());
        }
        if self.client_kind == ClientKind::Grpc {
            return self.grpc(head, detail);
        }
        let problem = ProblemDetails::new(head.word, head.status.as_u16(), detail.to_owned(), self.id, self.site)
            .retry_after(head.retry)
            .sign_in(self.sign_in().filter(|_| head.is_not_signed_in()));
        let problem = if self.client_kind == ClientKind::Device { problem.for_device() } else { problem };
        self.content(head, problem.json(), ProblemDetails::MEDIA_TYPE)
    }

    pub(super) fn content(
        &self,
        head: &Head,
        content: impl Into<bytes::Bytes>,
        media_type: &'static str,
    ) -> Response<Body> {
        let mut response = self.respond(head, Body::full(content));
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
        response
    }

    pub(super) fn page(&self, head: &Head, page: Page) -> Response<Body> {
        let page = page.in_answer(self.recourse.repeatable, head.retry);
        let mut response = self.respond(head, Body::full(page.html(&self.id.to_string())));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(page::security_policy()));
        if page.has_form() {
            // Under `no-referrer` browsers post a form with `Origin: null` (Fetch §3.2), and the ones that send no
            // Sec-Fetch-Site could never sign out.
            headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
        }
        response
    }

    /// Where a person signs in, to come back to what was asked for, if that sends nothing.
    pub(super) fn sign_in(&self) -> Option<String> {
        self.sign_in_by(LoginLink::default())
    }

    /// The same with another account than the one that the provider has in mind.
    pub(super) fn sign_in_as_another(&self) -> Option<String> {
        self.sign_in_by(LoginLink { select_account: true, ..LoginLink::default() })
    }

    fn sign_in_by(&self, link: LoginLink<'_>) -> Option<String> {
        let return_to = self.recourse.here.as_deref().filter(|_| self.recourse.repeatable);
        self.recourse.sign_in.then(|| self.login(&LoginLink { return_to, ..link }))
    }

    /// Where signing in begins. A browser that came by another address begins it at the public one, where the provider
    /// sends it back to: a cookie that is set here would not be found there.
    pub(super) fn login(&self, link: &LoginLink<'_>) -> String {
        let path = self.site.login_by(link);
        if self.recourse.elsewhere { format!("{}{path}", self.site.origin()) } else { path }
    }

    /// `Retry-After` in seconds: never before `wait` is over, and a little after. Displays come in their thousands and
    /// are spread widest; but judging them again costs little, and each of them is dark until then. If the whole fleet
    /// is away, each has a moment of its own within the time that it takes to come back.
    pub(super) fn spread(&self, wait: Duration) -> u64 {
        let seconds: u64 = wait.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX).max(1);
        let by = if self.client_kind == ClientKind::Device {
            seconds.div_ceil(2).min(60).max(self.recourse.returns_over.as_secs())
        } else {
            seconds.div_ceil(4).min(30)
        };
        seconds.saturating_add(self.id.spread(by))
    }
}

pub(super) fn append(response: &mut Response<Body>, cookies: impl IntoIterator<Item = SetCookie>) {
    for cookie in cookies {
        response.headers_mut().append(SET_COOKIE, cookie.into_header());
    }
}

/// Sets a field whose value we composed; a character that does not fit drops the field, never the answer.
pub(super) fn set(response: &mut Response<Body>, name: HeaderName, value: impl AsRef<str>) {
    if let Ok(value) = HeaderValue::from_str(value.as_ref()) {
        response.headers_mut().insert(name, value);
    }
}
