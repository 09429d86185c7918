//! What was last known of the device registry: how much stood in it, and the newest row of its audit trail.
//!
//! It lies on disk beside the revocation set. A store that was put back from a backup has fewer bindings, or another row of
//! that number or none; then nothing that it says of a revocation is a reason to make a display erase anything. Looked at
//! once a minute, so that the file is not written for every row; a copy that is younger than that is as good as the store.

use serde::{Deserialize, Serialize};

/// How the registry stood.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RegistryMark {
    /// How many bindings there were.
    pub(super) bindings: u64,
    /// The newest row of the audit trail: its number and hash.
    pub(super) audited: Option<(i64, String)>,
}

/// A fall by more than one in so many bindings is none that is meant: nothing of ours deletes any.
const ONE_IN: u64 = 20;

impl RegistryMark {
    /// Whether a registry of so many bindings, whose audit trail has `hash` at the marked number, lacks what stood here.
    pub(super) fn is_missing_from(&self, bindings: u64, hash: Option<&str>) -> bool {
        #[cfg(candor_mutants)]
        if crate::mutants::is("restored-backup-unseen") {
            return false;
        }
        let lost = self.bindings.saturating_sub(bindings);
        let is_audited = self.audited.as_ref().is_none_or(|(_, marked)| Some(&**marked) == hash);
        lost.saturating_mul(ONE_IN) > self.bindings || !is_audited
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_lacks_what_more_than_one_in_twenty_or_the_last_row_is_gone_of() {
        let check = |before: u64, now: u64, hash: Option<&str>, lacks: bool| {
            let mark = RegistryMark { bindings: before, audited: Some((7, "h".to_owned())) };
            assert_eq!(mark.is_missing_from(now, hash), lacks, "{before} {now} {hash:?}");
        };
        for (before, now, lacks) in [
            (0, 0, false),
            (1, 1, false),
            (1, 0, true),
            (19, 18, true),
            (20, 19, false),
            (20, 18, true),
            (100_000, 95_000, false),
            (100_000, 94_999, true),
            (100, 200, false),
        ] {
            check(before, now, Some("h"), lacks);
        }
        check(100, 100, Some("another"), true);
        check(100, 200, None, true);
        let unaudited = RegistryMark { bindings: 0, audited: None };
        assert!(!unaudited.is_missing_from(0, None) && !unaudited.is_missing_from(9, Some("h")));
    }
}
