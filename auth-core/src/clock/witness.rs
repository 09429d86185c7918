//! Who tells us which reading is right: a provider, by what it says in passing.

use std::time::Duration;

use super::timestamp::Timestamp;

/// A provider's word that it was some moment from `from` to `to` when we heard it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Witness {
    pub(super) from: Timestamp,
    pub(super) to: Timestamp,
}

/// What the units of `Date` and `iat` round off.
const RESOLUTION: Duration = Duration::from_secs(1);

/// Entra states `iat` and `nbf` five minutes early.
const BACKDATED: Duration = Duration::from_secs(300);

impl Witness {
    /// By the `Date` (RFC 9110 §6.6.1) of an https answer that may be `old` by now.
    pub fn dated(date: Timestamp, old: Duration) -> Self {
        Self { from: date, to: date + RESOLUTION + old }
    }

    /// By the `iat` of an ID token that was made for us during a call that took `took`.
    pub fn issued(iat: Timestamp, took: Duration) -> Self {
        Self { from: iat, to: iat + RESOLUTION + took + BACKDATED }
    }
}
