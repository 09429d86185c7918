//! What displays send to the gateway's own paths, with a proof of their key; and what is sent there by those who would like
//! to be one.

use std::sync::Arc;

use auth_core::device::proof::ProofTarget;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderName, HeaderValue};
use serde_json::{Value, json};
use world::{
    World,
    caller::{Caller, Form, Heard},
    display::DisplayKey,
};

use super::{
    installer,
    old_pin::{self, PinScreen},
};

/// What a display sends, to be sent again and again.
pub(super) enum DisplayRequest {
    /// On the paths of the protocol.
    Proven(Box<ProtocolRequest>),
    /// Where the service's own PINs were.
    Old(Box<PinScreen>),
}

/// One request with a proof, to be made again and again.
pub(super) struct ProtocolRequest {
    caller: Caller,
    key: Arc<DisplayKey>,
    /// The key that the proof names, if it is not that of who signs it.
    named: Option<Value>,
    path: &'static str,
    content: Value,
    /// The key that it puts in place of its own, whose proof stands in the content; and who signs that.
    successor: Option<(Arc<DisplayKey>, Arc<DisplayKey>)>,
    /// What the proof is made over, if not a nonce that the gateway has just given.
    nonce: Option<String>,
}

/// What a display makes for each statement: 128 bits.
const STATEMENT_NONCE: &str = "AAAAAAAAAAAAAAAAAAAAAA";

impl ProtocolRequest {
    pub(super) fn new(key: Arc<DisplayKey>, path: &'static str, content: Value) -> Self {
        let caller = Caller::new(Form::Device);
        Self { caller, key, named: None, path, content, successor: None, nonce: None }
    }

    /// For a PIN.
    pub(super) fn activation(key: Arc<DisplayKey>) -> Self {
        let content = json!({"hardware_id": "sn-new", "model": "wall-7", "app_version": "4.2"});
        Self::new(key, "activations", content)
    }

    /// For what became of the activation that `begun` told of.
    pub(super) fn poll(key: Arc<DisplayKey>, begun: &Value) -> Self {
        let content = json!({"activation_id": begun["activation_id"], "device_code": begun["device_code"]});
        Self::new(key, "activations/token", content)
    }

    /// For another token in place of `token`.
    pub(super) fn renewal(key: Arc<DisplayKey>, token: &str) -> Self {
        Self::new(key, "token", json!({ "token": token }))
    }

    /// For a token in place of one that was lost.
    pub(super) fn reactivation(key: Arc<DisplayKey>) -> Self {
        Self::new(key, "reactivations", json!({}))
    }

    /// For a statement.
    pub(super) fn statement(key: Arc<DisplayKey>) -> Self {
        Self::new(key, "statements", json!({ "nonce": STATEMENT_NONCE }))
    }

    /// For `new` in place of its own key.
    pub(super) fn rotation(key: Arc<DisplayKey>, new: Arc<DisplayKey>) -> Self {
        Self { successor: Some((new.clone(), new)), ..Self::new(key, "keys", Value::Null) }
    }

    /// The same with a new key that is not held: `by` signs in its name.
    pub(super) fn succeeded_in_name_only(self, by: Arc<DisplayKey>) -> Self {
        Self { successor: self.successor.map(|(new, _)| (new, by)), ..self }
    }

    /// The key that it puts in place of its own.
    pub(super) fn successor(&self) -> Option<Arc<DisplayKey>> {
        self.successor.as_ref().map(|(new, _)| new.clone())
    }

    /// The same with a proof that names the key `jwk`, which is not that of who signs it.
    pub(super) fn in_the_name_of(self, jwk: Value) -> Self {
        Self { named: Some(jwk), ..self }
    }

    /// The same with a proof over `nonce`.
    pub(super) fn over(self, nonce: String) -> Self {
        Self { nonce: Some(nonce), ..self }
    }

    /// The same, signed by another key.
    pub(super) fn by(self, key: Arc<DisplayKey>) -> Self {
        Self { key, ..self }
    }

    /// Sends it.
    pub(super) async fn go(&mut self, world: &World) -> Heard {
        let nonce = match &self.nonce {
            Some(nonce) => nonce.clone(),
            None => match self.fresh_nonce(world).await {
                Ok(nonce) => nonce,
                Err(heard) => return *heard,
            },
        };
        let url = world.url(&format!("/.candor/device/{}", self.path));
        let target = ProofTarget { method: "POST", url: url.as_str() };
        let jwk = self.named.clone().unwrap_or_else(|| self.key.jwk());
        let proof = self.key.proof_in_the_name_of(&jwk, target, &nonce);
        let proof = HeaderValue::from_str(&proof).expect("a JWS is visible ASCII");
        if let Some((new, by)) = &self.successor {
            self.content = json!({ "proof": by.proof_in_the_name_of(&new.jwk(), target, &nonce) });
        }
        self.caller.browser().always_send(HeaderName::from_static("dpop"), proof);
        self.caller.post_json(&url, &self.content, &world.monolith).await
    }

