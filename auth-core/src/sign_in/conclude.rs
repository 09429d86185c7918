//! From a recognised callback to a session: what runs on the keeper, to its end.

use secrecy::ExposeSecret;
use url::Url;

use super::{
    Callback, Finished, SignInFault, Why,
    callback::{Answered, CallbackParams},
    fault,
    id_token::{self, Expected, IdTokenFault, Identity},
    tries::{self, Try},
};
use crate::{
    clock::Now,
    dependency::Dependency,
    discovery::Document,
    idp::{ExchangeFault, Provider, ProviderConfig, Tokens, hiding, presentable},
    session::{EarlierTokens, NewSession, Sessions},
    stated::Stated,
    verdict::Unavailable,
};

/// A sign-in whose callback has come.
pub(super) struct Conclusion {
    pub(super) provider: Provider,
    pub(super) found: Try,
    /// The name of the try's cookie.
    pub(super) cookie: String,
    pub(super) redirect_uri: Url,
    pub(super) sessions: Sessions,
    pub(super) now: Now,
}

impl Conclusion {
    pub(super) async fn reach(mut self, callback: Callback) -> Result<Finished, SignInFault> {
        let params = &callback.params;
        let answer = params.answer().map_err(SignInFault::Malformed)?;
        let document = self.provider.document().await.map_err(|down| self.keeping_the_try(down))?;
        self.check_issuer(params, &document)?;
        let code = match answer {
            Answered::Code(code) => code,
            Answered::Error(word) => return Err(self.error(word, params)),
        };
        // A code can be spent once, so it is not spent while nobody could read what it buys.
        self.provider.keys().ready().await.map_err(|down| self.keeping_the_try(down))?;
        let exchanged = self.provider.exchange(&document, code, &self.found.verifier(), &self.redirect_uri).await;
        let tokens = exchanged.map_err(|fault| self.not_exchanged(fault))?;
        let identity = self.identity(&tokens).await?;
        // Its token may have ended a doubt about the clock.
        self.now = self.provider.clock().now();
        self.session(identity, tokens, callback).await
    }

    /// RFC 9207 §2.4: by simple string comparison, for codes and errors.
    fn check_issuer(&self, params: &CallbackParams, document: &Document) -> Result<(), SignInFault> {
        let promised = document.raw.get("authorization_response_iss_parameter_supported");
        match &params.iss {
            Some(issuer) if **issuer != **self.provider.issuer() => Err(self.refused("wrong_issuer", None)),
            None if promised.and_then(serde_json::Value::as_bool) == Some(true) => {
                Err(self.refused("missing_issuer", None))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// The provider sent an error instead of a code (RFC 6749 §4.1.2.1).
    fn error(&self, word: &str, params: &CallbackParams) -> SignInFault {
        match word {
            "server_error" | "temporarily_unavailable" => {
                let said = format!("the provider says `{word}`");
                self.keeping_the_try(Unavailable::because(Dependency::TokenEndpoint, said))
            }
            _ => {
                // Some providers quote the request that they refuse.
                let state = [params.state.as_deref().unwrap_or_default()];
                let description = params.error_description.as_deref().map(|text| hiding(text, &state));
                self.refused(&hiding(word, &state), description.as_deref())
            }
        }
    }

    fn not_exchanged(&self, fault: ExchangeFault) -> SignInFault {
        match fault {
            ExchangeFault::StaleCode => {
                let why = Why::StaleCode;
                tracing::info!(provider = %self.provider.name(), why = why.as_str(), "a sign-in begins again");
                let (return_to, spent) = (Some(self.found.return_to.clone()), Some(self.cookie.clone()));
                SignInFault::BeginAgain { why, return_to, again: false, spent }
            }
            ExchangeFault::Denied { word, description } => self.refused(&word, description.as_deref()),
            ExchangeFault::Unavailable(unavailable) => self.keeping_the_try(unavailable),
        }
    }

    async fn identity(&self, tokens: &Tokens) -> Result<Identity, SignInFault> {
        let expected = Expected {
            issuer: self.provider.issuer(),
            client_id: &self.provider.config().client_id,
            nonce: &self.found.nonce,
            access_token: tokens.access_token.expose_secret(),
        };
        let verified = id_token::verify(&self.provider, tokens.id_token.expose_secret(), &expected, self.now).await;
        verified.map_err(|fault| match fault {
            IdTokenFault::Wrong(what) => self.refused("invalid_id_token", Some(&what)),
            IdTokenFault::Unavailable(unavailable) => self.spending_the_try(unavailable),
        })
    }

    async fn session(&self, who: Identity, tokens: Tokens, callback: Callback) -> Result<Finished, SignInFault> {
        let subject = who.subject.to_string();
        let ProviderConfig { groups_claim, absence, .. } = self.provider.config();
        let earlier = if who.groups.needs_earlier(absence.groups) || who.roles.needs_earlier(absence.roles) {
            self.sessions.earlier_tokens(&who.subject).await
        } else {
            EarlierTokens::default()
        };
        let groups = earlier.stating(|token| Stated::groups(token, groups_claim));
        let roles = earlier.stating(Stated::roles);
        let new = NewSession {
            subject: who.subject,
            tenant: who.tenant,
            name: who.name,
            email: who.email,
            roles: who.roles.settled(absence.roles, roles.as_deref(), self.now).into(),
            groups: who.groups.settled(absence.groups, groups.as_deref(), self.now).into(),
            refresh_token: tokens.refresh_token,
            claims: who.claims,
            provider: self.found.provider.clone(),
            provider_sid: who.sid,
            address: callback.address,
            browser: callback.browser,
        };
        let replaces = callback.replaces.as_ref().map(ExposeSecret::expose_secret);
        let begun = self.sessions.begin(new, replaces, self.now).await;
        let ticket = begun.map_err(|unavailable| self.spending_the_try(unavailable))?;
        if let (None, Some(before)) = (replaces, &self.found.before) {
            self.sessions.end_before(before, &subject, self.now).await;
        }
        tracing::info!(provider = %self.provider.name(), subject, "signed in");
        Ok(Finished { ticket, return_to: self.found.return_to.clone(), spent: self.cookie.clone() })
    }

    fn refused(&self, word: &str, description: Option<&str>) -> SignInFault {
        let word = presentable(word, 64);
        let description = description.map(|text| presentable(text, 400));
        let correlation = tries::random::<9>().unwrap_or_else(|_| "none".to_owned());
        tracing::warn!(
            provider = %self.provider.name(),
            correlation,
            error = word,
            description = description.as_deref().unwrap_or_default(),
            "a sign-in was refused"
        );
        let (return_to, spent) = (self.found.return_to.clone(), Some(self.cookie.clone()));
        SignInFault::Refused { word, description, correlation, return_to, spent }
    }

    /// The code may still be good: the same callback can be tried again.
    fn keeping_the_try(&self, down: Unavailable) -> SignInFault {
        let unavailable = fault::noted(self.provider.name(), down);
        SignInFault::Unavailable { unavailable, return_to: self.found.return_to.clone(), spent: None }
    }

    /// The provider has answered the code: only a new sign-in helps.
    fn spending_the_try(&self, down: Unavailable) -> SignInFault {
        let unavailable = fault::noted(self.provider.name(), down);
        let (return_to, spent) = (self.found.return_to.clone(), Some(self.cookie.clone()));
        SignInFault::Unavailable { unavailable, return_to, spent }
    }
}
