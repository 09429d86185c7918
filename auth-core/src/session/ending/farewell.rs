//! What the row of a session says that signing out at the provider needs.

use serde_json::Value;

use super::sql;
use crate::{principal::SessionId, session::Sessions};

/// What signing out at the provider is told of a session.
pub(crate) struct Farewell {
    /// The provider's name in the configuration.
    pub(crate) provider: String,
    /// The claim `login_hint`, which providers take back as `logout_hint` (Entra ID: then it asks nobody which account).
    pub(crate) login_hint: Option<String>,
}

impl Sessions {
    /// What its row says; nothing, if there is none or the store does not answer: signing out goes on without.
    pub(crate) async fn farewell(&self, session: SessionId) -> Option<Farewell> {
        let row = sql::farewell(&self.0.store, session.to_string()).await;
        let (provider, claims) = row.unwrap_or_else(|down| {
            tracing::debug!("the row of a session that ended cannot be read: {down}");
            None
        })?;
        let claims: Value = serde_json::from_str(&claims).unwrap_or_default();
        Some(Farewell { provider, login_hint: claims.get("login_hint").and_then(Value::as_str).map(str::to_owned) })
    }
}
