//! What went wrong that is no verdict on anybody's credential, whose fault it was, and how each client_kind sees it.
//!
//! A [`Fault`] becomes one of the [`FaultStatus`]es. What is deliberately absent: 401, 403, 407 and every 3xx. A fault
//! cannot name them, so that no outage can look like a failed sign-in.

mod allowed_methods;
mod answer_word;
mod bad_request;
mod client_kind;
mod connect;
mod device_problem;
mod status;

use std::{fmt, sync::Arc, time::Duration};

use auth_core::verdict::Unavailable;
use http::{HeaderValue, StatusCode};

pub use self::{
    allowed_methods::AllowedMethods,
    answer_word::AnswerWord,
    bad_request::BadRequest,
    client_kind::ClientKind,
    connect::{ConnectFault, TlsFault},
    device_problem::DeviceProblem,
    status::FaultStatus,
};

/// What went wrong.
#[derive(Clone, Debug)]
#[must_use]
pub enum Fault {
    /// The request cannot be read in exactly one way, or breaks HTTP (RFC 9110, RFC 9112).
    BadRequest(BadRequest),
    /// No route matches its path and host.
    NoSuchRoute,
    /// A route matches, but not for this method.
    WrongMethod(AllowedMethods),
    /// The request target is longer than `max_target`.
    TargetTooLong,
    /// The head is larger than `max_head`, or has too many fields.
    HeadTooLarge,
    /// The body is larger than the route takes.
    BodyTooLarge,
    /// The body is of another media type than one of our own paths takes.
    WrongMediaType,
    /// `Expect` asks for something other than `100-continue`.
    ExpectationUnknown,
    /// This client asks too often.
    RateLimited {
        /// When it may ask again.
        retry_after: Duration,
    },
    /// Every endpoint of the upstream is down or full.
    NoEndpoint {
        /// The upstream's name in the configuration.
        upstream: Arc<str>,
    },
    /// The client's address has as many requests at the endpoint as it may while places there are short.
    OverShare {
        /// The upstream's name in the configuration.
        upstream: Arc<str>,
    },
    /// No connection to the endpoint could be made.
    ConnectFailed(ConnectFault, FaultContext),
    /// The endpoint closed or reset the connection before its answer's head was whole.
    UpstreamReset(FaultContext),
    /// What the endpoint sent is not HTTP, or is more of it than we take.
    UpstreamGarbage(FaultContext),
    /// The endpoint switched protocols, and not to what was asked for.
    UpgradeFailed(FaultContext),
    /// It is proven while a request's body still came that whoever sends it may not. Asked again, they are told so.
    PermitEnded,
    /// The endpoint denied somebody whom we vouch for.
    DisputedIdentity(DisputedDenial),
    /// The endpoint denied somebody of whom we could not tell who they are: it was not told, and they may be known.
    UndecidedIdentity(UndecidedDenial),
    /// The endpoint denied a display that came with a token which is over: it must renew that, and lose nothing.
    RenewalRequired(DisputedDenial),
    /// The endpoint did not keep a deadline.
    TimedOut(Deadline, FaultContext),
    /// We have more to do than we can.
    Overloaded,
    /// A panic of ours.
    Panicked,
    /// A permit for one route reached another. Our mistake, and nothing was forwarded.
    PermitMismatch,
    /// Something else of ours that cannot be, said for the log.
    Internal(Arc<str>),
}

/// Which deadline was not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deadline {
    /// `connect_timeout`.
    Connect,
    /// `response_timeout`: to the whole head of the answer.
    ResponseHead,
    /// The endpoint did not take the request's body (`idle_body_timeout`).
    RequestBody,
}

/// Where it happened and what was seen. For the log only: it never leaves.
#[derive(Clone, Debug)]
pub struct FaultContext {
    /// The endpoint, as configured.
    pub endpoint: Arc<str>,
    /// What was seen.
    pub detail: Arc<str>,
}

/// An endpoint's denial that we do not pass on.
#[derive(Clone, Debug)]
pub struct DisputedDenial {
    /// Which endpoint denied.
    pub endpoint: Arc<str>,
    /// What it answered.
    pub received: StatusCode,
    /// What it answered in the words of gRPC, where it speaks that.
    pub grpc_status: Option<Arc<str>>,
    /// The setting that would have let the answer pass, for the log line.
    pub setting: &'static str,
}

