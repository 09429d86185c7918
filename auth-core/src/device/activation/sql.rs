//! Activations and wrong guesses in the store. Each of beginning, finding and confirming is one transaction.

use std::{sync::Arc, time::Duration};

use serde_json::json;
use sqlx::{Connection, FromRow, Row as _, Sqlite, SqliteConnection, pool::PoolConnection, sqlite::SqliteRow};

use super::{
    ActivationId, ActivationPolicy, Administrator, AskingNetwork, Pin, PinLength, PinTag, TypedTag,
    budget::{self, CountedGuesses, DAY, GuessLimit, OpenPins},
};
use crate::{
    audit::{self, AuditRecord},
    clock::{Now, Timestamp},
    database::Database,
    device::registry::{
        Binding, DeviceDescription, Order, PublicKey,
        sql::{self as registered, insert_device, insert_key, key, transaction},
    },
    keyring::Keyring,
    principal::{BindingId, Thumbprint},
    revocations::RevocationEntry,
    verdict::Unavailable,
};

/// What is over is kept for a day, so that no PIN comes again before.
const KEPT: Duration = DAY;

const PURGE: &str = "DELETE FROM device_activation WHERE until <= $1";
const PURGE_GUESSES: &str = "DELETE FROM device_pin_guess WHERE at <= $1 OR at > $2";
const ACTIVATION: &str = "SELECT * FROM device_activation WHERE id = $1";
const OPEN_OF_KEY: &str = "
    SELECT * FROM device_activation
    WHERE thumbprint = $1 AND until > $2 AND begun <= $2 AND confirmed IS NULL ORDER BY until DESC LIMIT 1";
const COUNT_OPEN: &str = "
    SELECT count(*), coalesce(sum(address = $2), 0), coalesce(min(until), 0)
    FROM device_activation WHERE until > $1 AND begun <= $1 AND confirmed IS NULL";
/// Of a network, confirmed or not: what was asked for lately.
const COUNT_LATELY: &str =
    "SELECT count(*) FROM device_activation WHERE until > $1 AND begun > $2 AND begun <= $1 AND address = $3";
const IS_TAKEN: &str = "
    SELECT EXISTS (SELECT 1 FROM device_activation WHERE pin_hash = $1) OR EXISTS (
        SELECT 1 FROM device_activation
        WHERE pin_hash IN (SELECT value FROM json_each($2)) AND until > $3 AND confirmed IS NULL
    )";
const INSERT: &str = "
    INSERT INTO device_activation
        (id, thumbprint, jwk, pin_hash, hardware_id, model, app_version, address, begun, until, visible_to)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
/// Two are enough to know that there is not one.
const STANDS_IN: &str = "
    SELECT DISTINCT tenant FROM device_binding
    WHERE state <> 'revoked' AND device IN (
        SELECT device FROM device_key WHERE thumbprint = $1 UNION SELECT id FROM device WHERE hardware_id = $2
    ) LIMIT 2";
const FIND: &str = "
    SELECT * FROM device_activation
    WHERE pin_hash = $1 AND until > $2 AND begun <= $2 AND confirmed IS NULL
        AND (visible_to IS NULL OR visible_to IN (SELECT value FROM json_each($3)))";
#[cfg(candor_mutants)]
const FIND_USED: &str = "
    SELECT * FROM device_activation
    WHERE pin_hash = $1 AND until > $2 AND begun <= $2
        AND (visible_to IS NULL OR visible_to IN (SELECT value FROM json_each($3)))";
const OPEN_TO: &str = "
    SELECT coalesce(sum(substr(id, 1, 1) <> '8'), 0), coalesce(sum(substr(id, 1, 1) = '8'), 0)
    FROM device_activation
    WHERE until > $1 AND begun <= $1 AND confirmed IS NULL
        AND ($2 IS NULL OR visible_to IS NULL OR visible_to IN (SELECT value FROM json_each($2)))
        AND ($3 = 0 OR jwk = '')";
const CONFIRM: &str = "
    UPDATE device_activation SET confirmed = $2, confirmed_by = $3, device = $4, binding = $5 WHERE id = $1";
const GUESS: &str = "
    INSERT INTO device_pin_guess (at, administrator, tenant, address, with_tag) VALUES ($1, $2, $3, $4, $5)";
