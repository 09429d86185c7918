//! Fields that end at the next hop (RFC 9110 §7.6.1).

use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::headers::reserved;

/// The stated length as a plain number; `None` beside `Transfer-Encoding`, which wins (RFC 9112 §6.3).
pub(crate) fn plain_length(headers: &HeaderMap) -> Option<HeaderValue> {
    if headers.contains_key(header::TRANSFER_ENCODING) {
        return None;
    }
    let length: u64 = headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()?;
    Some(HeaderValue::from(length))
}

/// Whether the request opens a WebSocket (RFC 6455 §4.1): without an answer that says more, its client only sees that the
/// connection did not become one.
pub(crate) fn opens_websocket(headers: &HeaderMap) -> bool {
    let names = |name: &HeaderName, expected: &[u8]| {
        let values = headers.get_all(name).iter();
        values
            .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
            .any(|element| element.trim_ascii().eq_ignore_ascii_case(expected))
    };
    names(&header::CONNECTION, b"upgrade") && names(&header::UPGRADE, b"websocket")
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
    fn a_websocket_is_opened_by_two_fields_together() {
        let check = |fields: &[(&'static str, &'static str)], expected: bool| {
            let headers = fields
                .iter()
                .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
                .collect();
            assert_eq!(opens_websocket(&headers), expected, "{fields:?}");
        };
        check(&[("connection", "Upgrade"), ("upgrade", "websocket")], true);
        check(&[("connection", "keep-alive, upgrade"), ("upgrade", "h2c, WebSocket")], true);
        check(&[("connection", "upgrade"), ("upgrade", "h2c")], false);
        check(&[("connection", "close"), ("upgrade", "websocket")], false);
        check(&[("upgrade", "websocket")], false);
        check(&[], false);
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
