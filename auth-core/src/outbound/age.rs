//! How old an answer may be (RFC 9111), and so what it says of the time.

use std::{
    collections::BTreeMap,
    time::{Duration, UNIX_EPOCH},
};

use http::{HeaderMap, header};

use crate::clock::{Timestamp, Witness};

/// What an answer's `Date` says of the time, to a call that took `took`. Nothing where an `Age` says that a cache
/// answered; one that may be kept may come from a cache that does not say so, and be as old.
pub(super) fn witness(headers: &HeaderMap, took: Duration) -> Option<Witness> {
    if headers.contains_key(header::AGE) {
        return None;
    }
    let date = moment(headers, header::DATE)?;
    Some(Witness::dated(date, may_be_kept(headers, date)? + took))
}

/// How long an answer of this `date` lets a shared cache keep it (RFC 9111 §4.2.1), and use it when it is stale (RFC 5861).
/// `None` if that makes no sense.
pub(crate) fn may_be_kept(headers: &HeaderMap, date: Timestamp) -> Option<Duration> {
    let said: Vec<_> = headers.get_all(header::CACHE_CONTROL).iter().map(|value| value.to_str()).collect();
    let said = said.into_iter().collect::<Result<Vec<_>, _>>().ok()?.join(",").to_ascii_lowercase();
    let directives: BTreeMap<_, _> = said
        .split(',')
        .map(|directive| directive.split_once('=').unwrap_or((directive, "")))
        .map(|(name, value)| (name.trim(), value.trim().trim_matches('"')))
        .collect();
    if ["private", "no-cache", "no-store"].iter().any(|never| directives.contains_key(never)) {
        return Some(Duration::ZERO);
    }
    let seconds = |name| directives.get(name).map(|value| value.parse::<u32>().map(u64::from).map(Duration::from_secs));
    let fresh = match seconds("s-maxage").or_else(|| seconds("max-age")) {
        Some(stated) => stated.ok()?,
        None if headers.contains_key(header::EXPIRES) => {
            // Any other text than a moment says that it is over already (RFC 9111 §5.3).
            moment(headers, header::EXPIRES).map_or(Duration::ZERO, |until| until.since(date))
        }
        None => Duration::ZERO,
    };
    let stale = ["stale-while-revalidate", "stale-if-error"].into_iter().filter_map(seconds);
    Some(fresh + stale.collect::<Result<Vec<_>, _>>().ok()?.into_iter().max().unwrap_or_default())
}

/// The one value of a field; `None` if there is none, or more than one.
pub(crate) fn one(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())?.to_str().ok()
}

/// The moment that a field states (RFC 9110 §5.6.7).
pub(crate) fn moment(headers: &HeaderMap, name: header::HeaderName) -> Option<Timestamp> {
    let since = httpdate::parse_http_date(one(headers, name)?).ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some(Timestamp::default() + since)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_as_old_as_a_cache_may_have_made_it() {
        const NOON: (&str, &str) = ("date", "Thu, 01 Jan 1970 12:00:00 GMT");
        let check = |fields: &[(&'static str, &'static str)], old: Option<u64>| {
            let mut headers = HeaderMap::new();
            for (name, value) in fields {
                headers.append(*name, value.parse().expect("a value"));
            }
            let noon = Timestamp::from_secs(43_200);
            let expected = old.map(|old| Witness::dated(noon, Duration::from_secs(old)));
            assert_eq!(witness(&headers, Duration::from_secs(2)), expected, "{fields:?}");
        };
        check(&[NOON], Some(2));
        check(&[], None);
        check(&[NOON, ("age", "0")], None);
        check(&[NOON, NOON], None);
        check(&[("date", "noon")], None);
        check(&[NOON, ("cache-control", "public, max-age=100")], Some(102));
        check(&[NOON, ("cache-control", "max-age=100, S-MaxAge=\"10\"")], Some(12));
        check(&[NOON, ("cache-control", "private, max-age=100")], Some(2));
        check(&[NOON, ("cache-control", "max-age=100"), ("cache-control", "no-store")], Some(2));
        check(&[NOON, ("cache-control", "max-age=soon")], None);
    }
}
