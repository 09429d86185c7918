//! So many requests a second, whatever becomes of them.
//!
//! Arrivals are open-loop: request `k` is due at `start + k / rate`, also while others wait, as clients in the world do not
//! wait for each other. Its latency counts from when it was due, always: what had to wait because all connections were
//! busy, or because this program was late, waited. Counting from when it was sent would leave out exactly the
//! requests that a stall keeps from being sent ("coordinated omission"). How much of the latency is this program's own is
//! measured too ([`Measured::late`]): the kernel's timer rings for every request, so it is tens of microseconds, and
//! [`Measured::service`] counts from when the request was handed to its connection, for whoever wants to compare.
//!
//! All connections are driven by one task: a request costs no task, no channel and no lock. Above 10,000 requests a
//! second the timer rings every 100 µs for all that are due.

use std::{
    future::Future,
    io,
    net::SocketAddr,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::{
    FutureExt,
    future::LocalBoxFuture,
    stream::{FuturesUnordered, StreamExt},
};
use tokio::time::timeout;

use super::{Measured, PATIENCE, Requests, alarm::Alarm};
use crate::{
    exchange::{Answer, Connection, NoAnswer},
    outcome::{Asked, Outcome},
};

/// The timer rings no more often than this.
const FINEST: Duration = Duration::from_micros(100);

const SECOND: Duration = Duration::from_secs(1);

/// How fast, how many, over how many connections.
#[derive(Clone, Debug)]
pub struct Pace {
    /// Requests a second.
    pub rate: f64,
    /// How many in all.
    pub arrivals: u64,
    /// So many connections at most. What waits for one still counts from when it was due.
    pub connections: usize,
    /// A request that has no answer so long after it was due has none.
    pub patience: Duration,
}

/// Who sends, and who judges the answers.
pub trait Clients {
    /// The next request.
    fn next(&mut self) -> Shot;

    /// What became of a request; called once for each.
    fn judge(&mut self, exchange: &Exchange) -> Outcome;
}

/// A request, ready to be sent.
#[derive(Clone, Debug)]
pub struct Shot {
    /// Who sends it: a number that only its sender understands.
    pub sender: usize,
    /// Its head.
    pub head: Bytes,
    /// Its body.
    pub body: Bytes,
}

/// A request and what became of it.
#[derive(Debug)]
pub struct Exchange {
    /// Who sent it.
    pub sender: usize,
    /// When it was due.
    pub due: Instant,
    /// When it was handed to a connection.
    pub sent: Instant,
    /// When its answer was there whole, or given up.
    pub ended: Instant,
    /// What came back.
    pub met: Result<Answer, NoAnswer>,
}

impl Pace {
    /// `rate` a second for `span`, over as many connections as 512.
    pub fn new(rate: f64, span: Duration) -> Self {
        Self { rate, arrivals: (rate * span.as_secs_f64()).round() as u64, connections: 512, patience: PATIENCE }
    }

    /// When request `k` is due, counted from the start.
    pub fn due(&self, k: u64) -> Duration {
        Duration::from_secs_f64(k as f64 / self.rate)
    }

    /// When the timer rings for request `k`: when it is due, or at the next of the finest steps if they are many.
    fn ring(&self, k: u64) -> Duration {
        let due = self.due(k);
        if self.rate * FINEST.as_secs_f64() <= 1.0 {
            return due;
        }
        FINEST.saturating_mul(u32::try_from(due.as_nanos().div_ceil(FINEST.as_nanos())).unwrap_or(u32::MAX))
    }
}

/// Sends `requests` by turns, `rate` a second for `span`; what became of them.
///
/// # Errors
/// The machine gives no timer.
pub async fn pace_requests(
    address: SocketAddr,
    requests: &Requests,
    asked: &Asked,
    rate: f64,
    span: Duration,
) -> io::Result<Measured> {
    let mut clients = OneKind { requests, asked, next: 0 };
    pace(address, &Pace::new(rate, span), &mut clients, std::future::pending(), |_| ()).await
}

/// Sends what `clients` have at this pace; `show` is told each second how it goes. It ends when all have ended, or once
/// `stop` is done, which leaves unfinished what is under way.
///
/// # Errors
/// The machine gives no timer.
pub async fn pace(
    address: SocketAddr,
    pace: &Pace,
    clients: &mut impl Clients,
    stop: impl Future<Output = ()>,
    mut show: impl FnMut(&Measured),
) -> io::Result<Measured> {
    let mut stop = std::pin::pin!(stop);
    let mut alarm = Alarm::new()?;
    let mut sending = Sending::new(address, pace, clients);
    let mut next_show = sending.begun + SECOND;
    loop {
        let now = sending.send_due();
        if now >= next_show {
            show(&sending.measured);
            next_show = now + SECOND;
        }
        if sending.is_over() {
            return Ok(sending.measured);
        }
        let ring = sending.next_ring().map_or(next_show, |ring| ring.min(next_show));
        tokio::select! {
            biased;
            () = &mut stop => {
                sending.measured.took = sending.begun.elapsed();
                return Ok(sending.measured);
            }
            Some(ended) = sending.under_way.next(), if !sending.under_way.is_empty() => sending.end(ended),
            rings = alarm.at(ring) => rings?,
        }
    }
}

/// A request's end, and its connection if it can be used again.
type Ended = (Exchange, Option<Connection>);

/// Where it stands.
struct Sending<'a, C> {
    address: SocketAddr,
    pace: &'a Pace,
    clients: &'a mut C,
    begun: Instant,
    measured: Measured,
    idle: Vec<Connection>,
    under_way: FuturesUnordered<LocalBoxFuture<'a, Ended>>,
    /// Until when all connections were busy.
    full_until: Option<Instant>,
}

