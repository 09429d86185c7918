//! `verify`: another proxy asks whether it may let a request through (nginx `auth_request`, Traefik `forwardAuth`, Caddy
//! `forward_auth`). It has a listener of its own, which answers nothing else: on the public one any client could ask,
//! with an address and a host that it made up, and be given what only an upstream should see.
//!
//! Only trusted proxies are answered there; to others there is nothing. The original address is read as strictly as our
//! own, and the original route decides: who may pass, and in whose form the answer is given. The permit is dropped, since
//! nothing is forwarded from here. Deliberately absent: reading any field that names somebody.

use http::HeaderMap;

use crate::{
    context::{Admitted, RequestContext, arrived::Arrived},
    fault::{BadRequest, ClientKind, Fault},
    headers::{IdentityHeaders, reserved},
    request::{self, OriginalRequest},
    response::{
        answer::{Answer, OwnAnswer, Recourse, Seen},
        reply::Reply,
    },
    route::{Route, Target},
    state::Gateway,
    upstream::identity_fields::IdentityFields,
};

/// Answers a request to the forward-auth listener.
pub async fn answer(gateway: &Gateway, arrived: Arrived) -> Reply {
    let Arrived { id, peer, running, asker, request } = arrived;
    asker.set(ClientKind::ForwardAuth);
    let now = gateway.now();
    let (intake, request) = match request::read(request, id, peer, &running.intake) {
        Ok(read) => read,
        Err(bad) => return Reply::to(ClientKind::ForwardAuth, id, bad.fault),
    };
    let asked = RequestContext { gateway, running: &running, intake: &intake, now };
    // It is asked with any method: some proxies use that of the original request.
    if intake.path.as_str() != running.site.own("verify") {
        return asked.reply(Answer::Fault(Fault::NoSuchRoute), ClientKind::ForwardAuth);
    }
    match found(&asked, request.headers()) {
        Ok((original, Some(route))) => {
            let by = intake.asker_by_proxy(route);
            asker.set(by);
            verify(&asked, &original, route, by).await
        }
        Ok((_, None)) => {
            let nobody = OwnAnswer::Vouched(stated(&asked, &IdentityFields::Nobody, None));
            asked.reply(Answer::Own(nobody), ClientKind::ForwardAuth)
        }
        Err(fault) => asked.reply(Answer::Fault(fault), ClientKind::ForwardAuth),
    }
}

/// The request that is asked about, and its route; none if it is for one of our own paths, which look after themselves.
fn found<'r>(asked: &RequestContext<'r>, headers: &HeaderMap) -> Result<(OriginalRequest, Option<&'r Route>), Fault> {
    let original = asked.intake.original(headers)?;
    let reserved = &asked.running.intake.rules.reserved;
    // The proxy overwrites our names as we write them, and sends on whatever else some server may take for them.
    if headers.keys().any(|name| reserved.is_evaded_by(name.as_str())) {
        return Err(Fault::BadRequest(BadRequest::ReservedName));
    }
    match asked.running.routes.find(&original.path, &original.host, &original.method)? {
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
async fn verify(asked: &RequestContext<'_>, original: &OriginalRequest, route: &Route, by: ClientKind) -> Reply {
    let admitted = asked.admit(&route.requirement, asked.intake.harm(route)).await;
    let seen = Seen { route: Some(route.path.as_str().into()), ..asked.seen() };
    let (answer, seen) = match admitted {
        Ok(admitted) => (vouched(asked, route, &admitted), admitted.described(seen)),
        Err(answer) => (answer, seen),
    };
    let place: Recourse = asked.place(&original.method, original.path.received().as_str(), &route.requirement);
    Reply { place, seen, ..asked.reply(answer, by) }
}

fn vouched(asked: &RequestContext<'_>, route: &Route, admitted: &Admitted) -> Answer {
    match asked.running.upstreams.introduction(route, &admitted.permit, asked.now) {
        Ok(introduction) => Answer::Own(OwnAnswer::Vouched(stated(asked, &introduction, Some(route)))),
        Err(fault) => Answer::Fault(fault),
    }
}

/// Who it is, in the names that the route's upstream knows. A proxy copies the same names for every route, so that those
/// of all upstreams are stated.
fn stated(asked: &RequestContext<'_>, introduction: &IdentityFields<'_>, route: Option<&Route>) -> HeaderMap {
    let upstreams = &asked.running.config.upstreams;
    let naming = |name| upstreams.get(name).map(|upstream| &upstream.identity_headers);
    let namings = upstreams.values().map(|upstream| -> &IdentityHeaders { &upstream.identity_headers });
    #[cfg(candor_mutants)]
    let namings = namings.filter(|_| !auth_core::mutants::is("verify-says-only-what-is"));
    introduction.state(route.and_then(|route| naming(&route.upstream)), namings)
}
