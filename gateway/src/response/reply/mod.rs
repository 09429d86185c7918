//! What leaves: the only file that puts a status on the wire.
//!
//! A [`Reply`] says what happened; [`Reply::into_http`] says it in the form of whoever asked. 401, 403 and the redirect
//! to our own sign-in come from a [`Refusal`], which takes a proven [`Rejected`], or from an upstream answer that was
//! vetted. That is checked once more on the finished response: a debug build panics, a release build answers 500 and
//! rings an alarm. Answers that blame nobody take their form in the files beside this one, which know no status but those
//! of `FaultStatus`; what pages say is in `pages` and with our own paths, what programs are told in `problem`.

#![warn(clippy::wildcard_enum_match_arm)]

mod fault;
mod form;
mod grpc;
mod own;
mod unavailable;

use auth_core::{
    alarm::{self, Alarm},
    verdict::{Reason, RefusalKind, Rejected},
};
use http::{
    HeaderName, HeaderValue, Response, StatusCode,
    header::{CACHE_CONTROL, LOCATION, REFERRER_POLICY, RETRY_AFTER, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS},
};

use self::form::{Form, append, set};
use crate::{
    body::Body,
    config::site::{LoginLink, Site},
    fault::{AnswerWord, ClientKind, Fault, FaultStatus},
    request::id::RequestId,
    response::{
        answer::{Answer, Recourse, Refusal},
        cookies::SetCookie,
        pages,
    },
    upstream::VettedResponse,
};

/// What kind of answer this is (one of a closed list, [`AnswerWord`]).
pub const ANSWER: HeaderName = HeaderName::from_static("x-gateway-answer");
/// Where a person signs in, for a proxy that asks on their behalf.
pub const SIGN_IN: HeaderName = HeaderName::from_static("x-gateway-sign-in");
const PROXY_STATUS: HeaderName = HeaderName::from_static("proxy-status");

