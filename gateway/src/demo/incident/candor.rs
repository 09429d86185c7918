//! The gateway that January 2021 is replayed against, as operators have it: a process over a data folder, commands through
//! its control socket, and other programs that get at its store. It can be killed, and started again.

use std::{
    io,
    path::{Path, PathBuf},
    process::Command as Program,
    time::Duration,
};

use auth_core::{
    Background, Clock, Unavailable,
    database::{Database, DatabaseAddress, Disturbance},
    device::registry::{ImportOutcome, NewDevice, Order},
    principal::{BindingState, DeviceId},
};
use serde_json::Value;

use super::process::GatewayProcess;
use crate::{
    demo::deployment,
    server::control::{
        self, Command, CommandAnswer,
        fleet::{FleetCommand, ListedPage},
    },
};

/// It.
pub(super) struct CandorGate {
    /// `None` while it is down.
    process: Option<GatewayProcess>,
    program: fn() -> io::Result<Program>,
    file: PathBuf,
    /// Its store, as another program would open it.
    store: Database,
}

impl CandorGate {
    /// Writes `fleet` down, as if each had been activated years ago, and starts the gateway of the configuration `file`.
    pub(super) async fn start(
        program: fn() -> io::Result<Program>,
        file: PathBuf,
        fleet: Vec<NewDevice>,
    ) -> io::Result<Self> {
        write_down(fleet, &file).await?;
        let address = DatabaseAddress::in_folder(&data(&file));
        let store = Database::at(address, Background::current(), Database::DEADLINE);
        let mut gate = Self { process: None, program, file, store };
        gate.start_again().await?;
        Ok(gate)
    }

    /// Starts it with what lies in its folder.
    pub(super) async fn start_again(&mut self) -> io::Result<()> {
        self.process = Some(GatewayProcess::start((self.program)()?, &self.file).await?);
        Ok(())
    }

    /// Kills it.
    pub(super) fn kill(&mut self) -> io::Result<()> {
        self.process.take().map_or(Ok(()), GatewayProcess::kill)
    }

    /// Lets nobody write to its store.
    pub(super) async fn lock_store(&self) -> io::Result<()> {
        self.store.hold_write_lock().await.map_err(down)
    }

    /// Lets nobody read its store either. Only while the gateway is down: nobody gets there while it has the file open.
    pub(super) async fn lock_store_for_readers(&self) -> io::Result<()> {
        self.heal_store().await?;
        self.store.disturb(Disturbance::Locked).await.map_err(down)
    }

    pub(super) async fn heal_store(&self) -> io::Result<()> {
        self.store.heal().await.map_err(down)
    }

    /// Takes the displays before these rooms out of service, for good.
    pub(super) async fn revoke(&self, tenant: &str, rooms: &[String]) -> io::Result<()> {
        let (mut after, mut revoked) = (None, 0);
        loop {
            let page = self.page(tenant, after).await?;
            let before_them = |device: &&Value| {
                let mut bindings = device["bindings"].as_array().into_iter().flatten();
                bindings.any(|binding| rooms.iter().any(|room| binding["room"] == **room))
            };
            for device in page.devices.iter().filter(before_them) {
                let device = serde_json::from_value(device["id"].clone())?;
                let (tenant, reason) = (Some(tenant.to_owned()), "stolen".to_owned());
                self.ask(FleetCommand::Change { device, tenant, to: BindingState::Revoked, reason }).await?;
                revoked += 1;
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        if revoked == rooms.len() { Ok(()) } else { Err(io::Error::other("the displays to be revoked are not known")) }
    }

    async fn page(&self, tenant: &str, after: Option<DeviceId>) -> io::Result<ListedPage> {
        match self.ask(FleetCommand::List { tenant: Some(tenant.to_owned()), after }).await? {
            CommandAnswer::Page(page) => Ok(page),
            answer => Err(io::Error::other(format!("the gateway answered something else: {answer:?}"))),
        }
    }

    /// Has the gateway do this, as `gateway device` does.
    async fn ask(&self, command: FleetCommand) -> io::Result<CommandAnswer> {
        let data = data(&self.file);
        let asking = tokio::task::spawn_blocking(move || control::ask(&data, &Command::Fleet(command)));
        match asking.await.map_err(io::Error::other)?? {
            CommandAnswer::Refused(why) => Err(io::Error::other(why)),
            answer => Ok(answer),
        }
    }
}

/// Writes the fleet down before the process has the folder, in one piece however many they are.
async fn write_down(fleet: Vec<NewDevice>, file: &Path) -> io::Result<()> {
    let gateway = deployment::start(file, |options| options.tuning.drain = Some(Duration::ZERO)).await?;
    let imported = match gateway.gateway().devices() {
        Some(devices) => {
            let order = Order { who: "operator".to_owned(), why: "a fleet".to_owned() };
            devices.registry().import(fleet, order, Clock::system().now()).await.map_err(down)
        }
        None => Err(io::Error::other("there is no fleet")),
    };
    gateway.shutdown().await;
    match imported? {
        ImportOutcome::Done => Ok(()),
        ImportOutcome::Known(_) => Err(io::Error::other("the fleet is there already")),
    }
}

/// The data folder of the gateway of this configuration file.
fn data(file: &Path) -> PathBuf {
    file.with_file_name("data")
}

fn down(unavailable: Unavailable) -> io::Error {
    io::Error::other(unavailable.to_string())
}
