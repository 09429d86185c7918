//! All that a token states whose signature held, for what a [`Principal`](crate::Principal) has no room for.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::jws::Claims;

/// The claims of a token that was verified. Cheap to clone.
#[derive(Clone, Debug)]
pub struct VerifiedClaims(Arc<Claims>);

/// Where scopes stand: RFC 9068 §2.2.3 and RFC 7662 §2.2, one text; Entra and Okta, a text and a list.
const SCOPES: [&str; 2] = ["scope", "scp"];

/// Where the client stands: RFC 9068 §2.2, OpenID Connect Core §2, and Entra's and Okta's own.
const CLIENTS: [&str; 4] = ["client_id", "azp", "appid", "cid"];

impl VerifiedClaims {
    pub(super) fn new(claims: Arc<Claims>) -> Self {
        Self(claims)
    }

    /// All of them, as they were stated.
    pub fn all(&self) -> &Map<String, Value> {
        &self.0.all
    }

    /// The claim of this name.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.all.get(name)
    }

    /// The scopes that were granted.
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        let stated = SCOPES.iter().filter_map(|name| self.get(name));
        stated.flat_map(|stated| match stated {
            Value::String(scopes) => scopes.split(' ').collect::<Vec<_>>(),
            Value::Array(scopes) => scopes.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        })
    }

    /// Whether this scope was granted.
    pub fn has_scope(&self, scope: &str) -> bool {
        !scope.is_empty() && self.scopes().any(|granted| granted == scope)
    }

    /// The client that it was issued to.
    pub fn client(&self) -> Option<&str> {
        CLIENTS.iter().find_map(|name| self.0.text(name))
    }
}
