//! Signing out at the provider too (OpenID Connect RP-Initiated Logout 1.0), once the session here has ended.
//!
//! Nothing here ends anything: the person is told where to go, and when they come back it is seen that they are those who
//! were sent. A provider that has no such address, or is down, keeps nobody from signing out here; it is only said.

use std::time::Duration;

use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use url::Url;

use super::{
    PendingCookie, SignIn,
    pending::{open, random, seal},
};
use crate::{
    clock::Now, idp::EndSessionRequest, keyring::seal::Purpose, principal::Principal, revocations::LogoutReach,
    verdict::Unavailable,
};

/// How long somebody may stay at the provider until what they come back with is not looked at any more.
const LIFETIME: Duration = Duration::from_secs(600);

/// Whether somebody whose session here has ended can sign out at their provider too.
pub enum LogoutThere {
    /// Here.
    At {
        /// The provider's name in the configuration.
        provider: String,
        /// Where to send them.
        location: Url,
        /// The cookie to set, by which they are known when they come back.
        cookie: PendingCookie,
    },
    /// The provider has no address for that, or the configuration says not to.
    NotOffered,
    /// The provider does not answer.
    Unavailable(Unavailable),
}

/// Somebody who has come back from signing out at their provider.
pub struct LoggedOutThere {
    /// The provider's name in the configuration.
    pub provider: String,
    /// How far their logout here had reached.
    pub reach: LogoutReach,
    /// The name of the cookie that has served.
    pub spent: String,
}

/// What its cookie holds meanwhile.
#[derive(Deserialize, Serialize)]
struct PendingLogout {
    state: String,
    provider: String,
    everywhere: bool,
}

impl SignIn {
    /// Where `whose` can sign out at their provider too, now that their session here has ended.
    pub async fn logout_there(&self, whose: &Principal, reach: LogoutReach, now: Now) -> LogoutThere {
        let parts = &self.0;
        let farewell = match (whose.session, reach) {
            (Some(session), LogoutReach::Everywhere) => parts.sessions.farewell(session, now).await,
            // A store that did not take the end a moment ago is not waited for once more.
            (Some(_), LogoutReach::ThisGateway) | (None, _) => None,
        };
        // A ticket says which issuer it was, and the row under which name: one issuer may be configured as several.
        let of_issuer = || parts.providers.iter().filter(|provider| **provider.issuer() == *whose.subject.issuer);
        let named = farewell.as_ref().and_then(|row| of_issuer().find(|provider| **provider.name() == *row.provider));
        let Some(provider) = named.or_else(|| of_issuer().next()) else { return LogoutThere::NotOffered };
        if !provider.config().logout_at_provider {
            return LogoutThere::NotOffered;
        }
        let document = match provider.ask(now).await {
            Ok(document) => document,
            Err(down) => return LogoutThere::Unavailable(down),
        };
        let state = match random::<16>() {
            Ok(state) => state,
            Err(down) => return LogoutThere::Unavailable(down),
        };
        let request = EndSessionRequest {
            redirect_uri: &parts.callbacks.logout(),
            state: &state,
            logout_hint: farewell.as_ref().and_then(|row| row.login_hint.as_deref()),
            id_token_hint: farewell.as_ref().and_then(|row| row.id_token.as_ref()),
        };
        let Some(location) = provider.end_session_url(&document, &request) else { return LogoutThere::NotOffered };
        let name = provider.name().to_string();
        let pending = PendingLogout { state, provider: name.clone(), everywhere: reach == LogoutReach::Everywhere };
        let value = seal(&parts.seals, Purpose::PendingLogout, &pending, now);
        let cookie =
            PendingCookie { name: parts.names.of_logout(), value: value.into(), lifetime: LIFETIME, cross_site: false };
        LogoutThere::At { provider: name, location, cookie }
    }

    /// Who comes back from their provider with this `state`, if they are those who were sent. Whoever is not is nobody in
    /// particular, and nothing comes of it.
    pub fn back_from_logout(&self, state: &str, pending: &[(String, String)], now: Now) -> Option<LoggedOutThere> {
        let name = self.0.names.of_logout();
        let of_logout = pending.iter().filter(|(of, _)| *of == name);
        let mut known =
            of_logout.filter_map(|(_, value)| open::<PendingLogout>(&self.0.seals, Purpose::PendingLogout, value, now));
        let is_its_own = |found: &PendingLogout| {
            #[cfg(candor_mutants)]
            if crate::mutants::is("any-state-is-back") {
                return true;
            }
            found.state == state
        };
        let found = known.find(is_its_own)?;
        let reach = if found.everywhere { LogoutReach::Everywhere } else { LogoutReach::ThisGateway };
        Some(LoggedOutThere { provider: found.provider, reach, spent: name })
    }
}

impl super::Callbacks {
    /// Where a provider sends people back to who have signed out there. To be registered with it.
    fn logout(&self) -> Url {
        let mut url = self.public_url.clone();
        url.set_path(&format!("{}/logout", self.own_prefix));
        url.set_query(None);
        url.set_fragment(None);
        url
    }
}

impl std::fmt::Debug for LogoutThere {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::At { provider, cookie, .. } => {
                write!(f, "At({provider}, {} bytes)", cookie.value.expose_secret().len())
            }
            Self::NotOffered => f.write_str("NotOffered"),
            Self::Unavailable(unavailable) => write!(f, "Unavailable({unavailable})"),
        }
    }
}
