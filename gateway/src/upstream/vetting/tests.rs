use std::{sync::Arc, time::Duration};

use auth_core::{
    Now, Timestamp, Verdict,
    clock::Clock,
    policy::{Allow, MaxStale, Requirement, RequirementId, permit},
    principal::{Freshness, Groups, Principal, Roles, Silence, Subject, UserName},
};
use http::Response;

use super::*;
use crate::route::tests;

const NOON: Timestamp = Timestamp::from_secs(43_200);

fn principal(kind: Kind) -> Principal {
    Principal {
        kind,
        subject: Subject::new("https://idp.example", "ada"),
        tenant: Some("acme".into()),
        user_name: UserName::Subject,
        name: None,
        preferred_username: None,
        email: None,
        roles: Roles::known([]),
        groups: Groups::NotStated(Silence::Absent),
        session: None,
        device: None,
        begun: Timestamp::default(),
        until: NOON + Duration::from_secs(60),
        freshness: Freshness::Live,
    }
}

fn route(allow: Allow) -> Route {
    Route { login_paths: vec!["/accounts/login".to_owned()], ..tests::route(&[allow]) }
}

fn people() -> Route {
    route(Allow::kind(Kind::User))
}

/// A route where the application asks for passwords of its own.
fn with_passwords(allow: Allow) -> Route {
    Route { own_challenges: vec!["basic".to_owned()], ..route(allow) }
}

fn devices() -> Route {
    Route { expect: Some(Expect::Json), ..route(Allow::kind(Kind::Device)) }
}

/// An answer written as its status and header lines.
fn answer(lines: &str) -> response::Parts {
    let mut lines = lines.split('\n');
    let mut response = Response::builder().status(lines.next().expect("a status"));
    for line in lines {
        let (name, value) = line.split_once(": ").expect("a header line");
        response = response.header(name, value);
    }
    response.body(()).expect("an answer").into_parts().0
}

/// `pass`, `pass (denial)`, `dispute`, `undecided` or `garbage`. Without a kind we cannot tell who it is.
fn vetted(route: &Route, who: Option<Kind>, lines: &str) -> &'static str {
    let verdict = match who {
        Some(kind) => Verdict::Authenticated(principal(kind)),
        None => Verdict::Unavailable(auth_core::Unavailable::because(auth_core::Dependency::Keys, "planned")),
    };
    judged_by(route, verdict, lines)
}

