//! What leaves: the only file that puts a status on the wire.
//!
//! A [`Reply`] says what happened; [`Reply::into_http`] says it in the form of whoever asked. 401, 403 and the redirect
//! to our own sign-in come from a [`Refusal`], which takes a proven [`Rejected`], or from an upstream answer that was
//! judged. That is checked once more on the finished response: a debug build panics, a release build answers 500 and
//! rings an alarm. What the pages say is in `notices`, what programs are told in `problem`.

use std::time::Duration;

use auth_core::{
    alarm::{self, Alarm},
    principal::Silence,
    session::LogoutReach,
    verdict::{Reason, Rejected, Unavailable, Uncertainty},
};
use http::{
    HeaderName, HeaderValue, Response, StatusCode,
    header::{
        ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION, REFERRER_POLICY,
        RETRY_AFTER, SET_COOKIE, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
    },
};

use crate::{
    body::Body,
    config::site::Site,
    fault::{self, AnswerWord, ClientKind, Fault, FaultStatus},
    request::id::RequestId,
    response::{
        answer::{Answer, OwnAnswer, Recourse, Refusal, SignInFailure},
        cookies::{ClearCookie, SetCookie},
        page::{self, Page},
        pages,
        problem::ProblemDetails,
    },
    upstream::VettedResponse,
};

/// What kind of answer this is (design: a closed list, [`AnswerWord`]).
pub const ANSWER: HeaderName = HeaderName::from_static("x-gateway-answer");
/// Where a person signs in, for a proxy that asks on their behalf.
pub const SIGN_IN: HeaderName = HeaderName::from_static("x-gateway-sign-in");
const PROXY_STATUS: HeaderName = HeaderName::from_static("proxy-status");

/// An answer to one request, not yet in the form of its asker.
#[derive(Debug)]
#[must_use]
pub struct Reply {
    /// What happened.
    pub answer: Answer,
    /// Who asked. It changes the form only.
    pub client_kind: ClientKind,
    /// Which request this answers.
    pub id: RequestId,
    /// What whoever asked may do next, as far as the form depends on it.
    pub recourse: Recourse,
}

/// What kind of answer `response` is.
pub fn kind_of<B>(response: &Response<B>) -> AnswerWord {
    let word = response.headers().get(ANSWER).and_then(|word| AnswerWord::parse(word.to_str().ok()?));
    word.unwrap_or(AnswerWord::InternalError)
}

/// A response in the making: what an answer decides besides its body.
struct Head {
    status: StatusCode,
    word: AnswerWord,
    retry: Option<u64>,
}

impl Reply {
    /// The response, in the form of its asker.
    pub fn into_http(self, site: &Site) -> Response<Body> {
        let Self { answer, client_kind, id, recourse } = self;
        let form = Form { client_kind, id, recourse, site };
        #[cfg(candor_mutants)]
        if let Answer::Fault(Fault::ConnectFailed(..) | Fault::UpstreamReset(_) | Fault::NoEndpoint { .. }) = &answer
            && auth_core::mutants::is("unreachable-is-401")
        {
            return form.said(&Head::new(StatusCode::UNAUTHORIZED, AnswerWord::CredentialInvalid), None, Page::default);
        }
        let (response, proven) = match answer {
            Answer::Fault(fault) => (form.fault(&fault), false),
            Answer::Unavailable(unavailable) => (form.unavailable(&unavailable), false),
            Answer::Refused(refusal) => (form.refused(refusal), true),
            Answer::Own(own) => (form.own(own), false),
            Answer::Upstream(passed) => (form.upstream(passed), true),
        };
        #[cfg(candor_mutants)]
        let proven =
            proven || ["token-500-is-not-signed-in", "store-error-loops"].into_iter().any(auth_core::mutants::is);
        if proven || !blames_the_caller(&response, site) {
            return response;
        }
        debug_assert!(false, "a {} without a proof", response.status());
        alarm::ring(
            Alarm::BlameWithoutProof,
            "an answer that blames the caller came without a proof; 500 was sent instead",
        );
        form.fault(&Fault::Internal("an answer that blames the caller came without a proof".into()))
    }
}

