//! Known-good tokens, a few, in memory only: before and after a denial the service is asked about one of them. If it does
//! not know whom it should, its denial means nothing.

use std::{collections::VecDeque, sync::Mutex};

use crate::{
    clock::{Now, Steady},
    credential::{CredentialHash, OpaqueCredential},
    lock::lock,
};

/// So many are kept.
const MOST: usize = 8;

/// A token is taken note of at most so often: a request must not wait for a lock for it.
const EVERY: std::time::Duration = std::time::Duration::from_secs(10);

/// Tokens that were adopted, and used lately.
#[derive(Default)]
pub(super) struct Canaries {
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    tokens: VecDeque<OpaqueCredential>,
    noted: Option<Steady>,
}

impl Canaries {
    /// The service was just heard to know this one; or it is adopted, and was shown.
    pub(super) fn note(&self, token: &OpaqueCredential, now: Now) {
        // Whoever finds it taken leaves it to the next request.
        let Ok(mut kept) = self.kept.try_lock() else { return };
        if kept.noted.is_some_and(|at| now.steady().since(at) < EVERY) && !kept.tokens.is_empty() {
            return;
        }
        kept.noted = Some(now.steady());
        let hash = *token.text().hash();
        kept.tokens.retain(|known| *known.text().hash() != hash);
        kept.tokens.push_front(token.clone());
        kept.tokens.truncate(MOST);
    }

    /// The one used last, if it is not `other`.
    pub(super) fn one(&self, other: CredentialHash) -> Option<OpaqueCredential> {
        lock(&self.kept).tokens.iter().find(|known| *known.text().hash() != other).cloned()
    }

    /// This one is no longer known to the service, or to us.
    pub(super) fn forget(&self, hash: CredentialHash) {
        lock(&self.kept).tokens.retain(|known| *known.text().hash() != hash);
    }
}
