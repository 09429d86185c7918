//! What went wrong that is no verdict on anybody's credential, whose fault it was, and how each asker sees it.
//!
//! A [`Fault`] becomes one of the [`FaultStatus`]es. What is deliberately absent: 401, 403, 407 and every 3xx. A fault
//! cannot name them, so that no outage can look like a failed sign-in.

use std::{fmt, sync::Arc, time::Duration};

use http::{HeaderValue, Method, StatusCode};

/// What went wrong.
#[derive(Clone, Debug)]
#[must_use]
pub enum Fault {
    /// The request cannot be read in exactly one way, or breaks HTTP (RFC 9110, RFC 9112).
    BadRequest(BadRequest),
    /// No route matches its path and host.
    NoSuchRoute,
    /// A route matches, but not for this method.
    WrongMethod(Allow),
    /// The request target is longer than `max_target`.
    TargetTooLong,
    /// The head is larger than `max_head`, or has too many fields.
    HeadTooLarge,
    /// The body is larger than the route takes.
    BodyTooLarge,
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
    /// No connection to the endpoint could be made.
    ConnectFailed(Connect, At),
    /// The endpoint closed or reset the connection before its answer's head was whole.
    UpstreamReset(At),
    /// What the endpoint sent is not HTTP, or is more of it than we take.
    UpstreamGarbage(At),
    /// The endpoint's TLS could not be trusted or spoken.
    UpstreamBadTls(At),
    /// The endpoint denied somebody whom we vouch for.
    DisputedIdentity(Dispute),
    /// The endpoint did not keep a deadline.
    TimedOut(Deadline, At),
    /// We have more to do than we can.
    Overloaded,
    /// A panic of ours.
    Panicked,
    /// A permit for one route reached another. Our mistake, and nothing was forwarded.
    PermitMismatch,
    /// Something else of ours that cannot be, said for the log.
    Internal(Arc<str>),
}

/// Whose fault it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// The client's: the request itself is wrong.
    Client,
    /// The upstream's.
    Upstream,
    /// Ours.
    Ours,
}

/// In which way a request is bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BadRequest {
    /// Its path has two readings that lead to different routes.
    AmbiguousPath,
    /// The body broke off, or its framing did.
    BodyBroken,
    /// The body stood still for longer than the route waits.
    BodyStalled,
    /// `Connection` names a field that is not for it to remove.
    ConnectionNamesReserved,
    /// A request with our cookie that another site made us send.
    CrossSite,
    /// A segment that some reader could take for `.` or `..`.
    DotSegment,
    /// A path that starts with two slashes, or more than we care to read in every way.
    /// A header value with bytes that do not belong there.
    HeaderBytes,
    /// No `Host`, two of them, or one that is not `host[:port]`.
    Host,
    /// Two lengths, or a length beside `Transfer-Encoding`.
    Length,
    /// A callback, a form or a parameter of our own paths that makes no sense.
    OwnParameters,
    /// A bad percent-escape, a control character or raw non-ASCII in the target.
    PathBytes,
    /// A header name that spells one of ours.
    ReservedName,
    /// Not origin form, nor an absolute form that agrees with `Host`.
    Target,
    /// `Transfer-Encoding` other than exactly `chunked`, once.
    TransferEncoding,
    /// Two different tickets in one request.
    TwoTickets,
    /// Two `Authorization` fields.
    TwoAuthorizations,
    /// A version of HTTP that we do not speak.
    Version,
}

/// How a connection could not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connect {
    /// Its name has no address (or the resolver has no answer).
    Dns,
    /// The machine said no.
    Refused,
    /// Anything else: no way there, no socket left.
    Unreachable,
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
pub struct At {
    /// The endpoint, as configured.
    pub endpoint: Arc<str>,
    /// What was seen.
    pub detail: Arc<str>,
}

/// An endpoint's denial that we do not pass on.
#[derive(Clone, Debug)]
pub struct Dispute {
    /// Which endpoint denied.
    pub endpoint: Arc<str>,
    /// What it answered.
    pub received: StatusCode,
    /// The setting that would have let the answer pass, for the log line.
    pub setting: &'static str,
}

