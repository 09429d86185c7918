//! AnswerWriter over HTTP: the status, a challenge or `Retry-After`, and problem details (RFC 9457).

use std::{fmt, sync::Arc, time::Duration};

use http::{
    HeaderValue, Response,
    header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE},
};
use serde_json::json;

use super::{
    AuthLayer,
    answer::{AnswerWriter, Answered, sealed::Sealed},
};
use crate::{dependency::Dependency, resource_server::NotAdmitted, verdict::Stop};

/// AnswerWriter over HTTP.
#[derive(Clone, Default)]
pub struct HttpAnswers {
    write: Option<Arc<WriteBody>>,
}

/// What a body can say. The status and the header fields are chosen already.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Problem {
    /// `credential-missing`, `credential-invalid`, `not-permitted`, `verdict-unavailable` or `bad-request`.
    pub word: &'static str,
    /// The same for people who read it.
    pub title: &'static str,
    /// The status, as it is on the wire.
    pub status: u16,
    /// What was missing, of `verdict-unavailable`.
    pub dependency: Option<Dependency>,
    /// When it is worth asking again, of `verdict-unavailable`: as `Retry-After` says it, in whole seconds.
    pub retry_after: Option<Duration>,
}

/// A body and its media type.
type WriteBody = dyn Fn(&Problem) -> (String, String) + Send + Sync;

impl AuthLayer<HttpAnswers> {
    /// The same with other bodies: `write` gives a media type and a body for each answer of ours. It chooses no status.
    pub fn body(self, write: impl Fn(&Problem) -> (String, String) + Send + Sync + 'static) -> Self {
        Self { answers: self.answers.writing(write), ..self }
    }
}

impl HttpAnswers {
    /// The same with bodies that `write` gives.
    pub(super) fn writing(self, write: impl Fn(&Problem) -> (String, String) + Send + Sync + 'static) -> Self {
        Self { write: Some(Arc::new(write)) }
    }
}

impl Sealed for HttpAnswers {}

impl<R: From<String>> AnswerWriter<R> for HttpAnswers {
    fn answer(&self, why: &NotAdmitted, scopes: &[Arc<str>]) -> Response<R> {
        let answered = Answered::of(why);
        let problem = Problem::of(answered, why);
        let (media_type, body) = self.write.as_ref().map_or_else(|| problem.json(), |write| write(&problem));
        let mut response = Response::new(R::from(body));
        *response.status_mut() = answered.status();
        let fields = response.headers_mut();
        fields.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Ok(media_type) = HeaderValue::try_from(media_type) {
            fields.insert(CONTENT_TYPE, media_type);
        }
        if let Some(challenge) = answered.challenge(scopes) {
            fields.insert(WWW_AUTHENTICATE, challenge);
        }
        if let Some(seconds) = answered.retry_after() {
            fields.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

impl Problem {
    fn of(answered: Answered, why: &NotAdmitted) -> Self {
        let dependency = match why {
            NotAdmitted::Stop(Stop::Unavailable(unavailable)) => Some(unavailable.dependency),
            NotAdmitted::Stop(Stop::Rejected(_)) | NotAdmitted::Ambiguous(_) => None,
        };
        Self {
            word: answered.word(),
            title: answered.title(),
            status: answered.status().as_u16(),
            dependency,
            retry_after: answered.retry_after().map(Duration::from_secs),
        }
    }

    /// Problem details. What was missing is for the log, not for whoever asked.
    fn json(&self) -> (String, String) {
        let mut problem = json!({
            "type": format!("urn:candor:problem:{}", self.word),
            "title": self.title,
            "status": self.status,
        });
        if let Some(wait) = self.retry_after {
            problem["retry_after"] = wait.as_secs().into();
        }
        ("application/problem+json".to_owned(), problem.to_string())
    }
}

impl fmt::Debug for HttpAnswers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HttpAnswers")
    }
}
