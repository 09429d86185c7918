//! From path, host and method to a route.

use std::sync::Arc;

use http::Method;

use super::{OwnPath, Route};
use crate::{
    fault::{AllowedMethods, BadRequest, Fault},
    headers::reserved,
    request::{
        host::Host,
        path::{CanonicalPath, NameRules, folded, may_be_short_for},
    },
};

/// Where a request leads.
#[derive(Clone, Debug)]
pub enum Target<'a> {
    /// One of our own paths.
    Own(OwnPath),
    /// A route to an upstream.
    Upstream(&'a Arc<Route>),
}

/// The routes of one configuration.
#[derive(Clone, Debug)]
pub struct RouteTable {
    own: Prefix,
    /// The longest path first; of equal paths, one with a host first; then in the file's order.
    places: Vec<RoutePlace>,
}

/// All routes with the same path and host: they differ by method.
#[derive(Clone, Debug)]
struct RoutePlace {
    prefix: Prefix,
    host: Option<String>,
    /// How the upstreams of its routes tell names apart, by the least careful of them.
    names: NameRules,
    routes: Vec<Arc<Route>>,
}

/// A path prefix without its closing slash, as it is and with its case folded.
#[derive(Clone, Debug)]
struct Prefix {
    exact: Vec<u8>,
    folded: Vec<u8>,
}

/// What one reading of a path leads to: the index of a place, our own paths, or nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    Own,
    RoutePlace(usize),
    Nothing,
}

impl RouteTable {
    /// A table of `routes`, with our own paths under `own_prefix`. `names` says of an upstream how it tells names in
    /// paths apart.
    pub fn new(routes: impl IntoIterator<Item = Route>, own_prefix: &str, names: impl Fn(&str) -> NameRules) -> Self {
        let mut places: Vec<RoutePlace> = Vec::new();
        for route in routes {
            let (prefix, host) = (Prefix::new(&route.path), route.host.clone());
            let names = names(&route.upstream);
            match places.iter_mut().find(|place| place.prefix.exact == prefix.exact && place.host == host) {
                Some(place) => {
                    place.names = least_careful(place.names, names);
                    place.routes.push(Arc::new(route));
                }
                None => places.push(RoutePlace { prefix, host, names, routes: vec![Arc::new(route)] }),
            }
        }
        places.iter_mut().for_each(RoutePlace::note_methods);
        places.sort_by_key(|place| (std::cmp::Reverse(place.prefix.exact.len()), place.host.is_none()));
        Self { own: Prefix::new(own_prefix), places }
    }

    /// Every route, in no order that means anything.
    pub fn routes(&self) -> impl Iterator<Item = &Arc<Route>> {
        self.places.iter().flat_map(|place| &place.routes)
    }

    /// Where `path` leads on `host`.
    ///
    /// The longest path wins, and of equal paths the one with a host. Every reading of the path must lead to the same
    /// place, and must do so with its case folded too, unless the upstream there tells paths apart by case; and as
    /// Windows reads it, if the upstream there is on Windows.
    ///
    /// # Errors
    /// [`Fault::NoSuchRoute`]; [`Fault::WrongMethod`] if the place has only routes for other methods;
    /// [`BadRequest::AmbiguousPath`] if two readings lead to two places; [`BadRequest::MethodOverride`] for a query that
    /// names another method, at a place where the method decides.
    pub fn find(&self, path: &CanonicalPath, host: &Host, method: &Method) -> Result<Target<'_>, Fault> {
        let ambiguous = Err(Fault::BadRequest(BadRequest::AmbiguousPath));
        let mut readings = path.readings();
        let received = readings.next().unwrap_or_default();
        let found = self.exactly(received, host);
        #[cfg(candor_mutants)]
        if let Found::RoutePlace(index) = found
            && auth_core::mutants::is("path-read-once")
        {
            return self.places[index].route(method).map(Target::Upstream);
        }
        for reading in readings {
            if self.exactly(reading, host) != found {
                return ambiguous;
            }
        }
        for reading in path.readings() {
            let in_any_case = self.in_any_case(reading, host);
            if in_any_case != found
                && !self.is_case_sensitive(if found == Found::Nothing { in_any_case } else { found })
            {
                return ambiguous;
            }
        }
        match found {
            Found::Nothing => Err(Fault::NoSuchRoute),
            Found::Own => self.own_path(path.as_str(), method).map(Target::Own),
            Found::RoutePlace(index) if self.is_elsewhere_on_windows(path, host, index) => ambiguous,
            Found::RoutePlace(index) => {
                let route = self.places[index].route(method)?;
                // The bytes that were judged are sent, so that nothing can be taken out of a query.
                let query = path.received().query().filter(|_| route.by_method);
                if query.is_some_and(reserved::query_overrides_method) {
                    return Err(Fault::BadRequest(BadRequest::MethodOverride));
                }
                Ok(Target::Upstream(route))
            }
        }
    }

    fn exactly(&self, reading: &[u8], host: &Host) -> Found {
        self.first(host, |prefix| prefix.matches(reading))
    }

    fn in_any_case(&self, reading: &[u8], host: &Host) -> Found {
        if reading.is_ascii() {
            return self.first(host, |prefix| prefix.matches_ascii_in_any_case(reading));
        }
        let reading = folded(reading);
        self.first(host, |prefix| is_prefix(&prefix.folded, &reading, <[u8]>::eq))
    }

    /// Whether a service on Windows, at the place `index`, could read the path as one that leads elsewhere.
    fn is_elsewhere_on_windows(&self, path: &CanonicalPath, host: &Host, index: usize) -> bool {
        self.places[index].names == NameRules::Windows
            && path.on_windows().iter().any(|reading| {
                let reading = folded(reading);
                self.first(host, |prefix| prefix.may_match_on_windows(&reading)) != Found::RoutePlace(index)
            })
    }

    fn first(&self, host: &Host, matches: impl Fn(&Prefix) -> bool) -> Found {
        if matches(&self.own) {
            return Found::Own;
        }
        let place = self.places.iter().position(|place| place.serves(host) && matches(&place.prefix));
        place.map_or(Found::Nothing, Found::RoutePlace)
    }

    fn is_case_sensitive(&self, found: Found) -> bool {
        match found {
            Found::RoutePlace(index) => self.places[index].names == NameRules::ByCase,
            Found::Own | Found::Nothing => false,
        }
    }

    /// Our own paths have one spelling.
    fn own_path(&self, path: &str, method: &Method) -> Result<OwnPath, Fault> {
        let rest = path.get(self.own.exact.len()..).and_then(|rest| rest.strip_prefix('/'));
        OwnPath::find(rest.ok_or(Fault::NoSuchRoute)?, method)
    }
}

