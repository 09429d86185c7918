//! What was stated revoked, and the brakes, in the store.

use serde_json::json;
use sqlx::{Connection, Sqlite, SqliteConnection, pool::PoolConnection};

use super::brake::{Brake, BrakeScope, PressedBrake, RELEASED_FOR, WINDOW, most_of_fleet, most_of_tenant};
use crate::{
    audit::{self, AuditRecord},
    clock::{Now, Timestamp},
    database::Database,
    device::registry::{Binding, Order},
    revocations::{self, RegistryMark},
    verdict::Unavailable,
};

const IS_STATED: &str = "SELECT EXISTS (SELECT 1 FROM device_statement WHERE binding = $1 AND generation = $2)";
const WAS_ORDERED: &str = "
    SELECT EXISTS (
        SELECT 1 FROM device_audit
        WHERE device = $1 AND action = 'binding-revoked' AND actor = $2 AND actor <> ''
            AND detail ->> '$.binding' = $3 AND detail ->> '$.generation' = $4
    )";
const BRAKE: &str = "SELECT released FROM device_brake WHERE scope = $1";
const PRESSED: &str = "SELECT scope, why, pressed FROM device_brake WHERE released IS NULL ORDER BY scope";
const PRESS: &str = "
    INSERT INTO device_brake (scope, why, pressed) VALUES ($1, $2, $3)
    ON CONFLICT (scope) DO UPDATE SET
        why = excluded.why, pressed = excluded.pressed, released = NULL, released_by = NULL";
const RELEASE: &str = "
    UPDATE device_brake SET released = $2, released_by = $3 WHERE scope = $1 AND released IS NULL RETURNING why";
/// By the index alone.
const DEVICES_IN: &str = "SELECT count(*) FROM device_binding WHERE tenant = $1";
const DEVICES: &str = "SELECT count(*) FROM device_binding";
const STATED_SINCE: &str = "
    SELECT coalesce(sum(tenant = $3), 0), count(*) FROM device_statement WHERE at > $1 AND at <= $2";
const STATE: &str = "INSERT INTO device_statement (binding, generation, tenant, at) VALUES ($1, $2, $3, $4)";

/// What may be said of a binding that is revoked.
pub(super) enum Word {
    /// That.
    Revoked,
    /// Not that: a brake holds. The one that was pressed by this, if it was.
    Held { pressed: Option<PressedBrake> },
}

/// What became of a brake that was to be released.
pub(super) enum ReleasedBrake {
    /// It was not pressed.
    None,
    /// It is released.
    Released {
        /// How the registry stands, if that had looked like a backup's.
        registry: Option<RegistryMark>,
    },
}

/// Decides whether a revoked binding is stated revoked, and counts that. `known` is how the registry stood.
pub(super) async fn state_revoked(
    store: &Database,
    binding: Binding,
    known: Option<RegistryMark>,
    now: Now,
) -> Result<Word, Unavailable> {
    let work = move |mut connection: PoolConnection<Sqlite>| async move {
        let mut writing = connection.begin_with("BEGIN IMMEDIATE").await?;
        let word = decide(&mut writing, &binding, known.as_ref(), now).await?;
        writing.commit().await?;
        Ok(word)
    };
    store.call(work).await
}

async fn decide(
    writing: &mut SqliteConnection,
    binding: &Binding,
    known: Option<&RegistryMark>,
    now: Now,
) -> Result<Word, sqlx::Error> {
    #[cfg(candor_mutants)]
    if crate::mutants::is("brake-off") {
        return Ok(Word::Revoked);
    }
    let scopes = [BrakeScope::Fleet, BrakeScope::Tenant(binding.tenant.clone())];
    let [fleet, tenant] = [brake(writing, &scopes[0], now).await?, brake(writing, &scopes[1], now).await?];
    if fleet == Holding::Holds || tenant == Holding::Holds {
        return Ok(Word::Held { pressed: None });
    }
    // Whoever released a brake for another reason has not looked at this one.
    if let Some(known) = known
        && revocations::looks_restored(writing, known).await?
    {
        return press(writing, BrakeScope::Fleet, Brake::RestoredBackup, now).await;
    }
    if fleet == Holding::Ready && !was_ordered(writing, binding).await? {
        return press(writing, BrakeScope::Fleet, Brake::NobodyOrdered, now).await;
    }
    // What was said once is not new.
    let stated = sqlx::query_scalar(IS_STATED).bind(binding.id.to_string()).bind(binding.generation.number());
    if stated.fetch_one(&mut *writing).await? {
        return Ok(Word::Revoked);
    }
    let at = now.anchor();
    let counted = sqlx::query_as(STATED_SINCE).bind((at - WINDOW).as_millis()).bind(at.as_millis());
    let (of_tenant, of_fleet): (i64, i64) = counted.bind(&binding.tenant).fetch_one(&mut *writing).await?;
    let in_tenant: i64 = sqlx::query_scalar(DEVICES_IN).bind(&binding.tenant).fetch_one(&mut *writing).await?;
    let in_fleet: i64 = sqlx::query_scalar(DEVICES).fetch_one(&mut *writing).await?;
    let count = |number| u64::try_from(number).unwrap_or_default();
    if fleet == Holding::Ready && count(of_fleet) >= most_of_fleet(count(in_fleet)) {
        return press(writing, BrakeScope::Fleet, Brake::TooMany, now).await;
    }
    if tenant == Holding::Ready && count(of_tenant) >= most_of_tenant(count(in_tenant)) {
        let [_, tenant] = scopes;
        return press(writing, tenant, Brake::TooMany, now).await;
    }
    sqlx::query(STATE)
        .bind(binding.id.to_string())
        .bind(binding.generation.number())
        .bind(&binding.tenant)
        .bind(at.as_millis())
        .execute(&mut *writing)
        .await?;
    Ok(Word::Revoked)
}

