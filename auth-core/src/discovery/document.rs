//! What a provider's document must say to be believed.

use std::{collections::BTreeSet, sync::Arc};

use serde_json::{Map, Value};
use url::Url;

use crate::jws::strict_object;

/// The longest name of another issuer that is told, in bytes.
const LONGEST_SHOWN: usize = 200;

/// A provider's document that was found good.
#[derive(Clone, Debug)]
pub struct Document {
    /// As configured, to the letter.
    pub issuer: Arc<str>,
    /// RFC 6749 §3.1. Absent for an issuer that only signs access tokens.
    pub authorization_endpoint: Option<Url>,
    /// RFC 6749 §3.2.
    pub token_endpoint: Option<Url>,
    /// Where the key set is (RFC 7517).
    pub jwks_uri: Url,
    /// OpenID Connect RP-Initiated Logout 1.0 §2.1.
    pub end_session_endpoint: Option<Url>,
    /// OpenID Connect Core §5.3.
    pub userinfo_endpoint: Option<Url>,
    /// The whole document.
    pub raw: Value,
}

/// Why an answer is no document of this provider.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotADocument {
    /// Not a JSON object with unique members.
    #[error("the discovery document is no strict JSON object")]
    NoObject,
    /// It is another issuer's (OpenID Connect Discovery 1.0 §4.3).
    #[error("the discovery document names the issuer {of}, not {expected}")]
    OtherIssuer {
        /// Whose it says that it is, if that is an address that can be told.
        of: String,
        /// As configured.
        expected: Arc<str>,
    },
    /// A member that we need is missing, no URL, or not https (http only from loopback to loopback).
    #[error("`{0}` in the discovery document is missing or no https address")]
    Endpoint(&'static str),
    /// On a host that nothing else of it is on.
    #[error(
        "the discovery document names {0} for introspection and for nothing else: name the endpoint in `introspection`"
    )]
    IntrospectionElsewhere(String),
}

impl Document {
    /// Reads an answer.
    ///
    /// # Errors
    /// Why it is not this issuer's document.
    pub fn read(body: &[u8], issuer: &Arc<str>) -> Result<Self, NotADocument> {
        Self::from_object(strict_object(body).map_err(|_| NotADocument::NoObject)?, issuer)
    }

    pub(super) fn from_json(document: Value, issuer: &Arc<str>) -> Result<Self, NotADocument> {
        match document {
            Value::Object(members) => Self::from_object(members, issuer),
            _ => Err(NotADocument::NoObject),
        }
    }

    fn from_object(members: Map<String, Value>, issuer: &Arc<str>) -> Result<Self, NotADocument> {
        match members.get("issuer") {
            Some(Value::String(of)) if **of == **issuer => {}
            Some(Value::String(of)) => {
                return Err(NotADocument::OtherIssuer { of: shown(of), expected: Arc::clone(issuer) });
            }
            // A page that says it is JSON, or half a document: what a broken provider sends, and no other's document.
            Some(_) | None => return Err(NotADocument::Endpoint("issuer")),
        }
        let endpoint = |name: &'static str| match members.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => endpoint(value, issuer).map(Some).ok_or(NotADocument::Endpoint(name)),
        };
        Ok(Self {
            issuer: Arc::clone(issuer),
            authorization_endpoint: endpoint("authorization_endpoint")?,
            token_endpoint: endpoint("token_endpoint")?,
            jwks_uri: endpoint("jwks_uri")?.ok_or(NotADocument::Endpoint("jwks_uri"))?,
            end_session_endpoint: endpoint("end_session_endpoint")?,
            userinfo_endpoint: endpoint("userinfo_endpoint")?,
            raw: Value::Object(members),
        })
    }

    /// RFC 8414 §2. Read when it is asked for, so that it costs nobody else their sign-in. Our secret goes there, so its host
    /// must be one that the document names for other things, which are pinned.
    ///
    /// # Errors
    /// If there is none, or not there.
    pub(crate) fn introspection_endpoint(&self) -> Result<Url, NotADocument> {
        let missing = NotADocument::Endpoint("introspection_endpoint");
        let value = self.raw.get("introspection_endpoint").ok_or(missing.clone())?;
        let url = endpoint(value, &self.issuer).ok_or(missing)?;
        let host = url.host_str().unwrap_or_default();
        if self.hosts().contains(host) { Ok(url) } else { Err(NotADocument::IntrospectionElsewhere(shown_host(host))) }
    }

    /// The hosts of its endpoints.
    pub(super) fn hosts(&self) -> BTreeSet<String> {
        let optional =
            [&self.authorization_endpoint, &self.token_endpoint, &self.end_session_endpoint, &self.userinfo_endpoint];
        let urls = optional.into_iter().flatten().chain([&self.jwks_uri]);
        urls.filter_map(|url| url.host_str().map(str::to_owned)).collect()
    }
}

/// An issuer's name as a stranger wrote it, if it is an address without room for a secret: the difference is often a
/// slash, so it stays to the letter.
fn shown(issuer: &str) -> String {
    let plain = |url: Url| url.host_str().is_some() && url.username().is_empty() && url.password().is_none();
    let is_address = Url::parse(issuer).is_ok_and(plain) && !issuer.contains(['?', '#']);
    if is_address && issuer.len() <= LONGEST_SHOWN { issuer.to_owned() } else { "(no address)".to_owned() }
}

/// A host as a stranger wrote it: short.
fn shown_host(host: &str) -> String {
    host.chars().take(LONGEST_SHOWN).collect()
}

fn endpoint(value: &Value, issuer: &str) -> Option<Url> {
    let url = Url::parse(value.as_str()?).ok()?;
    let safe = url.scheme() == "https" || (url.scheme() == "http" && issuer.starts_with("http://"));
    (safe && url.host_str().is_some() && url.username().is_empty() && url.password().is_none()).then_some(url)
}
