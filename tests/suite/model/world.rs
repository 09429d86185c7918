//! One device, one gateway, and everything that can happen next.

use std::{sync::Arc, time::Duration};

use auth_core::client::{
    ClientAction, ClientEvent, ClientKey, ClientRequest, ClientSettings, ClientState, DeviceClient, HttpAnswer, Moment,
    StoredState, planted::PlantedBug,
};
use serde_json::Value;

use super::gateway::{
    Asked, BindingState, Gateway, Spoken, foreign_statement, forged_statement, http, json_answer, problem,
};

/// What must hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Property {
    /// Nothing is erased but after two signed statements, ten minutes apart, about this key and generation.
    NoWipeWithoutTwoStatements,
    /// From every state the device becomes active once the world is healthy; by itself, if it is still bound.
    AlwaysComesBack,
    /// What was revoked is granted nothing for that generation, and served for ten seconds at most.
    RevokedStaysOut,
    /// An answer to an earlier question, and a statement over an earlier nonce, change nothing.
    ReplaysChangeNothing,
    /// No answer that is lost, doubled or late, and no crash, loses a key that is bound or a credential.
    NothingIsLost,
}

impl Property {
    pub(super) const ALL: [Self; 5] = [
        Self::NoWipeWithoutTwoStatements,
        Self::AlwaysComesBack,
        Self::RevokedStaysOut,
        Self::ReplaysChangeNothing,
        Self::NothingIsLost,
    ];
}

/// What is wrong on purpose.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Bug {
    /// Nothing.
    None,
    /// Something in the device.
    Device(PlantedBug),
    /// The gateway gives a revoked binding its generation again.
    ReadmitsRevoked,
    /// The gateway never asks its store who was revoked meanwhile.
    NeverPolls,
}

/// How often each of those who make trouble may.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Budget {
    pub(super) hostile: u8,
    pub(super) administrator: u8,
    pub(super) crashes: u8,
}

/// One state of it all.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Node {
    device: DeviceClient,
    /// What outlives a crash.
    durable: StoredState,
    asked: Option<Asked>,
    /// When the device's timer fires.
    timer: Duration,
    gateway: Gateway,
    /// An answer that the network holds back, and whether it answers the call under way.
    late: Option<(bool, HttpAnswer)>,
    /// The last statement that the network has seen.
    recorded: Option<Spoken>,
    /// How long ago the gateway first signed that this key and generation may be erased.
    first_said: Option<Duration>,
    budget: Budget,
    bug: Bug,
}

/// A move, and where it leads; or the property that it breaks.
pub(super) struct Step {
    pub(super) label: String,
    pub(super) next: Result<Node, Property>,
}

const TEN_MINUTES: Duration = Duration::from_secs(600);

impl Node {
    pub(super) fn first(bug: Bug, budget: Budget) -> Self {
        let mut node = Self {
            device: switched_on(&StoredState::default(), bug),
            durable: StoredState::default(),
            asked: None,
            timer: DeviceClient::ZERO,
            gateway: Gateway::default(),
            late: None,
            recorded: None,
            first_said: None,
            budget,
            bug,
        };
        // The first start breaks nothing.
        let _ = node.tell(ClientEvent::Boot, DeviceClient::ZERO);
        node
    }

    /// Everything that can happen next.
    pub(super) fn steps(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        self.device_goes_on(&mut steps);
        self.administrator_acts(&mut steps);
        self.time_passes(&mut steps);
        if self.budget.hostile > 0 {
            self.network_is_hostile(&mut steps);
        }
        if let Some((is_current, answer)) = &self.late {
            steps.push(self.step("the late answer", |node| {
                node.late = None;
                node.arrives(answer.clone(), *is_current)
            }));
        }
        if self.budget.crashes > 0 {
            steps.push(self.step("a crash", Self::crash));
        }
        steps
    }

    fn device_goes_on(&self, steps: &mut Vec<Step>) {
        if self.asked.is_some() {
            steps.push(self.step("the answer", Self::answered));
        } else {
            steps.push(self.step("the timer", |node| node.tell(ClientEvent::Timer, node.timer)));
            steps.push(self.step("retry", |node| node.tell(ClientEvent::Retry, DeviceClient::ZERO)));
        }
        if self.budget.crashes > 0 {
            // The power goes after each of the orders that the next event gives.
            for orders in 1..4 {
                steps.push(self.step(&format!("a crash after {orders} orders"), move |node| {
                    let answer = node.answer_now()?;
                    let now = if answer.is_some() { DeviceClient::ZERO } else { node.timer };
                    let event = answer.map_or(ClientEvent::Timer, |answer| ClientEvent::Answer {
                        number: DeviceClient::LAST_NUMBER,
                        answer,
                    });
                    node.asked = None;
                    let actions = node.device.handle(event, &node.moment(now));
                    for action in actions.into_iter().take(orders) {
                        node.follow(action)?;
                    }
                    // What was sent is on its way.
                    node.answer_now()?;
                    node.crash()
                }));
            }
        }
    }

