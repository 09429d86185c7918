//! Browser sign-in by OpenID Connect: begin, and finish at the callback.
//!
//! What makes it different: nothing that goes wrong here can sign anybody out, and nothing turns in circles. An
//! outage keeps the pending sign-in and the address that the person wanted; a callback that is nobody's begins again, by a link.
//! Ending sessions is [`crate::session`]'s; afterwards people are sent on to sign out at their provider too.

mod callback;
mod conclude;
mod fault;
mod logout;
mod pending;
mod record;
mod replay;

use std::{fmt, net::IpAddr, sync::Arc, time::Duration};

use secrecy::{ExposeSecret, SecretString};
use url::Url;

pub use self::{
    callback::{CallbackParams, MalformedCallback},
    fault::{BeginFault, BeginsAgain, Objection, SignInFault},
    logout::{LoggedOutThere, LogoutThere},
    pending::{PendingCookie, pending_cookie_prefix},
    replay::ReplayGuard,
};
use self::{
    conclude::Conclusion,
    pending::{PendingCookieNames, PendingSignIn, SealedState},
    record::SignInRecord,
    replay::Replay,
};
pub use crate::idp::InvalidResponse;
use crate::{
    background::Background,
    clock::Now,
    idp::{
        AuthenticationRequest, Provider,
        id_token::{self, Answers, ExpectedToken},
    },
    keyring::{Keyring, seal::Seals},
    session::{Sessions, Ticket},
};

/// Signs people in. Cheap to clone; one a configuration.
#[derive(Clone)]
pub struct SignIn(Arc<Parts>);

struct Parts {
    providers: Vec<Provider>,
    callbacks: Callbacks,
    names: PendingCookieNames,
    seals: Arc<Seals>,
    sessions: Sessions,
    background: Background,
    replay: ReplayGuard,
}

/// Whether an ID token signs somebody in who began with this `nonce`, as the callback finds out. For benches, which have no
/// callback; everything else goes through [`SignIn::finish`].
#[doc(hidden)]
pub async fn id_token_holds(provider: &Provider, token: &str, nonce: &str, access_token: &str, now: Now) -> bool {
    let (issuer, client_id) = (provider.issuer(), &provider.config().client_id);
    let answers = Answers::SignIn { nonce };
    let expected = ExpectedToken { issuer, client_id, answers, access_token, max_age: None };
    id_token::verify(provider, token, &expected, now).await.is_ok()
}

/// Where providers send people back to: from the configuration alone, never from a request.
#[derive(Clone, Debug)]
pub struct Callbacks {
    /// The gateway's origin as browsers see it; https decides the cookies' prefix and `Secure`.
    pub public_url: Url,
    /// The gateway's own prefix, such as `/.candor`.
    pub own_prefix: String,
}

/// What a sign-in begins with.
#[derive(Default)]
pub struct Begin<'a> {
    /// Where the person wants to go: already found safe. Opaque here.
    pub return_to: &'a str,
    /// Whether this is the link of [`SignInFault::BeginAgain`] with `again`.
    pub again: bool,
    /// The browser's cookies of pending sign-ins: name and value.
    pub pending: &'a [(String, String)],
    /// The ticket that the browser has already. Its session ends once the new one stands, also if the callback comes
    /// without it.
    pub replaces: Option<SecretString>,
    /// Whether the provider is to let the person choose an account, though it may know one of theirs already: without
    /// this, signing in again there comes back at once, as the same person.
    pub select_account: bool,
    /// How long ago the person may have signed in at the provider at most (`max_age`, OpenID Connect Core §3.1.2.1): it asks
    /// whoever did before that again, and an ID token that says otherwise signs nobody in.
    pub max_age: Option<Duration>,
    /// Who it probably is, as the provider names people (`login_hint`).
    pub login_hint: Option<&'a str>,
    /// The request's id, which the page shows and the log line repeats.
    pub request: &'a str,
}

/// A sign-in that has begun.
pub struct Begun {
    /// Where to send the person.
    pub location: Url,
    /// The cookie to set.
    pub cookie: PendingCookie,
    /// The cookies of older pending sign-ins to clear, by name.
    pub clear: Vec<String>,
}

/// A callback.
#[derive(Default)]
pub struct Callback {
    /// What the provider sent with the browser.
    pub params: CallbackParams,
    /// The browser's cookies of pending sign-ins: name and value.
    pub pending: Vec<(String, String)>,
    /// The ticket that the browser has already: its session ends once the new one stands.
    pub replaces: Option<SecretString>,
    /// Whence the browser comes.
    pub address: Option<IpAddr>,
    /// Its `User-Agent`.
    pub browser: Option<String>,
    /// The request's id, which the page shows and the log line repeats.
    pub request: String,
}

/// A sign-in that ended well.
pub struct Finished {
    /// The new session's ticket.
    pub ticket: Ticket,
    /// Where the person wanted to go.
    pub return_to: String,
    /// The cookie of the pending sign-in to clear, by name.
    pub spent: String,
}

impl SignIn {
    /// Sign-in at `providers`. `replay` outlives the configuration.
    pub fn new(
        providers: Vec<Provider>,
        callbacks: Callbacks,
        keyring: &Keyring,
        sessions: Sessions,
        background: Background,
        replay: ReplayGuard,
    ) -> Self {
        let names = PendingCookieNames { secure: callbacks.public_url.scheme() == "https" };
        let seals = Arc::clone(keyring.seals());
        record::count_from_zero();
        Self(Arc::new(Parts { providers, callbacks, names, seals, sessions, background, replay }))
    }