/// 401, 403, or a redirect to our own sign-in.
fn blames_the_caller(response: &Response<Body>, site: &Site) -> bool {
    matches!(response.status(), StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
        || response.headers().get(LOCATION).is_some_and(|location| site.is_login(location))
}

/// The form of one answer: for whom, where, under what names.
struct Form<'s> {
    client_kind: ClientKind,
    id: RequestId,
    recourse: Recourse,
    site: &'s Site,
}

impl Form<'_> {
    fn fault(&self, fault: &Fault) -> Response<Body> {
        let status = fault.status(self.client_kind);
        let retry = fault.retry_after().map(|wait| self.spread(wait));
        let head = Head { retry, ..Head::new(status.into(), fault.word()) };
        let page = || match (fault, retry) {
            // Their sign-in is what cannot be checked, not the service.
            (Fault::UndecidedIdentity(_), Some(retry)) => pages::unavailable(self.link_here(), self.sign_in(), retry),
            _ => pages::fault(fault, status, self.link_here(), retry),
        };
        let mut response = self.said(&head, Some(fault.explain()), page);
        set(&mut response, PROXY_STATUS, fault.proxy_status());
        if let Some(allow) = fault.allow() {
            response.headers_mut().insert(ALLOW, allow);
        }
        if fault.ends_connection() {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }

    fn unavailable(&self, unavailable: &Unavailable) -> Response<Body> {
        if let Uncertainty::NotStated(silence) = unavailable.uncertainty() {
            return self.not_stated(unavailable, silence);
        }
        let retry = self.spread(unavailable.retry_after);
        let head =
            Head { retry: Some(retry), ..Head::new(StatusCode::SERVICE_UNAVAILABLE, AnswerWord::VerdictUnavailable) };
        let detail = "Something that is needed to check the credential does not answer. Keep it, and ask again later.";
        let page = || pages::unavailable(self.link_here(), self.sign_in(), retry);
        let mut response = self.said(&head, Some(detail), page);
        set(&mut response, PROXY_STATUS, fault::VERDICT_UNAVAILABLE);
        response
    }

    /// We know who it is, and their issuer did not say whether they may: nothing is down, and nothing is refused.
    fn not_stated(&self, unavailable: &Unavailable, silence: Silence) -> Response<Body> {
        let head = Head {
            retry: Some(self.spread(unavailable.retry_after)),
            ..Head::new(FaultStatus::ServiceUnavailable.into(), AnswerWord::GroupsNotStated)
        };
        let detail = "The issuer did not state the groups or roles that this address asks for. Keep the credential.";
        self.said(&head, Some(detail), || pages::groups_not_stated(silence, self.sign_in()))
    }

    fn refused(&self, refusal: Refusal) -> Response<Body> {
        let (rejected, forget) = refusal.into_parts();
        let mut response = match (rejected.reason(), self.client_kind) {
            (Reason::NotPermitted, _) => {
                let head = Head::new(StatusCode::FORBIDDEN, AnswerWord::NotPermitted);
                self.said(&head, Some("We know who asks, and they have no access here."), || {
                    pages::not_permitted(self.sign_in())
                })
            }
            (Reason::Expired, ClientKind::Device) => self.renewal_required(),
            (_, ClientKind::Browser) if self.recourse.repeatable && self.recourse.sign_in => {
                let login = self.site.login(self.recourse.here.as_deref());
                self.see_other(&login, word_of(&rejected))
            }
            (_, _) => self.unauthorized(&rejected),
        };
        if let Some(forget) = forget {
            append(&mut response, [SetCookie::forget_ticket(forget, self.site)]);
        }
        response
    }

    /// 401 with the challenge of RFC 6750 §3: no error code where no credential was given.
    fn unauthorized(&self, rejected: &Rejected) -> Response<Body> {
        let word = word_of(rejected);
        let detail = match word {
            // What came instead, if anything did: one of a few sentences, and nothing of the request.
            AnswerWord::CredentialMissing => sentence(&rejected.detail().to_string()),
            _ => "The credential is provably no good.".to_owned(),
        };
        let head = Head::new(StatusCode::UNAUTHORIZED, word);
        let mut response = self.said(&head, Some(&detail), || {
            // What was sent is still in the reader's tab: let them sign in beside it.
            pages::not_signed_in(self.recourse.sign_in.then(|| self.site.login(Some(&self.site.own("me")))))
        });
        let realm = self.site.origin();
        let challenge = match word {
            AnswerWord::CredentialMissing => format!("Bearer realm=\"{realm}\""),
            _ => format!("Bearer realm=\"{realm}\", error=\"invalid_token\""),
        };
        set(&mut response, WWW_AUTHENTICATE, challenge);
        if self.client_kind == ClientKind::ForwardAuth
            && let Some(sign_in) = self.sign_in()
        {
            set(&mut response, SIGN_IN, format!("{}{sign_in}", self.site.origin()));
        }
        response
    }

    /// A device whose token has merely run out can get another one with its key.
    fn renewal_required(&self) -> Response<Body> {
        let head = Head {
            retry: Some(self.spread(Unavailable::RETRY_AFTER)),
            ..Head::new(StatusCode::SERVICE_UNAVAILABLE, AnswerWord::RenewalRequired)
        };
        self.said(&head, Some(fault::RENEWAL_REQUIRED), Page::default)
    }

    fn upstream(&self, passed: VettedResponse) -> Response<Body> {
        let (head, body) = passed.into_parts();
        let mut response = Response::from_parts(head, body);
        response.headers_mut().insert(ANSWER, AnswerWord::Upstream.header());
        response.headers_mut().insert(RequestId::HEADER, self.id.header());
        response
    }
}

