//! What a device does with an answer: the table of `docs/devices.md`, "What each answer means".

mod content;
mod course;
mod statements;

use std::time::Duration;

use serde_json::Value;

use self::content::{read_grant, seconds};
use super::{
    ClientState, DENIALS, DENIALS_WITHIN, DeviceClient, OpenActivation, ProofNonce,
    action::ClientAction,
    answer::{AnswerMeaning, HttpAnswer},
    backoff,
    event::Moment,
    wanted::{Call, NONCE_LASTS},
};

/// One answer on its way through, with what it takes to deal with it.
struct Arrival<'a> {
    answer: &'a HttpAnswer,
    moment: &'a Moment,
    actions: &'a mut Vec<ClientAction>,
}

impl DeviceClient {
    pub(super) fn answered(
        &mut self,
        number: u64,
        answer: HttpAnswer,
        moment: &Moment,
        actions: &mut Vec<ClientAction>,
    ) {
        let Some(waiting) = self.waiting.take_if(|waiting| waiting.number == number) else {
            // Late, doubled or never asked for.
            return;
        };
        let meaning = answer.meaning(&self.settings.own_prefix);
        let mut arrival = Arrival { answer: &answer, moment, actions };
        if let Some(text) = &answer.nonce {
            self.nonce = Some(ProofNonce { text: text.clone(), until: moment.now + NONCE_LASTS });
        }
        match (waiting.call, meaning) {
            (_, AnswerMeaning::Problem(word)) if word == "use-dpop-nonce" => self.nonce_refused(&mut arrival),
            (Call::Nonce, AnswerMeaning::Good(body)) => self.nonce_given(&body, &mut arrival),
            (Call::Data, meaning) => self.data(meaning, &mut arrival),
            (Call::Renew, meaning) => self.renewed(meaning, &mut arrival),
            (Call::Reactivate, meaning) => self.reactivated(meaning, &mut arrival),
            (Call::Begin, AnswerMeaning::Good(body)) => self.begun(&body, &mut arrival),
            (Call::Poll, meaning) => self.polled(meaning, &mut arrival),
            (Call::Statement(nonce), AnswerMeaning::Good(body)) => self.stated(nonce, &body, &mut arrival),
            (Call::Nonce | Call::Begin | Call::Statement(_), _) => self.trouble(&mut arrival),
        }
    }

    fn nonce_refused(&mut self, arrival: &mut Arrival<'_>) {
        const IN_A_ROW: u8 = 2;
        self.nonces_refused = self.nonces_refused.saturating_add(1);
        if self.nonces_refused > IN_A_ROW || arrival.answer.nonce.is_none() {
            return self.trouble(arrival);
        }
        self.proceed(arrival.moment, arrival.actions);
    }

    fn nonce_given(&mut self, body: &Value, arrival: &mut Arrival<'_>) {
        let Some(text) = body.get("nonce").and_then(Value::as_str) else { return self.trouble(arrival) };
        self.nonce = Some(ProofNonce { text: text.to_owned(), until: arrival.moment.now + NONCE_LASTS });
        self.proceed(arrival.moment, arrival.actions);
    }

    fn data(&mut self, meaning: AnswerMeaning, arrival: &mut Arrival<'_>) {
        match meaning {
            AnswerMeaning::Good(_) => self.served(arrival),
            AnswerMeaning::Problem(word) => match word.as_str() {
                "renewal-required" => self.reauthenticate(false, arrival),
                "credential-missing" | "credential-invalid" | "not-permitted" | "device-unknown"
                | "device-suspended" | "device-revoked" => self.hinted(arrival),
                "tenant-ambiguous" => self.pin(arrival),
                _ => self.trouble(arrival),
            },
            AnswerMeaning::Denied => {
                let now = arrival.moment.now;
                self.denials.retain(|at| now.saturating_sub(*at) < DENIALS_WITHIN);
                self.denials.push(now);
                if self.denials.len() < DENIALS {
                    return self.trouble(arrival);
                }
                self.denials.clear();
                self.hinted(arrival);
            }
            AnswerMeaning::Odd(status) => self.odd(status, arrival),
            AnswerMeaning::Pending(_) | AnswerMeaning::Outage => self.trouble(arrival),
        }
    }

