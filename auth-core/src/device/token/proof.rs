//! The proofs that a device token gives against itself.

use std::sync::Arc;

use super::DeviceClaims;
use crate::{
    clock::Timestamp,
    principal::Subject,
    verdict::{Detail, Proof, Reason},
};

/// Its form is one that no release of ours gives a device token.
pub(super) struct NotADeviceToken(pub(super) &'static str);

/// It names a key of ours that did not sign it; or one that we retired, and what that signed is dead.
#[derive(Clone, Debug)]
pub(super) struct NotSignedByUs {
    pub(super) retired: bool,
}

/// We signed it, for another site.
pub(super) struct ForAnotherSite {
    pub(super) claims: Arc<DeviceClaims>,
}

/// It is over, by both readings of the clock. The device is not: it proves its key, and gets another.
pub(super) struct DeviceTokenExpired {
    pub(super) who: Subject,
    pub(super) at: Timestamp,
}

impl Proof for NotADeviceToken {
    fn reason(&self) -> Reason {
        Reason::Malformed
    }
    fn detail(&self) -> Detail {
        Detail::new(self.0)
    }
}

impl Proof for NotSignedByUs {
    fn reason(&self) -> Reason {
        if self.retired { Reason::UnknownKey } else { Reason::BadSignature }
    }
    fn detail(&self) -> Detail {
        Detail::new(if self.retired {
            "a device token signed by a key that we retired"
        } else {
            "a device token that the key of ours which it names did not sign"
        })
    }
}

impl Proof for ForAnotherSite {
    fn reason(&self) -> Reason {
        Reason::WrongAudience
    }
    fn detail(&self) -> Detail {
        Detail::new(format!("a device token of {}, for {}", self.claims.issuer, self.claims.audience))
    }
    fn about(&self) -> Option<Subject> {
        Some(self.claims.principal().subject)
    }
}

impl Proof for DeviceTokenExpired {
    fn reason(&self) -> Reason {
        Reason::Expired
    }
    fn detail(&self) -> Detail {
        Detail::new(format!("over since {}", self.at))
    }
    fn about(&self) -> Option<Subject> {
        Some(self.who.clone())
    }
}
