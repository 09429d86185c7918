//! What is answered in place of the service: the one file that says what 401, 403, `grpc-status` 16 and 7 are for. The
//! gateway has its own.

use std::{fmt::Write, sync::Arc, time::Duration};

use http::{HeaderValue, Response, StatusCode};

use crate::{
    resource_server::NotAdmitted,
    verdict::{RefusalKind, Stop},
};

/// Writes the answer to a request that goes no further, in one protocol. Implemented here only: whoever could choose the
/// status could make a 401 of an outage.
pub trait AnswerWriter<R>: sealed::Sealed {
    /// The answer. `scopes` are those that were asked for.
    #[doc(hidden)]
    fn answer(&self, why: &NotAdmitted, scopes: &[Arc<str>]) -> Response<R>;
}

pub(super) mod sealed {
    pub trait Sealed {}
}

/// What an answer says, in whichever protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answered {
    /// Nothing was shown.
    Missing,
    /// What was shown is no good, with a proof.
    Invalid,
    /// It is known who it is, and they may not.
    NotPermitted,
    /// Nobody can tell now; so long is worth waiting.
    Unavailable(Duration),
    /// The request contradicts itself: no verdict on anybody, and nothing to forget.
    Ambiguous,
}

impl Answered {
    pub(super) fn of(why: &NotAdmitted) -> Self {
        let rejected = match why {
            NotAdmitted::Ambiguous(ambiguous) => {
                tracing::info!(%ambiguous, "bad request");
                return Self::Ambiguous;
            }
            NotAdmitted::Stop(Stop::Unavailable(unavailable)) => return Self::Unavailable(unavailable.retry_after),
            NotAdmitted::Stop(Stop::Rejected(rejected)) => rejected,
        };
        match rejected.reason().kind() {
            RefusalKind::Missing => Self::Missing,
            RefusalKind::Invalid => Self::Invalid,
            RefusalKind::NotPermitted => Self::NotPermitted,
        }
    }

    /// The status over HTTP.
    pub(super) fn status(self) -> StatusCode {
        match self {
            Self::Missing | Self::Invalid => StatusCode::UNAUTHORIZED,
            Self::NotPermitted => StatusCode::FORBIDDEN,
            Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Ambiguous => StatusCode::BAD_REQUEST,
        }
    }

    /// The status over gRPC.
    pub(super) fn grpc_status(self) -> &'static str {
        match self {
            Self::Missing | Self::Invalid => "16",
            Self::NotPermitted => "7",
            Self::Unavailable(_) => "14",
            Self::Ambiguous => "3",
        }
    }

    /// The word for it, which is the gateway's too.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Missing => "credential-missing",
            Self::Invalid => "credential-invalid",
            Self::NotPermitted => "not-permitted",
            Self::Unavailable(_) => "verdict-unavailable",
            Self::Ambiguous => "bad-request",
        }
    }

    /// The same for people who read it.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Missing => "A token is needed",
            Self::Invalid => "The token is not valid",
            Self::NotPermitted => "Not allowed",
            Self::Unavailable(_) => "Cannot be checked at the moment",
            Self::Ambiguous => "The request is not valid",
        }
    }

    /// The challenge that goes with a refusal (RFC 6750 §3).
    pub(super) fn challenge(self, scopes: &[Arc<str>]) -> Option<HeaderValue> {
        let challenge = match self {
            Self::Missing => "Bearer".to_owned(),
            Self::Invalid => r#"Bearer error="invalid_token""#.to_owned(),
            Self::NotPermitted => {
                let mut challenge = r#"Bearer error="insufficient_scope""#.to_owned();
                if !scopes.is_empty() {
                    let _ = write!(challenge, r#", scope="{}""#, scopes.join(" "));
                }
                challenge
            }
            Self::Unavailable(_) | Self::Ambiguous => return None,
        };
        // A scope with a character that no challenge can hold is one that no token can have.
        Some(HeaderValue::try_from(challenge).unwrap_or_else(|_| HeaderValue::from_static("Bearer")))
    }

    /// How long is worth waiting, in seconds. Rounded up: whoever comes sooner is only turned away again.
    pub(super) fn retry_after(self) -> Option<u64> {
        let Self::Unavailable(wait) = self else { return None };
        Some(u64::try_from(wait.as_millis().div_ceil(1000)).unwrap_or(u64::MAX).max(1))
    }
}
