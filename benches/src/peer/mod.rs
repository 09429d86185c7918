//! The gateways that are compared: installed, configured, started.
//!
//! Each has a file here and its configuration in `benches/peers/`, written as its own documentation advises, and the same
//! three ways to the service behind: `/open/` for anybody, `/api/` for who has an RS256 access token of the provider,
//! `/app/` for who signed in there in a browser. What a gateway cannot do it says, and that is what its row shows.

mod candor;
mod nginx;

use std::{
    fs, io,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use gateway::demo::Idp;

use crate::process::{Process, ProcessFault};

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

    /// Writes its configuration into the folder of `site`, and says how it is started.
    ///
    /// # Errors
    /// A file cannot be written.
    fn configure(&self, program: &Program, site: &Site<'_>, listen: SocketAddr) -> io::Result<Vec<String>>;

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
    /// Its version, as it says it.
    pub version: String,
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
    /// Its process.
    pub process: Process,
    /// Where it listens.
    pub address: SocketAddr,
}

/// Every gateway that is compared; the first is what the others are measured by.
pub fn all() -> Vec<Box<dyn Peer>> {
    vec![Box::new(nginx::Nginx), Box::new(candor::Candor)]
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

/// Starts `peer` on a free port, and waits until it listens.
///
/// # Errors
/// It does not start; its last words are in the error.
pub async fn start(peer: &dyn Peer, program: &Program, site: &Site<'_>) -> Result<Running, ProcessFault> {
    let address = free_port().map_err(|error| ProcessFault::Machine(peer.name().to_owned(), error))?;
    start_at(peer, program, site, address).await
}

/// Starts `peer` where it was before.
///
/// # Errors
/// It does not start; its last words are in the error.
pub async fn start_at(
    peer: &dyn Peer,
    program: &Program,
    site: &Site<'_>,
    address: SocketAddr,
) -> Result<Running, ProcessFault> {
    let fault = |error| ProcessFault::Machine(peer.name().to_owned(), error);
    fs::create_dir_all(site.folder).map_err(fault)?;
    let words = peer.configure(program, site, address).map_err(fault)?;
    let mut process = Process::start(peer.name(), &words, site.folder, site.core)?;
    process.listening(address, START).await?;
    Ok(Running { process, address })
}

impl Running {
    /// Asks it to end, and sees to it that it does.
    pub async fn end(self) {
        self.process.end(END).await;
    }
}

/// An address of loopback on which nobody listens.
fn free_port() -> io::Result<SocketAddr> {
    TcpListener::bind(("127.0.0.1", 0))?.local_addr()
}

/// `template` with `{{name}}` replaced by its value, written to `path`.
fn write(path: &Path, template: &str, values: &[(&str, String)]) -> io::Result<()> {
    let filled =
        values.iter().fold(template.to_owned(), |text, (name, value)| text.replace(&format!("{{{{{name}}}}}"), value));
    fs::write(path, filled)
}

/// What `words` print, both outputs together, if they end well.
fn say(words: &[&str]) -> Result<String, String> {
    let (program, arguments) = words.split_first().ok_or("nothing to start")?;
    let output = Command::new(program).args(arguments).env("DEBIAN_FRONTEND", "noninteractive").output();
    let output = output.map_err(|error| format!("{program}: {error}"))?;
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).trim().to_owned();
    if output.status.success() {
        Ok(said)
    } else {
        let last = said.lines().last().unwrap_or_default();
        Err(format!("`{}` ended with {}: {last}", words.join(" "), output.status))
    }
}

/// Finds a program of Debian's, or installs its package.
fn of_debian(program: &str, package: &str) -> Result<PathBuf, NotHere> {
    let find =
        || ["/usr/sbin", "/usr/bin"].iter().map(|folder| Path::new(folder).join(program)).find(|path| path.exists());
    if let Some(path) = find() {
        return Ok(path);
    }
    say(&["apt-get", "update", "-qq"])
        .and_then(|_| say(&["apt-get", "install", "-y", "-qq", "--no-install-recommends", package]))
        .map_err(NotHere)?;
    find().ok_or_else(|| NotHere(format!("the package {package} has no {program}")))
}
