//! What a device asks next, as a function of what it knows; and the request that asks it.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    ANSWER_WITHIN, CONFIRM_AFTER, ClientState, Concealed, DeviceClient, Waiting,
    action::{ClientAction, ClientRequest},
    event::Moment,
    key::ProofOf,
};

/// A question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Call {
    /// A nonce for the next key proof.
    Nonce,
    /// What the screen shows.
    Data,
    /// A new token for the one it has.
    Renew,
    /// A token for its key.
    Reactivate,
    /// A PIN.
    Begin,
    /// Whether the PIN was typed.
    Poll,
    /// A statement about itself, over this nonce.
    Statement([u8; 16]),
}

impl DeviceClient {
    /// Asks what is to be asked now, if anything is.
    pub(super) fn proceed(&mut self, moment: &Moment, actions: &mut Vec<ClientAction>) {
        let Some(mut call) = self.wanted(moment) else { return };
        if self.nonce.as_ref().is_some_and(|nonce| nonce.until <= moment.now) {
            self.nonce = None;
        }
        if call.is_proved() && self.nonce.is_none() {
            call = Call::Nonce;
        }
        self.number += 1;
        let request = self.request(call, moment);
        self.waiting = Some(Waiting { number: self.number, call, until: moment.now + ANSWER_WITHIN });
        actions.push(ClientAction::Send { request });
    }

    fn wanted(&mut self, moment: &Moment) -> Option<Call> {
        let statement = || {
            let mut nonce = [0; 16];
            nonce.copy_from_slice(&moment.random("statement")[..16]);
            Call::Statement(nonce)
        };
        match self.state {
            ClientState::Active | ClientState::Degraded if self.renew_at <= moment.now => Some(Call::Renew),
            ClientState::Active | ClientState::Degraded => Some(Call::Data),
            ClientState::Checking | ClientState::Suspended => Some(statement()),
            ClientState::Reauthenticating if self.by_key => Some(Call::Reactivate),
            ClientState::Reauthenticating => Some(Call::Renew),
            ClientState::RevokedPending => {
                let confirm_at = self.first_statement.map_or(moment.now, |(_, first)| first + CONFIRM_AFTER);
                self.due = confirm_at.max(self.due);
                (confirm_at <= moment.now).then(statement)
            }
            ClientState::Unprovisioned | ClientState::PinKeep => match &self.activation {
                Some(open) if moment.now < open.until => Some(Call::Poll),
                was => {
                    self.by_key |= was.is_some();
                    self.activation = None;
                    Some(if self.by_key { Call::Reactivate } else { Call::Begin })
                }
            },
        }
    }

    fn request(&mut self, call: Call, moment: &Moment) -> ClientRequest {
        let (method, path) = match call {
            Call::Data => ("GET", self.settings.data_path.clone()),
            own => (own.method(), format!("{}/device/{}", self.settings.own_prefix, own.name())),
        };
        let url = format!("{}{path}", self.settings.origin);
        let mut headers = vec![("accept".to_owned(), Concealed("application/json".to_owned()))];
        if let (Call::Data, Some(credential)) = (call, &self.stored.credential) {
            headers.push(("authorization".to_owned(), Concealed(format!("Bearer {}", credential.token.0))));
        }
        if method == "POST" {
            headers.push(("content-type".to_owned(), Concealed("application/json".to_owned())));
        }
        // A nonce is good for one proof.
        let nonce = if call.is_proved() { self.nonce.take() } else { None };
        if let (Some(nonce), Some(key)) = (nonce, &self.stored.key) {
            let proof = key.prove(&ProofOf { method, url: &url, nonce: &nonce.text }, moment);
            headers.push(("dpop".to_owned(), Concealed(proof)));
        }
        let body = self.body(call);
        ClientRequest { number: self.number, method: method.to_owned(), url, headers, body, within: ANSWER_WITHIN }
    }

    fn body(&self, call: Call) -> String {
        let (credential, activation) = (self.stored.credential.as_ref(), self.activation.as_ref());
        let body = match call {
            Call::Nonce | Call::Data => return String::new(),
            Call::Renew => json!({ "token": credential.map(|credential| &credential.token) }),
            Call::Reactivate => json!({}),
            Call::Begin => json!({
                "hardware_id": self.settings.hardware_id,
                "model": self.settings.model,
                "app_version": self.settings.app_version,
            }),
            Call::Poll => json!({
                "activation_id": activation.map(|open| &open.id),
                "device_code": activation.map(|open| &open.code),
            }),
            Call::Statement(nonce) => {
                let nonce = URL_SAFE_NO_PAD.encode(nonce);
                credential.map_or_else(
                    || json!({ "nonce": nonce }),
                    |own| json!({ "nonce": nonce, "device_id": own.device_id, "generation": own.generation }),
                )
            }
        };
        body.to_string()
    }
}

impl Call {
    /// Whether it takes a proof of the key.
    const fn is_proved(self) -> bool {
        !matches!(self, Self::Nonce | Self::Data)
    }

    const fn method(self) -> &'static str {
        if self.is_proved() { "POST" } else { "GET" }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Nonce => "nonce",
            Self::Data => "",
            Self::Renew => "token",
            Self::Reactivate => "reactivations",
            Self::Begin => "activations",
            Self::Poll => "activations/token",
            Self::Statement(_) => "statements",
        }
    }
}

/// A nonce is good for five minutes: one that is nearly over is not used.
pub(super) const NONCE_LASTS: Duration = Duration::from_secs(240);
