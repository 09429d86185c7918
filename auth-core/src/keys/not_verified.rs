//! Why a token was not verified.

use super::proof::Forged;
use crate::verdict::{Detail, Rejected, Stop, Unavailable};

/// Why a token was not verified.
pub(crate) enum NotVerified {
    /// It is proven false. Worth remembering for the generation of keys that proved it.
    Forged(Forged, u64),
    /// The signature holds, and what it signs is no good; or we cannot tell.
    Stop(Stop),
}

/// Why a token that came straight from its issuer does not verify. It says nothing of anybody's credential: the issuer
/// contradicts itself.
pub(crate) enum Contradiction {
    /// The signature does not hold under the key that the token names.
    BadSignature(Detail),
    /// The issuer publishes no such key.
    NoKey(Detail),
    /// The issuer publishes such a key, and we cannot use it, or not by this algorithm.
    NotTaken(Detail),
    /// The signature holds, and what it signs is no good.
    Claims(Rejected),
    /// We cannot tell.
    Unavailable(Unavailable),
}

impl NotVerified {
    pub(super) fn unavailable(unavailable: Unavailable) -> Self {
        Self::Stop(unavailable.into())
    }
}

impl Contradiction {
    /// The signature holds: what is wrong is what it signs.
    pub(super) fn of_claims(not_verified: NotVerified) -> Self {
        match not_verified {
            NotVerified::Stop(Stop::Rejected(rejected)) => Self::Claims(rejected),
            NotVerified::Stop(Stop::Unavailable(unavailable)) => Self::Unavailable(unavailable),
            NotVerified::Forged(forged, _) => Self::Claims(Rejected::proven_by(forged)),
        }
    }
}

impl From<Unavailable> for Contradiction {
    fn from(unavailable: Unavailable) -> Self {
        Self::Unavailable(unavailable)
    }
}
