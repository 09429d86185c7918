//! The gateways of a comparison: installed, started beside each other, given their works by turns.

use std::{
    io,
    path::{Path, PathBuf},
};

use gateway::demo::{Idp, idp::IdpOptions};

use super::{
    comparison::{Comparison, Entry},
    measure::{self, IDLE, Spans},
    tokens::Tokens,
    work::Work,
};
use crate::{
    machine,
    origin::Origin,
    peer::{self, Peer, Program, Running, Site, sign_in},
};

/// The client, the service and the provider have these open beside the idle connections.
const OTHER_FILES: u64 = 500;

/// What runs for a comparison.
pub(super) struct Stage {
    origin: Origin,
    pub(super) provider: Idp,
    pub(super) folder: PathBuf,
    pub(super) cores: Cores,
    pub(super) gateways: Vec<Gateway>,
}

/// Which core is whose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cores {
    /// The gateways'; `None` if there is but one, which all share.
    pub(super) gateways: Option<usize>,
    /// The client's and the service's.
    pub(super) own: Vec<usize>,
}

/// A gateway of the comparison, running or not.
pub(super) struct Gateway {
    pub(super) peer: Box<dyn Peer>,
    pub(super) here: Result<Here, String>,
    /// What a browser sends that signed in, once one did.
    pub(super) cookie: Option<Result<String, String>>,
}

/// A gateway that runs.
pub(super) struct Here {
    pub(super) program: Program,
    pub(super) running: Running,
}

impl Cores {
    /// The last core for the gateways, each at its turn; the others for the rest.
    fn of(mut all: Vec<usize>) -> Self {
        let last = if all.len() > 1 { all.pop() } else { None };
        Self { gateways: last, own: all }
    }
}

impl Stage {
    /// The service and the provider, and no gateway yet.
    ///
    /// # Errors
    /// Something of our own cannot be started.
    pub(super) async fn new(folder: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        Ok(Self {
            origin: Origin::start().await?,
            provider: Idp::start(IdpOptions::default()).await?,
            folder: folder.to_owned(),
            cores: Cores::of(machine::cores()?),
            gateways: Vec::new(),
        })
    }

    /// Installs and starts those of `peers`; who cannot be had is among the gateways with the reason.
    pub(super) async fn start(&mut self, peers: Vec<Box<dyn Peer>>) {
        for peer in peers {
            eprintln!("starting {} (installed first where it is missing) …", peer.name());
            let here = match peer.install(&self.folder.join("tools")) {
                Ok(program) => self.start_one(&*peer, program, peer.name()).await,
                Err(not_here) => Err(not_here.to_string()),
            };
            if let Err(why) = &here {
                eprintln!("{}: {why}", peer.name());
            }
            self.gateways.push(Gateway { peer, here, cookie: None });
        }
    }

    async fn start_one(&self, peer: &dyn Peer, program: Program, folder: &str) -> Result<Here, String> {
        let folder = self.folder.join(folder);
        let site = Site {
            folder: &folder,
            origin: self.origin.address(),
            provider: &self.provider,
            core: self.cores.gateways,
        };
        match peer::start(peer, &program, &site).await {
            Ok(running) => Ok(Here { program, running }),
            Err(fault) => Err(format!("it does not start: {fault}")),
        }
    }

    /// Leaves the gateways' core to them from now on.
    ///
    /// # Errors
    /// The machine does not allow it.
    pub(super) fn keep_to_cores(&self) -> io::Result<()> {
        if self.cores.gateways.is_some() { machine::stay_on(&self.cores.own) } else { Ok(()) }
    }

    /// Does every work of `comparison` at every gateway, by turns, `rounds` times; what is found stands there at once.
    pub(super) async fn measure(&mut self, comparison: &mut Comparison, tokens: &Tokens, rounds: usize, spans: Spans) {
        for result in &mut comparison.works {
            for round in 0..rounds {
                eprintln!("{}: round {} of {rounds}", result.work.title(), round + 1);
                for (at, entry) in result.entries.iter_mut().enumerate() {
                    if entry.goes_on() {
                        self.measure_one(at, result.work, entry, tokens, round, spans).await;
                    }
                }
            }
        }
    }

    async fn measure_one(
        &mut self,
        at: usize,
        work: Work,
        entry: &mut Entry,
        tokens: &Tokens,
        round: usize,
        spans: Spans,
    ) {
        if work == Work::Idle {
            let found = self.hold_connections(at, tokens).await;
            return entry.add_held(found);
        }
        let cookie = match self.cookie(at, work).await {
            Ok(cookie) => cookie,
            Err(why) => {
                *entry = Entry::Failed(why);
                return;
            }
        };
        let Some(Here { running, .. }) = self.gateways.get(at).and_then(|gateway| gateway.here.as_ref().ok()) else {
            return;
        };
        let batch = work.batch(&running.address.to_string(), tokens, &cookie, round, spans.paced);
        entry.add(measure::round(running, work, batch, spans).await);
    }

    /// What a browser sends that signed in, if the work needs it; it signs in once.
    pub(super) async fn cookie(&mut self, at: usize, work: Work) -> Result<String, String> {
        let Some(gateway) = self.gateways.get_mut(at) else { return Ok(String::new()) };
        let (Work::Session, Ok(here)) = (work, &gateway.here) else { return Ok(String::new()) };
        if gateway.cookie.is_none() {
            let signed_in = sign_in(&*gateway.peer, &here.running, &self.provider).await;
            gateway.cookie = Some(signed_in.map_err(|fault| fault.to_string()));
        }
        gateway.cookie.clone().unwrap_or_else(|| Ok(String::new()))
    }

    /// In a process that was never under load, since what a process once had it seldom gives back.
    async fn hold_connections(&self, at: usize, tokens: &Tokens) -> Result<f64, String> {
        let files = machine::raise_open_files().map_err(|error| error.to_string())?;
        if files < IDLE as u64 + OTHER_FILES {
            return Err(format!("this machine lets a process open {files} files"));
        }
        let Some(Gateway { peer, here: Ok(here), .. }) = self.gateways.get(at) else {
            return Err("it does not run".to_owned());
        };
        let fresh = self.start_one(&**peer, here.program.clone(), &format!("{}-idle", peer.name())).await?;
        let host = fresh.running.address.to_string();
        let batch = Work::Idle.batch(&host, tokens, "", 0, std::time::Duration::ZERO);
        let found = measure::idle(&fresh.running, &batch.closed).await;
        fresh.running.end().await;
        found
    }

    /// Ends all gateways.
    pub(super) async fn end(self) {
        for gateway in self.gateways {
            if let Ok(here) = gateway.here {
                here.running.end().await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gateways_have_a_core_for_themselves_where_there_are_two() {
        let check = |all: &[usize], gateways: Option<usize>, own: &[usize]| {
            assert_eq!(Cores::of(all.to_vec()), Cores { gateways, own: own.to_vec() });
        };
        check(&[0], None, &[0]);
        check(&[0, 1], Some(1), &[0]);
        check(&[2, 5, 7], Some(7), &[2, 5]);
    }
}
