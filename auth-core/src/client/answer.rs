//! What an answer means. Everything that is not understood is an outage.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::backoff::Heard;

/// What came back, as far as a device looks at it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct HttpAnswer {
    /// The status; `None` if there was no whole answer, for whatever reason.
    pub status: Option<u16>,
    /// `Content-Type`.
    pub content_type: Option<String>,
    /// `Retry-After`, when it is a number of seconds: a device has no clock for a date.
    pub retry_after: Option<u64>,
    /// `Auth-Renew`.
    pub auth_renew: Option<String>,
    /// `DPoP-Nonce`.
    pub nonce: Option<String>,
    /// The body, if it is text.
    pub body: String,
}

/// What a device takes an answer for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum AnswerMeaning {
    /// What was asked for.
    Good(Value),
    /// Not yet (202).
    Pending(Value),
    /// A problem of the gateway's own vocabulary, by its word. Nobody signed it: it is a hint, and erases nothing.
    Problem(String),
    /// A denial in nobody's name: a hint once it has come three times.
    Denied,
    /// An answer that says that our request was wrong. There is nothing to do about that.
    Odd(u16),
    /// Anything else: no answer, a page, a redirect, a server that is overloaded or broken.
    Outage,
}

impl HttpAnswer {
    /// No answer: refused, reset, late, cut short, a wrong certificate.
    pub fn none() -> Self {
        Self::default()
    }

    /// What it says about when to come again.
    pub(super) fn heard(&self) -> Heard {
        match (self.status, self.retry_after) {
            (None, _) => Heard::Silence,
            (Some(_), None) => Heard::Answer,
            (Some(_), Some(seconds)) => Heard::Told(Duration::from_secs(seconds)),
        }
    }

    /// What it means, where the gateway's own paths are under `own_prefix`.
    pub(super) fn meaning(&self, own_prefix: &str) -> AnswerMeaning {
        let Some(status) = self.status else { return AnswerMeaning::Outage };
        if let Some(word) = self.problem(own_prefix) {
            return AnswerMeaning::Problem(word);
        }
        match status {
            200 | 201 => self.json("application/json").map_or(AnswerMeaning::Outage, AnswerMeaning::Good),
            202 => self.json("application/json").map_or(AnswerMeaning::Outage, AnswerMeaning::Pending),
            401 | 403 => AnswerMeaning::Denied,
            408 | 425 | 429 => AnswerMeaning::Outage,
            400..=499 => AnswerMeaning::Odd(status),
            _ => AnswerMeaning::Outage,
        }
    }

    /// The word of a problem document (RFC 9457) of the gateway's.
    fn problem(&self, own_prefix: &str) -> Option<String> {
        self.status.filter(|status| *status >= 400)?;
        let document = self.json("application/problem+json")?;
        let word = document.get("type")?.as_str()?.rsplit_once("/problems/")?;
        let (before, word) = word;
        before.ends_with(own_prefix).then(|| word.to_owned())
    }

    /// Its body, if it is a JSON object or array and says so.
    fn json(&self, kind: &str) -> Option<Value> {
        let said = self.content_type.as_deref()?.split(';').next()?.trim();
        let is_kind = said.eq_ignore_ascii_case(kind);
        let value = serde_json::from_str(&self.body).ok().filter(|_| is_kind)?;
        matches!(value, Value::Object(_) | Value::Array(_)).then_some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(status: u16, kind: &str, body: &str, expected: &AnswerMeaning) {
        let answer = HttpAnswer {
            status: Some(status),
            content_type: Some(kind.to_owned()),
            body: body.to_owned(),
            ..HttpAnswer::default()
        };
        assert_eq!(answer.meaning("/.candor"), *expected, "{status} {kind} {body}");
    }

    #[test]
    fn only_json_that_says_so_is_good() {
        let json = "application/json";
        check(200, json, "{}", &AnswerMeaning::Good(serde_json::json!({})));
        check(200, "Application/JSON; charset=utf-8", "[]", &AnswerMeaning::Good(serde_json::json!([])));
        check(202, json, "{}", &AnswerMeaning::Pending(serde_json::json!({})));
        for (kind, body) in
            [("text/html", "{}"), (json, "<h1>"), (json, "{"), (json, ""), (json, "7"), ("text/json", "{}")]
        {
            check(200, kind, body, &AnswerMeaning::Outage);
        }
    }

    #[test]
    fn a_denial_is_a_hint_and_an_outage_is_an_outage() {
        for status in [401, 403] {
            check(status, "text/html", "", &AnswerMeaning::Denied);
            check(
                status,
                "application/json",
                r#"{"type":"/.candor/problems/credential-invalid"}"#,
                &AnswerMeaning::Denied,
            );
            let (foreign, own) = (r#"{"type":"/x/problems/y"}"#, r#"{"type":"/.candor/problems/credential-invalid"}"#);
            check(status, "application/problem+json", foreign, &AnswerMeaning::Denied);
            check(status, "application/problem+json", own, &AnswerMeaning::Problem("credential-invalid".to_owned()));
        }
        for status in [204, 301, 302, 304, 307, 408, 425, 429, 500, 502, 503, 504, 520, 599] {
            check(status, "text/html", "", &AnswerMeaning::Outage);
        }
        for status in [400, 404, 405, 407, 410, 415, 422] {
            check(status, "text/html", "", &AnswerMeaning::Odd(status));
        }
        assert_eq!(HttpAnswer::none().meaning("/.candor"), AnswerMeaning::Outage);
        let absolute = r#"{"type":"https://a.example/.candor/problems/device-unknown"}"#;
        check(404, "application/problem+json", absolute, &AnswerMeaning::Problem("device-unknown".to_owned()));
        check(200, "application/problem+json", absolute, &AnswerMeaning::Outage);
    }
}
