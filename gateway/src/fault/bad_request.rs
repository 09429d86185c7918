//! The ways in which a request can be bad.

use auth_core::credential::AmbiguousCredentials;

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
    /// A header value with bytes that do not belong there.
    HeaderBytes,
    /// No `Host`, two of them, or one that is not `host[:port]`.
    Host,
    /// Two lengths, or a length beside `Transfer-Encoding`.
    Length,
    /// A field or a query that names another method, where the method decides who may pass.
    MethodOverride,
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
    /// An upgrade to a WebSocket that is no handshake (RFC 6455 §4.1).
    WebSocketHandshake,
    /// A WebSocket with a cookie or a password that a page of another site opens, or one that does not say of which site it is.
    WebSocketOrigin,
}

impl From<AmbiguousCredentials> for BadRequest {
    fn from(ambiguous: AmbiguousCredentials) -> Self {
        match ambiguous {
            // Identities that a gateway signed are read by services alone; what came under that name here is gone already.
            AmbiguousCredentials::TwoAuthorizations | AmbiguousCredentials::TwoIdentities => Self::TwoAuthorizations,
            AmbiguousCredentials::TwoTickets => Self::TwoTickets,
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
            Self::MethodOverride => "method-override",
            Self::OwnParameters => "own-parameters",
            Self::PathBytes => "path-bytes",
            Self::ReservedName => "reserved-name",
            Self::Target => "target",
            Self::TransferEncoding => "transfer-encoding",
            Self::TwoTickets => "two-tickets",
            Self::TwoAuthorizations => "two-authorizations",
            Self::Version => "version",
            Self::WebSocketHandshake => "websocket-handshake",
            Self::WebSocketOrigin => "websocket-origin",
        }
    }

    /// One sentence for whoever asked.
    pub const fn explain(self) -> &'static str {
        match self {
            Self::AmbiguousPath => "The path can be read in two ways that lead to different places.",
            Self::BodyBroken => "The request's content broke off.",
            Self::BodyStalled => "The request's content did not arrive in time.",
            Self::ConnectionNamesReserved => "The `Connection` field names a field that it must not remove.",
            Self::CrossSite => "Another site made the browser send this request, so it was not carried out.",
            Self::DotSegment => "The path has a segment that could be read as `.` or `..`.",
            Self::HeaderBytes => "A header field holds characters that are not allowed in it.",
            Self::Host => "The request must have exactly one `Host` field: a name or an address, with at most a port.",
            Self::Length => "The length of the request's content is stated in two ways.",
            Self::MethodOverride => "A field or the query of the request names a second method.",
            Self::OwnParameters => "A parameter is missing, repeated or malformed.",
            Self::PathBytes => "The address holds a bad percent-escape or a raw special character.",
            Self::ReservedName => "A header field's name spells one that belongs to the gateway.",
            Self::Target => "The request target must be a path, or an address that agrees with `Host`.",
            Self::TransferEncoding => "`Transfer-Encoding` must be `chunked`, once.",
            Self::TwoTickets => {
                "The request carries two different session cookies of this gateway. In a browser it helps to delete this site's cookies."
            }
            Self::TwoAuthorizations => "The request carries `Authorization` more than once.",
            Self::Version => "This version of HTTP is not supported.",
            Self::WebSocketHandshake => {
                "A WebSocket is opened by a GET without content, with one key and the version 13."
            }
            Self::WebSocketOrigin => {
                "Another site's page opened this WebSocket, so the cookies that came with it do not count."
            }
        }
    }
}
