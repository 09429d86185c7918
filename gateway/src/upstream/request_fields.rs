//! What an upstream is sent: the client's fields without what is not theirs to say, and then ours.

use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::identity_fields::IdentityFields;
use crate::{
    headers::{
        CookieNames, IdentityHeaders, connection, cookie_field,
        reserved::{self, Reserved},
    },
    request::Forwarded,
    telemetry::metrics::REQUEST_FIELDS_DROPPED,
};

/// Everything that decides what one request's fields become.
#[derive(Debug)]
pub struct RequestFields<'a> {
    /// Which way it came.
    pub forwarded: &'a Forwarded,
    /// Our name for it.
    pub request_id: HeaderValue,
    /// Who is asking.
    pub identity: IdentityFields<'a>,
    /// Under what names the upstream is told.
    pub naming: &'a IdentityHeaders,
    /// The names that no client sends for us.
    pub reserved: &'a Reserved,
    /// The names of our own cookies.
    pub cookies: CookieNames,
    /// Names with `_` that may pass, lower case.
    pub underscore_headers: &'a [HeaderName],
    /// Whether every `Authorization` passes.
    pub authorization: bool,
    /// Schemes of `Authorization` that are the application's own business and pass anyway, lower case. A bearer token
    /// never does so: it might be ours.
    pub own_challenges: &'a [String],
    /// Whether a field may change the method. Not where the method decides who may pass.
    pub method_override: bool,
}

const X_FORWARDED_ACCESS_TOKEN: HeaderName = HeaderName::from_static("x-forwarded-access-token");
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Turns a client's fields into those that the upstream is sent, whichever endpoint that will be: the `Host` is still the
/// client's. That is written once the endpoint is chosen.
///
/// The framing is not among them, save for a length that was stated once and plainly: the body says how it is framed.
/// Trailers of a request are not forwarded.
pub fn to_upstream(headers: &mut HeaderMap, with: &RequestFields<'_>) {
    let length = connection::plain_length(headers);
    connection::remove(headers);
    remove_what_is_not_theirs(headers, with);
    cookie_field::remove_ours(headers, with.cookies);
    if let Some(length) = length {
        headers.insert(header::CONTENT_LENGTH, length);
    }
    headers.insert(X_REQUEST_ID, with.request_id.clone());
    headers.append(header::VIA, HeaderValue::from_static("1.1 candor"));
    with.forwarded.write_to(headers);
    with.identity.say(with.naming, headers);
}

/// Hands on the access token of whoever asks, if the route's upstream is to have it. A client's own under this name, and
/// in any spelling of it, is gone: the name is reserved.
pub(super) fn hand(headers: &mut HeaderMap, access_token: Option<&HeaderValue>) {
    if let Some(token) = access_token {
        headers.insert(X_FORWARDED_ACCESS_TOKEN, token.clone());
    }
}

/// Writes what depends on the endpoint, over what was written for another.
pub(super) fn address(headers: &mut HeaderMap, host: HeaderValue) {
    headers.insert(header::HOST, host);
}

fn remove_what_is_not_theirs(headers: &mut HeaderMap, with: &RequestFields<'_>) {
    let mut underscores = 0;
    let gone: Vec<HeaderName> = headers
        .keys()
        .filter(|name| {
            let unlisted = name.as_str().contains('_') && !with.underscore_headers.contains(name);
            underscores += u64::from(unlisted);
            #[cfg(candor_mutants)]
            if auth_core::mutants::is("identity-headers-pass") {
                return false;
            }
            unlisted
                || with.reserved.covers(name.as_str())
                || reserved::is_framing(name.as_str())
                || (!with.method_override && reserved::overrides_method(name.as_str()))
        })
        .cloned()
        .collect();
    for name in gone {
        headers.remove(name);
    }
    if underscores > 0 {
        REQUEST_FIELDS_DROPPED.alone().increment(underscores);
    }
    headers.remove(header::EXPECT);
    if !with.authorization && !answers_own_challenge(headers, with.own_challenges) {
        headers.remove(header::AUTHORIZATION);
    }
}