/// The guess that fills a budget: while it is in the window, the budget is spent. Tenant and fleet count guesses at the PIN
/// alone: one at the tag too hits so seldom that people and networks have it in their own budgets only.
const SPENT_BY: [(CountedGuesses, &str); 4] = [
    (
        CountedGuesses::Administrator,
        "SELECT at FROM device_pin_guess WHERE at > $1 AND at <= $2 AND administrator = $4
         ORDER BY at DESC LIMIT 1 OFFSET $3",
    ),
    (
        CountedGuesses::Tenant,
        "SELECT at FROM device_pin_guess WHERE at > $1 AND at <= $2 AND tenant = $4 AND with_tag = 0
         ORDER BY at DESC LIMIT 1 OFFSET $3",
    ),
    (
        CountedGuesses::Network,
        "SELECT at FROM device_pin_guess WHERE at > $1 AND at <= $2 AND address = $4
         ORDER BY at DESC LIMIT 1 OFFSET $3",
    ),
    (
        CountedGuesses::Fleet,
        "SELECT at FROM device_pin_guess WHERE at > $1 AND at <= $2 AND $4 = '' AND with_tag = 0
         ORDER BY at DESC LIMIT 1 OFFSET $3",
    ),
];
const NEIGHBOURS: &str = "
    SELECT last_address, count(DISTINCT device.id) FROM device_binding JOIN device ON device.id = device_binding.device
    WHERE device_binding.tenant IN (SELECT value FROM json_each($1)) AND state = 'active' AND last_address IS NOT NULL
    GROUP BY last_address";

/// An activation that is asked for.
pub(super) struct NewActivation {
    pub(super) key: PublicKey,
    pub(super) about: DeviceDescription,
    pub(super) network: String,
    pub(super) policy: ActivationPolicy,
    pub(super) keyring: Keyring,
    pub(super) now: Now,
}

pub(super) enum BegunActivation {
    /// It was open already.
    Open { id: ActivationId, until: Timestamp },
    /// It is; with it, so many are.
    New { id: ActivationId, until: Timestamp, open: u64 },
    /// Too many are.
    TooMany { retry_after: Duration },
}

pub(super) enum FoundPin {
    Display(Box<DisplayWithPin>),
    /// A guess was counted; with it, the fleet's budget was spent.
    Nothing {
        fleet_is_spent: bool,
        asks_tag: bool,
    },
    /// The PIN alone finds nothing now, and was not looked for.
    AsksTag,
    Spent {
        retry_after: Duration,
    },
}

/// A PIN that an administrator has typed.
pub(super) struct PinSearch {
    pub(super) pin_hash: String,
    pub(super) tag: TypedTag,
    pub(super) keyring: Keyring,
    pub(super) who: Administrator,
    pub(super) now: Timestamp,
}

/// Among which PINs one is looked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum SearchedPins {
    /// Whatever is beside them.
    All,
    /// Those with this tag.
    WithTag(PinTag),
    /// Those of devices of before, which show no tag.
    WithoutTag,
}

/// A display that shows a PIN.
pub(super) struct DisplayWithPin {
    pub(super) id: ActivationId,
    pub(super) about: DeviceDescription,
    pub(super) network: String,
    pub(super) begun: Timestamp,
    pub(super) visible_to: Option<String>,
    pub(super) first_seen: Option<Timestamp>,
}

/// A display that is to be bound.
pub(super) struct Confirmation {
    pub(super) activation: ActivationId,
    pub(super) tenant: String,
    pub(super) room: String,
    pub(super) administrator: Administrator,
    pub(super) now: Now,
}

/// A row of the store.
pub(super) struct ActivationRow {
    id: ActivationId,
    key: PublicKey,
    pin_hash: String,
    about: DeviceDescription,
    network: String,
    pub(super) begun: Timestamp,
    pub(super) until: Timestamp,
    visible_to: Option<String>,
    confirmed_by: Option<String>,
    /// What it was confirmed as.
    pub(super) binding: Option<BindingId>,
}

impl ActivationRow {
    /// What names the key of its device, or stands in the place of one.
    pub(super) fn thumbprint(&self) -> Thumbprint {
        self.key.thumbprint
    }

    /// Whether it is of a device of before, which has no key and shows no tag.
    fn is_keyless(&self) -> bool {
        self.key.jwk.is_empty()
    }
}

impl SearchedPins {
    fn has(self, row: &ActivationRow, keyring: &Keyring) -> bool {
        match self {
            Self::All => true,
            Self::WithTag(tag) => !row.is_keyless() && PinTag::of(&keyring.macs(), &row.id) == tag,
            Self::WithoutTag => row.is_keyless(),
        }
    }
}

