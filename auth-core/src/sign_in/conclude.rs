//! From a recognised callback to a session: what runs in the background, to its end.

use std::sync::Arc;

use secrecy::ExposeSecret;
use url::Url;

use super::{
    BeginsAgain, Callback, Finished, SignInFault,
    callback::{CallbackParams, ProviderAnswer},
    fault::Objection,
    pending::PendingSignIn,
    record::SignInRecord,
    replay::InProgress,
};
use crate::{
    clock::Now,
    dependency::Dependency,
    discovery::Document,
    idp::{
        ExchangeFault, InvalidResponse, Provider, Tokens, hiding,
        id_token::{self, Answers, ExpectedToken, IdTokenFault, Identity},
        presentable,
    },
    session::{NewSession, Sessions},
    verdict::Unavailable,
};

/// A sign-in whose callback has come.
pub(super) struct Conclusion {
    pub(super) provider: Provider,
    pub(super) found: PendingSignIn,
    pub(super) in_progress: InProgress,
    /// The name of the pending sign-in's cookie.
    pub(super) cookie: String,
    pub(super) redirect_uri: Url,
    pub(super) sessions: Sessions,
    pub(super) now: Now,
}

impl Conclusion {
    pub(super) async fn reach(mut self, callback: Callback) -> Result<Finished, SignInFault> {
        let concluded = self.conclude(callback).await;
        if concluded.as_ref().err().is_none_or(SignInFault::spends_it) {
            self.in_progress.spend();
        }
        concluded
    }

    async fn conclude(&mut self, callback: Callback) -> Result<Finished, SignInFault> {
        let provider = Arc::clone(self.provider.name());
        let record = SignInRecord { provider: &provider, request: &callback.request };
        let params = &callback.params;
        let answer = params.answer().map_err(SignInFault::Malformed)?;
        let document = self.provider.document().await.map_err(|down| self.keeping_it_pending(record, down))?;
        self.check_issuer(params, &document).map_err(|response| self.invalid(record, response))?;
        let code = match answer {
            ProviderAnswer::Code(code) => code,
            ProviderAnswer::Error(word) => return Err(self.error(record, word, params)),
        };
        // A code can be spent once, so it is not spent while nobody could read what it buys.
        self.provider.keys().ready().await.map_err(|down| self.keeping_it_pending(record, down))?;
        let exchanged = self.provider.exchange(&document, code, &self.found.verifier(), &self.redirect_uri).await;
        let tokens = exchanged.map_err(|fault| self.not_exchanged(record, fault))?;
        self.in_progress.spend();
        let identity = self.identity(&tokens).await.map_err(|fault| match fault {
            IdTokenFault::Invalid(response) => self.invalid(record, response),
            IdTokenFault::Unavailable(unavailable) => self.spending_it(record, unavailable),
        })?;
        // Its token may have ended a doubt about the clock.
        self.now = self.provider.clock().now();
        self.session(identity, tokens, callback).await
    }

    /// RFC 9207 §2.4: by simple string comparison, for codes and errors.
    fn check_issuer(&self, params: &CallbackParams, document: &Document) -> Result<(), InvalidResponse> {
        let promised = document.raw.get("authorization_response_iss_parameter_supported");
        match &params.iss {
            Some(issuer) if **issuer != **self.provider.issuer() => Err(InvalidResponse::CallbackIssuer),
            None if promised.and_then(serde_json::Value::as_bool) == Some(true) => Err(InvalidResponse::CallbackIssuer),
            Some(_) | None => Ok(()),
        }
    }

    /// The provider sent an error instead of a code (RFC 6749 §4.1.2.1). It came by the browser, so anybody who began a
    /// sign-in can make it up: it rings nothing.
    fn error(&self, record: SignInRecord<'_>, word: &str, params: &CallbackParams) -> SignInFault {
        match word {
            "server_error" | "temporarily_unavailable" => {
                let said = format!("the provider says `{word}`");
                self.keeping_it_pending(record, Unavailable::because(Dependency::TokenEndpoint, said).unsettled())
            }
            _ => {
                // Some providers quote the request that they refuse.
                let secrets = [params.state.as_deref().unwrap_or_default(), &*self.found.nonce];
                let description = params.error_description.as_deref().map(|text| hiding(text, &secrets));
                self.refused(record, Objection::of(word), &hiding(word, &secrets), description.as_deref())
            }
        }
    }

