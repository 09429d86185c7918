//! SQLite breaks in its own ways, which no fault proxy can. Each can be healed.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use sqlx::{
    ConnectOptions, Connection, Executor, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteLockingMode},
};

/// The store of one world, as somebody with a shell on the machine could get at it.
pub struct Store {
    path: PathBuf,
    /// The connection that holds a foreign lock, while it does.
    lock: Option<SqliteConnection>,
    broken: Option<StoreBreak>,
}

/// A way in which SQLite breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum StoreBreak {
    /// Another process holds the write lock and does not let go.
    Locked,
    /// Another process holds the file for itself: nobody reads it either. For a cold start: nobody gets there while
    /// somebody has the file open.
    LockedOut,
    /// Every write is refused, as by a full disk. Reading works.
    Full,
    /// The tables are gone, as after a restored empty file.
    Emptied,
    /// The file is not a database. For a cold start: who has it open reads on from its pages.
    Garbage,
}

impl StoreBreak {
    /// Every way.
    pub const ALL: [Self; 5] = [Self::Locked, Self::LockedOut, Self::Full, Self::Emptied, Self::Garbage];

    /// Its name in the matrix.
    pub fn name(self) -> String {
        format!("{self:?}").to_lowercase()
    }
}

impl Store {
    /// The store in the file at `path`.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), lock: None, broken: None }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Breaks it.
    ///
    /// # Errors
    /// It could not be broken: the test is at fault.
    pub async fn break_with(&mut self, how: StoreBreak) -> Result<(), sqlx::Error> {
        match how {
            StoreBreak::Locked => {
                let mut connection = self.connect().await?;
                connection.execute("BEGIN IMMEDIATE").await?;
                self.lock = Some(connection);
            }
            StoreBreak::LockedOut => {
                let options = self.options().locking_mode(SqliteLockingMode::Exclusive);
                let mut connection = options.connect().await?;
                connection.execute("BEGIN EXCLUSIVE").await?;
                self.lock = Some(connection);
            }
            StoreBreak::Full => {
                for (table, event) in self.each_table_and_event().await? {
                    let name = format!("full_{table}_{event}");
                    self.run(format!(
                        "CREATE TRIGGER {name} BEFORE {event} ON {table} \
                         BEGIN SELECT RAISE(FAIL, 'database or disk is full'); END"
                    ))
                    .await?;
                }
            }
            StoreBreak::Emptied => {
                for table in self.tables("").await? {
                    self.run(format!("ALTER TABLE {table} RENAME TO hidden_{table}")).await?;
                }
            }
            StoreBreak::Garbage => self.set_aside()?,
        }
        self.broken = Some(how);
        Ok(())
    }

    /// Heals it, whatever it was.
    ///
    /// # Errors
    /// It could not be healed: the test is at fault.
    pub async fn heal(&mut self) -> Result<(), sqlx::Error> {
        match self.broken.take() {
            None => {}
            Some(StoreBreak::Locked | StoreBreak::LockedOut) => {
                if let Some(mut connection) = self.lock.take() {
                    connection.execute("ROLLBACK").await?;
                    connection.close().await?;
                }
            }
            Some(StoreBreak::Full) => {
                for (table, event) in self.each_table_and_event().await? {
                    self.run(format!("DROP TRIGGER IF EXISTS full_{table}_{event}")).await?;
                }
            }
            Some(StoreBreak::Emptied) => {
                for table in self.tables("hidden_").await? {
                    let original = table.trim_start_matches("hidden_").to_owned();
                    self.run(format!("DROP TABLE IF EXISTS {original}")).await?;
                    self.run(format!("ALTER TABLE {table} RENAME TO {original}")).await?;
                }
            }
            Some(StoreBreak::Garbage) => self.put_back()?,
        }
        Ok(())
    }

    /// Runs `statements` on it, as somebody can who has a shell on the machine.
    ///
    /// # Errors
    /// Whatever SQLite says: the test is at fault.
    pub async fn rewrite(&self, statements: &str) -> Result<(), sqlx::Error> {
        self.run(statements.to_owned()).await
    }

    /// What `query` finds, the first column of each row, as text.
    ///
    /// # Errors
    /// Whatever SQLite says: the test is at fault.
    pub async fn read(&self, query: &'static str) -> Result<Vec<String>, sqlx::Error> {
        let mut connection = self.connect().await?;
        let rows: Vec<(String,)> = sqlx::query_as(query).fetch_all(&mut connection).await?;
        connection.close().await?;
        Ok(rows.into_iter().map(|(text,)| text).collect())
    }

    /// Puts a copy of it at `copy`, as a backup does.
    ///
    /// # Errors
    /// Whatever SQLite says: the test is at fault.
    pub async fn back_up(&self, copy: &Path) -> Result<(), sqlx::Error> {
        self.run(format!("VACUUM INTO '{}'", copy.display())).await
    }

    /// Puts it back from a copy, as somebody does who restores a backup.
    ///
    /// # Errors
    /// A file could not be moved.
    pub fn restore(&self, copy: &Path) -> io::Result<()> {
        for file in self.files().into_iter().filter(|file| file.exists()) {
            fs::remove_file(file)?;
        }
        fs::rename(copy, &self.path)
    }

    async fn connect(&self) -> Result<SqliteConnection, sqlx::Error> {
        self.options().connect().await
    }

    fn options(&self) -> SqliteConnectOptions {
        SqliteConnectOptions::new()
            .filename(&self.path)
            .journal_mode(SqliteJournalMode::Wal)
            .busy_timeout(std::time::Duration::from_secs(5))
    }

    async fn run(&self, statement: String) -> Result<(), sqlx::Error> {
        let mut connection = self.connect().await?;
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(&mut connection).await?;
        connection.close().await
    }

    async fn each_table_and_event(&self) -> Result<Vec<(String, &'static str)>, sqlx::Error> {
        let tables = self.tables("").await?;
        Ok(tables
            .into_iter()
            .flat_map(|table| ["INSERT", "UPDATE", "DELETE"].map(|event| (table.clone(), event)))
            .collect())
    }

    async fn tables(&self, prefix: &str) -> Result<Vec<String>, sqlx::Error> {
        let mut connection = self.connect().await?;
        let all: Vec<(String,)> = sqlx::query_as(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name NOT LIKE '_sqlx%'",
        )
        .fetch_all(&mut connection)
        .await?;
        connection.close().await?;
        Ok(all.into_iter().map(|(name,)| name).filter(|name| name.starts_with(prefix)).collect())
    }

    /// Puts garbage where the database was, keeping the database beside it.
    fn set_aside(&self) -> io::Result<()> {
        for file in self.files() {
            match fs::rename(&file, aside(&file)) {
                // The log and its index are there only while somebody has the database open.
                Err(absent) if absent.kind() == io::ErrorKind::NotFound => {}
                renamed => renamed?,
            }
        }
        fs::write(&self.path, "This is no database.\n".repeat(500))
    }

    fn put_back(&self) -> io::Result<()> {
        for file in self.files() {
            if file.exists() {
                fs::remove_file(&file)?;
            }
            if aside(&file).exists() {
                fs::rename(aside(&file), &file)?;
            }
        }
        Ok(())
    }

    /// The database, its write-ahead log and that log's index.
    fn files(&self) -> [PathBuf; 3] {
        ["", "-wal", "-shm"].map(|end| {
            let mut path = self.path.clone().into_os_string();
            path.push(end);
            path.into()
        })
    }
}

fn aside(file: &Path) -> PathBuf {
    let mut path = file.to_path_buf().into_os_string();
    path.push(".aside");
    path.into()
}
