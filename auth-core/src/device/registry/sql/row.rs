//! The rows of the registry. One that makes no sense is an error of the store's, and never a word about a device.

use std::str::FromStr;

use sqlx::{FromRow, Row as _, sqlite::SqliteRow};

use super::super::{Binding, DeviceKey, RegisteredDevice};
use crate::{clock::Timestamp, principal::Generation};

impl FromRow<'_, SqliteRow> for RegisteredDevice {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: parsed(row, "id")?,
            hardware_id: row.try_get("hardware_id")?,
            model: row.try_get("model")?,
            app_version: row.try_get("app_version")?,
            first_seen: time(row, "first_seen")?,
            last_seen: time_if_any(row, "last_seen")?,
            last_address: row.try_get("last_address")?,
            created_by: row.try_get("created_by")?,
            bindings: Vec::new(),
            keys: Vec::new(),
        })
    }
}

impl FromRow<'_, SqliteRow> for Binding {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: parsed(row, "id")?,
            device: parsed(row, "device")?,
            tenant: row.try_get("tenant")?,
            room: row.try_get("room")?,
            state: parsed(row, "state")?,
            generation: Generation::new(row.try_get("generation")?),
            version: row.try_get("version")?,
            created: time(row, "created")?,
            created_by: row.try_get("created_by")?,
            changed: time(row, "changed")?,
            changed_by: row.try_get("changed_by")?,
            reason: row.try_get("reason")?,
        })
    }
}

impl FromRow<'_, SqliteRow> for DeviceKey {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        let successor: Option<String> = row.try_get("successor")?;
        Ok(Self {
            thumbprint: parsed(row, "thumbprint")?,
            device: parsed(row, "device")?,
            jwk: row.try_get("jwk")?,
            added: time(row, "added")?,
            successor: successor.map(|text| decoded(&text, "successor")).transpose()?,
            successor_used: time_if_any(row, "successor_used")?,
            until: time_if_any(row, "until")?,
        })
    }
}

fn parsed<T>(row: &SqliteRow, column: &str) -> Result<T, sqlx::Error>
where
    T: FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    decoded(row.try_get(column)?, column)
}

fn decoded<T>(text: &str, column: &str) -> Result<T, sqlx::Error>
where
    T: FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    text.parse().map_err(|wrong| sqlx::Error::ColumnDecode { index: column.to_owned(), source: Box::new(wrong) })
}

fn time(row: &SqliteRow, column: &str) -> Result<Timestamp, sqlx::Error> {
    row.try_get(column).map(Timestamp::from_millis)
}

fn time_if_any(row: &SqliteRow, column: &str) -> Result<Option<Timestamp>, sqlx::Error> {
    row.try_get::<Option<i64>, _>(column).map(|millis| millis.map(Timestamp::from_millis))
}
