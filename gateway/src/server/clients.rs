//! The clients that are connected, all workers together: how many there may be, and who makes room when there are no more.
//!
//! Whoever waits longest makes room first: a connection between two requests, or one whose client has not sent a whole head
//! yet. No request is lost by that which had begun to be served. While connections are short, an address makes room for its own
//! next one ([`Shares`]); one that has nothing but busy ones gets no more. A trusted proxy is no address: it stands for
//! everybody behind it.
//!
//! Connections are listed under a lock, which is taken when one begins and when one ends, and never by a request.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, Weak},
    time::Duration,
};

use auth_core::lock::lock;
use metrics::Gauge;
use tokio::{sync::Notify, time::timeout};

use super::{
    files::ClientFiles,
    phase::{ClientTimeouts, Phase},
};
use crate::{
    limits::{Prefix, Shares},
    state::{Gateway, Running},
    telemetry::{CLIENT_CONNECTIONS, CONNECTIONS_CLOSED},
};

/// How long to wait for a connection to end before another is asked to.
const PATIENCE: Duration = Duration::from_millis(50);

/// How many may have been told to make room and not have done so yet: so many more files than places are open at most.
const MOST_LEAVING: usize = 64;

/// The clients that are connected.
pub(super) struct Clients {
    gateway: Arc<Gateway>,
    files: ClientFiles,
    table: Mutex<Table>,
    /// Something has ended.
    ended: Notify,
    gauge: Gauge,
}

/// Those that are open, by their number.
#[derive(Default)]
struct Table {
    next: u64,
    open: HashMap<u64, Entry>,
    /// How many of them were told to make room: their places are others' already.
    leaving: usize,
    /// Of those that stay.
    shares: Shares,
}

struct Entry {
    phase: Weak<Phase>,
    address: Option<Prefix>,
    leaves: bool,
}

/// A place among the clients. Dropping it gives it back.
pub(super) struct ClientPlace {
    clients: Arc<Clients>,
    number: u64,
}

impl Clients {
    /// Nobody yet, and room for as many as the configuration in force says and `files` allow.
    pub(super) fn new(gateway: Arc<Gateway>, files: ClientFiles) -> Arc<Self> {
        let (table, ended) = (Mutex::default(), Notify::new());
        Arc::new(Self { gateway, files, table, ended, gauge: CLIENT_CONNECTIONS.alone() })
    }

    /// Waits until there is room for one more, who has come already. Whoever waits longest makes it.
    pub(super) async fn room(&self) {
        loop {
            let most = self.most();
            if lock(&self.table).staying() < most {
                return;
            }
            // A few at a time, so that a flood does not have all of them looked through for each of its connections.
            if self.displace((most / 64).clamp(1, 64), "limit", |_| true) == 0 {
                let _ = timeout(PATIENCE, self.ended.notified()).await;
            }
        }
    }

    /// A client from `peer` has connected; `None` if it must be let go at once.
    pub(super) fn enter(self: &Arc<Self>, peer: IpAddr) -> Option<Arc<Phase>> {
        let running = self.in_force();
        let trusted = running.head_policy.forwarded.trusts(peer.to_canonical());
        let address = (!trusted).then(|| Prefix::of(peer));
        if let Some(address) = address
            && !self.has_a_share_left(address)
            && self.displace(1, "share", |entry| entry.address == Some(address)) == 0
        {
            CONNECTIONS_CLOSED.with(["refused"]).increment(1);
            return None;
        }
        let timeouts = ClientTimeouts::of(&running.config.server);
        Some(Arc::new_cyclic(|phase| Phase::of_client(timeouts, self.take_place(phase.clone(), address))))
    }

    /// The machine has no file left for another connection: the longest waiting make room for it.
    pub(super) fn out_of_files(&self) {
        self.displace(MOST_LEAVING, "limit", |_| true);
    }

    fn most(&self) -> usize {
        self.files.most(self.in_force().config.server.max_client_connections)
    }

    /// What clients that connect now are let in by.
    fn in_force(&self) -> Arc<Running> {
        self.gateway.running()
    }

    fn has_a_share_left(&self, address: Prefix) -> bool {
        let most = self.most();
        let table = lock(&self.table);
        table.shares.allow(address, table.staying(), most)
    }

    fn take_place(self: &Arc<Self>, phase: Weak<Phase>, address: Option<Prefix>) -> ClientPlace {
        let mut table = lock(&self.table);
        let number = table.next;
        table.next += 1;
        table.open.insert(number, Entry { phase, address, leaves: false });
        if let Some(address) = address {
            table.shares.add(address);
        }
        self.gauge.increment(1.0);
        ClientPlace { clients: self.clone(), number }
    }

    /// Has those make room that wait longest among those `which` names, `count` at most; how many that are.
    fn displace(&self, count: usize, why: &'static str, which: impl Fn(&Entry) -> bool) -> usize {
        // Held until the lock is not: the last of one gives its place back.
        let (phases, may_leave): (Vec<(u64, Arc<Phase>)>, usize) = {
            let table = lock(&self.table);
            let chosen = table.open.iter().filter(|(_, entry)| which(entry));
            let phases = chosen.filter_map(|(number, entry)| Some((*number, entry.phase.upgrade()?))).collect();
            (phases, MOST_LEAVING.saturating_sub(table.leaving))
        };
        let count = count.min(may_leave);
        let mut waiting: Vec<_> =
            phases.iter().filter_map(|(number, phase)| Some((phase.waiting_since()?, *number, phase))).collect();
        if waiting.len() > count {
            waiting.select_nth_unstable_by_key(count, |(since, number, _)| (*since, *number));
            waiting.truncate(count);
        }
        for (_, number, phase) in &waiting {
            lock(&self.table).leaves(*number, true);
            phase.displace();
        }
        CONNECTIONS_CLOSED.with([why]).increment(waiting.len() as u64);
        waiting.len()
    }
}

impl Table {
    /// How many have a place.
    fn staying(&self) -> usize {
        self.open.len() - self.leaving
    }

    /// One is told to leave, and another may have its place; or it stays after all.
    fn leaves(&mut self, number: u64, leaves: bool) {
        let Some(entry) = self.open.get_mut(&number).filter(|entry| entry.leaves != leaves) else { return };
        entry.leaves = leaves;
        if leaves {
            self.leaving += 1;
        } else {
            self.leaving -= 1;
        }
        if let Some(address) = entry.address {
            if leaves { self.shares.remove(address) } else { self.shares.add(address) }
        }
    }

    /// One has ended.
    fn remove(&mut self, number: u64) {
        self.leaves(number, true);
        if self.open.remove(&number).is_some() {
            self.leaving -= 1;
        }
    }
}

impl ClientPlace {
    /// It was told to make room, and was busy by then.
    pub(super) fn stays(&self) {
        lock(&self.clients.table).leaves(self.number, false);
    }
}

impl Drop for ClientPlace {
    fn drop(&mut self) {
        lock(&self.clients.table).remove(self.number);
        self.clients.gauge.decrement(1.0);
        self.clients.ended.notify_one();
    }
}