/// The methods that a path answers to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allow(Arc<[Method]>);

/// The statuses that a fault can name. There is no 401, 403, 407 or 3xx here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum FaultStatus {
    /// 400
    BadRequest = 400,
    /// 404
    NotFound = 404,
    /// 405
    MethodNotAllowed = 405,
    /// 413
    ContentTooLarge = 413,
    /// 414
    UriTooLong = 414,
    /// 417
    ExpectationFailed = 417,
    /// 429
    TooManyRequests = 429,
    /// 431
    RequestHeaderFieldsTooLarge = 431,
    /// 500
    InternalServerError = 500,
    /// 502
    BadGateway = 502,
    /// 503
    ServiceUnavailable = 503,
    /// 504
    GatewayTimeout = 504,
}

/// Who asks. It changes how an answer looks, never what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Asker {
    /// A person's browser, going to a page.
    Browser,
    /// A page's script, or a program.
    Script,
    /// A display.
    Device,
    /// Another proxy that asks us on behalf of somebody.
    ForwardAuth,
}

/// The value of `x-gateway-answer`: what kind of answer this is. A closed list, and the only vocabulary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AnswerWord {
    /// The request cannot be served as it was sent.
    BadRequest,
    /// A credential was given, and it is provably no good.
    CredentialInvalid,
    /// No credential was given.
    CredentialMissing,
    /// Our own mistake.
    InternalError,
    /// No endpoint of the upstream is left.
    NoEndpoint,
    /// No route matches.
    NoSuchRoute,
    /// We know who this is, and they may not.
    NotPermitted,
    /// More than we can do, or than this client may ask for.
    Overloaded,
    /// One of our own paths answered.
    Own,
    /// The device's token has run out; it can get a new one by itself.
    RenewalRequired,
    /// The upstream answered, and the route lets this status through.
    Upstream,
    /// The upstream denied somebody whom we vouch for.
    UpstreamDisputed,
    /// The upstream could not be reached or understood.
    UpstreamFailed,
    /// The upstream did not keep its deadline.
    UpstreamTimeout,
    /// We cannot tell whether the credential is good.
    VerdictUnavailable,
}

impl Fault {
    /// Whose fault it was.
    pub const fn whose(&self) -> Whose {
        match self {
            Self::BadRequest(_)
            | Self::NoSuchRoute
            | Self::WrongMethod(_)
            | Self::TargetTooLong
            | Self::HeadTooLarge
            | Self::BodyTooLarge
            | Self::ExpectationUnknown
            | Self::RateLimited { .. } => Whose::Client,
            Self::NoEndpoint { .. }
            | Self::ConnectFailed(..)
            | Self::UpstreamReset(_)
            | Self::UpstreamGarbage(_)
            | Self::UpstreamBadTls(_)
            | Self::DisputedIdentity(_)
            | Self::TimedOut(..) => Whose::Upstream,
            Self::Overloaded | Self::Panicked | Self::PermitMismatch | Self::Internal(_) => Whose::Ours,
        }
    }

