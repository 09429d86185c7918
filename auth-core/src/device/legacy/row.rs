//! What is known of a token: whose it is, or that it is refused.

use std::sync::{Arc, atomic::AtomicI64};

use crate::{
    clock::Timestamp,
    principal::{BindingId, DeviceId, Generation},
};

/// What is known of a token.
#[derive(Debug)]
pub(super) struct KnownToken {
    /// Whose it is; nobody's, if it was refused before anybody adopted it.
    pub(super) device: Option<AdoptedDevice>,
    /// Who refused it, if somebody did.
    pub(super) refused: Option<TokenRefusal>,
    /// The last hour in which it was noted that its device was heard of; 0, if none was.
    pub(super) noted: AtomicI64,
}

/// Whose a token is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AdoptedDevice {
    pub(super) device: DeviceId,
    pub(super) binding: BindingId,
    /// The generation of the binding that it was adopted into.
    pub(super) generation: Generation,
    pub(super) tenant: Arc<str>,
    pub(super) room: Arc<str>,
    /// What the service behind us calls it; empty, if that was never asked.
    pub(super) known_as: Arc<str>,
    pub(super) adopted: Timestamp,
}

/// A row that says that a token is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TokenRefusal {
    pub(super) at: Timestamp,
    pub(super) who: Arc<str>,
    pub(super) why: Arc<str>,
}
