//! Whole transactions about tokens of before: each does what it is for, with its audit rows, or nothing.

use std::sync::Arc;

use sqlx::{Connection, Sqlite, SqliteConnection, pool::PoolConnection};

use super::{HashAndToken, ListedRow, find_in, is_apart, known_as, of_hardware};
use crate::{
    clock::Now,
    credential::CredentialHash,
    database::Database,
    device::{
        legacy::{
            adoption::LegacyDescription,
            approval::{ApprovalKind, LegacyChange, Placement},
            row::KnownToken,
        },
        registry::{
            DeviceDescription, Order,
            sql::{
                binding, device, insert_device,
                transaction::{bind, change},
            },
        },
    },
    principal::{BindingId, BindingState, DeviceId},
    revocations::RevocationEntry,
    verdict::Unavailable,
};

/// What a transaction left behind of one token, and what the revocation set must hear of it.
pub(in crate::device::legacy) struct Settled {
    pub(in crate::device::legacy) change: LegacyChange,
    pub(in crate::device::legacy) token: Option<KnownToken>,
    pub(in crate::device::legacy) learned: Option<Arc<RevocationEntry>>,
}

type Done = (LegacyChange, Option<Arc<RevocationEntry>>);

/// Writes down what the service behind us said of a token.
pub(in crate::device::legacy) async fn adopt(
    store: &Database,
    hash: CredentialHash,
    it: LegacyDescription,
    order: Order,
    now: Now,
) -> Result<Settled, Unavailable> {
    let work = move |mut connection: PoolConnection<Sqlite>| async move {
        let mut writing = connection.begin_with("BEGIN IMMEDIATE").await?;
        let learned = adopt_in(&mut writing, hash, &it, &order, now).await?;
        let token = find_in(&mut writing, hash).await?;
        writing.commit().await?;
        Ok(Settled { change: LegacyChange::Changed, token, learned })
    };
    store.call(work).await
}

/// A device, unless the service knows the same one by another token already, its binding, and the hash. What another
/// gateway has written meanwhile stands.
async fn adopt_in(
    writing: &mut SqliteConnection,
    hash: CredentialHash,
    it: &LegacyDescription,
    order: &Order,
    now: Now,
) -> Result<Option<Arc<RevocationEntry>>, sqlx::Error> {
    if find_in(writing, hash).await?.is_some() {
        return Ok(None);
    }
    if let Some(same) = super::of_the_same(writing, &it.known_as, &it.tenant).await? {
        let same = binding(writing, same).await?.ok_or(sqlx::Error::RowNotFound)?;
        super::insert(writing, hash, &same, &it.known_as, order, now).await?;
        return Ok(None);
    }
    let description =
        DeviceDescription { hardware_id: it.hardware_id.clone(), model: it.name.clone(), app_version: String::new() };
    let device = insert_device(writing, &description, order, now).await?;
    let bound = bind(writing, device, &it.tenant, &it.room, order, now).await?;
    super::insert(writing, hash, &bound.binding, &it.known_as, order, now).await?;
    Ok(bound.learned)
}

/// When the denial of a token counted last; whether that is long enough ago.
pub(in crate::device::legacy) async fn denial_is_due(
    store: &Database,
    hash: CredentialHash,
    apart: std::time::Duration,
    now: Now,
) -> Result<bool, Unavailable> {
    let last = store.call(move |mut connection| async move { super::denials(&mut connection, hash).await }).await?;
    Ok(last.is_none_or(|(_, last)| is_apart(last, now, apart)))
}

/// Counts one denial, if the last is long enough ago; whether it put the token on the approval list.
pub(in crate::device::legacy) async fn count_denial(
    store: &Database,
    hash: CredentialHash,
    (apart, denials): (std::time::Duration, u32),
    now: Now,
) -> Result<bool, Unavailable> {
    let order = Order { who: "gateway".to_owned(), why: format!("denied {denials} times, beyond doubt") };
    let work = move |mut connection: PoolConnection<Sqlite>| async move {
        let mut writing = connection.begin_with("BEGIN IMMEDIATE").await?;
        let before = super::denials(&mut writing, hash).await?;
        if before.is_some_and(|(_, last)| !is_apart(last, now, apart)) {
            return Ok(false);
        }
        let count = before.map_or(0, |(count, _)| count).saturating_add(1);
        super::write_denial(&mut writing, hash, count, now).await?;
        let what = (ApprovalKind::Denied.as_str(), None, None);
        let listed = count >= denials && super::list(&mut writing, hash, what, &order, now).await?;
        writing.commit().await?;
        Ok(listed)
    };
    store.call(work).await
}

/// Writes the rows that refuse these tokens: what is known of each then, and how many rows are new.
pub(in crate::device::legacy) async fn refuse(
    store: &Database,
    hashes: Vec<CredentialHash>,
    order: Order,
    now: Now,
) -> Result<(Vec<HashAndToken>, usize), Unavailable> {
    let work = move |mut connection: PoolConnection<Sqlite>| async move {
        let (mut written, mut new) = (Vec::new(), 0);
        let mut writing = connection.begin_with("BEGIN IMMEDIATE").await?;
        for hash in hashes {
            new += usize::from(super::refuse(&mut writing, hash, &order, now).await?);
            written.push((hash, find_in(&mut writing, hash).await?));
        }
        writing.commit().await?;
        Ok((written, new))
    };
    store.call(work).await
}

