//! What is sent at a pace, and counted from when it was due.

use tokio::net::TcpListener;
use url::Url;

use super::*;
use crate::{origin::Origin, outcome::Outcomes};

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
    let (requests, asked) = (requests(address), asked(address));
    let mut clients = OneKind { requests: &requests, asked: &asked, next: 0 };
    let few = Pace { connections: 10, ..Pace::new(1000.0, Duration::from_millis(100)) };
    let measured = pace(address, &few, &mut clients, std::future::pending(), |_| ()).await.expect("a timer");
    assert_eq!((measured.due, measured.outcomes.to_string()), (100, "100 served".to_owned()));
    assert_eq!((measured.latency.count(), measured.service.count()), (100, 100));
    assert_eq!(measured.late.count() + measured.held_back, 100);
    assert!((1..=10).contains(&measured.opened), "{} connections", measured.opened);
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
    assert_eq!(measured.latency.count(), 20);
    assert!(measured.held_back > 0);
    // The histogram keeps three digits, and names a time by the least of those that it takes for the same.
    assert!(measured.latency.at(0.0) >= Some(patience.mul_f64(0.999)), "{:?}", measured.latency.curve());
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
    assert!((1..endless.arrivals).contains(&measured.due), "{}", measured.due);
}
