//! The gateway in the abstract: the rules of the device protocol for one device, without tokens' ages.

use std::sync::OnceLock;

use auth_core::client::{ClientKey, HttpAnswer};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::{revocations::HeldSet, world::Bug};

/// What it knows.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct Gateway {
    /// The key that is bound, with its binding.
    pub(super) bound: Option<(ClientKey, Binding)>,
    /// Its store was restored from before the binding.
    pub(super) forgot: bool,
    /// Whose PIN is shown, and whether it was confirmed.
    pub(super) activation: Option<(ClientKey, bool)>,
    /// No token of this generation or an older one is good any more, by its store.
    pub(super) revoked_up_to: u64,
    /// What requests are judged by.
    pub(super) set: HeldSet,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Binding {
    pub(super) generation: u64,
    pub(super) state: BindingState,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum BindingState {
    Active,
    Suspended,
    Revoked,
}

/// A question, as the gateway understands it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Asked {
    /// The last parts of the path.
    pub(super) path: &'static str,
    /// By which key.
    pub(super) key: ClientKey,
    /// With which token.
    pub(super) token: String,
    /// Over which nonce a statement is wanted.
    pub(super) nonce: String,
}

/// A statement that was signed: over which nonce, and whether it may erase.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Spoken {
    pub(super) nonce: String,
    pub(super) wipes: bool,
    pub(super) answer: HttpAnswer,
}

const JSON: &str = "application/json";
pub(super) const DEVICE: &str = "dev-1";

impl Gateway {
    /// Its answer; for a statement with what it said.
    pub(super) fn answer(&mut self, asked: &Asked, bug: Bug) -> (HttpAnswer, Option<Spoken>) {
        let is_bound = self.bound.as_ref().filter(|(key, _)| *key == asked.key && !self.forgot).map(|(_, own)| *own);
        let answer = match asked.path {
            "nonce" => json_answer(200, &json!({ "nonce": "n" })),
            "data" => self.data(&asked.token),
            "statements" => {
                let spoken = statement(asked, is_bound);
                return (spoken.answer.clone(), Some(spoken));
            }
            "activations" => {
                if self.activation.as_ref().is_none_or(|(key, _)| *key != asked.key) {
                    self.activation = Some((asked.key.clone(), false));
                }
                json_answer(
                    201,
                    &json!({ "activation_id": "a", "device_code": "c", "pin": "482913", "expires_in": 600,
                        "interval": 300, "verification_uri": "u" }),
                )
            }
            "activations/token" => self.poll(&asked.key),
            "token" | "reactivations" => match is_bound.map(|own| (own.generation, own.state)) {
                None => problem(404, "device-unknown"),
                Some((generation, BindingState::Active)) => granted(generation),
                Some((generation, BindingState::Revoked)) if bug == Bug::ReadmitsRevoked => granted(generation),
                Some((_, BindingState::Revoked)) => problem(410, "device-revoked"),
                Some((_, BindingState::Suspended)) => problem(409, "device-suspended"),
            },
            other => unreachable!("{other}"),
        };
        (answer, None)
    }

    fn data(&self, token: &str) -> HttpAnswer {
        let generation = token.strip_prefix("token-").and_then(|generation| generation.parse::<u64>().ok());
        match generation {
            Some(generation) if generation <= self.set.revoked_up_to => problem(401, "credential-invalid"),
            None => problem(401, "credential-invalid"),
            Some(_) if self.set.suspended => problem(403, "not-permitted"),
            Some(_) => json_answer(200, &json!({ "today": 1 })),
        }
    }

    /// Whether `answer` serves a device that was revoked so long ago that the set must have heard of it.
    pub(super) fn serves_the_revoked(&self, asked: &Asked, answer: &HttpAnswer) -> bool {
        let generation = asked.token.strip_prefix("token-").and_then(|generation| generation.parse::<u64>().ok());
        let is_revoked = generation.is_some_and(|generation| generation <= self.revoked_up_to);
        asked.path == "data" && answer.status == Some(200) && is_revoked && !self.set.is_in_time()
    }

    /// The set hears of all that the store says.
    pub(super) fn hears(&mut self) {
        let suspended = self.bound.as_ref().is_some_and(|(_, own)| own.state == BindingState::Suspended);
        self.set.hears(self.revoked_up_to, suspended);
    }

    fn poll(&mut self, key: &ClientKey) -> HttpAnswer {
        match &self.activation {
            Some((shown, true)) if shown == key => match &self.bound {
                // What was revoked between the PIN and this poll is not granted after all.
                Some((bound, own)) if bound == key && own.state == BindingState::Active => granted(own.generation),
                _ => problem(410, "activation-expired"),
            },
            Some((shown, false)) if shown == key => json_answer(202, &json!({ "status": "pending", "interval": 300 })),
            _ => problem(410, "activation-expired"),
        }
    }

