//! What a fault's page says.

use crate::{
    fault::{Fault, FaultStatus},
    response::page::Page,
};

/// The page of `fault`, which is answered with `status`.
pub(crate) fn fault(fault: &Fault, status: FaultStatus) -> Page {
    let page = Page::new(title(status), fault.explain()).again();
    match what_became(fault) {
        Some(what) => page.if_sent(what),
        None => page,
    }
}

fn title(status: FaultStatus) -> &'static str {
    match status {
        FaultStatus::BadRequest => "This request cannot be served",
        FaultStatus::NotFound => "Page not found",
        FaultStatus::MethodNotAllowed => "This cannot be done here",
        FaultStatus::Conflict => "This cannot be done as things are",
        FaultStatus::Gone => "This is over",
        FaultStatus::UnsupportedMediaType => "What was sent is of the wrong kind",
        FaultStatus::ContentTooLarge => "What was sent is too large",
        FaultStatus::UriTooLong => "This address is too long",
        FaultStatus::ExpectationFailed => "This request asks for something unknown",
        FaultStatus::TooManyRequests => "Too many requests",
        FaultStatus::RequestHeaderFieldsTooLarge => "The request's header fields are too large",
        FaultStatus::InternalServerError => "Something went wrong on our side",
        FaultStatus::NotImplemented => "Not supported yet",
        FaultStatus::BadGateway => "The service gave no answer",
        FaultStatus::ServiceUnavailable => "The service is not available just now",
        FaultStatus::GatewayTimeout => "The service takes too long",
    }
}

/// What became of what a request sent, and what to do about it: `None` where making it again would change nothing.
fn what_became(fault: &Fault) -> Option<&'static str> {
    const NOTHING: &str = "What you sent was not processed, and it is not lost. In a minute, load this page again and let \
                           your browser send the same once more; or go back to the page before, which usually still \
                           holds what you typed.";
    const UNKNOWN: &str = "What you sent may have arrived or not. It is not lost: go back to the page before, which \
                           usually still holds what you typed. Before you send it again, look whether it has arrived.";
    match fault {
        Fault::RateLimited { .. }
        | Fault::NoEndpoint { .. }
        | Fault::OverShare { .. }
        | Fault::ConnectFailed(..)
        | Fault::Overloaded => Some(NOTHING),
        Fault::UpstreamReset(_)
        | Fault::UpstreamGarbage(_)
        | Fault::UpgradeFailed(_)
        | Fault::PermitEnded
        | Fault::DisputedIdentity(_)
        | Fault::UndecidedIdentity(_)
        | Fault::RenewalRequired(_)
        | Fault::TimedOut(..)
        | Fault::Panicked
        | Fault::PermitMismatch
        | Fault::Internal(_) => Some(UNKNOWN),
        Fault::BadRequest(_)
        | Fault::NoSuchRoute
        | Fault::WrongMethod(_)
        | Fault::TargetTooLong
        | Fault::HeadTooLarge
        | Fault::BodyTooLarge
        | Fault::WrongMediaType
        | Fault::ExpectationUnknown => None,
    }
}
