//! What comes back: an upstream's fields without what is not the upstream's to say.

use http::{HeaderMap, HeaderName, HeaderValue, header};
use url::{Position, Url};

use super::shared_cache;
use crate::{
    headers::{CookieNames, connection, cookie_field, reserved},
    telemetry::metrics::SET_COOKIES_DROPPED,
};

/// Everything that decides what an answer's fields become.
#[derive(Debug)]
pub struct ResponseFields<'a> {
    /// The upstream's endpoints: addresses that nobody outside can use.
    pub endpoints: &'a [Url],
    /// The address that people use.
    pub public_url: &'a Url,
    /// The names of our own cookies.
    pub cookies: CookieNames,
    /// Whether a shared cache must not keep it: it may be for one person alone.
    pub private: bool,
}

const CLEAR_SITE_DATA: HeaderName = HeaderName::from_static("clear-site-data");

/// What a trailer must not change (RFC 9110 §6.5.1): framing, routing, authentication, caching and how content is read.
const NOT_IN_TRAILERS: [HeaderName; 18] = [
    header::AGE,
    header::AUTHORIZATION,
    header::CACHE_CONTROL,
    header::CONTENT_ENCODING,
    header::CONTENT_RANGE,
    header::CONTENT_TYPE,
    header::COOKIE,
    header::DATE,
    header::EXPIRES,
    header::LOCATION,
    header::RANGE,
    header::RETRY_AFTER,
    header::SERVER,
    header::SET_COOKIE,
    header::VARY,
    header::WARNING,
    header::WWW_AUTHENTICATE,
    CLEAR_SITE_DATA,
];

/// Turns an upstream's fields into those that leave.
///
/// `Content-Length` stays: it is the answer to HEAD, and hyper holds a body to it. Not beside `Transfer-Encoding`: hyper
/// would cut the body there. `Trailer` stays too: hyper sends on only the trailers that it names.
pub fn from_upstream(headers: &mut HeaderMap, with: &ResponseFields<'_>) {
    let length = connection::plain_length(headers);
    connection::remove(headers);
    headers.remove(header::CONTENT_LENGTH);
    if let Some(length) = length {
        headers.insert(header::CONTENT_LENGTH, length);
    }
    connection::remove_all(headers, |name| reserved::is_gateways(name) || reserved::is_disguised(name));
    headers.remove(CLEAR_SITE_DATA);
    keep_our_cookies(headers, with.cookies);
    if with.private {
        shared_cache::keep_out(headers);
    }
    for name in [header::LOCATION, header::CONTENT_LOCATION] {
        if let Some(public) = headers.get(&name).and_then(|location| public_location(location, with)) {
            headers.insert(name, public);
        }
    }
}

/// Takes out of an answer's trailers what a trailer must not say.
pub(super) fn trailers_from_upstream(trailers: &mut HeaderMap) {
    connection::remove(trailers);
    connection::remove_all(trailers, |name| reserved::is_gateways(name) || reserved::is_framing(name));
    for name in NOT_IN_TRAILERS {
        trailers.remove(name);
    }
}

/// An upstream must not set, and so replace or forget, a cookie of ours.
fn keep_our_cookies(headers: &mut HeaderMap, names: CookieNames) {
    let sets_ours = |field: &HeaderValue| cookie_field::sets_ours(field, names);
    if !headers.get_all(header::SET_COOKIE).iter().any(sets_ours) {
        return;
    }
    let theirs: Vec<_> =
        headers.get_all(header::SET_COOKIE).iter().filter(|field| !sets_ours(field)).cloned().collect();
    let ours = headers.get_all(header::SET_COOKIE).iter().count() - theirs.len();
    headers.remove(header::SET_COOKIE);
    for field in theirs {
        headers.append(header::SET_COOKIE, field);
    }
    SET_COOKIES_DROPPED.alone().increment(ours as u64);
}

