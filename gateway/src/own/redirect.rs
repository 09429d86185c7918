//! What plain HTTP is answered where https is spoken elsewhere: the same address there, whatever was asked and by whom.

use http::Request;

use crate::{
    body::Received,
    context::RequestContext,
    request::RequestHead,
    response::{
        answer::Answer,
        own_answer::{Destination, OwnAnswer},
        reply::Reply,
    },
};

/// Answers with the way to https: to the host that was asked for if a route names it, else to the public one. What else a
/// client writes as its host leads nowhere. No body is read, and no credential.
pub(crate) fn answer(context: &RequestContext, request: Request<Received>) -> Reply {
    match context.read(request) {
        Ok((head, _request)) => context.reply(Answer::Own(OwnAnswer::moved(destination(context, &head)))),
        Err(fault) => context.fault(fault),
    }
}

fn destination(context: &RequestContext, head: &RequestHead) -> Destination {
    let config = &context.running.config;
    let public = &config.server.public_url;
    let asked = head.host().name();
    let named = config.routes.iter().any(|route| route.host.as_deref() == Some(asked));
    let host = if named { asked } else { public.host_str().unwrap_or_default() };
    Destination::https(host, public.port(), head.path.received())
}
