//! The claims of a token (RFC 7519 §4.1): typed, and the required ones there.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::clock::{Now, Past, Timestamp};

/// The claims of a token whose signature held. What has a field here was checked for its type; the rest is in `all`.
#[derive(Clone, Debug)]
pub struct Claims {
    /// Who issued it.
    pub iss: String,
    /// Whom it is about. Empty in a logout token that names a session alone.
    pub sub: String,
    /// Whom it is for: one or more.
    pub aud: Vec<String>,
    /// When it expires.
    pub exp: Timestamp,
    /// When it was issued.
    pub iat: Timestamp,
    /// When it begins.
    pub nbf: Option<Timestamp>,
    /// What ties an ID token to its sign-in (OpenID Connect Core §3.1.2.1).
    pub nonce: Option<String>,
    /// To whom it was issued (OpenID Connect Core §2).
    pub azp: Option<String>,
    /// Every claim, the typed ones too.
    pub all: Map<String, Value>,
}

/// A claim is missing, or is not what the RFC says. Holds the name of the claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the claim `{0}` is missing or of the wrong type")]
pub(crate) struct IncompleteClaims(pub(crate) &'static str);

impl Claims {
    /// A claim that is a string.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.all.get(name)?.as_str()
    }

    /// A claim that is an array of strings, or one string.
    pub fn texts(&self, name: &str) -> Option<Vec<String>> {
        texts(self.all.get(name)?)
    }

    /// A claim that is a moment (`NumericDate`).
    pub(crate) fn date(&self, name: &str) -> Option<Timestamp> {
        numeric_date(self.all.get(name)?)
    }

    /// From when on it may be used, if that lies ahead. Its issuer has signed it, so it was issued: where the readings of
    /// the clock are at odds about that, the one that calls it the future is wrong. `nbf` may be later than that, and both
    /// must say that it has passed.
    pub(crate) fn not_before(&self, leeway: Duration, now: Now) -> Option<Timestamp> {
        let (issued, begins) = (self.iat - leeway, self.nbf.filter(|nbf| *nbf > self.iat).map(|nbf| nbf - leeway));
        if let Some(begins) = begins.filter(|begins| now.past(*begins) != Past::Yes) {
            return Some(begins);
        }
        Some(issued).filter(|issued| now.past(*issued) == Past::No)
    }

    pub(crate) fn from_object(all: &Map<String, Value>) -> Result<Self, IncompleteClaims> {
        let sub = text(all, "sub")?.filter(|sub| !sub.is_empty()).ok_or(IncompleteClaims("sub"))?;
        let exp = date(all, "exp")?.ok_or(IncompleteClaims("exp"))?;
        Self::with(all, sub, exp)
    }

    /// Those of a logout token, which may name a session and nobody (OpenID Connect Back-Channel Logout 1.0 §2.4). Drafts of
    /// that had no `exp`, and providers still leave it out: then it is good for the two minutes that the final one asks for.
    pub(super) fn of_logout(all: &Map<String, Value>) -> Result<Self, IncompleteClaims> {
        const LIFETIME: Duration = Duration::from_secs(120);
        let sub = match text(all, "sub")? {
            Some(sub) if sub.is_empty() => return Err(IncompleteClaims("sub")),
            sub => sub.unwrap_or_default(),
        };
        let exp = match (date(all, "exp")?, date(all, "iat")?) {
            (Some(exp), _) => exp,
            (None, Some(iat)) => iat + LIFETIME,
            (None, None) => return Err(IncompleteClaims("iat")),
        };
        Self::with(all, sub, exp)
    }

    fn with(all: &Map<String, Value>, sub: String, exp: Timestamp) -> Result<Self, IncompleteClaims> {
        let aud = all.get("aud").and_then(texts).filter(|aud| !aud.is_empty()).ok_or(IncompleteClaims("aud"))?;
        Ok(Self {
            iss: text(all, "iss")?.ok_or(IncompleteClaims("iss"))?,
            sub,
            aud,
            exp,
            iat: date(all, "iat")?.ok_or(IncompleteClaims("iat"))?,
            nbf: date(all, "nbf")?,
            nonce: text(all, "nonce")?,
            azp: text(all, "azp")?,
            all: all.clone(),
        })
    }
}

/// `NumericDate` (RFC 7519 §2): seconds since the epoch, a fraction allowed. Nothing before it, nothing beyond the year
/// 9999.
pub(crate) fn numeric_date(value: &Value) -> Option<Timestamp> {
    const LAST: f64 = 253_402_300_799.0;
    let secs = value.as_f64().filter(|secs| (0.0..=LAST).contains(secs))?;
    #[expect(clippy::cast_possible_truncation, reason = "the range was checked above")]
    Some(Timestamp::from_secs(secs as i64))
}

fn texts(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::String(one) => Some(vec![one.clone()]),
        Value::Array(many) => many.iter().map(|text| text.as_str().map(str::to_owned)).collect(),
        _ => None,
    }
}

fn text(all: &Map<String, Value>, name: &'static str) -> Result<Option<String>, IncompleteClaims> {
    match all.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(IncompleteClaims(name)),
    }
}

fn date(all: &Map<String, Value>, name: &'static str) -> Result<Option<Timestamp>, IncompleteClaims> {
    all.get(name).map(|value| numeric_date(value).ok_or(IncompleteClaims(name))).transpose()
}