    /// The status that `asker` sees.
    ///
    /// A display sees 503 where others see 500, 502 or 504: it knows one way to wait, and nothing else to do about it.
    pub const fn status(&self, asker: Asker) -> FaultStatus {
        let status = match self {
            Self::BadRequest(_) => FaultStatus::BadRequest,
            Self::NoSuchRoute => FaultStatus::NotFound,
            Self::WrongMethod(_) => FaultStatus::MethodNotAllowed,
            Self::TargetTooLong => FaultStatus::UriTooLong,
            Self::HeadTooLarge => FaultStatus::RequestHeaderFieldsTooLarge,
            Self::BodyTooLarge => FaultStatus::ContentTooLarge,
            Self::ExpectationUnknown => FaultStatus::ExpectationFailed,
            Self::RateLimited { .. } => FaultStatus::TooManyRequests,
            Self::NoEndpoint { .. } | Self::DisputedIdentity(_) | Self::Overloaded => FaultStatus::ServiceUnavailable,
            Self::ConnectFailed(..) | Self::UpstreamReset(_) | Self::UpstreamGarbage(_) | Self::UpstreamBadTls(_) => {
                FaultStatus::BadGateway
            }
            Self::TimedOut(..) => FaultStatus::GatewayTimeout,
            Self::Panicked | Self::PermitMismatch | Self::Internal(_) => FaultStatus::InternalServerError,
        };
        match (asker, status) {
            (
                Asker::Device,
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
            | Self::ExpectationUnknown => AnswerWord::BadRequest,
            Self::NoSuchRoute => AnswerWord::NoSuchRoute,
            Self::RateLimited { .. } | Self::Overloaded => AnswerWord::Overloaded,
            Self::NoEndpoint { .. } => AnswerWord::NoEndpoint,
            Self::ConnectFailed(..) | Self::UpstreamReset(_) | Self::UpstreamGarbage(_) | Self::UpstreamBadTls(_) => {
                AnswerWord::UpstreamFailed
            }
            Self::DisputedIdentity(_) => AnswerWord::UpstreamDisputed,
            Self::TimedOut(..) => AnswerWord::UpstreamTimeout,
            Self::Panicked | Self::PermitMismatch | Self::Internal(_) => AnswerWord::InternalError,
        }
    }

    /// When it is worth asking again; `None` where asking again would change nothing.
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimited { retry_after } => Some(*retry_after),
            Self::Overloaded => Some(Duration::from_secs(2)),
            Self::NoEndpoint { .. }
            | Self::ConnectFailed(..)
            | Self::UpstreamReset(_)
            | Self::UpstreamGarbage(_)
            | Self::UpstreamBadTls(_)
            | Self::DisputedIdentity(_)
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
            | Self::ExpectationUnknown
            | Self::RateLimited { .. } => "http_request_error",
            Self::NoSuchRoute => "destination_not_found",
            Self::NoEndpoint { .. } | Self::DisputedIdentity(_) => "destination_unavailable",
            Self::ConnectFailed(Connect::Dns, _) => "dns_error",
            Self::ConnectFailed(Connect::Refused, _) => "connection_refused",
            Self::ConnectFailed(Connect::Unreachable, _) => "destination_ip_unroutable",
            Self::UpstreamReset(_) => "connection_terminated",
            Self::UpstreamGarbage(_) => "http_protocol_error",
            Self::UpstreamBadTls(_) => "tls_protocol_error",
            Self::TimedOut(Deadline::Connect, _) => "connection_timeout",
            Self::TimedOut(Deadline::ResponseHead, _) => "http_response_timeout",
            Self::TimedOut(Deadline::RequestBody, _) => "connection_write_timeout",
            Self::Overloaded => "connection_limit_reached",
            Self::Panicked | Self::PermitMismatch | Self::Internal(_) => "proxy_internal_error",
        }
    }

    /// The whole `Proxy-Status` member: our name, the error and, for a disputed denial, the status received. Endpoints
    /// and details stay out of it: it is public.
    pub fn proxy_status(&self) -> String {
        match self {
            Self::DisputedIdentity(dispute) => {
                format!("candor; error={}; received-status={}", self.proxy_error(), dispute.received.as_u16())
            }
            _ => format!("candor; error={}", self.proxy_error()),
        }
    }

    /// The `Allow` field that a wrong method is answered with (RFC 9110 §10.2.1).
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
            Self::WrongMethod(_) => "This address does not take this method.",
            Self::TargetTooLong => "The address is too long.",
            Self::HeadTooLarge => "The request's header fields are too large, or too many.",
            Self::BodyTooLarge => "The request's content is larger than this address takes.",
            Self::ExpectationUnknown => "The request expects something that this gateway does not know.",
            Self::RateLimited { .. } => "Too many requests came from here. Please wait a little.",
            Self::NoEndpoint { .. } => "The service is not reachable at the moment. Your sign-in is not affected.",
            Self::ConnectFailed(..) | Self::UpstreamReset(_) | Self::UpstreamBadTls(_) => {
                "The service could not be reached. Your sign-in is not affected."
            }
            Self::UpstreamGarbage(_) => "The service gave no answer that makes sense. Your sign-in is not affected.",
            Self::DisputedIdentity(_) => {
                "The service did not recognise you, although your sign-in is good. That is a fault of the service."
            }
            Self::TimedOut(..) => "The service did not answer in time. Your sign-in is not affected.",
            Self::Overloaded => "The gateway has too much to do at the moment. Please try again shortly.",
            Self::Panicked | Self::PermitMismatch | Self::Internal(_) => {
                "The gateway made a mistake. Your sign-in is not affected."
            }
        }
    }
}

