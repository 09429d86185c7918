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
    /// Whether our own paths for devices are there.
    devices: bool,
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
        Self { own: Prefix::new(own_prefix), devices: false, places }
    }

    /// The same table with our own paths for devices, if there are any.
    #[must_use]
    pub fn with_devices(self, devices: bool) -> Self {
        Self { devices, ..self }
    }

    /// Whether a path is, or would be, one of our own for devices: whatever is said there is said in their form.
    pub fn is_for_devices(&self, path: &CanonicalPath) -> bool {
        let rest = path.as_str().as_bytes().strip_prefix(self.own.exact.as_slice());
        self.devices && rest.is_some_and(|rest| rest.starts_with(b"/device/"))
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
        OwnPath::find(rest.ok_or(Fault::NoSuchRoute)?, method, self.devices)
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
mod tests;