    fn administrator_acts(&self, steps: &mut Vec<Step>) {
        if self.budget.administrator == 0 {
            return;
        }
        let mut acts = |label: &str, act: &dyn Fn(&mut Gateway)| {
            let mut node = self.clone();
            act(&mut node.gateway);
            if node.gateway != self.gateway {
                node.budget.administrator -= 1;
                node.first_said = None;
                steps.push(Step { label: label.to_owned(), next: Ok(node) });
            }
        };
        acts("confirms the PIN", &Gateway::confirm);
        acts("revokes", &|gateway| gateway.change(BindingState::Revoked));
        acts("revokes elsewhere", &Gateway::revoke_unheard);
        if self.gateway.bound.as_ref().is_some_and(|(_, own)| own.state != BindingState::Revoked) {
            acts("suspends", &|gateway| gateway.change(BindingState::Suspended));
            acts("resumes", &|gateway| gateway.change(BindingState::Active));
            acts("restores an old store", &|gateway| gateway.forgot = true);
        }
    }

    /// For the gateway's set: the device's own time goes by its timer.
    fn time_passes(&self, steps: &mut Vec<Step>) {
        for (label, store_is_at_fault, set) in self.gateway.set.later(self.bug) {
            if store_is_at_fault && self.budget.hostile == 0 {
                continue;
            }
            steps.push(self.step(label, |node| {
                node.budget.hostile -= u8::from(store_is_at_fault);
                match set {
                    Some(set) => node.gateway.set = set,
                    None => node.gateway.hears(),
                }
                Ok(())
            }));
        }
    }

    fn network_is_hostile(&self, steps: &mut Vec<Step>) {
        let Some(asked) = &self.asked else { return };
        let mut hostile = |label: &str, act: &dyn Fn(&mut Self) -> Result<(), Property>| {
            steps.push(self.step(label, |node| {
                node.budget.hostile -= 1;
                act(node)
            }));
        };
        hostile("the request is lost", &|node| node.nothing_comes());
        hostile("the answer is lost", &|node| {
            node.answer_now()?;
            node.nothing_comes()
        });
        hostile("the answer is late", &|node| {
            let answer = node.answer_now()?;
            node.late = answer.map(|answer| (true, answer));
            node.nothing_comes()
        });
        hostile("the answer comes twice", &|node| {
            let Some(answer) = node.answer_now()? else { return Ok(()) };
            node.late = Some((false, answer.clone()));
            node.arrives(answer, true)
        });
        for (label, answer) in forged(asked, self.gateway.revoked_up_to + 1) {
            hostile(label, &move |node| node.arrives(answer.clone(), true));
        }
        if let Some(old) = self.recorded.as_ref().filter(|old| asked.path == "statements" && old.nonce != asked.nonce) {
            hostile("an old statement", &|node| {
                let before = node.device.state();
                node.arrives(old.answer.clone(), true)?;
                let after = node.device.state();
                let acted_on = match after {
                    ClientState::Suspended | ClientState::RevokedPending => before != after,
                    ClientState::Reauthenticating | ClientState::Unprovisioned => true,
                    _ => false,
                };
                if acted_on { Err(Property::ReplaysChangeNothing) } else { Ok(()) }
            });
        }
    }

    fn step(&self, label: &str, act: impl FnOnce(&mut Self) -> Result<(), Property>) -> Step {
        let mut next = self.clone();
        let done = act(&mut next).and_then(|()| self.kept_until(&next));
        let state = next.device.state();
        Step { label: format!("{label} → {state:?}"), next: done.map(|()| next) }
    }

    /// What is durable is not lost on the way to `next`.
    fn kept_until(&self, next: &Self) -> Result<(), Property> {
        let bound = next.gateway.bound.as_ref().map(|(key, _)| key);
        let key_lost = bound.is_some() && next.durable.key.as_ref() != bound;
        let credential_lost = self.durable.credential.is_some() && next.durable.credential.is_none();
        // A wipe was judged where it was ordered, and its two statements were about this very binding.
        let revoked = next.gateway.bound.as_ref().is_some_and(|(_, own)| own.state == BindingState::Revoked);
        if key_lost || credential_lost && !revoked { Err(Property::NothingIsLost) } else { Ok(()) }
    }