impl Form<'_> {
    fn own(&self, own: OwnAnswer) -> Response<Body> {
        let ok = Head::new(StatusCode::OK, AnswerWord::Own);
        match own {
            OwnAnswer::Json(value) => self.content(&ok, value.to_string(), "application/json"),
            OwnAnswer::Me(principal) => self.page(&ok, &pages::signed_in(&principal, self.site)),
            OwnAnswer::Explain(word) => self.page(&ok, &pages::explain(word)),
            OwnAnswer::Vouched(headers) => {
                let mut response = self.respond(&ok, Body::empty());
                response.headers_mut().extend(headers);
                response
            }
            OwnAnswer::Choose(providers) => self.page(&ok, &pages::choose(providers)),
            OwnAnswer::ToProvider { location, cookies } => with(self.see_other(&location, AnswerWord::Own), cookies),
            OwnAnswer::SignedIn { cookies, return_to } => with(self.see_other(&return_to, AnswerWord::Own), cookies),
            OwnAnswer::SignInFailed { how, begin, cookies } => with(self.sign_in_failed(how, begin), cookies),
            OwnAnswer::SignInBusy { begin } => self.sign_in_busy(begin),
            OwnAnswer::SignInUnavailable { unavailable, begin, cookies } => {
                let here = self.link_here().filter(|_| cookies.is_empty());
                with(self.sign_in_unavailable(&unavailable, here, begin), cookies)
            }
            OwnAnswer::ConfirmLogout => {
                let mut response = self.page(&ok, &pages::confirm_logout(self.site));
                // Under `no-referrer` browsers post a form with `Origin: null` (Fetch §3.2), and the ones that send no
                // Sec-Fetch-Site could never sign out.
                response.headers_mut().insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
                response
            }
            OwnAnswer::SignedOut { forget, reach } => {
                let done = serde_json::json!({ "signed_out": true, "elsewhere": reach == LogoutReach::Everywhere });
                let response = match self.client_kind {
                    ClientKind::Browser => self.page(&ok, &pages::signed_out(reach)),
                    _ => self.content(&ok, done.to_string(), "application/json"),
                };
                self.forgetting(response, forget)
            }
            OwnAnswer::Metrics(text) => self.content(&ok, text, "text/plain; version=0.0.4; charset=utf-8"),
            OwnAnswer::Well => self.content(&ok, "ok\n", "text/plain; charset=utf-8"),
            OwnAnswer::Draining => {
                let head = Head::new(FaultStatus::ServiceUnavailable.into(), AnswerWord::Own);
                self.content(&head, "draining\n", "text/plain; charset=utf-8")
            }
            OwnAnswer::WasNotSignedIn { forget } => {
                self.forgetting(self.page(&ok, &pages::was_not_signed_in()), forget)
            }
        }
    }

    fn sign_in_failed(&self, how: SignInFailure, begin: String) -> Response<Body> {
        let page = match how {
            SignInFailure::BeginAgain => pages::begin_again(begin),
            SignInFailure::CookiesBlocked => pages::cookies_blocked(begin),
            SignInFailure::Refused { objection, word, description } => {
                pages::provider_refused(objection, &word, description.as_deref(), begin)
            }
            SignInFailure::InvalidResponse(invalid) => {
                let head = Head::new(FaultStatus::BadGateway.into(), AnswerWord::SignInFailed);
                let page = || pages::invalid_response(&invalid, begin);
                let mut response = self.said(&head, Some(invalid.explain()), page);
                set(&mut response, PROXY_STATUS, INVALID_RESPONSE);
                return response;
            }
        };
        self.page(&Head::new(FaultStatus::BadRequest.into(), AnswerWord::Own), &page)
    }

    /// Too much at once, and soon over: [`Fault::Overloaded`], with a way to begin once more.
    fn sign_in_busy(&self, begin: String) -> Response<Body> {
        let fault = Fault::Overloaded;
        let retry = self.spread(fault.retry_after().unwrap_or(Unavailable::RETRY_AFTER));
        let head = Head { retry: Some(retry), ..Head::new(fault.status(self.client_kind).into(), fault.word()) };
        let page = || pages::sign_in_busy(self.link_here(), begin, retry);
        let mut response = self.said(&head, Some(fault.explain()), page);
        set(&mut response, PROXY_STATUS, fault.proxy_status());
        response
    }

    fn sign_in_unavailable(
        &self,
        unavailable: &Unavailable,
        here: Option<&str>,
        begin: Option<String>,
    ) -> Response<Body> {
        // Sooner only meets the limit on beginning sign-ins: an office shares an address.
        let retry = self.spread(unavailable.retry_after.max(Unavailable::RETRY_AFTER));
        let head = Head {
            retry: Some(retry),
            ..Head::new(FaultStatus::ServiceUnavailable.into(), AnswerWord::VerdictUnavailable)
        };
        let detail = "Something that is needed for signing in does not answer. Whoever is signed in stays so.";
        let page = || pages::sign_in_unavailable(here, begin, retry);
        let mut response = self.said(&head, Some(detail), page);
        set(&mut response, PROXY_STATUS, fault::VERDICT_UNAVAILABLE);
        response
    }

    fn forgetting(&self, mut response: Response<Body>, forget: Option<ClearCookie>) -> Response<Body> {
        append(&mut response, forget.map(|forget| SetCookie::forget_ticket(forget, self.site)));
        response
    }
}

