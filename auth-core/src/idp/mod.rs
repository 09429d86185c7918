//! OpenID Connect providers: where a person is sent to sign in, and what their code is exchanged for.
//!
//! The only module that names `openidconnect`, which fetches nothing here and reads no clock. ID tokens leave a token
//! answer unverified, as text: `id_token` verifies them, first by [`crate::keys`] and [`crate::jws`], which know
//! fresh keys and the difference between a forgery and an outage, then by the library's verifier (`SignedIdToken`).
//! Deliberately absent: any other flow than the code flow with PKCE (RFC 6749 §4.1, RFC 7636) and the refresh of what it gave
//! (RFC 6749 §6).

mod call;
mod client;
mod error_response;
mod exchange;
pub(crate) mod id_token;
mod invalid_response;
pub(crate) mod logout_token;
mod proven_key;
mod refresh;
mod signed_id_token;
mod userinfo;

use std::{borrow::Cow, fmt, sync::Arc, time::Duration};

use openidconnect::{
    AuthenticationFlow, ClientId, CsrfToken, EndSessionUrl, LoginHint, LogoutHint, LogoutRequest, Nonce,
    PkceCodeChallenge, PkceCodeVerifier, PostLogoutRedirectUrl, RedirectUrl, Scope,
    core::{CoreAuthPrompt, CoreResponseType},
};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Semaphore;
use url::Url;

use self::client::{client, listed};
pub(crate) use self::{
    error_response::{hiding, presentable},
    exchange::{ExchangeFault, Tokens},
    refresh::{RefreshFault, RefreshedTokens, Spent},
    signed_id_token::{Mismatch, SignedIdToken},
};
pub use self::{
    exchange::IssuedAccessToken,
    invalid_response::InvalidResponse,
    logout_token::{LogoutTokenFault, WrongLogoutToken},
    userinfo::UserinfoUse,
};
use crate::{
    clock::{Clock, Now},
    discovery::{Discovery, Document},
    keys::IssuerKeys,
    outbound::Outbound,
    principal::{UserClaim, stated::Absence},
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
    /// The claim that services know its people by.
    pub user_claim: UserClaim,
    /// The claim that is shown as a name.
    pub name_claim: String,
    /// The claim that lists groups.
    pub groups_claim: String,
    /// What it means that an ID token states no groups or roles.
    pub absence: Absence,
    /// What the provider is to ask of the person, whatever it knows already.
    pub prompt: Option<Prompt>,
    /// How the answer comes back.
    pub response_mode: ResponseMode,
    /// What userinfo is asked for after a good ID token.
    pub userinfo: UserinfoUse,
    /// Whether who signs out here is sent on to sign out there too, if it has an address for that.
    pub logout_at_provider: bool,
}

/// What a provider asks a person for though it need not (OpenID Connect Core §3.1.2.1). One of them at a time: Entra ID
/// takes no two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prompt {
    /// Their consent to what we ask for.
    Consent,
    /// Their credentials.
    Login,
    /// Which of their accounts it shall be.
    SelectAccount,
}

/// How the provider's answer comes back (OAuth 2.0 Multiple Response Type Encoding Practices §2.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ResponseMode {
    /// In the query of a GET: the default of the code flow, so nothing is asked for.
    #[default]
    Query,
    /// In the body of a cross-site POST (OAuth 2.0 Form Post Response Mode): needs a cookie with `SameSite=None`.
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
    /// The calls of its token endpoint that may be under way at once.
    calls: Semaphore,
}

/// The most calls of a provider's token endpoint under way at once. A healthy provider answers each in a fraction of a
/// second; a slow one must not gather more of ours than it can answer, each with our secret.
const MOST_CALLS: usize = 32;

/// What an authentication request carries besides the configuration (OpenID Connect Core §3.1.2.1).
pub(crate) struct AuthenticationRequest<'a> {
    pub(crate) state: &'a str,
    pub(crate) nonce: &'a str,
    pub(crate) verifier: &'a SecretString,
    pub(crate) redirect_uri: &'a Url,
    /// Whether the person is to choose an account.
    pub(crate) select_account: bool,
    /// How long ago they may have signed in there at most.
    pub(crate) max_age: Option<Duration>,
    /// Who they probably are.
    pub(crate) login_hint: Option<&'a str>,
}

/// What a logout request carries besides the configuration (OpenID Connect RP-Initiated Logout 1.0 §2).
pub(crate) struct EndSessionRequest<'a> {
    /// Where the person comes back to. Registered with the provider.
    pub(crate) redirect_uri: &'a Url,
    pub(crate) state: &'a str,
    /// Whose session it is, in the provider's own words.
    pub(crate) logout_hint: Option<&'a str>,
    /// The last ID token that it gave of them. Without it many providers ask the person whether they mean it, and some sign nobody out.
    pub(crate) id_token_hint: Option<&'a SecretString>,
}

