//! The registry in the store.

mod row;
pub(in crate::device) mod transaction;

use serde_json::json;
use sqlx::SqliteConnection;

pub(super) use self::transaction::{bind_known, change_one, import, list, of_key, register, restore, seen, show};
use super::{
    super::last_seen::Sighting, Binding, DeviceDescription, DeviceKey, Order, PublicKey, RegisteredDevice, device_id,
};
use crate::{
    audit::{self, AuditRecord},
    clock::Now,
    principal::{BindingId, DeviceId, Thumbprint},
    verdict::Unavailable,
};

const INSERT_DEVICE: &str = "
    INSERT INTO device (id, hardware_id, model, app_version, first_seen, created_by) VALUES ($1, $2, $3, $4, $5, $6)";
const INSERT_KEY: &str = "INSERT INTO device_key (thumbprint, device, jwk, added) VALUES ($1, $2, $3, $4)";
const INSERT_BINDING: &str = "
    INSERT INTO device_binding
        (id, device, tenant, room, state, generation, version, created, created_by, changed, changed_by, reason)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";
const UPDATE_BINDING: &str = "
    UPDATE device_binding
    SET room = $2, state = $3, generation = $4, version = $5, changed = $6, changed_by = $7, reason = $8
    WHERE id = $1";
const BINDING: &str = "SELECT * FROM device_binding WHERE id = $1";
const BINDING_IN: &str = "SELECT * FROM device_binding WHERE device = $1 AND tenant = $2";
const KEY: &str = "SELECT * FROM device_key WHERE thumbprint = $1";

/// These devices, whose ids are a JSON array, with what belongs to them.
const DEVICES: &str = "SELECT * FROM device WHERE id IN (SELECT value FROM json_each($1)) ORDER BY id";
const BINDINGS: &str =
    "SELECT * FROM device_binding WHERE device IN (SELECT value FROM json_each($1)) ORDER BY created, id";
const KEYS: &str =
    "SELECT * FROM device_key WHERE device IN (SELECT value FROM json_each($1)) ORDER BY added, thumbprint";

/// What is written late does not take back what was written since.
const SEEN: &str = "
    UPDATE device SET last_seen = max(coalesce(last_seen, 0), $2), last_address = coalesce($3, last_address)
    WHERE id = $1";

/// A page of ids, by an index alone.
const PAGE: &str = "SELECT id FROM device WHERE id > $1 ORDER BY id LIMIT $2";
const PAGE_IN: &str = "SELECT device FROM device_binding WHERE tenant = $3 AND device > $1 ORDER BY device LIMIT $2";

/// Which of these serial numbers, a JSON array, are registered.
const REGISTERED: &str = "
    SELECT DISTINCT hardware_id FROM device WHERE hardware_id IN (SELECT value FROM json_each($1)) ORDER BY hardware_id";

/// Which of these thumbprints, a JSON array, are of a key on record.
const REGISTERED_KEYS: &str = "
    SELECT thumbprint FROM device_key WHERE thumbprint IN (SELECT value FROM json_each($1))";

/// What is looked up while devices wait.
#[cfg(test)]
pub(super) const LOOK_UPS: &[&str] = &[BINDING, BINDING_IN, KEY, DEVICES, BINDINGS, KEYS, PAGE, PAGE_IN];

/// Ends a transaction, of which nothing is committed then, as an error of the store's own would.
fn undone(unavailable: Unavailable) -> sqlx::Error {
    sqlx::Error::Encode(unavailable.to_string().into())
}

/// Writes down a device that is new, and that it was registered.
pub(in crate::device) async fn insert_device(
    writing: &mut SqliteConnection,
    described: &DeviceDescription,
    order: &Order,
    now: Now,
) -> Result<DeviceId, sqlx::Error> {
    let id = device_id(now).map_err(undone)?;
    insert_device_as(writing, id, described, order, "device-registered", now).await?;
    Ok(id)
}

/// Writes down a device under this id, and what was done.
async fn insert_device_as(
    writing: &mut SqliteConnection,
    id: DeviceId,
    described: &DeviceDescription,
    order: &Order,
    action: &'static str,
    now: Now,
) -> Result<(), sqlx::Error> {
    let at = now.earlier();
    sqlx::query(INSERT_DEVICE)
        .bind(id.to_string())
        .bind(&described.hardware_id)
        .bind(&described.model)
        .bind(&described.app_version)
        .bind(at.as_millis())
        .bind(&order.who)
        .execute(&mut *writing)
        .await?;
    let detail = json!({"hardware_id": described.hardware_id, "model": described.model, "why": order.why});
    let record = AuditRecord { at, actor: order.who.clone(), action, device: Some(id), detail };
    audit::append(writing, record).await
}

/// Writes down a key of a device.
pub(in crate::device) async fn insert_key(
    writing: &mut SqliteConnection,
    device: DeviceId,
    key: &PublicKey,
    now: Now,
) -> Result<(), sqlx::Error> {
    sqlx::query(INSERT_KEY)
        .bind(key.thumbprint.to_string())
        .bind(device.to_string())
        .bind(&key.jwk)
        .bind(now.earlier().as_millis())
        .execute(&mut *writing)
        .await
        .map(drop)
}

