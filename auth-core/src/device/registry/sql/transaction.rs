//! What is done in one transaction. The store's calls at the top; below, what other transactions are made of too.

use std::{collections::HashSet, sync::Arc, time::Duration};

use serde_json::json;
use sqlx::{Connection, Sqlite, SqliteConnection, pool::PoolConnection};

use super::{
    super::{
        super::last_seen::Sighting, Binding, BindingChange, Bound, DeviceDescription, DeviceKey, ImportOutcome,
        LostDevice, NewDevice, Order, RegisteredDevice, binding_id,
    },
    binding, binding_in, device, insert_binding, insert_device, insert_device_as, insert_key, key, page, registered,
    registered_keys, undone, update_binding, update_seen,
};
use crate::{
    audit::{self, AuditRecord},
    clock::{Now, Timestamp},
    database::Database,
    principal::{BindingId, BindingState, DeviceId, Thumbprint},
    revocations::{self, RevocationEntry},
    verdict::Unavailable,
};

pub(in crate::device::registry) async fn register(
    store: &Database,
    new: NewDevice,
    order: Order,
    now: Now,
) -> Result<RegisteredDevice, Unavailable> {
    let work = move |mut connection: PoolConnection<Sqlite>| async move {
        let mut writing = connection.begin_with("BEGIN IMMEDIATE").await?;
        let id = insert_device(&mut writing, &new.description, &order, now).await?;
        if let Some(key) = &new.key {
            insert_key(&mut writing, id, key, now).await?;
        }
        bind(&mut writing, id, &new.tenant, &new.room, &order, now).await?;
        let device = device(&mut writing, id).await?.ok_or(sqlx::Error::RowNotFound)?;
        writing.commit().await?;
        Ok(device)
    };
    store.call(work).await
}

/// How long an import may take: two thousand devices on a slow disk, and less than the command waits for its answer.
const IMPORT: Duration = Duration::from_secs(8);

pub(in crate::device::registry) async fn import(
    store: &Database,
    new: Vec<NewDevice>,
    order: Order,
    now: Now,
) -> Result<ImportOutcome, Unavailable> {
    let work = move |mut connection: PoolConnection<Sqlite>| async move {
        let mut writing = connection.begin_with("BEGIN IMMEDIATE").await?;
        let hardware_ids: Vec<&str> = new.iter().map(|new| &*new.description.hardware_id).collect();
        let mut known = registered(&mut writing, &hardware_ids).await?;
        let thumbprint = |new: &NewDevice| new.key.as_ref().map(|key| key.thumbprint.to_string());
        let keys: Vec<String> = new.iter().filter_map(thumbprint).collect();
        let mut taken: HashSet<String> = registered_keys(&mut writing, &keys).await?.into_iter().collect();
        let has_taken = |new: &&NewDevice| thumbprint(new).is_some_and(|key| !taken.insert(key));
        known.extend(new.iter().filter(has_taken).map(|new| new.description.hardware_id.clone()));
        if !known.is_empty() {
            return Ok(ImportOutcome::Known(known));
        }
        for new in &new {
            let id = insert_device(&mut writing, &new.description, &order, now).await?;
            if let Some(key) = &new.key {
                insert_key(&mut writing, id, key, now).await?;
            }
            bind(&mut writing, id, &new.tenant, &new.room, &order, now).await?;
        }
        writing.commit().await?;
        Ok(ImportOutcome::Done)
    };
    store.call_patiently(IMPORT, work).await
}

pub(in crate::device::registry) async fn bind_known(
    store: &Database,
    id: DeviceId,
    tenant: String,
    room: String,
    order: Order,
    now: Now,
) -> Result<Option<Bound>, Unavailable> {
    let work = move |mut connection: PoolConnection<Sqlite>| async move {
        let mut writing = connection.begin_with("BEGIN IMMEDIATE").await?;
        if device(&mut writing, id).await?.is_none() {
            return Ok(None);
        }
        let bound = bind(&mut writing, id, &tenant, &room, &order, now).await?;
        writing.commit().await?;
        Ok(Some(bound))
    };
    store.call(work).await
}

pub(in crate::device::registry) async fn change_one(
    store: &Database,
    id: BindingId,
    to: BindingState,
    order: Order,
    now: Now,
) -> Result<(BindingChange, Option<Arc<RevocationEntry>>), Unavailable> {
    let work = move |mut connection: PoolConnection<Sqlite>| async move {
        let mut writing = connection.begin_with("BEGIN IMMEDIATE").await?;
        let done = change(&mut writing, id, to, &order, now).await?;
        writing.commit().await?;
        Ok(done)
    };
    store.call(work).await
}

pub(in crate::device::registry) async fn restore(
    store: &Database,
    lost: LostDevice,
    order: Order,
    now: Now,
) -> Result<Option<Binding>, Unavailable> {
    let work = move |mut connection: PoolConnection<Sqlite>| async move {
        let mut writing = connection.begin_with("BEGIN IMMEDIATE").await?;
        let LostDevice { key: public, binding: lost } = lost;
        let is_known = device(&mut writing, lost.device).await?.is_some()
            || key(&mut writing, public.thumbprint).await?.is_some()
            || binding(&mut writing, lost.id).await?.is_some();
        if is_known {
            return Ok(None);
        }
        let nothing =
            DeviceDescription { hardware_id: String::new(), model: String::new(), app_version: String::new() };
        insert_device_as(&mut writing, lost.device, &nothing, &order, "device-restored", now).await?;
        insert_key(&mut writing, lost.device, &public, now).await?;
        insert_binding(&mut writing, &lost).await?;
        record(&mut writing, "binding-restored", &lost, &order, now.earlier()).await?;
        writing.commit().await?;
        Ok(Some(lost))
    };
    store.call(work).await
}

