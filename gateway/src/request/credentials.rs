//! What a request brought that could be a credential, raw.

use std::fmt;

use http::{HeaderMap, header};
use secrecy::{ExposeSecret, SecretString};

use crate::{
    fault::BadRequest,
    headers::{CookieNames, cookies},
};

/// Every candidate. Nothing of it is ever shown.
pub(super) struct CredentialCandidates {
    /// What a bearer `Authorization` carries, if it could be a token.
    bearer: Option<SecretString>,
    /// The different values of our cookie, in their order.
    tickets: Vec<SecretString>,
    tries: Vec<(String, SecretString)>,
}

impl CredentialCandidates {
    pub(super) fn of(headers: &HeaderMap, names: CookieNames) -> Self {
        let authorization =
            headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let (scheme, rest) = authorization.trim().split_once(' ').unwrap_or((authorization.trim(), ""));
        let bearer =
            (scheme.eq_ignore_ascii_case("bearer") && is_token68(rest.trim())).then(|| SecretString::from(rest.trim()));
        let mut candidates = Self { bearer, tickets: Vec::new(), tries: Vec::new() };
        for (name, value) in cookies(headers) {
            candidates.keep(name, value, names);
        }
        candidates
    }

    fn keep(&mut self, name: &[u8], value: &[u8], names: CookieNames) {
        // A value of ours is ASCII; anything else under our name is a candidate that no seal fits.
        let value = || String::from_utf8_lossy(value).into_owned();
        if name == names.ticket.as_bytes() {
            let value = value();
            if !value.is_empty() && !self.tickets.iter().any(|known| known.expose_secret() == value) {
                self.tickets.push(value.into());
            }
        } else if name.starts_with(names.tries.as_bytes()) {
            let name = String::from_utf8_lossy(name).into_owned();
            self.tries.push((name, value().into()));
        }
    }

    /// The bearer token, if it is one of ours.
    pub(super) fn bearer(&self, recognises: impl Fn(&str) -> bool) -> Option<SecretString> {
        self.bearer.as_ref().filter(|token| recognises(token.expose_secret())).cloned()
    }

    /// The one ticket.
    pub(super) fn ticket(&self) -> Result<Option<SecretString>, BadRequest> {
        match self.tickets.as_slice() {
            [] => Ok(None),
            [ticket] => Ok(Some(ticket.clone())),
            _ => Err(BadRequest::TwoTickets),
        }
    }

    pub(super) fn tries(&self) -> &[(String, SecretString)] {
        &self.tries
    }
}

/// The characters of a token (RFC 6750 §2.1).
fn is_token68(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
    !body.is_empty() && body.bytes().all(fits)
}

impl fmt::Debug for CredentialCandidates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Candidates")
            .field("tickets", &self.tickets.len())
            .field("tries", &self.tries.len())
            .finish_non_exhaustive()
    }
}