pub(super) async fn activation(store: &Database, id: ActivationId) -> Result<Option<ActivationRow>, Unavailable> {
    let read = move |mut connection: PoolConnection<Sqlite>| async move {
        sqlx::query_as(ACTIVATION).bind(id.as_str()).fetch_optional(&mut *connection).await
    };
    store.call(read).await
}

pub(super) async fn begin(store: &Database, new: NewActivation) -> Result<BegunActivation, Unavailable> {
    let work = move |mut connection: PoolConnection<Sqlite>| async move {
        // Whoever asks again is answered without waiting for a writer.
        if let Some(begun) = still_open(&mut connection, &new).await? {
            return Ok(begun);
        }
        let mut writing = connection.begin_with("BEGIN IMMEDIATE").await?;
        if let Some(begun) = still_open(&mut writing, &new).await? {
            return Ok(begun);
        }
        let begun = begin_within(&mut writing, &new).await?;
        writing.commit().await?;
        Ok(begun)
    };
    store.call(work).await
}

/// The activation that this key has open, unless its PIN was made by another keyring.
async fn still_open(
    connection: &mut SqliteConnection,
    new: &NewActivation,
) -> Result<Option<BegunActivation>, sqlx::Error> {
    let now = new.now.anchor();
    let open = sqlx::query_as(OPEN_OF_KEY).bind(new.key.thumbprint.to_string()).bind(now.as_millis());
    let open: Option<ActivationRow> = open.fetch_optional(&mut *connection).await?;
    let keys = &*new.keyring.macs();
    let same = open.filter(|open| Pin::of(keys, &open.id).hash(keys) == open.pin_hash);
    Ok(same.map(|open| BegunActivation::Open { id: open.id, until: open.until }))
}

async fn begin_within(writing: &mut SqliteConnection, new: &NewActivation) -> Result<BegunActivation, sqlx::Error> {
    let now = new.now.anchor();
    sqlx::query(PURGE).bind((now - KEPT).as_millis()).execute(&mut *writing).await?;
    let minute = now - Duration::from_secs(60);
    let counted = sqlx::query_as(COUNT_OPEN).bind(now.as_millis()).bind(&new.network);
    let (open, of_network, first_over): (i64, i64, i64) = counted.fetch_one(&mut *writing).await?;
    let lately: i64 = sqlx::query_scalar(COUNT_LATELY)
        .bind(now.as_millis())
        .bind(minute.as_millis())
        .bind(&new.network)
        .fetch_one(&mut *writing)
        .await?;
    let policy = &new.policy;
    // A key that we know needs no PIN to come back, so it is kept from none.
    let is_known = key(writing, new.key.thumbprint).await?.is_some();
    if !is_known && (open >= policy.most.into() || of_network >= policy.most_of_network.into()) {
        let retry_after = Timestamp::from_millis(first_over).since(now).max(policy.interval);
        return Ok(BegunActivation::TooMany { retry_after });
    }
    if !is_known && lately >= policy.most_a_minute.into() {
        return Ok(BegunActivation::TooMany { retry_after: Duration::from_secs(60) });
    }
    let fleet = budget::fleet(open_to(writing, None, SearchedPins::All, now).await?);
    let spent = spent(writing, &fleet, None, now).await?;
    let length = budget::length(policy.pin_length, spent.is_some());
    let Some((id, pin_hash)) = draw(writing, &new.keyring, length, now).await? else {
        return Ok(BegunActivation::TooMany { retry_after: policy.interval });
    };
    let until = now + policy.pin_lifetime;
    insert(writing, new, &id, &pin_hash, until).await?;
    Ok(BegunActivation::New { id, until, open: u64::try_from(open + 1).unwrap_or_default() })
}

/// An activation whose PIN is free. With more PINs open than may be, a hundred draws find one all but surely.
async fn draw(
    writing: &mut SqliteConnection,
    keyring: &Keyring,
    length: PinLength,
    now: Timestamp,
) -> Result<Option<(ActivationId, String)>, sqlx::Error> {
    const DRAWS: usize = 100;
    let keys = &*keyring.macs();
    for _ in 0..DRAWS {
        // Without randomness there is no PIN, and the store is not to blame; waiting is the answer all the same.
        let Ok(id) = ActivationId::draw(length) else { return Ok(None) };
        let pin = Pin::of(keys, &id);
        let hash = pin.hash(keys);
        if !is_taken(writing, &hash, pin.neighbours().map(|other| other.hash(keys)).collect(), now).await? {
            return Ok(Some((id, hash)));
        }
    }
    Ok(None)
}

