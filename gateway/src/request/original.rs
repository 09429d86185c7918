//! The request that a trusted proxy asks about, for `verify`.

use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Uri,
    uri::{Authority, PathAndQuery},
};

use super::RequestHead;
use crate::{
    fault::{BadRequest, Fault},
    request::{head_rules, host::Host, path::CanonicalPath},
};

/// The original request's address, read as strictly as our own.
#[derive(Clone, Debug)]
pub struct OriginalRequest {
    /// What it asked to be done.
    pub method: Method,
    /// Its path, in every reading.
    pub path: CanonicalPath,
    /// Its host.
    pub host: Host,
}

const X_FORWARDED_METHOD: HeaderName = HeaderName::from_static("x-forwarded-method");
const X_FORWARDED_URI: HeaderName = HeaderName::from_static("x-forwarded-uri");
const X_ORIGINAL_METHOD: HeaderName = HeaderName::from_static("x-original-method");
const X_ORIGINAL_URI: HeaderName = HeaderName::from_static("x-original-uri");
const X_ORIGINAL_URL: HeaderName = HeaderName::from_static("x-original-url");

impl RequestHead {
    /// The request that a trusted proxy asks about: by `X-Forwarded-Method` and `-Uri` (Traefik, Caddy), or by
    /// `X-OriginalRequest-Method` and `-URI` or `-URL` (nginx).
    ///
    /// # Errors
    /// [`Fault::NoSuchRoute`] unless a trusted proxy asks; [`BadRequest::OwnParameters`] if method or address are missing,
    /// stated in two ways, or none; [`Fault::WrongMethod`] as for a request of our own; what is wrong with its path.
    pub fn original(&self, headers: &HeaderMap) -> Result<OriginalRequest, Fault> {
        if !self.forwarded.by_proxy {
            return Err(Fault::NoSuchRoute);
        }
        let malformed = Fault::BadRequest(BadRequest::OwnParameters);
        let method = one_of(headers, &[X_FORWARDED_METHOD, X_ORIGINAL_METHOD]).map_err(Fault::BadRequest)?;
        // nginx asks by GET about every method: taken for the original's, it would pass a POST where only GET may.
        let method = method.and_then(|method| Method::from_bytes(method.as_bytes()).ok());
        let method = method.ok_or_else(|| malformed.clone())?;
        head_rules::check_method(&method)?;
        let address = one_of(headers, &[X_FORWARDED_URI, X_ORIGINAL_URI, X_ORIGINAL_URL]);
        let address = address.map_err(Fault::BadRequest)?.ok_or_else(|| malformed.clone())?;
        if address.as_bytes().contains(&b'#') {
            // `Uri` cuts a fragment off; a proxy may yet send it on, to a service that takes it for the path.
            return Err(malformed);
        }
        let uri = Uri::try_from(address.as_bytes()).map_err(|_| malformed.clone())?;
        let host = match uri.authority() {
            Some(authority) => self.of_address(authority).ok_or_else(|| malformed.clone())?,
            None => self.host().clone(),
        };
        let target: &PathAndQuery = uri.path_and_query().ok_or(malformed)?;
        Ok(OriginalRequest { method, path: CanonicalPath::read(target).map_err(Fault::BadRequest)?, host })
    }

    /// The host of an absolute address. Where the proxy states a host besides, it must be the same: the service is sent to
    /// by one of the two, and routes are found by one.
    fn of_address(&self, authority: &Authority) -> Option<Host> {
        let host = Host::of(authority)?;
        (!self.forwarded.host_stated || host.name() == self.host().name()).then_some(host)
    }
}

/// The one value that `names` state together.
fn one_of<'a>(headers: &'a HeaderMap, names: &[HeaderName]) -> Result<Option<&'a HeaderValue>, BadRequest> {
    let mut stated = names.iter().flat_map(|name| headers.get_all(name));
    let Some(first) = stated.next() else { return Ok(None) };
    if stated.all(|other| other == first) { Ok(Some(first)) } else { Err(BadRequest::OwnParameters) }
}
