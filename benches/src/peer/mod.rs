//! The gateways that are compared: installed, configured, started.
//!
//! Each has a file here and its configuration in `benches/peers/`, written as its own documentation advises, and the same
//! three ways to the service behind: `/open/` for anybody, `/api/` for who has an RS256 access token of the provider,
//! `/app/` for who signed in there in a browser. What a gateway cannot do it says, and that is what its row shows.

mod candor;
mod envoy;
mod haproxy;
mod install;
mod nginx;
mod oauth2_proxy;
mod pem;
mod sign_in;
mod template;

use std::{
    fs, io,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    time::Duration,
};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use gateway::demo::{
    Idp,
    idp::{IdpOptions, Part},
};

pub use candor::Candor;
pub use install::perf;
pub use sign_in::{SignInFault, sign_in};

use crate::process::{CpuTime, Process, ProcessFault};

/// How long a gateway may take until it listens.
const START: Duration = Duration::from_secs(20);

/// How long a gateway may take to end when asked.
const END: Duration = Duration::from_secs(2);

/// A kind of gateway.
pub trait Peer: Send + Sync {
    /// Its name, as its makers write it, and what is in front of it if more than itself.
    fn name(&self) -> &'static str;

    /// Finds it on this machine, or installs it from its registry, once.
    ///
    /// # Errors
    /// Why it is not here.
    fn install(&self, tools: &Path) -> Result<Program, NotHere>;

    /// Writes its configuration into the folder of `site`, and says how it is started: each of its processes, that which
    /// clients speak to first.
    ///
    /// # Errors
    /// A file cannot be written.
    fn configure(&self, program: &Program, site: &Site<'_>, listen: SocketAddr) -> io::Result<Vec<Launch>>;

    /// What of `way` it cannot do, in a few words; `None` if it does it.
    fn lacks(&self, way: Way) -> Option<&'static str>;
}

/// A way through a gateway to the service behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// `/open/`: nobody is asked who they are.
    Open,
    /// `/api/`: only with an RS256 access token of the provider, which the gateway verifies.
    Token,
    /// `/app/`: only for who signed in in a browser; the gateway keeps the session.
    Session,
}

/// A gateway that is on this machine.
#[derive(Clone, Debug)]
pub struct Program {
    /// Its file.
    pub path: PathBuf,
    /// The file of the program that it asks, if it is two.
    pub behind: Option<PathBuf>,
    /// Its version, as it says it.
    pub version: String,
}

/// A process of a gateway, to be started.
#[derive(Clone, Debug)]
pub struct Launch {
    /// The program's file and its arguments.
    pub words: Vec<String>,
    /// Where it will listen.
    pub listen: SocketAddr,
}

/// Why a gateway is not on this machine.
#[derive(Clone, Debug, thiserror::Error)]
#[error("not here, because {0}")]
pub struct NotHere(pub String);

/// Where a gateway stands, and between whom.
pub struct Site<'a> {
    /// A folder of its own.
    pub folder: &'a Path,
    /// The service behind it.
    pub origin: SocketAddr,
    /// The provider whose tokens and sign-ins it takes.
    pub provider: &'a Idp,
    /// The core that it has for itself; all cores if none is given.
    pub core: Option<usize>,
}

/// A gateway that runs.
pub struct Running {
    /// Its processes, that which clients speak to first; each with its descendants.
    pub processes: Vec<Process>,
    /// Where it listens.
    pub address: SocketAddr,
    /// The command line of each process.
    pub commands: Vec<String>,
}

/// Every gateway that is compared; the first is what the others are measured by.
pub fn all() -> Vec<Box<dyn Peer>> {
    vec![
        Box::new(nginx::Nginx),
        Box::new(haproxy::Haproxy),
        Box::new(envoy::Envoy),
        Box::new(oauth2_proxy::Oauth2Proxy),
        Box::new(oauth2_proxy::NginxWithOauth2Proxy),
        Box::new(candor::Candor),
    ]
}

/// Candor alone.
pub fn candor() -> Box<dyn Peer> {
    Box::new(candor::Candor)
}

impl Way {
    /// Where it begins.
    pub const fn path(self) -> &'static str {
        match self {
            Self::Open => "/open/",
            Self::Token => "/api/",
            Self::Session => "/app/",
        }
    }
}

impl Site<'_> {
    /// What is filled into every configuration.
    fn values(&self, listen: SocketAddr) -> Vec<(&'static str, String)> {
        let IdpOptions { client_id, client_secret, audience, .. } = IdpOptions::default();
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let workers = if self.core.is_some() { 1 } else { cores };
        vec![
            ("listen", listen.to_string()),
            ("origin", self.origin.to_string()),
            ("folder", self.folder.display().to_string()),
            ("workers", workers.to_string()),
            ("issuer", self.provider.issuer()),
            ("keys", self.provider.url(Part::Keys)),
            ("authorization_endpoint", self.provider.url(Part::Authorize)),
            ("token_endpoint", self.provider.url(Part::Token)),
            ("client_id", client_id),
            ("client_secret", client_secret),
            ("audience", audience),
        ]
    }
}

