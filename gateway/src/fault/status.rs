//! The statuses that a fault can name. What is absent is the point.

use http::StatusCode;

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
    /// 409
    Conflict = 409,
    /// 410
    Gone = 410,
    /// 413
    ContentTooLarge = 413,
    /// 414
    UriTooLong = 414,
    /// 415
    UnsupportedMediaType = 415,
    /// 417
    ExpectationFailed = 417,
    /// 429
    TooManyRequests = 429,
    /// 431
    RequestHeaderFieldsTooLarge = 431,
    /// 500
    InternalServerError = 500,
    /// 501
    NotImplemented = 501,
    /// 502
    BadGateway = 502,
    /// 503
    ServiceUnavailable = 503,
    /// 504
    GatewayTimeout = 504,
}

impl FaultStatus {
    /// Every status that a fault can have.
    pub const ALL: [Self; 16] = [
        Self::BadRequest,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::Conflict,
        Self::Gone,
        Self::ContentTooLarge,
        Self::UriTooLong,
        Self::UnsupportedMediaType,
        Self::ExpectationFailed,
        Self::TooManyRequests,
        Self::RequestHeaderFieldsTooLarge,
        Self::InternalServerError,
        Self::NotImplemented,
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
            FaultStatus::Conflict => Self::CONFLICT,
            FaultStatus::Gone => Self::GONE,
            FaultStatus::UnsupportedMediaType => Self::UNSUPPORTED_MEDIA_TYPE,
            FaultStatus::ContentTooLarge => Self::PAYLOAD_TOO_LARGE,
            FaultStatus::UriTooLong => Self::URI_TOO_LONG,
            FaultStatus::ExpectationFailed => Self::EXPECTATION_FAILED,
            FaultStatus::TooManyRequests => Self::TOO_MANY_REQUESTS,
            FaultStatus::RequestHeaderFieldsTooLarge => Self::REQUEST_HEADER_FIELDS_TOO_LARGE,
            FaultStatus::InternalServerError => Self::INTERNAL_SERVER_ERROR,
            FaultStatus::NotImplemented => Self::NOT_IMPLEMENTED,
            FaultStatus::BadGateway => Self::BAD_GATEWAY,
            FaultStatus::ServiceUnavailable => Self::SERVICE_UNAVAILABLE,
            FaultStatus::GatewayTimeout => Self::GATEWAY_TIMEOUT,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_fault_looks_like_a_failed_sign_in() {
        for status in FaultStatus::ALL.map(StatusCode::from) {
            assert!(!status.is_redirection(), "{status}");
            assert!(!matches!(status.as_u16(), 401 | 403 | 407), "{status}");
        }
    }
}
