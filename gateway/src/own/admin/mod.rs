//! What the admin listener answers: metrics, and whether to send requests here. There is no administration yet.

use http::{Method, Request};

use crate::{
    body::Received,
    context::RequestContext,
    fault::{AllowedMethods, ClientKind, Fault, FaultStatus},
    response::{answer::Answer, own_answer::OwnAnswer, reply::Reply},
};

/// Answers a request to the admin listener. Nobody is asked who they are: it shows nothing of anybody.
pub async fn answer(context: &RequestContext, request: Request<Received>) -> Reply {
    context.answer_as(ClientKind::Script);
    let gateway = &context.gateway;
    let answer = match found(request.method(), request.uri().path()) {
        Err(fault) => return context.fault(fault),
        Ok(AdminPath::Metrics) => {
            let metrics = gateway.telemetry.metrics.render();
            OwnAnswer::text_as("text/plain; version=0.0.4; charset=utf-8", metrics)
        }
        // Ready is configured and not draining. A dependency that is down is no reason to send requests elsewhere: we
        // serve whom we know, and elsewhere it is just as down.
        Ok(AdminPath::Ready) if !gateway.is_ready() => {
            OwnAnswer::text("draining\n").status(FaultStatus::ServiceUnavailable)
        }
        Ok(AdminPath::Health | AdminPath::Ready) => OwnAnswer::text("ok\n"),
    };
    context.reply(Answer::Own(answer))
}

#[derive(Debug, PartialEq, Eq)]
enum AdminPath {
    Health,
    Metrics,
    Ready,
}

fn found(method: &Method, path: &str) -> Result<AdminPath, Fault> {
    let page = match path {
        "/healthz" => AdminPath::Health,
        "/metrics" => AdminPath::Metrics,
        "/readyz" => AdminPath::Ready,
        _ => return Err(Fault::NoSuchRoute),
    };
    match *method {
        Method::GET | Method::HEAD => Ok(page),
        _ => Err(Fault::WrongMethod(AllowedMethods::new([Method::GET, Method::HEAD]))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operators_find_three_addresses_and_no_more() {
        let check = |method: Method, path: &str, expected: Option<AdminPath>| {
            assert_eq!(found(&method, path).ok(), expected, "{method} {path}");
        };
        check(Method::GET, "/healthz", Some(AdminPath::Health));
        check(Method::HEAD, "/readyz", Some(AdminPath::Ready));
        check(Method::GET, "/metrics", Some(AdminPath::Metrics));
        check(Method::POST, "/metrics", None);
        check(Method::GET, "/", None);
        check(Method::GET, "/metrics/", None);
        check(Method::GET, "/.candor/me", None);
    }
}
