//! How somebody goes each way: with a good credential, with its bad twins, and again when all is healed.

use std::{sync::Arc, time::Duration};

use gateway::demo::{AccessTokenSpec, Part, browser::SeenPage, displays::LegacyDisplay};
use http::{HeaderName, HeaderValue};
use serde_json::Value;
use url::Url;
use world::{
    World,
    caller::{Caller, Form, Heard},
    disk::DiskBreak,
    display::DisplayKey,
};

use super::{
    fleet_twins,
    installer::{self, Installation},
    old_pin,
    oracle::{self, Complaints},
    protocol::{self, DisplayRequest, ProtocolRequest},
    table::{CacheState, Cell, Fault, Flow, Outcome},
    twins::{self, Impostor},
};

/// The cookie that holds a ticket, where people reach the gateway by http.
pub(crate) const TICKET: &str = "candor";

/// Where every display may go.
pub(super) const FLEET: &str = "/fleet/calendar";

/// The tenant of the good display.
pub(super) const ACME: &str = "acme";

/// How old a token is that should have been renewed for two days, and must be. It is not over.
const LONG_OVERDUE: Duration = Duration::from_secs(3 * 24 * 3600);

/// Later than a session's renewal is due, and soon enough that nobody waits for it.
const RENEWAL_DUE: Duration = Duration::from_secs(16 * 60);

/// So late that it is waited for.
const PAST_GRACE: Duration = Duration::from_secs(30 * 60);

/// How often a twin is shown when all is healed, until it is told.
const ASKED_AGAIN: u32 = 10;

/// More strangers than a provider may be asked for at once, each later than the back-off after the one before.
const STRANGERS: u32 = 6;
const BETWEEN_STRANGERS: Duration = Duration::from_secs(6);

/// Somebody on their way, and their bad twins.
pub(crate) struct Going {
    flow: Flow,
    path: &'static str,
    subject: String,
    good: Caller,
    /// What the good one had before signing out.
    ticket: Option<String>,
    coming: Coming,
    twins: Vec<Impostor>,
    /// What a display sends, on the way of one.
    request: Option<DisplayRequest>,
    /// The token that it was granted last.
    granted: Option<String>,
    /// The key that it puts in place of its own.
    new_key: Option<Arc<DisplayKey>>,
    /// What an administrator types.
    installation: Option<Installation>,
}

/// How far the good one has come who comes back from the provider.
#[derive(Default)]
struct Coming {
    /// Where to.
    callback: Option<Url>,
    /// Whether the provider has answered the code.
    spent: bool,
    /// The link of the last page on which the sign-in begins once more.
    begin: Option<Url>,
    /// Whether they have been served: they are signed in.
    arrived: bool,
}

impl Going {
    /// Brings somebody to the point where the dependency is about to break. `index` chooses which twin goes first.
    pub(super) async fn prepare(world: &mut World, cell: &Cell, index: usize) -> Self {
        let form = cell.form;
        let by_ticket = match cell.flow {
            Flow::SignInBegin
            | Flow::Callback
            | Flow::Ticket
            | Flow::Logout
            | Flow::RenewalDue
            | Flow::RenewalPastGrace => true,
            Flow::BearerKnownKid
            | Flow::BearerUnknownKid
            | Flow::PublicRoute
            | Flow::Verify
            | Flow::DeviceToken
            | Flow::OverdueToken
            | Flow::Adoption
            | Flow::LegacyToken
            | Flow::Activation
            | Flow::Polling
            | Flow::Confirmation
            | Flow::Renewal
            | Flow::Reactivation
            | Flow::Statement
            | Flow::KeyRotation
            | Flow::OldPin
            | Flow::OldPinPoll => false,
            Flow::StrictRoute | Flow::ForwardedRequest => form == Form::Browser,
        };
        let path = match (cell.flow, form) {
            (Flow::PublicRoute, _) => "/public/page",
            (Flow::StrictRoute, _) => "/admin/panel",
            // Where half a day may be missing, and where nothing may.
            (Flow::RenewalPastGrace, Form::Browser) => "/calendar",
            (Flow::RenewalPastGrace, _) => "/admin/panel",
            (Flow::Callback, _) => "/calendar?week=47&day=mon",
            (flow, _) if flow.is_of_the_fleet() => FLEET,
            (_, Form::Browser) => "/calendar",
            (_, Form::Script) => "/api/calendar",
            (_, Form::Device) => "/display/calendar",
        };
        let mut going = Self {
            flow: cell.flow,
            path,
            subject: if by_ticket { "ada" } else { "display-4.12" }.to_owned(),
            good: Caller::new(form),
            ticket: None,
            coming: Coming::default(),
            twins: Vec::new(),
            request: None,
            granted: None,
            new_key: None,
            installation: None,
        };
        if cell.flow.is_of_the_fleet() {
            going.prepare_display(world, cell).await
        } else if by_ticket {
            going.prepare_person(world, cell).await
        } else {
            going.prepare_program(world).await
        }
        if !going.twins.is_empty() {
            let first = index % going.twins.len();
            going.twins.rotate_left(first);
        }
        going
    }