impl Provider {
    /// A provider from its configuration and the parts that know it.
    pub fn new(config: ProviderConfig, discovery: Discovery, keys: IssuerKeys, outbound: Outbound) -> Self {
        Self(Arc::new(Parts { config, discovery, keys, outbound, calls: Semaphore::new(MOST_CALLS) }))
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

    /// The clock that it goes by, and tells.
    pub(crate) fn clock(&self) -> &Clock {
        self.0.discovery.clock()
    }

    /// Its document, last known good.
    pub(crate) async fn document(&self) -> Result<Arc<Document>, Unavailable> {
        self.0.discovery.document().await
    }

    /// Its document, once it has answered within the last ten seconds.
    pub(crate) async fn ask(&self, now: Now) -> Result<Arc<Document>, Unavailable> {
        self.0.discovery.ask(now).await
    }

    /// Where its pages are, as far as that is known without asking it: at its issuer, where people sign in and where they sign
    /// out. Origins, each once.
    pub fn page_origins(&self) -> Vec<url::Origin> {
        let mut urls: Vec<_> = Url::parse(self.issuer()).into_iter().collect();
        if let Some(known) = self.0.discovery.known() {
            urls.extend(known.authorization_endpoint.iter().chain(&known.end_session_endpoint).cloned());
        }
        let mut origins: Vec<_> = urls.iter().map(Url::origin).collect();
        origins.sort_by_key(url::Origin::ascii_serialization);
        origins.dedup();
        origins
    }

    /// Where to send a person to sign in.
    ///
    /// # Errors
    /// Unavailable(Discovery), if the document names no authorisation endpoint.
    pub(crate) fn authorise_url(
        &self,
        document: &Document,
        request: &AuthenticationRequest<'_>,
    ) -> Result<Url, Unavailable> {
        let config = &self.0.config;
        let client = client(config, document)?;
        let (state, nonce) = (request.state.to_owned(), request.nonce.to_owned());
        let verifier = PkceCodeVerifier::new(request.verifier.expose_secret().to_owned());
        // `openid` is asked for by the library.
        let scopes = config.scopes.iter().filter(|scope| *scope != "openid");
        let mut url = client
            .authorize_url(
                AuthenticationFlow::<CoreResponseType>::AuthorizationCode,
                || CsrfToken::new(state),
                || Nonce::new(nonce),
            )
            .set_redirect_uri(Cow::Owned(RedirectUrl::from_url(request.redirect_uri.clone())))
            .set_pkce_challenge(PkceCodeChallenge::from_code_verifier_sha256(&verifier))
            .add_scopes(scopes.cloned().map(Scope::new));
        if let Some(prompt) = self.prompt(document, request.select_account) {
            url = url.add_prompt(prompt.into());
        }
        if let Some(max_age) = request.max_age {
            url = url.set_max_age(max_age);
        }
        if let Some(hint) = request.login_hint {
            url = url.set_login_hint(LoginHint::new(hint.to_owned()));
        }
        if config.response_mode == ResponseMode::FormPost {
            url = url.add_extra_param("response_mode", "form_post");
        }
        Ok(url.url().0)
    }

    /// Whether people who sign out here are sent on to sign out there too, by what is known of it now.
    pub(crate) fn ends_sessions(&self) -> bool {
        self.0.config.logout_at_provider
            && self.0.discovery.known().is_some_and(|document| document.end_session_endpoint.is_some())
    }

    /// Where to send a person to sign out there too; nothing, if the provider has no such address.
    pub(crate) fn end_session_url(&self, document: &Document, request: &EndSessionRequest<'_>) -> Option<Url> {
        let endpoint = EndSessionUrl::from_url(document.end_session_endpoint.clone()?);
        let mut logout = LogoutRequest::from(endpoint)
            .set_client_id(ClientId::new(self.0.config.client_id.clone()))
            .set_post_logout_redirect_uri(PostLogoutRedirectUrl::from_url(request.redirect_uri.clone()))
            .set_state(CsrfToken::new(request.state.to_owned()));
        if let Some(hint) = request.logout_hint {
            logout = logout.set_logout_hint(LogoutHint::new(hint.to_owned()));
        }
        let mut url = logout.http_get_url();
        // As it came: the library would read its claims, and write the token anew.
        if let Some(token) = request.id_token_hint {
            url.query_pairs_mut().append_pair("id_token_hint", token.expose_secret());
        }
        Some(url)
    }

    /// What is asked of the person. Where they are to choose an account, that takes the configured one's place, but that of
    /// their credentials, which they can give for any account. A provider that says which it knows, and not this one
    /// (`prompt_values_supported`, Initiating User Registration via OpenID Connect 1.0 §4), asks for credentials too.
    fn prompt(&self, document: &Document, select_account: bool) -> Option<Prompt> {
        match self.0.config.prompt {
            configured if !select_account => configured,
            Some(Prompt::Login) => Some(Prompt::Login),
            Some(Prompt::Consent | Prompt::SelectAccount) | None => {
                let known: Option<Vec<String>> = listed(document, "prompt_values_supported");
                let knows = |word: &str| known.as_ref().is_none_or(|known| known.iter().any(|one| one == word));
                let asks_for_credentials = !knows("select_account") && knows("login");
                Some(if asks_for_credentials { Prompt::Login } else { Prompt::SelectAccount })
            }
        }
    }
}

impl From<Prompt> for CoreAuthPrompt {
    fn from(prompt: Prompt) -> Self {
        match prompt {
            Prompt::Consent => Self::Consent,
            Prompt::Login => Self::Login,
            Prompt::SelectAccount => Self::SelectAccount,
        }
    }
}

impl ResponseMode {
    /// Whether the answer arrives by a cross-site POST, which brings no `SameSite=Lax` cookie.
    pub fn is_cross_site_post(self) -> bool {
        self == Self::FormPost
    }
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Provider({})", self.name())
    }
}