/// The public form of an address that names an endpoint; `None` for every other.
fn public_location(location: &HeaderValue, with: &ResponseFields<'_>) -> Option<HeaderValue> {
    let text = location.to_str().ok()?;
    let named = with.endpoints.iter().find_map(|endpoint| {
        let url = if text.starts_with("//") { endpoint.join(text).ok()? } else { Url::parse(text).ok()? };
        (url.origin() == endpoint.origin()).then_some(url)
    })?;
    let public = with.public_url.origin().ascii_serialization();
    HeaderValue::try_from(format!("{public}{}", &named[Position::BeforePath..])).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        fields.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    fn check(fields: &[(&'static str, &'static str)], expected: &[(&'static str, &'static str)]) {
        let mut found = headers(fields);
        let endpoints = [Url::parse("http://10.0.0.7:9000").expect("an address")];
        let public_url = Url::parse("https://app.example.com").expect("an address");
        let cookies = CookieNames { ticket: "__Host-candor", pending: "__Host-candor-signin-" };
        from_upstream(
            &mut found,
            &ResponseFields { endpoints: &endpoints, public_url: &public_url, cookies, private: false },
        );
        assert_eq!(found, headers(expected), "{fields:?}");
    }

    #[test]
    fn an_upstream_does_not_speak_for_us() {
        check(
            &[
                ("x-gateway-answer", "credential-invalid"),
                ("x_gateway_answer", "own"),
                ("x~gateway~answer", "own"),
                ("content_length", "5"),
                ("transfer~encoding", "chunked"),
                ("server", "IIS"),
            ],
            &[("server", "IIS")],
        );
        check(&[("clear-site-data", "\"*\""), ("content-length", "5")], &[("content-length", "5")]);
        check(&[("connection", "close, x-hop"), ("x-hop", "1"), ("transfer-encoding", "chunked")], &[]);
    }

    #[test]
    fn an_answer_has_one_length() {
        check(&[("transfer-encoding", "chunked"), ("content-length", "5")], &[]);
        check(&[("content-length", "5"), ("content-length", "5")], &[("content-length", "5")]);
        check(&[("content-length", "5, 5")], &[]);
        check(&[("transfer-encoding", "chunked"), ("trailer", "x-checksum")], &[("trailer", "x-checksum")]);
    }

    #[test]
    fn our_cookies_are_not_the_upstreams_to_set() {
        let set = "set-cookie";
        check(&[(set, "a=1"), (set, "__Host-candor=; Max-Age=0"), (set, "b=2")], &[(set, "a=1"), (set, "b=2")]);
        check(&[(set, "=__Host-candor=x"), (set, "__host-candor-SIGNIN-1=x")], &[]);
        check(&[(set, "a=1"), (set, "a=2")], &[(set, "a=1"), (set, "a=2")]);
    }

    #[test]
    fn an_address_that_only_we_can_reach_is_made_public() {
        let check = |location: &'static str, expected: &'static str| {
            check(&[("location", location)], &[("location", expected)]);
        };
        check("http://10.0.0.7:9000/a?b#c", "https://app.example.com/a?b#c");
        check("HTTP://10.0.0.7:9000", "https://app.example.com/");
        check("//10.0.0.7:9000/a", "https://app.example.com/a");
        check("http://me@10.0.0.7:9000/a", "https://app.example.com/a");
        check("/a", "/a");
        check("a", "a");
        check("http://10.0.0.7/a", "http://10.0.0.7/a");
        check(
            "https://login.example.net/x?y=http://10.0.0.7:9000/",
            "https://login.example.net/x?y=http://10.0.0.7:9000/",
        );
    }

    #[test]
    fn a_trailer_changes_nothing_that_was_decided_by_the_head() {
        let mut trailers = headers(&[
            ("x-checksum", "1"),
            ("set-cookie", "a=1"),
            ("content-length", "5"),
            ("x-gateway-answer", "own"),
            ("location", "/"),
            ("www-authenticate", "Basic"),
            ("connection", "x"),
            ("server-timing", "db"),
        ]);
        trailers_from_upstream(&mut trailers);
        assert_eq!(trailers, headers(&[("x-checksum", "1"), ("server-timing", "db")]));
    }
}