fn judged_by(route: &Route, verdict: Verdict, lines: &str) -> &'static str {
    let now = Now::at(Clock::standing_at(NOON).now().wall());
    let permit = permit(verdict, &route.requirement, now).expect("a permit");
    let target = Uri::from_static("/app/page?x=1");
    let case = UnvettedResponse {
        route,
        permit: &permit,
        target: &target,
        endpoint: &"http://127.0.0.1:9000".into(),
        sign_in: "/.candor/login",
    };
    match case.vet(answer(lines)) {
        Ok(VettedHead { denies: false, .. }) => "pass",
        Ok(VettedHead { denies: true, .. }) => "pass (denial)",
        Err(Fault::DisputedIdentity(_)) => "dispute",
        Err(Fault::UndecidedIdentity(_)) => "undecided",
        Err(Fault::UpstreamGarbage(_)) => "garbage",
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn people_are_not_signed_out_by_the_monolith() {
    let check = |lines, expected| assert_eq!(vetted(&people(), Some(Kind::User), lines), expected, "{lines}");
    for lines in ["200", "204", "304", "404", "500\ncontent-type: text/html", "503", "403"] {
        check(lines, "pass");
    }
    check("401", "dispute");
    check("401\nwww-authenticate: Bearer", "dispute");
    check("407\nproxy-authenticate: Basic", "dispute");
    check("401\nwww-authenticate: Basic realm=\"a\"", "dispute");
}

#[test]
fn a_password_of_the_applications_own_is_its_business_where_the_route_says_so() {
    let people = with_passwords(Allow::kind(Kind::User));
    let check = |lines, expected| assert_eq!(vetted(&people, Some(Kind::User), lines), expected, "{lines}");
    check("401\nwww-authenticate: Basic realm=\"a, b\"", "pass (denial)");
    check("401\nwww-authenticate: bAsIc", "pass (denial)");
    check("401\nwww-authenticate: Basic realm=\"x\", charset=\"UTF-8\"", "pass (denial)");
    check("401\nwww-authenticate: Basic realm=x\nwww-authenticate: Basic realm=y", "pass (denial)");
    check("401\nwww-authenticate: Basic realm=x, Bearer realm=y", "dispute");
    check("401\nwww-authenticate: Basic\nwww-authenticate: Negotiate", "dispute");
    check("401\nwww-authenticate: Bearer error=\"x\\\", Basic\"", "dispute");
    check("401\nwww-authenticate: ", "dispute");
    check("401\nwww-authenticate: realm=\"Basic\"", "dispute");
    check("407\nwww-authenticate: Basic", "dispute");
    check("403\nwww-authenticate: Basic", "pass");
}

#[test]
fn nobody_but_a_person_meets_a_password_of_the_applications_own() {
    let basic = "401\nwww-authenticate: Basic";
    let check = |route: &Route, who, expected| assert_eq!(vetted(route, who, basic), expected, "{who:?}");
    let groups = with_passwords(Allow::group("staff"));
    let staff = Principal { groups: Groups::Known(Arc::new(["staff".to_owned()].into())), ..principal(Kind::User) };
    assert_eq!(judged_by(&groups, Verdict::Authenticated(staff), basic), "pass (denial)");
    check(&with_passwords(Allow::kind(Kind::Service)), Some(Kind::Service), "dispute");
    check(&with_passwords(Allow::tenant("acme")), Some(Kind::User), "dispute");
    check(&with_passwords(Allow::tenant("acme")), Some(Kind::Service), "dispute");
    check(&with_passwords(Allow::Anyone), Some(Kind::User), "dispute");
    check(&with_passwords(Allow::Anyone), None, "undecided");
    let display = Route { client_kind: Some(RouteClientKind::Device), ..with_passwords(Allow::kind(Kind::User)) };
    check(&display, Some(Kind::User), "dispute");
}

#[test]
fn a_redirect_to_the_monoliths_sign_in_is_a_denial() {
    let check = |location: &str, expected| {
        let lines = format!("302\nlocation: {location}");
        assert_eq!(vetted(&people(), Some(Kind::User), &lines), expected, "{location}");
    };
    for location in [
        "/accounts/login",
        "/accounts/login/",
        "/accounts/login?next=%2Fapp",
        "/accounts/login/step2",
        "/accounts/login;jsessionid=1",
        "/Accounts/Login",
        "/accounts/%6cogin",
        "/x/../accounts/login",
        "../accounts/login",
        "http://127.0.0.1:9000/accounts/login",
        "https://app.example.com/accounts/login#top",
        "//app.example.com/accounts/login",
        "\\accounts\\login",
    ] {
        check(location, "dispute");
    }
    for location in ["/accounts/logins", "/accounts", "/", "login", "https://app.example.com/", "http://[", ""] {
        check(location, "pass");
    }
    assert_eq!(vetted(&people(), Some(Kind::User), "200\nlocation: /accounts/login"), "pass");
    assert_eq!(vetted(&people(), Some(Kind::User), "303\nlocation: /accounts/login"), "dispute");
}

#[test]
fn a_way_to_our_own_sign_in_is_a_denial_whatever_login_paths_says() {
    let unnamed = Route { login_paths: Vec::new(), ..people() };
    let open = Route { login_paths: Vec::new(), ..route(Allow::Anyone) };
    for location in ["/.candor/login", "https://app.example.com/.candor/login?return_to=%2F", "/.candor/%6cogin"] {
        let lines = format!("302\nlocation: {location}");
        assert_eq!(vetted(&unnamed, Some(Kind::User), &lines), "dispute", "{lines}");
        assert_eq!(vetted(&open, None, &lines), "undecided", "{lines}");
        let passing = Route { on_denial: OnDenial::Pass, ..unnamed.clone() };
        assert_eq!(vetted(&passing, Some(Kind::User), &lines), "pass", "{lines}: the route says so");
    }
    for location in ["/.candor/logout", "/.candor/logins", "/.candor/me", "/login", "/accounts/login"] {
        let lines = format!("302\nlocation: {location}");
        assert_eq!(vetted(&unnamed, Some(Kind::User), &lines), "pass", "{lines}");
        assert_eq!(vetted(&open, None, &lines), "pass", "{lines}");
    }
}

#[test]
fn displays_take_a_denial_at_its_word_so_fewer_are_believed() {
    let check = |lines, expected| assert_eq!(vetted(&devices(), Some(Kind::Device), lines), expected, "{lines}");
    check("401\nwww-authenticate: Basic", "dispute");
    check("403", "dispute");
    check("407", "dispute");
    check("200\ncontent-type: application/json", "pass");
    check("200\ncontent-type: text/html; charset=utf-8", "dispute");
    check("404\ncontent-type: Text/HTML", "dispute");
    check("200\ncontent-type: application/xhtml+xml", "dispute");
    check("200\ncontent-type: text/html-fragment", "pass");
    check("204", "pass");
    check("500\ncontent-type: text/html", "pass");
}

#[test]
fn devices_are_protected_on_routes_of_any_kind() {
    let either = |allow| Route { expect: Some(Expect::Json), ..route(allow) };
    let check = |route: &Route, who, lines, expected| {
        assert_eq!(vetted(route, Some(who), lines), expected, "{who} {lines}");
    };
    check(&either(Allow::Anyone), Kind::Device, "403", "dispute");
    check(&either(Allow::Anyone), Kind::User, "403", "pass");
    check(&either(Allow::tenant("acme")), Kind::User, "401", "dispute");
    let legacy = Route { client_kind: Some(RouteClientKind::Device), ..route(Allow::kind(Kind::Service)) };
    check(&legacy, Kind::Service, "403", "dispute");
}

#[test]
fn who_shows_nothing_is_the_monoliths_business() {
    let nobody = || {
        let requirement = Requirement::new(RequirementId(0), vec![Allow::kind(Kind::User)], MaxStale::DEFAULT);
        // Known, and not allowed: the refusal at hand, and proven.
        let stop = permit(Verdict::Authenticated(principal(Kind::Service)), &requirement, Now::at(NOON));
        Verdict::from(stop.expect_err("a service is no user"))
    };
    let open = with_passwords(Allow::Anyone);
    for lines in ["401", "401\nwww-authenticate: Basic", "403", "407", "302\nlocation: /accounts/login"] {
        assert_eq!(judged_by(&open, nobody(), lines), "pass", "{lines}");
    }
}

#[test]
fn a_denial_of_somebody_whom_we_cannot_tell_says_nothing_about_them() {
    let denials = ["401", "401\nwww-authenticate: Basic", "403", "407", "302\nlocation: /accounts/login"];
    let open = with_passwords(Allow::Anyone);
    let passing = Route { on_denial: OnDenial::Pass, ..open.clone() };
    let json = Route { expect: Some(Expect::Json), ..open.clone() };
    for route in [&open, &passing, &json] {
        for lines in denials {
            assert_eq!(vetted(route, None, lines), "undecided", "{lines}");
        }
        for lines in ["200", "204", "304", "404", "500\ncontent-type: text/html", "503"] {
            assert_eq!(vetted(route, None, lines), "pass", "{lines}");
        }
    }
    for route in [&open, &passing] {
        assert_eq!(vetted(route, None, "302\nlocation: /elsewhere"), "pass");
    }
    assert_eq!(vetted(&json, None, "302\nlocation: /elsewhere"), "undecided");
    // They may be a display, for which this is a denial.
    assert_eq!(vetted(&json, None, "200\ncontent-type: text/html"), "undecided");
    assert_eq!(vetted(&open, None, "200\ncontent-type: text/html"), "pass");
    assert_eq!(vetted(&open, Some(Kind::User), "401"), "dispute");
    let late = Freshness::LastKnownGood {
        missing: auth_core::Dependency::Keys,
        since: Now::at(NOON).steady() - Duration::from_secs(13 * 3600),
    };
    let stale = Principal { freshness: late, ..principal(Kind::User) };
    assert_eq!(judged_by(&open, Verdict::Authenticated(stale), "401"), "undecided", "too old to vouch for");
}

#[test]
fn what_is_no_final_answer_is_nonsense() {
    for lines in ["101", "100", "199", "600", "999"] {
        assert_eq!(vetted(&people(), Some(Kind::User), lines), "garbage", "{lines}");
        assert_eq!(vetted(&route(Allow::Anyone), None, lines), "garbage", "{lines}");
    }
}

#[test]
fn only_a_denial_of_somebody_we_vouch_for_counts_with_the_guard() {
    let pass = Route { on_denial: OnDenial::Pass, ..people() };
    let check = |lines, expected| assert_eq!(vetted(&pass, Some(Kind::User), lines), expected, "{lines}");
    check("401", "pass (denial)");
    check("401\nwww-authenticate: Bearer", "pass (denial)");
    check("401\nwww-authenticate: Basic", "pass (denial)");
    for lines in ["200", "403", "407", "302\nlocation: /accounts/login"] {
        check(lines, "pass");
    }
}

#[test]
fn a_device_is_told_no_denial_in_any_dialect_and_led_nowhere() {
    let check = |lines, expected| assert_eq!(vetted(&devices(), Some(Kind::Device), lines), expected, "{lines}");
    for lines in ["401", "403", "407", "440", "498", "200\ncontent-type: text/html", "302\nlocation: /accounts/login"] {
        check(lines, "dispute");
    }
    for lines in [
        "302\nlocation: /welcome",
        "307\nlocation: https://portal.example/",
        "303\nlocation: ../sso",
        "301\nlocation: /app/pages",
    ] {
        check(lines, "dispute");
    }
    for lines in ["301\nlocation: /app/page/", "307\nlocation: /app/page?y", "304", "200", "404", "410", "500", "503"] {
        check(lines, "pass");
    }
    let anything = Route { expect: None, ..devices() };
    assert_eq!(vetted(&anything, Some(Kind::Device), "302\nlocation: /welcome"), "pass", "where JSON is not expected");
    for lines in ["440", "498"] {
        assert_eq!(vetted(&people(), Some(Kind::User), lines), "pass", "{lines}");
    }
}

#[test]
fn no_challenge_reaches_a_device_beside_another_status() {
    let left = |kind: Option<Kind>, route: &Route| {
        let verdict = match kind {
            Some(kind) => Verdict::Authenticated(principal(kind)),
            None => Verdict::Unavailable(auth_core::Unavailable::because(auth_core::Dependency::Keys, "planned")),
        };
        let permit = permit(verdict, &route.requirement, Now::at(NOON)).expect("a permit");
        let (target, endpoint) = (Uri::from_static("/app/page"), "http://127.0.0.1:9000".into());
        let sign_in = "/.candor/login";
        let case = UnvettedResponse { route, permit: &permit, target: &target, endpoint: &endpoint, sign_in };
        let lines = "404\nwww-authenticate: Basic realm=\"x\"\nproxy-authenticate: Basic\nx-other: 1";
        case.vet(answer(lines)).unwrap_or_else(|fault| panic!("{fault}")).head.headers.len()
    };
    assert_eq!(left(Some(Kind::Device), &devices()), 1);
    assert_eq!(left(None, &route(Allow::Anyone)), 1, "it may be a device");
    assert_eq!(left(Some(Kind::User), &people()), 3);
}

#[test]
fn a_device_where_anyone_may_pass_is_not_denied_by_a_setting_for_others() {
    let open = Route { on_denial: OnDenial::Pass, ..route(Allow::Anyone) };
    assert_eq!(vetted(&open, Some(Kind::Device), "401"), "dispute");
    assert_eq!(vetted(&open, Some(Kind::User), "401"), "pass (denial)");
}

#[test]
fn grpc_denies_by_a_status_in_a_head_that_is_all_there_is() {
    let check =
        |route: &Route, who, lines, expected| assert_eq!(vetted(route, who, lines), expected, "{who:?} {lines}");
    let (denied, not_permitted) = (
        "200\ncontent-type: application/grpc\ngrpc-status: 16",
        "200\ncontent-type: application/grpc+proto\ngrpc-status: 7",
    );
    check(&people(), Some(Kind::User), denied, "dispute");
    check(&people(), Some(Kind::User), not_permitted, "pass");
    check(&devices(), Some(Kind::Device), denied, "dispute");
    check(&devices(), Some(Kind::Device), not_permitted, "dispute");
    let passes = Route { on_denial: OnDenial::Pass, ..people() };
    check(&passes, Some(Kind::User), denied, "pass (denial)");
    let open = route(Allow::Anyone);
    check(&open, None, denied, "undecided");
    for harmless in [
        "200\ncontent-type: application/grpc",
        "200\ncontent-type: application/grpc\ngrpc-status: 0",
        "200\ncontent-type: application/grpc\ngrpc-status: 14",
        "200\ncontent-type: application/json\ngrpc-status: 16",
    ] {
        check(&people(), Some(Kind::User), harmless, "pass");
    }
}