/// Whether a brake holds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Holding {
    /// It does.
    Holds,
    /// It would, if it were pressed.
    Ready,
    /// Somebody has looked lately.
    Released,
}

async fn brake(reading: &mut SqliteConnection, scope: &BrakeScope, now: Now) -> Result<Holding, sqlx::Error> {
    let brake: Option<Option<i64>> =
        sqlx::query_scalar(BRAKE).bind(scope.as_str()).fetch_optional(&mut *reading).await?;
    let at = now.anchor();
    Ok(match brake {
        None => Holding::Ready,
        Some(None) => Holding::Holds,
        Some(Some(released)) => {
            let released = Timestamp::from_millis(released);
            if released <= at && at.since(released) < RELEASED_FOR { Holding::Released } else { Holding::Ready }
        }
    })
}

/// Whether the audit trail knows who revoked this.
async fn was_ordered(reading: &mut SqliteConnection, binding: &Binding) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar(WAS_ORDERED)
        .bind(binding.device.to_string())
        .bind(&binding.changed_by)
        .bind(binding.id.to_string())
        .bind(binding.generation.number())
        .fetch_one(&mut *reading)
        .await
}

async fn press(writing: &mut SqliteConnection, scope: BrakeScope, why: Brake, now: Now) -> Result<Word, sqlx::Error> {
    let since = now.anchor();
    sqlx::query(PRESS).bind(scope.as_str()).bind(why.as_str()).bind(since.as_millis()).execute(&mut *writing).await?;
    let detail = json!({"scope": scope.as_str(), "why": why.as_str()});
    record(writing, "brake-pressed", "gateway".to_owned(), detail, now).await?;
    Ok(Word::Held { pressed: Some(PressedBrake { scope, why, since }) })
}

pub(super) async fn pressed(store: &Database) -> Result<Vec<PressedBrake>, Unavailable> {
    let read = move |mut connection: PoolConnection<Sqlite>| async move {
        sqlx::query_as(PRESSED).fetch_all(&mut *connection).await
    };
    let rows: Vec<(String, String, i64)> = store.call(read).await?;
    let brake = |(scope, why, since): (String, String, i64)| PressedBrake {
        scope: BrakeScope::read(scope),
        why: Brake::read(&why),
        since: Timestamp::from_millis(since),
    };
    Ok(rows.into_iter().map(brake).collect())
}

pub(super) async fn release(
    store: &Database,
    scope: BrakeScope,
    order: Order,
    now: Now,
) -> Result<ReleasedBrake, Unavailable> {
    let work = move |mut connection: PoolConnection<Sqlite>| async move {
        let mut writing = connection.begin_with("BEGIN IMMEDIATE").await?;
        let released = sqlx::query_scalar(RELEASE).bind(scope.as_str()).bind(now.anchor().as_millis()).bind(&order.who);
        let why: Option<String> = released.fetch_optional(&mut *writing).await?;
        let Some(why) = why else { return Ok(ReleasedBrake::None) };
        let detail = json!({"scope": scope.as_str(), "why": order.why});
        record(&mut writing, "brake-released", order.who, detail, now).await?;
        let registry = match Brake::read(&why) {
            Brake::RestoredBackup => Some(revocations::registry_now(&mut writing).await?),
            Brake::TooMany | Brake::NobodyOrdered => None,
        };
        writing.commit().await?;
        Ok(ReleasedBrake::Released { registry })
    };
    store.call(work).await
}

async fn record(
    writing: &mut SqliteConnection,
    action: &'static str,
    actor: String,
    detail: serde_json::Value,
    now: Now,
) -> Result<(), sqlx::Error> {
    audit::append(writing, AuditRecord { at: now.earlier(), actor, action, device: None, detail }).await
}
