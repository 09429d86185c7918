//! The life of a request, on one screen.

use std::rc::Rc;

use http::Request;

use crate::{
    body::Received,
    context::RequestContext,
    fault::ClientKind,
    own::{self, LegacyPinAsked},
    response::{answer::Answer, reply::Reply},
    route::Target,
    upstream::{Forwarding, Pools},
};

/// Answers one request: reads its head, finds its route, asks who it is, sends it on, and vets what comes back.
pub async fn handle(pools: &Rc<Pools>, context: &RequestContext, request: Request<Received>) -> Reply {
    let running = &context.running;
    let (mut head, mut request) = match context.read(request) {
        Ok(read) => read,
        Err(fault) => return context.fault(fault),
    };
    if let Some(asked) = LegacyPinAsked::by(context, &head) {
        return context.reply(asked.answer(context, &head, request.into_body()).await);
    }
    if running.routes.is_for_devices(&head.path) {
        context.answer_as(ClientKind::Device);
    }
    let route = match context.preflight(&mut head, &mut request) {
        Some(route) => route,
        None => match running.routes.find(&head.path, head.host(), &head.method) {
            Ok(Target::Own(path)) => return own::answer(&path, context, &head, request).await,
            Ok(Target::Upstream(route)) => {
                context.is_on_from_anywhere(route, request.headers());
                route
            }
            Err(fault) => return context.reply(Answer::Fault(fault)),
        },
    };
    context.answer_as(route.client_kind(context.client_kind()));
    let admitted = match context.admit(&head, &route.requirement, context.client_kind().harm()).await {
        Ok(admitted) => admitted,
        Err(answer) => return context.reply_on(route, &head, answer),
    };
    let access_token = match context.access_token(route, &admitted).await {
        Ok(access_token) => access_token,
        Err(unavailable) => return context.reply_on(route, &head, Answer::Unavailable(unavailable)),
    };
    context.goes_to_upstream();
    let watch = context.watch_upload(&admitted, request.body());
    let forwarding = Forwarding { route, permit: &admitted.permit, access_token, watch };
    let sent = running.upstreams.send(pools, forwarding, &head, context.now, request);
    let answer = match context.in_time(route, sent).await {
        Ok(response) => context.vetted(response, admitted),
        Err(fault) => Answer::Fault(fault),
    };
    context.reply_on(route, &head, answer)
}
