//! The life of a request, on one screen.

use crate::{
    context::{RequestContext, arrived::Arrived},
    own, request,
    response::{answer::Answer, reply::Reply},
    route::Target,
    state::WorkerState,
    upstream::Whence,
};

/// Answers one request: reads its head, finds its route, asks who it is, sends it on, and judges what comes back.
pub async fn handle(serving: &WorkerState, arrived: Arrived) -> Reply {
    let Arrived { id, peer, running, asker, request } = arrived;
    let now = serving.now();
    let (intake, request) = match request::read(request, id, peer, &running.intake) {
        Ok(read) => read,
        Err(bad) => return Reply::to(bad.asker, id, bad.fault),
    };
    let asked = RequestContext { gateway: &serving.gateway, running: &running, intake: &intake, now };
    let route = match running.routes.find(&intake.path, intake.host(), &intake.method) {
        Ok(Target::Own(path)) => return own::answer(&path, &asked, request).await,
        Ok(Target::Upstream(route)) => route,
        Err(fault) => return asked.reply(Answer::Fault(fault), intake.presumed_asker()),
    };
    asker.set(intake.asker(route));
    let admitted = match asked.admit(&route.requirement, intake.harm(route)).await {
        Ok(admitted) => admitted,
        Err(answer) => return asked.reply_on(route, None, answer),
    };
    let whence = Whence { arrival: &intake.arrival, id: intake.id, now };
    let answer = match running.upstreams.send(&serving.pools, route, &admitted.permit, whence, request).await {
        Ok(passed) => asked.passed(passed, &admitted),
        Err(fault) => Answer::Fault(fault),
    };
    asked.reply_on(route, Some(&admitted), answer)
}