impl BadRequest {
    /// The word that the log uses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AmbiguousPath => "ambiguous-path",
            Self::BodyBroken => "body-broken",
            Self::BodyStalled => "body-stalled",
            Self::ConnectionNamesReserved => "connection-names-reserved",
            Self::CrossSite => "cross-site",
            Self::DotSegment => "dot-segment",
            Self::HeaderBytes => "header-bytes",
            Self::Host => "host",
            Self::Length => "length",
            Self::OwnParameters => "own-parameters",
            Self::PathBytes => "path-bytes",
            Self::ReservedName => "reserved-name",
            Self::Target => "target",
            Self::TransferEncoding => "transfer-encoding",
            Self::TwoTickets => "two-tickets",
            Self::TwoAuthorizations => "two-authorizations",
            Self::Version => "version",
        }
    }

    /// One sentence for whoever asked.
    pub const fn explain(self) -> &'static str {
        match self {
            Self::AmbiguousPath => "The path can be read in two ways that lead to different places.",
            Self::BodyBroken => "The request's content broke off.",
            Self::BodyStalled => "The request's content did not arrive in time.",
            Self::ConnectionNamesReserved => "`Connection` names a field that it must not remove.",
            Self::CrossSite => "The request came from another site.",
            Self::DotSegment => "The path has a segment that could be read as `.` or `..`.",
            Self::HeaderBytes => "A header field holds characters that do not belong there.",
            Self::Host => "The request needs exactly one `Host`, a name or address with at most a port.",
            Self::Length => "The length of the request's content is stated in two ways.",
            Self::OwnParameters => "A parameter is missing, repeated or malformed.",
            Self::PathBytes => "The address holds a bad percent-escape or a raw special character.",
            Self::ReservedName => "A header field's name spells one that belongs to the gateway.",
            Self::Target => "The request target must be a path, or an address that agrees with `Host`.",
            Self::TransferEncoding => "`Transfer-Encoding` must be `chunked`, once.",
            Self::TwoTickets => "The request carries two different sign-ins.",
            Self::TwoAuthorizations => "The request carries `Authorization` more than once.",
            Self::Version => "This version of HTTP is not spoken here.",
        }
    }
}

impl At {
    /// At `endpoint`, with what was seen there.
    pub fn new(endpoint: impl Into<Arc<str>>, detail: impl Into<Arc<str>>) -> Self {
        Self { endpoint: endpoint.into(), detail: detail.into() }
    }
}

impl Allow {
    /// These methods, in this order.
    pub fn new(methods: impl IntoIterator<Item = Method>) -> Self {
        Self(methods.into_iter().collect())
    }

    /// The methods.
    pub fn methods(&self) -> &[Method] {
        &self.0
    }

    /// The field's value.
    pub fn header(&self) -> HeaderValue {
        let text = self.0.iter().map(Method::as_str).collect::<Vec<_>>().join(", ");
        HeaderValue::try_from(text).expect("a method is an HTTP token")
    }
}

impl FaultStatus {
    /// Every status that a fault can have.
    pub const ALL: [Self; 12] = [
        Self::BadRequest,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::ContentTooLarge,
        Self::UriTooLong,
        Self::ExpectationFailed,
        Self::TooManyRequests,
        Self::RequestHeaderFieldsTooLarge,
        Self::InternalServerError,
        Self::BadGateway,
        Self::ServiceUnavailable,
        Self::GatewayTimeout,
    ];
}