async fn is_taken(
    writing: &mut SqliteConnection,
    hash: &str,
    neighbours: Vec<String>,
    now: Timestamp,
) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar(IS_TAKEN)
        .bind(hash)
        .bind(json!(neighbours).to_string())
        .bind(now.as_millis())
        .fetch_one(&mut *writing)
        .await
}

async fn insert(
    writing: &mut SqliteConnection,
    new: &NewActivation,
    id: &ActivationId,
    pin_hash: &str,
    until: Timestamp,
) -> Result<(), sqlx::Error> {
    let stands_in = sqlx::query_scalar(STANDS_IN).bind(new.key.thumbprint.to_string()).bind(&new.about.hardware_id);
    let mut stands_in: Vec<String> = stands_in.fetch_all(&mut *writing).await?;
    let visible_to = stands_in.pop().filter(|_| stands_in.is_empty());
    sqlx::query(INSERT)
        .bind(id.as_str())
        .bind(new.key.thumbprint.to_string())
        .bind(&new.key.jwk)
        .bind(pin_hash)
        .bind(&new.about.hardware_id)
        .bind(&new.about.model)
        .bind(&new.about.app_version)
        .bind(&new.network)
        .bind(new.now.anchor().as_millis())
        .bind(until.as_millis())
        .bind(visible_to)
        .execute(&mut *writing)
        .await
        .map(drop)
}

pub(super) async fn find(store: &Database, search: PinSearch) -> Result<FoundPin, Unavailable> {
    let work = move |mut connection: PoolConnection<Sqlite>| async move {
        let mut writing = connection.begin_with("BEGIN IMMEDIATE").await?;
        let found = find_within(&mut writing, &search).await?;
        writing.commit().await?;
        Ok(found)
    };
    store.call(work).await
}

async fn find_within(writing: &mut SqliteConnection, asked: &PinSearch) -> Result<FoundPin, sqlx::Error> {
    let PinSearch { pin_hash, tag, keyring, who, now } = asked;
    if let Some(retry_after) = spent(writing, &budget::STOPPING, Some(who), *now).await? {
        return Ok(FoundPin::Spent { retry_after });
    }
    let tenants = json!(who.tenants).to_string();
    let among = match (asks_tag(writing, who, *now).await?, *tag) {
        (false, _) => SearchedPins::All,
        (true, TypedTag::NotAsked) => return Ok(FoundPin::AsksTag),
        (true, TypedTag::Typed(tag)) => SearchedPins::WithTag(tag),
        (true, TypedTag::NoneShown) => {
            let open = open_to(writing, Some(&tenants), SearchedPins::WithoutTag, *now).await?;
            if let Some(retry_after) = spent(writing, &budget::of_tenant(open), Some(who), *now).await? {
                return Ok(FoundPin::Spent { retry_after });
            }
            SearchedPins::WithoutTag
        }
    };
    let statement = FIND;
    #[cfg(candor_mutants)]
    let statement = if crate::mutants::is("pin-reused") { FIND_USED } else { statement };
    let found = sqlx::query_as(statement).bind(pin_hash).bind(now.as_millis()).bind(&tenants);
    let found: Option<ActivationRow> = found.fetch_optional(&mut *writing).await?;
    if let Some(row) = found.filter(|row| among.has(row, keyring)) {
        let first_seen = key(writing, row.key.thumbprint).await?.map(|known| known.added);
        let ActivationRow { id, about, network, begun, visible_to, .. } = row;
        return Ok(FoundPin::Display(Box::new(DisplayWithPin { id, about, network, begun, visible_to, first_seen })));
    }
    let fleet = budget::fleet(open_to(writing, None, SearchedPins::All, *now).await?);
    let before = spent(writing, &fleet, None, *now).await?;
    count_guess(writing, who, matches!(among, SearchedPins::WithTag(_)), *now).await?;
    let after = spent(writing, &fleet, None, *now).await?;
    let asks_tag = asks_tag(writing, who, *now).await?;
    Ok(FoundPin::Nothing { fleet_is_spent: before.is_none() && after.is_some(), asks_tag })
}

