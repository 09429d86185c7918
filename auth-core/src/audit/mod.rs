//! The audit trail of the device fleet: append-only, each row hashed over the one before. And audit lines, which say in
//! the log what became of people's sessions.
//!
//! A row is appended in the transaction that does what it records, so neither stands without the other. A row that was
//! changed, taken out or put in breaks the chain from there on, and [`verify`] names the place. Rows cut off at the end
//! leave a whole chain: against that, the head that [`verify`] gives is kept elsewhere and compared. Deliberately absent: a
//! signature. Whoever can write the store can usually read the keyring beside it.

mod line;
mod sql;
#[cfg(test)]
mod tests;

pub use self::{
    line::{AuditLine, line},
    sql::{append, of_device},
};
use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Serialize;
use serde_json::{Value, json};

use crate::{clock::Timestamp, database::Database, principal::DeviceId, verdict::Unavailable};

/// Something that was done, for the record.
#[derive(Clone, Debug)]
pub struct AuditRecord {
    /// When: by the earlier reading, if the clock was in doubt.
    pub at: Timestamp,
    /// Who did it: a person's subject, `operator` for the command line, or `gateway`.
    pub actor: String,
    /// What was done, in a word of ours: `device-registered`, `binding-revoked`.
    pub action: &'static str,
    /// To which device.
    pub device: Option<DeviceId>,
    /// What else is worth keeping. Never a token, a PIN or a private key.
    pub detail: Value,
}

/// What a look at the whole trail found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuditFinding {
    /// Every row follows from the one before.
    Whole {
        /// How many rows there are.
        rows: u64,
        /// The hash of the last. Kept elsewhere, it shows later whether rows were cut off at the end.
        head: String,
    },
    /// The chain is broken.
    Broken {
        /// The number of the first row that does not follow.
        seq: i64,
        /// What is wrong with it.
        what: &'static str,
    },
}

/// A row of the trail, as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AuditRow {
    /// Its number, from 1.
    pub seq: i64,
    /// When, in milliseconds since the epoch.
    pub at: i64,
    /// Who did it.
    pub actor: String,
    /// What was done.
    pub action: String,
    /// To which device.
    pub device: Option<String>,
    /// What else was kept, as JSON.
    pub detail: String,
    /// The hash of the row before.
    pub previous: String,
    /// Its own hash.
    pub hash: String,
}

/// What the first row follows.
const START: &str = "";

/// So many rows are verified in one call of the store, which has a deadline.
const ROWS_AT_ONCE: i64 = 4096;

/// Goes through the whole trail and looks whether every row follows from the one before.
///
/// # Errors
/// Unavailable, if the store is.
pub async fn verify(store: &Database) -> Result<AuditFinding, Unavailable> {
    let (mut seq, mut head) = (0, START.to_owned());
    loop {
        let rows = sql::read(store, seq, ROWS_AT_ONCE).await?;
        if rows.is_empty() {
            return Ok(AuditFinding::Whole { rows: u64::try_from(seq).unwrap_or(0), head });
        }
        for row in rows {
            if let Some(what) = row.does_not_follow(seq, &head) {
                return Ok(AuditFinding::Broken { seq: row.seq, what });
            }
            (seq, head) = (row.seq, row.hash);
        }
    }
}

impl AuditRow {
    /// The hash of the row: over the one before, and the row as a JSON array, in which nothing can be moved from one member
    /// to the next.
    fn hashed(&self) -> String {
        let Self { seq, at, actor, action, device, detail, previous, hash: _ } = self;
        let canonical = json!([previous, seq, at, actor, action, device, detail]).to_string();
        URL_SAFE_NO_PAD.encode(digest(&SHA256, canonical.as_bytes()))
    }

    /// What is wrong with it as the row after `seq`, whose hash is `head`.
    fn does_not_follow(&self, seq: i64, head: &str) -> Option<&'static str> {
        #[cfg(candor_mutants)]
        if crate::mutants::is("audit-chain-unverified") {
            return None;
        }
        if self.seq != seq + 1 {
            Some("rows before it are missing")
        } else if self.previous != head {
            Some("it does not name the row before it")
        } else if self.hash != self.hashed() {
            Some("it was changed after it was written")
        } else {
            None
        }
    }
}
