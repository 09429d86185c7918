//! What the incident is replayed on: the pretend monolith, the gate before it, and who hangs on the walls.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::PathBuf,
    time::Duration,
};

use auth_core::{
    Clock, Unavailable,
    client::{ClientKey, Concealed, DeviceCredential, Moment, StoredState},
    database::Disturbance,
    device::registry::{BindingChange, DeviceDescription, ImportOutcome, NewDevice, Order, PublicKey},
    principal::BindingState,
};
use serde_json::json;
use tokio::{task::JoinSet, time::Instant};
use tracing::Level;
use url::Url;

use super::IncidentOptions;
use crate::{
    config,
    demo::{
        Health, Idp, Monolith, displays,
        displays::LegacyDisplay,
        gates::{PassThrough, Registration},
        idp::{self, random},
        simulate::{Fleet, SimulateOptions},
    },
    server,
    telemetry::{AccessLog, Format, Telemetry},
};

/// All of it.
pub(super) struct IncidentStage {
    pub(super) monolith: Monolith,
    provider: Idp,
    gate: Gate,
    address: SocketAddr,
    folder: PathBuf,
    options: IncidentOptions,
    /// The tokens of the unmodified displays.
    tokens: Vec<String>,
    /// What the displays with the new client have stored.
    stored: Vec<StoredState>,
    clock: Clock,
}

/// What stands before the monolith.
pub(super) enum Gate {
    Candor(Option<Box<server::Started>>),
    PassThrough(#[expect(dead_code, reason = "it stands until this is dropped")] PassThrough),
}

/// A loopback address of its own.
const GATE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 6);
const TENANT: &str = "acme";
/// The rooms of the unmodified displays are numbered from here.
const FIRST_ROOM: u32 = 100;
/// How long either gate waits for the monolith, by our time.
const RESPONSE_WITHIN: Duration = Duration::from_millis(800);
/// How many requests of the fleet are under way at once.
const CONNECTIONS: usize = 256;

impl IncidentStage {
    pub(super) async fn set(options: IncidentOptions, through_candor: bool) -> io::Result<Self> {
        let monolith = Monolith::start((Ipv4Addr::LOCALHOST, 0).into()).await?;
        let provider = Idp::start(idp::IdpOptions::default()).await?;
        let folder = std::env::temp_dir().join(format!("candor-incident-{}-{}", std::process::id(), random()));
        std::fs::create_dir(&folder)?;
        let count = u32::try_from(options.of_a_kind()).map_err(io::Error::other)?;
        let numbered = |number| LegacyDisplay::numbered(FIRST_ROOM + number, TENANT);
        let tokens = (0..count).map(|number| monolith.add_display(numbered(number))).collect();
        let address = SocketAddr::from((GATE, TcpListener::bind((GATE, 0))?.local_addr()?.port()));
        let gate = if through_candor {
            Gate::Candor(None)
        } else {
            Gate::PassThrough(PassThrough::start(address, monolith.address(), RESPONSE_WITHIN).await?)
        };
        let (stored, clock) = (Vec::new(), Clock::system());
        let mut stage = Self { monolith, provider, gate, address, folder, options, tokens, stored, clock };
        if through_candor {
            stage.start_gateway().await?;
            stage.stored = stage.register_keys().await?;
        } else {
            stage.stored = stage.tokens_of_the_monolith();
        }
        Ok(stage)
    }

    /// Room for the whole fleet: first the unmodified displays, then as many with the new client.
    pub(super) fn fleet(&self) -> io::Result<Fleet> {
        let options = SimulateOptions {
            gateway: Url::parse(&format!("http://{}", self.address)).map_err(io::Error::other)?,
            own_prefix: "/.candor".to_owned(),
            devices: 2 * self.options.of_a_kind(),
            rate: u32::MAX,
            path: displays::CALENDAR.to_owned(),
            every: self.options.every,
            speed: self.options.speed,
            lasting: Duration::ZERO,
            connections: CONNECTIONS,
            tokens: None,
            keep: None,
        };
        Fleet::new(&options, 2 * self.options.of_a_kind())
    }

