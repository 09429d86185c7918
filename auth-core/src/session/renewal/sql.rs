//! What renewal reads and writes of a session's row. Each write takes the version that it read, and makes it one more: who
//! comes second writes nothing.

use std::sync::Arc;

use sqlx::{Connection as _, FromRow, Row as _, Sqlite, SqliteConnection, pool::PoolConnection, sqlite::SqliteRow};

use super::{
    held::{HeldSession, HeldSessions},
    intent::{InstanceId, RefreshIntent},
};
use crate::{
    clock::{Now, Timestamp},
    database::Database,
    principal::{SessionId, Subject},
    revocations::{self, RevocationEntry},
    verdict::Unavailable,
};

const READ: &str = "
    SELECT issuer, subject, provider, refresh_token, claims, begun, confirmed, until, version, intent_instance,
        intent_fence, intent_hash, ended, ended_who, ended_why, held
    FROM session WHERE id = $1";
const INTEND: &str = "
    UPDATE session SET version = version + 1, intent_instance = $3, intent_fence = $4, intent_hash = $5
    WHERE id = $1 AND version = $2 AND ended IS NULL";
const GIVE_UP: &str = "
    UPDATE session SET version = version + 1, intent_instance = NULL, intent_fence = NULL, intent_hash = NULL
    WHERE id = $1 AND version = $2";
/// What is not given stays. Whoever is renewed is held no more.
const SAVE: &str = "
    UPDATE session SET version = version + 1, refresh_token = $3, access_token = $4, access_until = $5,
        claims = COALESCE($6, claims), confirmed = COALESCE($7, confirmed), id_token = COALESCE($8, id_token),
        held = CASE WHEN $7 IS NULL THEN held END, held_why = CASE WHEN $7 IS NULL THEN held_why END,
        intent_instance = NULL, intent_fence = NULL, intent_hash = NULL
    WHERE id = $1 AND version = $2";

/// What is held stays held, since when it was first.
const HOLD: &str = "
    UPDATE session SET version = version + 1, held = COALESCE(held, $3), held_why = $4,
        intent_instance = NULL, intent_fence = NULL, intent_hash = NULL
    WHERE id = $1 AND version = $2";
const COUNT_HELD: &str = "
    SELECT count(*) FROM session
    WHERE held IS NOT NULL AND ended IS NULL AND until > $1 AND ($2 IS NULL OR provider = $2) AND ($3 IS NULL OR id = $3)";
const HELD: &str = "
    SELECT id, issuer, subject, provider, held, held_why, begun, confirmed, until FROM session
    WHERE held IS NOT NULL AND ended IS NULL AND until > $1 AND ($2 IS NULL OR provider = $2) AND ($3 IS NULL OR id = $3)
        AND id > $4
    ORDER BY id LIMIT $5";

/// A session's row, as far as renewal needs it. No `Debug`: it holds a refresh token, though sealed.
#[derive(Clone)]
pub(super) struct RenewalRow {
    pub(super) id: SessionId,
    pub(super) subject: Subject,
    pub(super) provider: String,
    /// Sealed.
    pub(super) refresh_token: Option<String>,
    /// The verified claims, as a JSON object.
    pub(super) claims: String,
    pub(super) begun: Timestamp,
    pub(super) confirmed: Timestamp,
    pub(super) until: Timestamp,
    pub(super) version: i64,
    pub(super) intent: Option<RefreshIntent>,
    pub(super) ended: Option<EndOfRow>,
    /// Whether its end is held back already.
    pub(super) is_held: bool,
}

/// What a row says of the session's end.
#[derive(Clone, Debug)]
pub(super) struct EndOfRow {
    pub(super) at: Timestamp,
    pub(super) who: String,
    pub(super) why: String,
}

/// What a refresh brought for the row, sealed. No `Debug`.
#[derive(Clone)]
pub(super) struct Refreshed {
    pub(super) refresh_token: Option<String>,
    pub(super) access_token: Option<String>,
    pub(super) access_until: Option<Timestamp>,
    /// The verified claims; nothing, until they are verified.
    pub(super) claims: Option<String>,
    /// When the provider confirmed it; nothing, until that is so.
    pub(super) confirmed: Option<Timestamp>,
    /// The ID token, if it is to be kept; nothing, until it is verified.
    pub(super) id_token: Option<String>,
}

