//! What a head says that speaks gRPC ([its mapping to HTTP/2](https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md)).

use http::{HeaderMap, header};

/// Whether its content is gRPC's, in whatever coding of messages. gRPC-Web is something else: it carries its status in
/// content, and its clients are pages.
pub(crate) fn is_grpc(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_some_and(|kind| {
        let kind = kind.as_bytes();
        let Some((start, rest)) = kind.split_at_checked(GRPC.len()) else { return false };
        start.eq_ignore_ascii_case(GRPC.as_bytes()) && matches!(rest.first(), None | Some(b'+' | b';' | b' ' | b'\t'))
    })
}

const GRPC: &str = "application/grpc";

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
}
