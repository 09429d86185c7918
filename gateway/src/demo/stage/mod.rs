//! What stands on the stage of the demonstration, and what each switch does to it.

mod gateway;
mod side;

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex},
};

use auth_core::{
    Clock,
    database::Disturbance,
    device::{legacy::TokenHash, registry::Order},
    lock::lock,
};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use url::Url;

use super::{
    Health, Idp, Login, Mode, Monolith, User,
    cast::{PIN_PAGE, Turned, type_pin},
    deployment::Scratch,
    displays,
    gates::{PassThrough, Registration, TwoValued},
    idp, portal,
    show::{Cue, ShowOptions},
    state::{History, ShowState},
};
use crate::server;
use side::{ROOMS, Side};

/// Everything on the stage.
pub(super) struct Stage {
    monolith: Monolith,
    provider: Idp,
    gate: TwoValued,
    pass_through: PassThrough,
    gateway: server::Started,
    gateway_address: Url,
    _data: Scratch,
    without: Side,
    with: Side,
    state: ShowState,
    history: Arc<Mutex<History>>,
    clock: Clock,
    options: ShowOptions,
}

/// The loopback addresses of the provider and of the gates: each its own, so that their cookies stay apart.
const PROVIDER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 3);
const GATES: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 4);
/// What can be broken.
const PARTS: [&str; 3] = ["monolith", "provider", "store"];
const HEALTHY: &str = "healthy";
/// Whose display the revocation switch takes, and whose is replaced.
const REVOKED: usize = 11;
/// A display of nobody's wall, whose token visitors may use.
const SPARE: &str = "Lobby";

impl Stage {
    pub(super) async fn set(options: ShowOptions) -> io::Result<Self> {
        let clock = Clock::system();
        let monolith = Monolith::start(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;
        let people = idp::IdpOptions { listen: (PROVIDER, 0).into(), users: people(), ..idp::IdpOptions::default() };
        let provider = Idp::start(people).await?;
        provider.set_login(Login::Form);
        let registration = Registration::at(&provider);
        let gate = TwoValued::start((GATES, 0).into(), monolith.address(), registration, options.deadline).await?;
        let pass_through = PassThrough::start((GATES, 0).into(), monolith.address(), options.deadline).await?;
        let data = Scratch::new("demo")?;
        let gateway = gateway::start_gateway(&provider, &monolith, &data, &options).await?;
        let site = url(&format!("http://{}/", gate.address()))?;
        let devices = url(&format!("http://{}/", pass_through.address()))?;
        let with = url(&format!("http://{}/", gateway.addresses()[0]))?;
        // The two displays before a room hold the same token.
        let tokens = ROOMS.map(|room| monolith.add_display(portal::at(room)));
        Ok(Self {
            without: Side::new(&site, "/login", &devices, &tokens),
            with: Side::new(&with, "/.candor/login?return_to=/", &with, &tokens),
            monolith,
            provider,
            gate,
            pass_through,
            gateway,
            gateway_address: with,
            _data: data,
            state: ShowState { faults: PARTS.map(|part| (part, HEALTHY)).into(), ..ShowState::default() },
            history: Arc::default(),
            clock,
            options,
        })
    }

    /// What the page's text leaves open.
    pub(super) fn blanks(&self) -> Vec<(&'static str, String)> {
        let (without, with) = (self.pass_through.address(), self.gateway.addresses()[0]);
        let token = self.monolith.add_display(portal::at(SPARE));
        let curl = |address: SocketAddr| {
            let (room, calendar) = (displays::ROOM_HEADER, displays::CALENDAR);
            format!("curl -i -H '{room}: {SPARE}' -H 'Authorization: Bearer {token}' http://{address}{calendar}")
        };
        vec![
            ("gateway", format!("http://{with}")),
            ("gate", format!("http://{}", self.gate.address())),
            ("curl_without", curl(without)),
            ("curl_with", curl(with)),
            ("settle", self.options.settle.as_secs().to_string()),
            ("pin_without", format!("http://{}{}", self.gate.address(), portal::PIN_PAGE)),
            ("pin_with", format!("http://{with}{PIN_PAGE}")),
        ]
    }

    pub(super) fn history(&self) -> Arc<Mutex<History>> {
        self.history.clone()
    }

    /// The monolith's pages lead back to `home`.
    pub(super) fn set_home(&self, home: String) {
        self.monolith.set_home(home);
    }

    pub(super) async fn everybody_signs_in(&mut self) {
        tokio::join!(self.without.everybody_signs_in(), self.with.everybody_signs_in());
    }

    /// Plays until `end`, then stops the gateway. What a client waits for then is left unanswered.
    pub(super) async fn play(
        mut self,
        mut cues: mpsc::Receiver<Cue>,
        publish: watch::Sender<ShowState>,
        end: CancellationToken,
    ) {
        end.run_until_cancelled(async {
            let mut rounds = tokio::time::interval(self.options.round);
            rounds.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                tokio::select! {
                    biased;
                    Some(cue) = cues.recv() => self.follow(cue).await,
                    _ = rounds.tick() => self.round().await,
                }
                self.state.edition += 1;
                publish.send_replace(self.state.clone());
            }
        })
        .await;
        self.strike().await;
    }

    /// Ends what stands here.
    pub(super) async fn strike(self) {
        self.gateway.shutdown().await;
    }

