//! What one of our own paths answers: a page, JSON, a way elsewhere or text, each with its cookies.
//!
//! A path makes its answer whole, so that a new page is one file there and nothing here. Deliberately absent: a status that
//! blames whoever asks (401, 403, 407), which only a refusal has, and a way to our own sign-in.

use std::time::Duration;

use http::{HeaderName, HeaderValue, header::CONTENT_SECURITY_POLICY, uri::PathAndQuery};
use serde_json::Value;
use url::Url;

use crate::{
    fault::{DeviceProblem, FaultStatus},
    response::{
        answer::Why,
        cookies::{ClearCookie, SetCookie},
        page::Page,
    },
    route::ReturnTo,
    upstream::identity_fields::StatedIdentity,
};

/// What one of our own paths answers.
#[derive(Debug)]
#[must_use]
pub struct OwnAnswer {
    pub(super) content: OwnContent,
    pub(super) status: OwnStatus,
    pub(super) cookies: Vec<SetCookie>,
    pub(super) clear: Option<ClearCookie>,
    pub(super) why: Option<Why>,
    /// One header field more. Boxed, since nearly no answer has one and each would carry its room.
    pub(super) field: Option<Box<(HeaderName, HeaderValue)>>,
}

/// What it consists of.
#[derive(Debug)]
pub(super) enum OwnContent {
    Page(Page),
    Json(Value),
    /// A way elsewhere, always with 303.
    Redirect(Destination),
    /// The same at another address, always with 308.
    Moved(Destination),
    Text {
        text: String,
        media_type: &'static str,
    },
    /// No content: another proxy asked who it is, and finds it in the head.
    Identity(StatedIdentity),
    /// What a device is told that did not get what it asked for.
    Problem(DeviceProblem, ProblemTold),
}

/// What is said of a problem besides its word.
#[derive(Debug, Default)]
pub(super) struct ProblemTold {
    /// In place of the problem's usual explanation.
    pub(super) detail: Option<String>,
    /// When it is worth asking again, if it is.
    pub(super) retry_after: Option<Duration>,
}

/// How an answer of our own went. There is no 401, 403 or 407 here.
#[derive(Clone, Copy, Debug)]
pub(super) enum OwnStatus {
    /// 200.
    Ok,
    /// 201: there is something now that was not.
    Created,
    /// 202: it is not done yet.
    Accepted,
    /// People and programs are told the same.
    Status(FaultStatus),
    /// People get the page, programs a problem.
    Failed(OwnFailure),
}

/// Why one of our own paths could not do what it is for.
#[derive(Clone, Copy, Debug)]
pub enum OwnFailure {
    /// 503, soon over: as many as may be at once are at it.
    Busy,
    /// 502: the provider answered, and its answer is invalid. For programs, what was wrong with it.
    InvalidResponse(&'static str),
    /// 429: so many wrong PINs were typed that none is looked at.
    TooManyGuesses {
        /// When one is again.
        retry_after: Duration,
    },
    /// 503: something that is needed does not answer.
    Unavailable {
        /// When it is worth asking again.
        retry_after: Duration,
        /// For programs: what cannot be done.
        detail: &'static str,
    },
}

/// Where a browser may be sent: to a provider, to a page of this site that neither begins nor ends a session, or to the same
/// address by https.
#[derive(Debug)]
pub struct Destination(String);

/// A fresh nonce for the next proof (RFC 9449 §8.1).
const DPOP_NONCE: HeaderName = HeaderName::from_static("dpop-nonce");
const PLAIN: &str = "text/plain; charset=utf-8";

impl OwnAnswer {
    /// A page, with 200.
    pub fn page(page: Page) -> Self {
        Self::of(OwnContent::Page(page))
    }

    /// A page that says what came to nothing. Programs are told as problem details (RFC 9457).
    pub fn failed(failure: OwnFailure, page: Page) -> Self {
        Self { status: OwnStatus::Failed(failure), ..Self::page(page) }
    }

    /// JSON, with 200.
    pub fn json(value: Value) -> Self {
        Self::of(OwnContent::Json(value))
    }

    /// JSON, with 201: something was made.
    pub fn created(value: Value) -> Self {
        Self { status: OwnStatus::Created, ..Self::json(value) }
    }

