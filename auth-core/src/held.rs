//! The mass-refusal guard, and the only maker of [`Dead`].

use aws_lc_rs::digest;

use crate::{
    clock::Now,
    verdict::{Rejected, Stop, Unavailable},
};

/// Names a credential without holding it: the first half of its SHA-256.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CredentialId([u8; 16]);

/// The guard. One a process, shared by every configuration; see the module.
#[derive(Debug, Default)]
pub struct Held {}

/// What showing a refusal would do to who sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Harm {
    /// Nothing that cannot be undone: a browser is sent to sign-in.
    None,
    /// Something is lost for good: a device forgets its tokens.
    Destroys,
}

/// A refusal that ends the one credential it names.
#[derive(Debug)]
#[must_use]
pub struct Dead {
    of: CredentialId,
}

/// A logout, which ends the one credential it names.
#[derive(Debug)]
#[must_use]
pub struct Logout {
    of: CredentialId,
}

/// Needed to forget a credential: to clear a cookie, to delete a row.
#[derive(Debug)]
#[must_use]
pub enum Ended {
    /// Its holder signed out.
    LoggedOut(Logout),
    /// It was refused for good.
    Refused(Dead),
}

impl CredentialId {
    /// The name of `credential`, given as it was sent.
    pub fn of(credential: &[u8]) -> Self {
        let hash = digest::digest(&digest::SHA256, credential);
        let mut id = [0; 16];
        id.copy_from_slice(&hash.as_ref()[..16]);
        Self(id)
    }
}

impl Held {
    /// A guard that has seen nobody.
    pub fn new() -> Self {
        Self::default()
    }

    /// Notes that a credential was accepted.
    pub fn accepted(&self, _credential: CredentialId, _now: Now) {
        todo!()
    }

    /// Notes that a credential was refused. Counts only one that was accepted in the last day, and only for a reason
    /// that a mistake of ours or a provider's can cause.
    pub fn refused(&self, _credential: CredentialId, _refusal: &Rejected, _now: Now) {
        todo!()
    }

    /// The right to forget `credential`, if `refusal` ends it and the guard holds nothing back.
    pub fn dead(&self, _refusal: &Rejected, _credential: CredentialId, _now: Now) -> Option<Dead> {
        todo!()
    }

    /// The stop to show: a refusal that would destroy is held back as Unavailable while the guard has tripped.
    pub fn hold(&self, _stop: Stop, _harm: Harm, _now: Now) -> Stop {
        todo!()
    }

    /// Asks whether an upstream's denial of an accepted credential may be passed on, and counts it.
    ///
    /// # Errors
    /// Unavailable, while the guard has tripped.
    pub fn passed_on(&self, _credential: CredentialId, _now: Now) -> Result<(), Unavailable> {
        todo!()
    }
}

impl Logout {
    /// Made from an opened ticket by [`crate::session`].
    pub(crate) fn of_credential(of: CredentialId) -> Self {
        Self { of }
    }

    /// The credential it ends.
    pub fn credential(&self) -> CredentialId {
        self.of
    }
}

impl Dead {
    /// The credential it ends.
    pub fn credential(&self) -> CredentialId {
        self.of
    }
}

impl Ended {
    /// The one credential that may be forgotten.
    pub fn credential(&self) -> CredentialId {
        match self {
            Self::LoggedOut(logout) => logout.of,
            Self::Refused(dead) => dead.of,
        }
    }
}
