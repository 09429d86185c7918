//! Sealed envelopes.

use crate::{
    clock::{Now, Timestamp},
    principal::Freshness,
    verdict::Stop,
};

/// What an envelope is for. One sealed for one purpose does not open for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// A refresh token in a session's row.
    RefreshToken,
    /// The `state` parameter of a sign-in.
    State,
    /// A session ticket.
    Ticket,
    /// The cookie of a sign-in try.
    Try,
}

/// Our sealing keys.
pub(crate) struct Seals {}

/// What an envelope held.
pub(crate) struct Opened {
    /// What was sealed.
    pub(crate) content: zeroize::Zeroizing<Vec<u8>>,
    /// When it expires.
    pub(crate) expires: Timestamp,
    /// Stale only if the clock is in doubt about the expiry.
    pub(crate) freshness: Freshness,
}

impl Seals {
    /// Seals `content` for `purpose` until `expires`, as base64url text.
    pub(crate) fn seal(&self, _purpose: Purpose, _expires: Timestamp, _content: &[u8]) -> String {
        todo!()
    }

    /// Opens what [`Seals::seal`] made.
    ///
    /// # Errors
    /// See the module.
    pub(crate) fn open(&self, _purpose: Purpose, _envelope: &str, _now: Now) -> Result<Opened, Stop> {
        todo!()
    }
}
