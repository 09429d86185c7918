use secrecy::ExposeSecret;

use super::*;
use crate::headers::reserved::Reserved;

fn policy() -> HeadPolicy {
    HeadPolicy {
        rules: IngressRules { max_target: 8 << 10, max_head: 16 << 10, reserved: Reserved::default() },
        forwarded: ForwardedPolicy { proxies: vec!["10.0.0.0/8".parse().expect("a network")], secure: true },
        cookies: CookieNames { ticket: "__Host-candor", pending: "__Host-candor-signin-" },
        origin: "https://app.example".to_owned(),
        legacy_header: None,
    }
}

fn request(target: &str, fields: &[(&str, &str)]) -> Request<()> {
    let mut request = Request::builder().uri(target).header("host", "app.example");
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    request.body(()).expect("a request")
}

fn head_from(peer: [u8; 4], fields: &[(&str, &str)]) -> RequestHead {
    let read = read(request("/a?b", fields), RequestId::new(), peer.into(), &policy());
    read.expect("a good head").0
}

fn head(fields: &[(&str, &str)]) -> RequestHead {
    head_from([192, 0, 2, 1], fields)
}

#[test]
fn credentials_that_contradict_each_other_are_a_bad_request() {
    let check = |fields: &[(&str, &str)], expected: &str| {
        let read = read(request("/", fields), RequestId::new(), [192, 0, 2, 1].into(), &policy());
        let found = match read.and_then(|(head, _)| head.ticket()) {
            Ok(ticket) => ticket.map(|ticket| ticket.text().expose_secret().to_owned()).unwrap_or_default(),
            Err(fault) => fault.to_string(),
        };
        assert_eq!(found, expected, "{fields:?}");
    };
    check(&[("authorization", "a"), ("authorization", "a")], "bad request: two-authorizations");
    check(&[("cookie", "__Host-candor=t1; __Host-candor=t2")], "bad request: two-tickets");
    check(&[("cookie", "__Host-candor=t1; __Host-candor=t1")], "t1");
    check(&[("authorization", "a")], "");
}

#[test]
fn only_our_own_pages_are_same_origin() {
    let check = |fields: &[(&str, &str)], expected| assert_eq!(head(fields).same_origin, expected, "{fields:?}");
    check(&[("sec-fetch-site", "same-origin")], true);
    check(&[("origin", "https://app.example")], true);
    check(&[("sec-fetch-site", "same-site")], false);
    check(&[("sec-fetch-site", "none")], false);
    check(&[("origin", "https://app.example.evil")], false);
    check(&[("origin", "null")], false);
    check(&[("origin", "https://app.example"), ("origin", "https://evil")], false);
    check(&[], false);
}

#[test]
fn sign_ins_that_have_begun_are_kept_by_name() {
    let begun = head(&[("cookie", "__Host-candor-signin-a=1; __Host-candor-signin-b=2; __Host-candor-signinx=3; x=4")]);
    let names: Vec<_> = begun.pending().iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["__Host-candor-signin-a", "__Host-candor-signin-b"]);
    assert!(!format!("{begun:?}").contains("\"1\""));
}

