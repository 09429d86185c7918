//! The claims of a token: typed, and the required ones there.

use serde_json::{Map, Value};

use crate::clock::Timestamp;

/// The claims of a token whose signature held. Only what is typed here was checked; the rest is in `all`.
#[derive(Clone, Debug)]
pub struct Claims {
    /// Who issued it.
    pub iss: String,
    /// Whom it is about.
    pub sub: String,
    /// Whom it is for.
    pub aud: Vec<String>,
    /// When it expires.
    pub exp: Timestamp,
    /// When it was issued.
    pub iat: Timestamp,
    /// When it begins.
    pub nbf: Option<Timestamp>,
    /// OpenID Connect Core §3.1.2.1.
    pub nonce: Option<String>,
    /// To whom it was issued (OpenID Connect Core §2).
    pub azp: Option<String>,
    /// Every claim, the typed ones too.
    pub all: Map<String, Value>,
}

impl Claims {
    /// A claim that is a string.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.all.get(name)?.as_str()
    }

    /// A claim that is an array of strings, or one string.
    pub fn texts(&self, name: &str) -> Option<Vec<String>> {
        match self.all.get(name)? {
            Value::String(one) => Some(vec![one.clone()]),
            Value::Array(many) => many.iter().map(|text| text.as_str().map(str::to_owned)).collect(),
            _ => None,
        }
    }
}
