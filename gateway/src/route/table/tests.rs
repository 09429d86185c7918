use auth_core::policy::Allow as Who;
use http::{HeaderValue, uri::PathAndQuery};

use super::*;
use crate::route::tests;

fn route(path: &str, host: Option<&str>, methods: &[Method], upstream: &str) -> Route {
    Route {
        path: path.to_owned(),
        host: host.map(str::to_owned),
        methods: (!methods.is_empty()).then(|| methods.to_vec()),
        upstream: upstream.into(),
        ..tests::route(&[Who::Anyone])
    }
}

fn table() -> RouteTable {
    let routes = vec![
        route("/", None, &[], "monolith"),
        route("/admin/", None, &[], "monolith"),
        route("/admin/public", None, &[], "monolith"),
        route("/admin", Some("other.example"), &[], "monolith"),
        route("/orders", None, &[Method::GET], "monolith"),
        route("/orders", None, &[Method::POST, Method::PUT], "monolith"),
        route("/unix/", None, &[], "unix"),
        route("/unix/Secret/", None, &[], "unix"),
        route("/windows/", None, &[], "windows"),
        route("/windows/administration/", None, &[], "windows"),
        route("/windows/c/public/", None, &[], "windows"),
    ];
    RouteTable::new(routes, "/.candor", |upstream| match upstream {
        "unix" => NameRules::ByCase,
        "windows" => NameRules::Windows,
        _ => NameRules::AnyCase,
    })
}

fn ask(table: &RouteTable, host: &str, method: &Method, target: &str) -> String {
    let target = PathAndQuery::try_from(target.to_owned()).expect("the target parses");
    let path = CanonicalPath::read(&target).expect("the path is not refused by itself");
    let host = Host::parse(&HeaderValue::from_str(host).expect("a field")).expect("a host");
    match table.find(&path, &host, method) {
        Ok(Target::Own(own)) => format!("{own:?}"),
        Ok(Target::Upstream(route)) => format!("{}{}", route.host.as_deref().unwrap_or(""), route.path),
        Err(fault) => match fault.allow() {
            Some(allow) => format!("allow {}", allow.to_str().expect("ASCII")),
            None => fault.to_string(),
        },
    }
}

#[test]
fn the_longest_path_of_whole_segments_wins() {
    let table = table();
    let check = |target: &str, expected: &str| {
        assert_eq!(ask(&table, "app.example", &Method::GET, target), expected, "{target}");
    };
    check("/", "/");
    check("/a", "/");
    check("/admin", "/admin/");
    check("/admin/", "/admin/");
    check("/admin/x?y=/admin/public", "/admin/");
    check("/administrator", "/");
    check("/admin/public", "/admin/public");
    check("/admin/public/x", "/admin/public");
    check("/admin/publican", "/admin/");
}

#[test]
fn of_equal_paths_the_one_with_the_host_wins() {
    let table = table();
    let check = |host: &str, target: &str, expected: &str| {
        assert_eq!(ask(&table, host, &Method::GET, target), expected, "{host} {target}");
    };
    check("other.example", "/admin/x", "other.example/admin");
    check("other.example:8443", "/admin/x", "other.example/admin");
    check("other.example.evil", "/admin/x", "/admin/");
    check("Other.Example.", "/admin/x", "other.example/admin");
    check("other.example.:80", "/admin/x", "other.example/admin");
    check("other.example", "/x", "/");
    check("other.example", "/admin/public", "/admin/public");
}

#[test]
fn a_path_that_leads_to_two_places_leads_to_none() {
    let table = table();
    let check = |target: &str, expected: &str| {
        assert_eq!(ask(&table, "app.example", &Method::GET, target), expected, "{target}");
    };
    for target in [
        "/%61dmin",
        "/%2561dmin/",
        "//admin",
        "/admin%2Fx",
        "/admin;x/y",
        "/admin\\x",
        "/ADMIN",
        "/Admin/x",
        "/admin./x",
        "/admin%20",
        "/admin/%70ublic",
        "/admin//public",
        "/admin/PUBLIC",
        "/;x/admin",
        "//.candor/login",
        "/%2ecandor/login",
        "/.CANDOR/login",
        "/.candor;x/login",
        "/.candor%2flogin",
        "/admin%3Fx",
        "/admin%253Fx",
        "/admin%23x/y",
        "/admin%09",
        "/%09admin/x",
        "/ad%09min/x",
        "/%20admin",
        "/admin%20x",
        "/admin::$DATA",
        "/admin%3A%3A$INDEX_ALLOCATION/x",
        "/admin:$I30:$INDEX_ALLOCATION/x",
        "/admin/public%3F",
        "/.candor%3Fx/login",
    ] {
        check(target, "bad request: ambiguous-path");
    }
    check("/admin/%7Euser;jsessionid=1//x%2Fy", "/admin/");
    check("/a//b;c\\d%2Fe", "/");
    check("/X/Y", "/");
    check("/%E2%84%AA/x%2F", "/");
    for target in ["/b%20c", "/b%3Fc", "/b%23", "/admin/a%20b%09", "/admin/x::$DATA", "/admin:x", "/ADMINI~1"] {
        check(target, if target.starts_with("/admin/") { "/admin/" } else { "/" });
    }
}

