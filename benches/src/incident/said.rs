//! What the monolith said, request by request: so that an answer can be told to be its own or the gateway's.

use std::{collections::HashMap, sync::Mutex};

use auth_core::lock::lock;
use serde::Serialize;

/// The header by which a request is known at both ends.
pub(super) const REQUEST_NAME: &str = gateway::demo::monolith::ORACLE;

/// Whose word an answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Speaker {
    /// The monolith said the same: the gateway passed it on.
    Monolith,
    /// The monolith was not asked, or said something else.
    Gateway,
}

/// What the monolith made of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Said {
    /// It answered with this status.
    Status(u16),
    /// It hung, or reset the connection.
    Nothing,
}

/// What the monolith made of each request.
#[derive(Debug, Default)]
pub(super) struct Sayings(Mutex<HashMap<String, Said>>);

impl Sayings {
    /// Notes what was said to the request of this name.
    pub(super) fn note(&self, request: &str, said: Said) {
        lock(&self.0).insert(request.to_owned(), said);
    }

    /// What was said to the request of this name; nothing is kept of it any longer. `None`: it did not arrive.
    pub(super) fn take(&self, request: &str) -> Option<Said> {
        lock(&self.0).remove(request)
    }
}

impl Said {
    /// Whether it takes from whoever is told so what they have: a 401, a 403 or the way to a sign-in.
    pub(super) fn is_denial(self) -> bool {
        matches!(self, Self::Status(300..=399 | 401 | 403))
    }
}

impl Speaker {
    /// Whose word a `status` is to a request of which the monolith `said` this.
    pub(super) fn of(status: u16, said: Option<Said>) -> Self {
        if said == Some(Said::Status(status)) { Self::Monolith } else { Self::Gateway }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_monolith_did_not_say_is_the_gateways() {
        assert_eq!(Speaker::of(401, Some(Said::Status(401))), Speaker::Monolith);
        assert_eq!(Speaker::of(401, Some(Said::Status(200))), Speaker::Gateway);
        assert_eq!(Speaker::of(503, Some(Said::Status(401))), Speaker::Gateway);
        assert_eq!(Speaker::of(502, Some(Said::Nothing)), Speaker::Gateway);
        assert_eq!(Speaker::of(401, None), Speaker::Gateway);
    }
}