    async fn follow(&mut self, cue: Cue) {
        let lasts = match cue {
            Cue::Monolith(mode, word) => {
                self.monolith.set_mode(mode);
                self.state.faults.insert("monolith", word);
                self.options.lasts
            }
            Cue::Provider(health, word) => {
                self.provider.set_health(health);
                self.state.faults.insert("provider", word);
                self.options.lasts
            }
            Cue::Store(up) => {
                self.set_store_up(up).await;
                self.options.lasts
            }
            Cue::Replay => {
                self.monolith.set_mode(Mode::January2021);
                self.state.faults.insert("monolith", "replay");
                self.options.replay
            }
            Cue::Revoke => return self.revoke().await,
            Cue::Heal => return self.heal().await,
            Cue::New => {
                self.without.hang_a_new_one();
                self.with.hang_a_new_one();
                return;
            }
            Cue::Technicians => {
                self.state.technicians = true;
                return;
            }
        };
        self.state.heals_in = self.is_broken().then_some(lasts);
    }

    fn is_broken(&self) -> bool {
        self.state.faults.values().any(|word| *word != HEALTHY)
    }

    /// A row that refuses the token of a display on the right, by the gateway's own store, as an operator would write it.
    async fn revoke(&mut self) {
        let room = ROOMS[REVOKED];
        let Some(token) = self.with.token_before(room).map(TokenHash::of) else { return };
        let order = Order { who: "the demonstration".into(), why: "pressed on the page".into() };
        let refused = self.gateway.gateway().legacy.refuse(vec![token], order, self.clock.now()).await;
        if let Err(unavailable) = refused {
            tracing::warn!(%unavailable, "the display could not be revoked");
        } else {
            self.state.revoked = Some(room);
        }
    }

    /// Everything works again. Whoever lost something has still lost it.
    async fn heal(&mut self) {
        self.monolith.set_mode(Mode::Healthy);
        self.provider.set_health(Health::Healthy);
        self.set_store_up(true).await;
        self.state.faults = PARTS.map(|part| (part, HEALTHY)).into();
        self.state.heals_in = None;
    }

    /// What people have to do by hand after an outage: a PIN is typed for who was erased, who was signed out signs in.
    async fn send_technicians(&mut self) {
        if !self.state.technicians || self.is_broken() {
            return;
        }
        for (room, pin) in self.without.pins().take(self.options.technicians) {
            self.monolith.confirm_pin(&pin, portal::at(room));
        }
        // The revoked one gets another token: the old one stays revoked.
        for (room, pin) in self.with.pins().take(self.options.technicians) {
            match type_pin(&self.gateway_address, &pin, room).await {
                Ok(()) => self.state.revoked = self.state.revoked.filter(|revoked| *revoked != room),
                Err(no_answer) => tracing::warn!(%no_answer, "a PIN could not be typed"),
            }
        }
        self.everybody_signs_in().await;
    }

    async fn round(&mut self) {
        self.send_technicians().await;
        let at = self.clock.now().wall();
        let (without, with) = tokio::join!(self.without.act(at), self.with.act(at));
        let wrongly = |(room, turned): &(&str, Turned)| *turned == Turned::Erased && Some(*room) != self.state.revoked;
        self.without.add_erased(without.iter().filter(|turn| turn.1 == Turned::Erased).count());
        self.with.add_erased(with.iter().filter(|turn| wrongly(turn)).count());
        self.state.technicians &= !(self.without.is_whole() && self.with.is_whole());
        if let Some(left) = &mut self.state.heals_in {
            *left = left.saturating_sub(1);
            if *left == 0 {
                self.heal().await;
            }
        }
        self.tell(at);
    }

    fn tell(&mut self, at: auth_core::Timestamp) {
        let state = &mut self.state;
        (state.at, state.time) = (at.as_millis(), time_of_day(at));
        (state.without, state.with) = (self.without.view(&state.time), self.with.view(&state.time));
        state.round += 1;
        lock(&self.history).add(state);
    }

    async fn set_store_up(&mut self, up: bool) {
        self.gate.set_store_up(up);
        self.state.faults.insert("store", if up { HEALTHY } else { "down" });
        let store = self.gateway.gateway().store.clone();
        let done = if up { store.heal().await } else { store.disturb(Disturbance::Locked).await };
        if let Err(unavailable) = done {
            tracing::warn!(%unavailable, "the store could not be switched");
        }
    }
}

impl Registration {
    pub(super) fn at(provider: &Idp) -> Self {
        let options = idp::IdpOptions::default();
        Self {
            authorize: provider.url(idp::Part::Authorize),
            token: provider.url(idp::Part::Token),
            keys: provider.url(idp::Part::Keys),
            client_id: options.client_id,
            client_secret: options.client_secret,
        }
    }
}

/// Who can sign in: those of [`side::PEOPLE`].
fn people() -> Vec<User> {
    let more = |subject: &str, name: &str| User { subject: subject.into(), name: name.into(), ..User::ada() };
    vec![User::ada(), User::grace(), more("alan", "Alan Turing"), more("emmy", "Emmy Noether")]
}

fn url(text: &str) -> io::Result<Url> {
    Url::parse(text).map_err(io::Error::other)
}

fn time_of_day(at: auth_core::Timestamp) -> String {
    let at = jiff::Timestamp::from_millisecond(at.as_millis()).unwrap_or_default();
    at.to_zoned(jiff::tz::TimeZone::system()).strftime("%H:%M").to_string()
}
