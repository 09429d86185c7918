//! What the incident is replayed on: the pretend monolith, the gate before it, and who hangs on the walls.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    time::Duration,
};

use auth_core::{
    client::{ClientKey, Concealed, DeviceCredential, Moment, StoredState},
    device::registry::{DeviceDescription, NewDevice, PublicKey},
};
use serde_json::json;
use tokio::{task::JoinSet, time::Instant};
use url::Url;

use super::{IncidentOptions, candor::CandorGate};
use crate::demo::{
    Health, Idp, Monolith,
    deployment::{Deployment, Scratch},
    displays,
    displays::LegacyDisplay,
    gates::PassThrough,
    idp,
    portal::TENANT,
    simulate::{Fleet, SimulateOptions},
};

/// All of it. What is dropped first stands first: the gateway ends before its folder goes.
pub(super) struct IncidentStage {
    gate: Gate,
    _folder: Scratch,
    pub(super) monolith: Monolith,
    provider: Idp,
    address: SocketAddr,
    options: IncidentOptions,
    /// The tokens of the unmodified displays.
    tokens: Vec<String>,
    /// What the displays with the new client have stored.
    stored: Vec<StoredState>,
}

/// What stands before the monolith.
enum Gate {
    Candor(CandorGate),
    PassThrough(#[expect(dead_code, reason = "it stands until this is dropped")] PassThrough),
}

/// A loopback address of its own.
const GATE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 6);
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
        let folder = Scratch::new("incident")?;
        let count = u32::try_from(options.of_a_kind()).map_err(io::Error::other)?;
        let numbered = |number| LegacyDisplay::numbered(FIRST_ROOM + number, TENANT);
        let tokens = (0..count).map(|number| monolith.add_display(numbered(number))).collect();
        // The same from its first start to its last.
        let address = SocketAddr::from((GATE, TcpListener::bind((GATE, 0))?.local_addr()?.port()));
        let (gate, stored) = if through_candor {
            let (fleet, stored) = (0..count).map(with_a_key).collect::<io::Result<(Vec<_>, Vec<_>)>>()?;
            let (provider, monolith) = (&provider, &monolith);
            let deployment = Deployment { listen: address, provider, monolith, deadline: RESPONSE_WITHIN };
            let file = deployment.write_into(folder.path())?;
            (Gate::Candor(CandorGate::start(options.program, file, fleet).await?), stored)
        } else {
            let stored = (0..count).map(|number| with_a_token_of(&monolith, number)).collect();
            (Gate::PassThrough(PassThrough::start(address, monolith.address(), RESPONSE_WITHIN).await?), stored)
        };
        Ok(Self { gate, _folder: folder, monolith, provider, address, options, tokens, stored })
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
        let Gate::Candor(gateway) = &self.gate else {
            if let Some(token) = self.tokens.last() {
                self.monolith.remove_display(token);
            }
            return Ok(());
        };
        let last = u32::try_from(self.tokens.len().saturating_sub(1)).map_err(io::Error::other)?;
        let rooms = [LegacyDisplay::numbered(FIRST_ROOM + last, TENANT).room, room_of(last)];
        gateway.revoke(TENANT, &rooms).await
    }

    /// Lives through it; what else breaks, breaks in the middle of it.
    pub(super) async fn live_through(&mut self) -> io::Result<()> {
        let begun = Instant::now();
        let part = self.options.lasts / self.options.speed / 10;
        let until = |parts: u32| tokio::time::sleep_until(begun + part * parts);
        if let Gate::Candor(gateway) = &mut self.gate
            && self.options.everything_breaks
        {
            until(1).await;
            self.provider.set_health(Health::Down);
            until(2).await;
            gateway.lock_store().await?;
            until(4).await;
            gateway.kill()?;
            gateway.lock_store_for_readers().await?;
            gateway.start_again().await?;
            until(6).await;
            gateway.heal_store().await?;
            until(7).await;
            gateway.kill()?;
            gateway.start_again().await?;
            until(9).await;
            self.provider.set_health(Health::Healthy);
        }
        until(10).await;
        Ok(())
    }

    /// Ends all of it.
    ///
    /// # Errors
    /// The gateway had ended by itself.
    pub(super) fn strike(mut self) -> io::Result<()> {
        match &mut self.gate {
            Gate::Candor(gateway) => gateway.kill(),
            Gate::PassThrough(_) => Ok(()),
        }
    }
}

/// A display with the new client, as the registry has it, and what it has stored: its key.
fn with_a_key(number: u32) -> io::Result<(NewDevice, StoredState)> {
    let mut entropy = [0; 32];
    aws_lc_rs::rand::fill(&mut entropy).map_err(|_| io::Error::other("the system gives no randomness"))?;
    let key = ClientKey::new(&Moment { now: Duration::ZERO, wall: 0, entropy });
    let device = NewDevice {
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
    };
    Ok((device, StoredState { key: Some(key), ..StoredState::default() }))
}

/// The same without a gateway: there are no tokens but the monolith's.
fn with_a_token_of(monolith: &Monolith, number: u32) -> StoredState {
    let credential = DeviceCredential {
        device_id: format!("d-{number}"),
        token: Concealed(monolith.add_display(LegacyDisplay::numbered(FIRST_ROOM + number, TENANT))),
        tenant: TENANT.to_owned(),
        room: room_of(number),
        generation: 1,
        statement_keys: Vec::new(),
    };
    StoredState { credential: Some(credential), ..StoredState::default() }
}

fn room_of(number: u32) -> String {
    format!("new {number}")
}
