//! Fields that end at the next hop (RFC 9110 §7.6.1).

use http::{HeaderMap, HeaderName, HeaderValue, Version, header};

use crate::headers::{elements, reserved};

/// The stated length as a plain number; `None` beside `Transfer-Encoding`, which wins (RFC 9112 §6.3).
pub(crate) fn plain_length(headers: &HeaderMap) -> Option<HeaderValue> {
    if headers.contains_key(header::TRANSFER_ENCODING) {
        return None;
    }
    let length: u64 = headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()?;
    Some(HeaderValue::from(length))
}

/// The protocols that a request asks its connection to be upgraded to, in its order (RFC 9110 §7.8): none if `Connection`
/// does not name `Upgrade`, or if it is of a version that has no upgrades.
pub(crate) fn upgrades_asked(version: Version, headers: &HeaderMap) -> Vec<&[u8]> {
    if version != Version::HTTP_11 || !headers.contains_key(header::UPGRADE) {
        return Vec::new();
    }
    if elements_of(headers, &header::CONNECTION).any(|named| named.eq_ignore_ascii_case(b"upgrade")) {
        elements_of(headers, &header::UPGRADE).collect()
    } else {
        Vec::new()
    }
}

/// What all fields of this name list.
pub(crate) fn elements_of<'h>(headers: &'h HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'h [u8]> {
    headers.get_all(name).iter().flat_map(|value| elements(value.as_bytes()))
}

/// Removes what `Connection` names, and in every spelling what is hop-by-hop anyway. The framing is among that: it is
/// built anew from the body.
pub(crate) fn remove(headers: &mut HeaderMap) {
    if headers.contains_key(header::CONNECTION) {
        for name in named(headers) {
            headers.remove(name);
        }
    }
    remove_all(headers, reserved::is_hop_by_hop);
}

/// Removes every field whose name `goes`.
pub(crate) fn remove_all(headers: &mut HeaderMap, goes: impl Fn(&str) -> bool) {
    let gone: Vec<HeaderName> = headers.keys().filter(|name| goes(name.as_str())).cloned().collect();
    for name in gone {
        headers.remove(name);
    }
}

fn named(headers: &HeaderMap) -> Vec<HeaderName> {
    let fields = headers.get_all(header::CONNECTION).iter();
    let names = fields.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    names.filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upgrade_is_asked_for_by_two_fields_together() {
        let check = |version, fields: &[(&'static str, &'static str)], expected: &[&str]| {
            let headers = fields
                .iter()
                .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
                .collect();
            let asked = upgrades_asked(version, &headers);
            let expected: Vec<_> = expected.iter().map(|name| name.as_bytes()).collect();
            assert_eq!(asked, expected, "{fields:?}");
        };
        let now = Version::HTTP_11;
        check(now, &[("connection", "Upgrade"), ("upgrade", "websocket")], &["websocket"]);
        check(now, &[("connection", "keep-alive, upgrade"), ("upgrade", "h2c, WebSocket")], &["h2c", "WebSocket"]);
        check(now, &[("connection", "upgrade"), ("upgrade", "a/1"), ("upgrade", "b")], &["a/1", "b"]);
        check(now, &[("connection", "close"), ("upgrade", "websocket")], &[]);
        check(now, &[("upgrade", "websocket")], &[]);
        check(now, &[], &[]);
        check(Version::HTTP_10, &[("connection", "upgrade"), ("upgrade", "websocket")], &[]);
    }

    #[test]
    fn what_is_for_this_hop_ends_here() {
        let check = |fields: &[(&'static str, &'static str)], expected: &[&str]| {
            let mut headers: HeaderMap = fields
                .iter()
                .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
                .collect();
            remove(&mut headers);
            let left: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
            assert_eq!(left, expected, "{fields:?}");
        };
        check(&[("accept", "a"), ("connection", "close")], &["accept"]);
        check(&[("connection", "x-a, X-B"), ("x-a", "1"), ("x-b", "2"), ("x-c", "3")], &["x-c"]);
        check(&[("connection", "x-a"), ("connection", "x-b,,"), ("x-a", "1"), ("x-b", "2")], &[]);
        check(&[("keep_alive", "5"), ("proxy~authorization", "x"), ("transfer.encoding", "x"), ("via", "x")], &["via"]);
        check(&[("te", "trailers"), ("upgrade", "h2c"), ("http2-settings", "")], &[]);
        check(&[("keep-alive", "5"), ("proxy-connection", "x"), ("proxy-authorization", "x"), ("via", "x")], &["via"]);
        check(&[("connection", "not a name, x-a"), ("x-a", "1")], &[]);
    }
}
