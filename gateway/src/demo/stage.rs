//! What stands on the stage of the demonstration, and what each switch does to it.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::PathBuf,
    time::Duration,
};

use auth_core::{Clock, Subject, database::Disturbance};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracing::Level;
use url::Url;

use super::{
    AccessTokenSpec, Health, Idp, Login, Mode, Monolith,
    cast::{Ada, Display, Mood},
    gates::{PassThrough, Registration, TwoValued},
    idp,
    january::WrongAnswer,
    show::{Cue, ShowOptions, ShowState},
};
use crate::{
    config, server,
    telemetry::{AccessLog, Format, Telemetry},
};

/// One side of the grid.
struct Side {
    ada: Ada,
    display: Display,
    login: &'static str,
}

/// Everything on the stage.
pub(super) struct Stage {
    monolith: Monolith,
    provider: Idp,
    gate: TwoValued,
    _pass_through: PassThrough,
    gateway: server::Started,
    _data: Scratch,
    without: Side,
    with: Side,
    display: u32,
    state: ShowState,
    clock: Clock,
    options: ShowOptions,
}

/// A folder that is gone when this is.
struct Scratch(PathBuf);

/// The loopback addresses of the gateway and of the provider: each its own, so that their cookies stay apart.
const GATEWAY: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const PROVIDER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 3);
const GATES: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 4);

impl Stage {
    pub(super) async fn set(options: ShowOptions) -> io::Result<Self> {
        let clock = Clock::system();
        let monolith = Monolith::start(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;
        let provider =
            Idp::start(idp::IdpOptions { listen: (PROVIDER, 0).into(), ..idp::IdpOptions::default() }).await?;
        provider.set_login(Login::Form);
        let registration = Registration::at(&provider);
        let gate = TwoValued::start((GATES, 0).into(), monolith.address(), registration).await?;
        let pass_through = PassThrough::start((GATES, 0).into(), monolith.address()).await?;
        let data = Scratch::new(&clock)?;
        let gateway = start_gateway(&provider, &monolith, &data).await?;
        let token = provider.mint(&display_bearer(1));
        let side = |base: String, display: String, login| -> io::Result<Side> {
            Ok(Side { ada: Ada::new(url(&base)?), display: Display::new(url(&display)?, &token), login })
        };
        let with = format!("http://{}", gateway.addresses()[0]);
        Ok(Self {
            without: side(
                format!("http://{}/", gate.address()),
                format!("http://{}/api/calendar", pass_through.address()),
                "/login",
            )?,
            with: side(format!("{with}/"), format!("{with}/api/calendar"), "/.candor/login?return_to=/")?,
            monolith,
            provider,
            gate,
            _pass_through: pass_through,
            gateway,
            _data: data,
            display: 1,
            state: ShowState::default(),
            clock,
            options,
        })
    }

    pub(super) fn gateway_address(&self) -> String {
        format!("http://{}", self.gateway.addresses()[0])
    }

    pub(super) fn display_token(&self) -> String {
        self.provider.mint(&display_bearer(self.display))
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
                publish.send_replace(self.state.clone());
            }
        })
        .await;
        self.gateway.shutdown().await;
    }

    async fn follow(&mut self, cue: Cue) {
        match cue {
            Cue::Monolith(mode, word) => {
                self.monolith.set_mode(mode);
                self.state.faults.insert("monolith", word);
            }
            Cue::Provider(health, word) => {
                self.provider.set_health(health);
                self.state.faults.insert("provider", word);
            }
            Cue::Store(up) => self.set_store_up(up).await,
            Cue::Replay => {
                self.monolith.set_mode(Mode::January2021);
                self.state.faults.insert("monolith", "replay");
                self.state.replaying = self.options.replay;
            }
            Cue::Revoke => self.revoke().await,
            Cue::Heal => self.heal().await,
        }
    }

    /// A revocation row for the display's subject, by the gateway's own store, as an operator would write it.
    async fn revoke(&mut self) {
        let subject = Subject::new(self.provider.issuer(), display_subject(self.display));
        let revocations = self.gateway.gateway().revocations.clone();
        let revoked = revocations.revoke_user(subject, "the demonstration", "pressed on the page", self.clock.now());
        if let Err(unavailable) = revoked.await {
            tracing::warn!(%unavailable, "the display could not be revoked");
        } else {
            self.state.score.revoked = Some("on its way".to_owned());
        }
    }

    async fn heal(&mut self) {
        self.monolith.set_mode(Mode::Healthy);
        self.provider.set_health(Health::Healthy);
        self.set_store_up(true).await;
        self.state.replaying = 0;
        self.restore().await;
    }

    /// What people have to do by hand after an outage: who was signed out signs in, who was wiped is activated.
    pub(super) async fn restore(&mut self) {
        for part in ["monolith", "provider", "store"] {
            self.state.faults.insert(part, "healthy");
        }
        if !self.with.display.is_activated() {
            // A revoked display gets a new registration: the old one stays revoked.
            self.display += 1;
        }
        let token = self.display_token();
        for side in [&mut self.without, &mut self.with] {
            if !side.display.is_activated() {
                side.display.activate(&token);
            }
            if !side.ada.is_signed_in()
                && let Err(no_answer) = side.ada.sign_in(side.login).await
            {
                tracing::warn!(%no_answer, "Ada could not sign in");
            }
        }
    }

    async fn round(&mut self) {
        let time = time_of_day(&self.clock);
        let (without, with) = (&mut self.without, &mut self.with);
        let was = [without, with].map(|side| (side.ada.is_signed_in(), side.display.is_activated()));
        let (without, with) = (&mut self.without, &mut self.with);
        let (a, b, c, d) =
            tokio::join!(without.ada.act(), without.display.act(&time), with.ada.act(), with.display.act(&time));
        let score = &mut self.state.score;
        score.without.signed_out += u32::from(was[0].0 && a.mood == Mood::Lost);
        score.without.wiped += u32::from(was[0].1 && b.mood == Mood::Lost);
        score.with.signed_out += u32::from(was[1].0 && c.mood == Mood::Lost);
        if was[1].1 && d.mood == Mood::Lost {
            match &mut score.revoked {
                Some(answer) if answer == "on its way" => d.answer[..3].clone_into(answer),
                _ => score.with.wiped += 1,
            }
        }
        self.state.scenes = [("without-ada", a), ("without-display", b), ("with-ada", c), ("with-display", d)].into();
        self.state.round += 1;
        if self.state.replaying > 0 {
            self.state.replaying -= 1;
            if self.state.replaying == 0 {
                self.heal().await;
            }
        }
    }

    async fn set_store_up(&mut self, up: bool) {
        self.gate.set_store_up(up);
        self.state.faults.insert("store", if up { "healthy" } else { "down" });
        let store = self.gateway.gateway().store.clone();
        let done = if up { store.heal().await } else { store.disturb(Disturbance::Locked).await };
        if let Err(unavailable) = done {
            tracing::warn!(%unavailable, "the store could not be switched");
        }
    }
}