    fn answered(&mut self) -> Result<(), Property> {
        match self.answer_now()? {
            Some(answer) => self.arrives(answer, true),
            None => Ok(()),
        }
    }

    /// The gateway answers the call under way. The answer is on the wire.
    fn answer_now(&mut self) -> Result<Option<HttpAnswer>, Property> {
        let Some(asked) = self.asked.clone() else { return Ok(None) };
        let (answer, spoken) = self.gateway.answer(&asked, self.bug);
        if self.gateway.serves_the_revoked(&asked, &answer) {
            return Err(Property::RevokedStaysOut);
        }
        if let Some(spoken) = spoken {
            if spoken.wipes {
                self.first_said.get_or_insert(Duration::ZERO);
            }
            self.recorded = Some(spoken);
        }
        Ok(Some(answer))
    }

    /// `answer` reaches the device: to the call under way, or to an earlier one.
    fn arrives(&mut self, answer: HttpAnswer, is_current: bool) -> Result<(), Property> {
        if is_current && self.asked.take().is_some() {
            self.no_old_generation(&answer)?;
            return self.tell(ClientEvent::Answer { number: DeviceClient::LAST_NUMBER, answer }, DeviceClient::ZERO);
        }
        let before = self.device.clone();
        let actions = self.device.handle(ClientEvent::Answer { number: 1, answer }, &self.moment(DeviceClient::ZERO));
        let is_quiet = actions.iter().all(|action| matches!(action, ClientAction::Timer { .. }));
        if is_quiet && self.device == before { Ok(()) } else { Err(Property::ReplaysChangeNothing) }
    }

    /// What the gateway itself granted is no generation that was revoked.
    fn no_old_generation(&self, answer: &HttpAnswer) -> Result<(), Property> {
        let body: Option<Value> = serde_json::from_str(&answer.body).ok();
        let generation = body.as_ref().and_then(|body| body.get("generation")?.as_u64());
        if generation.is_some_and(|generation| generation <= self.gateway.revoked_up_to) {
            return Err(Property::RevokedStaysOut);
        }
        Ok(())
    }

    /// No answer comes, until the device gives up waiting.
    fn nothing_comes(&mut self) -> Result<(), Property> {
        self.asked = None;
        let timer = self.timer;
        if timer <= DeviceClient::ZERO {
            // No timer runs: it waits for ever.
            return Ok(());
        }
        if let Some((is_current, _)) = &mut self.late {
            *is_current = false;
        }
        self.tell(ClientEvent::Timer, timer)
    }

    fn tell(&mut self, event: ClientEvent, now: Duration) -> Result<(), Property> {
        let passed = now.saturating_sub(DeviceClient::ZERO);
        self.first_said = self.first_said.map(|age| (age + passed).min(TEN_MINUTES));
        self.timer = Duration::ZERO;
        let actions = self.device.handle(event, &self.moment(now));
        for action in actions {
            self.follow(action)?;
        }
        self.device.moved_to_zero(now);
        let minutes = self.timer.saturating_sub(now).as_secs().div_ceil(60) * 60;
        if self.timer > Duration::ZERO {
            self.timer = DeviceClient::ZERO + Duration::from_secs(minutes);
        }
        if let Some((is_current, _)) = &mut self.late {
            *is_current = false;
        }
        Ok(())
    }

    fn follow(&mut self, action: ClientAction) -> Result<(), Property> {
        match action {
            ClientAction::Store { state } => self.durable = state,
            ClientAction::Wipe { .. } => {
                if self.first_said.is_none_or(|age| age < TEN_MINUTES) {
                    return Err(Property::NoWipeWithoutTwoStatements);
                }
            }
            ClientAction::Send { request } => self.asked = Some(self.understood(&request)),
            ClientAction::Timer { at } => self.timer = at,
            ClientAction::Show { .. } | ClientAction::Report { .. } => {}
        }
        Ok(())
    }

    fn understood(&self, request: &ClientRequest) -> Asked {
        let paths = ["activations/token", "activations", "reactivations", "statements", "token", "nonce", "data"];
        let path = paths.into_iter().find(|path| request.url.ends_with(&format!("/{path}"))).expect("a known path");
        let stored = self.device.stored();
        let body: Option<Value> = serde_json::from_str(&request.body).ok();
        let nonce = body.and_then(|body| body.get("nonce")?.as_str().map(ToOwned::to_owned)).unwrap_or_default();
        let token = stored.credential.as_ref().filter(|_| path == "data");
        Asked {
            path,
            key: stored.key.clone().expect("it has a key"),
            token: token.map(|own| own.token.0.clone()).unwrap_or_default(),
            nonce,
        }
    }

