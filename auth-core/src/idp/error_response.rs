//! What a provider's refusal to exchange a code, or to refresh, means.
//!
//! Decided by the `error` word (RFC 6749 §5.2, OpenID Connect Core §3.1.2.6); Microsoft's own numbers only refine
//! it, since Microsoft says that they change. Whatever is not listed is not a refusal: it is an outage.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// An error answer of the token endpoint (RFC 6749 §5.2), with what a provider adds to it.
#[derive(Clone, Deserialize, Serialize)]
pub(super) struct TokenErrorResponse {
    error: String,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

/// What an [`TokenErrorResponse`] means for a sign-in under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// The code is old, used, or of another sign-in: a second click, or the back button. Begin again.
    StaleCode,
    /// The provider will not sign this person in, and told us why.
    Denied,
    /// It is busy, or broken.
    Transient,
    /// It saw too much of this person: minutes, not seconds.
    Throttled,
    /// It does not grant what we ask for, whoever comes: its word about `scopes`, and ours to repair.
    NotGranted,
    /// It does not know us, or not our request: ours to repair.
    OurConfiguration,
    /// A word that nobody listed.
    Unknown,
}

/// What a [`TokenErrorResponse`] means for a refresh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RefreshMeaning {
    /// The provider does not renew this person's sign-in.
    Refused,
    /// It saw too much of this person: minutes, not seconds.
    Throttled,
    /// It does not know us, or not our request: ours to repair.
    OurConfiguration,
    /// It is busy or broken, or says what says nothing about the person.
    Unknown,
}

/// Conditional Access, not assigned, disabled, wrong tenant, tenant restrictions, declined.
const DENIED: [u64; 18] = [
    53000, 53001, 53002, 53003, 53004, 53011, 530_032, 50105, 50057, 50020, 50034, 51004, 90072, 500_021, 500_022,
    500_212, 500_213, 65004,
];
const TRANSIENT: [u64; 16] =
    [50033, 50087, 70012, 80002, 80005, 80014, 90006, 90012, 90024, 90033, 90055, 90090, 90091, 40010, 50166, 501_621];
const THROTTLED: [u64; 3] = [50196, 50088, 50053];

impl TokenErrorResponse {
    /// Reads an error answer from a body, if it is one.
    pub(super) fn read(body: &[u8]) -> Option<Self> {
        serde_json::from_slice(body).ok()
    }

    pub(super) fn meaning(&self) -> Meaning {
        let codes = self.codes();
        let says = |list: &[u64]| codes.iter().any(|code| list.contains(code));
        match self.error.as_str() {
            _ if says(&THROTTLED) => Meaning::Throttled,
            "temporarily_unavailable" | "server_error" => Meaning::Transient,
            _ if says(&TRANSIENT) => Meaning::Transient,
            "invalid_grant" if says(&DENIED) => Meaning::Denied,
            "invalid_grant" => Meaning::StaleCode,
            "access_denied" | "consent_required" | "interaction_required" | "login_required" => Meaning::Denied,
            // Keycloak says `not_allowed` to whoever may not have the offline session that `offline_access` asks for.
            "invalid_scope" | "not_allowed" => Meaning::NotGranted,
            "invalid_client"
            | "invalid_request"
            | "invalid_resource"
            | "unauthorized_client"
            | "unsupported_grant_type"
            | "unsupported_response_type" => Meaning::OurConfiguration,
            _ => Meaning::Unknown,
        }
    }

    /// The same for a refresh: a shorter list, since what it refuses ends a session.
    pub(super) fn meaning_of_refresh(&self) -> RefreshMeaning {
        let codes = self.codes();
        let says = |list: &[u64]| codes.iter().any(|code| list.contains(code));
        match self.error.as_str() {
            _ if says(&THROTTLED) => RefreshMeaning::Throttled,
            _ if says(&TRANSIENT) => RefreshMeaning::Unknown,
            "invalid_grant" | "interaction_required" | "login_required" | "consent_required" => RefreshMeaning::Refused,
            "invalid_client"
            | "invalid_request"
            | "invalid_resource"
            | "invalid_scope"
            | "unauthorized_client"
            | "unsupported_grant_type" => RefreshMeaning::OurConfiguration,
            _ => RefreshMeaning::Unknown,
        }
    }

