//! The question to an introspection endpoint (RFC 7662 §2.1), and what each way of not answering means.
//!
//! Whatever is no answer is Unavailable: neither a status nor a page says anything of the token. The secret goes where the
//! configuration says, else only to a host that the issuer's document names for other things too, each of which is pinned.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{Method, Request, StatusCode, header};
use secrecy::ExposeSecret;
use serde_json::Value;
use tokio::{sync::Semaphore, time::timeout};
use url::{Url, form_urlencoded};

use super::{Introspected, IntrospectionConfig};
use crate::{
    alarm::{self, Alarm},
    clock::{Now, Steady},
    credential::CredentialText,
    dependency::Dependency,
    discovery::{Discovery, Document},
    lock::lock,
    outbound::{Answer, Outbound},
    verdict::{OrUnavailable, Unavailable},
};

/// The longest answer that is read, in bytes.
const MAX_ANSWER: usize = 64 * 1024;

/// So many questions are at the issuer at once.
const AT_ONCE: usize = 32;

/// How long a question waits for its turn.
const TURN: Duration = Duration::from_secs(5);

/// How long the alarm keeps quiet once it rang.
const QUIET: Duration = Duration::from_secs(300);

/// How long to wait for somebody who changes a configuration.
const MENDED_BY_HAND: Duration = Duration::from_secs(60);

/// Where an issuer is asked, and as whom.
pub(super) struct Endpoint {
    config: IntrospectionConfig,
    discovery: Discovery,
    outbound: Outbound,
    turns: Semaphore,
    rang: std::sync::Mutex<Option<Steady>>,
}

/// How we show who we are (RFC 6749 §2.3.1).
#[derive(Clone, Copy, PartialEq, Eq)]
enum ClientAuthentication {
    Basic,
    Post,
}

impl Endpoint {
    pub(super) fn new(config: IntrospectionConfig, discovery: Discovery, outbound: Outbound) -> Self {
        Self { config, discovery, outbound, turns: Semaphore::new(AT_ONCE), rang: std::sync::Mutex::default() }
    }

    /// What the issuer says of `token`.
    ///
    /// # Errors
    /// Unavailable(Introspection), or because of what names the endpoint.
    pub(super) async fn introspect(&self, token: &CredentialText, now: Now) -> Result<Introspected, Unavailable> {
        let _turn = timeout(TURN, self.turns.acquire()).await.map_err(|_| late(TURN))?;
        let (url, authentication) = self.address().await?;
        let request = self.request(&url, authentication, token).or_unavailable(Dependency::Introspection)?;
        let answer = self.outbound.send(request, MAX_ANSWER).await.or_unavailable(Dependency::Introspection)?;
        #[cfg(candor_mutants)]
        if answer.status.is_server_error() && crate::mutants::is("introspection-500-is-inactive") {
            return Ok(Introspected::Inactive);
        }
        if answer.status != StatusCode::OK {
            return Err(self.refused(&answer, now));
        }
        Introspected::read(&answer, now).or_unavailable(Dependency::Introspection)
    }

    async fn address(&self) -> Result<(Url, ClientAuthentication), Unavailable> {
        if let Some(url) = &self.config.endpoint {
            return Ok((url.clone(), ClientAuthentication::Basic));
        }
        let document = self.discovery.document().await?;
        let url = document.introspection_endpoint().or_unavailable(Dependency::Discovery)?;
        Ok((url, ClientAuthentication::offered(&document)))
    }

    fn request(
        &self,
        url: &Url,
        authentication: ClientAuthentication,
        token: &CredentialText,
    ) -> Result<Request<Vec<u8>>, http::Error> {
        let IntrospectionConfig { client_id, client_secret, .. } = &self.config;
        let secret = client_secret.as_ref().map_or("", |secret| secret.expose_secret());
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("token", token.expose()).append_pair("token_type_hint", "access_token");
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(url.as_str())
            .header(header::ACCEPT, "application/json")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::CACHE_CONTROL, "no-store")
            .header(header::USER_AGENT, concat!("candor/", env!("CARGO_PKG_VERSION")));
        match authentication {
            ClientAuthentication::Basic => {
                let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
                let pair = STANDARD.encode(format!("{}:{}", encoded(client_id), encoded(secret)));
                request = request.header(header::AUTHORIZATION, format!("Basic {pair}"));
            }
            ClientAuthentication::Post => {
                form.append_pair("client_id", client_id).append_pair("client_secret", secret);
            }
        }
        request.body(form.finish().into_bytes())
    }

    /// Whatever is not 200 says nothing of the token. That we are not let in is for whoever set this up.
    fn refused(&self, answer: &Answer, now: Now) -> Unavailable {
        let status = answer.status;
        let retry_after = answer.retry_after();
        let said = Unavailable::because(Dependency::Introspection, format!("introspection was answered {status}"));
        match status {
            StatusCode::BAD_REQUEST if is_invalid_client(&answer.body) => self.not_let_in(status, now),
            // A stranger's token may be one that it cannot even read.
            StatusCode::BAD_REQUEST => said.unsettled(),
            status if answer.denies_the_request() => self.not_let_in(status, now),
            _ => said.retry_after(retry_after.unwrap_or(Unavailable::RETRY_AFTER)),
        }
    }

    fn not_let_in(&self, status: StatusCode, now: Now) -> Unavailable {
        let (issuer, mut rang) = (self.discovery.issuer(), lock(&self.rang));
        if rang.is_none_or(|at| now.steady().since(at) >= QUIET) {
            *rang = Some(now.steady());
            let what = format!(
                "{issuer} does not let this gateway ask about tokens ({status}): check `introspection` in its [[bearer]], \
                 and whether the secret has run out there"
            );
            alarm::ring(Alarm::ProviderConfiguration, &what);
        }
        Unavailable::because(Dependency::Introspection, format!("the issuer does not let this gateway ask: {status}"))
            .retry_after(MENDED_BY_HAND)
    }
}

impl ClientAuthentication {
    /// `client_secret_basic`, unless the document offers `client_secret_post` and not that (RFC 8414 §2).
    fn offered(document: &Document) -> Self {
        let offered = document.raw.get("introspection_endpoint_auth_methods_supported").and_then(Value::as_array);
        let offers = |method: &str| offered.is_some_and(|offered| offered.iter().any(|one| one == method));
        let only_post = offers("client_secret_post") && !offers("client_secret_basic");
        if only_post { Self::Post } else { Self::Basic }
    }
}

/// Nobody said in time.
pub(super) fn late(waited: Duration) -> Unavailable {
    Unavailable::because(Dependency::Introspection, format!("the issuer did not say within {waited:?}"))
}

/// RFC 6749 §5.2.
fn is_invalid_client(body: &[u8]) -> bool {
    let error = serde_json::from_slice::<Value>(body).ok();
    error.is_some_and(|error| error.get("error").and_then(Value::as_str) == Some("invalid_client"))
}