    fn not_exchanged(&self, record: SignInRecord<'_>, fault: ExchangeFault) -> SignInFault {
        match fault {
            ExchangeFault::StaleCode => {
                record.begins_again(BeginsAgain::StaleCode);
                let (return_to, spent) = (Some(self.found.return_to.clone()), Some(self.cookie.clone()));
                SignInFault::BeginAgain { why: BeginsAgain::StaleCode, return_to, again: false, spent }
            }
            ExchangeFault::Denied { word, description } => {
                self.refused(record, Objection::of(&word), &word, description.as_deref())
            }
            ExchangeFault::NoIdToken => self.invalid(record, InvalidResponse::NoIdToken),
            ExchangeFault::Busy => SignInFault::Busy { return_to: self.found.return_to.clone() },
            ExchangeFault::Misconfigured(unavailable) => {
                let return_to = self.found.return_to.clone();
                SignInFault::Misconfigured { unavailable: record.unavailable(unavailable), return_to }
            }
            ExchangeFault::Unavailable(unavailable) => self.keeping_it_pending(record, unavailable),
        }
    }

    async fn identity(&self, tokens: &Tokens) -> Result<Identity, IdTokenFault> {
        let expected = ExpectedToken {
            issuer: self.provider.issuer(),
            client_id: &self.provider.config().client_id,
            answers: Answers::SignIn { nonce: &self.found.nonce },
            access_token: tokens.access_token.text.expose_secret(),
            max_age: self.found.max_age,
        };
        id_token::verify(&self.provider, tokens.id_token.expose_secret(), &expected, self.now).await
    }

    async fn session(&self, who: Identity, tokens: Tokens, callback: Callback) -> Result<Finished, SignInFault> {
        let subject = who.person.subject.to_string();
        let (roles, groups) = self.sessions.stated(&who, self.provider.config(), self.now).await;
        let request = callback.request;
        let new = NewSession {
            person: who.person,
            roles,
            groups,
            refresh_token: tokens.refresh_token,
            access_token: Some(tokens.access_token),
            id_token: Some(tokens.id_token).filter(|_| self.provider.ends_sessions()),
            claims: who.claims,
            provider: self.found.provider.clone(),
            provider_sid: who.sid,
            address: callback.address,
            browser: callback.browser,
        };
        let replaces = callback.replaces.as_ref().map(ExposeSecret::expose_secret);
        let begun = self.sessions.begin(new, replaces, self.now).await;
        let record = SignInRecord { provider: self.provider.name(), request: &request };
        let ticket = begun.map_err(|unavailable| self.spending_it(record, unavailable))?;
        if let (None, Some(before)) = (replaces, &self.found.before) {
            self.sessions.end_before(before, &subject, self.now).await;
        }
        tracing::info!(provider = %self.provider.name(), subject, "signed in");
        Ok(Finished { ticket, return_to: self.found.return_to.clone(), spent: self.cookie.clone() })
    }

    fn refused(
        &self,
        record: SignInRecord<'_>,
        objection: Objection,
        word: &str,
        description: Option<&str>,
    ) -> SignInFault {
        let word = presentable(word, 64);
        let description = description.map(|text| presentable(text, 400));
        record.refused(objection, &word, description.as_deref().unwrap_or_default());
        let (return_to, spent) = (self.found.return_to.clone(), Some(self.cookie.clone()));
        SignInFault::Refused { objection, word, description, return_to, spent }
    }

    /// The provider has answered, and wrongly: only a new sign-in can help.
    fn invalid(&self, record: SignInRecord<'_>, response: InvalidResponse) -> SignInFault {
        #[cfg(candor_mutants)]
        if crate::mutants::is("invalid-response-is-an-outage") {
            return self.spending_it(record, Unavailable::because(Dependency::TokenEndpoint, response.to_string()));
        }
        let (return_to, spent) = (self.found.return_to.clone(), Some(self.cookie.clone()));
        SignInFault::InvalidResponse { response: record.invalid(response), return_to, spent }
    }

    /// The code may still be good: the same callback can be tried again.
    fn keeping_it_pending(&self, record: SignInRecord<'_>, down: Unavailable) -> SignInFault {
        let return_to = self.found.return_to.clone();
        match InvalidResponse::behind(&down) {
            Some(response) => {
                SignInFault::InvalidResponse { response: record.invalid(response), return_to, spent: None }
            }
            None => SignInFault::Unavailable { unavailable: record.unavailable(down), return_to, spent: None },
        }
    }

    /// The provider has answered the code: only a new sign-in helps.
    fn spending_it(&self, record: SignInRecord<'_>, down: Unavailable) -> SignInFault {
        let (return_to, spent) = (self.found.return_to.clone(), Some(self.cookie.clone()));
        SignInFault::Unavailable { unavailable: record.unavailable(down), return_to, spent }
    }
}