/// Says that a token is good.
pub(in crate::device::legacy) async fn accept(
    store: &Database,
    hash: CredentialHash,
    placement: Option<Placement>,
    order: Order,
    now: Now,
) -> Result<Settled, Unavailable> {
    let work = move |mut connection: PoolConnection<Sqlite>| async move {
        let mut writing = connection.begin_with("BEGIN IMMEDIATE").await?;
        let (change, learned) = accept_in(&mut writing, hash, placement, &order, now).await?;
        let token = find_in(&mut writing, hash).await?;
        writing.commit().await?;
        Ok(Settled { change, token, learned })
    };
    store.call(work).await
}

async fn accept_in(
    writing: &mut SqliteConnection,
    hash: CredentialHash,
    placement: Option<Placement>,
    order: &Order,
    now: Now,
) -> Result<Done, sqlx::Error> {
    let listed = super::listed_one(writing, hash).await?;
    let lifted = super::lift(writing, hash, order, now).await?;
    if let Some(it) = find_in(writing, hash).await?.and_then(|known| known.device) {
        let (_, learned) = change(writing, it.binding, BindingState::Active, order, now).await?;
        let standing = binding(writing, it.binding).await?.ok_or(sqlx::Error::RowNotFound)?;
        let anew = standing.generation != it.generation;
        if anew {
            super::insert(writing, hash, &standing, &it.known_as, order, now).await?;
        }
        super::forget(writing, hash).await?;
        let changed = lifted || anew || learned.is_some() || listed.is_some();
        return Ok((if changed { LegacyChange::Changed } else { LegacyChange::Unchanged }, learned));
    }
    if let Some(lost_by) = listed.as_ref().and_then(|row| row.device) {
        return give_back(writing, hash, lost_by, order, now).await;
    }
    if let Some(Placement { tenant, room }) = placement {
        let nothing = String::new;
        let description = DeviceDescription { hardware_id: nothing(), model: nothing(), app_version: nothing() };
        let device = insert_device(writing, &description, order, now).await?;
        let bound = bind(writing, device, &tenant, &room, order, now).await?;
        super::insert(writing, hash, &bound.binding, "", order, now).await?;
        return Ok((LegacyChange::Changed, bound.learned));
    }
    super::forget(writing, hash).await?;
    let changed = lifted || listed.is_some();
    Ok((if changed { LegacyChange::Changed } else { LegacyChange::Unknown }, None))
}

/// A device that lost its token gets another, if it is in exactly one tenant.
async fn give_back(
    writing: &mut SqliteConnection,
    hash: CredentialHash,
    lost_by: DeviceId,
    order: &Order,
    now: Now,
) -> Result<Done, sqlx::Error> {
    let Some(device) = device(writing, lost_by).await? else { return Ok((LegacyChange::Unknown, None)) };
    let mut active = device.active_bindings();
    match (active.next(), active.next()) {
        (Some(binding), None) => {
            let known_as = known_as(writing, device.id).await?;
            super::insert(writing, hash, binding, &known_as, order, now).await?;
            Ok((LegacyChange::Changed, None))
        }
        _ => Ok((LegacyChange::Unknown, None)),
    }
}

/// Writes a token down as that of a binding, if that stands.
pub(in crate::device::legacy) async fn give(
    store: &Database,
    hash: CredentialHash,
    to: BindingId,
    order: Order,
    now: Now,
) -> Result<Option<KnownToken>, Unavailable> {
    let work = move |mut connection: PoolConnection<Sqlite>| async move {
        let mut writing = connection.begin_with("BEGIN IMMEDIATE").await?;
        let to = binding(&mut writing, to).await?.filter(|to| to.state == BindingState::Active);
        let Some(to) = to else { return Ok(None) };
        if find_in(&mut writing, hash).await?.is_none() {
            super::insert(&mut writing, hash, &to, "", &order, now).await?;
        }
        let token = find_in(&mut writing, hash).await?;
        writing.commit().await?;
        Ok(token)
    };
    store.call(work).await
}

/// Puts the token that would be given to a device on the approval list, if exactly one adopted device has this serial
/// number; whether it is new there.
pub(in crate::device::legacy) async fn list_lost(
    store: &Database,
    hash: CredentialHash,
    hardware_id: String,
    address: Option<String>,
    now: Now,
) -> Result<bool, Unavailable> {
    let why = "a device that shows this serial number has lost its token".to_owned();
    let order = Order { who: "gateway".to_owned(), why };
    let work = move |mut connection: PoolConnection<Sqlite>| async move {
        let mut writing = connection.begin_with("BEGIN IMMEDIATE").await?;
        let Some(device) = of_hardware(&mut writing, &hardware_id).await? else { return Ok(false) };
        super::unlist_others(&mut writing, hash, device, address.as_deref()).await?;
        let what = (ApprovalKind::LostToken.as_str(), Some(device), address.as_deref());
        let listed = super::list(&mut writing, hash, what, &order, now).await?;
        writing.commit().await?;
        Ok(listed)
    };
    store.call(work).await
}

/// At most `most` lines of the approval list after the hash `after`.
pub(in crate::device::legacy) async fn listed(
    store: &Database,
    after: String,
    most: u32,
) -> Result<Vec<ListedRow>, Unavailable> {
    store.call(move |mut connection| async move { super::listed(&mut connection, &after, most).await }).await
}
