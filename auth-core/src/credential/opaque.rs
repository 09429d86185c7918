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

/// A longer field is no token.
const LONGEST: usize = 4096;

impl OpaqueCredential {
    /// The token in the one field of this name; none, if it is not there, came twice, or is no text.
    pub(super) fn read(headers: &HeaderMap, name: &HeaderName) -> Option<Self> {
        let mut fields = headers.get_all(name).iter();
        let (Some(field), None) = (fields.next(), fields.next()) else { return None };
        Self::of(field, name)
    }

    /// The token in `field`. Of `Bearer` the scheme goes, so that the token is the same wherever it stands; what is in
    /// another scheme is known by all of it.
    fn of(field: &HeaderValue, name: &HeaderName) -> Option<Self> {
        let text = field.to_str().ok()?.trim();
        let token = match text.split_once(' ') {
            Some((scheme, token)) if *name == AUTHORIZATION && scheme.eq_ignore_ascii_case("bearer") => token.trim(),
            _ => text,
        };
        if token.is_empty() || text.len() > LONGEST || (*name == AUTHORIZATION && token.eq_ignore_ascii_case("bearer"))
        {
            return None;
        }
        let mut field = HeaderValue::from_str(text).ok()?;
        field.set_sensitive(true);
        Some(Self { text: CredentialText::new(token), field })
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
