//! The store: SQLite, by sqlx.
//!
//! It is opened when it is first needed and again after every fault, so that it comes back by itself when what broke
//! it is over. Every call runs on the [`Background`], has a deadline, and fails as Unavailable(Store), never otherwise: no
//! answer of a store is an error about a credential. Statements are `&'static str` with `$n`, one each; times are
//! integer milliseconds since the epoch.
//!
//! Whoever removes or replaces the file while it is open is noticed before and after every call: nothing is written to
//! nowhere.
//!
//! Deliberately absent: making the file by the way. An empty store invented in place of a lost one would have
//! forgotten who signed out, so a store is made by [`crate::keyring`] only, together with the keys, or by
//! [`crate::revocations`], which holds what a lost one knew; and one that is not the one that our keys belong to is not
//! used.

mod address;
mod files;
mod migrations;

#[cfg(any(test, feature = "breakable"))]
mod disturb;
#[cfg(test)]
mod tests;

use std::{
    io,
    path::PathBuf,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use sqlx::{
    ConnectOptions, Connection, Sqlite, SqliteConnection, SqlitePool,
    pool::PoolConnection,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use tokio::sync::{OnceCell, Semaphore, SemaphorePermit};

pub use self::address::DatabaseAddress;
#[cfg(any(test, feature = "breakable"))]
pub use self::disturb::Disturbance;
use self::files::{Files, Loss};
use crate::{
    alarm::{self, Alarm},
    background::Background,
    dependency::Dependency,
    disk,
    lock::lock,
    verdict::{OrUnavailable, Unavailable},
};

/// The store. Cheap to clone.
#[derive(Clone)]
pub struct Database(Arc<Inner>);

struct Inner {
    address: DatabaseAddress,
    background: Background,
    deadline: Duration,
    /// The pool in use; none before the first call and after a fault that a connection does not outlive.
    live: Mutex<Option<Live>>,
    /// Which store it must be, and of which keyring, once that is known.
    ids: OnceLock<Ids>,
    /// The file that was open last.
    known: Mutex<Option<Files>>,
    /// How often its files were lost under our hands.
    losses: AtomicU64,
    /// One for each connection but the reserved one.
    shared: Semaphore,
    #[cfg(any(test, feature = "breakable"))]
    disturbed: disturb::Disturbed,
}

/// Which connections a call may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Access {
    Shared,
    Reserved,
}

/// A pool, and whether what it leads to was found to be our store, with every migration applied.
#[derive(Clone)]
struct Live {
    pool: SqlitePool,
    /// The files that it has open.
    ready: Arc<OnceCell<Files>>,
    /// Whether it is let go of: the next waits until it has closed, since a connection's last act is to tidy up its
    /// files.
    retired: Arc<AtomicBool>,
}

/// What a look at the store's files found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Look {
    /// How often they were lost under our hands: what was written before may be missing since.
    pub(crate) losses: u64,
    /// Whether there is no file at all.
    pub(crate) absent: bool,
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
    #[error("{0}")]
    Lost(Loss),
    #[error("its files cannot be looked at")]
    Unseen(#[source] io::Error),
    #[error("cannot bring it to this release's form")]
    Migration(#[from] sqlx::migrate::MigrateError),
    #[error("it can be read, and holds no store")]
    NotAStore,
    #[error("database error")]
    Sql(#[from] sqlx::Error),
    #[error("no answer within {0:?}")]
    TimedOut(Duration),
}

/// So many connections are shared by all calls. One more is reserved for [`Database::call_reserved`].
const SHARED: u32 = 4;

const IS_A_STORE: &str = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'house'";
const READ_ID: &str = "SELECT value FROM house WHERE name = $1";
const WRITE_ID: &str =
    "INSERT INTO house (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value";

impl Database {
    /// How long a call waits for a connection, and how long for another writer.
    pub const DEADLINE: Duration = Duration::from_secs(1);

    /// The store at `address`. Never fails, and does nothing yet: a store that cannot be used is Unavailable when it is
    /// used. A call takes at most twice `deadline`: see [`Database::DEADLINE`].
    pub fn at(address: impl Into<DatabaseAddress>, background: Background, deadline: Duration) -> Self {
        Self(Arc::new(Inner {
            address: address.into(),
            background,
            deadline,
            live: Mutex::default(),
            ids: OnceLock::new(),
            known: Mutex::default(),
            losses: AtomicU64::new(0),
            shared: Semaphore::new(SHARED as usize),
            #[cfg(any(test, feature = "breakable"))]
            disturbed: disturb::Disturbed::default(),
        }))
    }

    /// Where it is.
    pub fn address(&self) -> &DatabaseAddress {
        &self.0.address
    }

    #[cfg(test)]
    pub(crate) fn path(&self) -> &std::path::Path {
        self.0.address.path()
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
        self.call_with(Access::Shared, self.patience(), work).await
    }

    /// The same for an operator's order over many rows at once, which no request waits for: it may take `patience`.
    ///
    /// # Errors
    /// Unavailable(Store), whatever happened.
    pub(crate) async fn call_patiently<T, W, F>(&self, patience: Duration, work: W) -> Result<T, Unavailable>
    where
        T: Send + 'static,
        W: FnOnce(PoolConnection<Sqlite>) -> F + Send + 'static,
        F: Future<Output = Result<T, sqlx::Error>> + Send,
    {
        self.call_with(Access::Shared, patience.max(self.patience()), work).await
    }

    /// The same on a connection that no [`Database::call`] holds. For the question who is revoked, which must not wait until
    /// a fleet has come back; and for it alone, one at a time.
    ///
    /// # Errors
    /// Unavailable(Store), whatever happened.
    pub(crate) async fn call_reserved<T, W, F>(&self, work: W) -> Result<T, Unavailable>
    where
        T: Send + 'static,
        W: FnOnce(PoolConnection<Sqlite>) -> F + Send + 'static,
        F: Future<Output = Result<T, sqlx::Error>> + Send,
    {
        self.call_with(Access::Reserved, self.patience(), work).await
    }

    /// How long a call may take whole: as long again as a connection may be waited for.
    fn patience(&self) -> Duration {
        self.0.deadline * 2
    }

    async fn call_with<T, W, F>(&self, access: Access, patience: Duration, work: W) -> Result<T, Unavailable>
    where
        T: Send + 'static,
        W: FnOnce(PoolConnection<Sqlite>) -> F + Send + 'static,
        F: Future<Output = Result<T, sqlx::Error>> + Send,
    {
        let this = self.clone();
        self.0
            .background
            .run(async move {
                tokio::time::timeout(patience, this.attempt(access, work))
                    .await
                    .unwrap_or(Err(StoreFault::TimedOut(patience)))
            })
            .await?
            .or_unavailable(Dependency::Store)
    }

    async fn attempt<T, W, F>(&self, access: Access, work: W) -> Result<T, StoreFault>
    where
        W: FnOnce(PoolConnection<Sqlite>) -> F,
        F: Future<Output = Result<T, sqlx::Error>>,
    {
        let live = self.current().await;
        let outcome = async {
            let files = *live.ready.get_or_try_init(|| self.prepare(&live.pool)).await?;
            self.must_be(files, &live).await?;
            let _share = self.share(access).await?;
            let done = work(live.pool.acquire().await?).await?;
            // What was written meanwhile may be nowhere.
            self.must_be(files, &live).await?;
            Ok(done)
        }
        .await;
        if let Err(fault) = &outcome
            && outlived_by_no_connection(fault)
        {
            self.discard(&live, fault);
        }
        outcome
    }

    /// A share of the connections, held while one is in use.
    async fn share(&self, access: Access) -> Result<Option<SemaphorePermit<'_>>, sqlx::Error> {
        match access {
            Access::Reserved => Ok(None),
            Access::Shared => match tokio::time::timeout(self.0.deadline, self.0.shared.acquire()).await {
                Ok(Ok(share)) => Ok(Some(share)),
                Ok(Err(_closed)) => Err(sqlx::Error::PoolClosed),
                Err(_late) => Err(sqlx::Error::PoolTimedOut),
            },
        }
    }

    /// Looks whether the files that are open are still those at the store's path, and lets go of them if not.
    pub(crate) async fn look(&self) -> Result<Look, Unavailable> {
        let this = self.clone();
        let patience = self.patience();
        let looking = async move {
            let live = this.current().await;
            if let Some(files) = live.ready.get().copied()
                && let Err(fault) = this.must_be(files, &live).await
            {
                this.discard(&live, &fault);
            }
            let absent = this.found().await?.is_absent();
            Ok(Look { losses: this.0.losses.load(Ordering::SeqCst), absent })
        };
        let bounded =
            async move { tokio::time::timeout(patience, looking).await.unwrap_or(Err(StoreFault::TimedOut(patience))) };
        self.0.background.run(bounded).await?.or_unavailable(Dependency::Store)
    }

    async fn must_be(&self, files: Files, live: &Live) -> Result<(), StoreFault> {
        #[cfg(candor_mutants)]
        if crate::mutants::is("store-files-unwatched") {
            return Ok(());
        }
        // Who closed it has let go of its files.
        if live.pool.is_closed() {
            return Ok(());
        }
        match files.loss(self.found().await?) {
            Some(loss) => Err(StoreFault::Lost(loss)),
            None => Ok(()),
        }
    }

    async fn found(&self) -> Result<Files, StoreFault> {
        let path = self.0.address.path().to_owned();
        let looked = tokio::task::spawn_blocking(move || Files::at(&path)).await;
        looked.unwrap_or_else(|gone| Err(io::Error::other(gone))).map_err(StoreFault::Unseen)
    }

    /// That a row is not there, says that it never was: unless the store was lost while this process ran. It was made again
    /// then, empty, and absence from it proves nothing until the next start.
    ///
    /// # Errors
    /// Unavailable, if nobody can tell.
    pub(crate) fn absence_is_known(&self) -> Result<(), Unavailable> {
        if self.was_lost() {
            let cause = "it is not on record, and the store was lost and made again since this gateway started";
            return Err(Unavailable::because(Dependency::Store, cause));
        }
        Ok(())
    }

    /// Whether its files were lost while this process ran: what was written before may be missing since.
    pub(crate) fn was_lost(&self) -> bool {
        self.0.losses.load(Ordering::SeqCst) > 0
    }

    /// Whether there is no file where the store should be.
    pub(crate) fn is_absent(&self) -> io::Result<bool> {
        self.0.address.path().try_exists().map(|exists| !exists)
    }

    /// From now on the store is used only if it is this one, of this keyring.
    pub(crate) fn must_have(&self, ids: Ids) {
        // The first word stands: one process has one keyring.
        let _ = self.0.ids.set(ids);
    }

    /// Whose store this is; `None` if the file can be read and is no store.
    ///
    /// # Errors
    /// Unavailable, if it cannot be read.
    pub(crate) async fn ids(&self) -> Result<Option<Ids>, Unavailable> {
        let (this, patience) = (self.clone(), self.patience());
        let reading = async move {
            let mut connection = this.options().connect().await?;
            let ids = read_ids(&mut connection).await?;
            // What was read is what was asked for; how the closing went changes nothing.
            let _ = connection.close().await;
            Ok(ids)
        };
        let bounded =
            async move { tokio::time::timeout(patience, reading).await.unwrap_or(Err(StoreFault::TimedOut(patience))) };
        self.0.background.run(bounded).await?.or_unavailable(Dependency::Store)
    }

    /// Makes the file if there is none, brings it to this release's form, and writes down whose it is.
    ///
    /// # Errors
    /// Unavailable, if that fails; it can be tried again.
    pub(crate) async fn make(&self, ids: Ids) -> Result<(), Unavailable> {
        self.make_at(self.0.address.path().to_owned(), ids).await
    }

    async fn make_at(&self, path: PathBuf, ids: Ids) -> Result<(), Unavailable> {
        let options = self.options().filename(&path);
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
        self.0.background.run(making).await?.or_unavailable(Dependency::Store)
    }

    /// Makes the store again where it was lost: empty, and the same to our keyring. It is made beside and then put in its
    /// place, whole: a start must never find half of one.
    ///
    /// # Errors
    /// Unavailable, if that fails, or nobody knows which store it was; it can be tried again.
    pub(crate) async fn make_again(&self) -> Result<(), Unavailable> {
        let Some(ids) = self.0.ids.get().cloned() else {
            return Err(Unavailable::because(Dependency::Store, "nobody knows which store it was"));
        };
        let (this, patience) = (self.clone(), self.patience());
        // Whoever had the lost files open has let go of them then.
        let closing = async move { tokio::time::timeout(patience, this.current()).await.map(drop) };
        self.0.background.run(closing).await?.or_unavailable(Dependency::Store)?;
        let path = self.0.address.path().to_owned();
        let fresh = path.with_added_extension("new");
        let (at, beside) = (path.clone(), fresh.clone());
        self.block(move || files::remove_all(&beside).and_then(|()| files::remove_leftovers(&at))).await?;
        self.make_at(fresh.clone(), ids).await?;
        self.block(move || disk::rename_synced(&fresh, &path)).await
    }

    async fn block(&self, work: impl FnOnce() -> io::Result<()> + Send + 'static) -> Result<(), Unavailable> {
        let done = self.0.background.run(async { tokio::task::spawn_blocking(work).await }).await?;
        done.unwrap_or_else(|gone| Err(io::Error::other(gone))).or_unavailable(Dependency::Store)
    }

    /// Looks whether the pool leads to our store, and brings that to this release's form. Gives the files that it opened.
    async fn prepare(&self, pool: &SqlitePool) -> Result<Files, StoreFault> {
        let before = self.found().await?;
        let mut connection = pool.acquire().await?;
        let found = read_ids(&mut connection).await?.ok_or(StoreFault::NotAStore)?;
        if self.0.ids.get().is_some_and(|ids| *ids != found) {
            alarm::ring(
                Alarm::ForeignStore,
                "the store belongs to another keyring, or is another of ours, and is not used",
            );
            return Err(StoreFault::AnotherKeyrings { found: found.keyring });
        }
        migrations::apply(&mut connection).await?;
        let files = self.found().await?;
        // The log is made by the first who opens the store.
        if let Some(loss @ (Loss::Gone | Loss::Replaced)) = before.loss(files) {
            return Err(StoreFault::Lost(loss));
        }
        let known = lock(&self.0.known).replace(files);
        if known.and_then(|known| known.loss(files)) == Some(Loss::Replaced) {
            self.0.losses.fetch_add(1, Ordering::SeqCst);
        }
        Ok(files)
    }

    /// The pool to use. One that was let go of has closed before there is another.
    async fn current(&self) -> Live {
        loop {
            let live = self.live();
            if !live.retired.load(Ordering::SeqCst) {
                return live;
            }
            // One that hangs in a broken file system is not waited for.
            let _ = tokio::time::timeout(self.0.deadline, live.pool.close()).await;
            let mut kept = lock(&self.0.live);
            if kept.as_ref().is_some_and(|kept| Arc::ptr_eq(&kept.ready, &live.ready)) {
                *kept = None;
            }
        }
    }

    fn live(&self) -> Live {
        let fresh = || Live { pool: self.pool(), ready: Arc::default(), retired: Arc::default() };
        lock(&self.0.live).get_or_insert_with(fresh).clone()
    }

    /// Lets go of a pool whose connections have seen what no connection outlives. The next call makes another.
    fn discard(&self, broken: &Live, fault: &StoreFault) {
        if broken.retired.swap(true, Ordering::SeqCst) {
            return;
        }
        if let StoreFault::Lost(loss) = fault {
            self.0.losses.fetch_add(1, Ordering::SeqCst);
            // It is counted: whatever is opened next is not compared with it.
            *lock(&self.0.known) = None;
            let told = format!("the store {}: {loss}", self.0.address);
            match loss {
                Loss::Gone | Loss::Replaced => alarm::ring(Alarm::StoreFileGone, &told),
                // Whoever has it open writes it into the database as the last thing that it does.
                Loss::Log => tracing::warn!("{told}"),
            }
        }
        let pool = broken.pool.clone();
        self.0.background.spawn(async move { pool.close().await });
    }

    fn pool(&self) -> SqlitePool {
        SqlitePoolOptions::new()
            .max_connections(SHARED + 1)
            // The log goes with the last connection: while a pool is in use, there is one.
            .max_lifetime(None)
            .idle_timeout(None)
            .acquire_timeout(self.0.deadline)
            .test_before_acquire(false)
            .connect_lazy_with(self.options())
    }

    fn options(&self) -> SqliteConnectOptions {
        let options = SqliteConnectOptions::new()
            .filename(self.0.address.path())
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
        StoreFault::AnotherKeyrings { .. } | StoreFault::NotAStore | StoreFault::Migration(_) | StoreFault::Lost(_) => {
            true
        }
        StoreFault::TimedOut(_) | StoreFault::Unseen(_) => false,
    }
}
