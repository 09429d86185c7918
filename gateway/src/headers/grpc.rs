//! What a head says that speaks gRPC ([its mapping to HTTP/2](https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md)).

use std::time::Duration;

use http::{HeaderMap, HeaderName, header};

/// Whether its content is gRPC's, in whatever coding of messages. gRPC-Web is something else: it carries its status in
/// content, and its clients are pages.
pub(crate) fn is_grpc(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_some_and(|kind| {
        let kind = kind.as_bytes();
        let Some((start, rest)) = kind.split_at_checked(GRPC.len()) else { return false };
        start.eq_ignore_ascii_case(GRPC.as_bytes()) && matches!(rest.first(), None | Some(b'+' | b';' | b' ' | b'\t'))
    })
}

/// How long a gRPC client waits for an answer at most, if it says so in a form that has a meaning: up to eight digits, and a
/// unit.
pub(crate) fn timeout(headers: &HeaderMap) -> Option<Duration> {
    let (unit, digits) = headers.get(TIMEOUT)?.as_bytes().split_last()?;
    if digits.is_empty() || digits.len() > 8 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let count: u64 = str::from_utf8(digits).ok()?.parse().ok()?;
    Some(match unit {
        b'H' => Duration::from_secs(count * 3600),
        b'M' => Duration::from_secs(count * 60),
        b'S' => Duration::from_secs(count),
        b'm' => Duration::from_millis(count),
        b'u' => Duration::from_micros(count),
        b'n' => Duration::from_nanos(count),
        _ => return None,
    })
}

/// The status in a head that is all there is of a gRPC answer. Where content follows, it comes after that.
pub(crate) fn status_in_head(headers: &HeaderMap) -> Option<&[u8]> {
    if is_grpc(headers) { headers.get(STATUS).map(|status| status.as_bytes()) } else { None }
}

const GRPC: &str = "application/grpc";
const STATUS: HeaderName = HeaderName::from_static("grpc-status");
const TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn grpc_is_known_by_its_content_type() {
        let check = |kind: &'static str, expected: bool| {
            let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(kind))]);
            assert_eq!(is_grpc(&headers), expected, "{kind}");
        };
        check("application/grpc", true);
        check("Application/gRPC+proto", true);
        check("application/grpc;charset=utf-8", true);
        check("application/grpc-web", false);
        check("application/grpc-web+proto", false);
        check("application/grpcx", false);
        check("application/json", false);
        check("", false);
        assert!(!is_grpc(&HeaderMap::new()));
    }

    #[test]
    fn a_timeout_is_digits_and_a_unit() {
        let check = |text: &'static str, expected: Option<Duration>| {
            let headers = HeaderMap::from_iter([(TIMEOUT, HeaderValue::from_static(text))]);
            assert_eq!(timeout(&headers), expected, "{text}");
        };
        check("1H", Some(Duration::from_secs(3600)));
        check("2M", Some(Duration::from_secs(120)));
        check("3S", Some(Duration::from_secs(3)));
        check("99999999m", Some(Duration::from_millis(99_999_999)));
        check("5u", Some(Duration::from_micros(5)));
        check("0n", Some(Duration::ZERO));
        for nonsense in ["", "S", "1", "1s", "100000000S", "-1S", "1.5S", " 1S"] {
            check(nonsense, None);
        }
        assert_eq!(timeout(&HeaderMap::new()), None);
    }

    #[test]
    fn a_status_is_in_the_head_of_what_is_grpc() {
        let check = |kind: &'static str, expected: Option<&[u8]>| {
            let kind = (header::CONTENT_TYPE, HeaderValue::from_static(kind));
            let headers = HeaderMap::from_iter([kind, (STATUS, HeaderValue::from_static("16"))]);
            assert_eq!(status_in_head(&headers), expected);
        };
        check("application/grpc", Some(b"16"));
        check("application/json", None);
    }
}
