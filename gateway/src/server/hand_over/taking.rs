//! The newer process: it takes over from the one that started it.

use std::{
    env,
    fs::File,
    io,
    net::TcpListener as Socket,
    os::{fd::AsFd, unix::net::UnixStream},
};

use super::{Offer, PATIENCE, VARIABLE, VERSION, Word, descriptors};
use crate::server::sockets::GivenSockets;

/// The process before this one, which serves until this one does.
#[derive(Debug)]
pub struct Predecessor {
    pub(super) line: UnixStream,
}

/// What it handed over.
#[derive(Debug)]
pub struct Inheritance {
    /// The lock of its data folder.
    pub lock: File,
    /// Its listening sockets.
    pub sockets: GivenSockets,
}

impl Predecessor {
    /// The one that started this process to take over, if that is so.
    ///
    /// # Errors
    /// Something else started it so.
    pub fn from_environment() -> io::Result<Option<Self>> {
        if env::var_os(VARIABLE).is_none() {
            return Ok(None);
        }
        let line = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
        // Of what is no socket, this says so.
        line.set_read_timeout(Some(PATIENCE))?;
        line.set_write_timeout(Some(PATIENCE))?;
        Ok(Some(Self { line }))
    }

    /// Takes what it holds: it writes nothing in the data folder from here on. Blocks.
    ///
    /// # Errors
    /// It is gone, or speaks otherwise.
    pub(in crate::server) fn take(&self) -> io::Result<Inheritance> {
        Word::Take.say(&self.line)?;
        let (text, files) = descriptors::receive(&self.line)?;
        let offer: Offer = serde_json::from_slice(&text)?;
        let mut files = files.into_iter();
        let lock = files.next().filter(|_| offer.version == VERSION && files.len() == offer.listen.len());
        let lock = lock.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "it offers something else"))?;
        let sockets = offer.listen.into_iter().zip(files.map(Socket::from)).collect();
        Ok(Inheritance { lock: File::from(lock), sockets: GivenSockets::handed_over(sockets) })
    }

    /// Says that this process could serve, and waits until it may. Blocks.
    ///
    /// # Errors
    /// It is gone, or speaks otherwise: then this process must not serve.
    pub(in crate::server) fn ready(&self) -> io::Result<()> {
        Word::Ready.say(&self.line)?;
        Word::Accept.hear(&self.line)
    }

    /// Says that this process serves. Whether the other is still there to hear it does not matter any more.
    pub(in crate::server) fn serving(&self) {
        let _ = Word::Serving.say(&self.line);
    }
}
