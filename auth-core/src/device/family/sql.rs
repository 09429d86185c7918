//! Which token succeeds which, in the store.

use std::time::Duration;

use serde_json::json;
use sqlx::{Connection, Sqlite, SqliteConnection, pool::PoolConnection};

use super::TokenUse;
use crate::{
    audit::{self, AuditRecord},
    clock::Now,
    database::Database,
    principal::{DeviceId, TokenId},
    verdict::Unavailable,
};

const INSERT: &str = "INSERT INTO device_successor (successor, predecessor, device, issued) VALUES ($1, $2, $3, $4)";
const FIRST_USE: &str = "UPDATE device_successor SET first_used = $2 WHERE successor = $1 AND first_used IS NULL";
/// Once for each token: what is found marks a successor of it, and one that is marked is not found again.
const FOUND: &str = "
    UPDATE device_successor SET cloned = $2
    WHERE predecessor = $1 AND cloned IS NULL
        AND EXISTS (SELECT 1 FROM device_successor WHERE predecessor = $1 AND first_used < $2 - $3)
        AND NOT EXISTS (SELECT 1 FROM device_successor WHERE predecessor = $1 AND cloned IS NOT NULL)";

/// Writes down that a token was given in place of another.
pub(super) async fn insert(
    store: &Database,
    predecessor: TokenId,
    successor: TokenId,
    device: DeviceId,
    now: Now,
) -> Result<(), Unavailable> {
    let work = move |mut connection: PoolConnection<Sqlite>| async move {
        sqlx::query(INSERT)
            .bind(successor.to_string())
            .bind(predecessor.to_string())
            .bind(device.to_string())
            .bind(now.earlier().as_millis())
            .execute(&mut *connection)
            .await
            .map(drop)
    };
    store.call(work).await
}

/// Writes down what was used. Gives the devices of which a predecessor was, each once.
pub(super) async fn used(
    store: &Database,
    uses: Vec<TokenUse>,
    overlap: Duration,
) -> Result<Vec<DeviceId>, Unavailable> {
    let work = move |mut connection: PoolConnection<Sqlite>| async move {
        let mut writing = connection.begin_with("BEGIN IMMEDIATE").await?;
        for used in &uses {
            let first = sqlx::query(FIRST_USE).bind(used.token.to_string()).bind(used.at.as_millis());
            first.execute(&mut *writing).await?;
        }
        let mut found = Vec::new();
        for used in uses {
            if is_in_two_hands(&mut writing, used, overlap).await? {
                found.push(used.device);
            }
        }
        writing.commit().await?;
        Ok(found)
    };
    store.call(work).await
}

async fn is_in_two_hands(
    writing: &mut SqliteConnection,
    used: TokenUse,
    overlap: Duration,
) -> Result<bool, sqlx::Error> {
    let marked = sqlx::query(FOUND)
        .bind(used.token.to_string())
        .bind(used.at.as_millis())
        .bind(i64::try_from(overlap.as_millis()).unwrap_or(i64::MAX))
        .execute(&mut *writing)
        .await?;
    if marked.rows_affected() == 0 {
        return Ok(false);
    }
    let detail = json!({"binding": used.binding, "token": used.token});
    let (at, actor, device) = (used.at, "gateway".to_owned(), Some(used.device));
    audit::append(writing, AuditRecord { at, actor, action: "possible-clone", device, detail }).await?;
    Ok(true)
}