impl Form<'_> {
    /// People get a page, programs a problem.
    fn said(&self, head: &Head, detail: Option<&str>, page: impl FnOnce() -> Page) -> Response<Body> {
        if self.client_kind == ClientKind::Browser {
            return self.page(head, &page());
        }
        let problem =
            ProblemDetails::new(head.word, head.status.as_u16(), detail.unwrap_or_default().into(), self.id, self.site)
                .retry_after(head.retry)
                .sign_in(self.sign_in().filter(|_| head.status == StatusCode::UNAUTHORIZED));
        self.content(head, problem.json(), ProblemDetails::MEDIA_TYPE)
    }

    fn content(&self, head: &Head, content: impl Into<bytes::Bytes>, media_type: &'static str) -> Response<Body> {
        let mut response = self.respond(head, Body::full(content));
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
        response
    }

    fn page(&self, head: &Head, page: &Page) -> Response<Body> {
        let mut response = self.respond(head, Body::full(page.html(&self.id.to_string())));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(page::security_policy()));
        response
    }

    /// 303, so that whatever the method was, a GET follows (RFC 9110 §15.4.4).
    fn see_other(&self, to: &str, word: AnswerWord) -> Response<Body> {
        let mut response = self.respond(&Head::new(StatusCode::SEE_OTHER, word), Body::empty());
        set(&mut response, LOCATION, to);
        response
    }

    fn respond(&self, head: &Head, body: Body) -> Response<Body> {
        let mut response = Response::new(body);
        *response.status_mut() = head.status;
        let headers = response.headers_mut();
        headers.insert(ANSWER, head.word.header());
        headers.insert(RequestId::HEADER, self.id.header());
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        if let Some(seconds) = head.retry {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }

    /// The address to load again, where loading it again sends nothing twice. It is the page's own, and an empty
    /// reference names that without repeating a query (RFC 3986 §4.4).
    fn link_here(&self) -> Option<&'static str> {
        self.recourse.repeatable.then_some("")
    }

    fn sign_in(&self) -> Option<String> {
        let back = self.recourse.here.as_deref().filter(|_| self.recourse.repeatable);
        self.recourse.sign_in.then(|| self.site.login(back))
    }

    /// `Retry-After` in seconds: never before `wait` is over, and a little after. Displays come in their thousands and
    /// are spread widest; but judging them again costs little, and each of them is dark until then.
    fn spread(&self, wait: Duration) -> u64 {
        let seconds: u64 = wait.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX).max(1);
        let by = if self.client_kind == ClientKind::Device {
            seconds.div_ceil(2).min(60)
        } else {
            seconds.div_ceil(4).min(30)
        };
        seconds.saturating_add(self.id.spread(by))
    }
}

