//! `verify`: another proxy asks whether it may let a request through (nginx `auth_request`, Traefik `forwardAuth`, Caddy
//! `forward_auth`).
//!
//! Only trusted proxies are answered; to others there is nothing here. The original address is read as strictly as our
//! own, and the original route's `allow` decides. The permit is dropped, since nothing is forwarded from here.

use auth_core::policy::{Holder, Permit};
use http::{HeaderMap, HeaderName, request};

use crate::{
    answer::{Answer, OwnAnswer, Place},
    asked::Asked,
    fault::{BadRequest, Fault},
    reserved,
    route::{Route, Target},
};

/// Whether the original request would pass: 200 with who it is, or what it would have been answered; and where that is.
pub(super) async fn verify(asked: &Asked<'_>, head: &request::Parts) -> (Answer, Option<Place>) {
    let original = match asked.intake.original(&head.headers) {
        Ok(original) => original,
        Err(fault) => return (Answer::Fault(fault), None),
    };
    let route = match asked.running.routes.find(&original.path, &original.host, &original.method) {
        Ok(Target::Upstream(route)) => route,
        // Our own paths look after themselves.
        Ok(Target::Own(_)) => return (Answer::Own(OwnAnswer::Vouched(HeaderMap::new())), None),
        Err(fault) => return (Answer::Fault(fault), None),
    };
    // The proxy sends the fields on: what is dropped from a request of our own is refused here.
    if route.by_method && head.headers.keys().any(|name| reserved::overrides_method(name.as_str())) {
        return (Answer::Fault(Fault::BadRequest(BadRequest::MethodOverride)), None);
    }
    let answer = match asked.admit(&route.requirement, asked.intake.harm(route)).await {
        Ok(admitted) => match introduced(asked, route, &admitted.permit) {
            Ok(headers) => Answer::Own(OwnAnswer::Vouched(headers)),
            Err(fault) => Answer::Fault(fault),
        },
        Err(answer) => answer,
    };
    (answer, Some(asked.place(&original.method, original.path.received().as_str(), &route.requirement)))
}

/// Who it is, in the names that the route's upstream knows.
fn introduced(asked: &Asked<'_>, route: &Route, permit: &Permit) -> Result<HeaderMap, Fault> {
    let mut headers = HeaderMap::new();
    if let Holder::Known(principal) = permit.holder()
        && let Some(upstream) = asked.running.config.upstreams.get(&route.upstream)
    {
        upstream.identity_headers.say(principal, &mut headers);
        let signed = asked.running.voucher.vouch(principal, &route.upstream, asked.now)?;
        headers.insert(HeaderName::from_static("x-gateway-identity"), signed);
    }
    Ok(headers)
}