    async fn prepare_person(&mut self, world: &mut World, cell: &Cell) {
        match self.flow {
            Flow::SignInBegin => {
                let mut earlier = Caller::new(Form::Browser);
                world.until_callback(&mut earlier, "grace", self.path).await;
                world.until_provider_is_on_disk().await;
            }
            Flow::Callback => {
                if cell.cache_state == CacheState::Warm {
                    world.sign_in(&mut Caller::new(Form::Browser), "grace", self.path).await;
                }
                let callback = world.until_callback(&mut self.good, &self.subject, self.path).await;
                self.twins = twins::of_callback(world, &callback, self.path).await;
                self.coming.callback = Some(callback);
            }
            _ => {
                let form = self.good.form();
                self.twins = twins::of_earlier_sessions(world, form).await;
                let mut browser = Caller::new(Form::Browser);
                world.sign_in(&mut browser, &self.subject, "/calendar").await;
                let home = world.url("/");
                let ticket = browser.browser().cookie(&home, TICKET).expect("signed in").to_owned();
                self.good.browser().set_cookie(&home, TICKET, &ticket);
                self.twins.extend(twins::of_ticket(world, form, &ticket).await);
                if self.path == "/admin/panel"
                    && self.flow == Flow::RenewalPastGrace
                    && !cell.breaks_the_token_endpoint()
                {
                    self.twins.push(twins::who_is_disabled(world, form).await);
                }
                self.ticket = Some(ticket);
                match self.flow {
                    Flow::RenewalDue => world.advance(RENEWAL_DUE),
                    Flow::RenewalPastGrace => world.advance(PAST_GRACE),
                    _ => {}
                }
            }
        }
    }

    async fn prepare_program(&mut self, world: &mut World) {
        let form = self.good.form();
        let bearer = AccessTokenSpec::of(&self.subject).lasting(Duration::from_secs(6 * 3600));
        // Asked where keys are waited for: a route open to anyone waits for nothing.
        let path = if form == Form::Device { "/display/calendar" } else { "/api/calendar" };
        world.warm_up(&mut Caller::bearing(form, &world.idp.mint(&bearer)), path).await;
        if self.flow == Flow::BearerUnknownKid {
            world.idp.rotate();
        }
        self.good = Caller::bearing(form, &world.idp.mint(&bearer));
        self.twins = twins::of_bearer(world, form, &bearer).await;
    }

    /// A display on one of the gateway's own paths.
    async fn prepare_protocol(&mut self, world: &World) {
        let display = world.register(ACME).await;
        self.subject = display.binding.device.to_string();
        let mut key = display.key.clone();
        let mut begun = Value::Null;
        match self.flow {
            Flow::Activation => key = Arc::new(DisplayKey::new()),
            Flow::Polling => {
                let over = fleet_twins::of_an_activation_that_is_over(world).await;
                self.twins.push(over);
                key = Arc::new(DisplayKey::new());
                begun = installer::new_pin(world, &key).await;
                self.subject = world.confirm(&begun, ACME).await.to_string();
            }
            Flow::KeyRotation => self.twins = fleet_twins::of_replaced_keys(world).await,
            _ => {}
        }
        let (flow, token) = (self.flow, world.token_of(&display, Duration::ZERO));
        let made = move |key: &Arc<DisplayKey>| match flow {
            Flow::Activation => ProtocolRequest::activation(key.clone()),
            Flow::Polling => ProtocolRequest::poll(key.clone(), &begun),
            Flow::Renewal => ProtocolRequest::renewal(key.clone(), &token),
            Flow::Reactivation => ProtocolRequest::reactivation(key.clone()),
            Flow::KeyRotation => ProtocolRequest::rotation(key.clone(), Arc::new(DisplayKey::new())),
            _ => ProtocolRequest::statement(key.clone()),
        };
        let request = made(&key);
        self.new_key = request.successor();
        self.request = Some(request.into());
        self.twins.extend(fleet_twins::of_request(world, flow, &key, &made).await);
    }