    /// Switches on the display with this number.
    pub(super) fn switch_on(&self, number: usize, fleet: &Fleet, running: &mut JoinSet<()>) -> io::Result<()> {
        match number.checked_sub(self.tokens.len()) {
            None => {
                fleet.switch_on_unmodified(number, self.tokens[number].clone(), running);
                Ok(())
            }
            Some(of_these) => fleet.switch_on(number, self.stored[of_these].clone(), running),
        }
    }

    /// Takes the last display of each kind out of service, for good.
    pub(super) async fn revoke(&self) -> io::Result<()> {
        let Gate::Candor(Some(gateway)) = &self.gate else {
            if let Some(token) = self.tokens.last() {
                self.monolith.remove_display(token);
            }
            return Ok(());
        };
        let devices = gateway.gateway().devices().ok_or_else(|| io::Error::other("there is no fleet"))?;
        let last = u32::try_from(self.tokens.len().saturating_sub(1)).map_err(io::Error::other)?;
        let rooms = [LegacyDisplay::numbered(FIRST_ROOM + last, TENANT).room, room_of(last)];
        let (mut after, mut revoked) = (None, 0);
        loop {
            let page = devices.registry().list(Some(TENANT.to_owned()), after, 500).await.map_err(down)?;
            let bindings = page.devices.iter().flat_map(|device| &device.bindings);
            for binding in bindings.filter(|binding| rooms.contains(&binding.room)) {
                let (order, now) = (order("stolen"), self.clock.now());
                let done = devices.registry().change(binding.id, BindingState::Revoked, order, now).await;
                revoked += usize::from(matches!(done.map_err(down)?, BindingChange::Changed(_)));
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        if revoked == rooms.len() { Ok(()) } else { Err(io::Error::other("the displays to be revoked are not known")) }
    }

    /// Lives through it; what else breaks, breaks in the middle of it.
    pub(super) async fn live_through(&mut self) -> io::Result<()> {
        let begun = Instant::now();
        let part = self.options.lasts / self.options.speed / 10;
        let until = |parts: u32| tokio::time::sleep_until(begun + part * parts);
        if self.options.everything_breaks {
            until(1).await;
            self.provider.set_health(Health::Down);
            until(2).await;
            self.set_store_up(false).await?;
            until(4).await;
            self.restart_gateway().await?;
            self.set_store_up(false).await?;
            until(6).await;
            self.set_store_up(true).await?;
            until(7).await;
            self.restart_gateway().await?;
            until(9).await;
            self.provider.set_health(Health::Healthy);
        }
        until(10).await;
        Ok(())
    }

    /// Ends all of it.
    pub(super) async fn strike(mut self) {
        if let Gate::Candor(gateway) = &mut self.gate
            && let Some(gateway) = gateway.take()
        {
            gateway.shutdown().await;
        }
        // What is left in the folder for temporary files harms nobody.
        let _ = std::fs::remove_dir_all(&self.folder);
    }

    async fn set_store_up(&self, up: bool) -> io::Result<()> {
        let Gate::Candor(Some(gateway)) = &self.gate else { return Ok(()) };
        let store = gateway.gateway().store.clone();
        let done = if up { store.heal().await } else { store.disturb(Disturbance::Locked).await };
        done.map_err(down)
    }

    /// Stops it without waiting for anybody, and starts it again with what lies in its folder.
    async fn restart_gateway(&mut self) -> io::Result<()> {
        self.set_store_up(true).await?;
        if let Gate::Candor(gateway) = &mut self.gate
            && let Some(gateway) = gateway.take()
        {
            gateway.shutdown().await;
        }
        self.start_gateway().await
    }

    async fn start_gateway(&mut self) -> io::Result<()> {
        let registration = Registration::at(&self.provider);
        std::fs::write(self.folder.join("client-secret"), &registration.client_secret)?;
        let text = configuration(self.address, &self.provider, &registration.client_id, &self.monolith);
        let config = config::parse(&text, &self.folder, config::Secrets::Read(&|_| None)).map_err(|problems| {
            io::Error::other(problems.iter().map(|problem| format!("{problem}\n")).collect::<String>())
        })?;
        let mut telemetry = Telemetry::start(Format::Human, Level::ERROR);
        telemetry.access = AccessLog::to(Box::new(io::sink()), Format::Human);
        let options = server::ServeOptions { drain: Duration::ZERO, ..server::ServeOptions::new(telemetry) };
        let started = server::start(config, options).await.map_err(io::Error::other)?;
        self.gate = Gate::Candor(Some(Box::new(started)));
        Ok(())
    }

    /// Writes down a key for each display with the new client, as if each had been activated years ago.
    async fn register_keys(&self) -> io::Result<Vec<StoredState>> {
        let Gate::Candor(Some(gateway)) = &self.gate else { return Ok(Vec::new()) };
        let devices = gateway.gateway().devices().ok_or_else(|| io::Error::other("there is no fleet"))?;
        let (mut new, mut stored) = (Vec::new(), Vec::new());
        for number in 0..u32::try_from(self.options.of_a_kind()).map_err(io::Error::other)? {
            let mut entropy = [0; 32];
            aws_lc_rs::rand::fill(&mut entropy).map_err(|_| io::Error::other("the system gives no randomness"))?;
            let key = ClientKey::new(&Moment { now: Duration::ZERO, wall: 0, entropy });
            new.push(NewDevice {
                description: DeviceDescription {
                    hardware_id: format!("new-{number}"),
                    model: "simulated".to_owned(),
                    app_version: "1".to_owned(),
                },
                key: Some(PublicKey {
                    thumbprint: key.thumbprint().parse().map_err(|_| io::Error::other("no thumbprint"))?,
                    jwk: json!({ "kty": "OKP", "crv": "Ed25519", "x": key.x() }).to_string(),
                }),
                tenant: TENANT.to_owned(),
                room: room_of(number),
            });
            stored.push(StoredState { key: Some(key), ..StoredState::default() });
        }
        match devices.registry().import(new, order("a fleet"), self.clock.now()).await.map_err(down)? {
            ImportOutcome::Done => Ok(stored),
            ImportOutcome::Known(_) => Err(io::Error::other("the fleet is there already")),
        }
    }

    /// Without a gateway there are no tokens but the monolith's.
    fn tokens_of_the_monolith(&self) -> Vec<StoredState> {
        let numbers = 0..u32::try_from(self.options.of_a_kind()).unwrap_or(0);
        let stored = numbers.map(|number| {
            let token = self.monolith.add_display(LegacyDisplay::numbered(FIRST_ROOM + number, TENANT));
            let credential = DeviceCredential {
                device_id: format!("d-{number}"),
                token: Concealed(token),
                tenant: TENANT.to_owned(),
                room: room_of(number),
                generation: 1,
                statement_keys: Vec::new(),
            };
            StoredState { credential: Some(credential), ..StoredState::default() }
        });
        stored.collect()
    }
}

fn down(unavailable: Unavailable) -> io::Error {
    io::Error::other(unavailable.to_string())
}

fn order(why: &str) -> Order {
    Order { who: "operator".to_owned(), why: why.to_owned() }
}

fn room_of(number: u32) -> String {
    format!("new {number}")
}

fn configuration(gate: SocketAddr, provider: &Idp, client_id: &str, monolith: &Monolith) -> String {
    format!(
        r#"
[server]
listen = ["{gate}"]
public_url = "http://{gate}"
data = "data"

[admin]
listen = "{GATE}:0"

[[identity]]
name = "pretend"
kind = "oidc"
issuer = "{issuer}"
client_id = "{client_id}"
client_secret = {{ file = "client-secret" }}
scopes = ["openid", "profile", "email"]

[devices]
legacy = {{ adopt_from = "monolith", path = "{me}", timeout = "{within}ms" }}
legacy_pin = {{ path = "{pin}", poll = "{pin}/{{id}}" }}

[devices.tenants.{TENANT}]
allow = ["user"]

[upstreams.monolith]
endpoints = ["http://{monolith}"]

[[routes]]
path = "/api/v1/"
upstream = "monolith"
allow = ["device"]
expect = "json"
response_timeout = "{within}ms"
"#,
        issuer = provider.issuer(),
        me = displays::ME,
        pin = displays::PIN,
        monolith = monolith.address(),
        within = RESPONSE_WITHIN.as_millis(),
    )
}
