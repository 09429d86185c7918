//! Addresses that are safe to come back to after signing in.

use url::Url;

/// A path and query on our own site: nothing else can be named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReturnTo(String);

impl ReturnTo {
    /// The address `text`, if it is a path on `public_url` that every reader takes for one, and not one of our own
    /// paths (under `own_prefix`) that would begin or end a session once more.
    pub fn parse(text: &str, public_url: &Url, own_prefix: &str) -> Option<Self> {
        let _ = (text, public_url, own_prefix);
        todo!()
    }

    /// The front page.
    pub fn root() -> Self {
        Self("/".to_owned())
    }

    /// The path and query.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