    /// What to do about one that means our configuration.
    pub(super) fn remedy(&self) -> &'static str {
        match self.error.as_str() {
            "invalid_client" => {
                "check `client_id` and `client_secret` in its `[[identity]]`, and whether the secret has run out there"
            }
            "unauthorized_client" | "unsupported_grant_type" | "unsupported_response_type" => {
                "check `client_id` in its `[[identity]]`, and that the provider lets this client sign people in by the \
                 authorization code flow"
            }
            "invalid_resource" => "check `scopes` in its `[[identity]]`",
            _ => "check its `[[identity]]` against what the provider has registered, the callback's address among it",
        }
    }

    /// The `error` word, fit to be shown.
    pub(super) fn word(&self) -> String {
        presentable(&self.error, 64)
    }

    /// The `error_description`, fit to be shown once it is escaped for where it stands.
    pub(super) fn description(&self) -> Option<String> {
        self.rest.get("error_description").and_then(Value::as_str).map(|text| presentable(text, 400))
    }

    /// The same without what it repeats of `secrets`: some providers quote the code that they refuse.
    pub(super) fn without(mut self, secrets: &[&str]) -> Self {
        self.error = hiding(&self.error, secrets);
        for value in self.rest.values_mut() {
            if let Value::String(text) = value {
                *text = hiding(text, secrets);
            }
        }
        self
    }

    fn codes(&self) -> Vec<u64> {
        let codes = self.rest.get("error_codes").and_then(Value::as_array);
        codes.map(|codes| codes.iter().filter_map(Value::as_u64).collect()).unwrap_or_default()
    }
}

/// Text of a stranger's, without control characters, and no longer than `most` characters.
pub(crate) fn presentable(text: &str, most: usize) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(most).collect::<String>().trim().to_owned()
}

/// A stranger's text without these secrets of ours, in case it quotes them, as they are or form-encoded.
pub(crate) fn hiding(text: &str, secrets: &[&str]) -> String {
    secrets.iter().filter(|secret| !secret.is_empty()).fold(text.to_owned(), |text, secret| {
        let encoded: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
        text.replace(secret, "[…]").replace(&encoded, "[…]")
    })
}

impl fmt::Display for TokenErrorResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.word())?;
        match self.description() {
            Some(description) => write!(f, ": {description}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for TokenErrorResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_listed_is_the_persons_doing() {
        let check = |body: &str, expected| {
            let answer = TokenErrorResponse::read(body.as_bytes()).expect("an error answer");
            assert_eq!(answer.meaning(), expected, "{body}");
        };
        check(r#"{"error":"invalid_grant"}"#, Meaning::StaleCode);
        check(r#"{"error":"invalid_grant","error_codes":[54005]}"#, Meaning::StaleCode);
        check(r#"{"error":"invalid_grant","error_codes":[70008],"suberror":"bad_token"}"#, Meaning::StaleCode);
        check(r#"{"error":"invalid_grant","error_codes":"nonsense"}"#, Meaning::StaleCode);
        check(r#"{"error":"invalid_grant","error_codes":[50196]}"#, Meaning::Throttled);
        check(r#"{"error":"invalid_grant","error_codes":[53003]}"#, Meaning::Denied);
        check(r#"{"error":"invalid_grant","error_codes":[90033]}"#, Meaning::Transient);
        check(r#"{"error":"interaction_required","error_codes":[50076]}"#, Meaning::Denied);
        check(r#"{"error":"consent_required"}"#, Meaning::Denied);
        check(r#"{"error":"temporarily_unavailable"}"#, Meaning::Transient);
        check(r#"{"error":"server_error"}"#, Meaning::Transient);
        check(r#"{"error":"invalid_client","error_codes":[7000222]}"#, Meaning::OurConfiguration);
        check(r#"{"error":"unauthorized_client"}"#, Meaning::OurConfiguration);
        check(r#"{"error":"invalid_scope"}"#, Meaning::NotGranted);
        check(r#"{"error":"invalid_scope","error_codes":[90033]}"#, Meaning::Transient);
        let keycloak =
            r#"{"error":"not_allowed","error_description":"Offline tokens not allowed for the user or client"}"#;
        check(keycloak, Meaning::NotGranted);
        check(r#"{"error":"invalid_token"}"#, Meaning::Unknown);
        check(r#"{"error":"INVALID_GRANT"}"#, Meaning::Unknown);
    }

    #[test]
    fn what_is_no_error_answer_is_none() {
        let check = |body: &str| assert!(TokenErrorResponse::read(body.as_bytes()).is_none(), "{body}");
        check("");
        check("<html>");
        check("{}");
        check(r#"{"error":7}"#);
        check(r#"{"error":{"code":"invalid_grant"}}"#);
    }

    #[test]
    fn what_a_provider_quotes_of_our_secrets_is_not_told() {
        let check = |text: &str, expected: &str| assert_eq!(hiding(text, &["c0d3", "a b+", ""]), expected);
        check("the code c0d3 is stale (c0d3)", "the code […] is stale ([…])");
        check("a b+ or a+b%2B", "[…] or […]");
        check("nothing", "nothing");
        let body = r#"{"error":"c0d3","error_description":"not c0d3","error_codes":[50196]}"#;
        let answer = TokenErrorResponse::read(body.as_bytes()).expect("an error answer").without(&["c0d3"]);
        assert_eq!(answer.to_string(), "[…]: not […]");
        assert_eq!(answer.meaning(), Meaning::Throttled, "the rest stays");
    }

    #[test]
    fn a_strangers_text_is_bounded_and_plain() {
        assert_eq!(presentable("a\r\nb\u{0}c", 10), "a  b c");
        assert_eq!(presentable(&"x".repeat(1000), 64).len(), 64);
    }
}