async fn start_gateway(provider: &Idp, monolith: &Monolith, data: &Scratch) -> io::Result<server::Started> {
    let registration = Registration::at(provider);
    let port = TcpListener::bind((GATEWAY, 0))?.local_addr()?.port();
    let secret = data.0.join("client-secret");
    std::fs::write(&secret, &registration.client_secret)?;
    let text = format!(
        r#"
[server]
listen = ["{GATEWAY}:{port}"]
public_url = "http://{GATEWAY}:{port}"
data = "data"

[admin]
listen = "{GATEWAY}:0"

[[identity]]
name = "pretend"
kind = "oidc"
issuer = "{issuer}"
client_id = "{client_id}"
client_secret = {{ file = "client-secret" }}
scopes = ["openid", "profile", "email"]

[[bearer]]
issuer = "{issuer}"
audience = ["api://monolith"]
algorithms = ["RS256"]

[upstreams.monolith]
endpoints = ["http://{monolith}"]

[[routes]]
path = "/api/"
upstream = "monolith"
allow = ["service", "user"]
client_kind = "device"
expect = "json"
response_timeout = "1500ms"

[[routes]]
path = "/"
upstream = "monolith"
allow = ["user"]
login_paths = ["{login}"]
response_timeout = "1500ms"
"#,
        issuer = provider.issuer(),
        client_id = registration.client_id,
        monolith = monolith.address(),
        login = WrongAnswer::SIGN_IN,
    );
    let config = config::parse(&text, &data.0, config::Secrets::Read(&|_| None)).map_err(|problems| {
        io::Error::other(problems.iter().map(|problem| format!("{problem}\n")).collect::<String>())
    })?;
    // The page shows what happens; four clients a second would drown the one line that says where it is.
    let mut telemetry = Telemetry::start(Format::Human, Level::ERROR);
    telemetry.access = AccessLog::to(Box::new(io::sink()), Format::Human);
    let options = server::ServeOptions { drain: Duration::from_millis(200), ..server::ServeOptions::new(telemetry) };
    server::start(config, options).await.map_err(io::Error::other)
}

impl Registration {
    fn at(provider: &Idp) -> Self {
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

impl Scratch {
    fn new(clock: &Clock) -> io::Result<Self> {
        let name = format!("candor-demo-{}-{}", std::process::id(), clock.now().wall().as_millis());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn display_subject(registration: u32) -> String {
    format!("display-4.12-{registration}")
}

fn display_bearer(registration: u32) -> AccessTokenSpec {
    AccessTokenSpec::of(&display_subject(registration)).lasting(Duration::from_secs(24 * 3600))
}

fn url(text: &str) -> io::Result<Url> {
    Url::parse(text).map_err(io::Error::other)
}

fn time_of_day(clock: &Clock) -> String {
    let now = jiff::Timestamp::from_millisecond(clock.now().wall().as_millis()).unwrap_or_default();
    now.to_zoned(jiff::tz::TimeZone::system()).strftime("%H:%M:%S").to_string()
}
