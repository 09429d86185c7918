//! What a device does about itself being called into question: it asks for a signed statement, and only here is anything
//! erased, by two of them.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::Value;

use super::Arrival;
use crate::client::{
    CONFIRM_AFTER, ClientState, DENIALS_WITHIN, DeviceClient, SUSPENDED_ASKS,
    action::ClientAction,
    statement::{self, NotBelieved, StatementVerdict, WipingVerdict},
};

impl DeviceClient {
    /// Something that nobody signed says that the credential is no good. That is asked about, at most every five
    /// minutes; an answer in between does not change with what is hinted.
    pub(super) fn hinted(&mut self, arrival: &mut Arrival<'_>) {
        let now = arrival.moment.now;
        if self.last_check.is_some_and(|last| now.saturating_sub(last) < DENIALS_WITHIN) {
            return match self.state {
                ClientState::PinKeep | ClientState::Unprovisioned => self.pin(arrival),
                _ => self.trouble(arrival),
            };
        }
        self.last_check = Some(now);
        self.activation = None;
        self.to(ClientState::Checking, arrival);
        self.proceed(arrival.moment, arrival.actions);
    }

    pub(super) fn stated(&mut self, nonce: [u8; 16], body: &Value, arrival: &mut Arrival<'_>) {
        let nonce = URL_SAFE_NO_PAD.encode(nonce);
        let nonce = Some(nonce.as_str()).filter(|_| !self.believes_old_statements());
        let stated = match (body.get("statement").and_then(Value::as_str), &self.stored.credential, &self.stored.key) {
            (Some(text), Some(own), Some(key)) => statement::read(text, own, &key.thumbprint(), nonce),
            _ => Err(NotBelieved),
        };
        let now = arrival.moment.now;
        match stated {
            Ok(StatementVerdict::Wiping(verdict, parts)) => self.said_to_wipe(verdict, parts, arrival),
            Ok(other) => {
                self.first_statement = None;
                self.last_check = Some(now);
                match other {
                    StatementVerdict::Suspended => {
                        self.succeeded();
                        self.hide(ClientState::Suspended, arrival);
                        self.due = now + SUSPENDED_ASKS / 2 + arrival.moment.up_to(SUSPENDED_ASKS);
                    }
                    StatementVerdict::Valid | StatementVerdict::Unknown | StatementVerdict::Wiping(..) => {
                        self.reauthenticate(false, arrival)
                    }
                }
            }
            Err(NotBelieved) => {
                self.report("statement-rejected", arrival);
                if self.state == ClientState::RevokedPending {
                    self.first_statement = None;
                    self.state = ClientState::Checking;
                }
                self.trouble(arrival);
            }
        }
    }

    fn said_to_wipe(&mut self, verdict: WipingVerdict, parts: Vec<String>, arrival: &mut Arrival<'_>) {
        let now = arrival.moment.now;
        let confirmed = self.first_statement.is_some_and(|(first, at)| {
            self.state == ClientState::RevokedPending && first == verdict && at + CONFIRM_AFTER <= now
        });
        if confirmed || self.wipes_at_once() {
            return self.wipe(parts, arrival);
        }
        self.succeeded();
        self.first_statement = Some((verdict, now));
        self.hide(ClientState::RevokedPending, arrival);
        self.due = now + CONFIRM_AFTER + arrival.moment.up_to(CONFIRM_AFTER / 10);
    }

    /// Said twice: erases what is listed, and nothing else. What is to be erased is stored first, so that a power cut
    /// does not leave half of it.
    fn wipe(&mut self, parts: Vec<String>, arrival: &mut Arrival<'_>) {
        let lists = |part: &str| parts.iter().any(|listed| listed == part);
        if lists("token") {
            self.stored.credential = None;
        }
        if lists("calendar") {
            (self.stored.data, self.shown_at) = (None, None);
        }
        self.stored.hidden = false;
        self.stored.wiping.clone_from(&parts);
        self.store(arrival.actions);
        arrival.actions.push(ClientAction::Wipe { parts });
        self.stored.wiping.clear();
        self.store(arrival.actions);
        (self.first_statement, self.by_key, self.state) = (None, true, ClientState::Unprovisioned);
        self.due = arrival.moment.now;
        self.show(arrival.actions);
        self.proceed(arrival.moment, arrival.actions);
    }

    fn wipes_at_once(&self) -> bool {
        #[cfg(feature = "breakable")]
        if self.planted == Some(crate::client::planted::PlantedBug::OneStatementWipes) {
            return true;
        }
        false
    }

    fn believes_old_statements(&self) -> bool {
        #[cfg(feature = "breakable")]
        if self.planted == Some(crate::client::planted::PlantedBug::OldStatementCounts) {
            return true;
        }
        false
    }
}
