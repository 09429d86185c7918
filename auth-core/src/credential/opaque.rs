//! A token that means nothing to us by itself: the whole field that it came in, and the token that it holds.

use std::fmt;

use http::{HeaderMap, HeaderName, HeaderValue, header::AUTHORIZATION};

use super::CredentialText;

/// A token of before, as a device shows it.
#[derive(Clone)]
pub struct OpaqueCredential {
    text: CredentialText,
    field: HeaderValue,
}

impl OpaqueCredential {
    /// The token in the one field of this name; none, if it is not there, empty, or came twice. Whatever else is in it may
    /// mean something to the service behind.
    pub(super) fn read(headers: &HeaderMap, name: &HeaderName) -> Option<Self> {
        let mut fields = headers.get_all(name).iter();
        let (Some(field), None) = (fields.next(), fields.next()) else { return None };
        Self::of(field, name)
    }

    /// The token in `field`. Of `Bearer` the scheme goes, so that the token is the same wherever it stands; what is in
    /// another scheme is known by all of it.
    fn of(field: &HeaderValue, name: &HeaderName) -> Option<Self> {
        // Bytes beyond ASCII are told apart, so that none stands for another.
        let text = field.to_str().map_or_else(|_| field.as_bytes().escape_ascii().to_string(), str::to_owned);
        let token = match text.trim().split_once(' ') {
            Some((scheme, token)) if *name == AUTHORIZATION && scheme.eq_ignore_ascii_case("bearer") => token.trim(),
            _ => text.trim(),
        };
        if token.is_empty() || (*name == AUTHORIZATION && token.eq_ignore_ascii_case("bearer")) {
            return None;
        }
        let mut sent = field.clone();
        sent.set_sensitive(true);
        Some(Self { text: CredentialText::new(token), field: sent })
    }

    /// The token.
    pub fn text(&self) -> &CredentialText {
        &self.text
    }

    /// The whole field, for the service that can read it.
    pub fn field(&self) -> &HeaderValue {
        &self.field
    }

    /// Whether browsers answer a prompt of the application's own in this way (RFC 7617, RFC 7616, RFC 4559).
    pub(super) fn answers_a_prompt(&self) -> bool {
        const SCHEMES: [&str; 4] = ["basic", "digest", "negotiate", "ntlm"];
        let scheme = self.field.to_str().ok().and_then(|text| text.split(' ').next()).unwrap_or_default();
        SCHEMES.iter().any(|known| known.eq_ignore_ascii_case(scheme))
    }
}

impl fmt::Debug for OpaqueCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OpaqueCredential(..)")
    }
}
