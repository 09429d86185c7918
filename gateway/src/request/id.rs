//! The name of one request, in the answer, the log and what we send upstream.

use std::fmt;

use http::{HeaderName, HeaderValue};
use uuid::Uuid;

/// Names one request: a UUID of version 7 (RFC 9562 §5.7), so that a log sorted by it is sorted by time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RequestId(Uuid);

impl RequestId {
    /// The header that carries it, in answers and towards upstreams.
    pub const HEADER: HeaderName = HeaderName::from_static("x-request-id");

    /// A new id.
    pub fn new() -> Self {
        Self(Uuid::now_v7())
    }

    /// The header's value.
    pub fn header(self) -> HeaderValue {
        let mut text = [0; uuid::fmt::Hyphenated::LENGTH];
        HeaderValue::from_str(self.0.as_hyphenated().encode_lower(&mut text)).expect("hexadecimal and hyphens")
    }

    /// A number from 0 to `bound`, always the same for one request: spreads the clients that we send away, so that they
    /// do not all come back at once.
    pub fn spread(self, bound: u64) -> u64 {
        let (_, random) = self.0.as_u64_pair();
        random % bound.saturating_add(1)
    }
}

impl Default for RequestId {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.as_hyphenated())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_differ_and_spread_within_bounds() {
        let (a, b) = (RequestId::new(), RequestId::new());
        assert_ne!(a, b);
        assert_eq!(a.header(), a.to_string());
        for bound in [0, 1, 7, u64::MAX] {
            assert!(a.spread(bound) <= bound);
            assert_eq!(a.spread(bound), a.spread(bound));
        }
    }
}