    /// JSON, with 202: what was asked for is not done yet.
    pub fn accepted(value: Value) -> Self {
        Self { status: OwnStatus::Accepted, ..Self::json(value) }
    }

    /// What a device is told that did not get what it asked for: problem details (RFC 9457), whoever asks.
    pub fn device_problem(problem: DeviceProblem) -> Self {
        let why = Why { reason: Some(problem.as_str()), ..Why::default() };
        Self::of(OwnContent::Problem(problem, ProblemTold::default())).log(why)
    }

    /// With what exactly is wrong, where a problem says only what kind of thing is.
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        if let OwnContent::Problem(_, told) = &mut self.content {
            told.detail = Some(detail.into());
        }
        self
    }

    /// With when it is worth asking again.
    pub fn retry_after(mut self, wait: Duration) -> Self {
        if let OwnContent::Problem(_, told) = &mut self.content {
            told.retry_after = Some(wait);
        }
        self
    }

    /// With a fresh nonce for the device's next proof (RFC 9449 §8). A nonce that is no header value is left out.
    pub fn nonce(self, nonce: &str) -> Self {
        self.field(DPOP_NONCE, nonce)
    }

    /// 303: a GET follows, whatever the method was (RFC 9110 §15.4.4).
    pub fn redirect(to: Destination) -> Self {
        Self::of(OwnContent::Redirect(to))
    }

    /// 308: the same request, with its method and its body, belongs elsewhere (RFC 9110 §15.4.9).
    pub fn moved(to: Destination) -> Self {
        Self::of(OwnContent::Moved(to))
    }

    /// Plain text, with 200.
    pub fn text(text: impl Into<String>) -> Self {
        Self::text_as(PLAIN, text)
    }

    /// Text of another media type, with 200.
    pub fn text_as(media_type: &'static str, text: impl Into<String>) -> Self {
        Self::of(OwnContent::Text { text: text.into(), media_type })
    }

    /// Who it is, for another proxy, which copies the fields: with 200.
    pub fn identity(stated: StatedIdentity) -> Self {
        Self::of(OwnContent::Identity(stated))
    }

    /// For a frame on a page of one of `origins`, and of no other: pages of ours go into none. One that is no header value is
    /// left out.
    pub fn framed_by(self, origins: &[url::Origin]) -> Self {
        let origins: Vec<_> = origins.iter().map(url::Origin::ascii_serialization).collect();
        let policy = format!("default-src 'none'; frame-ancestors {}", origins.join(" "));
        self.field(CONTENT_SECURITY_POLICY, &policy)
    }

    /// With another status than 200; people and programs are told the same.
    pub fn status(self, status: FaultStatus) -> Self {
        Self { status: OwnStatus::Status(status), ..self }
    }

    /// With cookies to keep or to take back.
    pub fn cookies(mut self, cookies: impl IntoIterator<Item = SetCookie>) -> Self {
        self.cookies.extend(cookies);
        self
    }

    /// With the ticket's cookie taken back, if there is a right to it.
    pub fn clear(self, clear: Option<ClearCookie>) -> Self {
        Self { clear, ..self }
    }

    /// With what the log says about it.
    pub(crate) fn log(self, why: Why) -> Self {
        Self { why: Some(why), ..self }
    }

    fn field(self, name: HeaderName, value: &str) -> Self {
        Self { field: HeaderValue::from_str(value).ok().map(|value| Box::new((name, value))), ..self }
    }

    fn of(content: OwnContent) -> Self {
        Self { content, status: OwnStatus::Ok, cookies: Vec::new(), clear: None, why: None, field: None }
    }
}

impl Destination {
    /// A provider's address, with our question.
    pub fn provider(address: &Url) -> Self {
        Self(address.to_string())
    }

    /// A page of this site.
    pub fn page(page: &ReturnTo) -> Self {
        Self(page.as_str().to_owned())
    }

    /// The same path and query at one of our own hosts, by https.
    pub fn https(host: &str, port: Option<u16>, target: &PathAndQuery) -> Self {
        let port = port.map(|port| format!(":{port}")).unwrap_or_default();
        Self(format!("https://{host}{port}{target}"))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}
