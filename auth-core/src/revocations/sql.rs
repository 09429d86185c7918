//! Revocations in the store.

use std::sync::Arc;

use sqlx::{Connection, FromRow, Row as _, SqliteConnection, sqlite::SqliteRow};

use super::{
    entry::{BindingStanding, RevocationEntry, RevokedThing},
    registry_mark::RegistryMark,
};
use crate::{
    clock::{Now, Timestamp},
    database::Database,
    dependency::Dependency,
    principal::{Generation, NotAnId, Subject},
    verdict::Unavailable,
};

/// Of two entries for one user the later stands; one for a session is never changed.
const WRITE: &str = "
    INSERT INTO revocation (name, session, issuer, subject, not_before, until, written, at, who, why)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
    ON CONFLICT (name) DO UPDATE SET
        not_before = excluded.not_before, until = excluded.until, written = excluded.written, at = excluded.at,
        who = excluded.who, why = excluded.why
    WHERE excluded.not_before > revocation.not_before";
const END_ROW: &str = "UPDATE session SET ended = $2, ended_who = $3, ended_why = $4 WHERE id = $1 AND ended IS NULL";
/// Those of somebody that surely began before.
const END_ROWS_OF: &str = "
    UPDATE session SET ended = $4, ended_who = $5, ended_why = $6
    WHERE issuer = $1 AND subject = $2 AND begun <= $3 AND ended IS NULL";
const READ: &str = "
    SELECT name, session, issuer, subject, not_before, until, at, who, why
    FROM revocation WHERE written >= $1";
const PURGE: [&str; 3] = [
    "DELETE FROM revocation WHERE until < $1",
    "DELETE FROM session WHERE until < $1",
    "DELETE FROM device_revocation WHERE until < $1",
];

/// Of two standings of a binding the later stands.
const WRITE_BINDING: &str = "
    INSERT INTO device_revocation (binding, device, state, generation, version, until, written, at, who, why)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
    ON CONFLICT (binding) DO UPDATE SET
        state = excluded.state, generation = excluded.generation, version = excluded.version, until = excluded.until,
        written = excluded.written, at = excluded.at, who = excluded.who, why = excluded.why
    WHERE excluded.version > device_revocation.version";
/// Changes nothing where the row has the version already: it is for a store that was put back from a backup.
const STAND: &str = "
    UPDATE device_binding
    SET state = $2, generation = $3, version = $4, changed = $5, changed_by = $6, reason = $7
    WHERE id = $1 AND version < $4";
const READ_BINDINGS: &str = "
    SELECT binding, device, state, generation, version, until, at, who, why
    FROM device_revocation WHERE written >= $1";

/// By an index alone.
const BINDINGS: &str = "SELECT count(*) FROM device_binding";
const LAST_AUDITED: &str = "SELECT seq, hash FROM device_audit ORDER BY seq DESC LIMIT 1";
const AUDITED: &str = "SELECT hash FROM device_audit WHERE seq = $1";

struct RevocationRow {
    name: String,
    session: Option<String>,
    issuer: Option<String>,
    subject: Option<String>,
    not_before: Option<i64>,
    until: i64,
    at: i64,
    who: String,
    why: String,
}

struct StandingRow {
    binding: String,
    device: String,
    state: String,
    generation: u32,
    version: i64,
    until: i64,
    at: i64,
    who: String,
    why: String,
}

/// Writes an entry, and the end in its session's row. Doing it again changes nothing. What is new to other gateways
/// is told by when it was written here, which may be long after it happened; by the later reading of the clock, since they
/// ask for what was written lately.
pub(super) async fn write(store: &Database, entry: &Arc<RevocationEntry>, now: Now) -> Result<(), Unavailable> {
    write_all(store, std::slice::from_ref(entry), now).await
}

/// The same of many: all of them or none.
pub(super) async fn write_all(store: &Database, entries: &[Arc<RevocationEntry>], now: Now) -> Result<(), Unavailable> {
    let entries = entries.to_vec();
    let work = move |mut connection: sqlx::pool::PoolConnection<sqlx::Sqlite>| async move {
        let mut writing = connection.begin_with("BEGIN IMMEDIATE").await?;
        for entry in &entries {
            insert(&mut writing, entry, now).await?;
        }
        writing.commit().await
    };
    store.call(work).await
}

