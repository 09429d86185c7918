//! Who tells us which reading is right: a provider, by what it says in passing.

use std::time::Duration;

use http::{HeaderMap, header};

use super::timestamp::Timestamp;

/// A provider's word that it was some moment from `from` to `to` when we heard it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Witness {
    pub(super) from: Timestamp,
    pub(super) to: Timestamp,
}

/// What a `Date` (RFC 9110 §6.6.1) rounds off.
const RESOLUTION: Duration = Duration::from_secs(1);

/// Entra states `iat` and `nbf` five minutes early.
const BACKDATED: Duration = Duration::from_secs(300);

impl Witness {
    /// By the `Date` of an https answer to a call that took `took`. None where an `Age` says that a cache answered. One
    /// that states how long it may be kept may come from a cache that does not say so, and be as old.
    pub fn date(headers: &HeaderMap, took: Duration) -> Option<Self> {
        if headers.contains_key(header::AGE) {
            return None;
        }
        let mut dates = headers.get_all(header::DATE).iter();
        let date = dates.next().filter(|_| dates.next().is_none())?.to_str().ok()?;
        let date = httpdate::parse_http_date(date).ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
        let from = Timestamp::default() + date;
        Some(Self { from, to: from + RESOLUTION + took + may_be_kept(headers) })
    }

    /// By the `iat` of an ID token that was made for us during a call that took `took`.
    pub fn issued(iat: Timestamp, took: Duration) -> Self {
        Self { from: iat, to: iat + RESOLUTION + took + BACKDATED }
    }
}

/// How long a shared cache may keep an answer (RFC 9111 §5.2.2).
fn may_be_kept(headers: &HeaderMap) -> Duration {
    let mut kept = [None, None];
    for value in headers.get_all(header::CACHE_CONTROL) {
        for directive in value.to_str().unwrap_or_default().split(',') {
            let (name, seconds) = directive.split_once('=').unwrap_or((directive, ""));
            let seconds = || seconds.trim().trim_matches('"').parse().map(Duration::from_secs).ok();
            match name.trim().to_ascii_lowercase().as_str() {
                "private" | "no-cache" | "no-store" => return Duration::ZERO,
                "s-maxage" => kept[0] = seconds(),
                "max-age" => kept[1] = seconds(),
                _ => {}
            }
        }
    }
    kept.into_iter().flatten().next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_as_old_as_a_cache_may_have_made_it() {
        let check = |fields: &[(&'static str, &'static str)], expected: Option<(i64, i64)>| {
            let headers = fields.iter().map(|(name, value)| (name.parse().expect("a name"), value.parse().expect("")));
            let witness = Witness::date(&headers.collect(), Duration::from_secs(2));
            let said = witness.map(|witness| (witness.from.as_secs(), witness.to.as_secs()));
            assert_eq!(said, expected, "{fields:?}");
        };
        const NOON: (&str, &str) = ("date", "Thu, 01 Jan 1970 12:00:00 GMT");
        check(&[NOON], Some((43_200, 43_203)));
        check(&[], None);
        check(&[NOON, ("age", "0")], None);
        check(&[NOON, NOON], None);
        check(&[("date", "noon")], None);
        check(&[NOON, ("cache-control", "public, max-age=100")], Some((43_200, 43_303)));
        check(&[NOON, ("cache-control", "max-age=100, S-MaxAge=\"10\"")], Some((43_200, 43_213)));
        check(&[NOON, ("cache-control", "private, max-age=100")], Some((43_200, 43_203)));
        check(&[NOON, ("cache-control", "max-age=100"), ("cache-control", "no-store")], Some((43_200, 43_203)));
    }
}
