//! What is written down before a refresh token is spent, and what an open one says.
//!
//! An *intent* names the process that is about to spend a token, a fence, and the token's hash. While it is open nobody
//! else spends that token. It stays open if nobody knows whether the provider got the call: the token may have been spent,
//! and where each may be spent once, a refusal of it is then our own doing and proves nothing about the person.

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use secrecy::{ExposeSecret, SecretString};

use crate::{
    clock::{Now, Timestamp},
    random::random_bytes,
    verdict::Unavailable,
};

/// Names a process, drawn once: an intent of one that crashed is another's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct InstanceId(pub(super) String);

/// An intent: as it is in a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RefreshIntent {
    pub(super) instance: InstanceId,
    /// Later intents of a session have greater ones: the time when it was written, in milliseconds, or one more than the
    /// last.
    pub(super) fence: i64,
    pub(super) hash: String,
}

/// What an open intent says about a token that is about to be spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doubt {
    /// Nothing: it was not spent by us.
    None,
    /// We may have spent it.
    PerhapsSpent,
    /// Another process is spending it right now; it is known how that ended after so long at the latest.
    BeingSpent(Duration),
}

/// How long a process takes at most from its intent to its last word on it: a call to the provider, and the store's
/// deadlines.
const LEASE: Duration = Duration::from_secs(30);

impl InstanceId {
    pub(super) fn random() -> Result<Self, Unavailable> {
        Ok(Self(URL_SAFE_NO_PAD.encode(random_bytes::<16>()?)))
    }
}

impl RefreshIntent {
    /// To spend `token`, after `last` if there was one.
    pub(super) fn new(instance: &InstanceId, token: &SecretString, last: Option<&Self>, now: Now) -> Self {
        let at = now.anchor().as_millis();
        let fence = last.map_or(at, |last| at.max(last.fence.saturating_add(1)));
        Self { instance: instance.clone(), fence, hash: hash(token) }
    }

    /// When it was written.
    pub(super) fn written(&self) -> Timestamp {
        Timestamp::from_millis(self.fence)
    }

    /// What it says about `token` to `instance`, which did not spend it by the intent with the fence `unspent`.
    pub(super) fn doubt(&self, instance: &InstanceId, token: &SecretString, unspent: Option<i64>, now: Now) -> Doubt {
        #[cfg(candor_mutants)]
        if crate::mutants::is("intent-ignored") {
            return Doubt::None;
        }
        if self.hash != hash(token) {
            return Doubt::None;
        }
        if self.instance == *instance {
            return if unspent == Some(self.fence) { Doubt::None } else { Doubt::PerhapsSpent };
        }
        let (written, at) = (self.written(), now.anchor());
        // One of the future was written by a clock that we do not share.
        let is_fresh = at < written + LEASE && written < at + LEASE;
        if is_fresh { Doubt::BeingSpent((written + LEASE).since(at)) } else { Doubt::PerhapsSpent }
    }
}

fn hash(token: &SecretString) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, token.expose_secret().as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_intent_casts_doubt_on_its_own_token_only() {
        let (us, other) = (InstanceId("us".to_owned()), InstanceId("other".to_owned()));
        let token = |text: &str| SecretString::from(text);
        let at = |secs| Now::at(Timestamp::from_secs(secs));
        let ours = RefreshIntent::new(&us, &token("a"), None, at(100));
        assert_eq!(ours.doubt(&us, &token("a"), None, at(100)), Doubt::PerhapsSpent);
        assert_eq!(ours.doubt(&us, &token("a"), Some(ours.fence), at(100)), Doubt::None);
        assert_eq!(ours.doubt(&us, &token("b"), None, at(100)), Doubt::None);
        let theirs = RefreshIntent::new(&other, &token("a"), Some(&ours), at(100));
        assert_eq!(theirs.fence, ours.fence + 1, "a fence only grows");
        assert!(matches!(theirs.doubt(&us, &token("a"), None, at(101)), Doubt::BeingSpent(_)));
        assert_eq!(theirs.doubt(&us, &token("a"), None, at(131)), Doubt::PerhapsSpent);
        assert_eq!(theirs.doubt(&us, &token("a"), None, at(10)), Doubt::PerhapsSpent);
    }
}