/// Whether a PIN alone finds nothing: the guesses of the administrator's tenant, or of the fleet, are spent.
async fn asks_tag(writing: &mut SqliteConnection, who: &Administrator, now: Timestamp) -> Result<bool, sqlx::Error> {
    #[cfg(candor_mutants)]
    if crate::mutants::is("tag-not-asked") {
        return Ok(false);
    }
    let tenants = json!(who.tenants).to_string();
    let of_tenant = budget::of_tenant(open_to(writing, Some(&tenants), SearchedPins::All, now).await?);
    if spent(writing, &of_tenant, Some(who), now).await?.is_some() {
        return Ok(true);
    }
    let fleet = budget::fleet(open_to(writing, None, SearchedPins::All, now).await?);
    Ok(spent(writing, &fleet, None, now).await?.is_some())
}

async fn count_guess(
    writing: &mut SqliteConnection,
    who: &Administrator,
    with_tag: bool,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    #[cfg(candor_mutants)]
    if crate::mutants::is("guesses-uncounted") {
        return Ok(());
    }
    let (old, ahead) = ((now - DAY).as_millis(), (now + DAY).as_millis());
    sqlx::query(PURGE_GUESSES).bind(old).bind(ahead).execute(&mut *writing).await?;
    sqlx::query(GUESS)
        .bind(now.as_millis())
        .bind(&who.who)
        .bind(own_tenant(who))
        .bind(who.network.as_str())
        .bind(with_tag)
        .execute(&mut *writing)
        .await
        .map(drop)
}

/// The tenant that an administrator belongs to.
fn own_tenant(who: &Administrator) -> &str {
    who.tenants.first().map_or("", String::as_str)
}

/// The PINs that are open to these tenants, or in all: whatever is beside them, or those without a tag.
async fn open_to(
    connection: &mut SqliteConnection,
    tenants: Option<&str>,
    among: SearchedPins,
    now: Timestamp,
) -> Result<OpenPins, sqlx::Error> {
    let counted = sqlx::query_as(OPEN_TO).bind(now.as_millis()).bind(tenants).bind(among == SearchedPins::WithoutTag);
    let (six, eight): (i64, i64) = counted.fetch_one(&mut *connection).await?;
    let count = |counted| u64::try_from(counted).unwrap_or_default();
    Ok(OpenPins { six: count(six), eight: count(eight) })
}

/// Whether one of these budgets is spent, and for how long at least: of several, the longest.
async fn spent(
    connection: &mut SqliteConnection,
    limits: &[GuessLimit],
    who: Option<&Administrator>,
    now: Timestamp,
) -> Result<Option<Duration>, sqlx::Error> {
    let mut longest = None;
    for limit in limits {
        let of = match (limit.of, who) {
            (CountedGuesses::Administrator, Some(who)) => &who.who,
            (CountedGuesses::Tenant, Some(who)) => own_tenant(who),
            (CountedGuesses::Network, Some(who)) => who.network.as_str(),
            (CountedGuesses::Fleet, _) | (_, None) => "",
        };
        let Some((_, statement)) = SPENT_BY.into_iter().find(|(counted, _)| *counted == limit.of) else { continue };
        let filling = sqlx::query_scalar(statement)
            .bind((now - limit.within).as_millis())
            .bind(now.as_millis())
            .bind(i64::try_from(limit.most.saturating_sub(1)).unwrap_or(i64::MAX))
            .bind(of);
        let filling: Option<i64> = filling.fetch_optional(&mut *connection).await?;
        let wait = filling.map(|at| (Timestamp::from_millis(at) + limit.within).since(now));
        longest = longest.max(wait);
    }
    Ok(longest)
}

pub(super) async fn confirm(
    store: &Database,
    confirmation: Confirmation,
) -> Result<Option<(Binding, Option<Arc<RevocationEntry>>)>, Unavailable> {
    let work = move |mut connection: PoolConnection<Sqlite>| async move {
        let mut writing = connection.begin_with("BEGIN IMMEDIATE").await?;
        let confirmed = confirm_within(&mut writing, &confirmation).await?;
        writing.commit().await?;
        Ok(confirmed)
    };
    store.call(work).await
}

