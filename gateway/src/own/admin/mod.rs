//! What the admin listener answers. To anybody: metrics, and whether to send requests here. To those whom `[admin] allow`
//! names, by a bearer token: which sessions stand and which are held, and orders to end them.
//!
//! The orders are those of the commands on the machine itself, and go the same way: see [`order`].

mod held;
mod held_page;
pub mod order;
mod roles;
mod sessions;

use http::{Method, Request};

use self::roles::Task;
use crate::{
    body::Received,
    context::RequestContext,
    fault::{AllowedMethods, ClientKind, Fault, FaultStatus},
    response::{answer::Answer, own_answer::OwnAnswer, reply::Reply},
};

/// Answers a request to the admin listener.
pub async fn answer(context: &RequestContext, request: Request<Received>) -> Reply {
    context.answer_as(ClientKind::Script);
    match found(request.method(), request.uri().path()) {
        Err(fault) => context.fault(fault),
        Ok(AdminPath::Open(path)) => context.reply(Answer::Own(open(path, context))),
        Ok(AdminPath::Closed(path)) => closed(path, context, request).await,
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AdminPath {
    /// Nobody is asked who they are: it shows nothing of anybody.
    Open(OpenPath),
    /// Only for those whom a role names.
    Closed(ClosedPath),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OpenPath {
    Config,
    Health,
    Metrics,
    Ready,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ClosedPath {
    Sessions,
    EndSession,
    SignOut,
    Held,
    ReleaseHeld,
    HeldPage,
}

fn open(path: OpenPath, context: &RequestContext) -> OwnAnswer {
    let gateway = &context.gateway;
    match path {
        // Which one, not what it says.
        OpenPath::Config => {
            let running = &context.running;
            OwnAnswer::text(format!("{} in force since {}\n", running.config.hash, running.since))
        }
        OpenPath::Metrics => {
            OwnAnswer::text_as("text/plain; version=0.0.4; charset=utf-8", gateway.telemetry.metrics.render())
        }
        // Ready is configured and not draining. A dependency that is down is no reason to send requests elsewhere: we
        // serve whom we know, and elsewhere it is just as down.
        OpenPath::Ready if !gateway.is_ready() => OwnAnswer::text("draining\n").status(FaultStatus::ServiceUnavailable),
        OpenPath::Health | OpenPath::Ready => OwnAnswer::text("ok\n"),
    }
}

async fn closed(path: ClosedPath, context: &RequestContext, request: Request<Received>) -> Reply {
    let (head, request) = match context.read(request) {
        Ok(read) => read,
        Err(fault) => return context.fault(fault),
    };
    let (parts, body) = request.into_parts();
    let posted = parts.method == Method::POST;
    let task = if posted { Task::Order } else { Task::See };
    if path == ClosedPath::HeldPage {
        context.answer_as(ClientKind::Browser);
    }
    let answer = async {
        let host = head.host().field().to_str().unwrap_or_default().to_owned();
        if posted && !roles::may_be_posted(&parts.headers, &host, path == ClosedPath::HeldPage) {
            return Err(roles::cross_site());
        }
        let administrator = roles::admit(context, head, task).await?;
        match path {
            ClosedPath::Sessions => sessions::list(context, &parts).await,
            ClosedPath::EndSession => sessions::end(context, &administrator, &parts, body).await,
            ClosedPath::SignOut => sessions::sign_out(context, &administrator, &parts, body).await,
            ClosedPath::Held => held::list(context, &parts).await,
            ClosedPath::ReleaseHeld => held::release(context, &administrator, &parts, body).await,
            ClosedPath::HeldPage if posted => held_page::order(context, &administrator, &parts, body).await,
            ClosedPath::HeldPage => held_page::show(context, &administrator, &parts).await,
        }
    };
    context.reply(match answer.await {
        Ok(answer) | Err(answer) => answer,
    })
}

fn found(method: &Method, path: &str) -> Result<AdminPath, Fault> {
    const SEEN: &[Method] = &[Method::GET, Method::HEAD];
    const ORDERED: &[Method] = &[Method::POST];
    const BOTH: &[Method] = &[Method::GET, Method::HEAD, Method::POST];
    let (page, methods) = match path {
        "/configz" => (AdminPath::Open(OpenPath::Config), SEEN),
        "/healthz" => (AdminPath::Open(OpenPath::Health), SEEN),
        "/metrics" => (AdminPath::Open(OpenPath::Metrics), SEEN),
        "/readyz" => (AdminPath::Open(OpenPath::Ready), SEEN),
        "/admin/v1/sessions" => (AdminPath::Closed(ClosedPath::Sessions), SEEN),
        "/admin/v1/sessions/end" => (AdminPath::Closed(ClosedPath::EndSession), ORDERED),
        "/admin/v1/sessions/sign-out" => (AdminPath::Closed(ClosedPath::SignOut), ORDERED),
        "/admin/v1/held" => (AdminPath::Closed(ClosedPath::Held), SEEN),
        "/admin/v1/held/release" => (AdminPath::Closed(ClosedPath::ReleaseHeld), ORDERED),
        "/held" => (AdminPath::Closed(ClosedPath::HeldPage), BOTH),
        _ => return Err(Fault::NoSuchRoute),
    };
    if methods.contains(method) {
        return Ok(page);
    }
    Err(Fault::WrongMethod(AllowedMethods::new(methods.iter().cloned())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operators_find_these_addresses_and_no_more() {
        let check = |method: Method, path: &str, expected: Option<AdminPath>| {
            assert_eq!(found(&method, path).ok(), expected, "{method} {path}");
        };
        let (open, closed) = (|path| Some(AdminPath::Open(path)), |path| Some(AdminPath::Closed(path)));
        check(Method::GET, "/configz", open(OpenPath::Config));
        check(Method::GET, "/healthz", open(OpenPath::Health));
        check(Method::HEAD, "/readyz", open(OpenPath::Ready));
        check(Method::GET, "/metrics", open(OpenPath::Metrics));
        check(Method::POST, "/metrics", None);
        check(Method::GET, "/admin/v1/sessions", closed(ClosedPath::Sessions));
        check(Method::POST, "/admin/v1/sessions/end", closed(ClosedPath::EndSession));
        check(Method::POST, "/held", closed(ClosedPath::HeldPage));
        for (method, path) in [
            (Method::GET, "/admin/v1/sessions/end"),
            (Method::PUT, "/admin/v1/sessions/end"),
            (Method::DELETE, "/admin/v1/sessions"),
            (Method::OPTIONS, "/admin/v1/held/release"),
            (Method::GET, "/"),
            (Method::GET, "/metrics/"),
            (Method::GET, "/admin/v1/sessions/"),
            (Method::GET, "/admin//v1/sessions"),
            (Method::GET, "/.candor/me"),
        ] {
            check(method, path, None);
        }
    }
}