/// Starts `peer` on a free port, with nothing kept from before, and waits until it listens.
///
/// # Errors
/// It does not start; its last words are in the error.
pub async fn start(peer: &dyn Peer, program: &Program, site: &Site<'_>) -> Result<Running, ProcessFault> {
    let fault = |error| ProcessFault::Machine(peer.name().to_owned(), error);
    if site.folder.exists() {
        fs::remove_dir_all(site.folder).map_err(fault)?;
    }
    fs::create_dir_all(site.folder).map_err(fault)?;
    let address = free_port().map_err(fault)?;
    let launches = peer.configure(program, site, address).map_err(fault)?;
    launch(peer.name(), &launches, site.folder, site.core).await
}

/// Starts the processes of a gateway as they were configured, with what it kept in `folder`, and waits until they listen.
///
/// # Errors
/// One does not start; its last words are in the error.
pub async fn launch(
    name: &str,
    launches: &[Launch],
    folder: &Path,
    core: Option<usize>,
) -> Result<Running, ProcessFault> {
    let commands = launches.iter().map(|launch| launch.words.join(" ")).collect();
    let address = SocketAddr::from(([127, 0, 0, 1], 0));
    let mut running = Running { processes: Vec::new(), address, commands };
    for (index, Launch { words, listen }) in launches.iter().enumerate() {
        // The one in front has the gateway's name; another is called as its file.
        let file = words.first().and_then(|file| Path::new(file).file_name()).unwrap_or_default().to_string_lossy();
        let name = if index == 0 { name } else { &*file };
        let mut process = Process::start(name, words, folder, core)?;
        process.listening(*listen, START).await?;
        if index == 0 {
            running.address = *listen;
        }
        running.processes.push(process);
    }
    Ok(running)
}

impl Launch {
    fn new(words: &[&str], listen: SocketAddr) -> Self {
        Self { words: words.iter().map(ToString::to_string).collect(), listen }
    }
}

impl Running {
    /// The process ids of all of it.
    pub fn ids(&self) -> Vec<u32> {
        self.processes.iter().flat_map(Process::family).collect()
    }

    /// What all of it used of the processor so far.
    pub fn cpu_time(&self) -> CpuTime {
        self.processes.iter().map(Process::cpu_time).fold(CpuTime::default(), CpuTime::plus)
    }

    /// The memory of all of it, in bytes (PSS).
    pub fn memory(&self) -> u64 {
        self.processes.iter().map(Process::memory).sum()
    }

    /// Kills it as a crash of the machine would.
    pub async fn kill(self) {
        for process in self.processes {
            process.kill().await;
        }
    }

    /// Asks it to end, and sees to it that it does.
    pub async fn end(self) {
        for process in self.processes {
            process.end(END).await;
        }
    }
}

/// An address of loopback on which nobody listens.
fn free_port() -> io::Result<SocketAddr> {
    TcpListener::bind(("127.0.0.1", 0))?.local_addr()
}

/// A random key of 32 letters, to protect cookies with.
fn cookie_key() -> io::Result<String> {
    let mut bytes = [0; 24];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| io::Error::other("the system has no randomness"))?;
    Ok(BASE64_URL_SAFE_NO_PAD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use std::env;

    use super::*;

    #[tokio::test]
    async fn every_configuration_is_filled_whole_and_names_its_service() {
        let provider = Idp::start(IdpOptions::default()).await.expect("a provider");
        let listen = SocketAddr::from(([127, 0, 0, 1], 4180));
        let program = Program { path: "/front".into(), behind: Some("/behind".into()), version: String::new() };
        for peer in all() {
            let folder = env::temp_dir().join(format!("candor-{}-{}", std::process::id(), peer.name()));
            fs::create_dir_all(&folder).expect("a folder");
            let origin = SocketAddr::from(([127, 0, 0, 1], 4181));
            let site = Site { folder: &folder, origin, provider: &provider, core: Some(0) };
            let commands = peer.configure(&program, &site, listen).expect("a configuration");
            assert_eq!((&*commands[0].words[0], commands[0].listen), ("/front", listen), "{}", peer.name());
            let file = |name: &String| fs::read_to_string(name).ok();
            let files: Vec<String> = commands.iter().flat_map(|launch| &launch.words).filter_map(file).collect();
            assert_eq!(files.len(), commands.len(), "{}: a file for each process", peer.name());
            assert!(files[0].contains("4180") && files[0].contains("4181"), "{}", peer.name());
            fs::remove_dir_all(&folder).expect("the folder is removed");
        }
    }
}