    fn crash(&mut self) -> Result<(), Property> {
        self.budget.crashes = self.budget.crashes.saturating_sub(1);
        self.asked = None;
        self.late = self.late.take().map(|(_, answer)| (false, answer));
        self.device = switched_on(&self.durable, self.bug);
        self.tell(ClientEvent::Boot, DeviceClient::ZERO)
    }

    /// What is drawn is new: no nonce twice, and another key after a crash that lost one.
    fn moment(&self, now: Duration) -> Moment {
        let old = self.recorded.as_ref().map(|spoken| spoken.nonce.as_str()).unwrap_or_default();
        let was_bound = u8::from(self.gateway.activation.is_some() || self.gateway.bound.is_some());
        // One of two is not the one that was drawn before.
        let drawn = (0..2).find(|salt| nonce_of(*salt + 2 * was_bound) != old).unwrap_or_default();
        Moment { now, wall: 0, entropy: [drawn + 2 * was_bound; 32] }
    }

    /// The same with everything whole: no enemy, the store as it was, nobody suspended.
    pub(super) fn healed(&self) -> Self {
        let mut node = self.clone();
        node.budget = Budget { hostile: 0, administrator: 0, crashes: 0 };
        (node.late, node.gateway.forgot) = (None, false);
        node.gateway.hears();
        if node.gateway.bound.as_ref().is_some_and(|(_, own)| own.state == BindingState::Suspended) {
            node.gateway.change(BindingState::Active);
        }
        node
    }

    /// The next thing that happens in a healthy world. Whoever is still bound comes back without anybody's help; for all
    /// others somebody types the PIN.
    pub(super) fn healthy_step(&self) -> Result<Self, Property> {
        let mut node = self.clone();
        let is_active = |(key, own): &(ClientKey, super::gateway::Binding)| {
            own.state == BindingState::Active && node.durable.key.as_ref() == Some(key)
        };
        if !node.gateway.bound.as_ref().is_some_and(is_active) {
            node.gateway.confirm();
        }
        if node.asked.is_some() {
            node.answered()?;
        } else if node.timer == Duration::ZERO {
            return Err(Property::AlwaysComesBack);
        } else {
            node.tell(ClientEvent::Timer, node.timer)?;
        }
        Ok(node)
    }

    /// Whether it shows what a bound device shows.
    pub(super) fn is_well(&self) -> bool {
        let generation = self.device.stored().credential.as_ref().map(|own| own.generation);
        self.device.state() == ClientState::Active
            && self.gateway.bound.as_ref().is_some_and(|(_, own)| Some(own.generation) == generation)
    }
}

/// What a network can say without our keys.
fn forged(asked: &Asked, generation: u64) -> Vec<(&'static str, HttpAnswer)> {
    let mut forged = vec![
        ("a bare denial", http(401, "application/json", r#"{"error":"token expired"}"#)),
        ("a denial that looks like ours", problem(401, "credential-invalid")),
        ("a page", http(200, "text/html", "<h1>Please sign in</h1>")),
        ("an empty object", json_answer(200, &serde_json::json!({}))),
        ("a revocation that nobody signed", problem(410, "device-revoked")),
        ("a device that nobody knows", problem(404, "device-unknown")),
        ("a place in two tenants", problem(409, "tenant-ambiguous")),
        ("a nonce that is refused", problem(400, "use-dpop-nonce")),
    ];
    if asked.path == "statements" {
        forged.push(("a statement by another key", forged_statement(asked, generation)));
        forged.push(("a statement about another device", foreign_statement(asked, generation)));
    }
    forged
}

fn switched_on(stored: &StoredState, bug: Bug) -> DeviceClient {
    let settings = Arc::new(ClientSettings {
        origin: "http://g".to_owned(),
        own_prefix: "/.candor".to_owned(),
        data_path: "/data".to_owned(),
        every: Duration::from_secs(120),
        hardware_id: "h".to_owned(),
        model: "m".to_owned(),
        app_version: "1".to_owned(),
    });
    let moment = Moment { now: DeviceClient::ZERO, wall: 0, entropy: [0; 32] };
    let mut device = DeviceClient::new(settings, stored.clone(), &moment);
    if let Bug::Device(bug) = bug {
        device.plant(bug);
    }
    device
}

/// The nonce that a device makes of this draw.
fn nonce_of(drawn: u8) -> String {
    use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
    let mut text = b"statement\0".to_vec();
    text.extend([drawn; 32]);
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &text);
    BASE64_URL_SAFE_NO_PAD.encode(&hash.as_ref()[..16])
}
