//! The tables, one statement a migration. What was released is never changed: another is added.

use sqlx::{
    SqlSafeStr, SqliteConnection,
    migrate::{MigrateError, Migration, MigrationType, Migrator},
};

/// In order; the number of a migration is its place here, from 1.
const STATEMENTS: &[(&str, &str)] = &[
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
    (
        "device: what is known of one, whichever tenant it is in",
        "CREATE TABLE device (
            id TEXT PRIMARY KEY NOT NULL,
            hardware_id TEXT NOT NULL,
            model TEXT NOT NULL,
            app_version TEXT NOT NULL,
            first_seen INTEGER NOT NULL,
            last_seen INTEGER,
            last_address TEXT,
            created_by TEXT NOT NULL
        ) STRICT",
    ),
    ("device: those of one serial number", "CREATE INDEX device_hardware ON device (hardware_id)"),
    (
        "device key: what a device proves itself by",
        "CREATE TABLE device_key (
            thumbprint TEXT PRIMARY KEY NOT NULL,
            device TEXT NOT NULL REFERENCES device (id),
            jwk TEXT NOT NULL,
            added INTEGER NOT NULL,
            successor TEXT,
            successor_used INTEGER,
            until INTEGER
        ) STRICT",
    ),
    ("device key: those of one device", "CREATE INDEX device_key_of ON device_key (device)"),
    (
        "device binding: a device in a tenant and a room",
        "CREATE TABLE device_binding (
            id TEXT PRIMARY KEY NOT NULL,
            device TEXT NOT NULL REFERENCES device (id),
            tenant TEXT NOT NULL,
            room TEXT NOT NULL,
            state TEXT NOT NULL CHECK (state IN ('active', 'suspended', 'revoked')),
            generation INTEGER NOT NULL,
            version INTEGER NOT NULL,
            created INTEGER NOT NULL,
            created_by TEXT NOT NULL,
            changed INTEGER NOT NULL,
            changed_by TEXT NOT NULL,
            reason TEXT NOT NULL
        ) STRICT",
    ),
    (
        "device binding: one of a device in a tenant",
        "CREATE UNIQUE INDEX device_binding_of ON device_binding (device, tenant)",
    ),
    ("device binding: those of one tenant", "CREATE INDEX device_binding_in ON device_binding (tenant, device)"),
    (
        "device revocation: what has become of a binding, the latest only",
        "CREATE TABLE device_revocation (
            binding TEXT PRIMARY KEY NOT NULL,
            device TEXT NOT NULL,
            state TEXT NOT NULL CHECK (state IN ('active', 'suspended', 'revoked')),
            generation INTEGER NOT NULL,
            version INTEGER NOT NULL,
            until INTEGER NOT NULL,
            written INTEGER NOT NULL,
            at INTEGER NOT NULL,
            who TEXT NOT NULL,
            why TEXT NOT NULL
        ) STRICT",
    ),
    ("device revocation: what is new", "CREATE INDEX device_revocation_written ON device_revocation (written)"),
    (
        "device activation: a PIN that is shown",
        "CREATE TABLE device_activation (
            id TEXT PRIMARY KEY NOT NULL,
            thumbprint TEXT NOT NULL,
            jwk TEXT NOT NULL,
            pin_hash TEXT NOT NULL UNIQUE,
            hardware_id TEXT NOT NULL,
            model TEXT NOT NULL,
            app_version TEXT NOT NULL,
            address TEXT,
            begun INTEGER NOT NULL,
            until INTEGER NOT NULL,
            visible_to TEXT,
            confirmed INTEGER,
            confirmed_by TEXT,
            device TEXT,
            binding TEXT
        ) STRICT",
    ),
    (
        "device activation: one of a key at a time",
        "CREATE UNIQUE INDEX device_activation_of ON device_activation (thumbprint) WHERE confirmed IS NULL",
    ),
    ("device activation: those that are over", "CREATE INDEX device_activation_until ON device_activation (until)"),
    (
        "device PIN guess: wrong ones of the last day",
        "CREATE TABLE device_pin_guess (
            at INTEGER NOT NULL,
            administrator TEXT NOT NULL,
            tenant TEXT NOT NULL,
            address TEXT NOT NULL
        ) STRICT",
    ),
    ("device PIN guess: by time", "CREATE INDEX device_pin_guess_at ON device_pin_guess (at)"),
    (
        "legacy token: an opaque one that this gateway decides about",
        "CREATE TABLE legacy_token (
            hash TEXT PRIMARY KEY NOT NULL,
            device TEXT NOT NULL REFERENCES device (id),
            binding TEXT NOT NULL REFERENCES device_binding (id),
            adopted INTEGER NOT NULL,
            state TEXT NOT NULL,
            changed INTEGER NOT NULL,
            changed_by TEXT NOT NULL,
            reason TEXT NOT NULL
        ) STRICT",
    ),
    ("legacy token: those of one device", "CREATE INDEX legacy_token_of ON legacy_token (device)"),
    (
        "legacy denial: how often the monolith denied a token that nobody has adopted",
        "CREATE TABLE legacy_denial (
            hash TEXT PRIMARY KEY NOT NULL,
            count INTEGER NOT NULL,
            last INTEGER NOT NULL
        ) STRICT",
    ),
    (
        "legacy approval: tokens that wait for an administrator's word",
        "CREATE TABLE legacy_approval (
            hash TEXT PRIMARY KEY NOT NULL,
            asked INTEGER NOT NULL,
            address TEXT,
            decided INTEGER,
            decided_by TEXT,
            decision TEXT
        ) STRICT",
    ),
    (
        "device audit: who did what to which device, each row hashed over the one before",
        "CREATE TABLE device_audit (
            seq INTEGER PRIMARY KEY NOT NULL,
            at INTEGER NOT NULL,
            actor TEXT NOT NULL,
            action TEXT NOT NULL,
            device TEXT,
            detail TEXT NOT NULL,
            previous TEXT NOT NULL,
            hash TEXT NOT NULL
        ) STRICT",
    ),
    ("device audit: what concerns one device", "CREATE INDEX device_audit_of ON device_audit (device, seq)"),
    (
        "device audit: no row is changed",
        "CREATE TRIGGER device_audit_unchanged BEFORE UPDATE ON device_audit
        BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END",
    ),
    (
        "device audit: no row goes",
        "CREATE TRIGGER device_audit_kept BEFORE DELETE ON device_audit
        BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END",
    ),
    (
        "legacy token: what the service behind calls its device",
        "ALTER TABLE legacy_token ADD COLUMN known_as TEXT NOT NULL DEFAULT ''",
    ),
    (
        "legacy token: the generation of its binding",
        "ALTER TABLE legacy_token ADD COLUMN generation INTEGER NOT NULL DEFAULT 1",
    ),
    ("legacy token: by the name there", "CREATE INDEX legacy_token_known_as ON legacy_token (known_as)"),
    ("legacy token: those of one binding", "CREATE INDEX legacy_token_in ON legacy_token (binding)"),
    ("legacy token: what is new", "CREATE INDEX legacy_token_changed ON legacy_token (changed)"),
    ("device binding: what is new", "CREATE INDEX device_binding_changed ON device_binding (changed)"),
    ("legacy approval: why it is asked", "ALTER TABLE legacy_approval ADD COLUMN kind TEXT NOT NULL DEFAULT 'denied'"),
    ("legacy approval: which device it says to be", "ALTER TABLE legacy_approval ADD COLUMN device TEXT"),
    (
        "legacy refusal: the tokens that somebody has refused, known or not",
        "CREATE TABLE legacy_refusal (
            hash TEXT PRIMARY KEY NOT NULL,
            at INTEGER NOT NULL,
            who TEXT NOT NULL,
            why TEXT NOT NULL,
            written INTEGER NOT NULL,
            lifted INTEGER
        ) STRICT",
    ),
    ("legacy refusal: what is new", "CREATE INDEX legacy_refusal_written ON legacy_refusal (written)"),
    (
        "device activation: what is over stays for a day, so one key may have more than one",
        "DROP INDEX device_activation_of",
    ),
    (
        "device activation: those of one key",
        "CREATE INDEX device_activation_by ON device_activation (thumbprint, until)",
    ),
    (
        "device statement: what was stated revoked",
        "CREATE TABLE device_statement (
            binding TEXT NOT NULL,
            generation INTEGER NOT NULL,
            tenant TEXT NOT NULL,
            at INTEGER NOT NULL,
            PRIMARY KEY (binding, generation)
        ) STRICT",
    ),
    ("device statement: what is new", "CREATE INDEX device_statement_at ON device_statement (at, tenant)"),
    (
        "device brake: where nothing is stated revoked until somebody has looked",
        "CREATE TABLE device_brake (
            scope TEXT PRIMARY KEY NOT NULL,
            why TEXT NOT NULL,
            pressed INTEGER NOT NULL,
            released INTEGER,
            released_by TEXT
        ) STRICT",
    ),
    (
        "device successor: which token of a device without a key took the place of which",
        "CREATE TABLE device_successor (
            successor TEXT PRIMARY KEY NOT NULL,
            predecessor TEXT NOT NULL,
            device TEXT NOT NULL,
            issued INTEGER NOT NULL,
            first_used INTEGER,
            cloned INTEGER
        ) STRICT",
    ),
    ("device successor: those of one token", "CREATE INDEX device_successor_of ON device_successor (predecessor)"),
    (
        "device PIN guess: whether it was one at the tag too",
        "ALTER TABLE device_pin_guess ADD COLUMN with_tag INTEGER NOT NULL DEFAULT 0",
    ),
    ("session: since when it is held back from ending", "ALTER TABLE session ADD COLUMN held INTEGER"),
    ("session: why the provider refused it", "ALTER TABLE session ADD COLUMN held_why TEXT"),
    ("session: the access token", "ALTER TABLE session ADD COLUMN access_token TEXT"),
    ("session: until when the access token is good", "ALTER TABLE session ADD COLUMN access_until INTEGER"),
    ("session: those that are held", "CREATE INDEX session_held ON session (held) WHERE held IS NOT NULL"),
    (
        "session: those of a provider's session",
        "CREATE INDEX session_provider_sid ON session (issuer, provider_sid) WHERE provider_sid IS NOT NULL",
    ),
    ("session: the ID token", "ALTER TABLE session ADD COLUMN id_token TEXT"),
];

/// Applies those that the store has not seen. A store that a newer release has brought further is taken as it is, so that going back a release
/// signs nobody out; what a release adds must therefore leave the older one working.
pub(super) async fn apply(connection: &mut SqliteConnection) -> Result<(), MigrateError> {
    let numbered = (1..).zip(STATEMENTS.iter().copied());
    let migrations = numbered.map(|(number, (what, statement))| {
        Migration::new(number, what.into(), MigrationType::Simple, statement.into_sql_str(), false)
    });
    let mut migrator = Migrator::with_migrations(migrations.collect());
    migrator.set_ignore_missing(true);
    // Not `run`, whose trait bounds the compiler cannot prove in a spawned future; this is what sqlx has for that.
    migrator.run_direct(None, connection, false).await
}
