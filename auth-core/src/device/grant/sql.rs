//! Keys that take another's place, and the record of devices that came back, in the store.

use std::time::Duration;

use serde_json::json;
use sqlx::{Connection, Sqlite, SqliteConnection, pool::PoolConnection};

use super::{OLD_KEY_LIFETIME, comings_back::ComingBack};
use crate::{
    audit::{self, AuditRecord},
    clock::{Now, Timestamp},
    database::Database,
    device::registry::{
        Binding, DeviceKey, PublicKey,
        sql::{insert_key, key},
    },
    principal::{DeviceId, Thumbprint},
    verdict::Unavailable,
};

/// A device that comes back again and again is recorded once in so long.
const ONCE_IN: Duration = Duration::from_secs(3600);

const LAST_REACTIVATION: &str = "
    SELECT max(at) FROM device_audit WHERE device = $1 AND action = 'auto-reactivated'";
const SUCCEED: &str = "UPDATE device_key SET successor = $2 WHERE thumbprint = $1";
const END_KEY: &str = "UPDATE device_key SET until = $2 WHERE thumbprint = $1 AND until IS NULL";
const USE_SUCCESSOR: &str = "
    UPDATE device_key SET successor_used = $3, until = $4
    WHERE device = $1 AND successor = $2 AND successor_used IS NULL";

/// Records that these devices came back by themselves, all in one transaction.
pub(super) async fn record_comings_back(store: &Database, came: Vec<ComingBack>) -> Result<(), Unavailable> {
    let work = move |mut connection: PoolConnection<Sqlite>| async move {
        let mut new = Vec::new();
        for came in came {
            if !was_recorded(&mut connection, came.binding.device, came.now.earlier()).await? {
                new.push(came);
            }
        }
        if new.is_empty() {
            return Ok(());
        }
        let mut writing = connection.begin_with("BEGIN IMMEDIATE").await?;
        for ComingBack { binding, key, now } in new {
            let at = now.earlier();
            // It may be among them twice.
            if was_recorded(&mut writing, binding.device, at).await? {
                continue;
            }
            let Binding { id, tenant, room, generation, device, .. } = &binding;
            let detail = json!({"binding": id, "tenant": tenant, "room": room, "generation": generation, "key": key});
            let (actor, device) = ("gateway".to_owned(), Some(*device));
            audit::append(&mut writing, AuditRecord { at, actor, action: "auto-reactivated", device, detail }).await?;
        }
        writing.commit().await
    };
    store.call(work).await
}

async fn was_recorded(reading: &mut SqliteConnection, device: DeviceId, now: Timestamp) -> Result<bool, sqlx::Error> {
    let last = sqlx::query_scalar(LAST_REACTIVATION).bind(device.to_string());
    let last: Option<i64> = last.fetch_one(&mut *reading).await?;
    Ok(last.map(Timestamp::from_millis).is_some_and(|last| last <= now && now.since(last) < ONCE_IN))
}

/// Registers `new` as what takes the place of `old`. `false`, if it is another device's, or `old` was replaced already. A successor that was never used, and
/// of which the device lost the answer, is good no longer.
pub(super) async fn add_successor(
    store: &Database,
    old: Thumbprint,
    new: PublicKey,
    now: Now,
) -> Result<bool, Unavailable> {
    let work = move |mut connection: PoolConnection<Sqlite>| async move {
        let mut writing = connection.begin_with("BEGIN IMMEDIATE").await?;
        let Some(known) = key(&mut writing, old).await? else { return Ok(false) };
        let added = add_within(&mut writing, &known, &new, now).await?;
        writing.commit().await?;
        Ok(added)
    };
    store.call(work).await
}

async fn add_within(
    writing: &mut SqliteConnection,
    old: &DeviceKey,
    new: &PublicKey,
    now: Now,
) -> Result<bool, sqlx::Error> {
    if let Some(registered) = key(writing, new.thumbprint).await? {
        return Ok(registered.device == old.device && old.successor == Some(new.thumbprint));
    }
    if is_replaced(old) {
        return Ok(false);
    }
    insert_key(writing, old.device, new, now).await?;
    if let Some(lost) = old.successor {
        sqlx::query(END_KEY).bind(lost.to_string()).bind(now.earlier().as_millis()).execute(&mut *writing).await?;
    }
    let succeed = sqlx::query(SUCCEED).bind(old.thumbprint.to_string()).bind(new.thumbprint.to_string());
    succeed.execute(&mut *writing).await?;
    record(writing, "key-added", old.device, json!({"old": old.thumbprint, "new": new.thumbprint}), now).await?;
    Ok(true)
}

/// Whoever finds an old key in its last week gets no other by it.
fn is_replaced(old: &DeviceKey) -> bool {
    #[cfg(candor_mutants)]
    if crate::mutants::is("replaced-key-adds-another") {
        return false;
    }
    old.successor_used.is_some()
}

/// Notes the first use of a key that took another's place, from which on the other has a week.
pub(super) async fn use_successor(
    store: &Database,
    device: DeviceId,
    successor: Thumbprint,
    now: Now,
) -> Result<(), Unavailable> {
    let work = move |mut connection: PoolConnection<Sqlite>| async move {
        let mut writing = connection.begin_with("BEGIN IMMEDIATE").await?;
        let used = sqlx::query(USE_SUCCESSOR)
            .bind(device.to_string())
            .bind(successor.to_string())
            .bind(now.earlier().as_millis())
            .bind((now.later() + OLD_KEY_LIFETIME).as_millis())
            .execute(&mut *writing)
            .await?;
        if used.rows_affected() > 0 {
            record(&mut writing, "key-replaced", device, json!({"new": successor}), now).await?;
        }
        writing.commit().await
    };
    store.call(work).await
}

async fn record(
    writing: &mut SqliteConnection,
    action: &'static str,
    device: DeviceId,
    detail: serde_json::Value,
    now: Now,
) -> Result<(), sqlx::Error> {
    let record = AuditRecord { at: now.earlier(), actor: "gateway".to_owned(), action, device: Some(device), detail };
    audit::append(writing, record).await
}
