//! The refresh of what a person signed in with (RFC 6749 §6, OpenID Connect Core §12), and what each answer means.
//!
//! | The token endpoint | Means |
//! |---|---|
//! | 200 with a token answer | refreshed; an ID token need not be there (OpenID Connect Core §12.2) |
//! | 400 with `invalid_grant`, but for the numbers by which Microsoft says that it is busy | the provider refuses the person |
//! | 400 with `interaction_required`, `login_required`, `consent_required` | the same |
//! | 400 with any other word, listed or not; 401, 403 and other client errors | we cannot tell |
//! | 408, 425, 429, any 5xx, a status that nobody expects | we cannot tell |
//! | 200 with nonsense, no answer, half an answer, no connection | we cannot tell |
//!
//! Where a provider gives a new refresh token for each that is spent, an answer that did not arrive may have spent it. So
//! whoever cannot tell says whether it may have ([`Spent`]).

use std::time::Duration;

use openidconnect::{RefreshToken, RequestTokenError};
use secrecy::{ExposeSecret, SecretString};

use super::{
    Provider,
    call::{CallFault, TokenCall},
    client::{client, lacks},
    error_response::{RefreshMeaning, TokenErrorResponse},
    exchange::{IssuedAccessToken, TokenEndpointResponse},
};
use crate::{dependency::Dependency, discovery::Document, outbound::OutboundError, verdict::Unavailable};

/// What a refresh token was exchanged for. Nothing here is verified.
pub(crate) struct RefreshedTokens {
    /// Absent: who it is stays as it was.
    pub(crate) id_token: Option<SecretString>,
    pub(crate) access_token: IssuedAccessToken,
    /// Absent: the one that was spent is good for the next time too (RFC 6749 §6).
    pub(crate) refresh_token: Option<SecretString>,
}

/// Why there are no new tokens.
#[derive(Debug)]
pub(crate) enum RefreshFault {
    /// The provider refuses the token, in these words. Bounded, and not escaped.
    Refused { word: String, description: Option<String> },
    /// We cannot tell.
    Unavailable { down: Unavailable, spent: Spent },
}

/// Whether a refresh token may have been spent by a call that brought no answer to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spent {
    /// The provider did not get it, or says that it did nothing with it.
    No,
    /// Nobody knows.
    Perhaps,
}

/// How soon it is worth trying again where as many ask as may at once.
const BUSY: Duration = Duration::from_secs(1);

impl Provider {
    /// Exchanges a refresh token for new ones, once.
    ///
    /// # Errors
    /// [`RefreshFault`].
    pub(crate) async fn refresh(
        &self,
        document: &Document,
        token: &SecretString,
    ) -> Result<RefreshedTokens, RefreshFault> {
        let Ok(_call) = self.0.calls.try_acquire() else {
            let cause = "it is being asked by as many as may ask it at once";
            let down = Unavailable::because(Dependency::TokenEndpoint, cause).retry_after(BUSY);
            return Err(RefreshFault::Unavailable { down, spent: Spent::No });
        };
        let client = client(&self.0.config, document).map_err(RefreshFault::not_sent)?;
        let call = TokenCall::over(self.0.outbound.clone());
        let token = RefreshToken::new(token.expose_secret().to_owned());
        let request = client.exchange_refresh_token(&token);
        let request = request.map_err(|_| RefreshFault::not_sent(lacks("token_endpoint")))?;
        match request.request_async(&call).await {
            Ok(answer) => Ok(answer.into_refreshed()),
            Err(error) => {
                let client_secret = self.0.config.client_secret.as_ref().map_or("", |secret| secret.expose_secret());
                Err(self.refresh_fault(error, &[token.secret(), client_secret]))
            }
        }
    }

    fn refresh_fault(&self, error: RequestTokenError<CallFault, TokenErrorResponse>, secrets: &[&str]) -> RefreshFault {
        match error {
            RequestTokenError::ServerResponse(answer) => self.refresh_refused(&answer.without(secrets)),
            // Neither the body nor the parser's message is told: both may hold a token.
            RequestTokenError::Parse(error, _) => nonsense(format!("not a token answer, at `{}`", error.path())),
            RequestTokenError::Other(what) => nonsense(what),
            RequestTokenError::Request(fault) => {
                let spent = fault.spent();
                RefreshFault::Unavailable { down: self.unavailable(fault, secrets), spent }
            }
        }
    }

    fn refresh_refused(&self, answer: &TokenErrorResponse) -> RefreshFault {
        let down = match answer.meaning_of_refresh() {
            RefreshMeaning::Refused => {
                return RefreshFault::Refused { word: answer.word(), description: answer.description() };
            }
            RefreshMeaning::OurConfiguration => self.misconfigured(answer, &answer.to_string()),
            RefreshMeaning::Throttled => Unavailable::because(Dependency::TokenEndpoint, answer.to_string())
                .retry_after(Duration::from_secs(300)),
            RefreshMeaning::Unknown => Unavailable::because(Dependency::TokenEndpoint, answer.to_string()),
        };
        // It answered that it did nothing.
        RefreshFault::Unavailable { down, spent: Spent::No }
    }
}

impl RefreshFault {
    fn not_sent(down: Unavailable) -> Self {
        Self::Unavailable { down, spent: Spent::No }
    }
}

impl CallFault {
    /// Whether the provider may have acted on the call. A status by which a server says that it did nothing (RFC 9110
    /// §15.5.9, §15.6.4; RFC 6585 §4; RFC 8470 §5.2) is believed; any other 5xx may come from a proxy in front of it.
    fn spent(&self) -> Spent {
        match self {
            Self::Outbound(OutboundError::Connect(_) | OutboundError::Forbidden(_) | OutboundError::Request(_))
            | Self::Denied { .. } => Spent::No,
            Self::Status { status, .. } if matches!(status.as_u16(), 408 | 425 | 429 | 503) => Spent::No,
            Self::Outbound(OutboundError::Broke(_) | OutboundError::TimedOut(_) | OutboundError::TooLong(_))
            | Self::Status { .. }
            | Self::Answer(_) => Spent::Perhaps,
        }
    }
}

impl TokenEndpointResponse {
    fn into_refreshed(self) -> RefreshedTokens {
        let (id_token, access_token, refresh_token) = self.into_parts();
        RefreshedTokens { id_token, access_token, refresh_token }
    }
}

fn nonsense(what: String) -> RefreshFault {
    RefreshFault::Unavailable { down: Unavailable::because(Dependency::TokenEndpoint, what), spent: Spent::Perhaps }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_delivered_was_not_spent() {
        let status = |status: u16| CallFault::Status {
            status: http::StatusCode::from_u16(status).expect("a status"),
            retry_after: None,
        };
        for unspent in [408, 425, 429, 503] {
            assert_eq!(status(unspent).spent(), Spent::No, "{unspent}");
        }
        for perhaps in [500, 502, 504, 302, 599] {
            assert_eq!(status(perhaps).spent(), Spent::Perhaps, "{perhaps}");
        }
        let outbound = |error| CallFault::Outbound(error).spent();
        assert_eq!(outbound(OutboundError::Connect("refused".into())), Spent::No);
        assert_eq!(outbound(OutboundError::Broke("reset".into())), Spent::Perhaps);
        assert_eq!(outbound(OutboundError::TimedOut(Duration::from_secs(5))), Spent::Perhaps);
        assert_eq!(outbound(OutboundError::TooLong(1)), Spent::Perhaps);
    }
}