    /// The service gave what is shown.
    fn served(&mut self, arrival: &mut Arrival<'_>) {
        let now = arrival.moment.now;
        self.succeeded();
        self.denials.clear();
        self.shown_at = Some(now);
        if arrival.answer.auth_renew.is_some() && self.renew_at == Duration::MAX {
            self.renew_at = now;
        }
        let is_new = self.stored.data.as_deref() != Some(arrival.answer.body.as_str());
        self.stored.data = Some(arrival.answer.body.clone());
        let was_hidden = std::mem::take(&mut self.stored.hidden);
        if is_new || was_hidden {
            self.store(arrival.actions);
        }
        if is_new || self.state != ClientState::Active {
            self.state = ClientState::Active;
            self.show(arrival.actions);
        }
        let every = self.settings.every;
        self.due = if self.renew_at <= now { now } else { now + every * 9 / 10 + arrival.moment.up_to(every / 5) };
    }

    fn renewed(&mut self, meaning: AnswerMeaning, arrival: &mut Arrival<'_>) {
        match meaning {
            AnswerMeaning::Good(body) => self.granted(&body, arrival),
            AnswerMeaning::Problem(word) if word == "tenant-ambiguous" => self.pin(arrival),
            AnswerMeaning::Problem(word) if ["device-revoked", "device-suspended"].contains(&word.as_str()) => {
                self.hinted(arrival);
            }
            // The token names nothing there; the key may.
            AnswerMeaning::Problem(word) if ["device-unknown", "bad-request"].contains(&word.as_str()) => {
                self.reauthenticate(true, arrival);
            }
            AnswerMeaning::Problem(_)
            | AnswerMeaning::Denied
            | AnswerMeaning::Odd(_)
            | AnswerMeaning::Pending(_)
            | AnswerMeaning::Outage => {
                self.back_off(arrival);
                // It is tried again later; meanwhile the token may still be served.
                self.renew_at = self.due + self.due.saturating_sub(arrival.moment.now) + Duration::from_millis(1);
                if self.state == ClientState::Reauthenticating {
                    self.to(ClientState::Degraded, arrival);
                }
            }
        }
    }

    fn reactivated(&mut self, meaning: AnswerMeaning, arrival: &mut Arrival<'_>) {
        match meaning {
            AnswerMeaning::Good(body) => self.granted(&body, arrival),
            AnswerMeaning::Problem(word) => match word.as_str() {
                "tenant-ambiguous" | "device-unknown" => self.pin(arrival),
                // Without pinned keys no statement could be believed.
                "device-suspended" | "device-revoked" if self.stored.credential.is_some() => self.hinted(arrival),
                "device-suspended" | "device-revoked" => self.pin(arrival),
                _ => self.trouble(arrival),
            },
            AnswerMeaning::Denied | AnswerMeaning::Odd(_) | AnswerMeaning::Pending(_) | AnswerMeaning::Outage => {
                self.trouble(arrival)
            }
        }
    }

    fn begun(&mut self, body: &Value, arrival: &mut Arrival<'_>) {
        let Some(open) = OpenActivation::read(body, arrival.moment.now) else { return self.trouble(arrival) };
        self.due = arrival.moment.now + open.every;
        self.activation = Some(open);
        self.succeeded();
        self.show(arrival.actions);
    }

    fn polled(&mut self, meaning: AnswerMeaning, arrival: &mut Arrival<'_>) {
        match meaning {
            AnswerMeaning::Good(body) => self.granted(&body, arrival),
            AnswerMeaning::Pending(body) => {
                if let (Some(open), Some(every)) = (&mut self.activation, seconds(&body, "interval")) {
                    open.every = every.clamp(Duration::from_secs(1), backoff::LONGEST_TOLD);
                }
                self.succeeded();
                self.due = arrival.moment.now + self.poll_every();
            }
            AnswerMeaning::Problem(word) if word == "activation-expired" => {
                (self.activation, self.by_key) = (None, true);
                self.trouble(arrival);
            }
            _ => {
                self.trouble(arrival);
                self.due = self.due.max(arrival.moment.now + self.poll_every());
            }
        }
    }

    fn poll_every(&self) -> Duration {
        self.activation.as_ref().map_or(backoff::SHORTEST, |open| open.every)
    }

    /// A token: stored before it is used or anything says so.
    fn granted(&mut self, body: &Value, arrival: &mut Arrival<'_>) {
        let Some((mut credential, renew_in)) = read_grant(body) else { return self.trouble(arrival) };
        if let Some(earlier) = self.stored.credential.take() {
            credential.statement_keys = earlier.statement_keys;
        }
        self.stored.credential = Some(credential);
        self.stored.hidden = false;
        (self.activation, self.by_key, self.first_statement) = (None, false, None);
        self.store(arrival.actions);
        self.succeeded();
        let now = arrival.moment.now;
        // Those that were granted together are not to renew together.
        self.renew_at = now + renew_in * 3 / 4 + arrival.moment.up_to(renew_in / 4);
        self.state = ClientState::Degraded;
        self.show(arrival.actions);
        self.proceed(arrival.moment, arrival.actions);
    }
}
