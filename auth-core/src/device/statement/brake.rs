//! The brake: when `revoked` is not said any more, until somebody has looked.
//!
//! It is pressed for a tenant by more than five new revocations an hour, or one in a hundred of its devices if that is
//! more; for the fleet by more than five, or one in a thousand; and for the fleet by a single one that nobody ordered (a row
//! that says revoked, and no row of the audit trail that says by whom) or that is on record in a store that lacks what this
//! gateway knew: it was put back from a backup, and says of displays what was the case then. While it holds, devices hear `suspended`, which keeps
//! what they have. Counters and brakes are rows of the store, written in the transaction that decides what is said.

use std::{fmt, time::Duration};

use crate::clock::Timestamp;

/// What a brake holds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum BrakeScope {
    /// Every tenant.
    Fleet,
    /// One.
    Tenant(String),
}

/// Why it was pressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Brake {
    /// Too many new revocations in an hour.
    TooMany,
    /// A revocation that the audit trail does not know.
    NobodyOrdered,
    /// The registry lacks what was known of it, as one does that was put back from a backup.
    RestoredBackup,
}

/// A brake that holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PressedBrake {
    /// What it holds.
    pub scope: BrakeScope,
    /// Why.
    pub why: Brake,
    /// Since when.
    pub since: Timestamp,
}

/// For so long after it was released a brake holds nothing.
pub const RELEASED_FOR: Duration = Duration::from_secs(3600);

/// The hour in which new revocations are counted.
pub(super) const WINDOW: Duration = Duration::from_secs(3600);

/// So many are never too many.
const FEW: u64 = 5;

/// How many new revocations an hour a tenant of so many devices may have.
pub(super) fn most_of_tenant(devices: u64) -> u64 {
    (devices / 100).max(FEW)
}

/// How many a fleet of so many may have.
pub(super) fn most_of_fleet(devices: u64) -> u64 {
    (devices / 1_000).max(FEW)
}

impl BrakeScope {
    /// How the store writes it. No tenant is called by the empty text.
    pub(super) fn as_str(&self) -> &str {
        match self {
            Self::Fleet => "",
            Self::Tenant(tenant) => tenant,
        }
    }

    pub(super) fn read(text: String) -> Self {
        if text.is_empty() { Self::Fleet } else { Self::Tenant(text) }
    }
}

impl Brake {
    /// The word that the store and logs use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TooMany => "too-many",
            Self::NobodyOrdered => "nobody-ordered",
            Self::RestoredBackup => "restored-backup",
        }
    }

    pub(super) fn read(text: &str) -> Self {
        let known = [Self::NobodyOrdered, Self::RestoredBackup];
        known.into_iter().find(|brake| brake.as_str() == text).unwrap_or(Self::TooMany)
    }
}

impl fmt::Display for PressedBrake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scope = match &self.scope {
            BrakeScope::Fleet => "the fleet".to_owned(),
            BrakeScope::Tenant(tenant) => format!("the tenant {tenant}"),
        };
        let why = match self.why {
            Brake::TooMany => "more devices than usual were revoked within an hour",
            Brake::NobodyOrdered => "a device is revoked, and the audit trail does not say by whom",
            Brake::RestoredBackup => {
                "the store lacks bindings or the audit row that this gateway knew last, as if it was put back from a backup"
            }
        };
        write!(f, "no device of {scope} is told to erase anything: {why}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_brake_knows_how_much_is_too_much() {
        for (devices, of_tenant, of_fleet) in
            [(0, 5, 5), (1, 5, 5), (599, 5, 5), (600, 6, 5), (5_999, 59, 5), (6_000, 60, 6), (100_000, 1_000, 100)]
        {
            assert_eq!((most_of_tenant(devices), most_of_fleet(devices)), (of_tenant, of_fleet), "{devices}");
        }
    }
}
