//! Tokens of before in the store.

pub(super) mod transaction;

use std::{
    error::Error,
    str::FromStr,
    sync::{Arc, atomic::AtomicI64},
    time::Duration,
};

use serde_json::json;
use sqlx::{Row as _, Sqlite, SqliteConnection, pool::PoolConnection, sqlite::SqliteRow};

use super::row::{AdoptedDevice, KnownToken, TokenRefusal};
use crate::{
    audit::{self, AuditRecord},
    clock::{Now, Past, Timestamp},
    credential::CredentialHash,
    database::Database,
    device::registry::{Binding, Order},
    principal::{BindingId, DeviceId, Generation},
    verdict::Unavailable,
};

/// The columns of a [`KnownToken`], of tokens whose hashes are in `named`.
macro_rules! known {
    ($named:literal, $rest:literal) => {
        concat!(
            "SELECT n.hash, t.device, t.binding, t.generation, b.tenant, b.room, t.known_as, t.adopted, r.at, r.who, r.why
             FROM (", $named, ") n
             LEFT JOIN legacy_token t ON t.hash = n.hash
             LEFT JOIN device_binding b ON b.id = t.binding
             LEFT JOIN legacy_refusal r ON r.hash = n.hash AND r.lifted IS NULL ",
            $rest
        )
    };
}

const FIND: &str = known!("SELECT $1 AS hash", "");
/// What was changed since: the token, its binding, or what refuses it.
const CHANGED: &str = known!(
    "SELECT hash FROM legacy_token WHERE changed >= $1
     UNION SELECT t.hash FROM device_binding b JOIN legacy_token t ON t.binding = b.id WHERE b.changed >= $1
     UNION SELECT hash FROM legacy_refusal WHERE written >= $1",
    ""
);
const PAGE: &str = known!(
    "SELECT hash FROM legacy_token WHERE hash > $1
     UNION SELECT hash FROM legacy_refusal WHERE hash > $1 AND lifted IS NULL",
    "ORDER BY n.hash LIMIT $2"
);
const OF_THE_SAME: &str = "
    SELECT t.binding FROM legacy_token t JOIN device_binding b ON b.id = t.binding
    WHERE t.known_as = $1 AND t.known_as <> '' AND b.tenant = $2 ORDER BY t.adopted LIMIT 1";
const INSERT: &str = "
    INSERT INTO legacy_token (hash, device, binding, generation, known_as, adopted, state, changed, changed_by, reason)
    VALUES ($1, $2, $3, $4, $5, $6, 'adopted', $7, $8, $9)
    ON CONFLICT (hash) DO UPDATE SET
        device = excluded.device, binding = excluded.binding, generation = excluded.generation,
        changed = excluded.changed, changed_by = excluded.changed_by, reason = excluded.reason";
const FORGET_DENIALS: &str = "DELETE FROM legacy_denial WHERE hash = $1";
const FORGET_APPROVAL: &str = "DELETE FROM legacy_approval WHERE hash = $1";

const LAST_DENIAL: &str = "SELECT count, last FROM legacy_denial WHERE hash = $1";
const WRITE_DENIAL: &str = "
    INSERT INTO legacy_denial (hash, count, last) VALUES ($1, $2, $3)
    ON CONFLICT (hash) DO UPDATE SET count = excluded.count, last = excluded.last";
/// What is on the list already stays as it is.
const LIST: &str = "
    INSERT INTO legacy_approval (hash, asked, address, kind, device) VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (hash) DO NOTHING";
/// An app that asks for a PIN again and again has one line.
const UNLIST_OTHERS: &str = "
    DELETE FROM legacy_approval WHERE kind = 'lost-token' AND device = $1 AND address IS $2 AND hash <> $3";
const REFUSE: &str = "
    INSERT INTO legacy_refusal (hash, at, who, why, written) VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (hash) DO UPDATE SET
        at = excluded.at, who = excluded.who, why = excluded.why, written = excluded.written, lifted = NULL
    WHERE legacy_refusal.lifted IS NOT NULL";
const LIFT: &str = "UPDATE legacy_refusal SET lifted = $2, written = $2 WHERE hash = $1 AND lifted IS NULL";
const LISTED: &str = "
    SELECT hash, asked, address, kind, device FROM legacy_approval WHERE hash > $1 ORDER BY hash LIMIT $2";
