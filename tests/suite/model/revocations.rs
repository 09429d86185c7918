//! The gateway's revocation set in the abstract: what it was told at once, and how long it takes to hear of the rest.
//!
//! Whoever revokes through the gateway tells its set in the same breath. What another process writes, and what the set was
//! not told because the notice was lost, only the poll brings. A state stands for every moment up to `at_most` after the row
//! was written, so that the search tries a request at the last of them. The figures are the code's own.

use std::time::Duration;

use auth_core::revocations::RevocationPolicy;

use super::world::Bug;

/// How long a device may go on after the row that revokes it was written, while the store answers.
pub(super) const PROMISED: Duration = Duration::from_secs(10);

/// What the set holds about one binding.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct HeldSet {
    /// No token of this generation or an older one is good, as far as the set knows.
    pub(super) revoked_up_to: u64,
    /// Whether the binding is suspended, as far as the set knows.
    pub(super) suspended: bool,
    unheard: Option<Unheard>,
}

/// A row in the store of which the set has not heard.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Unheard {
    /// For how long it has been there, at most.
    at_most: Duration,
    /// Whether the store has been asked since it was written.
    asked: bool,
}

impl HeldSet {
    /// It is told what the store says.
    pub(super) fn hears(&mut self, revoked_up_to: u64, suspended: bool) {
        *self = Self { revoked_up_to, suspended, unheard: None };
    }

    /// A row is written, and nobody tells the set. The last poll has read the store just before.
    pub(super) fn misses_a_row(&mut self) {
        self.unheard.get_or_insert(Unheard { at_most: RevocationPolicy::default().poll, asked: false });
    }

    /// Whether what it has not heard of may still be unheard of.
    pub(super) fn is_in_time(&self) -> bool {
        self.unheard.as_ref().is_none_or(|unheard| unheard.at_most <= PROMISED)
    }

    /// What time brings. Each with what it is called, whether the store is at fault, and the set from then on; `None`: it
    /// has heard of everything.
    pub(super) fn later(&self, bug: Bug) -> Vec<(&'static str, bool, Option<Self>)> {
        let RevocationPolicy { poll, patience } = RevocationPolicy::default();
        let Some(Unheard { at_most, asked }) = self.unheard.clone() else { return Vec::new() };
        let still = |at_most: Duration, asked: bool| {
            // Later than too late is no other state.
            let at_most = at_most.min(PROMISED + poll);
            Some(Self { unheard: Some(Unheard { at_most, asked }), ..self.clone() })
        };
        if bug == Bug::NeverPolls {
            return vec![("a poll's time comes", false, still(at_most + poll, asked))];
        }
        let mut later = vec![("a poll is answered", false, None)];
        if !asked {
            later.push(("a poll is answered at the last moment", false, still(at_most + patience, true)));
        }
        // An outage of the store admits whom it admitted before. The promise counts from its end.
        later.push(("a poll is not answered", true, still(poll, false)));
        later
    }
}