    /// An app of before at the service's PIN screen.
    async fn prepare_old_pin(&mut self, world: &World) {
        if self.flow == Flow::OldPin {
            self.request = Some(old_pin::PinScreen::opening("sn-old").into());
            return;
        }
        self.twins = old_pin::of_polls(world).await;
        let (id, device) = old_pin::confirmed(world, "sn-old").await;
        self.subject = device;
        self.twins.push(old_pin::of_another_code(&id));
        self.request = Some(old_pin::PinScreen::polling(&id).into());
    }

    /// An administrator who has just signed in, and a display that shows a PIN.
    async fn prepare_installer(&mut self, world: &World) {
        self.twins = fleet_twins::of_installer(world).await;
        self.subject = "ada".to_owned();
        world.sign_in(&mut self.good, "ada", "/calendar").await;
        self.installation = Some(Self::installation(world).await);
    }

    async fn installation(world: &World) -> Installation {
        let begun = installer::new_pin(world, &Arc::new(DisplayKey::new())).await;
        Installation { pin: begun["pin"].as_str().expect("a PIN").to_owned(), tenant: ACME }
    }

    /// A display with a token of the monolith's.
    async fn prepare_legacy_display(&mut self, world: &World, cell: &Cell) {
        self.twins = fleet_twins::of_legacy_token(world, cell.cache_state).await;
        // The clock has moved on meanwhile.
        world.poll_revocations().await;
        let display = LegacyDisplay::numbered(1, ACME);
        self.subject.clone_from(&display.id);
        self.good = Caller::bearing(Form::Device, &world.monolith.add_display(display));
        if self.flow == Flow::LegacyToken {
            world.warm_up(&mut self.good, self.path).await;
        }
    }

    async fn prepare_display(&mut self, world: &World, cell: &Cell) {
        match self.flow {
            Flow::Adoption | Flow::LegacyToken => return self.prepare_legacy_display(world, cell).await,
            Flow::Confirmation => return self.prepare_installer(world).await,
            flow if flow.is_of_the_protocol() => {
                if matches!(flow, Flow::OldPin | Flow::OldPinPoll) {
                    self.prepare_old_pin(world).await;
                } else {
                    self.prepare_protocol(world).await;
                }
                if cell.breaks().any(|(_, fault)| fault == Fault::Disk(DiskBreak::Gone)) {
                    // Once the store was lost, that nobody knows a key or an id proves nothing until the next start.
                    let unknown = self.twins.iter_mut().filter(|twin| fleet_twins::UNKNOWN.contains(&twin.name));
                    unknown.for_each(|twin| twin.provable = false);
                }
                return;
            }
            _ => {}
        }
        let display = world.register(ACME).await;
        world.warm_up(&mut Caller::bearing(Form::Device, &world.token_of(&display, Duration::ZERO)), self.path).await;
        let age = if self.flow == Flow::OverdueToken { LONG_OVERDUE } else { Duration::ZERO };
        self.good = Caller::bearing(Form::Device, &world.token_of(&display, age));
        self.subject = display.binding.device.to_string();
        self.twins = fleet_twins::of_token(world).await;
    }

    /// Who the good one truly is.
    pub(super) fn subject(&self) -> &str {
        &self.subject
    }

