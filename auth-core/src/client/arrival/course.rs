//! Where a device goes from an answer: to another state, and when it asks again.

use super::Arrival;
use crate::client::{ClientState, DeviceClient, action::ClientAction, backoff};

impl DeviceClient {
    /// Gets a new token at once: by the one it has, or `by_key` alone.
    pub(super) fn reauthenticate(&mut self, by_key: bool, arrival: &mut Arrival<'_>) {
        self.by_key = by_key;
        self.to(ClientState::Reauthenticating, arrival);
        self.proceed(arrival.moment, arrival.actions);
    }

    /// Shows a PIN, and keeps what it has.
    pub(super) fn pin(&mut self, arrival: &mut Arrival<'_>) {
        let keeps = self.stored.credential.is_some() || self.stored.data.is_some();
        self.by_key = false;
        self.to(if keeps { ClientState::PinKeep } else { ClientState::Unprovisioned }, arrival);
        self.proceed(arrival.moment, arrival.actions);
    }

    pub(super) fn hide(&mut self, state: ClientState, arrival: &mut Arrival<'_>) {
        self.state = state;
        if !std::mem::replace(&mut self.stored.hidden, true) {
            self.store(arrival.actions);
        }
        self.show(arrival.actions);
    }

    /// An answer that says nothing about us: the state stays, and the question is asked again later.
    pub(super) fn odd(&mut self, status: u16, arrival: &mut Arrival<'_>) {
        self.report(&format!("answer-{status}"), arrival);
        self.back_off(arrival);
    }

    /// Asks again later, and later each time.
    pub(super) fn back_off(&mut self, arrival: &Arrival<'_>) {
        self.successes = 0;
        self.nonces_refused = 0;
        let now = arrival.moment.now;
        let lasted = now.saturating_sub(*self.failing_since.get_or_insert(now));
        self.due = now + backoff::wait(self.attempts, arrival.answer.heard(), lasted, arrival.moment);
        self.attempts = self.attempts.saturating_add(1);
    }

    /// An outage: what it has is kept and shown, and it waits.
    pub(super) fn trouble(&mut self, arrival: &mut Arrival<'_>) {
        self.back_off(arrival);
        match self.state {
            ClientState::Active | ClientState::Checking | ClientState::Reauthenticating => {
                self.to(ClientState::Degraded, arrival);
            }
            // These go on from where they are.
            ClientState::Degraded
            | ClientState::PinKeep
            | ClientState::Unprovisioned
            | ClientState::Suspended
            | ClientState::RevokedPending => {}
        }
    }

    pub(super) fn to(&mut self, state: ClientState, arrival: &mut Arrival<'_>) {
        if self.state != state {
            self.state = state;
            self.show(arrival.actions);
        }
    }

    /// How often it failed is forgotten after three successes in a row: one answer is no sign that the storm is over.
    pub(super) fn succeeded(&mut self) {
        self.nonces_refused = 0;
        self.successes = self.successes.saturating_add(1);
        if self.successes >= 3 {
            (self.attempts, self.failing_since) = (0, None);
        }
    }

    pub(super) fn report(&self, word: &str, arrival: &mut Arrival<'_>) {
        arrival.actions.push(ClientAction::Report { word: word.to_owned() });
    }
}
