//! Listening sockets that were open before this process: a service manager's, or those of the process before it.
//!
//! They are found again by their addresses. What one of them has taken in meanwhile is served by whoever accepts on it, so
//! that no client is refused while a process takes another one's place.

use std::{
    io,
    net::{SocketAddr, TcpListener as Socket},
};

use listenfd::ListenFd;

use super::acceptor;
use crate::state::StartFault;

/// Listening sockets that were given to this process.
#[derive(Debug, Default)]
pub struct GivenSockets {
    sockets: Vec<(SocketAddr, Socket)>,
    /// Whether one for which there is no listener is a mistake.
    must_fit: bool,
}

impl GivenSockets {
    /// Those that a service manager gave (`LISTEN_FDS`). Changes the environment: call it before any thread is started.
    ///
    /// # Errors
    /// One of them is no listening TCP socket.
    pub fn from_environment() -> io::Result<Self> {
        let mut given = ListenFd::from_env();
        let mut sockets = Vec::with_capacity(given.len());
        for index in 0..given.len() {
            let socket = given.take_tcp_listener(index)?;
            sockets.extend(socket.map(|socket| socket.local_addr().map(|address| (address, socket))).transpose()?);
        }
        Ok(Self { sockets, must_fit: true })
    }

    /// Those of the process before, each with the address that its configuration calls it by. Those that this process has no
    /// use for are closed here, and there once what they have taken in was served.
    pub(super) fn handed_over(sockets: Vec<(SocketAddr, Socket)>) -> Self {
        Self { sockets, must_fit: false }
    }

    /// The one at `address`: a given one, else a new one.
    ///
    /// # Errors
    /// The address cannot be listened on.
    pub(super) fn take_or_open(&mut self, address: SocketAddr) -> Result<Socket, StartFault> {
        let given = self.sockets.iter().position(|(given, _)| *given == address);
        let socket = match given {
            Some(index) => {
                let (_, socket) = self.sockets.swap_remove(index);
                acceptor::prepare(&socket).map(|()| socket)
            }
            None => acceptor::bind(address),
        };
        socket.map_err(|fault| StartFault::Listen(address, fault))
    }

    /// That none is left which must have fitted.
    ///
    /// # Errors
    /// One is: its address.
    pub(super) fn all_fit(&self) -> Result<(), StartFault> {
        match self.sockets.first() {
            Some((address, _)) if self.must_fit => Err(StartFault::SocketFitsNothing(*address)),
            Some(_) | None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpStream};

    use super::*;

    fn open() -> (SocketAddr, Socket) {
        let socket = Socket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
        (socket.local_addr().expect("it is bound"), socket)
    }

    #[test]
    fn a_given_socket_is_found_by_its_address_with_whoever_waits_there() {
        let (address, socket) = open();
        let mut client = TcpStream::connect(address).expect("it listens");
        let mut given = GivenSockets { sockets: vec![open(), (address, socket)], must_fit: true };
        let taken = given.take_or_open(address).expect("it was given");
        let (mut accepted, _) = taken.accept().expect("somebody waits");
        io::Write::write_all(&mut accepted, b"!").expect("it is open");
        assert_eq!(io::Read::read(&mut client, &mut [0; 8]).expect("it is open"), 1);
        let left = given.all_fit().expect_err("the other one fits nothing").to_string();
        assert!(left.contains(&given.sockets[0].0.to_string()), "{left}");
        assert!(GivenSockets { must_fit: false, ..given }.all_fit().is_ok());
    }

    #[test]
    fn what_was_not_given_is_opened() {
        let mut given = GivenSockets { sockets: vec![open()], must_fit: true };
        let other = given.take_or_open((Ipv4Addr::LOCALHOST, 0).into()).expect("a port is free");
        assert_ne!(other.local_addr().expect("it is bound").port(), 0);
        assert_eq!(given.sockets.len(), 1);
    }
}