    /// Goes the way with the good credential.
    pub(super) async fn good(&mut self, world: &World) -> Heard {
        if let Some(request) = &mut self.request {
            let heard = request.go(world).await;
            self.granted = protocol::granted_token(&heard).or(self.granted.take());
            return heard;
        }
        if let Some(installation) = &mut self.installation {
            if self.coming.arrived {
                // That display has its place: this is the next.
                *installation = Self::installation(world).await;
            }
            let heard = installation.go(world, &mut self.good).await;
            self.coming.arrived = installer::is_done(&heard);
            return heard;
        }
        let asked = world.idp.asked(Part::Token);
        let heard = go(world, self.flow, &mut self.good, self.coming.callback.as_ref(), self.path).await;
        if self.flow == Flow::Callback {
            self.coming.spent |= world.idp.asked(Part::Token) > asked;
            self.coming.arrived |= oracle::meets(Outcome::Served, Form::Browser, &heard);
            self.coming.begin = oracle::begin_link(&heard).or(self.coming.begin.take());
        }
        heard
    }

    /// What is wrong with what became of the code, as the provider saw it.
    pub(super) fn judge_the_code(&self, expected: Outcome, complaints: &mut Complaints) {
        match (expected, self.coming.spent) {
            (Outcome::TryIsKept, true) => complaints.add("the code was spent"),
            (Outcome::TryIsSpent, false) => complaints.add("the provider was never shown the code"),
            _ => {}
        }
    }

    /// The same when it is healed. Who came back while it was broken loads the same address again, or follows the link
    /// of the page if the provider has answered the code. Somebody who signed out has nothing to sign out of, and signs
    /// in first.
    pub(super) async fn good_again(&mut self, world: &World) -> Heard {
        match self.flow {
            Flow::Callback if self.coming.arrived => world.ask(&mut self.good, self.path).await,
            Flow::Callback if self.coming.spent => {
                let Some(begin) = self.coming.begin.clone() else { return self.good(world).await };
                match world.try_until_callback_from(&mut self.good, &self.subject, &begin).await {
                    Ok(callback) => {
                        self.coming.callback = Some(callback);
                        self.good(world).await
                    }
                    // The provider may not be known to be back yet: then this says so, and the next try comes.
                    Err(Some(seen)) => Heard { answer: Ok(seen), reached: Vec::new() },
                    Err(None) => self.good(world).await,
                }
            }
            Flow::Logout => {
                let heard = world.ask(&mut self.good, "/calendar").await;
                if oracle::leads_to(&heard, "/.candor/login") {
                    let back = world.try_until_callback(&mut self.good, &self.subject, "/calendar").await;
                    let callback = match back {
                        Ok(callback) => callback,
                        // Signing in anew cannot be had yet. That they are not signed in is so: they signed out.
                        Err(Some(seen)) => return Heard { answer: Ok(seen), reached: Vec::new() },
                        Err(None) => return self.good(world).await,
                    };
                    go(world, Flow::Callback, &mut self.good, Some(&callback), "/calendar").await;
                }
                self.good(world).await
            }
            _ => self.good(world).await,
        }
    }

    /// Shows every bad twin while something is broken: nobody goes on in anybody's name.
    pub(super) async fn twins_while_broken(&mut self, world: &World, complaints: &mut Complaints) {
        for twin in &mut self.twins {
            let heard = twin.go(world, self.flow, self.path).await;
            complaints.count_a_twin();
            oracle::judge_twin("broken", &heard, twin.name, complaints);
            if twin.spared {
                oracle::judge_spared("broken", &heard, twin.name, complaints);
            }
        }
    }

    /// The outage lasts for a while, in which strangers ask with tokens by keys that nobody ever had: whatever that costs,
    /// it is not what the good one waits for afterwards.
    pub(super) async fn strangers_while_broken(&self, world: &World, complaints: &mut Complaints) {
        if self.flow != Flow::BearerUnknownKid {
            return;
        }
        for number in 0..STRANGERS {
            let token = world.idp.mint(&AccessTokenSpec::of("mallory").under_kid(&format!("made-up-{number}")));
            let heard = world.ask(&mut Caller::bearing(self.good.form(), &token), self.path).await;
            oracle::judge_twin("broken", &heard, "made-up", complaints);
            world.advance(BETWEEN_STRANGERS);
        }
    }

