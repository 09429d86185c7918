//! Who asks, by what browsers say of themselves (Fetch Metadata, W3C), and by the content that gRPC has. No user agent is
//! parsed.

use http::{HeaderMap, HeaderName, header};

use crate::{fault::ClientKind, headers::grpc::is_grpc};

const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const X_REQUESTED_WITH: HeaderName = HeaderName::from_static("x-requested-with");

/// Who asks, as far as the head alone shows: a browser that goes to a page, a gRPC client, or a script.
pub fn presumed_client_kind(headers: &HeaderMap) -> ClientKind {
    if is_grpc(headers) {
        return ClientKind::Grpc;
    }
    let navigates = match headers.get(SEC_FETCH_MODE) {
        Some(mode) => mode.as_bytes() == b"navigate",
        None => accepts_html(headers) && !headers.contains_key(X_REQUESTED_WITH),
    };
    if navigates { ClientKind::Browser } else { ClientKind::Script }
}

/// Whether `Accept` names `text/html`. A wildcard does not: every program sends it.
fn accepts_html(headers: &HeaderMap) -> bool {
    let ranges = headers.get_all(header::ACCEPT).iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    ranges
        .map(|range| range.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii())
        .any(|range| range.eq_ignore_ascii_case(b"text/html"))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_browser_is_known_by_what_it_says_of_itself() {
        let check = |fields: &[(&'static str, &'static str)], expected| {
            let headers = fields
                .iter()
                .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
                .collect();
            assert_eq!(presumed_client_kind(&headers), expected, "{fields:?}");
        };
        let page = ("accept", "text/html,application/xhtml+xml,*/*;q=0.8");
        check(&[("sec-fetch-mode", "navigate"), page], ClientKind::Browser);
        check(&[("sec-fetch-mode", "navigate")], ClientKind::Browser);
        check(&[("sec-fetch-mode", "cors"), page], ClientKind::Script);
        check(&[("sec-fetch-mode", "no-cors"), page], ClientKind::Script);
        check(&[page], ClientKind::Browser);
        check(&[("accept", "application/json, Text/HTML;q=0.9")], ClientKind::Browser);
        check(&[page, ("x-requested-with", "XMLHttpRequest")], ClientKind::Script);
        check(&[("accept", "*/*")], ClientKind::Script);
        check(&[("accept", "application/json")], ClientKind::Script);
        check(&[("accept", "text/html-x")], ClientKind::Script);
        check(&[("content-type", "application/grpc+proto"), page], ClientKind::Grpc);
        check(&[("content-type", "application/grpc-web+proto")], ClientKind::Script);
        check(&[], ClientKind::Script);
    }
}
