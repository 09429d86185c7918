//! What commands say to the gateway that holds the data folder: a line of JSON, and a line in answer, over the Unix
//! socket `data/control.sock`, which only its owner can connect to.
//!
//! A command never writes in a folder that a gateway holds: it asks the gateway to. Without one, the command takes the
//! folder itself.

pub mod endpoints;
pub mod fleet;
pub mod held;
mod holder;
pub mod keys;
pub mod legacy;
pub mod sessions;

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    os::unix::net::UnixStream,
    path::Path,
    time::Duration,
};

use auth_core::data_folder::LockHolder;
use serde::{Deserialize, Serialize};

use self::{
    fleet::{FleetCommand, ListedPage},
    held::HeldCommand,
    keys::KeysCommand,
    legacy::LegacyCommand,
    sessions::{SessionsCommand, SessionsPage},
};

pub use holder::{Control, operator};

/// What a command asks the gateway to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Command {
    /// To say who it is.
    Holder,
    /// To make what is missing of keyring and store.
    KeysAdopt,
    /// Something about keys.
    Keys(KeysCommand),
    /// To say what time it is, by both readings.
    Clock,
    /// To take the wall clock at its word.
    ClockAccept,
    /// To say how the endpoints of each upstream are.
    Endpoints,
    /// Something about devices.
    Fleet(FleetCommand),
    /// Something about held sessions.
    Held(HeldCommand),
    /// Something about tokens of before.
    Legacy(LegacyCommand),
    /// Something about people's sessions.
    Sessions(SessionsCommand),
    /// To read its configuration file once more, and to put it in force.
    Reload,
    /// To start its program once more, and to hand over to that.
    Upgrade,
    /// To read now who is revoked: the process before it has written something.
    ReadRevocations,
}

/// What the gateway answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CommandAnswer {
    /// Who it is.
    Holder(LockHolder),
    /// It is done; what to tell the operator.
    Done(String),
    /// It is not, and why.
    Refused(String),
    /// These devices.
    Page(ListedPage),
    /// These sessions.
    Sessions(SessionsPage),
    /// It is not, since these serial numbers are registered already.
    Known(Vec<String>),
}

/// The socket's name in the data folder.
const SOCKET_NAME: &str = "control.sock";

/// The longest line, in bytes, either way: a page of devices, or an import.
const MAX_LINE: u64 = 2 * 1024 * 1024;

/// How long either side waits for the other.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The same where files are read and programs are started.
const ORDER_TIMEOUT: Duration = Duration::from_secs(90);

/// The longest path of a Unix socket, in bytes (`sun_path` less its closing zero).
const MAX_PATH: usize = 107;

impl Command {
    fn timeout(&self) -> Duration {
        match self {
            Self::Reload | Self::Upgrade => ORDER_TIMEOUT,
            Self::Holder
            | Self::KeysAdopt
            | Self::Keys(_)
            | Self::Clock
            | Self::ClockAccept
            | Self::Fleet(_)
            | Self::Held(_)
            | Self::Legacy(_)
            | Self::Endpoints
            | Self::Sessions(_)
            | Self::ReadRevocations => TIMEOUT,
        }
    }
}

/// Asks the gateway that holds the folder `data`.
///
/// # Errors
/// Nobody listens there, or what listens does not answer.
pub fn ask(data: &Path, command: &Command) -> io::Result<CommandAnswer> {
    let path = data.join(SOCKET_NAME);
    fits(&path)?;
    let mut stream = UnixStream::connect(&path)?;
    stream.set_read_timeout(Some(command.timeout()))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    let mut line = serde_json::to_vec(command)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    let mut answer = String::new();
    BufReader::new(stream.take(MAX_LINE)).read_line(&mut answer)?;
    Ok(serde_json::from_str(&answer)?)
}

/// Who holds the folder `data`, if a gateway does.
pub fn holder(data: &Path) -> Option<LockHolder> {
    match ask(data, &Command::Holder) {
        Ok(CommandAnswer::Holder(holder)) => Some(holder),
        Ok(_) | Err(_) => None,
    }
}

/// Whether commands can reach a gateway whose folder is at `data`: a Unix socket's path has room for few bytes.
///
/// # Errors
/// It is too long; the text says by how much.
pub fn is_reachable(data: &Path) -> io::Result<()> {
    fits(&data.join(SOCKET_NAME))
}

fn fits(path: &Path) -> io::Result<()> {
    let length = path.as_os_str().len();
    if length <= MAX_PATH {
        return Ok(());
    }
    let what = format!(
        "the path {} has {length} bytes, and that of a Unix socket at most {MAX_PATH}: \
         choose a shorter `server.data`, or stop the gateway for such commands",
        path.display()
    );
    Err(io::Error::new(io::ErrorKind::InvalidFilename, what))
}
