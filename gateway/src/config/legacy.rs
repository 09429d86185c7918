//! `[devices] legacy` and `legacy_pin`: devices that hold a token of the service's own, and show its PINs.

use std::{sync::Arc, time::Duration};

use http::{HeaderName, header};

use super::{file::Section, routes, value::Value};
use crate::headers::reserved::{self, Reserved};

/// `legacy`: whom to ask whose a token of before is.
#[derive(Clone, Debug)]
pub struct LegacyConfig {
    /// The upstream that knows; it exists.
    pub adopt_from: Arc<str>,
    /// The path where it says whose a token is.
    pub path: String,
    /// The field that the tokens stand in. Default `Authorization`.
    pub header: HeaderName,
    /// How long it may take to say so. Default 3 s.
    pub timeout: Duration,
    /// Which members of its answer say what.
    pub fields: LegacyFields,
}

/// The members of the service's answer, each a path of names joined by dots. What is named must be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LegacyFields {
    /// Its name of the device. Default `id`.
    pub id: String,
    /// The device's tenant. Default `tenant`.
    pub tenant: String,
    /// Its room. Default `room`.
    pub room: Option<String>,
    /// What people call it. Default `name`.
    pub name: Option<String>,
    /// Its serial number. Default none.
    pub hardware_id: Option<String>,
}

/// `legacy_pin`: the service's PINs, which the gateway shows in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LegacyPinConfig {
    /// Where a device asks for one.
    pub path: String,
    /// Where it asks what became of it, before what it was given as `id`.
    pub poll: String,
    /// The members of the answers. Default `pin`, `id`, `status` and `token`.
    pub pin: String,
    /// See [`LegacyPinConfig::pin`].
    pub id: String,
    /// See [`LegacyPinConfig::pin`].
    pub status: String,
    /// See [`LegacyPinConfig::pin`].
    pub token: String,
    /// What `status` says until somebody has typed the PIN. Default `pending`.
    pub pending: String,
    /// And from then on. Default `active`.
    pub active: String,
    /// The member of the request that holds the device's serial number. Default none: it says none.
    pub hardware_id: Option<String>,
}

/// `legacy`, and where its upstream is named.
pub(super) struct WrittenLegacy<'a> {
    pub(super) config: LegacyConfig,
    pub(super) upstream: Value<'a>,
}

const SECOND: Duration = Duration::from_secs(1);

impl<'a> WrittenLegacy<'a> {
    /// Reads `legacy`; `None` if something that has no default is missing or wrong.
    pub(super) fn read(mut section: Section<'a>) -> Option<Self> {
        section.name = "[devices] legacy".to_owned();
        let upstream = section.required("adopt_from", "\"monolith\"");
        let path = section.required("path", "\"/api/v1/device/me\"").and_then(|value| routes::path(&value));
        let named = section.value("header").map(|value| field(&value));
        let timeout = section.value("timeout").and_then(|value| value.duration(SECOND / 10..=30 * SECOND));
        let fields = section.section("fields").map_or_else(|| Some(LegacyFields::default()), LegacyFields::read);
        section.finish();
        let upstream = upstream?;
        let config = LegacyConfig {
            adopt_from: upstream.text("\"monolith\"")?.into(),
            path: path?,
            header: named.unwrap_or(Some(header::AUTHORIZATION))?,
            timeout: timeout.unwrap_or(3 * SECOND),
            fields: fields?,
        };
        Some(Self { config, upstream })
    }
}

impl LegacyFields {
    fn read(mut section: Section<'_>) -> Option<Self> {
        section.name = "[devices] legacy.fields".to_owned();
        let (id, tenant) = (section.required("id", "\"id\""), section.required("tenant", "\"tenant\""));
        let named = |key| section.value(key).map(|value: Value<'_>| member(&value));
        let (room, name, hardware_id) = (named("room"), named("name"), named("hardware_id"));
        section.finish();
        Some(Self {
            id: member(&id?)?,
            tenant: member(&tenant?)?,
            room: room.flatten(),
            name: name.flatten(),
            hardware_id: hardware_id.flatten(),
        })
    }
}

impl Default for LegacyFields {
    fn default() -> Self {
        let text = str::to_owned;
        Self {
            id: text("id"),
            tenant: text("tenant"),
            room: Some(text("room")),
            name: Some(text("name")),
            hardware_id: None,
        }
    }
}

impl LegacyPinConfig {
    /// Reads `legacy_pin`; `None` if something that has no default is missing or wrong.
    pub(super) fn read(mut section: Section<'_>) -> Option<Self> {
        section.name = "[devices] legacy_pin".to_owned();
        let path = section.required("path", "\"/api/v1/pin\"").and_then(|value| routes::path(&value));
        let poll = section.required("poll", "\"/api/v1/pin/{id}\"").and_then(|value| before_id(&value));
        let named = |key: &'static str, usual: &str| match section.value(key) {
            Some(value) => value.text("\"pin\"").map(str::to_owned),
            None => Some(usual.to_owned()),
        };
        let (pin, id, status) = (named("pin", "pin"), named("id", "id"), named("status", "status"));
        let (token, pending, active) =
            (named("token", "token"), named("pending", "pending"), named("active", "active"));
        let hardware_id = section.value("hardware_id").map(|value| value.text("\"serial\"").map(str::to_owned));
        section.finish();
        Some(Self {
            path: path?,
            poll: poll?,
            pin: pin?,
            id: id?,
            status: status?,
            token: token?,
            pending: pending?,
            active: active?,
            hardware_id: hardware_id.flatten(),
        })
    }
}

/// A path that ends in `/{id}`, without that.
fn before_id(value: &Value<'_>) -> Option<String> {
    let text = value.text("\"/api/v1/pin/{id}\"")?;
    let plain = text.strip_suffix("{id}").filter(|path| path.ends_with('/') && path.starts_with('/') && path.len() > 1);
    let fits = |path: &&str| path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte));
    let path = plain.filter(fits).map(str::to_owned);
    if path.is_none() {
        value.problem(format!("{text:?} is no path that ends in {{id}}"), "for example \"/api/v1/pin/{id}\"");
    }
    path
}

fn member(value: &Value<'_>) -> Option<String> {
    value.parsed("names joined by dots", "\"data.id\"", |text| {
        text.split('.').all(|name| !name.is_empty()).then(|| text.to_owned())
    })
}

fn field(value: &Value<'_>) -> Option<HeaderName> {
    let name = value.parsed("the name of a header", "\"Authorization\"", |text| {
        HeaderName::from_bytes(text.as_bytes()).ok().filter(|name| *name != header::COOKIE && *name != header::HOST)
    })?;
    if Reserved::default().covers(name.as_str()) || reserved::is_framing(name.as_str()) {
        value.problem(format!("`{name}` is the gateway's to set, or HTTP's"), "for example \"Authorization\"");
        return None;
    }
    Some(name)
}
