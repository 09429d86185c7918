//! What we accept from the wire: strict heads, on top of what hyper has parsed.
//!
//! hyper parses, and we do not write a second parser. What it normalises away is harmless, since the upstream request is
//! rebuilt from parsed parts; what it lets through and we can see is refused here. The rule is: one request in, at most
//! one out, and the bytes that were judged are the bytes that are sent.

use http::{HeaderMap, HeaderValue, Method, Uri, Version, header, request::Parts};

use crate::{
    fault::{AllowedMethods, BadRequest, Fault},
    headers::reserved::{self, Reserved},
    request::{host::Host, path::CanonicalPath},
};

/// What is taken from a client.
#[derive(Clone, Debug)]
pub struct IngressRules {
    /// The longest request target, in bytes.
    pub max_target: usize,
    /// The largest head, in bytes as they were parsed. The server reads larger ones, so that they are answered here.
    pub max_head: usize,
    /// Header names that are ours.
    pub reserved: Reserved,
}

/// A head that broke no rule.
#[derive(Clone, Debug)]
pub struct StrictHead {
    /// The path, in every reading.
    pub path: CanonicalPath,
    /// Whom the request was sent to.
    pub host: Host,
}

/// The most header fields. hyper holds the same limit before we see anything.
pub const MAX_FIELDS: usize = 100;

/// The methods that HTTP itself defines (RFC 9110 §9.3, RFC 5789) and that we take.
const METHODS: [Method; 7] =
    [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS];

/// Fields that we read ourselves: nothing but visible ASCII has a meaning in them.
const READ_BY_US: [header::HeaderName; 8] = [
    header::AUTHORIZATION,
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::EXPECT,
    header::HOST,
    header::ORIGIN,
    header::TRANSFER_ENCODING,
];

/// Reads a request's head strictly.
///
/// # Errors
/// What is wrong with it: [`Fault::BadRequest`], [`Fault::TargetTooLong`], [`Fault::HeadTooLarge`],
/// [`Fault::ExpectationUnknown`], or [`Fault::WrongMethod`] for CONNECT, TRACE and a known method in the wrong case.
pub fn strict(parts: &Parts, rules: &IngressRules) -> Result<StrictHead, Fault> {
    check_size(parts, rules)?;
    check_method(&parts.method)?;
    let host = match parts.version {
        Version::HTTP_10 | Version::HTTP_11 => host(&parts.headers),
        Version::HTTP_2 => authority(&parts.uri, &parts.headers),
        _ => return Err(Fault::BadRequest(BadRequest::Version)),
    };
    let host = host.ok_or(Fault::BadRequest(BadRequest::Host))?;
    let path = path(&parts.uri, &host)?;
    check_framing(parts)?;
    check_names(&parts.headers, &rules.reserved)?;
    check_connection(&parts.headers, &rules.reserved)?;
    check_values(&parts.headers)?;
    check_expectation(&parts.headers)?;
    Ok(StrictHead { path, host })
}

fn check_size(parts: &Parts, rules: &IngressRules) -> Result<(), Fault> {
    let target = parts.uri.path_and_query().map_or(0, |target| target.as_str().len());
    if target > rules.max_target {
        return Err(Fault::TargetTooLong);
    }
    // `GET target HTTP/1.1` and a line end; a field is `name: value` and a line end.
    let line = parts.method.as_str().len() + target + 12;
    let fields: usize = parts.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    if parts.headers.len() > MAX_FIELDS || line + fields > rules.max_head {
        return Err(Fault::HeadTooLarge);
    }
    Ok(())
}

/// No method that we never take, and none of HTTP's in another case: some frameworks fold it.
pub(crate) fn check_method(method: &Method) -> Result<(), Fault> {
    let known = METHODS.contains(method);
    let misspelt = METHODS.iter().any(|known| known.as_str().eq_ignore_ascii_case(method.as_str()));
    let never = ["CONNECT", "TRACE", "TRACK"].iter().any(|never| never.eq_ignore_ascii_case(method.as_str()));
    if never || (misspelt && !known) { Err(Fault::WrongMethod(AllowedMethods::new(METHODS))) } else { Ok(()) }
}

