//! Sessions in the store.

use crate::{clock::Timestamp, database::Database, principal::Subject, verdict::Unavailable};

const INSERT: &str = "
    INSERT INTO session
        (id, issuer, subject, provider, provider_sid, refresh_token, claims, address, browser, begun, confirmed,
         until, version)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10, $11, 1)";

const CLAIMS_OF: &str = "
    SELECT claims, begun FROM session WHERE issuer = $1 AND subject = $2 ORDER BY begun DESC LIMIT $3";

/// What a session began with.
pub(super) struct BegunWith {
    /// The verified claims, as a JSON object.
    pub(super) claims: String,
    pub(super) begun: Timestamp,
}

/// A session's row at its begin. No `Debug`: it holds a refresh token, though sealed.
pub(super) struct SessionRow {
    pub(super) id: String,
    pub(super) subject: Subject,
    pub(super) provider: String,
    pub(super) provider_sid: Option<String>,
    pub(super) refresh_token: Option<String>,
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
                .execute(&mut *connection)
                .await
                .map(drop)
        })
        .await
}

/// What the last `most` sessions of a person began with, the latest first.
pub(super) async fn claims_of(store: &Database, of: Subject, most: u32) -> Result<Vec<BegunWith>, Unavailable> {
    let rows: Vec<(String, i64)> = store
        .call(move |mut connection| async move {
            sqlx::query_as(CLAIMS_OF).bind(&*of.issuer).bind(&*of.id).bind(most).fetch_all(&mut *connection).await
        })
        .await?;
    let row = |(claims, begun)| BegunWith { claims, begun: Timestamp::from_millis(begun) };
    Ok(rows.into_iter().map(row).collect())
}
