//! OpenID Connect providers: where a person is sent to sign in, and what their code is exchanged for.
//!
//! The only file that names `oauth2`. ID tokens leave it unverified, as text: [`crate::sign_in`] verifies them by
//! [`crate::keys`] and [`crate::jws`], which know leeway, fresh keys and the difference between a forgery and an
//! outage. Deliberately absent: userinfo, and any other flow than the code flow with PKCE (RFC 6749 §4.1, RFC 7636).

mod answer;
mod call;

use std::{borrow::Cow, fmt, sync::Arc, time::Duration};

use oauth2::{
    AccessToken, AuthType, AuthUrl, AuthorizationCode, ClientId, ClientSecret, CsrfToken, EmptyExtraTokenFields,
    PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, RefreshToken, RequestTokenError, Scope, StandardRevocableToken,
    StandardTokenIntrospectionResponse, TokenUrl,
    basic::{BasicRevocationErrorResponse, BasicTokenType},
};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use url::Url;

pub(crate) use answer::presentable;

use self::{
    answer::{ErrorAnswer, Meaning},
    call::{CallFault, TokenCall},
};
use crate::{
    alarm,
    clock::Now,
    dependency::Dependency,
    discovery::{Discovery, Document},
    keys::IssuerKeys,
    outbound::Outbound,
    verdict::Unavailable,
};

/// A provider that people sign in at, as configured.
#[derive(Clone, Debug)]
pub struct ProviderConfig {
    /// Its name here, a part of its own redirect URI (RFC 9700 §4.4.2.2).
    pub name: Arc<str>,
    /// Who we are to it.
    pub client_id: String,
    /// What proves it; absent for a public client.
    pub client_secret: Option<SecretString>,
    /// What we ask for. `openid` is added where it is missing.
    pub scopes: Vec<String>,
    /// The claim that is shown as a name.
    pub name_claim: String,
    /// The claim that lists groups.
    pub groups_claim: String,
    /// OpenID Connect Core §3.1.2.1, such as `consent`.
    pub prompt: Option<String>,
    /// How the answer comes back.
    pub response_mode: ResponseMode,
}

/// How the provider's answer comes back (OAuth 2.0 Multiple Response Type Encoding Practices §2.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ResponseMode {
    /// In the query of a GET: the default of the code flow, so nothing is asked for.
    #[default]
    Query,
    /// In the body of a cross-site POST (OAuth 2.0 Form Post Response Mode): needs a `SameSite=None` try cookie.
    FormPost,
}

/// A provider, with what is known of it. Cheap to clone.
#[derive(Clone)]
pub struct Provider(Arc<Parts>);

struct Parts {
    config: ProviderConfig,
    discovery: Discovery,
    keys: IssuerKeys,
    outbound: Outbound,
}

/// What an authorisation request carries besides the configuration.
pub(crate) struct Asking<'a> {
    pub(crate) state: &'a str,
    pub(crate) nonce: &'a str,
    pub(crate) verifier: &'a SecretString,
    pub(crate) redirect_uri: &'a Url,
}

/// What a code was exchanged for. Nothing here is verified.
pub(crate) struct Tokens {
    pub(crate) id_token: SecretString,
    pub(crate) access_token: SecretString,
    pub(crate) refresh_token: Option<SecretString>,
}

/// Why a code was not exchanged.
#[derive(Debug)]
pub(crate) enum ExchangeFault {
    /// The provider does not take this code, or not any more: the sign-in begins again.
    StaleCode,
    /// The provider will not sign this person in.
    Denied { word: String, description: Option<String> },
    /// We cannot tell.
    Unavailable(Unavailable),
}

type Client = oauth2::Client<
    ErrorAnswer,
    TokenAnswer,
    StandardTokenIntrospectionResponse<EmptyExtraTokenFields, BasicTokenType>,
    StandardRevocableToken,
    BasicRevocationErrorResponse,
>;