/// The one host that `headers` name, if it is one.
fn host(headers: &HeaderMap) -> Option<Host> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let received = hosts.next()?;
    if hosts.next().is_some() { None } else { Host::parse(received) }
}

/// The host that HTTP/2's `:authority` names, which hyper gives as the URI's; a `Host` beside it must agree. Without the
/// one there must be the other, as in a request that came to somebody in HTTP/1.1 (RFC 9113 §8.3.1).
fn authority(uri: &Uri, headers: &HeaderMap) -> Option<Host> {
    let Some(authority) = uri.authority() else { return host(headers) };
    let named = Host::of(authority)?;
    if headers.contains_key(header::HOST) && host(headers).as_ref() != Some(&named) { None } else { Some(named) }
}

/// Origin form, or an absolute form that agrees with `Host` (RFC 9112 §3.2).
fn path(uri: &Uri, host: &Host) -> Result<CanonicalPath, Fault> {
    let bad_target = Fault::BadRequest(BadRequest::Target);
    match (uri.scheme_str(), uri.authority()) {
        (None, None) => {}
        (Some("http" | "https"), Some(authority)) if Host::of(authority).as_ref() == Some(host) => {}
        _ => return Err(bad_target),
    }
    let target = uri.path_and_query().ok_or(bad_target)?;
    CanonicalPath::read(target).map_err(Fault::BadRequest)
}

/// `chunked`, once, and never in HTTP/1.0; at most one length (RFC 9112 §6).
fn check_framing(parts: &Parts) -> Result<(), Fault> {
    let mut codings = parts.headers.get_all(header::TRANSFER_ENCODING).iter();
    let framed = match (codings.next(), codings.next()) {
        (None, _) => true,
        (Some(coding), None) => coding.as_bytes().eq_ignore_ascii_case(b"chunked") && parts.version == Version::HTTP_11,
        (Some(_), Some(_)) => false,
    };
    if !framed {
        return Err(Fault::BadRequest(BadRequest::TransferEncoding));
    }
    let mut lengths = parts.headers.get_all(header::CONTENT_LENGTH).iter();
    let length = lengths.next();
    let agree = lengths.all(|other| Some(other) == length);
    let digits = length.is_none_or(|length| !length.is_empty() && length.as_bytes().iter().all(u8::is_ascii_digit));
    if agree && digits { Ok(()) } else { Err(Fault::BadRequest(BadRequest::Length)) }
}

/// A name with `_` that a reader could take for one of ours, or any that spells a framing field and is none.
fn check_names(headers: &HeaderMap, reserved: &Reserved) -> Result<(), Fault> {
    let spoofs = |name: &str| (name.contains('_') && reserved.covers(name)) || reserved::is_disguised(name);
    if headers.keys().any(|name| spoofs(name.as_str())) {
        return Err(Fault::BadRequest(BadRequest::ReservedName));
    }
    Ok(())
}

/// `Connection` names fields for the next hop to remove (RFC 9110 §7.6.1): never ours, a credential or the framing.
fn check_connection(headers: &HeaderMap, reserved: &Reserved) -> Result<(), Fault> {
    let forbidden = |name: &str| {
        reserved.covers(name)
            || reserved::is_framing(name)
            || ["authorization", "cookie", "expect", "origin", "via"].iter().any(|own| name.eq_ignore_ascii_case(own))
    };
    let named =
        headers.get_all(header::CONNECTION).iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    for name in named {
        match std::str::from_utf8(name.trim_ascii()) {
            Ok(name) if !forbidden(name) => {}
            _ => return Err(Fault::BadRequest(BadRequest::ConnectionNamesReserved)),
        }
    }
    Ok(())
}

/// Bytes above ASCII (obs-text, RFC 9110 §5.5) pass in fields that we only carry; a tab passes where it is a blank.
fn check_values(headers: &HeaderMap) -> Result<(), Fault> {
    let is_text = |value: &HeaderValue| value.as_bytes().iter().all(|byte| matches!(byte, b'\t' | b' '..=b'~'));
    let bad = READ_BY_US.iter().any(|name| !headers.get_all(name).iter().all(is_text));
    if bad { Err(Fault::BadRequest(BadRequest::HeaderBytes)) } else { Ok(()) }
}