    /// The providers, in the order of the configuration.
    pub fn providers(&self) -> &[Provider] {
        &self.0.providers
    }

    /// Begins a sign-in at the provider `name`.
    ///
    /// # Errors
    /// [`BeginFault`]. Unavailable, if the provider did not answer just now: a person sent to a dead one would be lost.
    pub async fn begin(&self, name: &str, begin: Begin<'_>, now: Now) -> Result<Begun, BeginFault> {
        let parts = &self.0;
        let record = SignInRecord { provider: name, request: begin.request };
        let provider = parts.provider(name).ok_or(BeginFault::NoSuchProvider)?;
        let unavailable = |down| BeginFault::Unavailable(record.unavailable(down));
        let document = provider.ask(now).await.map_err(|down| match InvalidResponse::behind(&down) {
            Some(response) => BeginFault::InvalidResponse(record.invalid(response)),
            None => unavailable(down),
        })?;
        let mut new = PendingSignIn::begin(name, begin.return_to, now).map_err(unavailable)?;
        new.max_age = begin.max_age;
        new.before = begin.replaces.and_then(|ticket| parts.sessions.before(ticket.expose_secret(), now));
        let authentication = AuthenticationRequest {
            state: &new.state(&parts.seals, begin.again, now),
            nonce: &new.nonce,
            verifier: &new.verifier(),
            redirect_uri: &parts.callbacks.of(provider),
            select_account: begin.select_account,
            max_age: begin.max_age,
            login_hint: begin.login_hint,
        };
        let location = provider.authorise_url(&document, &authentication).map_err(unavailable)?;
        let cross_site = provider.config().response_mode.is_cross_site_post();
        let cookie = new.cookie(&parts.seals, parts.names, cross_site, now);
        let clear = parts.names.beyond_the_most(&parts.seals, begin.pending, &cookie, now);
        Ok(Begun { location, cookie, clear })
    }

    /// Finishes a sign-in at the callback of the provider `name`. Runs to its end in the background, whoever stops waiting:
    /// a code once spent must not be lost halfway. A pending sign-in is finished once, and by one callback at a time.
    ///
    /// # Errors
    /// [`SignInFault`].
    pub async fn finish(&self, name: &str, callback: Callback, now: Now) -> Result<Finished, SignInFault> {
        let parts = &self.0;
        let request = callback.request.clone();
        let record = SignInRecord { provider: name, request: &request };
        let provider = parts.provider(name).ok_or(SignInFault::NoSuchProvider)?.clone();
        let (found, cookie) = parts.recognise(record, &callback, now)?;
        let return_to = found.return_to.clone();
        let in_progress = match parts.replay.take(&found.id) {
            Ok(in_progress) => in_progress,
            Err(Replay::UnderWay) => return Err(SignInFault::Busy { return_to }),
            Err(Replay::Spent) => {
                record.begins_again(BeginsAgain::Spent);
                let (return_to, spent) = (Some(return_to), Some(cookie));
                return Err(SignInFault::BeginAgain { why: BeginsAgain::Spent, return_to, again: false, spent });
            }
        };
        let redirect_uri = parts.callbacks.of(&provider);
        let sessions = parts.sessions.clone();
        let conclusion = Conclusion { provider, found, in_progress, cookie, redirect_uri, sessions, now };
        match parts.background.run(conclusion.reach(callback)).await {
            Ok(concluded) => concluded,
            Err(down) => {
                Err(SignInFault::Unavailable { unavailable: record.unavailable(down), return_to, spent: None })
            }
        }
    }
}

impl Parts {
    fn provider(&self, name: &str) -> Option<&Provider> {
        self.providers.iter().find(|provider| **provider.name() == *name)
    }

    /// The pending sign-in that this callback belongs to, and its cookie's name.
    fn recognise(
        &self,
        record: SignInRecord<'_>,
        callback: &Callback,
        now: Now,
    ) -> Result<(PendingSignIn, String), SignInFault> {
        let again = |why: BeginsAgain, return_to, again| {
            record.begins_again(why);
            SignInFault::BeginAgain { why, return_to, again, spent: None }
        };
        let Some(state) = &callback.params.state else { return Err(again(BeginsAgain::NoState, None, false)) };
        let Some(state) = SealedState::read(&self.seals, state, now) else {
            return Err(again(BeginsAgain::StateUnreadable, None, false));
        };
        if state.provider != record.provider {
            return Err(again(BeginsAgain::OtherProvider, state.return_to, false));
        }
        if let Some(found) = state.find(&self.seals, self.names, &callback.pending, now) {
            return Ok(found);
        }
        let has_cookies = callback.replaces.is_some() || !callback.pending.is_empty();
        if state.again && !has_cookies {
            return Err(SignInFault::CookiesBlocked);
        }
        Err(again(BeginsAgain::NoPendingSignIn, state.return_to, true))
    }
}

impl Callbacks {
    /// The redirect URI of a provider: one each, so that no provider's answer passes for another's (RFC 9700 §4.4).
    fn of(&self, provider: &Provider) -> Url {
        let mut url = self.public_url.clone();
        url.set_path(&format!("{}/callback/{}", self.own_prefix, provider.name()));
        url.set_query(None);
        url.set_fragment(None);
        url
    }
}

impl fmt::Debug for SignIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignIn").field("providers", &self.0.providers).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
