//! The device's own side (feature `client`): what a wall display does with whatever it is answered.
//!
//! [`DeviceClient`] is a state machine without I/O: [`ClientEvent`]s go in, [`ClientAction`]s come out, and whoever
//! drives it sends, stores, shows and waits. Time and randomness are parameters ([`Moment`]), everything is plain data
//! with serde, and nothing is async, so that it can be bound to other languages. [`driver`] runs devices on tokio.
//!
//! What holds in every state:
//! - No answer erases anything, but two statements signed by a pinned key, over nonces that this device made, ten
//!   minutes apart, about its own key and generation.
//! - A timer runs. A lost answer is an answer that does not come before the timer.
//! - What must not be lost is stored before it is used; the actions of one event are done in their order.
//! - An answer to anything but the call under way changes nothing.
//!
//! Deliberately absent: the state *quarantined*, since no answer of the gateway leads there; and a state that waits for
//! a person alone: under every PIN it goes on asking whether its key is enough.

mod action;
mod answer;
mod arrival;
#[cfg(feature = "breakable")]
mod at_zero;
mod backoff;
pub mod driver;
mod event;
mod key;
#[cfg(feature = "breakable")]
pub mod planted;
mod statement;
mod stored;
#[cfg(test)]
mod tests;
mod wanted;

use std::{sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};

pub use action::{ClientAction, ClientRequest, Screen};
pub use answer::HttpAnswer;
pub use event::{ClientEvent, Moment};
pub use key::ClientKey;
pub use stored::{ClientSettings, Concealed, DeviceCredential, PinnedKey, StoredState};

use self::{statement::WipingVerdict, wanted::Call};

/// What a device does next, and what it shows meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClientState {
    /// It has no credential, and nothing to keep: it shows a PIN.
    Unprovisioned,
    /// It shows what it is given.
    Active,
    /// It shows what it was given last, and how old that is.
    Degraded,
    /// It asks for a signed statement about itself. Shows what it was given last.
    Checking,
    /// It gets a new token by its key. Shows what it was given last.
    Reauthenticating,
    /// It shows a PIN over what it was given last, which it keeps.
    PinKeep,
    /// A signed statement said so: it keeps its data, and shows none of it.
    Suspended,
    /// One signed statement said that it is revoked: it shows nothing, and asks again in ten minutes.
    RevokedPending,
}

/// A device: its state, and what it remembers.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct DeviceClient {
    settings: Arc<ClientSettings>,
    stored: StoredState,
    state: ClientState,
    /// The call under way.
    waiting: Option<Waiting>,
    /// When the timer fires.
    due: Duration,
    /// The gateway's nonce for the next key proof.
    nonce: Option<ProofNonce>,
    activation: Option<OpenActivation>,
    /// Whether the key alone is tried before a PIN, and instead of the token.
    by_key: bool,
    attempts: u32,
    /// Since when it has failed, if `attempts` is not zero.
    failing_since: Option<Duration>,
    successes: u32,
    /// When the token is to be renewed.
    renew_at: Duration,
    /// The last denials that nobody signed and the gateway does not own.
    denials: Vec<Duration>,
    /// The first of the two statements that it takes, and when it came.
    first_statement: Option<(WipingVerdict, Duration)>,
    last_check: Option<Duration>,
    last_retry: Option<Duration>,
    /// How often in a row a nonce was refused.
    nonces_refused: u8,
    /// When it was last given something to show, since it was started.
    shown_at: Option<Duration>,
    number: u64,
    /// What was to be stored could not be.
    unsaved: bool,
    #[cfg(feature = "breakable")]
    #[serde(skip)]
    planted: Option<planted::PlantedBug>,
}

/// A call that was sent, until it is answered or its time is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
struct Waiting {
    number: u64,
    call: Call,
    until: Duration,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
struct ProofNonce {
    text: String,
    until: Duration,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
struct OpenActivation {
    id: String,
    code: Concealed,
    pin: String,
    #[serde(default)]
    tag: Option<String>,
    uri: String,
    until: Duration,
    every: Duration,
}

/// How long a call may take before it counts as unanswered.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// `Retry` pressed again within this time is the same press.
const DEBOUNCE: Duration = Duration::from_secs(2);
/// Between the two statements that it takes to erase anything.
const CONFIRM_AFTER: Duration = Duration::from_secs(600);
/// How often a suspended device asks whether it still is.
const SUSPENDED_ASKS: Duration = Duration::from_secs(300);
/// So many unsigned denials within [`DENIALS_WITHIN`] make a device ask for a statement; and so long it then believes
/// the answer, whatever else is hinted.
const DENIALS: usize = 3;
const DENIALS_WITHIN: Duration = Duration::from_secs(300);

impl DeviceClient {
    /// A device that starts with what it has stored. `moment` is when; it is told [`ClientEvent::Boot`] next.
    pub fn new(settings: Arc<ClientSettings>, stored: StoredState, moment: &Moment) -> Self {
        let state = match &stored.credential {
            None => ClientState::Unprovisioned,
            Some(_) if stored.hidden => ClientState::Suspended,
            Some(_) => ClientState::Degraded,
        };
        Self {
            settings,
            stored,
            state,
            waiting: None,
            due: moment.now,
            nonce: None,
            activation: None,
            by_key: true,
            attempts: 0,
            failing_since: None,
            successes: 0,
            // How old the token is cannot be known without a clock: the gateway says when it wants it renewed.
            renew_at: Duration::MAX,
            denials: Vec::new(),
            first_statement: None,
            last_check: None,
            last_retry: None,
            nonces_refused: 0,
            shown_at: None,
            number: 0,
            unsaved: false,
            #[cfg(feature = "breakable")]
            planted: None,
        }
    }

