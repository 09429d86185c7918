use http::{HeaderMap, HeaderName, HeaderValue};

use super::*;
use crate::{
    policy::{Allow, MaxStale, Requirement, RequirementId},
    principal::Kind,
};

const USER: Allow = Allow::kind(Kind::User);
const DEVICE: Allow = Allow::kind(Kind::Device);

/// What is read of a head, in words; a token is what it begins with.
fn read(allow: Allow, fields: &[(&'static str, &str)]) -> String {
    let value = |text: &str| HeaderValue::from_bytes(text.as_bytes()).expect("a header value");
    let headers: HeaderMap = fields.iter().map(|(name, text)| (HeaderName::from_static(name), value(text))).collect();
    let requirement = Requirement::new(RequirementId(0), vec![allow], MaxStale::DEFAULT);
    let candidates = CredentialCandidates::read(&headers, "__Host-candor", None);
    let origin = |token: &CredentialText| match token.expose() {
        token if token.starts_with("ours") => TokenOrigin::Issuer,
        token if token.starts_with("device") => TokenOrigin::Device,
        _ => TokenOrigin::Elsewhere,
    };
    match candidates.and_then(|candidates| candidates.credential(&requirement, origin, None)) {
        Ok(Credential::None) => "none".to_owned(),
        Ok(Credential::Unsupported(what)) => format!("none, but {what:?}"),
        Ok(Credential::Ticket(ticket)) => format!("ticket {}", ticket.expose()),
        Ok(Credential::Bearer(token)) => format!("bearer {}", token.expose()),
        Ok(Credential::DeviceToken(token)) => format!("device token {}", token.expose()),
        Ok(Credential::LegacyDevice(token)) => format!("legacy {}", token.text().expose()),
        Err(ambiguous) => ambiguous.to_string(),
    }
}

#[test]
fn the_requirement_decides_which_credential_counts() {
    let check = |allow: Allow, fields: &[(&'static str, &str)], expected: &str| {
        assert_eq!(read(allow, fields), expected, "{fields:?}");
    };
    let cookie = ("cookie", "a=1; __Host-candor=t1");
    check(USER, &[cookie], "ticket t1");
    check(USER, &[cookie, ("authorization", "Bearer ours.1")], "bearer ours.1");
    check(USER, &[cookie, ("authorization", "bearer  ours.1 ")], "bearer ours.1");
    check(USER, &[cookie, ("authorization", "Bearer theirs")], "ticket t1");
    check(USER, &[cookie, ("authorization", "Basic ours")], "ticket t1");
    check(USER, &[("authorization", "Bearer ours, x")], "none, but Bearer");
    check(USER, &[("authorization", "Bearer")], "none, but Bearer");
    check(USER, &[("authorization", "")], "none");
    check(USER, &[], "none");
    check(USER, &[("cookie", "__Host-candor=")], "none");
    check(USER, &[("cookie", "__host-candor=t1")], "none");
    check(DEVICE, &[cookie], "none, but Ticket");
    check(DEVICE, &[cookie, ("authorization", "Basic ours")], "none, but Scheme");
    check(DEVICE, &[("authorization", "Bearer ours")], "bearer ours");
    check(DEVICE, &[cookie, ("authorization", "Bearer device.1")], "device token device.1");
    check(DEVICE, &[("authorization", "DPoP device.1")], "device token device.1");
    check(DEVICE, &[("authorization", "DPoP ours.1")], "none, but Scheme");
    check(DEVICE, &[("authorization", "DPoP")], "none, but Scheme");
    check(USER, &[cookie, ("authorization", "DPoP device.1")], "device token device.1");
    check(USER, &[cookie, ("authorization", "DPoP theirs")], "ticket t1");
    check(Allow::Anyone, &[cookie], "ticket t1");
    let twice = ("cookie", "__Host-candor=t1; __Host-candor=t1");
    let two = ("cookie", "__Host-candor=t1; __Host-candor=t2");
    check(USER, &[twice], "ticket t1");
    check(USER, &[two], "two different tickets");
    check(USER, &[("cookie", "__Host-candor=t1"), ("cookie", "__Host-candor=t2")], "two different tickets");
    check(USER, &[two, ("authorization", "Bearer ours")], "bearer ours");
    check(Allow::Anyone, &[two], "none, but Ticket");
    check(DEVICE, &[two], "none, but Ticket");
    let basic = ("authorization", "Basic YTpi");
    check(USER, &[("authorization", "Bearer ours"), basic], "two Authorization fields");
    check(Allow::Anyone, &[basic, basic], "two Authorization fields");
}

#[test]
fn a_credential_is_read_to_the_letter() {
    let check = |value, expected: &str| assert_eq!(read(USER, &[("authorization", value)]), expected, "{value}");
    check("Bearer ours", "bearer ours");
    check("bEARER  ours", "bearer ours");
    check("Bearer theirs", "none, but Bearer");
    check("Basic ours", "none, but Scheme");
    check("Bearerours", "none, but Scheme");
    check("Bearer \u{fc}", "none, but Scheme");
    let check = |pair, expected: &str| assert_eq!(read(USER, &[("cookie", pair)]), expected, "{pair}");
    check(" __Host-candor=abc", "ticket abc");
    check("__Host-candor=\"abc\"", "ticket \"abc\"");
    check("__host-candor=abc", "none");
    check("\u{2000}__Host-candor=abc", "none");
    check("__Host-candor-signin-x=abc", "none");
    check("=__Host-candor=abc", "none");
    check("__Host-candor=\u{fc}", "ticket \u{fc}");
    check("a=\u{fc}; __Host-candor=abc", "ticket abc");
}

#[test]
fn the_one_ticket_is_found_whatever_else_came() {
    let ticket = |line: &'static str| {
        let headers = HeaderMap::from_iter([
            (http::header::COOKIE, HeaderValue::from_static(line)),
            (http::header::AUTHORIZATION, HeaderValue::from_static("Bearer ours")),
        ]);
        let candidates = CredentialCandidates::read(&headers, "candor", None).expect("one Authorization");
        candidates.ticket().map(|ticket| ticket.map(|ticket| ticket.expose().to_owned()))
    };
    assert_eq!(ticket("candor=t1; candor=t1"), Ok(Some("t1".to_owned())));
    assert_eq!(ticket("candor=t1; candor=t2"), Err(AmbiguousCredentials::TwoTickets));
    assert_eq!(ticket("candor="), Ok(None));
}

#[test]
fn one_hash_names_a_credential_and_finds_what_is_remembered_of_it() {
    let text = CredentialText::new("abc");
    let sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert_eq!(hex(&text.hash().0), sha256);
    assert_eq!(hex(&text.id().0), sha256[..32]);
    assert_eq!(text.id(), CredentialId::of(b"abc"));
    assert_eq!(Credential::Ticket(text.clone()).id(), Some(text.id()));
    assert_eq!(Credential::None.id(), None);
    assert_eq!(Credential::Unsupported(UnsupportedCredential::Scheme).id(), None);
}

#[test]
fn a_credential_is_never_shown() {
    let text = || CredentialText::new("canary");
    let headers = HeaderMap::from_iter([(http::header::COOKIE, HeaderValue::from_static("candor=canary"))]);
    let candidates = CredentialCandidates::read(&headers, "candor", None).expect("no Authorization");
    let shown = format!("{:?} {candidates:?}", [Credential::Ticket(text()), Credential::Bearer(text())]);
    assert!(!shown.contains("canary"), "{shown}");
}

/// What is read where tokens of before are adopted; those that begin with `known` are.
fn adopting(allow: Allow, header: &HeaderName, fields: &[(&'static str, &str)]) -> String {
    let value = |text: &str| HeaderValue::from_bytes(text.as_bytes()).expect("a header value");
    let headers: HeaderMap = fields.iter().map(|(name, text)| (HeaderName::from_static(name), value(text))).collect();
    let requirement = Requirement::new(RequirementId(0), vec![allow], MaxStale::DEFAULT);
    let is_known = |token: &CredentialText| token.expose().starts_with("known");
    let read = CredentialCandidates::read(&headers, "candor", Some(header));
    match read.and_then(|read| read.credential(&requirement, |_| TokenOrigin::Elsewhere, Some(&is_known))) {
        Ok(Credential::LegacyDevice(token)) => format!("legacy {}", token.text().expose()),
        Ok(Credential::Ticket(_)) => "ticket".to_owned(),
        Ok(Credential::None) => "none".to_owned(),
        Ok(Credential::Unsupported(_)) => "none that counts".to_owned(),
        Ok(other) => panic!("{other:?}"),
        Err(ambiguous) => ambiguous.to_string(),
    }
}

#[test]
fn a_token_of_before_counts_where_devices_may_pass_and_one_that_is_known_everywhere() {
    let check = |allow: Allow, fields: &[(&'static str, &str)], expected: &str| {
        assert_eq!(adopting(allow, &http::header::AUTHORIZATION, fields), expected, "{fields:?}");
    };
    let (cookie, bearer) = (("cookie", "candor=t"), |text| ("authorization", text));
    check(DEVICE, &[bearer("Bearer opaque")], "legacy opaque");
    check(DEVICE, &[bearer("bearer   opaque ")], "legacy opaque");
    check(DEVICE, &[bearer("Token opaque")], "legacy Token opaque");
    check(DEVICE, &[bearer("Basic YTpi")], "legacy Basic YTpi");
    check(DEVICE, &[bearer("opaque")], "legacy opaque");
    check(DEVICE, &[bearer("Bearer \u{fc}")], "legacy \\xc3\\xbc");
    check(DEVICE, &[bearer("Bearer")], "none that counts");
    check(DEVICE, &[bearer("")], "none");
    check(DEVICE, &[], "none");
    check(DEVICE, &[bearer("Bearer a"), bearer("Bearer a")], "two Authorization fields");
    check(USER, &[bearer("Bearer opaque")], "none that counts");
    check(USER, &[bearer("Bearer known")], "legacy known");
    check(USER, &[cookie, bearer("Bearer opaque")], "ticket");
    check(USER, &[cookie, bearer("Bearer known")], "legacy known");
    check(Allow::Anyone, &[bearer("Bearer opaque")], "legacy opaque");
    check(Allow::Anyone, &[bearer("Basic YTpi")], "none that counts");
    let header = HeaderName::from_static("x-device-token");
    let named = |fields: &[(&'static str, &str)]| adopting(DEVICE, &header, fields);
    assert_eq!(named(&[("x-device-token", "opaque")]), "legacy opaque");
    assert_eq!(named(&[("x-device-token", "a"), ("x-device-token", "b")]), "two Authorization fields");
    assert_eq!(named(&[bearer("Bearer opaque")]), "none that counts");
}