impl<'a, C: Clients> Sending<'a, C> {
    fn new(address: SocketAddr, pace: &'a Pace, clients: &'a mut C) -> Self {
        Self {
            address,
            pace,
            clients,
            begun: Instant::now(),
            measured: Measured::default(),
            idle: Vec::new(),
            under_way: FuturesUnordered::new(),
            full_until: None,
        }
    }

    /// Sends all that is due and has a connection; gives up what has waited for one too long. When that was.
    fn send_due(&mut self) -> Instant {
        let now = Instant::now();
        self.measured.took = now - self.begun;
        while let Some(due) = self.next_due().filter(|due| *due <= now) {
            if now >= due + self.pace.patience {
                self.give_up(due, now);
            } else if self.is_full() {
                break;
            } else {
                self.send(due, now);
            }
        }
        now
    }

    fn send(&mut self, due: Instant, now: Instant) {
        self.measured.due += 1;
        match self.full_until {
            Some(until) if until >= due => self.measured.held_back += 1,
            _ => self.measured.late.record(now - due),
        }
        let held = take_open(&mut self.idle);
        self.measured.opened += u64::from(held.is_none());
        let shot = self.clients.next();
        self.under_way.push(ask(self.address, held, shot, due, self.pace.patience).boxed_local());
    }

    fn give_up(&mut self, due: Instant, now: Instant) {
        self.measured.due += 1;
        self.measured.held_back += 1;
        let sender = self.clients.next().sender;
        let met = Err(NoAnswer::Hung(self.pace.patience));
        self.count(&Exchange { sender, due, sent: now, ended: now, met });
    }

    fn end(&mut self, (exchange, connection): Ended) {
        if self.under_way.len() + 1 >= self.pace.connections {
            self.full_until = Some(Instant::now());
        }
        self.count(&exchange);
        self.idle.extend(connection);
    }

    fn count(&mut self, exchange: &Exchange) {
        let outcome = self.clients.judge(exchange);
        self.measured.count(exchange, outcome, self.begun);
    }

    /// When the next request is due; `None` if there is none.
    fn next_due(&self) -> Option<Instant> {
        (self.measured.due < self.pace.arrivals).then(|| self.begun + self.pace.due(self.measured.due))
    }

    /// When there is something to do although no answer came.
    fn next_ring(&self) -> Option<Instant> {
        let due = self.next_due()?;
        Some(if self.is_full() { due + self.pace.patience } else { self.begun + self.pace.ring(self.measured.due) })
    }

    fn is_full(&self) -> bool {
        self.under_way.len() >= self.pace.connections
    }

    fn is_over(&self) -> bool {
        self.next_due().is_none() && self.under_way.is_empty()
    }
}

/// The connection that was used last, of those that the other side has not closed: as few are used as are needed.
fn take_open(idle: &mut Vec<Connection>) -> Option<Connection> {
    while let Some(mut connection) = idle.pop() {
        if connection.is_open() {
            return Some(connection);
        }
    }
    None
}

async fn ask(address: SocketAddr, held: Option<Connection>, shot: Shot, due: Instant, patience: Duration) -> Ended {
    let sent = Instant::now();
    let mut used = None;
    let both = async {
        let connection = match held {
            Some(connection) => connection,
            None => Connection::open(address, None).await?,
        };
        used.insert(connection).exchange(&shot.head, &shot.body, patience).await
    };
    let left = (due + patience).saturating_duration_since(sent);
    let met = timeout(left, both).await.unwrap_or(Err(NoAnswer::Hung(patience)));
    let ended = Instant::now();
    let used = used.filter(|_| matches!(&met, Ok(answer) if answer.keeps_alive));
    (Exchange { sender: shot.sender, due, sent, ended, met }, used)
}

/// One kind of client, whose requests are sent by turns.
struct OneKind<'a> {
    requests: &'a Requests,
    asked: &'a Asked,
    next: usize,
}

impl Clients for OneKind<'_> {
    fn next(&mut self) -> Shot {
        let head = self.requests.heads[self.next % self.requests.heads.len()].clone();
        self.next += 1;
        Shot { sender: 0, head, body: self.requests.body.clone() }
    }

    fn judge(&mut self, exchange: &Exchange) -> Outcome {
        self.asked.judge(&exchange.met)
    }
}

#[cfg(test)]
mod tests;