/// The `Proxy-Status` of a provider's wrong answer: nothing was forwarded (RFC 9209 §2.3).
const INVALID_RESPONSE: &str = "candor; error=proxy_internal_response; details=\"sign-in-failed\"";

impl Head {
    fn new(status: StatusCode, word: AnswerWord) -> Self {
        Self { status, word, retry: None }
    }
}

/// What the log says, as a sentence.
fn sentence(text: &str) -> String {
    let mut rest = text.chars();
    rest.next().map(|first| format!("{}{}.", first.to_uppercase(), rest.as_str())).unwrap_or_default()
}

fn word_of(rejected: &Rejected) -> AnswerWord {
    match rejected.reason() {
        Reason::Missing => AnswerWord::CredentialMissing,
        Reason::NotPermitted => AnswerWord::NotPermitted,
        _ => AnswerWord::CredentialInvalid,
    }
}

fn with(mut response: Response<Body>, cookies: Vec<SetCookie>) -> Response<Body> {
    append(&mut response, cookies);
    response
}

fn append(response: &mut Response<Body>, cookies: impl IntoIterator<Item = SetCookie>) {
    for cookie in cookies {
        response.headers_mut().append(SET_COOKIE, cookie.into_header());
    }
}

/// Sets a field whose value we composed; a character that does not fit drops the field, never the answer.
fn set(response: &mut Response<Body>, name: HeaderName, value: impl AsRef<str>) {
    if let Ok(value) = HeaderValue::from_str(value.as_ref()) {
        response.headers_mut().insert(name, value);
    }
}

#[cfg(test)]
mod tests;