    /// Takes in what happened, and says what is to be done, in this order. The last action is always a timer.
    pub fn handle(&mut self, event: ClientEvent, moment: &Moment) -> Vec<ClientAction> {
        let mut actions = Vec::new();
        match event {
            ClientEvent::Boot => self.boot(moment, &mut actions),
            ClientEvent::Answer { number, answer } => self.answered(number, answer, moment, &mut actions),
            ClientEvent::Timer => self.timer(moment, &mut actions),
            ClientEvent::Retry => self.retry(moment, &mut actions),
            ClientEvent::NotStored => self.unsaved = true,
        }
        #[cfg(feature = "breakable")]
        if self.planted == Some(planted::PlantedBug::CheckingWithoutTimer) && self.state == ClientState::Checking {
            return actions;
        }
        actions.push(ClientAction::Timer { at: self.waiting.map_or(self.due, |waiting| waiting.until) });
        actions
    }

    /// What it does now.
    pub fn state(&self) -> ClientState {
        self.state
    }

    /// What it keeps across restarts.
    pub fn stored(&self) -> &StoredState {
        &self.stored
    }

    /// When the token it has is to be renewed, on the clock of [`Moment::now`].
    pub fn renews_at(&self) -> Duration {
        self.renew_at
    }

    /// What the screen shows.
    pub fn screen(&self) -> Screen {
        let kept = || self.stored.data.clone();
        match (&self.activation, self.state) {
            _ if self.stored.hidden => Screen::Neutral,
            (Some(open), ClientState::Unprovisioned | ClientState::PinKeep) => {
                let OpenActivation { pin, tag, uri, .. } = open.clone();
                Screen::Pin { pin, tag, uri, over: kept() }
            }
            (_, ClientState::Active) if self.shown_at.is_some() => {
                kept().map_or(Screen::Connecting, |data| Screen::Live { data })
            }
            _ => kept().map_or(Screen::Connecting, |data| Screen::Kept { data, as_of: self.shown_at }),
        }
    }

    fn boot(&mut self, moment: &Moment, actions: &mut Vec<ClientAction>) {
        if self.stored.key.is_none() {
            self.stored.key = Some(ClientKey::new(moment));
            if !self.has_planted_key_late() {
                self.store(actions);
            }
        }
        if !self.stored.wiping.is_empty() {
            // The power went between the order to erase and its end.
            actions.push(ClientAction::Wipe { parts: std::mem::take(&mut self.stored.wiping) });
            self.store(actions);
        }
        self.due = moment.now;
        self.show(actions);
        self.proceed(moment, actions);
    }

    fn timer(&mut self, moment: &Moment, actions: &mut Vec<ClientAction>) {
        if self.unsaved {
            self.unsaved = false;
            self.store(actions);
        }
        match self.waiting {
            Some(waiting) if waiting.until <= moment.now => {
                self.answered(waiting.number, HttpAnswer::none(), moment, actions);
            }
            None if self.due <= moment.now => self.proceed(moment, actions),
            // Early: the timer is set again.
            _ => {}
        }
    }

    /// As if the timer had fired, but not twice within [`DEBOUNCE`], and not while a call is under way.
    fn retry(&mut self, moment: &Moment, actions: &mut Vec<ClientAction>) {
        if self.last_retry.is_some_and(|last| moment.now.saturating_sub(last) < DEBOUNCE) {
            return;
        }
        self.last_retry = Some(moment.now);
        if self.waiting.is_none() {
            self.due = moment.now;
            self.proceed(moment, actions);
        }
    }

    fn store(&self, actions: &mut Vec<ClientAction>) {
        actions.push(ClientAction::Store { state: self.stored.clone() });
    }

    fn show(&self, actions: &mut Vec<ClientAction>) {
        actions.push(ClientAction::Show { screen: self.screen() });
    }

    /// Whether the bug is planted that stores a new key only with the first credential.
    fn has_planted_key_late(&self) -> bool {
        #[cfg(feature = "breakable")]
        if self.planted == Some(planted::PlantedBug::KeyStoredLate) {
            return true;
        }
        false
    }
}