/// `100-continue`, which reading the body answers, and nothing else (RFC 9110 §10.1.1).
fn check_expectation(headers: &HeaderMap) -> Result<(), Fault> {
    let known = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"100-continue");
    if headers.get_all(header::EXPECT).iter().all(known) { Ok(()) } else { Err(Fault::ExpectationUnknown) }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn ask(method: &str, target: &str, fields: &[(&str, &[u8])]) -> String {
        ask_in(Version::HTTP_11, method, target, fields)
    }

    fn ask_in(version: Version, method: &str, target: &str, fields: &[(&str, &[u8])]) -> String {
        let mut request = Request::builder().version(version).method(method).uri(target);
        for (name, value) in fields {
            request = request.header(*name, HeaderValue::from_bytes(value).expect("a value that hyper lets through"));
        }
        let (parts, ()) = request.body(()).expect("a request that hyper lets through").into_parts();
        let rules = IngressRules { max_target: 8 << 10, max_head: 16 << 10, reserved: Reserved::default() };
        match strict(&parts, &rules) {
            Ok(head) => format!("{} {}", head.host.field().to_str().expect("ASCII"), head.path.as_str()),
            Err(fault) => fault.to_string(),
        }
    }

    fn check(method: &str, target: &str, fields: &[(&str, &str)], expected: &str) {
        let host = ("host", b"app.example".as_slice());
        let fields: Vec<_> = std::iter::once(host).chain(fields.iter().map(|(n, v)| (*n, v.as_bytes()))).collect();
        assert_eq!(ask(method, target, &fields), expected, "{method} {target} {fields:?}");
    }

    #[test]
    fn origin_form_and_an_absolute_form_that_agrees_pass() {
        check("GET", "/a?b", &[], "app.example /a");
        check("GET", "http://app.example/a?b", &[], "app.example /a");
        check("GET", "https://APP.example/a", &[], "app.example /a");
        check("GET", "http://app.example./a", &[], "app.example /a");
        check("GET", "http://other.example/a", &[], "bad request: target");
        check("GET", "http://app.example:8080/a", &[], "bad request: target");
        check("GET", "http://me@app.example/a", &[], "bad request: target");
        check("GET", "ftp://app.example/a", &[], "bad request: target");
        check("OPTIONS", "*", &[], "bad request: target");
        check("GET", "app.example", &[], "bad request: target");
        check("GET", "app.example:80", &[], "bad request: target");
    }

    #[test]
    fn http_2_names_the_host_in_its_authority() {
        let check = |version, target: &str, hosts: &[&str], expected: &str| {
            let fields: Vec<_> = hosts.iter().map(|host| ("host", host.as_bytes())).collect();
            assert_eq!(ask_in(version, "GET", target, &fields), expected, "{version:?} {target} {hosts:?}");
        };
        let (no_host, bad_target) = ("bad request: host", "bad request: target");
        check(Version::HTTP_2, "https://app.example/a?b", &[], "app.example /a");
        check(Version::HTTP_2, "https://app.example/a", &["APP.example"], "app.example /a");
        check(Version::HTTP_2, "https://app.example/a", &["other.example"], no_host);
        check(Version::HTTP_2, "https://app.example/a", &["app.example:444"], no_host);
        check(Version::HTTP_2, "https://app.example/a", &["app.example", "app.example"], no_host);
        check(Version::HTTP_2, "https://me@app.example/a", &[], no_host);
        check(Version::HTTP_2, "ftp://app.example/a", &[], bad_target);
        check(Version::HTTP_2, "/a", &["app.example"], "app.example /a");
        check(Version::HTTP_2, "/a", &[], no_host);
        // HTTP/1 names it in `Host`, whatever its target says (RFC 9112 §3.2).
        check(Version::HTTP_11, "https://app.example/a", &[], no_host);
        check(Version::HTTP_11, "/a", &["app.example", "app.example"], no_host);
        check(Version::HTTP_3, "https://app.example/a", &[], "bad request: version");
    }

    #[test]
    fn methods_that_no_application_needs_are_refused() {
        for method in ["CONNECT", "TRACE", "TRACK", "trace", "get", "Post"] {
            check(method, "/", &[], "wrong method");
        }
        check("PROPFIND", "/", &[], "app.example /");
    }

    #[test]
    fn framing_has_one_spelling() {
        let bad = "bad request: transfer-encoding";
        check("POST", "/", &[("transfer-encoding", "chunked")], "app.example /");
        check("POST", "/", &[("transfer-encoding", "Chunked")], "app.example /");
        for coding in ["gzip, chunked", ",chunked", "chunked,", "chunked, chunked", "identity", "xchunked", ""] {
            check("POST", "/", &[("transfer-encoding", coding)], bad);
        }
        check("POST", "/", &[("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")], bad);
        check("POST", "/", &[("content-length", "5"), ("content-length", "5")], "app.example /");
        for lengths in [["5", "6"], ["5", "05"], ["+5", "+5"], ["5,5", "5,5"], ["", ""]] {
            let fields = lengths.map(|length| ("content-length", length));
            check("POST", "/", &fields, "bad request: length");
        }
    }

    #[test]
    fn a_name_that_spells_one_of_ours_with_an_underscore_is_refused() {
        for name in ["x_gateway_identity", "x-auth-request_user", "remote_user", "x_forwarded_for", "transfer_encoding"]
        {
            check("GET", "/", &[(name, "x")], "bad request: reserved-name");
        }
        for name in ["transfer~encoding", "content.length", "keep_alive", "proxy'connection"] {
            check("GET", "/", &[(name, "x")], "bad request: reserved-name");
        }
        // What is no honest spelling of ours and has no `_` is dropped on its way.
        check("GET", "/", &[("x_legacy", "x"), ("x.auth.request.user", "x"), ("remote'user", "x")], "app.example /");
    }

    #[test]
    fn connection_removes_nothing_of_ours() {
        for named in [
            "x-forwarded-for",
            "close, X-Gateway-Identity",
            "x_auth_request_user",
            "X~Auth~Request~User",
            "close, Remote'User",
            "transfer~encoding",
            "authorization",
            "Cookie",
            "host",
            "content-length",
            "close,transfer-encoding",
            "x-real-ip",
        ] {
            check("GET", "/", &[("connection", named)], "bad request: connection-names-reserved");
        }
        for named in ["close", "keep-alive, Upgrade", "TE, x-private", "", ", ,"] {
            check("GET", "/", &[("connection", named)], "app.example /");
        }
    }

    #[test]
    fn bytes_above_ascii_pass_where_we_only_carry_them() {
        check("GET", "/", &[("x-name", "J\u{fc}rgen"), ("cookie", "a=\u{fc}")], "app.example /");
        check("GET", "/", &[("authorization", "Basic \u{fc}")], "bad request: header-bytes");
        check("GET", "/", &[("origin", "https://\u{fc}")], "bad request: header-bytes");
    }

    #[test]
    fn only_one_expectation_is_known() {
        check("POST", "/", &[("expect", "100-Continue")], "app.example /");
        for expectation in ["200-ok", "100-continue, x", "", "100-continuee"] {
            check("POST", "/", &[("expect", expectation)], "unknown expectation");
        }
    }

    #[test]
    fn what_is_too_large_is_refused_for_what_it_is() {
        let long = format!("/{}", "a".repeat(8 << 10));
        check("GET", &long, &[], "target too long");
        check("GET", "/", &[("x-large", &"a".repeat(16 << 10))], "head too large");
        let names: Vec<String> = (0..MAX_FIELDS).map(|index| format!("x-{index}")).collect();
        let fields: Vec<_> = names.iter().map(|name| (name.as_str(), "1")).collect();
        check("GET", "/", &fields, "head too large");
        check("GET", "/", &fields[1..], "app.example /");
    }
}
