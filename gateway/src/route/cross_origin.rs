//! Scripts of other origins: which may read our own answers on a route, and what becomes of their preflights.
//!
//! A preflight (Fetch standard, "CORS-preflight request") asks whether a request may be made, and comes without any
//! credential. Were it to be met by our 401, no script of another origin could ever sign anybody in. So it goes to the service,
//! which alone knows its own rules; as somebody unknown, whatever it carries. What the service answers passes as it is, and
//! so do the fields of the Fetch standard that it puts on all its other answers: only our own are ours to mark.
//!
//! Which origins is a list. A page of ours may name who is signed in, and that of 403 differs from that of 401: an origin
//! that is not listed learns neither.

use auth_core::policy::{Allow, MaxStale, Requirement, RequirementId};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method,
    header::{
        ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS,
        ACCESS_CONTROL_REQUEST_METHOD, AUTHORIZATION, COOKIE, ORIGIN, VARY,
    },
};

use super::Route;

/// What a script may read of our own answers besides their status and body.
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "auth-renew, proxy-status, retry-after, www-authenticate, x-gateway-answer, x-gateway-sign-in, x-request-id",
);

/// Where all preflights are served: anyone may ask. The id is no route's.
const PREFLIGHT: RequirementId = RequirementId(u32::MAX - 4);

/// Which scripts of other origins a route is for.
#[derive(Clone, Debug)]
pub struct CrossOrigin {
    origins: Vec<HeaderValue>,
    preflight: Box<Route>,
}

/// An origin that a route lists, as its request names it: our own answers are marked for it.
#[derive(Clone, Debug)]
pub struct ListedOrigin(HeaderValue);

impl CrossOrigin {
    /// On `route`, for scripts of `origins`, each in its ASCII form (RFC 6454 §6.2).
    pub fn new(route: &Route, origins: Vec<HeaderValue>) -> Self {
        let preflight = Route {
            requirement: Requirement::new(PREFLIGHT, vec![Allow::Anyone], MaxStale::DEFAULT),
            // No field of a preflight names another method.
            by_method: true,
            forward_authorization: false,
            forward_access_token: false,
            cross_origin: None,
            ..route.clone()
        };
        Self { origins, preflight: Box::new(preflight) }
    }

    /// Where a preflight of this route goes: the same upstream, by the same rules, open to anyone.
    pub fn preflight(&self) -> &Route {
        &self.preflight
    }

    /// The origin that `headers` name, if it is listed. Two of them are none.
    pub fn listed(&self, headers: &HeaderMap) -> Option<ListedOrigin> {
        let mut named = headers.get_all(ORIGIN).iter();
        let (origin, None) = (named.next()?, named.next()) else { return None };
        #[cfg(candor_mutants)]
        if auth_core::mutants::is("every-origin-is-listed") {
            return Some(ListedOrigin(origin.clone()));
        }
        self.origins.contains(origin).then(|| ListedOrigin(origin.clone()))
    }
}

impl ListedOrigin {
    /// Lets the script that asked read an answer with these headers.
    pub fn mark(&self, headers: &mut HeaderMap) {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, self.0.clone());
        headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
        headers.append(VARY, HeaderValue::from_static("origin"));
    }
}

/// Which method a preflight asks about; `None` for every other request.
pub fn method_asked_about(method: &Method, headers: &HeaderMap) -> Option<Method> {
    if method != Method::OPTIONS || !headers.contains_key(ORIGIN) {
        return None;
    }
    Method::from_bytes(headers.get(ACCESS_CONTROL_REQUEST_METHOD)?.as_bytes()).ok()
}

/// Takes out of a preflight whatever could be a credential, `legacy` among it. Browsers send none with one.
pub fn remove_credentials(headers: &mut HeaderMap, legacy: Option<&HeaderName>) {
    #[cfg(candor_mutants)]
    if auth_core::mutants::is("preflight-keeps-credentials") {
        return;
    }
    headers.remove(AUTHORIZATION);
    headers.remove(COOKIE);
    if let Some(legacy) = legacy {
        headers.remove(legacy);
    }
}

#[cfg(test)]
mod tests {
    use super::{super::tests::route, *};

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let fields =
            fields.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(name, value);
        }
        headers
    }

    #[test]
    fn an_origin_is_listed_to_the_letter_and_only_once() {
        let listed = CrossOrigin::new(&route(&[Allow::Anyone]), vec![HeaderValue::from_static("https://app.example")]);
        let named = |origins: &[&'static str]| {
            let fields: Vec<_> = origins.iter().map(|origin| ("origin", *origin)).collect();
            listed.listed(&headers(&fields)).is_some()
        };
        assert!(named(&["https://app.example"]));
        for others in [
            &[][..],
            &["null"],
            &["https://app.example.evil.example"],
            &["http://app.example"],
            &["https://APP.example"],
            &["https://app.example", "https://evil.example"],
            &["https://app.example", "https://app.example"],
        ] {
            assert!(!named(others), "{others:?}");
        }
    }

    #[test]
    fn a_preflight_names_its_origin_and_a_method() {
        let asked = |method, fields: &[(&'static str, &'static str)]| method_asked_about(&method, &headers(fields));
        let (origin, put) = (("origin", "https://a.example"), ("access-control-request-method", "PUT"));
        assert_eq!(asked(Method::OPTIONS, &[origin, put]), Some(Method::PUT));
        assert_eq!(asked(Method::OPTIONS, &[origin]), None);
        assert_eq!(asked(Method::OPTIONS, &[put]), None);
        assert_eq!(asked(Method::GET, &[origin, put]), None);
        assert_eq!(asked(Method::OPTIONS, &[origin, ("access-control-request-method", "a b")]), None);
    }
}