impl RoutePlace {
    fn serves(&self, host: &Host) -> bool {
        self.host.as_deref().is_none_or(|own| own == host.name())
    }

    fn route(&self, method: &Method) -> Result<&Arc<Route>, Fault> {
        let takes = |route: &&Arc<Route>| match &route.methods {
            None => true,
            Some(methods) => methods.iter().any(|named| stands_for(named, method)),
        };
        // A route that names the method is meant more than one that takes all.
        let (named, any): (Vec<_>, Vec<_>) = self.routes.iter().partition(|route| route.methods.is_some());
        named.into_iter().find(takes).or_else(|| any.first().copied()).ok_or_else(|| Fault::WrongMethod(self.allow()))
    }

    /// Tells each route whether the method decides which of them is found.
    fn note_methods(&mut self) {
        let by_method = self.routes.iter().any(|route| route.methods.is_some());
        for route in &mut self.routes {
            #[cfg(candor_mutants)]
            let by_method =
                if auth_core::mutants::is("method-override-beside") { route.methods.is_some() } else { by_method };
            Arc::make_mut(route).by_method = by_method;
        }
    }

    fn allow(&self) -> AllowedMethods {
        let mut methods = Vec::new();
        for named in self.routes.iter().filter_map(|route| route.methods.as_ref()).flatten() {
            let head = (*named == Method::GET).then_some(Method::HEAD);
            for method in [Some(named.clone()), head].into_iter().flatten() {
                if !methods.contains(&method) {
                    methods.push(method);
                }
            }
        }
        AllowedMethods::new(methods)
    }
}

impl Prefix {
    fn new(path: &str) -> Self {
        let exact = path.trim_end_matches('/').as_bytes().to_vec();
        Self { folded: folded(&exact), exact }
    }

    fn matches(&self, reading: &[u8]) -> bool {
        is_prefix(&self.exact, reading, <[u8]>::eq)
    }

    fn matches_ascii_in_any_case(&self, reading: &[u8]) -> bool {
        is_prefix(&self.folded, reading, <[u8]>::eq_ignore_ascii_case)
    }

    /// Whether every segment is that of `reading` (folded), or may have it for a short name.
    fn may_match_on_windows(&self, reading: &[u8]) -> bool {
        let mut segments = reading.split(|byte| *byte == b'/');
        let mut own = self.folded.split(|byte| *byte == b'/');
        own.all(|own| segments.next().is_some_and(|segment| segment == own || may_be_short_for(segment, own)))
    }
}

/// How a place with upstreams of two kinds tells names apart.
fn least_careful(one: NameRules, other: NameRules) -> NameRules {
    match (one, other) {
        (NameRules::Windows, _) | (_, NameRules::Windows) => NameRules::Windows,
        (NameRules::ByCase, NameRules::ByCase) => NameRules::ByCase,
        (NameRules::AnyCase, _) | (_, NameRules::AnyCase) => NameRules::AnyCase,
    }
}

/// Whether `prefix` is the whole of `path`, or ends where one of its segments does.
fn is_prefix(prefix: &[u8], path: &[u8], same: impl Fn(&[u8], &[u8]) -> bool) -> bool {
    path.split_at_checked(prefix.len())
        .is_some_and(|(start, rest)| same(start, prefix) && matches!(rest.first(), None | Some(b'/')))
}

/// `GET` brings `HEAD` with it (RFC 9110 §9.3.2).
fn stands_for(named: &Method, asked: &Method) -> bool {
    named == asked || (*named == Method::GET && *asked == Method::HEAD)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use auth_core::policy::{Allow as Who, MaxStale, Requirement, RequirementId};
    use http::{HeaderValue, uri::PathAndQuery};

    use super::*;
    use crate::route::{Cache, OnDenial};

    fn route(path: &str, host: Option<&str>, methods: &[Method], upstream: &str) -> Route {
        Route {
            path: path.to_owned(),
            host: host.map(str::to_owned),
            methods: (!methods.is_empty()).then(|| methods.to_vec()),
            by_method: false,
            upstream: upstream.into(),
            requirement: Requirement::new(RequirementId(0), vec![Who::Anyone], MaxStale::DEFAULT),
            on_denial: OnDenial::Dispute,
            expect: None,
            response_timeout: Duration::from_secs(30),
            idle_body_timeout: Duration::from_secs(30),
            login_paths: Vec::new(),
            own_challenges: Vec::new(),
            max_body: None,
            client_kind: None,
            cache: Cache::Private,
            forward_authorization: false,
            underscore_headers: Vec::new(),
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
}
