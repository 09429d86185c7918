//! The store: SQLite, by sqlx.
//!
//! It is opened when it is first needed and again after every fault, so that it comes back by itself when what broke
//! it is over. Every call runs on the [`Keeper`], has a deadline, and fails as Unavailable(Store), never otherwise: no
//! answer of a store is an error about a credential. Statements are `&'static str` with `$n`, one each; times are
//! integer milliseconds since the epoch.
//!
//! Deliberately absent: making the file by the way. An empty store invented in place of a lost one would have
//! forgotten who signed out, so a store is made by [`crate::keyring`] only, together with the keys, and one that is
//! not the one that our keys belong to is not used.

mod migrations;

#[cfg(any(test, feature = "breakable"))]
mod disturb;
#[cfg(test)]
mod tests;

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};

use sqlx::{
    ConnectOptions, Connection, Sqlite, SqliteConnection, SqlitePool,
    pool::PoolConnection,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use tokio::sync::OnceCell;

#[cfg(any(test, feature = "breakable"))]
pub use self::disturb::Disturbance;
use crate::{
    alarm,
    dependency::Dependency,
    disk,
    keeper::Keeper,
    lock::lock,
    verdict::{OrUnavailable, Unavailable},
};

/// The store: a SQLite file. Cheap to clone.
#[derive(Clone)]
pub struct Database(Arc<Inner>);

struct Inner {
    path: PathBuf,
    keeper: Keeper,
    deadline: Duration,
    /// The pool in use; none before the first call and after a fault that a connection does not outlive.
    live: Mutex<Option<Live>>,
    /// The keyring that the store must belong to, once it is known.
    keyring: OnceLock<String>,
    #[cfg(any(test, feature = "breakable"))]
    disturbed: disturb::Disturbed,
}

/// A pool, and whether what it leads to was found to be our store, with every migration applied.
#[derive(Clone)]
struct Live {
    pool: SqlitePool,
    ready: Arc<OnceCell<()>>,
}

/// Which store this is, and which keyring it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ids {
    pub(crate) store: String,
    pub(crate) keyring: String,
}