/// What the store did not take, and of which version of the row it is the successor.
#[derive(Clone)]
pub(super) struct Unsaved {
    pub(super) version: i64,
    pub(super) refreshed: Refreshed,
}

/// Reads a row; nothing, if there is none.
pub(super) async fn read(store: &Database, id: SessionId) -> Result<Option<RenewalRow>, Unavailable> {
    let named = id.to_string();
    let row: Option<StoredRow> =
        store
            .call(move |mut connection| async move {
                sqlx::query_as(READ).bind(named).fetch_optional(&mut *connection).await
            })
            .await?;
    Ok(row.map(|StoredRow(row)| RenewalRow { id, ..row }))
}

/// Writes down that a token is about to be spent. Whether the row was still as it was read.
pub(super) async fn intend(
    store: &Database,
    id: SessionId,
    version: i64,
    intent: RefreshIntent,
) -> Result<bool, Unavailable> {
    let id = id.to_string();
    store
        .call(move |mut connection| async move {
            let write = sqlx::query(INTEND).bind(id).bind(version).bind(intent.instance.0);
            let done = write.bind(intent.fence).bind(intent.hash).execute(&mut *connection).await?;
            Ok(done.rows_affected() == 1)
        })
        .await
}

/// Takes an intent back: nothing was spent by it.
pub(super) async fn give_up(store: &Database, id: SessionId, version: i64) -> Result<bool, Unavailable> {
    let id = id.to_string();
    store
        .call(move |mut connection| async move {
            let done = sqlx::query(GIVE_UP).bind(id).bind(version).execute(&mut *connection).await?;
            Ok(done.rows_affected() == 1)
        })
        .await
}

/// Writes what a refresh brought. Whether the row was still as it was read.
pub(super) async fn save(
    store: &Database,
    id: SessionId,
    version: i64,
    refreshed: Refreshed,
) -> Result<bool, Unavailable> {
    let id = id.to_string();
    store
        .call(move |mut connection| async move {
            let Refreshed { refresh_token, access_token, access_until, claims, confirmed, id_token } = refreshed;
            let write = sqlx::query(SAVE).bind(id).bind(version).bind(refresh_token).bind(access_token);
            let write = write.bind(access_until.map(Timestamp::as_millis)).bind(claims);
            let write = write.bind(confirmed.map(Timestamp::as_millis)).bind(id_token);
            Ok(write.execute(&mut *connection).await?.rows_affected() == 1)
        })
        .await
}

/// Holds a session back from ending. Whether the row was still as it was read.
pub(super) async fn hold(
    store: &Database,
    id: SessionId,
    version: i64,
    since: Timestamp,
    why: String,
) -> Result<bool, Unavailable> {
    let id = id.to_string();
    store
        .call(move |mut connection| async move {
            let write = sqlx::query(HOLD).bind(id).bind(version).bind(since.as_millis()).bind(why);
            Ok(write.execute(&mut *connection).await?.rows_affected() == 1)
        })
        .await
}

/// How many of these sessions are held at `now`.
pub(super) async fn count_held(store: &Database, which: HeldSessions, now: Timestamp) -> Result<usize, Unavailable> {
    let (provider, id) = which.named();
    let count: i64 = store
        .call(move |mut connection| async move {
            let read = sqlx::query_scalar(COUNT_HELD).bind(now.as_millis()).bind(provider).bind(id);
            read.fetch_one(&mut *connection).await
        })
        .await?;
    Ok(usize::try_from(count).unwrap_or_default())
}

/// Those of these sessions that are held at `now`, in the order of their ids, from the one after `after` on; at most
/// `most`.
pub(super) async fn held(
    store: &Database,
    which: HeldSessions,
    after: Option<SessionId>,
    most: u32,
    now: Timestamp,
) -> Result<Vec<HeldSession>, Unavailable> {
    store.call(move |mut connection| async move { read_held(&mut connection, &which, after, most, now).await }).await
}

