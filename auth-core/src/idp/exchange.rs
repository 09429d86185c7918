//! The exchange of a code for tokens (RFC 6749 §4.1.3), and what each way of not getting them means.

use std::{borrow::Cow, fmt, time::Duration};

use openidconnect::{
    AccessToken, AuthorizationCode, EmptyAdditionalClaims, ErrorResponse, IdToken, OAuth2TokenResponse,
    PkceCodeVerifier, RedirectUrl, RefreshToken, RequestTokenError, Scope, TokenResponse,
    core::{CoreGenderClaim, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm, CoreTokenType},
};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use url::Url;

use super::{
    Provider,
    call::{CallFault, TokenCall},
    client::{client, lacks},
    error_response::{Meaning, TokenErrorResponse},
};
use crate::{
    alarm::{self, Alarm},
    dependency::Dependency,
    discovery::Document,
    verdict::Unavailable,
};

/// What a code was exchanged for. Nothing here is verified.
pub(crate) struct Tokens {
    pub(crate) id_token: SecretString,
    pub(crate) access_token: IssuedAccessToken,
    pub(crate) refresh_token: Option<SecretString>,
}

/// An access token as the token endpoint gave it. No `Debug`.
#[derive(Clone)]
pub struct IssuedAccessToken {
    /// The token: opaque here.
    pub text: SecretString,
    /// For how long it is good, if the answer says that in a way that makes sense.
    pub lifetime: Option<Duration>,
}

/// Why a code was not exchanged.
#[derive(Debug)]
pub(crate) enum ExchangeFault {
    /// The provider does not take this code, or not any more: the sign-in begins again.
    StaleCode,
    /// The provider will not sign this person in, or does not grant what we ask for.
    Denied { word: String, description: Option<String> },
    /// Its answer is whole, and has no ID token.
    NoIdToken,
    /// It is being asked by as many as may ask it at once. Nothing was sent.
    Busy,
    /// The provider does not know us, or not our request. We cannot tell who this is before that is put right.
    Misconfigured(Unavailable),
    /// We cannot tell.
    Unavailable(Unavailable),
}

/// How long to wait for somebody who changes a configuration.
const MENDED_BY_HAND: Duration = Duration::from_secs(60);

/// A token answer (RFC 6749 §5.1, OpenID Connect Core §3.1.3.3). The ID token stays text, so that a bad one is not
/// mistaken for an answer that cannot be read; so does `expires_in` stay what it is, which some providers spell as a string.
#[derive(Deserialize, Serialize)]
pub(super) struct TokenEndpointResponse {
    #[serde(skip_serializing)]
    access_token: AccessToken,
    #[serde(skip_serializing)]
    refresh_token: Option<RefreshToken>,
    #[serde(skip_serializing)]
    id_token: Option<String>,
    #[serde(skip_serializing, default)]
    expires_in: serde_json::Value,
}

impl Provider {
    /// Exchanges a code for tokens, once: a code may be spent by an exchange that seemed to fail.
    ///
    /// # Errors
    /// [`ExchangeFault`].
    pub(crate) async fn exchange(
        &self,
        document: &Document,
        code: &SecretString,
        verifier: &SecretString,
        redirect_uri: &Url,
    ) -> Result<Tokens, ExchangeFault> {
        let Ok(_call) = self.0.calls.try_acquire() else { return Err(ExchangeFault::Busy) };
        let client = client(&self.0.config, document)?;
        let call = TokenCall::over(self.0.outbound.clone());
        let answer = client
            .exchange_code(AuthorizationCode::new(code.expose_secret().to_owned()))
            .map_err(|_| lacks("token_endpoint"))?
            .set_pkce_verifier(PkceCodeVerifier::new(verifier.expose_secret().to_owned()))
            .set_redirect_uri(Cow::Owned(RedirectUrl::from_url(redirect_uri.clone())))
            .request_async(&call)
            .await;
        match answer {
            Ok(answer) => answer.into_tokens(),
            Err(error) => {
                let client_secret = self.0.config.client_secret.as_ref().map_or("", |secret| secret.expose_secret());
                Err(self.fault(error, &[code.expose_secret(), verifier.expose_secret(), client_secret]))
            }
        }
    }

    /// What `error` means. What the provider says of it is told without the `secrets` that it was sent.
    fn fault(&self, error: RequestTokenError<CallFault, TokenErrorResponse>, secrets: &[&str]) -> ExchangeFault {
        match error {
            RequestTokenError::ServerResponse(answer) => self.refused(&answer.without(secrets)),
            RequestTokenError::Request(CallFault::Denied { status, error: Some(error) })
                if error.meaning() == Meaning::OurConfiguration =>
            {
                let error = error.without(secrets);
                ExchangeFault::Misconfigured(self.misconfigured(&error, &format!("status {status}, {error}")))
            }
            RequestTokenError::Request(fault) => ExchangeFault::Unavailable(self.unavailable(fault, secrets)),
            // Neither the body nor the parser's message is told: both may hold a token.
            RequestTokenError::Parse(error, _) => nonsense(format!("not a token answer, at `{}`", error.path())),
            RequestTokenError::Other(what) => nonsense(what),
        }
    }