/// A token answer (RFC 6749 §5.1, OpenID Connect Core §3.1.3.3). The ID token stays text, so that a bad one is not
/// mistaken for an answer that cannot be read; `expires_in`, which some providers spell as a string, is not read.
#[derive(Deserialize, Serialize)]
struct TokenAnswer {
    #[serde(skip_serializing)]
    access_token: AccessToken,
    #[serde(skip_serializing)]
    refresh_token: Option<RefreshToken>,
    #[serde(skip_serializing)]
    id_token: Option<String>,
}

impl Provider {
    /// A provider from its configuration and the parts that know it.
    pub fn new(config: ProviderConfig, discovery: Discovery, keys: IssuerKeys, outbound: Outbound) -> Self {
        Self(Arc::new(Parts { config, discovery, keys, outbound }))
    }

    /// Its name here.
    pub fn name(&self) -> &Arc<str> {
        &self.0.config.name
    }

    /// Its `iss`, to the letter.
    pub fn issuer(&self) -> &Arc<str> {
        self.0.discovery.issuer()
    }

    /// What was configured.
    pub fn config(&self) -> &ProviderConfig {
        &self.0.config
    }

    /// Its keys.
    pub fn keys(&self) -> &IssuerKeys {
        &self.0.keys
    }

    /// Its document, last known good.
    pub(crate) async fn document(&self) -> Result<Arc<Document>, Unavailable> {
        self.0.discovery.document().await
    }

    /// Its document, once it has answered within the last ten seconds.
    pub(crate) async fn ask(&self, now: Now) -> Result<Arc<Document>, Unavailable> {
        self.0.discovery.ask(now).await
    }

    /// Where to send a person to sign in.
    ///
    /// # Errors
    /// Unavailable(Discovery), if the document names no authorisation endpoint.
    pub(crate) fn authorise_url(&self, document: &Document, asking: &Asking<'_>) -> Result<Url, Unavailable> {
        let endpoint = document.authorization_endpoint.clone().ok_or_else(|| lacks("authorization_endpoint"))?;
        let config = &self.0.config;
        let client = Client::new(ClientId::new(config.client_id.clone())).set_auth_uri(AuthUrl::from_url(endpoint));
        let verifier = PkceCodeVerifier::new(asking.verifier.expose_secret().to_owned());
        let mut request = client
            .authorize_url(|| CsrfToken::new(asking.state.to_owned()))
            .set_redirect_uri(Cow::Owned(RedirectUrl::from_url(asking.redirect_uri.clone())))
            .set_pkce_challenge(PkceCodeChallenge::from_code_verifier_sha256(&verifier))
            .add_extra_param("nonce", asking.nonce);
        if !config.scopes.iter().any(|scope| scope == "openid") {
            request = request.add_scope(Scope::new("openid".to_owned()));
        }
        request = request.add_scopes(config.scopes.iter().cloned().map(Scope::new));
        if let Some(prompt) = &config.prompt {
            request = request.add_extra_param("prompt", prompt);
        }
        if config.response_mode == ResponseMode::FormPost {
            request = request.add_extra_param("response_mode", "form_post");
        }
        Ok(request.url().0)
    }

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
        let endpoint = document.token_endpoint.clone().ok_or_else(|| lacks("token_endpoint"))?;
        let config = &self.0.config;
        let mut client = Client::new(ClientId::new(config.client_id.clone()))
            .set_auth_type(client_authentication(document))
            .set_token_uri(TokenUrl::from_url(endpoint));
        if let Some(secret) = &config.client_secret {
            client = client.set_client_secret(ClientSecret::new(secret.expose_secret().to_owned()));
        }
        let call = TokenCall::over(self.0.outbound.clone());
        let answer = client
            .exchange_code(AuthorizationCode::new(code.expose_secret().to_owned()))
            .set_pkce_verifier(PkceCodeVerifier::new(verifier.expose_secret().to_owned()))
            .set_redirect_uri(Cow::Owned(RedirectUrl::from_url(redirect_uri.clone())))
            .request_async(&call)
            .await;
        match answer {
            Ok(answer) => answer.into_tokens(),
            Err(error) => Err(self.fault(error)),
        }
    }

    fn fault(&self, error: RequestTokenError<CallFault, ErrorAnswer>) -> ExchangeFault {
        match error {
            RequestTokenError::ServerResponse(answer) => self.refused(&answer),
            RequestTokenError::Request(CallFault::Denied { status, error }) => {
                let said = error.map_or_else(|| "nothing more".to_owned(), |error| error.to_string());
                self.misconfigured(&format!("status {status}, {said}"))
            }
            RequestTokenError::Request(fault) => {
                let retry_after = fault.retry_after();
                let unavailable = Unavailable::because(Dependency::TokenEndpoint, fault);
                ExchangeFault::Unavailable(unavailable.retry_after(retry_after.unwrap_or(Unavailable::RETRY_AFTER)))
            }
            // Neither the body nor the parser's message is told: both may hold a token.
            RequestTokenError::Parse(error, _) => nonsense(format!("not a token answer, at `{}`", error.path())),
            RequestTokenError::Other(what) => nonsense(what),
        }
    }

    fn refused(&self, answer: &ErrorAnswer) -> ExchangeFault {
        match answer.meaning() {
            Meaning::StaleCode => ExchangeFault::StaleCode,
            Meaning::Denied => ExchangeFault::Denied { word: answer.word(), description: answer.description() },
            Meaning::OurConfiguration => self.misconfigured(&answer.to_string()),
            Meaning::Throttled => {
                let unavailable = Unavailable::because(Dependency::TokenEndpoint, answer.to_string());
                ExchangeFault::Unavailable(unavailable.retry_after(Duration::from_secs(300)))
            }
            Meaning::Transient | Meaning::Unknown => nonsense(answer.to_string()),
        }
    }

    /// The provider does not know us: no fault of the person's, and nothing that waiting repairs.
    fn misconfigured(&self, said: &str) -> ExchangeFault {
        let name = self.name();
        alarm::ring("provider-configuration", &format!("the provider `{name}` refuses this gateway itself: {said}"));
        ExchangeFault::Unavailable(
            Unavailable::because(Dependency::TokenEndpoint, format!("the provider refuses this gateway: {said}"))
                .retry_after(Duration::from_secs(60)),
        )
    }
}