/// Why the store could not be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreFault {
    #[error("it belongs to another keyring, {found}")]
    AnotherKeyrings { found: String },
    #[error("cannot bring it to this release's form")]
    Migration(#[from] sqlx::migrate::MigrateError),
    #[error("it can be read, and holds no store")]
    NotAStore,
    #[error("database error")]
    Sql(#[from] sqlx::Error),
    #[error("no answer within {0:?}")]
    TimedOut(Duration),
}

const IS_A_STORE: &str = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'house'";
const READ_ID: &str = "SELECT value FROM house WHERE name = $1";
const WRITE_ID: &str =
    "INSERT INTO house (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value";

impl Database {
    /// How long a call waits for a connection, and how long for another writer.
    pub const DEADLINE: Duration = Duration::from_secs(1);

    /// The store in the SQLite file at `path`. Never fails, and does nothing yet: a store that cannot be used is
    /// Unavailable when it is used. A call takes at most twice `deadline`: see [`Database::DEADLINE`].
    pub fn sqlite(path: impl Into<PathBuf>, keeper: Keeper, deadline: Duration) -> Self {
        Self(Arc::new(Inner {
            path: path.into(),
            keeper,
            deadline,
            live: Mutex::default(),
            keyring: OnceLock::new(),
            #[cfg(any(test, feature = "breakable"))]
            disturbed: disturb::Disturbed::default(),
        }))
    }

    /// Where it is, for messages.
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// Runs `work` on a connection, to its end, whoever stops waiting for it.
    ///
    /// # Errors
    /// Unavailable(Store), whatever happened.
    pub(crate) async fn call<T, W, F>(&self, work: W) -> Result<T, Unavailable>
    where
        T: Send + 'static,
        W: FnOnce(PoolConnection<Sqlite>) -> F + Send + 'static,
        F: Future<Output = Result<T, sqlx::Error>> + Send,
    {
        let this = self.clone();
        let patience = self.0.deadline * 2;
        self.0
            .keeper
            .run(async move {
                tokio::time::timeout(patience, this.attempt(work)).await.unwrap_or(Err(StoreFault::TimedOut(patience)))
            })
            .await?
            .or_unavailable(Dependency::Store)
    }

    async fn attempt<T, W, F>(&self, work: W) -> Result<T, StoreFault>
    where
        W: FnOnce(PoolConnection<Sqlite>) -> F,
        F: Future<Output = Result<T, sqlx::Error>>,
    {
        let live = self.live();
        let outcome = async {
            live.ready.get_or_try_init(|| self.prepare(&live.pool)).await?;
            Ok(work(live.pool.acquire().await?).await?)
        }
        .await;
        if outcome.as_ref().is_err_and(outlived_by_no_connection) {
            self.discard(&live);
        }
        outcome
    }

    /// Whether there is no file where the store should be.
    pub(crate) fn is_absent(&self) -> io::Result<bool> {
        self.0.path.try_exists().map(|exists| !exists)
    }

    /// From now on the store is used only if it belongs to `keyring`.
    pub(crate) fn belongs_to(&self, keyring: &str) {
        // The first word stands: one process has one keyring.
        let _ = self.0.keyring.set(keyring.to_owned());
    }

    /// Whose store this is; `None` if the file can be read and is no store.
    ///
    /// # Errors
    /// Unavailable, if it cannot be read.
    pub(crate) async fn ids(&self) -> Result<Option<Ids>, Unavailable> {
        let (this, patience) = (self.clone(), self.0.deadline * 2);
        let reading = async move {
            let mut connection = this.options().connect().await?;
            let ids = read_ids(&mut connection).await?;
            // What was read is what was asked for; how the closing went changes nothing.
            let _ = connection.close().await;
            Ok(ids)
        };
        let bounded =
            async move { tokio::time::timeout(patience, reading).await.unwrap_or(Err(StoreFault::TimedOut(patience))) };
        self.0.keeper.run(bounded).await?.or_unavailable(Dependency::Store)
    }

    /// Makes the file if there is none, brings it to this release's form, and writes down whose it is.
    ///
    /// # Errors
    /// Unavailable, if that fails; it can be tried again.
    pub(crate) async fn make(&self, ids: Ids) -> Result<(), Unavailable> {
        let (options, path) = (self.options(), self.0.path.clone());
        let making = async move {
            disk::make_private(&path).map_err(sqlx::Error::Io)?;
            let mut connection = options.connect().await?;
            migrations::apply(&mut connection).await?;
            let mut writing = connection.begin_with("BEGIN IMMEDIATE").await?;
            for (name, id) in [("store", ids.store), ("keyring", ids.keyring)] {
                sqlx::query(WRITE_ID).bind(name).bind(id).execute(&mut *writing).await?;
            }
            writing.commit().await?;
            connection.close().await?;
            Ok::<_, StoreFault>(())
        };
        self.0.keeper.run(making).await?.or_unavailable(Dependency::Store)
    }

    /// Looks whether the pool leads to our store, and brings that to this release's form.
    async fn prepare(&self, pool: &SqlitePool) -> Result<(), StoreFault> {
        let mut connection = pool.acquire().await?;
        let ids = read_ids(&mut connection).await?.ok_or(StoreFault::NotAStore)?;
        if self.0.keyring.get().is_some_and(|keyring| *keyring != ids.keyring) {
            alarm::ring("foreign-store", "the store belongs to another keyring and is not used");
            return Err(StoreFault::AnotherKeyrings { found: ids.keyring });
        }
        Ok(migrations::apply(&mut connection).await?)
    }

    fn live(&self) -> Live {
        lock(&self.0.live).get_or_insert_with(|| Live { pool: self.pool(), ready: Arc::default() }).clone()
    }

    /// Lets go of a pool whose connections have seen what no connection outlives. The next call makes another.
    fn discard(&self, broken: &Live) {
        let mut live = lock(&self.0.live);
        if live.as_ref().is_some_and(|live| Arc::ptr_eq(&live.ready, &broken.ready)) {
            *live = None;
            let pool = broken.pool.clone();
            self.0.keeper.spawn(async move { pool.close().await });
        }
    }

    fn pool(&self) -> SqlitePool {
        SqlitePoolOptions::new()
            .max_connections(4)
            .acquire_timeout(self.0.deadline)
            .test_before_acquire(false)
            .connect_lazy_with(self.options())
    }

    fn options(&self) -> SqliteConnectOptions {
        let options = SqliteConnectOptions::new()
            .filename(&self.0.path)
            .create_if_missing(false)
            .journal_mode(SqliteJournalMode::Wal)
            // A logout that was answered must survive a power cut.
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(self.0.deadline)
            .foreign_keys(true)
            .disable_statement_logging();
        #[cfg(any(test, feature = "breakable"))]
        let options = self.0.disturbed.apply(options);
        options
    }
}

async fn read_ids(connection: &mut SqliteConnection) -> Result<Option<Ids>, StoreFault> {
    let tables: i64 = sqlx::query_scalar(IS_A_STORE).fetch_one(&mut *connection).await?;
    if tables == 0 {
        return Ok(None);
    }
    let mut read = [const { None }; 2];
    for (name, id) in ["store", "keyring"].into_iter().zip(&mut read) {
        *id = sqlx::query_scalar::<_, String>(READ_ID).bind(name).fetch_optional(&mut *connection).await?;
    }
    Ok(match read {
        [Some(store), Some(keyring)] => Some(Ids { store, keyring }),
        [_, _] => None,
    })
}

/// Whether an open connection may go on failing after what broke it is over: the file was damaged, moved or replaced.
/// A lock, a full disk and a closed pool are not of this kind.
fn outlived_by_no_connection(fault: &StoreFault) -> bool {
    /// SQLite's primary result codes: READONLY (also when the file was moved), IOERR, CORRUPT, CANTOPEN, NOTADB.
    const BROKEN: [i32; 5] = [8, 10, 11, 14, 26];
    match fault {
        StoreFault::Sql(sqlx::Error::Database(error))
        | StoreFault::Migration(sqlx::migrate::MigrateError::Execute(sqlx::Error::Database(error))) => {
            let code = error.code().and_then(|code| code.parse::<i32>().ok());
            code.is_some_and(|code| BROKEN.contains(&(code & 0xff)))
        }
        StoreFault::Sql(error) => matches!(error, sqlx::Error::Io(_) | sqlx::Error::WorkerCrashed),
        StoreFault::AnotherKeyrings { .. } | StoreFault::NotAStore | StoreFault::Migration(_) => true,
        StoreFault::TimedOut(_) => false,
    }
}