    /// Sends it until it is done: what a busy machine misses is tried again.
    ///
    /// # Panics
    /// It never was.
    pub(super) async fn done(mut self, world: &World) {
        for _ in 0..installer::TRIES {
            if self.go(world).await.status() == Some(200) {
                return;
            }
        }
        panic!("{} was never done", self.path);
    }

    /// A nonce of the gateway's, or what it said instead.
    pub(super) async fn fresh_nonce(&mut self, world: &World) -> Result<String, Box<Heard>> {
        let heard = self.caller.get(&world.url("/.candor/device/nonce"), &world.monolith).await;
        match content(&heard)["nonce"].as_str() {
            Some(nonce) => Ok(nonce.to_owned()),
            None => Err(Box::new(heard)),
        }
    }
}

impl DisplayRequest {
    /// Sends it.
    pub(super) async fn go(&mut self, world: &World) -> Heard {
        match self {
            Self::Proven(request) => request.go(world).await,
            Self::Old(screen) => screen.go(world).await,
        }
    }
}

impl From<ProtocolRequest> for DisplayRequest {
    fn from(request: ProtocolRequest) -> Self {
        Self::Proven(Box::new(request))
    }
}

impl From<PinScreen> for DisplayRequest {
    fn from(screen: PinScreen) -> Self {
        Self::Old(Box::new(screen))
    }
}

/// The JSON of an answer; null, if it has none.
pub(super) fn content(heard: &Heard) -> Value {
    let body = heard.answer.as_ref().map(|seen| seen.body.clone()).unwrap_or_default();
    serde_json::from_slice(&body).unwrap_or_default()
}

/// The token of an answer that grants one.
pub(super) fn granted_token(heard: &Heard) -> Option<String> {
    content(heard)["token"].as_str().map(str::to_owned).filter(|_| heard.status() == Some(200))
}

/// The device that a token was granted to.
pub(super) fn granted_to(heard: &Heard) -> Option<String> {
    granted_token(heard)?;
    content(heard)["device_id"].as_str().map(str::to_owned)
}

/// What a statement says, whose signature is not the matter here.
pub(super) fn stated(heard: &Heard) -> Option<String> {
    let statement = content(heard)["statement"].as_str()?.to_owned();
    let claims = URL_SAFE_NO_PAD.decode(statement.split('.').nth(1)?).ok()?;
    let claims: Value = serde_json::from_slice(&claims).ok()?;
    claims["verdict"].as_str().map(str::to_owned)
}

/// The word of a problem document.
pub(super) fn problem(heard: &Heard) -> Option<String> {
    let kind = content(heard)["type"].as_str()?.to_owned();
    kind.strip_prefix("/.candor/problems/").or_else(|| kind.rsplit('/').next()).map(str::to_owned)
}

/// Whether a display that is good was told that it is not.
pub(super) fn is_disowned(heard: &Heard) -> bool {
    const ENDS: [&str; 5] =
        ["activation-expired", "device-revoked", "device-suspended", "device-unknown", "tenant-ambiguous"];
    old_pin::is_over(heard)
        || problem(heard).is_some_and(|word| ENDS.contains(&&*word))
        || stated(heard).is_some_and(|verdict| verdict != "valid")
}

/// The key that an answer names as added.
pub(super) fn added_key(heard: &Heard) -> Option<String> {
    content(heard)["thumbprint"].as_str().map(str::to_owned).filter(|_| heard.status() == Some(200))
}

/// Whether a display was given something by which it is in: a token, a key, or the word that it is good.
pub(super) fn lets_in(heard: &Heard) -> bool {
    granted_token(heard).is_some()
        || added_key(heard).is_some()
        || stated(heard).is_some_and(|verdict| verdict == "valid")
}

/// Whether a display that is not good was told why it gets nothing.
pub(super) fn is_turned_away(heard: &Heard) -> bool {
    matches!(heard.status(), Some(400 | 404 | 409 | 410)) && problem(heard).is_some()
        || old_pin::is_over(heard)
        || stated(heard).is_some_and(|verdict| verdict != "valid")
}
