//! Handing a gateway that serves over to a newer process: `gateway upgrade`. See `docs/decisions/hand-over.md`.
//!
//! The older process starts the newer one, and each says a line at a time over the socket that is the newer one's standard
//! input:
//!
//! | The newer says | The older answers | From then on |
//! |---|---|---|
//! | `take`: its configuration is good | an `Offer`, the lock of the data folder, the listening sockets | the older writes nothing in the folder |
//! | `ready`: it could serve | `accept` | the newer reads what was written last, and accepts |
//! | `serving` | | the older accepts no more, and ends what it has begun |
//!
//! Up to `serving` the older one serves as before. If the newer one ends, says something else or nothing for long, it is
//! stopped, and the folder is the older one's again.

mod descriptors;
mod giving;
mod taking;
#[cfg(test)]
mod tests;

use std::{
    io::{self, Read, Write},
    net::SocketAddr,
    os::unix::net::UnixStream,
    time::Duration,
};

use serde::{Deserialize, Serialize};

pub(super) use self::giving::{HandOver, give};
pub use self::{
    giving::HandOverFault,
    taking::{Inheritance, Predecessor},
};

/// Set for a process that is to take over from the one that started it.
const VARIABLE: &str = "CANDOR_TAKE_OVER";

/// How these processes speak to each other. A release that speaks otherwise gives it another number.
const VERSION: u32 = 1;

/// How long a process may take from one line to the next: to read its configuration, or to open keyring and store.
const PATIENCE: Duration = Duration::from_secs(30);

/// The longest line.
const LONGEST: usize = 64 * 1024;

/// What comes with the lock and the sockets: after the lock, the sockets of these addresses, as the configuration calls them.
#[derive(Debug, Serialize, Deserialize)]
struct Offer {
    version: u32,
    listen: Vec<SocketAddr>,
}

/// What one says to the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    Take,
    Ready,
    Accept,
    Serving,
}

impl Word {
    const fn line(self) -> &'static str {
        match self {
            Self::Take => "take\n",
            Self::Ready => "ready\n",
            Self::Accept => "accept\n",
            Self::Serving => "serving\n",
        }
    }

    fn say(self, to: &UnixStream) -> io::Result<()> {
        (&mut &*to).write_all(self.line().as_bytes())
    }

    /// Waits for this word.
    ///
    /// # Errors
    /// Nothing came in time, or something else, or the other process is gone.
    fn hear(self, from: &UnixStream) -> io::Result<()> {
        let mut heard = vec![0; self.line().len()];
        (&mut &*from).read_exact(&mut heard)?;
        if heard == self.line().as_bytes() {
            return Ok(());
        }
        let what = format!("said {:?} instead of {:?}", String::from_utf8_lossy(&heard), self.line().trim_end());
        Err(io::Error::new(io::ErrorKind::InvalidData, what))
    }
}