const LISTED_ONE: &str = "SELECT hash, asked, address, kind, device FROM legacy_approval WHERE hash = $1";
const KNOWN_AS: &str =
    "SELECT known_as FROM legacy_token WHERE device = $1 AND known_as <> '' ORDER BY adopted LIMIT 1";
/// Those of one serial number that hold a token of before.
const OF_HARDWARE: &str = "
    SELECT DISTINCT d.id FROM device d JOIN legacy_token t ON t.device = d.id WHERE d.hardware_id = $1 LIMIT 2";

/// One line of the approval list, as it is stored.
pub(super) struct ListedRow {
    pub(super) hash: String,
    pub(super) asked: Timestamp,
    pub(super) address: Option<String>,
    pub(super) kind: String,
    pub(super) device: Option<DeviceId>,
}

pub(super) async fn find(store: &Database, hash: CredentialHash) -> Result<Option<KnownToken>, Unavailable> {
    store.call(move |mut connection| async move { find_in(&mut connection, hash).await }).await
}

async fn find_in(connection: &mut SqliteConnection, hash: CredentialHash) -> Result<Option<KnownToken>, sqlx::Error> {
    let row = sqlx::query(FIND).bind(hash.to_string()).fetch_one(&mut *connection).await?;
    Ok(token(&row)?.1)
}

/// What is known of which token; nothing, if what refused it was taken back.
pub(super) type HashAndToken = (CredentialHash, Option<KnownToken>);

/// What has changed since `since`.
pub(super) async fn changed(store: &Database, since: Timestamp) -> Result<Vec<HashAndToken>, Unavailable> {
    let since = since.as_millis();
    read(store, move |connection| Box::pin(sqlx::query(CHANGED).bind(since).fetch_all(connection))).await
}

/// The first `most` after `after`, in the order of their hashes.
pub(super) async fn page(
    store: &Database,
    after: Option<CredentialHash>,
    most: u32,
) -> Result<Vec<HashAndToken>, Unavailable> {
    let after = after.map(|hash| hash.to_string()).unwrap_or_default();
    read(store, move |connection| Box::pin(sqlx::query(PAGE).bind(after).bind(most).fetch_all(connection))).await
}

type Rows<'c> = std::pin::Pin<Box<dyn Future<Output = Result<Vec<SqliteRow>, sqlx::Error>> + Send + 'c>>;

async fn read(
    store: &Database,
    ask: impl for<'c> FnOnce(&'c mut SqliteConnection) -> Rows<'c> + Send + 'static,
) -> Result<Vec<HashAndToken>, Unavailable> {
    let work = move |mut connection: PoolConnection<Sqlite>| async move {
        let rows = ask(&mut connection).await?;
        rows.iter().map(token).collect()
    };
    store.call(work).await
}

/// The binding of a device that the service behind us knows by this name, in this tenant: it has got another token there.
async fn of_the_same(
    reading: &mut SqliteConnection,
    known_as: &str,
    tenant: &str,
) -> Result<Option<BindingId>, sqlx::Error> {
    let found = sqlx::query(OF_THE_SAME).bind(known_as).bind(tenant).fetch_optional(&mut *reading).await?;
    found.as_ref().map(|row| parsed(row, "binding")).transpose()
}

/// Writes a token down as that of `binding`, and takes it off every list.
async fn insert(
    writing: &mut SqliteConnection,
    hash: CredentialHash,
    binding: &Binding,
    known_as: &str,
    order: &Order,
    now: Now,
) -> Result<(), sqlx::Error> {
    sqlx::query(INSERT)
        .bind(hash.to_string())
        .bind(binding.device.to_string())
        .bind(binding.id.to_string())
        .bind(binding.generation.number())
        .bind(known_as)
        .bind(now.earlier().as_millis())
        .bind(now.later().as_millis())
        .bind(&order.who)
        .bind(&order.why)
        .execute(&mut *writing)
        .await?;
    forget(writing, hash).await?;
    let Binding { id, tenant, room, generation, .. } = binding;
    let detail = json!({ "binding": id, "tenant": tenant, "room": room, "generation": generation,
        "known_as": known_as, "why": order.why });
    record(writing, "adopted", hash, Some(binding.device), detail, order, now).await
}

