//! The call to a token endpoint, with its status taken at its word before the OAuth crate, which forgets statuses,
//! sees the answer.

use std::{future::Future, pin::Pin, time::Duration};

use http::StatusCode;
use openidconnect::{AsyncHttpClient, HttpRequest, HttpResponse};

use super::error_response::TokenErrorResponse;
use crate::outbound::{Answer, Outbound, OutboundError};

/// The longest token answer that is read, in bytes: three tokens of [`crate::jws::MAX_TOKEN`] and some.
const MAX_ANSWER: usize = 64 * 1024;

/// One call to a token endpoint.
pub(super) struct TokenCall {
    outbound: Outbound,
}

/// Why there is nothing that OAuth could read.
#[derive(Debug, thiserror::Error)]
pub(super) enum CallFault {
    #[error("the token endpoint cannot be asked")]
    Outbound(#[from] OutboundError),
    #[error("the token endpoint answered {status}")]
    Status { status: StatusCode, retry_after: Option<Duration> },
    /// A client error that RFC 6749 §5.2 does not define for a code: it means us, not the person.
    #[error("the token endpoint refuses this gateway with {status}")]
    Denied { status: StatusCode, error: Option<TokenErrorResponse> },
    #[error("the answer cannot be passed on")]
    Answer(#[from] http::Error),
}

impl TokenCall {
    pub(super) fn over(outbound: Outbound) -> Self {
        Self { outbound }
    }
}

impl CallFault {
    pub(super) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            Self::Outbound(_) | Self::Denied { .. } | Self::Answer(_) => None,
        }
    }
}

impl<'c> AsyncHttpClient<'c> for TokenCall {
    type Error = CallFault;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, CallFault>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(async move { judge(self.outbound.send(request, MAX_ANSWER).await?) })
    }
}

/// Lets through what RFC 6749 §5 defines: 200, and 400 with an error. All else is a fault, whatever its body says.
fn judge(answer: Answer) -> Result<HttpResponse, CallFault> {
    match answer.status {
        StatusCode::OK | StatusCode::BAD_REQUEST => {
            let mut response = http::Response::new(answer.body.to_vec());
            *response.status_mut() = answer.status;
            *response.headers_mut() = answer.headers;
            Ok(response)
        }
        status if answer.denies_the_request() => {
            Err(CallFault::Denied { status, error: TokenErrorResponse::read(&answer.body) })
        }
        status => Err(CallFault::Status { status, retry_after: answer.retry_after() }),
    }
}
