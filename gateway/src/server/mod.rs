//! The running program: sockets, threads and connections.

use std::{net::SocketAddr, time::Duration};

use auth_core::Clock;

/// What a start can be told besides the configuration.
#[derive(Clone, Debug)]
pub struct Options {
    /// The clock. Default: the machine's.
    pub clock: Clock,
    /// How many workers; default: one a core.
    pub workers: usize,
    /// How long requests may take to finish when the gateway is shut down. Default 10 s.
    pub drain: Duration,
}

/// A gateway that serves. Dropping it stops it without waiting.
#[derive(Debug)]
pub struct Started {
    addresses: Vec<SocketAddr>,
    admin: SocketAddr,
}

impl Started {
    /// The addresses of the public listener, with the ports that port 0 became.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The address of the admin listener.
    pub fn admin(&self) -> SocketAddr {
        self.admin
    }
}