/// The same within a transaction.
pub(crate) async fn insert(
    writing: &mut SqliteConnection,
    entry: &RevocationEntry,
    now: Now,
) -> Result<(), sqlx::Error> {
    let (session, user, not_before) = match &entry.ends {
        RevokedThing::Binding(standing) => return insert_standing(writing, entry, standing, now).await,
        RevokedThing::Session(session) => (Some(session.to_string()), None, None),
        RevokedThing::User { subject, not_before } => (None, Some(subject), Some(not_before.as_millis())),
    };
    sqlx::query(WRITE)
        .bind(entry.name())
        .bind(&session)
        .bind(user.map(|user| &*user.issuer))
        .bind(user.map(|user| &*user.id))
        .bind(not_before)
        .bind(entry.until.as_millis())
        .bind(now.later().as_millis())
        .bind(entry.at.as_millis())
        .bind(&entry.who)
        .bind(&entry.why)
        .execute(&mut *writing)
        .await?;
    if session.is_some() {
        let end = sqlx::query(END_ROW).bind(&session).bind(entry.at.as_millis());
        end.bind(&entry.who).bind(&entry.why).execute(&mut *writing).await?;
    }
    if let Some((user, not_before)) = user.zip(not_before) {
        sqlx::query(END_ROWS_OF)
            .bind(&*user.issuer)
            .bind(&*user.id)
            .bind(not_before.min(entry.at.as_millis()))
            .bind(entry.at.as_millis())
            .bind(&entry.who)
            .bind(&entry.why)
            .execute(&mut *writing)
            .await?;
    }
    Ok(())
}

async fn insert_standing(
    writing: &mut SqliteConnection,
    entry: &RevocationEntry,
    standing: &BindingStanding,
    now: Now,
) -> Result<(), sqlx::Error> {
    let (binding, state) = (standing.binding.to_string(), standing.state.as_str());
    sqlx::query(WRITE_BINDING)
        .bind(&binding)
        .bind(standing.device.to_string())
        .bind(state)
        .bind(standing.generation.number())
        .bind(standing.version)
        .bind(entry.until.as_millis())
        .bind(now.later().as_millis())
        .bind(entry.at.as_millis())
        .bind(&entry.who)
        .bind(&entry.why)
        .execute(&mut *writing)
        .await?;
    sqlx::query(STAND)
        .bind(&binding)
        .bind(state)
        .bind(standing.generation.number())
        .bind(standing.version)
        .bind(entry.at.as_millis())
        .bind(&entry.who)
        .bind(&entry.why)
        .execute(&mut *writing)
        .await
        .map(drop)
}

/// What was written at `since` or later; everything without it. A row that makes no sense makes the whole answer
/// none: to leave it out could let in whom it names.
pub(super) async fn read(store: &Database, since: Option<Timestamp>) -> Result<Vec<Arc<RevocationEntry>>, Unavailable> {
    let since = since.map_or(i64::MIN, Timestamp::as_millis);
    let (rows, bindings): (Vec<RevocationRow>, Vec<StandingRow>) = store
        .call_reserved(move |mut connection| async move {
            let rows = sqlx::query_as(READ).bind(since).fetch_all(&mut *connection).await?;
            let bindings = sqlx::query_as(READ_BINDINGS).bind(since).fetch_all(&mut *connection).await?;
            Ok((rows, bindings))
        })
        .await?;
    rows.into_iter().map(entry).chain(bindings.into_iter().map(StandingRow::entry)).collect()
}

/// How the device registry stands; none, if it looks as if it was put back from a backup of before `known`.
pub(super) async fn registry_unless_restored(
    store: &Database,
    known: Option<RegistryMark>,
) -> Result<Option<RegistryMark>, Unavailable> {
    let look = move |mut connection: sqlx::pool::PoolConnection<sqlx::Sqlite>| async move {
        let mut reading = connection.begin().await?;
        if let Some(known) = &known
            && looks_restored(&mut reading, known).await?
        {
            return Ok(None);
        }
        registry_now(&mut reading).await.map(Some)
    };
    store.call(look).await
}