#[test]
fn a_trusted_proxy_asks_about_an_address() {
    let check = |peer: [u8; 4], fields: &[(&str, &str)], expected: &str| {
        let headers = request("/", fields).headers().clone();
        let found = match head_from(peer, fields).original(&headers) {
            Ok(original) => format!("{} {} {}", original.method, original.host.name(), original.path.as_str()),
            Err(fault) => fault.to_string(),
        };
        assert_eq!(found, expected, "{fields:?}");
    };
    let proxy = [10, 0, 0, 1];
    let traefik = [("x-forwarded-method", "POST"), ("x-forwarded-uri", "/x?y"), ("x-forwarded-host", "www.example")];
    check(proxy, &traefik, "POST www.example /x");
    check([192, 0, 2, 1], &traefik, "no such route");
    check(proxy, &[("x-original-uri", "/x"), ("x-original-method", "PUT")], "PUT app.example /x");
    let get = ("x-original-method", "GET");
    check(proxy, &[get, ("x-original-url", "https://www.example/x")], "GET www.example /x");
    check(proxy, &[get, ("x-original-url", "https://WWW.example./x")], "GET www.example /x");
    let absolute = ("x-original-url", "https://www.example/x");
    check(proxy, &[get, absolute, ("x-forwarded-host", "WWW.example.:443")], "GET www.example /x");
    check(proxy, &[get, absolute, ("x-forwarded-host", "admin.example")], "bad request: own-parameters");
    check(proxy, &[get, absolute, ("x-forwarded-host", "app.example")], "bad request: own-parameters");
    check(proxy, &[get, absolute, ("forwarded", "host=admin.example")], "bad request: own-parameters");
    check(proxy, &[get, ("x-original-url", "https://me@www.example/x")], "bad request: own-parameters");
    check(proxy, &[get, ("x-original-url", "https://www.example../x")], "bad request: own-parameters");
    check(proxy, &[get, ("x-original-uri", "/x"), ("x-forwarded-uri", "/y")], "bad request: own-parameters");
    check(proxy, &[get, ("x-forwarded-uri", "/a/../b")], "bad request: dot-segment");
    check(proxy, &[get, ("x-forwarded-uri", "nonsense")], "bad request: own-parameters");
    check(proxy, &[get, ("x-original-uri", "/public#/../admin")], "bad request: own-parameters");
    check(proxy, &[get, ("x-forwarded-method", "PUT"), ("x-original-uri", "/x")], "bad request: own-parameters");
    check(proxy, &[("x-original-uri", "/x")], "bad request: own-parameters");
    for method in ["get", "Delete", "pATCH", "TRACE", "connect"] {
        check(proxy, &[("x-original-method", method), ("x-original-uri", "/x")], "wrong method");
    }
    check(proxy, &[("x-original-method", "PROPFIND"), ("x-original-uri", "/x")], "PROPFIND app.example /x");
    check(proxy, &[get], "bad request: own-parameters");
    check(proxy, &[("x-forwarded-uri", "/x"), ("x-forwarded-method", "G ET")], "bad request: own-parameters");
    check(proxy, &[], "bad request: own-parameters");
}

#[test]
fn routes_are_found_by_the_host_that_is_sent_on() {
    let check = |peer: [u8; 4], said: &str, expected: &str| {
        let fields = [("x-forwarded-host", said)];
        let found = match read(request("/", &fields), RequestId::new(), peer.into(), &policy()) {
            Ok((head, _)) => head.host().name().to_owned(),
            Err(fault) => fault.to_string(),
        };
        assert_eq!(found, expected, "{said}");
    };
    check([10, 0, 0, 1], "Public.example", "public.example");
    check([10, 0, 0, 1], "public.example.", "public.example");
    check([10, 0, 0, 1], "public.example..", "bad request: host");
    check([192, 0, 2, 1], "public.example", "app.example");
    check([10, 0, 0, 1], "a:b:c", "bad request: host");
}

#[test]
fn cookies_of_http_2_are_one_field_and_those_of_http_1_are_as_they_came() {
    let check = |version: Version, cookies: &[&str], expected: &[&str]| {
        let fields: Vec<_> = cookies.iter().map(|cookie| ("cookie", *cookie)).collect();
        let mut asked = request("/", &fields);
        *asked.version_mut() = version;
        let (_, read) = read(asked, RequestId::new(), [192, 0, 2, 1].into(), &policy()).expect("a good head");
        let found: Vec<_> =
            read.headers().get_all("cookie").iter().map(|value| value.to_str().expect("ASCII")).collect();
        assert_eq!(found, expected, "{version:?} {cookies:?}");
    };
    check(Version::HTTP_2, &["a=1", "b=2; c=3", "a=4"], &["a=1; b=2; c=3; a=4"]);
    check(Version::HTTP_2, &["a=1"], &["a=1"]);
    check(Version::HTTP_2, &[], &[]);
    check(Version::HTTP_11, &["a=1", "b=2"], &["a=1", "b=2"]);
}
