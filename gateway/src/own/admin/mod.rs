//! What the admin listener answers: figures, and whether to send requests here. There is no administration yet.

use http::{Method, Request};

use crate::{
    fault::{AllowedMethods, ClientKind, Fault},
    request::id::RequestId,
    response::{
        answer::{Answer, OwnAnswer, Recourse, Seen},
        reply::Reply,
    },
    state::Gateway,
};

/// Answers a request to the admin listener. Nobody is asked who they are: it shows nothing of anybody.
pub fn answer<B>(gateway: &Gateway, id: RequestId, request: &Request<B>) -> Reply {
    let path = request.uri().path();
    let seen = Seen {
        time: Some(gateway.now().wall()),
        method: request.method().clone(),
        path: path.to_owned(),
        ..Seen::default()
    };
    let answer = match found(request.method(), path) {
        Err(fault) => Answer::Fault(fault),
        Ok(Page::Metrics) => Answer::Own(OwnAnswer::Metrics(gateway.telemetry.figures.render())),
        // Ready is configured and not draining. A dependency that is down is no reason to send requests elsewhere: we
        // serve whom we know, and elsewhere it is just as down.
        Ok(Page::Ready) if !gateway.is_ready() => Answer::Own(OwnAnswer::Draining),
        Ok(Page::Health | Page::Ready) => Answer::Own(OwnAnswer::Well),
    };
    Reply { answer, asker: ClientKind::Script, id, place: Recourse::default(), seen }
}

#[derive(Debug, PartialEq, Eq)]
enum Page {
    Health,
    Metrics,
    Ready,
}

fn found(method: &Method, path: &str) -> Result<Page, Fault> {
    let page = match path {
        "/healthz" => Page::Health,
        "/metrics" => Page::Metrics,
        "/readyz" => Page::Ready,
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
        let check = |method: Method, path: &str, expected: Option<Page>| {
            assert_eq!(found(&method, path).ok(), expected, "{method} {path}");
        };
        check(Method::GET, "/healthz", Some(Page::Health));
        check(Method::HEAD, "/readyz", Some(Page::Ready));
        check(Method::GET, "/metrics", Some(Page::Metrics));
        check(Method::POST, "/metrics", None);
        check(Method::GET, "/", None);
        check(Method::GET, "/metrics/", None);
        check(Method::GET, "/.candor/me", None);
    }
}
