//! What only an administrator decides: tokens on the approval list, rows that refuse, and taking them back.

use std::{fmt, str::FromStr};

use serde::Serialize;

use super::{
    LegacyTokens,
    sql::{
        ListedRow,
        transaction::{self, Settled},
    },
};
use crate::{
    clock::{Now, Timestamp},
    credential::{CredentialHash, CredentialText},
    dependency::Dependency,
    device::registry::Order,
    principal::DeviceId,
    verdict::{OrUnavailable, Unavailable},
};

/// Names a token of before without holding it: its SHA-256, in hexadecimal. `printf %s TOKEN | sha256sum` says the same.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenHash(CredentialHash);

/// The text is no SHA-256 in hexadecimal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not 64 hexadecimal digits")]
pub struct NotAHash;

/// Why a token waits for an administrator's word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ApprovalKind {
    /// The service denies it, again and again, beyond doubt: refuse it, or say that it stays.
    Denied,
    /// A device that lost its token says that it is one which had been adopted: give it a token, or not.
    LostToken,
}

/// A token that waits for an administrator's word.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LegacyApproval {
    /// Which token.
    pub hash: TokenHash,
    /// Why it waits.
    pub kind: ApprovalKind,
    /// Since when.
    pub asked: Timestamp,
    /// From where it was shown, if that matters.
    pub address: Option<String>,
    /// Which device it says to be.
    pub device: Option<DeviceId>,
}

/// Where a device belongs that only an administrator knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
    /// The tenant.
    pub tenant: String,
    /// The room.
    pub room: String,
}

/// What became of an order about a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LegacyChange {
    /// Nothing is on record of it that the order could be about.
    Unknown,
    /// It was so already.
    Unchanged,
    /// It was done.
    Changed,
}

/// So many lines are at most on a page of the approval list.
const LONGEST_PAGE: u32 = 500;

/// So many rows of an import are written in one transaction.
const AT_ONCE: usize = 1000;

impl LegacyTokens {
    /// At most `most` lines of the approval list after `after`, in the order of their hashes.
    ///
    /// # Errors
    /// Unavailable, if the store is.
    pub async fn approvals(&self, after: Option<TokenHash>, most: u32) -> Result<Vec<LegacyApproval>, Unavailable> {
        let after = after.map(|hash| hash.to_string()).unwrap_or_default();
        let rows = transaction::listed(self.0.registry.store(), after, most.clamp(1, LONGEST_PAGE)).await?;
        rows.into_iter().map(approval).collect()
    }

    /// Writes the rows that refuse these tokens, known or not: an administrator's word, or the service's own list. How many
    /// are new. Devices that show them are told 503 until the rows have settled; until then [`LegacyTokens::accept`] takes
    /// one back as if it had never been.
    ///
    /// # Errors
    /// Unavailable, if the store is: of a long list a part may have been done, and doing it again changes nothing.
    pub async fn refuse(&self, hashes: Vec<TokenHash>, order: Order, now: Now) -> Result<usize, Unavailable> {
        let mut new = 0;
        for part in hashes.chunks(AT_ONCE) {
            let part = part.iter().map(|hash| hash.0).collect();
            let (written, refused) = transaction::refuse(self.0.registry.store(), part, order.clone(), now).await?;
            for (hash, token) in written {
                self.0.known.set(hash, token);
                self.0.canaries.forget(hash);
            }
            new += refused;
        }
        Ok(new)
    }

    /// Says that a token is good: takes back the row that refuses it, takes it off the approval list, and brings back its
    /// binding if that was revoked. One that nobody has adopted becomes that of a new device, if `placement` says where it
    /// belongs; else it is asked about again when it is shown.
    ///
    /// # Errors
    /// Unavailable, if the store is. Then nothing has been promised, though it may have been done.
    pub async fn accept(
        &self,
        hash: TokenHash,
        placement: Option<Placement>,
        order: Order,
        now: Now,
    ) -> Result<LegacyChange, Unavailable> {
        let hash = hash.0;
        let settled = transaction::accept(self.0.registry.store(), hash, placement, order, now).await?;
        let Settled { change, token, learned } = settled;
        self.0.registry.revocations().learn(learned.into_iter().collect()).await?;
        self.0.known.set(hash, token);
        Ok(change)
    }
}

fn approval(row: ListedRow) -> Result<LegacyApproval, Unavailable> {
    let kind = ApprovalKind::parse(&row.kind).ok_or(NotAKind(row.kind)).or_unavailable(Dependency::Store)?;
    let hash = row.hash.parse::<TokenHash>().or_unavailable(Dependency::Store)?;
    Ok(LegacyApproval { hash, kind, asked: row.asked, address: row.address, device: row.device })
}

/// The store holds a kind of approval that this release does not know.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is no kind of approval")]
struct NotAKind(String);

impl ApprovalKind {
    /// Its word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Denied => "denied",
            Self::LostToken => "lost-token",
        }
    }

    fn parse(word: &str) -> Option<Self> {
        [Self::Denied, Self::LostToken].into_iter().find(|kind| kind.as_str() == word)
    }
}

impl TokenHash {
    /// The name of `token`, given as the service behind gave it to the device.
    pub fn of(token: &str) -> Self {
        Self(*CredentialText::new(token).hash())
    }
}

impl From<CredentialHash> for TokenHash {
    fn from(hash: CredentialHash) -> Self {
        Self(hash)
    }
}

impl FromStr for TokenHash {
    type Err = NotAHash;
    fn from_str(text: &str) -> Result<Self, NotAHash> {
        text.parse().map(Self).map_err(|_| NotAHash)
    }
}

impl fmt::Display for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenHash({self})")
    }
}

impl Serialize for TokenHash {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}