/// Takes a token off the approval list, and forgets how often it was denied.
async fn forget(writing: &mut SqliteConnection, hash: CredentialHash) -> Result<(), sqlx::Error> {
    for statement in [FORGET_DENIALS, FORGET_APPROVAL] {
        sqlx::query(statement).bind(hash.to_string()).execute(&mut *writing).await?;
    }
    Ok(())
}

/// How often the denial of a token has counted, and when last.
async fn denials(
    connection: &mut SqliteConnection,
    hash: CredentialHash,
) -> Result<Option<(u32, Timestamp)>, sqlx::Error> {
    let row: Option<(u32, i64)> =
        sqlx::query_as(LAST_DENIAL).bind(hash.to_string()).fetch_optional(&mut *connection).await?;
    Ok(row.map(|(count, last)| (count, Timestamp::from_millis(last))))
}

async fn write_denial(
    writing: &mut SqliteConnection,
    hash: CredentialHash,
    count: u32,
    now: Now,
) -> Result<(), sqlx::Error> {
    let write = sqlx::query(WRITE_DENIAL).bind(hash.to_string()).bind(count).bind(now.later().as_millis());
    write.execute(&mut *writing).await.map(drop)
}

/// Puts a token on the approval list; whether it is new there.
async fn list(
    writing: &mut SqliteConnection,
    hash: CredentialHash,
    (kind, device, address): (&str, Option<DeviceId>, Option<&str>),
    order: &Order,
    now: Now,
) -> Result<bool, sqlx::Error> {
    let write = sqlx::query(LIST).bind(hash.to_string()).bind(now.earlier().as_millis()).bind(address);
    let written = write.bind(kind).bind(device.map(|device| device.to_string())).execute(&mut *writing).await?;
    if written.rows_affected() == 0 {
        return Ok(false);
    }
    let detail = json!({ "kind": kind, "why": order.why });
    record(writing, "token-listed", hash, device, detail, order, now).await?;
    Ok(true)
}

/// Writes the row that refuses a token; whether that is new.
async fn refuse(
    writing: &mut SqliteConnection,
    hash: CredentialHash,
    order: &Order,
    now: Now,
) -> Result<bool, sqlx::Error> {
    let write = sqlx::query(REFUSE).bind(hash.to_string()).bind(now.later().as_millis()).bind(&order.who);
    let written = write.bind(&order.why).bind(now.later().as_millis()).execute(&mut *writing).await?;
    forget(writing, hash).await?;
    if written.rows_affected() == 0 {
        return Ok(false);
    }
    let known = find_in(writing, hash).await?.and_then(|known| known.device);
    let device = known.map(|known| known.device);
    record(writing, "token-refused", hash, device, json!({ "why": order.why }), order, now).await?;
    Ok(true)
}

/// Takes back the row that refuses a token; whether there was one.
async fn lift(
    writing: &mut SqliteConnection,
    hash: CredentialHash,
    order: &Order,
    now: Now,
) -> Result<bool, sqlx::Error> {
    let lifted = sqlx::query(LIFT).bind(hash.to_string()).bind(now.later().as_millis()).execute(&mut *writing).await?;
    if lifted.rows_affected() == 0 {
        return Ok(false);
    }
    record(writing, "token-refusal-lifted", hash, None, json!({ "why": order.why }), order, now).await?;
    Ok(true)
}

async fn listed(connection: &mut SqliteConnection, after: &str, most: u32) -> Result<Vec<ListedRow>, sqlx::Error> {
    let rows = sqlx::query(LISTED).bind(after).bind(most).fetch_all(&mut *connection).await?;
    rows.iter().map(listed_row).collect()
}

async fn listed_one(connection: &mut SqliteConnection, hash: CredentialHash) -> Result<Option<ListedRow>, sqlx::Error> {
    let row = sqlx::query(LISTED_ONE).bind(hash.to_string()).fetch_optional(&mut *connection).await?;
    row.as_ref().map(listed_row).transpose()
}