fn answers_own_challenge(headers: &HeaderMap, own_challenges: &[String]) -> bool {
    let Some(Ok(value)) = headers.get(header::AUTHORIZATION).map(HeaderValue::to_str) else { return false };
    let scheme = value.trim_start().split(' ').next().unwrap_or_default();
    !scheme.eq_ignore_ascii_case("bearer") && own_challenges.iter().any(|own| own.eq_ignore_ascii_case(scheme))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use auth_core::{
        clock::Timestamp,
        dependency::Dependency,
        principal::{Freshness, Groups, Kind, Principal, Roles, Silence, Subject, UserName},
    };

    use super::*;
    use crate::request::{forwarded::ForwardedPolicy, host::Host};

    const OURS: CookieNames = CookieNames { ticket: "__Host-candor", pending: "__Host-candor-signin-" };

    fn ada() -> Principal {
        Principal {
            kind: Kind::User,
            subject: Subject::new("https://idp.example", "ada"),
            tenant: None,
            user_name: UserName::Subject,
            name: Some("Ada L\u{f6}velace".into()),
            preferred_username: Some("ada@acme".into()),
            email: Some("ada@example.com".into()),
            roles: Roles::known([]),
            groups: Groups::known(["a,b".to_owned(), "staff".to_owned()]),
            session: None,
            device: None,
            begun: Timestamp::default(),
            until: Timestamp::default() + Duration::from_secs(60),
            freshness: Freshness::Live,
        }
    }

    fn sent(fields: &[(&str, &str)], change: impl FnOnce(&mut RequestFields<'_>)) -> Vec<String> {
        let mut headers: HeaderMap = fields
            .iter()
            .map(|(name, value)| {
                let name = HeaderName::from_bytes(name.as_bytes()).expect("a name");
                (name, HeaderValue::from_bytes(value.as_bytes()).expect("a value"))
            })
            .collect();
        let host = HeaderValue::from_static("app.example");
        let named = Host::parse(&host).expect("a host");
        let forwarded =
            Forwarded::of(&headers, [192, 0, 2, 1].into(), named, &ForwardedPolicy::default()).expect("it is believed");
        let mut with = RequestFields {
            forwarded: &forwarded,
            request_id: HeaderValue::from_static("id"),
            identity: IdentityFields::Nobody,
            naming: &IdentityHeaders::XAuthRequest,
            reserved: &Reserved::default(),
            cookies: OURS,
            underscore_headers: &[],
            authorization: false,
            own_challenges: &[],
            method_override: true,
        };
        change(&mut with);
        to_upstream(&mut headers, &with);
        address(&mut headers, host);
        let text = |(name, value): (&HeaderName, &HeaderValue)| {
            format!("{name}: {}", String::from_utf8_lossy(value.as_bytes()))
        };
        let mut lines: Vec<_> = headers.iter().map(text).collect();
        lines.sort();
        lines
    }

    const ALWAYS: [&str; 9] = [
        "forwarded: for=192.0.2.1;host=\"app.example\";proto=http",
        "host: app.example",
        "via: 1.1 candor",
        "x-forwarded-for: 192.0.2.1",
        "x-forwarded-host: app.example",
        "x-forwarded-port: 80",
        "x-forwarded-proto: http",
        "x-real-ip: 192.0.2.1",
        "x-request-id: id",
    ];

    fn check(fields: &[(&str, &str)], change: impl FnOnce(&mut RequestFields<'_>), expected: &[&str]) {
        let mut all: Vec<_> = ALWAYS.into_iter().chain(expected.iter().copied()).collect();
        all.sort_unstable();
        assert_eq!(sent(fields, change), all, "{fields:?}");
    }

    #[test]
    fn no_client_says_who_it_is_or_which_way_it_came() {
        let spoofed = [
            "X-Auth-Request-User",
            "X-Auth-Request-Issuer",
            "X_Forwarded_Kind",
            "Remote-Kind",
            "remote_issuer",
            "x.auth.request.user",
            "x_auth_request_user",
            "x~auth~request~user",
            "X-Auth'Request-User",
            "X-Gateway-Identity",
            "Remote-User",
            "Remote'User",
            "X-Forwarded-For",
            "X-Forwarded-User",
            "X-Forwarded-Prefix",
            "X-Real-IP",
            "Forwarded",
            "X-Request-Id",
            "X-Original-URL",
            "X-Rewrite-URL",
            "True-Client-IP",
            "Client-Cert",
            "Proxy",
        ];
        let fields: Vec<_> = spoofed.iter().map(|name| (*name, "evil")).collect();
        check(&fields, |_| {}, &[]);
        check(&[("host", "evil.example"), ("accept", "a")], |_| {}, &["accept: a"]);
    }

    #[test]
    fn who_is_asking_is_said_by_us() {
        let said = [
            "x-auth-request-email: ada@example.com",
            "x-auth-request-groups: a%2Cb,staff",
            "x-auth-request-issuer: https://idp.example",
            "x-auth-request-kind: user",
            "x-auth-request-preferred-username: ada@acme",
            "x-auth-request-user: ada",
            "x-gateway-identity: signed",
        ];
        let principal: &Principal = Box::leak(Box::new(ada()));
        let fields = [("x-auth-request-user", "eve"), ("x-gateway-identity", "forged"), ("connection", "x-private")];
        check(
            &fields,
            |with| {
                with.identity = IdentityFields::Known { principal, signed: HeaderValue::from_static("signed") };
            },
            &said,
        );
    }

    #[test]
    fn a_service_is_told_the_claim_that_it_knows_people_by_and_the_name_to_show_under_a_name_of_its_own() {
        let user_name = UserName::Claimed { claim: "email".into(), value: " ada".into() };
        let groups = Groups::NotStated(Silence::Absent);
        let principal: &Principal = Box::leak(Box::new(Principal { user_name, groups, email: None, ..ada() }));
        let said = [
            "remote-issuer: https://idp.example",
            "remote-kind: user",
            "remote-name: Ada L%C3%B6velace",
            "remote-user: %20ada",
            "x-gateway-identity: signed",
        ];
        check(
            &[("remote-user", "eve")],
            |with| {
                with.naming = &IdentityHeaders::RemoteUser;
                with.identity = IdentityFields::Known { principal, signed: HeaderValue::from_static("signed") };
            },
            &said,
        );
    }

    #[test]
    fn groups_that_were_not_stated_are_not_said_to_be_none() {
        let unstated = Principal {
            groups: Groups::NotStated(Silence::Absent),
            name: None,
            email: None,
            preferred_username: None,
            ..ada()
        };
        let principal: &Principal = Box::leak(Box::new(unstated));
        let said = [
            "remote-issuer: https://idp.example",
            "remote-kind: user",
            "remote-user: ada",
            "x-gateway-identity: signed",
        ];
        check(
            &[("remote-groups", "admin")],
            |with| {
                with.naming = &IdentityHeaders::RemoteUser;
                with.identity = IdentityFields::Known { principal, signed: HeaderValue::from_static("signed") };
            },
            &said,
        );
    }

    #[test]
    fn an_upstream_is_told_whom_we_cannot_tell_and_nobody_else_says_so() {
        let fields = [("x-gateway-undecided", "clock"), ("X_Gateway_Undecided", "clock"), ("x.gateway.undecided", "")];
        check(&fields, |_| {}, &[]);
        let undecided = |with: &mut RequestFields<'_>| with.identity = IdentityFields::Undecided(Dependency::Keys);
        check(&fields, undecided, &["x-gateway-undecided: keys"]);
    }

    #[test]
    fn what_is_for_this_hop_ends_here() {
        let fields = [
            ("connection", "close, x-hop"),
            ("x-hop", "1"),
            ("keep-alive", "5"),
            ("te", "trailers"),
            ("trailer", "x"),
            ("upgrade", "websocket"),
            ("transfer-encoding", "chunked"),
            ("content-length", "7"),
            ("expect", "100-continue"),
            ("proxy-authorization", "x"),
            ("x-end", "1"),
        ];
        check(&fields, |_| {}, &["x-end: 1"]);
        check(&[("content-length", "007")], |_| {}, &["content-length: 7"]);
    }

    #[test]
    fn credentials_of_ours_stay_here() {
        let fields = [("cookie", "a=1; __Host-candor=secret;b=2"), ("authorization", "Bearer secret")];
        check(&fields, |_| {}, &["cookie: a=1;b=2"]);
        check(&fields, |with| with.authorization = true, &["authorization: Bearer secret", "cookie: a=1;b=2"]);
    }

    #[test]
    fn an_authorization_passes_where_it_is_the_applications_own() {
        let own: &[String] = Box::leak(Box::new(["basic".to_owned(), "bearer".to_owned()]));
        let check = |value: &str, passes: bool| {
            let field = format!("authorization: {value}");
            let expected: &[&str] = if passes { &[&field] } else { &[] };
            check(&[("authorization", value)], |with| with.own_challenges = own, expected);
        };
        check("Basic YTpi", true);
        check("basic YTpi", true);
        check("Basically x", false);
        check("Digest x", false);
        check("Bearer x", false);
    }

    #[test]
    fn an_underscore_passes_only_where_the_route_lists_it() {
        let fields = [("x_legacy", "1"), ("x_other", "1")];
        check(&fields, |_| {}, &[]);
        let listed = [HeaderName::from_static("x_legacy")];
        check(&fields, |with| with.underscore_headers = Box::leak(Box::new(listed)), &["x_legacy: 1"]);
    }

    #[test]
    fn where_the_method_decides_no_field_names_another() {
        let fields = [("x-http-method-override", "DELETE"), ("x.http.method", "PUT"), ("X~Method~Override", "PUT")];
        check(&fields, |with| with.method_override = false, &[]);
        check(&fields[..1], |_| {}, &["x-http-method-override: DELETE"]);
    }
}