async fn confirm_within(
    writing: &mut SqliteConnection,
    asked: &Confirmation,
) -> Result<Option<(Binding, Option<Arc<RevocationEntry>>)>, sqlx::Error> {
    let Confirmation { activation, tenant, room, administrator, now } = asked;
    let row = sqlx::query_as(ACTIVATION).bind(activation.as_str());
    let row: Option<ActivationRow> = row.fetch_optional(&mut *writing).await?;
    let may = |row: &ActivationRow| {
        administrator.tenants.contains(tenant) && row.visible_to.as_ref().is_none_or(|only| only == tenant)
    };
    let Some(row) = row.filter(may) else { return Ok(None) };
    if let Some(binding) = row.binding {
        // The answer to the first time was lost.
        let bound = registered::binding(writing, binding).await?;
        let same =
            bound.filter(|bound| bound.tenant == *tenant && row.confirmed_by.as_ref() == Some(&administrator.who));
        return Ok(same.map(|bound| (bound, None)));
    }
    if row.begun > now.anchor() || row.until <= now.anchor() {
        return Ok(None);
    }
    let order = Order {
        who: administrator.who.clone(),
        why: format!("its PIN was confirmed from {}", administrator.network.as_str()),
    };
    let device = match key(writing, row.key.thumbprint).await? {
        Some(known) => known.device,
        None => {
            let device = insert_device(writing, &row.about, &order, *now).await?;
            // A device of before has none.
            if !row.is_keyless() {
                insert_key(writing, device, &row.key, *now).await?;
            }
            device
        }
    };
    let bound = transaction::bind(writing, device, tenant, room, &order, *now).await?;
    let detail = json!({
        "activation": row.id.as_str(), "binding": bound.binding.id, "tenant": tenant, "room": room,
        "generation": bound.binding.generation, "key": row.key.thumbprint, "device_network": row.network,
        "network": administrator.network.as_str(),
    });
    let action = "activation-confirmed";
    let record = AuditRecord { at: now.earlier(), actor: order.who, action, device: Some(device), detail };
    audit::append(writing, record).await?;
    sqlx::query(CONFIRM)
        .bind(row.id.as_str())
        .bind(now.anchor().as_millis())
        .bind(&administrator.who)
        .bind(device.to_string())
        .bind(bound.binding.id.to_string())
        .execute(&mut *writing)
        .await?;
    Ok(Some((bound.binding, bound.learned)))
}

/// How many displays of these tenants were last seen in this network.
pub(super) async fn neighbours(store: &Database, network: String, tenants: Vec<String>) -> Result<u32, Unavailable> {
    let tenants = json!(tenants).to_string();
    let read = move |mut connection: PoolConnection<Sqlite>| async move {
        let seen: Vec<(String, i64)> = sqlx::query_as(NEIGHBOURS).bind(tenants).fetch_all(&mut *connection).await?;
        // The text of an IPv6 address does not begin with that of its network.
        let is_there =
            |address: &str| address.parse().is_ok_and(|address| AskingNetwork::of(address).as_str() == network);
        let counted: i64 = seen.iter().filter(|(address, _)| is_there(address)).map(|(_, devices)| devices).sum();
        Ok(u32::try_from(counted).unwrap_or(u32::MAX))
    };
    store.call(read).await
}

impl FromRow<'_, SqliteRow> for ActivationRow {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        fn decoded<T>(text: &str, column: &'static str) -> Result<T, sqlx::Error>
        where
            T: std::str::FromStr<Err: std::error::Error + Send + Sync + 'static>,
        {
            text.parse()
                .map_err(|wrong| sqlx::Error::ColumnDecode { index: column.to_owned(), source: Box::new(wrong) })
        }
        let thumbprint: Thumbprint = decoded(row.try_get("thumbprint")?, "thumbprint")?;
        let binding: Option<String> = row.try_get("binding")?;
        Ok(Self {
            id: decoded(row.try_get("id")?, "id")?,
            key: PublicKey { thumbprint, jwk: row.try_get("jwk")? },
            pin_hash: row.try_get("pin_hash")?,
            about: DeviceDescription {
                hardware_id: row.try_get("hardware_id")?,
                model: row.try_get("model")?,
                app_version: row.try_get("app_version")?,
            },
            network: row.try_get::<Option<String>, _>("address")?.unwrap_or_default(),
            begun: Timestamp::from_millis(row.try_get("begun")?),
            until: Timestamp::from_millis(row.try_get("until")?),
            visible_to: row.try_get("visible_to")?,
            confirmed_by: row.try_get("confirmed_by")?,
            binding: binding.map(|text| decoded(&text, "binding")).transpose()?,
        })
    }
}

/// Whether a PIN may not be given out.
#[cfg(test)]
pub(super) async fn is_pin_taken(
    store: &Database,
    keys: &crate::keyring::mac::MacKeys,
    pin: Pin,
    now: Timestamp,
) -> bool {
    let (hash, neighbours) = (pin.hash(keys), pin.neighbours().map(|other| other.hash(keys)).collect());
    let work = move |mut connection: PoolConnection<Sqlite>| async move {
        is_taken(&mut connection, &hash, neighbours, now).await
    };
    store.call(work).await.expect("healthy")
}