    /// The same when all is healed: then it is told the truth.
    pub(super) async fn twins_when_healed(&mut self, world: &World, complaints: &mut Complaints) {
        for twin in &mut self.twins {
            let mut beat = tokio::time::interval(Duration::from_millis(20));
            for left in (0..ASKED_AGAIN).rev() {
                let heard = twin.go(world, self.flow, self.path).await;
                oracle::judge_twin("healed", &heard, twin.name, complaints);
                if twin.spared {
                    oracle::judge_spared("healed", &heard, twin.name, complaints);
                }
                if oracle::is_told(self.flow, twin.name, &heard) || !twin.provable && oracle::is_undecided(&heard) {
                    break;
                }
                if left == 0 {
                    complaints.add(format!("healed, the twin `{}` is not refused: {}", twin.name, heard.line()));
                }
                world.advance(Duration::from_secs(1));
                beat.tick().await;
            }
        }
    }

    /// Who signed out is signed out: the ticket of before is good for nothing. Who was granted a token is in.
    pub(super) async fn afterwards(&mut self, world: &World, complaints: &mut Complaints) {
        if let Some(token) = &self.granted {
            let heard = world.ask(&mut Caller::bearing(Form::Device, token), FLEET).await;
            if heard.status() != Some(200) || !oracle::others(&heard, &self.subject).is_empty() {
                complaints.add(format!("the token that was granted is not good: {}", heard.line()));
            }
        }
        if let Some(key) = &self.new_key {
            let heard = ProtocolRequest::reactivation(key.clone()).go(world).await;
            if protocol::granted_to(&heard).as_ref() != Some(&self.subject) {
                complaints.add(format!("the key that was added is not good: {}", heard.line()));
            }
        }
        let (Flow::Logout, Some(ticket)) = (self.flow, &self.ticket) else { return };
        let mut copied = Caller::new(Form::Browser);
        copied.browser().set_cookie(&world.url("/"), TICKET, ticket);
        let heard = world.ask(&mut copied, "/calendar").await;
        oracle::judge_twin("after logout", &heard, "ended", complaints);
        if !oracle::is_told(self.flow, "ended", &heard) {
            complaints.add(format!("after logout, the ticket of before is not refused: {}", heard.line()));
        }
    }
}

/// One way, once.
pub(super) async fn go(world: &World, flow: Flow, caller: &mut Caller, callback: Option<&Url>, path: &str) -> Heard {
    match flow {
        Flow::SignInBegin => {
            // The last good contact is so long ago that the provider is asked again.
            world.advance(Duration::from_secs(11));
            let asked = world.ask(caller, path).await;
            match asked.answer.as_ref().ok().and_then(SeenPage::location) {
                Some(login) if login.path() == "/.candor/login" => caller.get(&login, &world.monolith).await,
                _ => asked,
            }
        }
        Flow::Callback => {
            let callback = callback.expect("a callback has its address");
            let heard = caller.get(callback, &world.monolith).await;
            match heard.answer.as_ref().ok().and_then(SeenPage::location) {
                // Nowhere else than to what was asked for in the first place.
                Some(home) if home == world.url(path) => caller.get(&home, &world.monolith).await,
                _ => heard,
            }
        }
        Flow::Logout => caller.post(&world.url("/.candor/logout"), &[], &world.monolith).await,
        Flow::Verify => {
            let original = HeaderValue::from_str(path).expect("a path is visible ASCII");
            caller.browser().always_send(HeaderName::from_static("x-forwarded-uri"), original);
            caller
                .browser()
                .always_send(HeaderName::from_static("x-forwarded-method"), HeaderValue::from_static("GET"));
            caller.get(&world.settings.verify_url(), &world.monolith).await
        }
        Flow::Ticket
        | Flow::RenewalDue
        | Flow::RenewalPastGrace
        | Flow::BearerKnownKid
        | Flow::BearerUnknownKid
        | Flow::PublicRoute
        | Flow::StrictRoute
        | Flow::ForwardedRequest
        | Flow::DeviceToken
        | Flow::OverdueToken
        | Flow::Adoption
        | Flow::LegacyToken
        | Flow::Activation
        | Flow::Polling
        | Flow::Confirmation
        | Flow::Renewal
        | Flow::Reactivation
        | Flow::Statement
        | Flow::KeyRotation
        | Flow::OldPin
        | Flow::OldPinPoll => world.ask(caller, path).await,
    }
}
