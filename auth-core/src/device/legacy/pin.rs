//! Tokens for devices of before that were activated here: their app knows the old PIN screen and nothing else.
//!
//! Such a device has no key; what it polls with is all that it has, so its token follows from that. Polled again, it is
//! the same token, and an answer that was lost costs nothing.

use std::fmt;

use aws_lc_rs::digest::{Context, SHA256};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use secrecy::{ExposeSecret, SecretString};

use super::{LegacyTokens, approval::LegacyChange, sql::transaction};
use crate::{
    clock::Now,
    credential::{CredentialHash, CredentialText},
    device::registry::Order,
    principal::BindingId,
    verdict::Unavailable,
};

/// The token that a device of before is given, once somebody has let it in.
#[derive(Clone)]
pub struct LegacyPinToken(CredentialText);

impl LegacyPinToken {
    /// The one that follows from `code`, the 256 random bits that the device polls with.
    pub fn of(code: &SecretString) -> Self {
        let mut context = Context::new(&SHA256);
        context.update(b"candor legacy token\n");
        context.update(code.expose_secret().as_bytes());
        Self(CredentialText::new(format!("cnd_{}", URL_SAFE_NO_PAD.encode(context.finish()))))
    }

    /// The token itself, for whoever polled with its code.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }

    fn hash(&self) -> CredentialHash {
        *self.0.hash()
    }
}

impl LegacyTokens {
    /// Whether `token` was given to a device, so that whoever polls for it may have it.
    ///
    /// # Errors
    /// Unavailable, if that cannot be told.
    pub async fn is_given(&self, token: &LegacyPinToken) -> Result<bool, Unavailable> {
        let known = self.find(token.hash()).await?;
        Ok(known.is_some_and(|known| known.device.is_some() && known.refused.is_none()))
    }

    /// Writes `token` down as that of a binding, which an administrator's confirmation made.
    ///
    /// # Errors
    /// Unavailable, if the store is. Then nothing has been promised, though it may have been done.
    pub async fn give(
        &self,
        token: &LegacyPinToken,
        binding: BindingId,
        order: Order,
        now: Now,
    ) -> Result<LegacyChange, Unavailable> {
        let hash = token.hash();
        let given = transaction::give(self.0.registry.store(), hash, binding, order, now).await?;
        let Some(known) = given else { return Ok(LegacyChange::Unknown) };
        self.0.known.learn(hash, known);
        Ok(LegacyChange::Changed)
    }

    /// A device without a token shows the serial number of one that was adopted: it is put on the approval list, and let in
    /// by nothing but an administrator's word. Whether it is new there.
    ///
    /// # Errors
    /// Unavailable, if the store is.
    pub async fn note_lost_token(
        &self,
        token: &LegacyPinToken,
        hardware_id: String,
        address: Option<String>,
        now: Now,
    ) -> Result<bool, Unavailable> {
        if hardware_id.is_empty() {
            return Ok(false);
        }
        transaction::list_lost(self.0.registry.store(), token.hash(), hardware_id, address, now).await
    }
}

impl fmt::Debug for LegacyPinToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LegacyPinToken(..)")
    }
}
