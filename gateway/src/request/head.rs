//! The request head, understood: who sent it from where, for which path, and what it brought to show who it is.
//!
//! Candidates for a credential are kept raw. Which of them count, and in whose form the answer is given, is decided once
//! the route is known.

use std::net::IpAddr;

use auth_core::credential::{CredentialCandidates, CredentialText, cookies};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Version, header};
use secrecy::SecretString;

use crate::{
    fault::{BadRequest, Fault},
    headers::CookieNames,
    request::{
        forwarded::{Forwarded, ForwardedPolicy},
        head_rules::{self, IngressRules},
        host::Host,
        id::RequestId,
        path::CanonicalPath,
    },
};

/// How heads are read: the part of the configuration that this takes.
#[derive(Clone, Debug)]
pub struct HeadPolicy {
    /// What is taken from the wire.
    pub rules: IngressRules,
    /// Whose word about the way a request came is believed.
    pub forwarded: ForwardedPolicy,
    /// What our own cookies are called.
    pub cookies: CookieNames,
    /// The public address as `Origin` spells it (RFC 6454 §6.2).
    pub origin: String,
    /// The field in which tokens of before stand, if such are adopted.
    pub legacy_header: Option<HeaderName>,
}

/// A request's head, understood.
#[derive(Debug)]
pub struct RequestHead {
    /// Our name for the request.
    pub id: RequestId,
    /// What it asks to be done.
    pub method: Method,
    /// The path, in every reading.
    pub path: CanonicalPath,
    /// Which way it came.
    pub forwarded: Forwarded,
    /// Whether our own pages, and no other site, made the browser send it: `Sec-Fetch-Site: same-origin`, or `Origin`
    /// is the public address.
    pub same_origin: bool,
    /// What could be a credential.
    pub credentials: CredentialCandidates,
    pending: Vec<(String, SecretString)>,
}

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Reads the head of a request from `peer`, strictly. The request comes back as it was.
///
/// # Errors
/// What [`head_rules::strict`] refuses, a trusted proxy's word about the host that names none, and two `Authorization`
/// fields.
pub fn read<B>(
    request: Request<B>,
    id: RequestId,
    peer: IpAddr,
    policy: &HeadPolicy,
) -> Result<(RequestHead, Request<B>), Fault> {
    let (mut parts, body) = request.into_parts();
    if parts.version == Version::HTTP_2 {
        join_cookies(&mut parts.headers);
    }
    let strict = head_rules::strict(&parts, &policy.rules)?;
    let forwarded = Forwarded::of(&parts.headers, peer, strict.host, &policy.forwarded).map_err(bad_request)?;
    let credentials = CredentialCandidates::read(&parts.headers, policy.cookies.ticket, policy.legacy_header.as_ref());
    let credentials = credentials.map_err(bad_request)?;
    let head = RequestHead {
        id,
        method: parts.method.clone(),
        forwarded,
        path: strict.path,
        same_origin: is_same_origin(&parts.headers, &policy.origin),
        credentials,
        pending: pending(&parts.headers, policy.cookies),
    };
    Ok((head, Request::from_parts(parts, body)))
}

impl RequestHead {
    /// Whom the client sent it to: what a trusted proxy says, else `Host`. Routes are found by it, and it is sent on.
    pub fn host(&self) -> &Host {
        &self.forwarded.host
    }

    /// The one ticket in our cookie.
    ///
    /// # Errors
    /// [`BadRequest::TwoTickets`], if there are two different ones. Nothing is cleared: we do not know which of them
    /// somebody planted.
    pub fn ticket(&self) -> Result<Option<CredentialText>, Fault> {
        self.credentials.ticket().map_err(bad_request)
    }

    /// It shows nothing but what is left in `headers`.
    pub(crate) fn forget_credentials(&mut self, headers: &HeaderMap, policy: &HeadPolicy) {
        // Two of a kind were refused when it was read: what is left can be read.
        let left = CredentialCandidates::read(headers, policy.cookies.ticket, policy.legacy_header.as_ref());
        if let Ok(left) = left {
            self.credentials = left;
        }
        self.pending.clear();
    }

    /// The sign-ins that this browser has begun: names and values of their cookies.
    pub fn pending(&self) -> &[(String, SecretString)] {
        &self.pending
    }
}

/// HTTP/2 sends cookies in as many fields as it likes; whoever reads them further on knows of one (RFC 9113 §8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    let mut fields = headers.get_all(header::COOKIE).iter();
    if fields.next().is_none() || fields.next().is_none() {
        return;
    }
    let fields: Vec<_> = headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if let Ok(mut joined) = HeaderValue::from_bytes(&fields.join(b"; ".as_slice())) {
        joined.set_sensitive(true);
        headers.insert(header::COOKIE, joined);
    }
}

fn bad_request(bad: impl Into<BadRequest>) -> Fault {
    Fault::BadRequest(bad.into())
}

fn pending(headers: &HeaderMap, names: CookieNames) -> Vec<(String, SecretString)> {
    let ours = cookies(headers).filter(|(name, _)| name.starts_with(names.pending.as_bytes()));
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    ours.map(|(name, value)| (text(name), text(value).into())).collect()
}

fn is_same_origin(headers: &HeaderMap, origin: &str) -> bool {
    #[cfg(candor_mutants)]
    if auth_core::mutants::is("any-site-may-post") {
        return true;
    }
    let is = |name: &HeaderName, expected: &str| {
        let mut values = headers.get_all(name).iter();
        values.next().is_some_and(|value| value.as_bytes() == expected.as_bytes()) && values.next().is_none()
    };
    is(&SEC_FETCH_SITE, "same-origin") || is(&header::ORIGIN, origin)
}

#[cfg(test)]
#[path = "head_tests.rs"]
mod tests;