pub(super) async fn insert_binding(writing: &mut SqliteConnection, binding: &Binding) -> Result<(), sqlx::Error> {
    sqlx::query(INSERT_BINDING)
        .bind(binding.id.to_string())
        .bind(binding.device.to_string())
        .bind(&binding.tenant)
        .bind(&binding.room)
        .bind(binding.state.as_str())
        .bind(binding.generation.number())
        .bind(binding.version)
        .bind(binding.created.as_millis())
        .bind(&binding.created_by)
        .bind(binding.changed.as_millis())
        .bind(&binding.changed_by)
        .bind(&binding.reason)
        .execute(&mut *writing)
        .await
        .map(drop)
}

pub(super) async fn update_binding(writing: &mut SqliteConnection, binding: &Binding) -> Result<(), sqlx::Error> {
    sqlx::query(UPDATE_BINDING)
        .bind(binding.id.to_string())
        .bind(&binding.room)
        .bind(binding.state.as_str())
        .bind(binding.generation.number())
        .bind(binding.version)
        .bind(binding.changed.as_millis())
        .bind(&binding.changed_by)
        .bind(&binding.reason)
        .execute(&mut *writing)
        .await
        .map(drop)
}

pub(in crate::device) async fn binding(
    reading: &mut SqliteConnection,
    id: BindingId,
) -> Result<Option<Binding>, sqlx::Error> {
    sqlx::query_as(BINDING).bind(id.to_string()).fetch_optional(&mut *reading).await
}

pub(super) async fn binding_in(
    reading: &mut SqliteConnection,
    device: DeviceId,
    tenant: &str,
) -> Result<Option<Binding>, sqlx::Error> {
    sqlx::query_as(BINDING_IN).bind(device.to_string()).bind(tenant).fetch_optional(&mut *reading).await
}

/// Those of these serial numbers that are registered.
async fn registered(reading: &mut SqliteConnection, hardware_ids: &[&str]) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar(REGISTERED).bind(json!(hardware_ids).to_string()).fetch_all(&mut *reading).await
}

/// Those of these keys that are on record.
async fn registered_keys(reading: &mut SqliteConnection, keys: &[String]) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar(REGISTERED_KEYS).bind(json!(keys).to_string()).fetch_all(&mut *reading).await
}

async fn update_seen(writing: &mut SqliteConnection, id: DeviceId, seen: Sighting) -> Result<(), sqlx::Error> {
    sqlx::query(SEEN)
        .bind(id.to_string())
        .bind(seen.at.as_millis())
        .bind(seen.address.map(|address| address.to_canonical().to_string()))
        .execute(&mut *writing)
        .await
        .map(drop)
}

/// The key of this thumbprint.
pub(in crate::device) async fn key(
    reading: &mut SqliteConnection,
    thumbprint: Thumbprint,
) -> Result<Option<DeviceKey>, sqlx::Error> {
    sqlx::query_as(KEY).bind(thumbprint.to_string()).fetch_optional(&mut *reading).await
}

/// One device, whole.
pub(in crate::device) async fn device(
    reading: &mut SqliteConnection,
    id: DeviceId,
) -> Result<Option<RegisteredDevice>, sqlx::Error> {
    Ok(whole(reading, &[id.to_string()]).await?.pop())
}

/// At most `most` devices after `after`, whole.
async fn page(
    reading: &mut SqliteConnection,
    tenant: Option<&str>,
    after: Option<DeviceId>,
    most: u32,
) -> Result<Vec<RegisteredDevice>, sqlx::Error> {
    let after = after.map(|after| after.to_string()).unwrap_or_default();
    let statement = if tenant.is_some() { PAGE_IN } else { PAGE };
    let ids = sqlx::query_scalar(statement).bind(after).bind(most);
    let ids: Vec<String> = match tenant {
        Some(tenant) => ids.bind(tenant).fetch_all(&mut *reading).await?,
        None => ids.fetch_all(&mut *reading).await?,
    };
    whole(reading, &ids).await
}

async fn whole(reading: &mut SqliteConnection, ids: &[String]) -> Result<Vec<RegisteredDevice>, sqlx::Error> {
    let ids = json!(ids).to_string();
    let mut devices: Vec<RegisteredDevice> = sqlx::query_as(DEVICES).bind(&ids).fetch_all(&mut *reading).await?;
    let bindings: Vec<Binding> = sqlx::query_as(BINDINGS).bind(&ids).fetch_all(&mut *reading).await?;
    let keys: Vec<DeviceKey> = sqlx::query_as(KEYS).bind(&ids).fetch_all(&mut *reading).await?;
    // They come in the order of their ids.
    let place = |devices: &[RegisteredDevice], id: DeviceId| devices.binary_search_by_key(&id, |device| device.id).ok();
    for binding in bindings {
        if let Some(at) = place(&devices, binding.device) {
            devices[at].bindings.push(binding);
        }
    }
    for key in keys {
        if let Some(at) = place(&devices, key.device) {
            devices[at].keys.push(key);
        }
    }
    Ok(devices)
}
