//! The tables, one statement a migration. What was released is never changed: another is added.

use sqlx::{
    SqlSafeStr, SqliteConnection,
    migrate::{MigrateError, Migration, MigrationType, Migrator},
};

/// In order; the number of a migration is its place here, from 1.
const STATEMENTS: [(&str, &str); 6] = [
    (
        "house: which store this is",
        "CREATE TABLE house (
            name TEXT PRIMARY KEY NOT NULL,
            value TEXT NOT NULL
        ) STRICT",
    ),
    (
        "session: what a request does not need to know of one",
        "CREATE TABLE session (
            id TEXT PRIMARY KEY NOT NULL,
            issuer TEXT NOT NULL,
            subject TEXT NOT NULL,
            provider TEXT NOT NULL,
            provider_sid TEXT,
            refresh_token TEXT,
            claims TEXT NOT NULL,
            address TEXT,
            browser TEXT,
            begun INTEGER NOT NULL,
            confirmed INTEGER NOT NULL,
            until INTEGER NOT NULL,
            version INTEGER NOT NULL,
            intent_instance TEXT,
            intent_fence INTEGER,
            intent_hash TEXT,
            ended INTEGER,
            ended_who TEXT,
            ended_why TEXT
        ) STRICT",
    ),
    ("session: those of one person", "CREATE INDEX session_of ON session (issuer, subject)"),
    ("session: those that are over", "CREATE INDEX session_until ON session (until)"),
    (
        "revocation: what has ended before its time",
        "CREATE TABLE revocation (
            name TEXT PRIMARY KEY NOT NULL,
            session TEXT,
            issuer TEXT,
            subject TEXT,
            not_before INTEGER,
            until INTEGER NOT NULL,
            written INTEGER NOT NULL,
            at INTEGER NOT NULL,
            who TEXT NOT NULL,
            why TEXT NOT NULL
        ) STRICT",
    ),
    ("revocation: what is new", "CREATE INDEX revocation_written ON revocation (written)"),
];

/// Applies those that the store has not seen. A store that a newer release has brought further is taken as it is, so that going back a release
/// signs nobody out; what a release adds must therefore leave the older one working.
pub(super) async fn apply(connection: &mut SqliteConnection) -> Result<(), MigrateError> {
    let numbered = (1..).zip(STATEMENTS);
    let migrations = numbered.map(|(number, (what, statement))| {
        Migration::new(number, what.into(), MigrationType::Simple, statement.into_sql_str(), false)
    });
    let mut migrator = Migrator::with_migrations(migrations.collect());
    migrator.set_ignore_missing(true);
    // Not `run`, whose trait bounds the compiler cannot prove in a spawned future; this is what sqlx has for that.
    migrator.run_direct(None, connection, false).await
}
