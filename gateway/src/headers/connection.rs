//! Fields that end at the next hop (RFC 9110 §7.6.1).

use http::{HeaderMap, HeaderName, HeaderValue, header};

/// Fields that are about one connection, whether `Connection` names them or not. The framing is among them: it is built
/// anew from the body. So are proxy credentials: there is no proxy behind us that they are for.
const HOP_BY_HOP: [HeaderName; 9] = [
    header::CONNECTION,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    HeaderName::from_static("http2-settings"),
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

/// The stated length as a plain number; `None` beside `Transfer-Encoding`, which wins (RFC 9112 §6.3).
pub(super) fn plain_length(headers: &HeaderMap) -> Option<HeaderValue> {
    if headers.contains_key(header::TRANSFER_ENCODING) {
        return None;
    }
    let length: u64 = headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()?;
    Some(HeaderValue::from(length))
}

/// Removes what `Connection` names, and what is hop-by-hop anyway.
pub(super) fn remove(headers: &mut HeaderMap) {
    if headers.contains_key(header::CONNECTION) {
        for name in named(headers) {
            headers.remove(name);
        }
    }
    for name in HOP_BY_HOP {
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
        check(&[("te", "trailers"), ("upgrade", "h2c"), ("http2-settings", "")], &[]);
        check(&[("keep-alive", "5"), ("proxy-connection", "x"), ("proxy-authorization", "x"), ("via", "x")], &["via"]);
        check(&[("connection", "not a name, x-a"), ("x-a", "1")], &[]);
    }
}
