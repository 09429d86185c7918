//! Sessions in the store.

use crate::{
    clock::Timestamp,
    database::Database,
    principal::{SessionId, Subject},
    verdict::Unavailable,
};

const INSERT: &str = "
    INSERT INTO session
        (id, issuer, subject, provider, provider_sid, refresh_token, claims, address, browser, begun, confirmed,
         until, version, access_token, access_until, id_token)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10, $11, 1, $12, $13, $14)";

const CLAIMS_OF: &str = "
    SELECT claims, confirmed FROM session WHERE issuer = $1 AND subject = $2 ORDER BY confirmed DESC LIMIT $3";

/// What a session was confirmed with last.
pub(super) struct ConfirmedWith {
    /// The verified claims, as a JSON object.
    pub(super) claims: String,
    pub(super) confirmed: Timestamp,
}

/// A session's row at its begin. No `Debug`: it holds tokens, though sealed.
pub(super) struct SessionRow {
    pub(super) id: String,
    pub(super) subject: Subject,
    pub(super) provider: String,
    pub(super) provider_sid: Option<String>,
    pub(super) refresh_token: Option<String>,
    pub(super) access_token: Option<String>,
    pub(super) access_until: Option<Timestamp>,
    pub(super) id_token: Option<String>,
    pub(super) claims: String,
    pub(super) address: Option<String>,
    pub(super) browser: Option<String>,
    pub(super) begun: Timestamp,
    pub(super) until: Timestamp,
}

/// Writes the row of a new session.
pub(super) async fn insert(store: &Database, row: SessionRow) -> Result<(), Unavailable> {
    store
        .call(move |mut connection| async move {
            sqlx::query(INSERT)
                .bind(row.id)
                .bind(&*row.subject.issuer)
                .bind(&*row.subject.id)
                .bind(row.provider)
                .bind(row.provider_sid)
                .bind(row.refresh_token)
                .bind(row.claims)
                .bind(row.address)
                .bind(row.browser)
                .bind(row.begun.as_millis())
                .bind(row.until.as_millis())
                .bind(row.access_token)
                .bind(row.access_until.map(Timestamp::as_millis))
                .bind(row.id_token)
                .execute(&mut *connection)
                .await
                .map(drop)
        })
        .await
}

/// What the last `most` sessions of a person were confirmed with, the latest first.
pub(super) async fn claims_of(store: &Database, of: Subject, most: u32) -> Result<Vec<ConfirmedWith>, Unavailable> {
    let rows: Vec<(String, i64)> = store
        .call(move |mut connection| async move {
            sqlx::query_as(CLAIMS_OF).bind(&*of.issuer).bind(&*of.id).bind(most).fetch_all(&mut *connection).await
        })
        .await?;
    let row = |(claims, confirmed)| ConfirmedWith { claims, confirmed: Timestamp::from_millis(confirmed) };
    Ok(rows.into_iter().map(row).collect())
}

/// What a session's row says of its access token. No `Debug`: it holds one, though sealed.
pub(super) struct AccessRow {
    pub(super) subject: Subject,
    pub(super) sealed: Option<String>,
    pub(super) until: Option<Timestamp>,
    pub(super) confirmed: Timestamp,
}

/// The same in the order of the statement's columns.
type StoredAccess = (String, String, Option<String>, Option<i64>, i64);

const ACCESS: &str = "SELECT issuer, subject, access_token, access_until, confirmed FROM session WHERE id = $1";

/// The access token of a session; nothing, if it has no row.
pub(super) async fn access(store: &Database, id: SessionId) -> Result<Option<AccessRow>, Unavailable> {
    let id = id.to_string();
    let row: Option<StoredAccess> = store
        .call(
            move |mut connection| async move { sqlx::query_as(ACCESS).bind(id).fetch_optional(&mut *connection).await },
        )
        .await?;
    Ok(row.map(|(issuer, subject, sealed, until, confirmed)| AccessRow {
        subject: Subject::new(issuer, subject),
        sealed,
        until: until.map(Timestamp::from_millis),
        confirmed: Timestamp::from_millis(confirmed),
    }))
}