/// How the device registry stands.
pub(crate) async fn registry_now(reading: &mut SqliteConnection) -> Result<RegistryMark, sqlx::Error> {
    let audited = sqlx::query_as(LAST_AUDITED).fetch_optional(&mut *reading).await?;
    Ok(RegistryMark { bindings: bindings(reading).await?, audited })
}

/// Whether the device registry lacks what was known of it.
pub(crate) async fn looks_restored(reading: &mut SqliteConnection, known: &RegistryMark) -> Result<bool, sqlx::Error> {
    let hash: Option<String> = match &known.audited {
        Some((seq, _)) => sqlx::query_scalar(AUDITED).bind(seq).fetch_optional(&mut *reading).await?,
        None => None,
    };
    Ok(known.is_missing_from(bindings(reading).await?, hash.as_deref()))
}

async fn bindings(reading: &mut SqliteConnection) -> Result<u64, sqlx::Error> {
    let counted: i64 = sqlx::query_scalar(BINDINGS).fetch_one(&mut *reading).await?;
    Ok(u64::try_from(counted).unwrap_or_default())
}

/// Deletes what was over before `over`.
pub(super) async fn purge(store: &Database, over: Timestamp) -> Result<(), Unavailable> {
    let over = over.as_millis();
    store
        .call(move |mut connection| async move {
            for statement in PURGE {
                sqlx::query(statement).bind(over).execute(&mut *connection).await?;
            }
            Ok(())
        })
        .await
}

impl FromRow<'_, SqliteRow> for RevocationRow {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            name: row.try_get("name")?,
            session: row.try_get("session")?,
            issuer: row.try_get("issuer")?,
            subject: row.try_get("subject")?,
            not_before: row.try_get("not_before")?,
            until: row.try_get("until")?,
            at: row.try_get("at")?,
            who: row.try_get("who")?,
            why: row.try_get("why")?,
        })
    }
}

impl FromRow<'_, SqliteRow> for StandingRow {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            binding: row.try_get("binding")?,
            device: row.try_get("device")?,
            state: row.try_get("state")?,
            generation: row.try_get("generation")?,
            version: row.try_get("version")?,
            until: row.try_get("until")?,
            at: row.try_get("at")?,
            who: row.try_get("who")?,
            why: row.try_get("why")?,
        })
    }
}

impl StandingRow {
    fn entry(self) -> Result<Arc<RevocationEntry>, Unavailable> {
        let Ok((binding, device, state)) =
            (|| Ok::<_, NotAnId>((self.binding.parse()?, self.device.parse()?, self.state.parse()?)))()
        else {
            return Err(nonsense(&self.binding));
        };
        let generation = Generation::new(self.generation);
        let standing = BindingStanding { binding, device, state, generation, version: self.version };
        let (until, at) = (Timestamp::from_millis(self.until), Timestamp::from_millis(self.at));
        let ends = RevokedThing::Binding(standing);
        Ok(Arc::new(RevocationEntry { ends, until, at, who: self.who, why: self.why }))
    }
}

fn nonsense(name: &str) -> Unavailable {
    Unavailable::because(Dependency::Store, format!("the revocation {name:?} makes no sense"))
}

fn entry(row: RevocationRow) -> Result<Arc<RevocationEntry>, Unavailable> {
    let ends = match (row.session, row.issuer, row.subject, row.not_before) {
        (Some(session), None, None, None) => session.parse().ok().map(RevokedThing::Session),
        (None, Some(issuer), Some(subject), Some(not_before)) => Some(RevokedThing::User {
            subject: Subject::new(issuer, subject),
            not_before: Timestamp::from_millis(not_before),
        }),
        _ => None,
    };
    let ends = ends.ok_or_else(|| nonsense(&row.name))?;
    let (until, at) = (Timestamp::from_millis(row.until), Timestamp::from_millis(row.at));
    Ok(Arc::new(RevocationEntry { ends, until, at, who: row.who, why: row.why }))
}
