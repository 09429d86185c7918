//! Sessions that stand, in the store: neither ended nor over.

use serde_json::Value;
use sqlx::{FromRow, Row as _, sqlite::SqliteRow};

use super::StandingSession;
use crate::{clock::Timestamp, database::Database, principal::Subject, verdict::Unavailable};

const PAGE: &str = "
    SELECT id, issuer, subject, provider, claims, address, browser, begun, confirmed, until FROM session
    WHERE ended IS NULL AND until > $1 AND id > $2 ORDER BY id LIMIT $3";
const PAGE_OF_PERSON: &str = "
    SELECT id, issuer, subject, provider, claims, address, browser, begun, confirmed, until FROM session
    WHERE issuer = $1 AND subject = $2 AND ended IS NULL AND until > $3 AND id > $4 ORDER BY id LIMIT $5";
const OF_PERSON: &str = "
    SELECT id, issuer, subject, provider, claims, address, browser, begun, confirmed, until FROM session
    WHERE issuer = $1 AND subject = $2 AND ended IS NULL AND until > $3 ORDER BY begun DESC, id LIMIT $4";
const OF_PROVIDER_SESSION: &str = "
    SELECT id, issuer, subject, provider, claims, address, browser, begun, confirmed, until FROM session
    WHERE issuer = $1 AND provider_sid = $2 AND ended IS NULL AND until > $3 LIMIT $4";
const ONE: &str = "
    SELECT id, issuer, subject, provider, claims, address, browser, begun, confirmed, until FROM session
    WHERE id = $1 AND ended IS NULL AND until > $2";

const FAREWELL: &str = "SELECT provider, claims, id_token FROM session WHERE id = $1";

/// What signing out at the provider needs of a session. No `Debug`: it holds a token, though sealed.
pub(super) struct FarewellRow {
    pub(super) provider: String,
    pub(super) claims: String,
    pub(super) id_token: Option<String>,
}

/// That of a session, whether it stands or not.
pub(super) async fn farewell(store: &Database, id: String) -> Result<Option<FarewellRow>, Unavailable> {
    let read = sqlx::query_as(FAREWELL).bind(id);
    store.call(move |mut connection| async move { read.fetch_optional(&mut *connection).await }).await
}

pub(super) async fn page(
    store: &Database,
    of: Option<Subject>,
    after: String,
    now: Timestamp,
    most: u32,
) -> Result<Vec<StandingSession>, Unavailable> {
    store
        .call(move |mut connection| async move {
            let read = match &of {
                None => sqlx::query_as(PAGE),
                Some(of) => sqlx::query_as(PAGE_OF_PERSON).bind(&*of.issuer).bind(&*of.id),
            };
            read.bind(now.as_millis()).bind(after).bind(most).fetch_all(&mut *connection).await
        })
        .await
}

pub(super) async fn of_person(
    store: &Database,
    of: Subject,
    now: Timestamp,
    most: u32,
) -> Result<Vec<StandingSession>, Unavailable> {
    store
        .call(move |mut connection| async move {
            let read = sqlx::query_as(OF_PERSON).bind(&*of.issuer).bind(&*of.id).bind(now.as_millis()).bind(most);
            read.fetch_all(&mut *connection).await
        })
        .await
}

pub(super) async fn of_provider_session(
    store: &Database,
    issuer: String,
    sid: String,
    now: Timestamp,
    most: u32,
) -> Result<Vec<StandingSession>, Unavailable> {
    let read = sqlx::query_as(OF_PROVIDER_SESSION).bind(issuer).bind(sid).bind(now.as_millis()).bind(most);
    store.call(move |mut connection| async move { read.fetch_all(&mut *connection).await }).await
}

pub(super) async fn one(store: &Database, id: String, now: Timestamp) -> Result<Vec<StandingSession>, Unavailable> {
    let read = sqlx::query_as(ONE).bind(id).bind(now.as_millis());
    store.call(move |mut connection| async move { read.fetch_all(&mut *connection).await }).await
}

impl FromRow<'_, SqliteRow> for FarewellRow {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            provider: row.try_get("provider")?,
            claims: row.try_get("claims")?,
            id_token: row.try_get("id_token")?,
        })
    }
}

impl FromRow<'_, SqliteRow> for StandingSession {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        let moment = |name: &str| row.try_get(name).map(Timestamp::from_millis);
        let claims: Value = serde_json::from_str(row.try_get("claims")?).unwrap_or_default();
        let said = ["preferred_username", "email", "name"].into_iter().find_map(|name| claims.get(name)?.as_str());
        Ok(Self {
            id: row.try_get("id")?,
            issuer: row.try_get("issuer")?,
            subject: row.try_get("subject")?,
            name: said.map(str::to_owned),
            provider: row.try_get("provider")?,
            address: row.try_get("address")?,
            browser: row.try_get("browser")?,
            begun: moment("begun")?,
            confirmed: moment("confirmed")?,
            until: moment("until")?,
        })
    }
}
