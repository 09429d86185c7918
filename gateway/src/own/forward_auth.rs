//! `verify`: another proxy asks whether it may let a request through (nginx `auth_request`, Traefik `forwardAuth`, Caddy
//! `forward_auth`). It has a listener of its own, which answers nothing else: on the public one any client could ask,
//! with an address and a host that it made up, and be given what only an upstream should see.
//!
//! Only trusted proxies are answered there; to others there is nothing. The original address is read as strictly as our
//! own, and the original route decides: who may pass, and in whose form the answer is given. The permit is dropped, since
//! nothing is forwarded from here. Deliberately absent: reading any field that names somebody.

use http::{HeaderMap, Request};

use crate::{
    body::Received,
    context::{Admitted, RequestContext},
    fault::{BadRequest, ClientKind, Fault},
    headers::{IdentityHeaders, reserved},
    request::{OriginalRequest, RequestHead},
    response::{answer::Answer, own_answer::OwnAnswer, reply::Reply},
    route::{Route, Target},
    upstream::identity_fields::{IdentityFields, StatedIdentity},
};

/// Answers a request to the forward-auth listener.
pub async fn answer(context: &RequestContext, request: Request<Received>) -> Reply {
    context.answer_as(ClientKind::ForwardAuth);
    let (head, request) = match context.read(request) {
        Ok(read) => read,
        Err(fault) => return context.fault(fault),
    };
    // It is asked with any method: some proxies use that of the original request.
    if head.path.as_str() != context.running.site.own("verify") {
        return context.reply(Answer::Fault(Fault::NoSuchRoute));
    }
    match found(context, &head, request.headers()) {
        Ok((original, Some(route))) => {
            context.answer_as(route.client_kind_by_proxy());
            verify(context, &head, &original, route).await
        }
        Ok((_, None)) => {
            let nobody = OwnAnswer::identity(stated(context, &IdentityFields::Nobody, None));
            context.reply(Answer::Own(nobody))
        }
        Err(fault) => context.reply(Answer::Fault(fault)),
    }
}

/// The request that is asked about, and its route; none if it is for one of our own paths, which look after themselves.
fn found<'r>(
    context: &'r RequestContext,
    head: &RequestHead,
    headers: &HeaderMap,
) -> Result<(OriginalRequest, Option<&'r Route>), Fault> {
    let original = head.original(headers)?;
    let reserved = &context.running.head_policy.rules.reserved;
    // The proxy overwrites our names as we write them, and sends on whatever else some server may take for them.
    if headers.keys().any(|name| reserved.is_evaded_by(name.as_str())) {
        return Err(Fault::BadRequest(BadRequest::ReservedName));
    }
    match context.running.routes.find(&original.path, &original.host, &original.method)? {
        // The proxy sends the fields on: what is dropped from a request of our own is refused here.
        Target::Upstream(route)
            if route.by_method && headers.keys().any(|name| reserved::overrides_method(name.as_str())) =>
        {
            Err(Fault::BadRequest(BadRequest::MethodOverride))
        }
        Target::Upstream(route) => Ok((original, Some(route))),
        Target::Own(_) => Ok((original, None)),
    }
}

/// Whether the original request would pass: 200 with who it is, or what it would have been answered.
async fn verify(context: &RequestContext, head: &RequestHead, original: &OriginalRequest, route: &Route) -> Reply {
    context.is_on(route);
    let answer = match context.admit(head, &route.requirement, context.client_kind().harm()).await {
        Ok(admitted) => vouched(context, route, &admitted),
        Err(answer) => answer,
    };
    let recourse = context.recourse(&original.method, original.path.received().as_str(), &route.requirement);
    Reply { recourse, ..context.reply(answer) }
}

fn vouched(context: &RequestContext, route: &Route, admitted: &Admitted) -> Answer {
    match context.running.upstreams.identity(route, &admitted.permit, context.now) {
        Ok(identity) => Answer::Own(OwnAnswer::identity(stated(context, &identity, Some(route)))),
        Err(fault) => Answer::Fault(fault),
    }
}

/// Who it is, in the names that the route's upstream knows. A proxy copies the same names for every route, so that those
/// of all upstreams are stated.
fn stated(context: &RequestContext, identity: &IdentityFields<'_>, route: Option<&Route>) -> StatedIdentity {
    let upstreams = &context.running.config.upstreams;
    let naming = |name| upstreams.get(name).map(|upstream| &upstream.identity_headers);
    let namings = upstreams.values().map(|upstream| -> &IdentityHeaders { &upstream.identity_headers });
    #[cfg(candor_mutants)]
    let namings = namings.filter(|_| !auth_core::mutants::is("verify-says-only-what-is"));
    identity.state(route.and_then(|route| naming(&route.upstream)), namings)
}
