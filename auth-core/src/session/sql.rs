//! Sessions in the store.

use crate::{clock::Timestamp, database::Database, principal::Subject, verdict::Unavailable};

const INSERT: &str = "
    INSERT INTO session
        (id, issuer, subject, provider, provider_sid, refresh_token, claims, address, browser, begun, confirmed,
         until, version)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10, $11, 1)";

/// A session's row at its begin. No `Debug`: it holds a refresh token, though sealed.
pub(super) struct Row {
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
pub(super) async fn insert(store: &Database, row: Row) -> Result<(), Unavailable> {
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