impl From<FaultStatus> for StatusCode {
    fn from(status: FaultStatus) -> Self {
        match status {
            FaultStatus::BadRequest => Self::BAD_REQUEST,
            FaultStatus::NotFound => Self::NOT_FOUND,
            FaultStatus::MethodNotAllowed => Self::METHOD_NOT_ALLOWED,
            FaultStatus::ContentTooLarge => Self::PAYLOAD_TOO_LARGE,
            FaultStatus::UriTooLong => Self::URI_TOO_LONG,
            FaultStatus::ExpectationFailed => Self::EXPECTATION_FAILED,
            FaultStatus::TooManyRequests => Self::TOO_MANY_REQUESTS,
            FaultStatus::RequestHeaderFieldsTooLarge => Self::REQUEST_HEADER_FIELDS_TOO_LARGE,
            FaultStatus::InternalServerError => Self::INTERNAL_SERVER_ERROR,
            FaultStatus::BadGateway => Self::BAD_GATEWAY,
            FaultStatus::ServiceUnavailable => Self::SERVICE_UNAVAILABLE,
            FaultStatus::GatewayTimeout => Self::GATEWAY_TIMEOUT,
        }
    }
}

impl Asker {
    /// The word that the log uses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Browser => "browser",
            Self::Script => "script",
            Self::Device => "device",
            Self::ForwardAuth => "forward-auth",
        }
    }
}

impl AnswerWord {
    /// Every word, in the order of their names.
    pub const ALL: [Self; 15] = [
        Self::BadRequest,
        Self::CredentialInvalid,
        Self::CredentialMissing,
        Self::InternalError,
        Self::NoEndpoint,
        Self::NoSuchRoute,
        Self::NotPermitted,
        Self::Overloaded,
        Self::Own,
        Self::RenewalRequired,
        Self::Upstream,
        Self::UpstreamDisputed,
        Self::UpstreamFailed,
        Self::UpstreamTimeout,
        Self::VerdictUnavailable,
    ];

    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BadRequest => "bad-request",
            Self::CredentialInvalid => "credential-invalid",
            Self::CredentialMissing => "credential-missing",
            Self::InternalError => "internal-error",
            Self::NoEndpoint => "no-endpoint",
            Self::NoSuchRoute => "no-such-route",
            Self::NotPermitted => "not-permitted",
            Self::Overloaded => "overloaded",
            Self::Own => "own",
            Self::RenewalRequired => "renewal-required",
            Self::Upstream => "upstream",
            Self::UpstreamDisputed => "upstream-disputed",
            Self::UpstreamFailed => "upstream-failed",
            Self::UpstreamTimeout => "upstream-timeout",
            Self::VerdictUnavailable => "verdict-unavailable",
        }
    }

    /// The word that `text` spells, if it is one.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|word| word.as_str() == text)
    }

    /// The field's value.
    pub fn header(self) -> HeaderValue {
        HeaderValue::from_static(self.as_str())
    }
}

