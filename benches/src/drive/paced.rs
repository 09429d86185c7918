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
use futures_util::stream::{FuturesUnordered, StreamExt};
use serde::Serialize;
use tokio::time::timeout;

use super::{PATIENCE, Requests, alarm::Alarm};
use crate::{
    exchange::{Answer, Connection, NoAnswer},
    latency::Latency,
    outcome::{Asked, Outcome, Outcomes},
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

/// What was measured, so far or in all.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Measured {
    /// How many were due.
    pub due: u64,
    /// How they ended. Those under way, and those under way when it was stopped, are in no class.
    pub outcomes: Outcomes,
    /// From when it was due until the answer was there whole: of requests that were answered rightly (served, or
    /// refused as they should be), and of those that hung, for as long as was waited. A quick error is no low latency.
    pub latency: Latency,
    /// The same from when it was handed to a connection.
    pub service: Latency,
    /// How late this program was with those that had a connection.
    pub late: Latency,
    /// How many waited because all connections were busy.
    pub held_back: u64,
    /// How many connections were opened.
    pub opened: u64,
    /// How those ended that ended within each second.
    pub seconds: Vec<Outcomes>,
    /// How long it took.
    pub took: Duration,
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

impl Measured {
    /// Answers of any kind in each second, on average.
    pub fn answers_per_second(&self) -> f64 {
        let silent = self.outcomes.of(Outcome::Lost) + self.outcomes.of(Outcome::Hung);
        (self.outcomes.total() - silent) as f64 / self.took.as_secs_f64().max(f64::EPSILON)
    }

    fn count(&mut self, exchange: &Exchange, outcome: Outcome, begun: Instant) {
        self.outcomes.count(outcome);
        if matches!(outcome, Outcome::Served | Outcome::Refused | Outcome::Hung) {
            self.latency.record(exchange.ended.saturating_duration_since(exchange.due));
            self.service.record(exchange.ended.saturating_duration_since(exchange.sent));
        }
        let second = usize::try_from(exchange.ended.saturating_duration_since(begun).as_secs()).unwrap_or(0);
        if self.seconds.len() <= second {
            self.seconds.resize(second + 1, Outcomes::default());
        }
        self.seconds[second].count(outcome);
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
    let mut measured = Measured::default();
    let (mut idle, mut under_way) = (Vec::<Connection>::new(), FuturesUnordered::new());
    let begun = Instant::now();
    let (mut full_until, mut next_show) = (None, begun + SECOND);
    loop {
        let now = Instant::now();
        while measured.due < pace.arrivals && begun + pace.due(measured.due) <= now {
            let due = begun + pace.due(measured.due);
            if under_way.len() >= pace.connections && now < due + pace.patience {
                break;
            }
            measured.due += 1;
            let shot = clients.next();
            if now >= due + pace.patience {
                measured.held_back += 1;
                let met = Err(NoAnswer::Hung(pace.patience));
                let exchange = Exchange { sender: shot.sender, due, sent: now, ended: now, met };
                let outcome = clients.judge(&exchange);
                measured.count(&exchange, outcome, begun);
                continue;
            }
            match full_until {
                Some(until) if until >= due => measured.held_back += 1,
                _ => measured.late.record(now - due),
            }
            let held = take_open(&mut idle);
            measured.opened += u64::from(held.is_none());
            under_way.push(ask(address, held, shot, due, pace.patience));
        }
        measured.took = now - begun;
        if now >= next_show {
            show(&measured);
            next_show = now + SECOND;
        }
        if measured.due >= pace.arrivals && under_way.is_empty() {
            return Ok(measured);
        }
        let due = begun + pace.due(measured.due);
        let ring = match measured.due {
            all if all >= pace.arrivals => next_show,
            _ if under_way.len() >= pace.connections => next_show.min(due + pace.patience),
            _ => next_show.min(begun + pace.ring(measured.due)),
        };
        tokio::select! {
            biased;
            () = &mut stop => {
                measured.took = begun.elapsed();
                return Ok(measured);
            }
            Some((exchange, connection)) = under_way.next(), if !under_way.is_empty() => {
                if under_way.len() + 1 >= pace.connections {
                    full_until = Some(Instant::now());
                }
                let outcome = clients.judge(&exchange);
                measured.count(&exchange, outcome, begun);
                idle.extend(connection);
            }
            rings = alarm.at(ring) => rings?,
        }
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

async fn ask(
    address: SocketAddr,
    held: Option<Connection>,
    shot: Shot,
    due: Instant,
    patience: Duration,
) -> (Exchange, Option<Connection>) {
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
mod tests {
    use tokio::net::TcpListener;
    use url::Url;

    use super::*;
    use crate::origin::Origin;

    fn asked(address: SocketAddr) -> Asked {
        Asked::by_program(Url::parse(&format!("http://{address}/")).expect("an address"))
    }

    fn requests(address: SocketAddr) -> Requests {
        Requests::get(&address.to_string(), "/", &["X-Turn: 1\r\n".to_owned(), "X-Turn: 2\r\n".to_owned()])
    }

    #[test]
    fn a_request_is_due_by_the_rate_alone() {
        let pace = Pace::new(4.0, Duration::from_secs(30));
        assert_eq!(pace.arrivals, 120);
        assert_eq!([0, 1, 119].map(|k| pace.due(k)), [0, 250, 29_750].map(Duration::from_millis));
        assert_eq!(pace.ring(3), pace.due(3));
        let fast = Pace::new(40_000.0, SECOND);
        assert_eq!([0, 1, 4, 5].map(|k| fast.ring(k)), [0, 100, 100, 200].map(Duration::from_micros));
    }

    #[tokio::test]
    async fn what_is_served_is_timed_and_connections_are_used_again() {
        let origin = Origin::start().await.expect("an origin");
        let address = origin.address();
        let span = Duration::from_millis(100);
        let measured = pace_requests(address, &requests(address), &asked(address), 1000.0, span).await;
        let measured = measured.expect("a timer");
        assert_eq!((measured.due, measured.outcomes.to_string()), (100, "100 served".to_owned()));
        assert_eq!((measured.latency.count(), measured.service.count()), (100, 100));
        assert_eq!(measured.late.count() + measured.held_back, 100);
        assert!(measured.opened < 100, "{} connections", measured.opened);
        assert_eq!(measured.seconds.iter().map(Outcomes::total).sum::<u64>(), 100);
    }

    /// Also those that no connection was free for: they are late all the same.
    #[tokio::test]
    async fn who_waits_for_a_connection_is_counted_from_when_it_was_due() {
        let silent = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let address = silent.local_addr().expect("an address");
        let requests = requests(address);
        let asked = asked(address);
        let mut clients = OneKind { requests: &requests, asked: &asked, next: 0 };
        let patience = Duration::from_millis(50);
        let slow = Pace { rate: 1000.0, arrivals: 20, connections: 2, patience };
        let measured = pace(address, &slow, &mut clients, std::future::pending(), |_| ()).await.expect("a timer");
        assert_eq!(measured.outcomes.to_string(), "20 hung");
        assert!(measured.held_back >= 18, "{measured:?}");
        assert!(measured.latency.at(0.0) >= Some(patience), "{:?}", measured.latency.curve());
    }

    #[tokio::test]
    async fn a_target_that_refuses_is_an_outcome() {
        let gone = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port").local_addr().expect("an address");
        let measured = pace_requests(gone, &requests(gone), &asked(gone), 1000.0, Duration::from_millis(10)).await;
        let measured = measured.expect("a timer");
        assert_eq!((measured.outcomes.to_string(), measured.latency.count()), ("10 lost".to_owned(), 0));
    }

    #[tokio::test]
    async fn what_was_measured_until_it_is_stopped_is_kept() {
        let silent = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let address = silent.local_addr().expect("an address");
        let requests = requests(address);
        let asked = asked(address);
        let mut clients = OneKind { requests: &requests, asked: &asked, next: 0 };
        let stop = async { drop(silent.accept().await) };
        let endless = Pace::new(1000.0, Duration::from_secs(3600));
        let measured = pace(address, &endless, &mut clients, stop, |_| ()).await.expect("a timer");
        assert!((1..1000).contains(&measured.due), "{}", measured.due);
    }
}
