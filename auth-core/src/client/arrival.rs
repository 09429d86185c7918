//! What a device does with an answer: the table of `docs/devices.md`, "What each answer means".

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::Value;

use super::{
    CONFIRM_AFTER, ClientState, Concealed, DENIALS, DENIALS_WITHIN, DeviceClient, DeviceCredential, OpenActivation,
    ProofNonce, SUSPENDED_ASKS,
    action::ClientAction,
    answer::{AnswerMeaning, HttpAnswer},
    backoff,
    event::Moment,
    statement::{self, NotBelieved, StatementVerdict, WipingVerdict},
    stored::PinnedKey,
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

    fn stated(&mut self, nonce: [u8; 16], body: &Value, arrival: &mut Arrival<'_>) {
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

    /// Something that nobody signed says that the credential is no good. That is asked about, at most every five
    /// minutes; an answer in between does not change with what is hinted.
    fn hinted(&mut self, arrival: &mut Arrival<'_>) {
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

    /// Gets a new token at once: by the one it has, or `by_key` alone.
    fn reauthenticate(&mut self, by_key: bool, arrival: &mut Arrival<'_>) {
        self.by_key = by_key;
        self.to(ClientState::Reauthenticating, arrival);
        self.proceed(arrival.moment, arrival.actions);
    }

    /// Shows a PIN, and keeps what it has.
    fn pin(&mut self, arrival: &mut Arrival<'_>) {
        let keeps = self.stored.credential.is_some() || self.stored.data.is_some();
        self.by_key = false;
        self.to(if keeps { ClientState::PinKeep } else { ClientState::Unprovisioned }, arrival);
        self.proceed(arrival.moment, arrival.actions);
    }

    fn hide(&mut self, state: ClientState, arrival: &mut Arrival<'_>) {
        self.state = state;
        if !std::mem::replace(&mut self.stored.hidden, true) {
            self.store(arrival.actions);
        }
        self.show(arrival.actions);
    }

    /// An answer that says nothing about us: the state stays, and the question is asked again later.
    fn odd(&mut self, status: u16, arrival: &mut Arrival<'_>) {
        self.report(&format!("answer-{status}"), arrival);
        self.back_off(arrival);
    }

    /// Asks again later, and later each time.
    fn back_off(&mut self, arrival: &Arrival<'_>) {
        self.successes = 0;
        self.nonces_refused = 0;
        self.due = arrival.moment.now + backoff::wait(self.attempts, arrival.answer.heard(), arrival.moment);
        self.attempts = self.attempts.saturating_add(1);
    }

    /// An outage: what it has is kept and shown, and it waits.
    fn trouble(&mut self, arrival: &mut Arrival<'_>) {
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

    fn to(&mut self, state: ClientState, arrival: &mut Arrival<'_>) {
        if self.state != state {
            self.state = state;
            self.show(arrival.actions);
        }
    }

    /// How often it failed is forgotten after three successes in a row: one answer is no sign that the storm is over.
    fn succeeded(&mut self) {
        self.nonces_refused = 0;
        self.successes = self.successes.saturating_add(1);
        if self.successes >= 3 {
            self.attempts = 0;
        }
    }

    fn report(&self, word: &str, arrival: &mut Arrival<'_>) {
        arrival.actions.push(ClientAction::Report { word: word.to_owned() });
    }

    fn wipes_at_once(&self) -> bool {
        #[cfg(feature = "breakable")]
        if self.planted == Some(super::planted::PlantedBug::OneStatementWipes) {
            return true;
        }
        false
    }

    fn believes_old_statements(&self) -> bool {
        #[cfg(feature = "breakable")]
        if self.planted == Some(super::planted::PlantedBug::OldStatementCounts) {
            return true;
        }
        false
    }
}

impl OpenActivation {
    fn read(body: &Value, now: Duration) -> Option<Self> {
        Some(Self {
            id: text(body, "activation_id")?,
            code: Concealed(text(body, "device_code")?),
            pin: text(body, "pin")?,
            uri: text(body, "verification_uri_complete").or_else(|| text(body, "verification_uri"))?,
            until: now + seconds(body, "expires_in")?,
            every: seconds(body, "interval")?.max(Duration::from_secs(1)),
        })
    }
}

/// The credential of a *granted*, and when its token is to be renewed.
fn read_grant(body: &Value) -> Option<(DeviceCredential, Duration)> {
    let keys = body.get("statement_keys")?.get("keys")?.as_array()?;
    let pinned = |key: &Value| {
        let is_ours = key.get("kty")? == "OKP" && key.get("crv")? == "Ed25519";
        is_ours.then_some(PinnedKey { kid: text(key, "kid")?, x: text(key, "x")? })
    };
    let credential = DeviceCredential {
        device_id: text(body, "device_id")?,
        token: Concealed(text(body, "token")?),
        tenant: text(body, "tenant")?,
        room: text(body, "room").unwrap_or_default(),
        generation: body.get("generation")?.as_u64()?,
        statement_keys: keys.iter().filter_map(pinned).collect(),
    };
    Some((credential, seconds(body, "renew_in")?))
}

fn text(body: &Value, name: &str) -> Option<String> {
    body.get(name)?.as_str().map(ToOwned::to_owned)
}

/// A number of seconds, at most a year: an absurd one must not overflow a clock.
fn seconds(body: &Value, name: &str) -> Option<Duration> {
    const YEAR: u64 = 366 * 24 * 3600;
    Some(Duration::from_secs(body.get(name)?.as_u64()?.min(YEAR)))
}
