//! Looking into a denial: it counts only if the service knew, just before and just after, whom it should.
//!
//! Even then it proves nothing. The shard of one tenant can be dead and deny cleanly, while those of others answer. So
//! what counts is written down, and the third puts the token on the approval list; nobody is refused by it.

use std::sync::Arc;

use super::{
    adoption::{LegacyAnswer, Parts},
    sql::transaction,
};
use crate::{
    credential::{CredentialHash, OpaqueCredential},
    verdict::Unavailable,
};

/// Asks about a known-good token, once more about `token`, and about the known-good one again; counts the denial if it
/// lies between two yeses.
pub(super) async fn look_into(parts: Arc<Parts>, token: OpaqueCredential) {
    let Ok(_alone) = parts.looking.try_acquire() else { return };
    let hash = *token.text().hash();
    match is_due(&parts, hash).await {
        Ok(true) => {}
        Ok(false) => return,
        Err(unavailable) => return tracing::info!(%unavailable, "a denial is not counted"),
    }
    if !is_beyond_doubt(&parts, &token).await {
        return;
    }
    match count(&parts, hash).await {
        Ok(true) => {
            tracing::warn!(token = %hash, "the service denies a device's token again and again: it is on the approval list")
        }
        Ok(false) => {}
        Err(unavailable) => tracing::info!(%unavailable, "a denial is not counted"),
    }
}

/// Whether the last denial that counted is long enough ago.
async fn is_due(parts: &Parts, hash: CredentialHash) -> Result<bool, Unavailable> {
    let inner = &parts.tokens.0;
    transaction::denial_is_due(inner.registry.store(), hash, inner.policy.apart, parts.tokens.now()).await
}

async fn is_beyond_doubt(parts: &Parts, token: &OpaqueCredential) -> bool {
    let canaries = &parts.tokens.0.canaries;
    let Some(canary) = canaries.one(*token.text().hash()) else { return false };
    let knows = async || match parts.word(&canary).await {
        Ok(LegacyAnswer::Device(_)) => true,
        Ok(LegacyAnswer::Denied) => {
            // Or its own shard is dead: another one is asked about next time.
            canaries.forget(*canary.text().hash());
            false
        }
        Err(_) => false,
    };
    knows().await && matches!(parts.word(token).await, Ok(LegacyAnswer::Denied)) && knows().await
}

/// Counts one denial; whether that put the token on the approval list.
async fn count(parts: &Parts, hash: CredentialHash) -> Result<bool, Unavailable> {
    let (inner, now) = (&parts.tokens.0, parts.tokens.now());
    let policy = (inner.policy.apart, inner.policy.denials);
    transaction::count_denial(inner.registry.store(), hash, policy, now).await
}
