//! `[upstreams.NAME] health`: how the endpoints of an upstream are probed.

use std::{ops::RangeInclusive, time::Duration};

use http::{HeaderValue, uri::PathAndQuery};

use super::{file::Section, value::Value};

/// `health`: what each endpoint is asked, how often, and what counts as a good answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeConfig {
    /// What is asked, by GET.
    pub path: String,
    /// The `Host` that it is asked with. Default the upstream's literal `host`, else the endpoint's own.
    pub host: Option<HeaderValue>,
    /// How long after the one before a probe begins. Default 2 s.
    pub interval: Duration,
    /// How long a probe may take, whole. Default 1 s.
    pub timeout: Duration,
    /// After so many good ones in a row it is healthy again. Default 2.
    pub healthy_after: u32,
    /// After so many bad ones in a row it is unhealthy. Default 2.
    pub unhealthy_after: u32,
    /// The statuses of a good answer. Default 200 to 299.
    pub status: Vec<RangeInclusive<u16>>,
}

const STATUS: &str = "[\"200-299\"]";
const MINUTE: Duration = Duration::from_secs(60);

impl ProbeConfig {
    /// Reads `health` of an upstream; `None` if something that has no default is missing or wrong.
    pub(super) fn read(mut section: Section<'_>) -> Option<Self> {
        section.name = "[upstreams] health".to_owned();
        let path = section.required("path", "\"/healthz\"").and_then(|value| path(&value));
        let host = section.value("host").map(|value| host(&value));
        let time = |key, least| section.value(key).and_then(|value| value.duration(least..=MINUTE));
        let interval = time("interval", Duration::from_millis(100));
        let timeout = time("timeout", Duration::from_millis(10));
        let count = |key| section.value(key).and_then(|value| value.count(1..=100)?.try_into().ok());
        let (healthy_after, unhealthy_after) = (count("healthy_after"), count("unhealthy_after"));
        let status = section.value("status").map(|value| statuses(&value));
        section.finish();
        Some(Self {
            path: path?,
            host: host.unwrap_or(Some(None))?,
            interval: interval.unwrap_or(Duration::from_secs(2)),
            timeout: timeout.unwrap_or(Duration::from_secs(1)),
            healthy_after: healthy_after.unwrap_or(2),
            unhealthy_after: unhealthy_after.unwrap_or(2),
            status: status.unwrap_or_else(|| Some(vec![200..=299]))?,
        })
    }
}

fn path(value: &Value<'_>) -> Option<String> {
    value.parsed("a path, with a query if need be", "\"/healthz\"", |text| {
        let target: PathAndQuery = text.parse().ok()?;
        (text.starts_with('/') && target.as_str() == text).then(|| text.to_owned())
    })
}

fn host(value: &Value<'_>) -> Option<Option<HeaderValue>> {
    value.parsed("a host name", "\"service.example\"", |text| {
        let authority: http::uri::Authority = text.parse().ok()?;
        let plain = !text.contains('@') && !authority.host().is_empty();
        plain.then(|| HeaderValue::from_str(text).ok().map(Some)).flatten()
    })
}

fn statuses(value: &Value<'_>) -> Option<Vec<RangeInclusive<u16>>> {
    let listed = value.list(STATUS)?;
    let read: Option<Vec<_>> = listed.iter().map(status).collect();
    if listed.is_empty() {
        value.problem("`status` is empty: no answer would be good", format!("for example {STATUS}"));
        return None;
    }
    read
}

/// One status, as a number, or a range of them, as a text.
fn status(value: &Value<'_>) -> Option<RangeInclusive<u16>> {
    if !value.is_text() {
        let one = value.count(100..=599).and_then(|one| u16::try_from(one).ok())?;
        return Some(one..=one);
    }
    value.parsed("a status, or a range of them", "\"200-299\"", |text| {
        let (first, last) = text.split_once('-')?;
        let range = first.parse().ok()?..=last.parse().ok()?;
        (*range.start() >= 100 && *range.end() <= 599 && !range.is_empty()).then_some(range)
    })
}