    /// An administrator types the PIN.
    pub(super) fn confirm(&mut self) {
        let Some((key, confirmed)) = &mut self.activation else { return };
        *confirmed = true;
        let before = self.bound.as_ref().map_or(0, |(_, own)| own.generation);
        let is_active =
            self.bound.as_ref().is_some_and(|(bound, own)| bound == key && own.state == BindingState::Active);
        let generation = if is_active { before } else { before + 1 };
        self.revoked_up_to = self.revoked_up_to.max(generation.saturating_sub(1));
        self.bound = Some((key.clone(), Binding { generation, state: BindingState::Active }));
        self.forgot = false;
        self.hears();
    }

    /// An administrator changes the binding.
    pub(super) fn change(&mut self, state: BindingState) {
        self.write(state);
        self.hears();
    }

    /// The binding is revoked, and nobody tells the set: by another process, or the notice was lost.
    pub(super) fn revoke_unheard(&mut self) {
        if self.bound.as_ref().is_some_and(|(_, own)| own.state != BindingState::Revoked) {
            self.write(BindingState::Revoked);
            self.set.misses_a_row();
        }
    }

    fn write(&mut self, state: BindingState) {
        let Some((_, own)) = &mut self.bound else { return };
        own.state = state;
        if state == BindingState::Revoked {
            self.revoked_up_to = own.generation;
        }
    }
}

/// An answer in JSON.
pub(super) fn json_answer(status: u16, body: &Value) -> HttpAnswer {
    http(status, JSON, &body.to_string())
}

pub(super) fn problem(status: u16, word: &str) -> HttpAnswer {
    http(status, "application/problem+json", &json!({ "type": format!("/.candor/problems/{word}") }).to_string())
}

pub(super) fn http(status: u16, kind: &str, body: &str) -> HttpAnswer {
    HttpAnswer {
        status: Some(status),
        content_type: Some(kind.to_owned()),
        nonce: Some("n".to_owned()),
        body: body.to_owned(),
        ..HttpAnswer::default()
    }
}

pub(super) fn granted(generation: u64) -> HttpAnswer {
    let key = json!({ "kty": "OKP", "crv": "Ed25519", "kid": "s1", "x": encoded(signer().public_key().as_ref()) });
    json_answer(
        200,
        &json!({ "device_id": DEVICE, "token": format!("token-{generation}"), "tenant": "t", "room": "r",
            "generation": generation, "renew_in": 60, "expires_in": 600, "statement_keys": { "keys": [key] } }),
    )
}

fn statement(asked: &Asked, own: Option<Binding>) -> Spoken {
    let verdict = match own.map(|own| own.state) {
        None => "unknown",
        Some(BindingState::Active) => "valid",
        Some(BindingState::Suspended) => "suspended",
        Some(BindingState::Revoked) => "revoked",
    };
    let claims = json!({
        "sub": own.map(|_| DEVICE), "jkt": asked.key.thumbprint(), "gen": own.map(|own| own.generation),
        "verdict": verdict, "wipe": ["token", "calendar"], "nonce": asked.nonce,
    });
    let answer = json_answer(200, &json!({ "statement": signed(signer(), &claims) }));
    Spoken { nonce: asked.nonce.clone(), wipes: verdict == "revoked", answer }
}

/// What somebody without our key would say: all is as it should be, but for the signature.
pub(super) fn forged_statement(asked: &Asked, generation: u64) -> HttpAnswer {
    static FORGER: OnceLock<Ed25519KeyPair> = OnceLock::new();
    let forger = FORGER.get_or_init(|| Ed25519KeyPair::generate().expect("a key can be made"));
    let claims = json!({
        "sub": DEVICE, "jkt": asked.key.thumbprint(), "gen": generation, "verdict": "revoked",
        "wipe": ["token", "calendar"], "nonce": asked.nonce,
    });
    json_answer(200, &json!({ "statement": signed(forger, &claims) }))
}

/// What our own key said about another device.
pub(super) fn foreign_statement(asked: &Asked, generation: u64) -> HttpAnswer {
    let claims = json!({
        "sub": "dev-2", "jkt": "other", "gen": generation, "verdict": "revoked", "wipe": ["token"],
        "nonce": asked.nonce,
    });
    json_answer(200, &json!({ "statement": signed(signer(), &claims) }))
}

fn signer() -> &'static Ed25519KeyPair {
    static SIGNER: OnceLock<Ed25519KeyPair> = OnceLock::new();
    SIGNER.get_or_init(|| Ed25519KeyPair::generate().expect("a key can be made"))
}

fn signed(by: &Ed25519KeyPair, claims: &Value) -> String {
    let header = json!({ "typ": "device-statement+jwt", "alg": "EdDSA", "kid": "s1" });
    let signed = format!("{}.{}", encoded(header.to_string().as_bytes()), encoded(claims.to_string().as_bytes()));
    let signature = encoded(by.sign(signed.as_bytes()).as_ref());
    format!("{signed}.{signature}")
}

fn encoded(bytes: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}