/// An answer to one request, not yet in the form of whoever asked.
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
    /// The response, in the form of whoever asked.
    pub fn into_http(self, site: &Site) -> Response<Body> {
        let Self { answer, client_kind, id, recourse } = self;
        let form = Form { client_kind, id, recourse, site };
        #[cfg(candor_mutants)]
        if let Answer::Fault(Fault::ConnectFailed(..) | Fault::UpstreamReset(_) | Fault::NoEndpoint { .. }) = &answer
            && auth_core::mutants::is("unreachable-is-401")
        {
            let head = Head::new(StatusCode::UNAUTHORIZED, AnswerWord::CredentialInvalid);
            return form.said(&head, "", super::page::Page::default);
        }
        let (response, proven) = match answer {
            Answer::Fault(fault) => (form.fault(&fault), false),
            Answer::Unavailable(unavailable) => (form.unavailable(&unavailable), false),
            Answer::Refused(refusal) => (form.refused(refusal), true),
            Answer::Own(own) => (form.own(own), false),
            Answer::Upstream(passed) => (form.upstream(passed), true),
        };
        #[cfg(candor_mutants)]
        let proven = proven
            || ["token-500-is-not-signed-in", "store-error-loops", "grpc-unavailable-is-16"]
                .into_iter()
                .any(auth_core::mutants::is);
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

/// 401, 403, 407, a word or a gRPC status that says the same, or a redirect to our own sign-in.
fn blames_the_caller(response: &Response<Body>, site: &Site) -> bool {
    const STATUSES: [StatusCode; 3] =
        [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN, StatusCode::PROXY_AUTHENTICATION_REQUIRED];
    const WORDS: [AnswerWord; 3] =
        [AnswerWord::CredentialInvalid, AnswerWord::CredentialMissing, AnswerWord::NotPermitted];
    // The same request by https leads to sign-in only whoever was on the way there.
    let elsewhere = response.status() != StatusCode::PERMANENT_REDIRECT;
    STATUSES.contains(&response.status())
        || WORDS.contains(&kind_of(response))
        || grpc::blames_by_grpc(response)
        || (elsewhere && response.headers().get(LOCATION).is_some_and(|location| site.is_login(location)))
}

impl Form<'_> {
    fn refused(&self, refusal: Refusal) -> Response<Body> {
        let (rejected, forget) = refusal.into_parts();
        let mut response = match (rejected.reason(), self.client_kind) {
            (Reason::NotPermitted, _) => {
                let head = Head::new(StatusCode::FORBIDDEN, AnswerWord::NotPermitted);
                let name = rejected.display_name();
                let page = || pages::not_permitted(name, self.sign_in_as_another(), self.site.own("logout"));
                self.said(&head, "It is known who asks, and they have no access to this address.", page)
            }
            (Reason::Expired, ClientKind::Device) => self.renewal_required(),
            (_, ClientKind::Browser) if self.recourse.repeatable && self.recourse.sign_in => {
                // Whoever came by another address may be signed in at the public one.
                let unless_signed_in = self.recourse.elsewhere;
                let link =
                    LoginLink { return_to: self.recourse.here.as_deref(), unless_signed_in, ..LoginLink::default() };
                self.see_other(&self.login(&link), word_of(&rejected))
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
        let realm = self.site.origin();
        let (detail, challenge) = match rejected.reason() {
            // What came instead, if anything did: one of a few sentences, and nothing of the request.
            Reason::Missing => (sentence(&rejected.detail().to_string()), format!("Bearer realm=\"{realm}\"")),
            Reason::BadSeal
            | Reason::BadSignature
            | Reason::Ended
            | Reason::Expired
            | Reason::Inactive
            | Reason::Malformed
            | Reason::NotPermitted
            | Reason::RefreshRefused
            | Reason::Revoked
            | Reason::UnknownKey
            | Reason::WrongAudience
            | Reason::WrongIssuer => {
                let detail = "The credential is provably not valid.".to_owned();
                (detail, format!("Bearer realm=\"{realm}\", error=\"invalid_token\""))
            }
        };
        let head = Head::new(StatusCode::UNAUTHORIZED, word_of(rejected));
        let mut response = self.said(&head, &detail, || {
            // What was sent is still in the reader's tab: let them sign in beside it.
            let me = self.site.own("me");
            let link = LoginLink { return_to: Some(&me), ..LoginLink::default() };
            pages::not_signed_in(self.recourse.sign_in.then(|| self.login(&link)))
        });
        set(&mut response, WWW_AUTHENTICATE, challenge);
        if self.client_kind == ClientKind::ForwardAuth
            && let Some(sign_in) = self.sign_in()
        {
            set(&mut response, SIGN_IN, format!("{}{sign_in}", self.site.origin()));
        }
        response
    }

    fn upstream(&self, passed: VettedResponse) -> Response<Body> {
        let (head, body) = passed.into_parts();
        let mut response = Response::from_parts(head, body);
        response.headers_mut().insert(ANSWER, AnswerWord::Upstream.header());
        response.headers_mut().insert(RequestId::HEADER, self.id.header());
        response
    }
}

/// The statuses themselves: whatever leaves passes one of these, or the upstream's answer above.
impl Form<'_> {
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
}

impl Head {
    const OK: Self = Self { status: StatusCode::OK, word: AnswerWord::Own, retry: None };

    fn new(status: StatusCode, word: AnswerWord) -> Self {
        Self { status, word, retry: None }
    }

    /// Whether it says that whoever asks is not signed in.
    fn is_not_signed_in(&self) -> bool {
        self.status == StatusCode::UNAUTHORIZED
    }

    /// What blames nobody.
    fn failed(status: FaultStatus, word: AnswerWord, retry: Option<u64>) -> Self {
        Self { status: status.into(), word, retry }
    }
}

/// What the log says, as a sentence.
fn sentence(text: &str) -> String {
    let mut rest = text.chars();
    rest.next().map(|first| format!("{}{}.", first.to_uppercase(), rest.as_str())).unwrap_or_default()
}

fn word_of(rejected: &Rejected) -> AnswerWord {
    match rejected.reason().kind() {
        RefusalKind::Missing => AnswerWord::CredentialMissing,
        RefusalKind::Invalid => AnswerWord::CredentialInvalid,
        RefusalKind::NotPermitted => AnswerWord::NotPermitted,
    }
}

#[cfg(test)]
pub(crate) mod tests;
