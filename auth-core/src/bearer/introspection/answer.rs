//! What an answer of an introspection endpoint says (RFC 7662 §2.2).
//!
//! Only a whole answer that says `active`, true or false, says anything. Whatever else comes is no answer: a page, a guess
//! at JSON, a member of the wrong type, an error beside `active`.

use std::{sync::Arc, time::Duration};

use http::{StatusCode, header};
use serde_json::{Map, Value};

use super::Active;
use crate::{
    clock::{Now, Past, Timestamp},
    jws::{numeric_date, strict_object},
    outbound::Answer,
};

/// What an issuer says of a token.
#[derive(Clone)]
pub(in super::super) enum Introspected {
    /// It is active, and this is said of it.
    Active(Active),
    /// It is not: unknown, over or revoked, which is not said.
    Inactive,
}

/// Why an answer says nothing of the token. It never quotes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoAnswer {
    #[error("the introspection endpoint answered 200 without application/json")]
    NotJson,
    #[error("the introspection answer is no strict JSON object")]
    NoObject,
    #[error("the introspection answer has an `error`")]
    Error,
    #[error("`{0}` in the introspection answer is missing or of the wrong type")]
    Member(&'static str),
    #[error("the introspection answer calls a token active that is long over by its own `exp`")]
    Over,
}

/// Longer than any clock may differ.
const LONGEST_LEEWAY: Duration = Duration::from_secs(300);

/// Members that are texts where they are there at all (RFC 7662 §2.2; `token_use` is Ory Hydra's, `typ` Keycloak's).
const TEXTS: [&str; 8] = ["client_id", "iss", "scope", "sub", "token_type", "token_use", "typ", "username"];

impl Introspected {
    /// Reads a 200 to what was asked at `asked`.
    pub(super) fn read(answer: &Answer, asked: Now) -> Result<Self, NoAnswer> {
        debug_assert_eq!(answer.status, StatusCode::OK, "what else comes is judged by its status");
        if !is_json(answer) {
            return Err(NoAnswer::NotJson);
        }
        let mut said = strict_object(&answer.body).map_err(|_| NoAnswer::NoObject)?;
        if said.contains_key("error") {
            return Err(NoAnswer::Error);
        }
        match said.remove("active") {
            Some(Value::Bool(true)) => {}
            Some(Value::Bool(false)) => return Ok(Self::Inactive),
            Some(_) | None => return Err(NoAnswer::Member("active")),
        }
        // A claim that should have been left out.
        said.retain(|_, value| !value.is_null());
        well_formed(&said)?;
        let until = date(&said, "exp")?;
        // It contradicts itself: what was said before still stands.
        if until.is_some_and(|until| asked.past(until + LONGEST_LEEWAY) == Past::Yes) {
            return Err(NoAnswer::Over);
        }
        Ok(Self::Active(Active { said: Arc::new(said), until, asked }))
    }
}

fn is_json(answer: &Answer) -> bool {
    let text = answer.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    text.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json")
}

/// Whether what is there is of its type.
fn well_formed(said: &Map<String, Value>) -> Result<(), NoAnswer> {
    if let Some(name) = TEXTS.into_iter().find(|name| said.get(*name).is_some_and(|value| !value.is_string())) {
        return Err(NoAnswer::Member(name));
    }
    let names = |value: &Value| match value {
        Value::String(_) => true,
        Value::Array(many) => !many.is_empty() && many.iter().all(Value::is_string),
        _ => false,
    };
    if said.get("aud").is_some_and(|aud| !names(aud)) {
        return Err(NoAnswer::Member("aud"));
    }
    date(said, "nbf")?;
    // Without it nobody can tell whether somebody was signed out since.
    date(said, "iat")?.ok_or(NoAnswer::Member("iat")).map(drop)
}

fn date(said: &Map<String, Value>, name: &'static str) -> Result<Option<Timestamp>, NoAnswer> {
    said.get(name).map(|value| numeric_date(value).ok_or(NoAnswer::Member(name))).transpose()
}