/// An endpoint's denial of a request that we sent without a name because we could not tell whose it is.
#[derive(Clone, Debug)]
pub struct UndecidedDenial {
    /// Which endpoint denied.
    pub endpoint: Arc<str>,
    /// What it answered.
    pub received: StatusCode,
    /// Why we could not tell.
    pub unavailable: Unavailable,
}

impl Fault {
    /// The status that `client_kind` sees.
    ///
    /// A display sees 503 where others see 500, 502 or 504: it knows one way to wait, and nothing else to do about it.
    pub const fn status(&self, client_kind: ClientKind) -> FaultStatus {
        let status = match self {
            Self::BadRequest(_) => FaultStatus::BadRequest,
            Self::NoSuchRoute => FaultStatus::NotFound,
            Self::WrongMethod(_) => FaultStatus::MethodNotAllowed,
            Self::TargetTooLong => FaultStatus::UriTooLong,
            Self::HeadTooLarge => FaultStatus::RequestHeaderFieldsTooLarge,
            Self::BodyTooLarge => FaultStatus::ContentTooLarge,
            Self::WrongMediaType => FaultStatus::UnsupportedMediaType,
            Self::ExpectationUnknown => FaultStatus::ExpectationFailed,
            Self::RateLimited { .. } => FaultStatus::TooManyRequests,
            Self::NoEndpoint { .. }
            | Self::OverShare { .. }
            | Self::DisputedIdentity(_)
            | Self::UndecidedIdentity(_)
            | Self::RenewalRequired(_)
            | Self::PermitEnded
            | Self::Overloaded => FaultStatus::ServiceUnavailable,
            Self::ConnectFailed(..) | Self::UpstreamReset(_) | Self::UpstreamGarbage(_) | Self::UpgradeFailed(_) => {
                FaultStatus::BadGateway
            }
            Self::TimedOut(..) => FaultStatus::GatewayTimeout,
            Self::Panicked | Self::PermitMismatch | Self::Internal(_) => FaultStatus::InternalServerError,
        };
        match (client_kind, status) {
            (
                ClientKind::Device,
                FaultStatus::InternalServerError | FaultStatus::BadGateway | FaultStatus::GatewayTimeout,
            ) => FaultStatus::ServiceUnavailable,
            (_, status) => status,
        }
    }

    /// Its word for `x-gateway-answer` and for the address of its explanation.
    pub const fn word(&self) -> AnswerWord {
        match self {
            Self::BadRequest(_)
            | Self::WrongMethod(_)
            | Self::TargetTooLong
            | Self::HeadTooLarge
            | Self::BodyTooLarge
            | Self::WrongMediaType
            | Self::ExpectationUnknown => AnswerWord::BadRequest,
            Self::NoSuchRoute => AnswerWord::NoSuchRoute,
            Self::RateLimited { .. } | Self::OverShare { .. } | Self::Overloaded => AnswerWord::Overloaded,
            Self::NoEndpoint { .. } => AnswerWord::NoEndpoint,
            Self::ConnectFailed(..) | Self::UpstreamReset(_) | Self::UpstreamGarbage(_) | Self::UpgradeFailed(_) => {
                AnswerWord::UpstreamFailed
            }
            Self::DisputedIdentity(_) => AnswerWord::UpstreamDisputed,
            Self::UndecidedIdentity(_) | Self::PermitEnded => AnswerWord::VerdictUnavailable,
            Self::RenewalRequired(_) => AnswerWord::RenewalRequired,
            Self::TimedOut(..) => AnswerWord::UpstreamTimeout,
            Self::Panicked | Self::PermitMismatch | Self::Internal(_) => AnswerWord::InternalError,
        }
    }

