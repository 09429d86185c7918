//! Breaking the store on purpose, in the ways in which SQLite breaks. Only in tests and in the demo: the feature
//! `breakable`.

use std::{
    fs, io,
    path::PathBuf,
    sync::atomic::{AtomicBool, Ordering},
};

use sqlx::{ConnectOptions, Connection, SqliteConnection, sqlite::SqliteConnectOptions};

use super::{Database, Live, StoreFault};
use crate::{
    dependency::Dependency,
    lock::lock,
    verdict::{OrUnavailable, Unavailable},
};

/// A way in which the store is broken until [`Database::heal`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disturbance {
    /// The pool is closed: every call fails at once.
    Closed,
    /// `max_page_count` is reached, and every page is full: what writes fails, what reads works.
    Full,
    /// The file holds something else.
    Garbage,
    /// Another program holds the file locked, for readers too: calls fail after the deadline.
    Locked,
}

impl Disturbance {
    /// Every way.
    pub const ALL: [Self; 4] = [Self::Closed, Self::Full, Self::Garbage, Self::Locked];
}

/// What the disturbances leave behind, to be undone.
#[derive(Default)]
pub(super) struct Disturbed {
    full: AtomicBool,
    foreign: tokio::sync::Mutex<Option<SqliteConnection>>,
}

const FILL_SESSIONS: &str = "INSERT INTO session
    (id, issuer, subject, provider, claims, begun, confirmed, until, version)
    VALUES ($1, '', '', '', $2, 0, 0, 9223372036854775807, 0)";
/// They name nobody, and make sense: whoever compares the whole set reads them too.
const FILL_REVOCATIONS: &str = "
    INSERT INTO revocation (name, issuer, subject, not_before, until, written, at, who, why)
    VALUES ($1, 'ballast', $1, 0, 9223372036854775807, 0, 0, '', $2)";
const EMPTY_SESSIONS: &str = "DELETE FROM session WHERE id LIKE '% ballast'";
const EMPTY_REVOCATIONS: &str = "DELETE FROM revocation WHERE name LIKE '% ballast'";

impl Disturbed {
    /// A limit below the present size means that the file cannot grow.
    pub(super) fn apply(&self, options: SqliteConnectOptions) -> SqliteConnectOptions {
        if self.full.load(Ordering::SeqCst) { options.pragma("max_page_count", "1") } else { options }
    }
}

impl Database {
    /// Breaks the store, until [`Database::heal`].
    ///
    /// # Errors
    /// Unavailable, if it is broken already, so that it cannot be broken in this way.
    pub async fn disturb(&self, how: Disturbance) -> Result<(), Unavailable> {
        self.park().await;
        let done = match how {
            Disturbance::Closed => return Ok(()),
            Disturbance::Full => self.fill().await,
            Disturbance::Garbage => self.put_aside().map_err(sqlx::Error::Io).map_err(StoreFault::from),
            Disturbance::Locked => self.take_the_lock().await,
        };
        *lock(&self.0.live) = None;
        done.or_unavailable(Dependency::Store)
    }

    /// Holds the write lock, as another program would, until [`Database::heal`]: what writes fails after the deadline,
    /// what reads works. Unlike [`Database::disturb`] it asks nobody to close the file first, and so it is what one
    /// process can do to another that has the store open.
    ///
    /// # Errors
    /// Unavailable, if others hold that lock for long, or the store cannot be opened.
    pub async fn hold_write_lock(&self) -> Result<(), Unavailable> {
        self.take_the_write_lock().await.or_unavailable(Dependency::Store)
    }

    /// Undoes every disturbance.
    ///
    /// # Errors
    /// Unavailable, if that fails.
    pub async fn heal(&self) -> Result<(), Unavailable> {
        self.park().await;
        if let Some(foreign) = self.0.disturbed.foreign.lock().await.take() {
            foreign.close().await.or_unavailable(Dependency::Store)?;
        }
        self.put_back().or_unavailable(Dependency::Store)?;
        if self.0.disturbed.full.swap(false, Ordering::SeqCst) {
            let mut connection = self.options().connect().await.or_unavailable(Dependency::Store)?;
            for statement in [EMPTY_SESSIONS, EMPTY_REVOCATIONS] {
                sqlx::query(statement).execute(&mut connection).await.or_unavailable(Dependency::Store)?;
            }
            connection.close().await.or_unavailable(Dependency::Store)?;
        }
        *lock(&self.0.live) = None;
        Ok(())
    }

    /// Closes the pool and leaves it where it is, so that nobody opens the file meanwhile.
    pub(super) async fn park(&self) {
        let Live { pool, .. } = self.live();
        pool.close().await;
    }

    /// Fills the last pages of the tables, since a small row still goes where there is room.
    async fn fill(&self) -> Result<(), StoreFault> {
        self.0.disturbed.full.store(true, Ordering::SeqCst);
        let mut connection = self.options().connect().await?;
        let mut number = 0_u32;
        for statement in [FILL_SESSIONS, FILL_REVOCATIONS] {
            for size in [1000, 100, 1] {
                // One failure may be a full page of the index only; names far apart try all of them.
                let mut failures = 0;
                while failures < 32 {
                    number += 1;
                    let name = format!("{:08x} ballast", number.wrapping_mul(0x9E37_79B1));
                    let row = sqlx::query(statement).bind(name).bind("x".repeat(size));
                    let done = row.execute(&mut connection).await;
                    failures = if done.is_err() { failures + 1 } else { 0 };
                }
            }
        }
        connection.close().await?;
        Ok(())
    }

    async fn take_the_lock(&self) -> Result<(), StoreFault> {
        let mut foreign = self.options().pragma("locking_mode", "EXCLUSIVE").connect().await?;
        sqlx::query("BEGIN EXCLUSIVE").execute(&mut foreign).await?;
        *self.0.disturbed.foreign.lock().await = Some(foreign);
        Ok(())
    }

    async fn take_the_write_lock(&self) -> Result<(), StoreFault> {
        let mut foreign = self.options().connect().await?;
        // Whoever writes just now is soon done; but others may be quicker to follow.
        let mut tries = 0..10;
        while let Err(held) = sqlx::query("BEGIN IMMEDIATE").execute(&mut foreign).await {
            tries.next().ok_or(held)?;
        }
        *self.0.disturbed.foreign.lock().await = Some(foreign);
        Ok(())
    }

    pub(super) fn put_aside(&self) -> io::Result<()> {
        for (file, aside) in self.files() {
            match fs::rename(file, aside) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                Err(_) | Ok(()) => {}
            }
        }
        fs::write(self.0.address.path(), b"This is not the database that you are looking for. ".repeat(200))
    }

    pub(super) fn put_back(&self) -> io::Result<()> {
        for (file, aside) in self.files() {
            if aside.try_exists()? {
                fs::rename(aside, file)?;
            }
        }
        Ok(())
    }

    /// The file, its log and its index, and where they wait.
    fn files(&self) -> [(PathBuf, PathBuf); 3] {
        ["", "-wal", "-shm"].map(|suffix| {
            let with = |more: &str| {
                let mut name = self.0.address.path().to_owned().into_os_string();
                name.push(suffix);
                name.push(more);
                PathBuf::from(name)
            };
            (with(""), with(".aside"))
        })
    }
}