    /// What a call means that brought nothing that OAuth could read.
    pub(super) fn unavailable(&self, fault: CallFault, secrets: &[&str]) -> Unavailable {
        match fault {
            CallFault::Denied { status, error: Some(error) } => {
                let error = error.without(secrets);
                self.refuses_us(&format!("status {status}, {error}"))
            }
            // Anything between us and the provider may have said that, and be mended in a moment.
            CallFault::Denied { status, error: None } => {
                self.refuses_us(&format!("status {status}, nothing more")).retry_after(Unavailable::RETRY_AFTER)
            }
            fault => {
                let retry_after = fault.retry_after().unwrap_or(Unavailable::RETRY_AFTER);
                Unavailable::because(Dependency::TokenEndpoint, fault).retry_after(retry_after)
            }
        }
    }

    fn refused(&self, answer: &TokenErrorResponse) -> ExchangeFault {
        match answer.meaning() {
            Meaning::StaleCode => ExchangeFault::StaleCode,
            Meaning::Denied => ExchangeFault::Denied { word: answer.word(), description: answer.description() },
            Meaning::NotGranted => {
                let name = self.name();
                alarm::ring(
                    Alarm::ProviderConfiguration,
                    &format!("the provider `{name}` does not grant what its `scopes` ask for: {answer}"),
                );
                ExchangeFault::Denied { word: answer.word(), description: answer.description() }
            }
            Meaning::OurConfiguration => ExchangeFault::Misconfigured(self.misconfigured(answer, &answer.to_string())),
            Meaning::Throttled => {
                let unavailable = Unavailable::because(Dependency::TokenEndpoint, answer.to_string());
                ExchangeFault::Unavailable(unavailable.retry_after(Duration::from_secs(300)))
            }
            Meaning::Transient | Meaning::Unknown => nonsense(answer.to_string()),
        }
    }

    /// The provider does not know us, and says so: no fault of the person's.
    pub(super) fn misconfigured(&self, error: &TokenErrorResponse, said: &str) -> Unavailable {
        self.refuses_us(&format!("{said}; {}", error.remedy()))
    }

    /// The token endpoint refuses us, whoever comes.
    fn refuses_us(&self, said: &str) -> Unavailable {
        let name = self.name();
        alarm::ring(
            Alarm::ProviderConfiguration,
            &format!("the provider `{name}` refuses this gateway itself: {said}"),
        );
        Unavailable::because(Dependency::TokenEndpoint, format!("the provider refuses this gateway: {said}"))
            .retry_after(MENDED_BY_HAND)
    }
}

impl TokenEndpointResponse {
    fn into_tokens(self) -> Result<Tokens, ExchangeFault> {
        let (id_token, access_token, refresh_token) = self.into_parts();
        let id_token = id_token.ok_or(ExchangeFault::NoIdToken)?;
        Ok(Tokens { id_token, access_token, refresh_token })
    }

    /// The ID token, the access token and the refresh token, as far as they are there.
    pub(super) fn into_parts(self) -> (Option<SecretString>, IssuedAccessToken, Option<SecretString>) {
        let access =
            IssuedAccessToken { text: self.access_token.into_secret().into(), lifetime: lifetime(&self.expires_in) };
        let refresh = self.refresh_token.map(|token| token.into_secret().into());
        (self.id_token.map(Into::into), access, refresh)
    }
}

/// What `expires_in` says (RFC 6749 §5.1): a number of seconds, which some providers spell as a string. Less than one is
/// none, more than a year is one; what makes no sense says nothing.
fn lifetime(expires_in: &serde_json::Value) -> Option<Duration> {
    const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);
    let seconds = match expires_in {
        serde_json::Value::Number(number) => number.as_f64()?,
        serde_json::Value::String(text) => text.trim().parse().ok().filter(|number: &f64| number.is_finite())?,
        _ => return None,
    };
    Some(Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(YEAR).min(YEAR))
}

fn nonsense(what: String) -> ExchangeFault {
    ExchangeFault::Unavailable(Unavailable::because(Dependency::TokenEndpoint, what))
}

impl ErrorResponse for TokenErrorResponse {}

impl OAuth2TokenResponse for TokenEndpointResponse {
    type TokenType = CoreTokenType;

    fn access_token(&self) -> &AccessToken {
        &self.access_token
    }
    fn token_type(&self) -> &CoreTokenType {
        &CoreTokenType::Bearer
    }
    fn expires_in(&self) -> Option<Duration> {
        None
    }
    fn refresh_token(&self) -> Option<&RefreshToken> {
        self.refresh_token.as_ref()
    }
    fn scopes(&self) -> Option<&Vec<Scope>> {
        None
    }
}

/// The library's own way to the ID token: none leads there, since it is verified before the library reads it.
impl TokenResponse<EmptyAdditionalClaims, CoreGenderClaim, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm>
    for TokenEndpointResponse
{
    fn id_token(
        &self,
    ) -> Option<
        &IdToken<EmptyAdditionalClaims, CoreGenderClaim, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm>,
    > {
        None
    }
}

impl From<Unavailable> for ExchangeFault {
    fn from(unavailable: Unavailable) -> Self {
        Self::Unavailable(unavailable)
    }
}

impl fmt::Debug for TokenEndpointResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenEndpointResponse(..)")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_lifetime_that_makes_no_sense_says_nothing() {
        let check = |said: serde_json::Value, expected: Option<u64>| {
            assert_eq!(lifetime(&said), expected.map(Duration::from_secs), "{said}");
        };
        check(json!(3600), Some(3600));
        check(json!("3600"), Some(3600));
        check(json!(0), Some(0));
        check(json!(-1), Some(0));
        check(json!(1_000_000_000_000_u64), Some(365 * 24 * 3600));
        check(json!("soon"), None);
        check(json!("NaN"), None);
        check(json!(null), None);
        check(json!([3600]), None);
    }
}
