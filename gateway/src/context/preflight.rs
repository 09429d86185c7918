//! Requests of scripts of other origins, as their route wants them: preflights, and who may read our own answers.

use http::{HeaderMap, Request};

use super::RequestContext;
use crate::{
    request::RequestHead,
    route::{Route, Target, cross_origin},
};

impl RequestContext {
    /// Where `request` goes, if it is a preflight from an origin that the route of the method it asks about lists. Then it is
    /// nobody's request: whatever it shows is taken out of it.
    ///
    /// A preflight from anywhere else is a request like any other.
    pub(crate) fn preflight<B>(&self, head: &mut RequestHead, request: &mut Request<B>) -> Option<&Route> {
        let method = cross_origin::method_asked_about(&head.method, request.headers())?;
        let Ok(Target::Upstream(route)) = self.running.routes.find(&head.path, head.host(), &method) else {
            return None;
        };
        let cross_origin = route.cross_origin.as_ref()?;
        let origin = cross_origin.listed(request.headers())?;
        self.found.borrow_mut().origin = Some(origin);
        self.is_on(route);
        let policy = &self.running.head_policy;
        cross_origin::remove_credentials(request.headers_mut(), policy.legacy_header.as_ref());
        head.forget_credentials(request.headers(), policy);
        Some(cross_origin.preflight())
    }

    /// It is for `route`, and a script of an origin that the route lists may read what we answer ourselves.
    pub(crate) fn is_on_from_anywhere(&self, route: &Route, headers: &HeaderMap) {
        self.is_on(route);
        self.found.borrow_mut().origin = route.cross_origin.as_ref().and_then(|listed| listed.listed(headers));
    }
}