/// The one adopted device of this serial number; none, if several claim it.
async fn of_hardware(connection: &mut SqliteConnection, hardware_id: &str) -> Result<Option<DeviceId>, sqlx::Error> {
    let rows = sqlx::query(OF_HARDWARE).bind(hardware_id).fetch_all(&mut *connection).await?;
    match rows.as_slice() {
        [one] => parsed(one, "id").map(Some),
        _ => Ok(None),
    }
}

/// What the service behind us calls a device; empty, if it was never asked.
async fn known_as(connection: &mut SqliteConnection, device: DeviceId) -> Result<String, sqlx::Error> {
    let known: Option<String> =
        sqlx::query_scalar(KNOWN_AS).bind(device.to_string()).fetch_optional(&mut *connection).await?;
    Ok(known.unwrap_or_default())
}

/// Takes what the same device, from the same address, was listed for before off the list.
async fn unlist_others(
    writing: &mut SqliteConnection,
    hash: CredentialHash,
    device: DeviceId,
    address: Option<&str>,
) -> Result<(), sqlx::Error> {
    let delete = sqlx::query(UNLIST_OTHERS).bind(device.to_string()).bind(address).bind(hash.to_string());
    delete.execute(&mut *writing).await.map(drop)
}

async fn record(
    writing: &mut SqliteConnection,
    action: &'static str,
    hash: CredentialHash,
    device: Option<DeviceId>,
    mut detail: serde_json::Value,
    order: &Order,
    now: Now,
) -> Result<(), sqlx::Error> {
    detail["token"] = json!(hash.to_string());
    let record = AuditRecord { at: now.earlier(), actor: order.who.clone(), action, device, detail };
    audit::append(writing, record).await
}

/// Whether `last` is so long ago, by both readings of the clock.
fn is_apart(last: Timestamp, now: Now, apart: Duration) -> bool {
    match now.past(last + apart) {
        Past::Yes => true,
        Past::No | Past::InDoubt => false,
    }
}

fn listed_row(row: &SqliteRow) -> Result<ListedRow, sqlx::Error> {
    let device: Option<String> = row.try_get("device")?;
    Ok(ListedRow {
        hash: row.try_get("hash")?,
        asked: Timestamp::from_millis(row.try_get("asked")?),
        address: row.try_get("address")?,
        kind: row.try_get("kind")?,
        device: device.map(|_| parsed(row, "device")).transpose()?,
    })
}

/// A text of a row that names something. One that does not is an error of the store's, and no word about anybody.
fn parsed<T: FromStr<Err: Error + Send + Sync + 'static>>(row: &SqliteRow, column: &str) -> Result<T, sqlx::Error> {
    row.try_get::<String, _>(column)?.parse().map_err(|bad: T::Err| sqlx::Error::Decode(bad.into()))
}

/// What a row says of a token; nothing, if nothing is on record.
fn token(row: &SqliteRow) -> Result<HashAndToken, sqlx::Error> {
    let device = row.try_get::<Option<String>, _>("device")?.map(|_| adopted(row)).transpose()?;
    let refused = row.try_get::<Option<i64>, _>("at")?.map(|at| refusal(row, at)).transpose()?;
    let known =
        (device.is_some() || refused.is_some()).then(|| KnownToken { device, refused, noted: AtomicI64::new(0) });
    Ok((parsed(row, "hash")?, known))
}

fn adopted(row: &SqliteRow) -> Result<AdoptedDevice, sqlx::Error> {
    let text = |name| row.try_get::<String, _>(name).map(Arc::from);
    Ok(AdoptedDevice {
        device: parsed::<DeviceId>(row, "device")?,
        binding: parsed::<BindingId>(row, "binding")?,
        generation: Generation::new(row.try_get("generation")?),
        tenant: text("tenant")?,
        room: text("room")?,
        known_as: text("known_as")?,
        adopted: Timestamp::from_millis(row.try_get("adopted")?),
    })
}

fn refusal(row: &SqliteRow, at: i64) -> Result<TokenRefusal, sqlx::Error> {
    let text = |name| row.try_get::<String, _>(name).map(Arc::from);
    Ok(TokenRefusal { at: Timestamp::from_millis(at), who: text("who")?, why: text("why")? })
}
