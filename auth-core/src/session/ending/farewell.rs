//! What the row of a session says that signing out at the provider needs.

use secrecy::SecretString;
use serde_json::Value;

use super::sql::{self, FarewellRow};
use crate::{clock::Now, keyring::seal::Purpose, principal::SessionId, session::Sessions};

/// What signing out at the provider is told of a session. No `Debug`: it holds a token.
pub(crate) struct Farewell {
    /// The provider's name in the configuration.
    pub(crate) provider: String,
    /// The claim `login_hint`, which providers take back as `logout_hint` (Entra ID: then it asks nobody which account).
    pub(crate) login_hint: Option<String>,
    /// The last ID token of the session, if it was kept.
    pub(crate) id_token: Option<SecretString>,
}

impl Sessions {
    /// What its row says; nothing, if there is none or the store does not answer: signing out goes on without.
    pub(crate) async fn farewell(&self, session: SessionId, now: Now) -> Option<Farewell> {
        let row = sql::farewell(&self.0.store, session.to_string()).await;
        let FarewellRow { provider, claims, id_token } = row.unwrap_or_else(|down| {
            tracing::debug!("the row of a session that ended cannot be read: {down}");
            None
        })?;
        let claims: Value = serde_json::from_str(&claims).unwrap_or_default();
        let login_hint = claims.get("login_hint").and_then(Value::as_str).map(str::to_owned);
        Some(Farewell { provider, login_hint, id_token: id_token.and_then(|sealed| self.id_token(&sealed, now)) })
    }

    /// An ID token that was sealed. One that cannot be opened, since its key was retired or its text damaged, is none.
    fn id_token(&self, sealed: &str, now: Now) -> Option<SecretString> {
        let opened = self.0.seals.open_if_perhaps_over(Purpose::IdToken, sealed, now).ok()?;
        std::str::from_utf8(&opened.content).ok().map(SecretString::from)
    }
}
