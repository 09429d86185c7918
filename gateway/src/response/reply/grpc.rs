//! The form of an answer to gRPC: HTTP 200, and the status in a head that is all there is ("Trailers-Only").
//!
//! The status follows from what HTTP would have said, as the project's own mapping has it: a client that is told 401 or 503
//! by another proxy comes to the same. A way to sign-in is in none of these answers: no program could go there.

use std::fmt::Write as _;

use http::{HeaderName, HeaderValue, Response, StatusCode, header::CONTENT_TYPE};

use super::{Form, Head, set};
use crate::body::Body;

const STATUS: HeaderName = HeaderName::from_static("grpc-status");
const MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
/// When a client that tries again by itself may do so, in milliseconds.
const PUSHBACK: HeaderName = HeaderName::from_static("grpc-retry-pushback-ms");

const PERMISSION_DENIED: &str = "7";
const UNAUTHENTICATED: &str = "16";

impl Form<'_> {
    /// What `head` says, to a gRPC client, with `detail` for whoever reads its log.
    pub(super) fn grpc(&self, head: &Head, detail: &str) -> Response<Body> {
        let mut response = self.respond(&Head { status: StatusCode::OK, ..*head }, Body::empty());
        let status = status_of(head.status);
        #[cfg(candor_mutants)]
        let status = match head.status {
            StatusCode::SERVICE_UNAVAILABLE if auth_core::mutants::is("grpc-unavailable-is-16") => UNAUTHENTICATED,
            _ => status,
        };
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        headers.insert(STATUS, HeaderValue::from_static(status));
        if let Some(seconds) = head.retry {
            headers.insert(PUSHBACK, HeaderValue::from(seconds.saturating_mul(1000)));
        }
        set(&mut response, MESSAGE, percent_encoded(detail));
        response
    }
}

/// Whether an answer says to a gRPC client that it is not signed in, or may not.
pub(super) fn blames_by_grpc(response: &Response<Body>) -> bool {
    let status = response.headers().get(STATUS).map(HeaderValue::as_bytes);
    [UNAUTHENTICATED, PERMISSION_DENIED].iter().any(|blame| status == Some(blame.as_bytes()))
}

/// The code for an HTTP status
/// ([the mapping](https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md)).
fn status_of(status: StatusCode) -> &'static str {
    match status {
        // INTERNAL, UNIMPLEMENTED, UNAVAILABLE, UNKNOWN.
        StatusCode::BAD_REQUEST => "13",
        StatusCode::UNAUTHORIZED => UNAUTHENTICATED,
        StatusCode::FORBIDDEN => PERMISSION_DENIED,
        StatusCode::NOT_FOUND => "12",
        StatusCode::TOO_MANY_REQUESTS
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT => "14",
        _ => "2",
    }
}

/// A text as `grpc-message` spells it: all but printable ASCII, and `%` itself, byte by byte.
fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if matches!(byte, b' '..=b'~') && byte != b'%' {
            encoded.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_what_another_proxys_would_be_taken_for() {
        let check = |status: u16, expected: &str| {
            assert_eq!(status_of(StatusCode::from_u16(status).expect("a status")), expected, "{status}");
        };
        check(400, "13");
        check(401, "16");
        check(403, "7");
        check(404, "12");
        for unavailable in [429, 502, 503, 504] {
            check(unavailable, "14");
        }
        for other in [405, 413, 414, 415, 417, 431, 500, 501] {
            check(other, "2");
        }
    }

    #[test]
    fn a_message_is_printable_ascii() {
        assert_eq!(percent_encoded("100 % of it."), "100 %25 of it.");
        assert_eq!(percent_encoded("L\u{f6}\n"), "L%C3%B6%0A");
    }
}