#[test]
fn an_upstream_that_tells_case_apart_is_believed() {
    let table = table();
    let check = |target: &str, expected: &str| {
        assert_eq!(ask(&table, "app.example", &Method::GET, target), expected, "{target}");
    };
    check("/unix/secret/x", "/unix/");
    check("/unix/Secret/x", "/unix/Secret/");
    check("/unix/%53ecret/x", "bad request: ambiguous-path");
    check("/UNIX/x", "bad request: ambiguous-path");
}

#[test]
fn an_upstream_on_windows_is_asked_only_for_what_has_one_name_there() {
    let table = table();
    let check = |target: &str, expected: &str| {
        assert_eq!(ask(&table, "app.example", &Method::GET, target), expected, "{target}");
    };
    for target in [
        "/windows/administration:x/y",
        "/windows/administration%3Ax",
        "/windows/administration:/y",
        "/windows/Administration.:x",
        "/windows/ADMINI~1",
        "/windows/admini~1/y",
        "/windows/A1B2C3~1/y",
        "/windows/%41dmini~1/y",
        "/windows/c:/public/x",
        "/windows/c:/PUBLIC~1",
        "/windows/c/PU~3.EXT/x",
    ] {
        check(target, "bad request: ambiguous-path");
    }
    check("/windows/administration/ADMINI~1", "/windows/administration/");
    check("/windows/x:y", "/windows/");
    check("/windows/REPORT~1.DOC", "/windows/");
    check("/windows/~ada/x", "/windows/");
    check("/windows/administrator~1", "/windows/");
    check("/unix/secret:x", "/unix/");
}

#[test]
fn where_a_method_decides_nothing_names_another() {
    let mut orders = vec![
        route("/", None, &[], "monolith"),
        route("/orders", None, &[Method::DELETE], "monolith"),
        route("/orders", None, &[], "monolith"),
    ];
    orders.extend([route("/orders", Some("other.example"), &[], "monolith")]);
    let table = RouteTable::new(orders, "/.candor", |_| NameRules::AnyCase);
    let by_method = |host: &str, method: &Method, path: &'static str| {
        let host = Host::parse(&HeaderValue::from_str(host).expect("a field")).expect("a host");
        let path = CanonicalPath::read(&PathAndQuery::from_static(path)).expect("a path");
        match table.find(&path, &host, method) {
            Ok(Target::Upstream(route)) => Ok(route.by_method),
            Ok(Target::Own(_)) => unreachable!("no own path"),
            Err(fault) => Err(fault.to_string()),
        }
    };
    let app = "app.example";
    assert_eq!(by_method(app, &Method::DELETE, "/orders/7"), Ok(true));
    assert_eq!(by_method(app, &Method::POST, "/orders/7"), Ok(true), "the sibling without methods");
    assert_eq!(by_method(app, &Method::POST, "/x?_method=DELETE"), Ok(false));
    assert_eq!(by_method("other.example", &Method::POST, "/orders?_method=DELETE"), Ok(false), "another place");
    for query in ["/orders?_method=DELETE", "/orders?a=b;%5Fmethod=x", "/orders?X-HTTP-Method-Override=PUT"] {
        let refused = Err("bad request: method-override".to_owned());
        assert_eq!(by_method(app, &Method::POST, query), refused, "{query}");
    }
}

#[test]
fn a_place_without_a_route_for_the_method_says_which_it_has() {
    let table = table();
    let check = |method: Method, expected: &str| {
        assert_eq!(ask(&table, "app.example", &method, "/orders/7"), expected, "{method}");
    };
    check(Method::GET, "/orders");
    check(Method::HEAD, "/orders");
    check(Method::PUT, "/orders");
    check(Method::DELETE, "allow GET, HEAD, POST, PUT");
}

#[test]
fn our_own_paths_come_first_and_have_one_spelling() {
    let table = table();
    let check = |target: &str, expected: &str| {
        assert_eq!(ask(&table, "app.example", &Method::GET, target), expected, "{target}");
    };
    check("/.candor/login?return_to=/x", "Login");
    check("/.candor/callback/entra", "Callback(\"entra\")");
    check("/.candor/l%6fgin", "no such route");
    check("/.candor/login;x", "no such route");
    check("/.candor", "no such route");
    check("/.candor/", "no such route");
    check("/.candors", "/");
}

#[test]
fn without_a_route_there_is_nothing() {
    let table = RouteTable::new([route("/api/", None, &[], "monolith")], "/.candor", |_| NameRules::AnyCase);
    assert_eq!(ask(&table, "h", &Method::GET, "/"), "no such route");
    assert_eq!(ask(&table, "h", &Method::GET, "/apis"), "no such route");
    assert_eq!(ask(&table, "h", &Method::GET, "/API/x"), "bad request: ambiguous-path");
}