/// Ends the first of those that are held, each by the entry that `end` makes for it: all of these or none.
pub(super) async fn release(
    store: &Database,
    which: HeldSessions,
    most: u32,
    end: impl Fn(&HeldSession) -> Arc<RevocationEntry> + Send + 'static,
    now: Now,
) -> Result<Vec<(HeldSession, Arc<RevocationEntry>)>, Unavailable> {
    let work = move |mut connection: PoolConnection<Sqlite>| async move {
        let mut writing = connection.begin_with("BEGIN IMMEDIATE").await?;
        let mut released = Vec::new();
        for held in read_held(&mut writing, &which, None, most, now.anchor()).await? {
            let entry = end(&held);
            revocations::insert(&mut writing, &entry, now).await?;
            released.push((held, entry));
        }
        writing.commit().await?;
        Ok(released)
    };
    store.call(work).await
}

async fn read_held(
    connection: &mut SqliteConnection,
    which: &HeldSessions,
    after: Option<SessionId>,
    most: u32,
    now: Timestamp,
) -> Result<Vec<HeldSession>, sqlx::Error> {
    let ((provider, id), after) = (which.named(), after.map(|after| after.to_string()).unwrap_or_default());
    let read = sqlx::query_as(HELD).bind(now.as_millis()).bind(provider).bind(id).bind(after).bind(most);
    read.fetch_all(connection).await
}

impl HeldSessions {
    /// The provider that they must be of, and the id that they must have.
    fn named(&self) -> (Option<String>, Option<String>) {
        match self {
            Self::All => (None, None),
            Self::OfProvider(provider) => (Some(provider.clone()), None),
            Self::One(id) => (None, Some(id.to_string())),
        }
    }
}

impl FromRow<'_, SqliteRow> for HeldSession {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        let moment = |name: &str| row.try_get(name).map(Timestamp::from_millis);
        let id: String = row.try_get("id")?;
        Ok(Self {
            id: id
                .parse()
                .map_err(|bad| sqlx::Error::ColumnDecode { index: "id".to_owned(), source: Box::new(bad) })?,
            subject: Subject::new(row.try_get::<String, _>("issuer")?, row.try_get::<String, _>("subject")?),
            provider: row.try_get("provider")?,
            since: moment("held")?,
            why: row.try_get::<Option<String>, _>("held_why")?.unwrap_or_default(),
            begun: moment("begun")?,
            confirmed: moment("confirmed")?,
            until: moment("until")?,
        })
    }
}

/// A row without its id, which whoever asked knows.
struct StoredRow(RenewalRow);

impl FromRow<'_, SqliteRow> for StoredRow {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        let moment = |name: &str| row.try_get(name).map(Timestamp::from_millis);
        let instance: Option<String> = row.try_get("intent_instance")?;
        let (fence, hash): (Option<i64>, Option<String>) = (row.try_get("intent_fence")?, row.try_get("intent_hash")?);
        let intent = match (instance, fence, hash) {
            (Some(instance), Some(fence), Some(hash)) => {
                Some(RefreshIntent { instance: InstanceId(instance), fence, hash })
            }
            _ => None,
        };
        let text = |name: &str| row.try_get::<Option<String>, _>(name).map(Option::unwrap_or_default);
        let ended: Option<i64> = row.try_get("ended")?;
        let (who, why) = (text("ended_who")?, text("ended_why")?);
        Ok(Self(RenewalRow {
            id: SessionId::from_bytes([0; 16]),
            subject: Subject::new(row.try_get::<String, _>("issuer")?, row.try_get::<String, _>("subject")?),
            provider: row.try_get("provider")?,
            refresh_token: row.try_get("refresh_token")?,
            claims: row.try_get("claims")?,
            begun: moment("begun")?,
            confirmed: moment("confirmed")?,
            until: moment("until")?,
            version: row.try_get("version")?,
            intent,
            ended: ended.map(|at| EndOfRow { at: Timestamp::from_millis(at), who, why }),
            is_held: row.try_get::<Option<i64>, _>("held")?.is_some(),
        }))
    }
}