impl fmt::Display for AnswerWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Asker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
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
            Self::ExpectationUnknown => f.write_str("unknown expectation"),
            Self::RateLimited { .. } => f.write_str("rate limited"),
            Self::NoEndpoint { upstream } => write!(f, "no endpoint of upstream {upstream:?} is left"),
            Self::ConnectFailed(how, at) => write!(f, "no connection ({how:?}) to {at}"),
            Self::UpstreamReset(at) => write!(f, "connection closed by {at}"),
            Self::UpstreamGarbage(at) => write!(f, "nonsense from {at}"),
            Self::UpstreamBadTls(at) => write!(f, "bad TLS at {at}"),
            Self::DisputedIdentity(dispute) => write!(
                f,
                "{} answered {} to somebody we vouch for; `{}` would let it pass",
                dispute.endpoint, dispute.received, dispute.setting
            ),
            Self::TimedOut(deadline, at) => write!(f, "past its deadline ({deadline:?}): {at}"),
            Self::Overloaded => f.write_str("overloaded"),
            Self::Panicked => f.write_str("panicked"),
            Self::PermitMismatch => f.write_str("a permit for another route"),
            Self::Internal(what) => write!(f, "internal: {what}"),
        }
    }
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.detail.is_empty() {
            f.write_str(&self.endpoint)
        } else {
            write!(f, "{}: {}", self.endpoint, self.detail)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at() -> At {
        At::new("http://127.0.0.1:9000", "")
    }

    fn every_fault() -> Vec<Fault> {
        vec![
            Fault::BadRequest(BadRequest::Host),
            Fault::NoSuchRoute,
            Fault::WrongMethod(Allow::new([Method::GET, Method::HEAD])),
            Fault::TargetTooLong,
            Fault::HeadTooLarge,
            Fault::BodyTooLarge,
            Fault::ExpectationUnknown,
            Fault::RateLimited { retry_after: Duration::from_secs(9) },
            Fault::NoEndpoint { upstream: "monolith".into() },
            Fault::ConnectFailed(Connect::Refused, at()),
            Fault::UpstreamReset(at()),
            Fault::UpstreamGarbage(at()),
            Fault::UpstreamBadTls(at()),
            Fault::DisputedIdentity(Dispute {
                endpoint: "http://127.0.0.1:9000".into(),
                received: StatusCode::PROXY_AUTHENTICATION_REQUIRED,
                setting: "on_denial = \"pass\"",
            }),
            Fault::TimedOut(Deadline::Connect, at()),
            Fault::Overloaded,
            Fault::Panicked,
            Fault::PermitMismatch,
            Fault::Internal("x".into()),
        ]
    }

    #[test]
    fn no_fault_looks_like_a_failed_sign_in() {
        for status in FaultStatus::ALL.map(StatusCode::from) {
            assert!(!status.is_redirection(), "{status}");
            assert!(!matches!(status.as_u16(), 401 | 403 | 407), "{status}");
        }
    }

    #[test]
    fn a_display_sees_503_where_others_see_500_502_or_504() {
        for fault in every_fault() {
            let (others, device) = (fault.status(Asker::Script), fault.status(Asker::Device));
            assert_eq!(others, fault.status(Asker::Browser), "{fault}");
            match others {
                FaultStatus::InternalServerError | FaultStatus::BadGateway | FaultStatus::GatewayTimeout => {
                    assert_eq!(device, FaultStatus::ServiceUnavailable, "{fault}");
                }
                others => assert_eq!(device, others, "{fault}"),
            }
        }
    }

    #[test]
    fn what_is_not_the_clients_fault_says_when_to_ask_again() {
        for fault in every_fault() {
            let rate = matches!(fault, Fault::RateLimited { .. });
            assert_eq!(fault.retry_after().is_some(), rate || fault.whose() != Whose::Client, "{fault}");
        }
    }

    #[test]
    fn proxy_status_names_the_error_and_nothing_inside() {
        let check = |fault: &Fault, expected: &str| assert_eq!(fault.proxy_status(), expected);
        let faults = every_fault();
        check(&faults[9], "candor; error=connection_refused");
        check(&faults[13], "candor; error=destination_unavailable; received-status=407");
        assert!(faults.iter().all(|fault| !fault.proxy_status().contains("127.0.0.1")));
        assert!(faults.iter().all(|fault| !fault.explain().contains("127.0.0.1")));
    }

    #[test]
    fn the_answer_words_are_a_closed_list() {
        for word in AnswerWord::ALL {
            assert_eq!(AnswerWord::parse(word.as_str()), Some(word));
        }
        assert_eq!(AnswerWord::parse("unauthorized"), None);
    }

    #[test]
    fn a_wrong_method_says_which_are_right() {
        let fault = Fault::WrongMethod(Allow::new([Method::GET, Method::HEAD]));
        assert_eq!(fault.allow(), Some(HeaderValue::from_static("GET, HEAD")));
        assert_eq!(Fault::NoSuchRoute.allow(), None);
    }
}
