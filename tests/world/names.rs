//! What the gateway is told of the names of endpoints: by a resolver that can be broken as DNS is.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex},
};

use auth_core::lock::lock;
use gateway::upstream::address::{LookUp, Resolver};
use tokio::{net::lookup_host, sync::watch};

use crate::DEADLINE;

/// A resolver, and what it says of [`SERVICE`]. All other names it asks the system for.
#[derive(Clone)]
pub struct Names(Arc<Told>);

struct Told {
    leads_to: Mutex<Option<SocketAddr>>,
    broken: Mutex<Option<DnsBreak>>,
    /// How often somebody has looked it up.
    asked: watch::Sender<u64>,
}

/// In which way it is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DnsBreak {
    /// It does not answer.
    Down,
    /// It says that there is no address.
    Empty,
    /// It says an address where nobody listens.
    DeadAddress,
}

/// The name of a service.
pub const SERVICE: &str = "service.example";

/// Nobody listens there.
const DEAD: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 1);

impl Default for Names {
    fn default() -> Self {
        let (leads_to, broken, asked) = (Mutex::default(), Mutex::default(), watch::Sender::new(0));
        Self(Arc::new(Told { leads_to, broken, asked }))
    }
}

impl DnsBreak {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Down, Self::Empty, Self::DeadAddress];
}

impl Names {
    /// What a gateway looks names up by, more often than in service.
    pub(crate) fn resolver(&self) -> Resolver {
        let told = self.0.clone();
        let look_up = move |name: String, port| -> LookUp {
            let told = told.clone();
            Box::pin(async move {
                if name == SERVICE { told.answer() } else { Ok(lookup_host((name, port)).await?.collect()) }
            })
        };
        Resolver::new(look_up, DEADLINE / 4, DEADLINE / 8)
    }

    /// [`SERVICE`] is at `address`.
    pub fn lead_to(&self, address: SocketAddr) {
        *lock(&self.0.leads_to) = Some(address);
    }

    /// Breaks it, or heals it.
    pub fn set_broken(&self, how: Option<DnsBreak>) {
        *lock(&self.0.broken) = how;
    }

    /// Waits until the name was looked up after this, and what came of it was taken in.
    ///
    /// # Panics
    /// Nobody does.
    pub async fn looked_up(&self) {
        let mut asked = self.0.asked.subscribe();
        let before = *asked.borrow_and_update();
        // The third begins when what came of the second was taken in.
        let again = asked.wait_for(|asked| *asked > before + 2);
        tokio::time::timeout(60 * DEADLINE, again).await.expect("somebody looks it up").expect("it is kept");
    }
}

impl Told {
    fn answer(&self) -> io::Result<Vec<SocketAddr>> {
        self.asked.send_modify(|asked| *asked += 1);
        match *lock(&self.broken) {
            None => Ok(lock(&self.leads_to).iter().copied().collect()),
            Some(DnsBreak::Down) => Err(io::Error::new(io::ErrorKind::TimedOut, "the resolver is down")),
            Some(DnsBreak::Empty) => Ok(Vec::new()),
            Some(DnsBreak::DeadAddress) => Ok(vec![DEAD]),
        }
    }
}