    /// When it is worth asking again; `None` where asking again would change nothing.
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimited { retry_after } => Some(*retry_after),
            Self::UndecidedIdentity(undecided) => Some(undecided.unavailable.retry_after),
            Self::PermitEnded => Some(Duration::from_secs(1)),
            Self::Overloaded => Some(Duration::from_secs(2)),
            Self::NoEndpoint { .. }
            | Self::OverShare { .. }
            | Self::ConnectFailed(..)
            | Self::UpstreamReset(_)
            | Self::UpstreamGarbage(_)
            | Self::UpgradeFailed(_)
            | Self::DisputedIdentity(_)
            | Self::RenewalRequired(_)
            | Self::TimedOut(..)
            | Self::Panicked
            | Self::PermitMismatch
            | Self::Internal(_) => Some(Duration::from_secs(5)),
            Self::BadRequest(_)
            | Self::NoSuchRoute
            | Self::WrongMethod(_)
            | Self::TargetTooLong
            | Self::HeadTooLarge
            | Self::BodyTooLarge
            | Self::WrongMediaType
            | Self::ExpectationUnknown => None,
        }
    }

    /// Its `error` type in `Proxy-Status` (RFC 9209 §2.3).
    pub const fn proxy_error(&self) -> &'static str {
        match self {
            Self::BadRequest(_)
            | Self::WrongMethod(_)
            | Self::TargetTooLong
            | Self::HeadTooLarge
            | Self::BodyTooLarge
            | Self::WrongMediaType
            | Self::ExpectationUnknown
            | Self::RateLimited { .. } => "http_request_error",
            Self::NoSuchRoute => "destination_not_found",
            Self::NoEndpoint { .. } | Self::DisputedIdentity(_) | Self::RenewalRequired(_) => "destination_unavailable",
            Self::ConnectFailed(how, _) => how.proxy_error(),
            Self::UpstreamReset(_) => "connection_terminated",
            Self::UpstreamGarbage(_) => "http_protocol_error",
            Self::UpgradeFailed(_) => "http_upgrade_failed",
            Self::TimedOut(Deadline::Connect, _) => "connection_timeout",
            Self::TimedOut(Deadline::ResponseHead, _) => "http_response_timeout",
            Self::TimedOut(Deadline::RequestBody, _) => "connection_write_timeout",
            Self::OverShare { .. } | Self::Overloaded => "connection_limit_reached",
            Self::UndecidedIdentity(_)
            | Self::PermitEnded
            | Self::Panicked
            | Self::PermitMismatch
            | Self::Internal(_) => "proxy_internal_error",
        }
    }

    /// Whether the connection must end with the answer: where a head can be read in two ways, so can what follows it, and
    /// nothing after it is anybody's request.
    pub const fn ends_connection(&self) -> bool {
        matches!(self, Self::BadRequest(_) | Self::HeadTooLarge | Self::TargetTooLong | Self::ExpectationUnknown)
    }

    /// The whole `Proxy-Status` member: our name, the error and, for a denial that was not passed on, the status received.
    /// Endpoints and details stay out of it: it is public.
    pub fn proxy_status(&self) -> String {
        match self {
            Self::DisputedIdentity(dispute) | Self::RenewalRequired(dispute) => {
                format!("candor; error={}; received-status={}", self.proxy_error(), dispute.received.as_u16())
            }
            Self::UndecidedIdentity(undecided) => {
                format!("{VERDICT_UNAVAILABLE}; received-status={}", undecided.received.as_u16())
            }
            _ => format!("candor; error={}", self.proxy_error()),
        }
    }

    /// The `AllowedMethods` field that a wrong method is answered with (RFC 9110 §10.2.1).
    pub fn allow(&self) -> Option<HeaderValue> {
        match self {
            Self::WrongMethod(allow) => Some(allow.header()),
            _ => None,
        }
    }

    /// One sentence for whoever asked. It names nothing that is inside.
    pub const fn explain(&self) -> &'static str {
        match self {
            Self::BadRequest(bad) => bad.explain(),
            Self::NoSuchRoute => "There is nothing at this address.",
            Self::WrongMethod(_) => "This address does not accept this method.",
            Self::TargetTooLong => "The address is longer than this gateway accepts.",
            Self::HeadTooLarge => {
                "The request's header fields are too large, or too many. In a browser it usually helps to delete this site's \
                 cookies."
            }
            Self::BodyTooLarge => "The request's content is larger than this address accepts.",
            Self::WrongMediaType => "The request's content is of another media type than this address accepts.",
            Self::ExpectationUnknown => {
                "The request's `Expect` field asks for something that this gateway does not know."
            }
            Self::RateLimited { .. } => "Too many requests came from your network address. Please wait a little.",
            Self::NoEndpoint { .. } => "The service is not reachable at the moment. Your sign-in is not affected.",
            Self::OverShare { .. } => {
                "Too many requests from your network address are under way. Please wait a little. Your sign-in is not affected."
            }
            Self::ConnectFailed(..) | Self::UpstreamReset(_) => {
                "The service could not be reached. Your sign-in is not affected."
            }
            Self::UpgradeFailed(_) => {
                "The service opened a connection of another kind than was asked for. Your sign-in is not affected."
            }
            Self::PermitEnded => {
                "What this request was let in by ended while its content was still being sent. Asking again says why."
            }
            Self::UpstreamGarbage(_) => "The service's answer could not be understood. Your sign-in is not affected.",
            Self::DisputedIdentity(_) => {
                "The service did not recognise you, although your sign-in is good. That is a fault of the service."
            }
            Self::RenewalRequired(_) => RENEWAL_REQUIRED,
            Self::UndecidedIdentity(_) => {
                "The credential cannot be checked at the moment, and the service does not answer without it. Keep it, and \
                 ask again later."
            }
            Self::TimedOut(..) => "The service did not answer in time. Your sign-in is not affected.",
            Self::Overloaded => "The gateway has too much to do at the moment. Please try again shortly.",
            Self::Panicked | Self::PermitMismatch | Self::Internal(_) => {
                "The gateway made a mistake. Your sign-in is not affected."
            }
        }
    }
}