impl ResponseMode {
    /// Whether the answer arrives by a cross-site POST, which brings no `SameSite=Lax` cookie.
    pub fn is_cross_site_post(self) -> bool {
        self == Self::FormPost
    }
}

impl TokenAnswer {
    fn into_tokens(self) -> Result<Tokens, ExchangeFault> {
        let Some(id_token) = self.id_token else {
            return Err(nonsense("a token answer without an ID token".to_owned()));
        };
        Ok(Tokens {
            id_token: id_token.into(),
            access_token: self.access_token.into_secret().into(),
            refresh_token: self.refresh_token.map(|token| token.into_secret().into()),
        })
    }
}

/// `client_secret_basic` is the default (OpenID Connect Discovery 1.0 §3); `client_secret_post` where only that is
/// offered.
fn client_authentication(document: &Document) -> AuthType {
    let offered = document.raw.get("token_endpoint_auth_methods_supported").and_then(serde_json::Value::as_array);
    let offers = |method: &str| offered.is_some_and(|offered| offered.iter().any(|one| one == method));
    if offers("client_secret_post") && !offers("client_secret_basic") {
        AuthType::RequestBody
    } else {
        AuthType::BasicAuth
    }
}

fn lacks(member: &str) -> Unavailable {
    Unavailable::because(Dependency::Discovery, format!("the provider's document has no `{member}`"))
}

fn nonsense(what: String) -> ExchangeFault {
    ExchangeFault::Unavailable(Unavailable::because(Dependency::TokenEndpoint, what))
}

impl oauth2::ErrorResponse for ErrorAnswer {}

impl oauth2::TokenResponse for TokenAnswer {
    type TokenType = BasicTokenType;

    fn access_token(&self) -> &AccessToken {
        &self.access_token
    }
    fn token_type(&self) -> &BasicTokenType {
        &BasicTokenType::Bearer
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

impl From<Unavailable> for ExchangeFault {
    fn from(unavailable: Unavailable) -> Self {
        Self::Unavailable(unavailable)
    }
}

impl fmt::Debug for TokenAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenAnswer(..)")
    }
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Provider({})", self.name())
    }
}
