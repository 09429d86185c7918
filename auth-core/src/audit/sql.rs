//! The audit trail in the store.

use sqlx::{FromRow, Row as _, Sqlite, SqliteConnection, pool::PoolConnection, sqlite::SqliteRow};

use super::{AuditRecord, AuditRow, START};
use crate::{database::Database, principal::DeviceId, verdict::Unavailable};

const LAST: &str = "SELECT seq, hash FROM device_audit ORDER BY seq DESC LIMIT 1";
const APPEND: &str = "
    INSERT INTO device_audit (seq, at, actor, action, device, detail, previous, hash)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
const READ: &str = "
    SELECT seq, at, actor, action, device, detail, previous, hash
    FROM device_audit WHERE seq > $1 ORDER BY seq LIMIT $2";
const READ_OF: &str = "
    SELECT seq, at, actor, action, device, detail, previous, hash
    FROM device_audit WHERE device = $1 ORDER BY seq DESC LIMIT $2";

/// Appends `record` in the transaction that `writing` is in; begun by `BEGIN IMMEDIATE`, since the last row is read first.
///
/// # Errors
/// The store's. The transaction must not be committed then.
pub async fn append(writing: &mut SqliteConnection, record: AuditRecord) -> Result<(), sqlx::Error> {
    let last: Option<(i64, String)> = sqlx::query_as(LAST).fetch_optional(&mut *writing).await?;
    let (seq, previous) = last.map_or((1, START.to_owned()), |(seq, hash)| (seq + 1, hash));
    let mut row = AuditRow {
        seq,
        at: record.at.as_millis(),
        actor: record.actor,
        action: record.action.to_owned(),
        device: record.device.map(|device| device.to_string()),
        detail: record.detail.to_string(),
        previous,
        hash: String::new(),
    };
    row.hash = row.hashed();
    sqlx::query(APPEND)
        .bind(row.seq)
        .bind(row.at)
        .bind(row.actor)
        .bind(row.action)
        .bind(row.device)
        .bind(row.detail)
        .bind(row.previous)
        .bind(row.hash)
        .execute(&mut *writing)
        .await
        .map(drop)
}

/// At most `most` rows after the one of the number `after`.
pub(super) async fn read(store: &Database, after: i64, most: i64) -> Result<Vec<AuditRow>, Unavailable> {
    let read = move |mut connection: PoolConnection<Sqlite>| async move {
        sqlx::query_as(READ).bind(after).bind(most).fetch_all(&mut *connection).await
    };
    store.call(read).await
}

/// The last `most` rows about one device, the latest first.
///
/// # Errors
/// Unavailable, if the store is.
pub async fn of_device(store: &Database, device: DeviceId, most: u32) -> Result<Vec<AuditRow>, Unavailable> {
    let read = move |mut connection: PoolConnection<Sqlite>| async move {
        sqlx::query_as(READ_OF).bind(device.to_string()).bind(most).fetch_all(&mut *connection).await
    };
    store.call(read).await
}

impl FromRow<'_, SqliteRow> for AuditRow {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            seq: row.try_get("seq")?,
            at: row.try_get("at")?,
            actor: row.try_get("actor")?,
            action: row.try_get("action")?,
            device: row.try_get("device")?,
            detail: row.try_get("detail")?,
            previous: row.try_get("previous")?,
            hash: row.try_get("hash")?,
        })
    }
}