/// What a display is told whose token has merely run out, by us or in place of the service's denial.
pub const RENEWAL_REQUIRED: &str = "The token has run out. Keep everything, and renew it.";

/// The `Proxy-Status` of not being able to tell: the fault is neither the request's nor the upstream's (RFC 9209
/// §2.3.29).
pub const VERDICT_UNAVAILABLE: &str = "candor; error=proxy_internal_error; details=\"verdict-unavailable\"";

impl Deadline {
    /// The setting that says how long it is.
    const fn setting(self) -> &'static str {
        match self {
            Self::Connect => "connect_timeout",
            Self::ResponseHead => "response_timeout",
            Self::RequestBody => "idle_body_timeout",
        }
    }
}

impl FaultContext {
    /// At `endpoint`, with what was seen there.
    pub fn new(endpoint: impl Into<Arc<str>>, detail: impl Into<Arc<str>>) -> Self {
        Self { endpoint: endpoint.into(), detail: detail.into() }
    }
}

/// The log's line: what happened, where, and for a dispute what would let it pass.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadRequest(bad) => write!(f, "bad request: {}", bad.as_str()),
            Self::NoSuchRoute => f.write_str("no such route"),
            Self::WrongMethod(_) => f.write_str("wrong method"),
            Self::TargetTooLong => f.write_str("target too long"),
            Self::HeadTooLarge => f.write_str("head too large"),
            Self::BodyTooLarge => f.write_str("body too large"),
            Self::WrongMediaType => f.write_str("wrong media type"),
            Self::ExpectationUnknown => f.write_str("unknown expectation"),
            Self::UpgradeFailed(at) => write!(f, "an upgrade that failed, at {at}"),
            Self::PermitEnded => f.write_str("whoever sends it may not any more, proven while its content still came"),
            Self::RateLimited { .. } => f.write_str("rate limited"),
            Self::NoEndpoint { upstream } => write!(f, "no endpoint of upstream {upstream:?} can be reached"),
            Self::OverShare { upstream } => {
                write!(f, "the client's address has its share of the places at upstream {upstream:?}")
            }
            Self::ConnectFailed(how, at) => write!(f, "no connection ({}) to {at}", how.as_str()),
            Self::UpstreamReset(at) => write!(f, "connection closed by {at}"),
            Self::UpstreamGarbage(at) => write!(f, "an answer that is not HTTP, or too large a head, from {at}"),
            Self::DisputedIdentity(dispute) => {
                write!(f, "{} answered {}", dispute.endpoint, dispute.received)?;
                if let Some(status) = &dispute.grpc_status {
                    write!(f, " with grpc-status {status}")?;
                }
                write!(f, " to somebody we vouch for; `{}` would let it pass", dispute.setting)
            }
            Self::RenewalRequired(dispute) => {
                write!(f, "{} answered {} to a display whose token is over", dispute.endpoint, dispute.received)
            }
            Self::UndecidedIdentity(undecided) => write!(
                f,
                "{} answered {} to somebody whom we cannot tell: {}",
                undecided.endpoint, undecided.received, undecided.unavailable
            ),
            Self::TimedOut(deadline, at) => write!(f, "not within {}: {at}", deadline.setting()),
            Self::Overloaded => f.write_str("overloaded"),
            Self::Panicked => f.write_str("panicked"),
            Self::PermitMismatch => f.write_str("a permit for another route: a mistake of the gateway's"),
            Self::Internal(what) => write!(f, "internal: {what}"),
        }
    }
}

impl fmt::Display for FaultContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.detail.is_empty() {
            f.write_str(&self.endpoint)
        } else {
            write!(f, "{}: {}", self.endpoint, self.detail)
        }
    }
}

#[cfg(test)]
mod tests;
