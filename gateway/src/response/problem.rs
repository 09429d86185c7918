//! Problem details for programs (RFC 9457).

use bytes::Bytes;
use serde::Serialize;

use crate::{
    config::site::Site,
    fault::{AnswerWord, DeviceProblem},
    request::id::RequestId,
    response::pages,
};

/// What a program is told about an answer that is not the one it wanted. Nothing inside is named.
#[derive(Debug, Serialize)]
pub(crate) struct ProblemDetails {
    /// Where the word is explained, relative to us.
    r#type: String,
    title: &'static str,
    status: u16,
    detail: String,
    /// The request, as the log names it.
    instance: String,
    /// The same as `Retry-After`, for programs that read bodies only.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after: Option<u64>,
    /// The same, for devices.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_s: Option<u64>,
    /// For devices: whether this is a reason to erase anything. It never is.
    #[serde(skip_serializing_if = "Option::is_none")]
    wipe: Option<bool>,
    /// For devices: the title, where the apps of before look for a reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'static str>,
    /// Where a person would sign in.
    #[serde(skip_serializing_if = "Option::is_none")]
    sign_in: Option<String>,
}

impl ProblemDetails {
    /// The media type (RFC 9457 §3).
    pub(crate) const MEDIA_TYPE: &'static str = "application/problem+json";

    /// The problem that `word` names.
    pub(crate) fn new(word: AnswerWord, status: u16, detail: String, id: RequestId, site: &Site) -> Self {
        Self::named(word.as_str(), pages::title(word), status, detail, id, site)
    }

    /// What a device is told.
    pub(crate) fn of_device(problem: DeviceProblem, status: u16, detail: String, id: RequestId, site: &Site) -> Self {
        Self::named(problem.as_str(), problem.title(), status, detail, id, site)
    }

    fn named(word: &str, title: &'static str, status: u16, detail: String, id: RequestId, site: &Site) -> Self {
        Self {
            r#type: site.problem(word),
            title,
            status,
            detail,
            instance: format!("urn:uuid:{id}"),
            retry_after: None,
            retry_after_s: None,
            wipe: None,
            error: None,
            sign_in: None,
        }
    }

    /// With the members that devices look for.
    pub(crate) fn for_device(self) -> Self {
        Self { retry_after_s: self.retry_after, wipe: Some(false), error: Some(self.title), ..self }
    }

    /// Worth asking again after so many seconds.
    pub(crate) fn retry_after(self, seconds: Option<u64>) -> Self {
        Self { retry_after: seconds, ..self }
    }

    /// With the address where a person signs in.
    pub(crate) fn sign_in(self, address: Option<String>) -> Self {
        Self { sign_in: address, ..self }
    }

    /// The problem as JSON.
    pub(crate) fn json(&self) -> Bytes {
        serde_json::to_vec(self).expect("strings and numbers").into()
    }
}