pub(in crate::device::registry) async fn seen(
    store: &Database,
    seen: Vec<(DeviceId, Sighting)>,
) -> Result<(), Unavailable> {
    let work = move |mut connection: PoolConnection<Sqlite>| async move {
        let mut writing = connection.begin_with("BEGIN IMMEDIATE").await?;
        for (id, seen) in seen {
            update_seen(&mut writing, id, seen).await?;
        }
        writing.commit().await
    };
    store.call(work).await
}

pub(in crate::device::registry) async fn of_key(
    store: &Database,
    thumbprint: Thumbprint,
) -> Result<Option<(DeviceKey, RegisteredDevice)>, Unavailable> {
    let work = move |mut connection: PoolConnection<Sqlite>| async move {
        let Some(key) = key(&mut connection, thumbprint).await? else { return Ok(None) };
        let device = device(&mut connection, key.device).await?;
        Ok(device.map(|device| (key, device)))
    };
    store.call(work).await
}

pub(in crate::device::registry) async fn show(
    store: &Database,
    id: DeviceId,
) -> Result<Option<RegisteredDevice>, Unavailable> {
    store.call(move |mut connection| async move { device(&mut connection, id).await }).await
}

pub(in crate::device::registry) async fn list(
    store: &Database,
    tenant: Option<String>,
    after: Option<DeviceId>,
    most: u32,
) -> Result<Vec<RegisteredDevice>, Unavailable> {
    let work = move |mut connection: PoolConnection<Sqlite>| async move {
        page(&mut connection, tenant.as_deref(), after, most).await
    };
    store.call(work).await
}

/// Binds a device to a tenant, within a transaction: a new binding, or the one that it has there, brought back and put into
/// this room. Whoever commits tells the revocation set what was `learned`.
pub(in crate::device) async fn bind(
    writing: &mut SqliteConnection,
    device: DeviceId,
    tenant: &str,
    room: &str,
    order: &Order,
    now: Now,
) -> Result<Bound, sqlx::Error> {
    let at = now.earlier();
    let Some(known) = binding_in(writing, device, tenant).await? else {
        let binding = Binding::begun(binding_id(now).map_err(undone)?, device, tenant, room, order, at);
        insert_binding(writing, &binding).await?;
        record(writing, "binding-made", &binding, order, at).await?;
        return Ok(Bound { binding, learned: None });
    };
    let mut known = known;
    if known.room != room {
        room.clone_into(&mut known.room);
        known.changed_by(order, at);
        update_binding(writing, &known).await?;
        record(writing, "binding-moved", &known, order, at).await?;
    }
    let (done, learned) = change(writing, known.id, BindingState::Active, order, now).await?;
    let binding = match done {
        BindingChange::Changed(binding) | BindingChange::Unchanged(binding) => binding,
        BindingChange::Unknown => known,
    };
    Ok(Bound { binding, learned })
}

/// Changes the state of a binding, within a transaction. Whoever commits tells the revocation set what was learned.
pub(in crate::device) async fn change(
    writing: &mut SqliteConnection,
    id: BindingId,
    to: BindingState,
    order: &Order,
    now: Now,
) -> Result<(BindingChange, Option<Arc<RevocationEntry>>), sqlx::Error> {
    let Some(mut binding) = binding(writing, id).await? else { return Ok((BindingChange::Unknown, None)) };
    let action = match (binding.state, to) {
        (BindingState::Active, BindingState::Active)
        | (BindingState::Suspended, BindingState::Suspended)
        | (BindingState::Revoked, BindingState::Revoked | BindingState::Suspended) => {
            return Ok((BindingChange::Unchanged(binding), None));
        }
        (BindingState::Active, BindingState::Suspended) => "binding-suspended",
        (BindingState::Active | BindingState::Suspended, BindingState::Revoked) => "binding-revoked",
        (BindingState::Suspended, BindingState::Active) => "binding-resumed",
        (BindingState::Revoked, BindingState::Active) => {
            binding.generation = binding.generation.next();
            "binding-begun-anew"
        }
    };
    let at = now.earlier();
    binding.state = to;
    binding.changed_by(order, at);
    update_binding(writing, &binding).await?;
    record(writing, action, &binding, order, at).await?;
    let entry = Arc::new(RevocationEntry::of_binding(binding.standing(), &order.who, &order.why, now));
    revocations::insert(writing, &entry, now).await?;
    Ok((BindingChange::Changed(binding), Some(entry)))
}

async fn record(
    writing: &mut SqliteConnection,
    action: &'static str,
    binding: &Binding,
    order: &Order,
    at: Timestamp,
) -> Result<(), sqlx::Error> {
    let Binding { id, tenant, room, generation, .. } = binding;
    let detail = json!({"binding": id, "tenant": tenant, "room": room, "generation": generation, "why": order.why});
    let record = AuditRecord { at, actor: order.who.clone(), action, device: Some(binding.device), detail };
    audit::append(writing, record).await
}
