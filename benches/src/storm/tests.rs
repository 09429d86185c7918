//! Storms without a gateway: on the service itself, and on a target that refuses everybody.

use std::future::pending;

use clap::Parser;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::*;
use crate::outcome::Outcome;

#[derive(Parser)]
struct Words {
    #[command(flatten)]
    storm: StormOptions,
}

fn options(words: &[&str]) -> StormOptions {
    Words::try_parse_from([&["storm"], words].concat()).expect("options").storm
}

fn front(address: SocketAddr) -> Front {
    let url = Url::parse(&format!("http://{address}/display")).expect("an address");
    Front { url, address, tokens: vec!["one".to_owned(), "two".to_owned()], ours: None }
}

#[test]
fn a_service_works_on_as_many_as_its_rate_needs() {
    let check = |words: &[&str], workers: usize, queue: usize| {
        let behind = options(words).behind();
        assert_eq!((behind.workers(), behind.queue), (workers, queue), "{words:?}");
    };
    check(&[], 50, 500);
    check(&["--capacity", "5", "--takes", "10ms"], 1, 5);
    check(&["--capacity", "200", "--takes", "2s", "--queue", "0"], 400, 0);
}

#[test]
fn a_gateway_that_is_not_ours_needs_tokens() {
    let fails = |words: &[&str]| Words::try_parse_from([&["storm"], words].concat()).is_err();
    assert!(fails(&["--url", "http://127.0.0.1:1/"]));
    assert!(fails(&["--token-file", "x"]));
    assert!(fails(&["--rule", "sometimes"]));
    assert!(!fails(&["--url", "http://127.0.0.1:1/", "--token-file", "x", "--rule", "exact"]));
}

#[tokio::test]
async fn all_come_back_and_who_is_sent_away_asks_again() {
    let capacity =
        Capacity { rate: 200, takes: Duration::from_millis(10), queue: 2, retry_after: 0, connections: 1000 };
    let service = Service::start(capacity).expect("a port");
    let options = options(&["--clients", "40", "--patience", "10s"]);
    let stop = std::pin::pin!(pending());
    let run = front(service.address()).storm(&options, Rule::Exact, &Progress::new(), stop).await;
    assert_eq!((run.back, run.outcomes.of(Outcome::Served), run.stopped), (40, 40, false));
    assert!(run.all_back_s.is_some() && run.tries > 40, "two at work and two that wait: {run:?}");
    assert_eq!(run.outcomes.total(), run.outcomes.of(Outcome::Served) + run.outcomes.of(Outcome::Unavailable));
    assert_eq!(run.tries, run.outcomes.total());
    let (came, served) = service.seen();
    assert_eq!((came.iter().sum::<u64>(), served.iter().sum::<u64>()), (run.tries, 40));
}

#[tokio::test]
async fn who_is_refused_is_gone() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 1024];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n").await;
        }
    });
    let options = options(&["--clients", "5", "--patience", "10s"]);
    let stop = std::pin::pin!(pending());
    let run = front(address).storm(&options, Rule::Jittered, &Progress::new(), stop).await;
    assert_eq!((run.back, run.wiped(), run.tries_each()), (0, 5, None));
}

#[tokio::test]
async fn a_storm_that_is_stopped_says_what_it_saw() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let options = options(&["--clients", "3"]);
    let address = listener.local_addr().expect("an address");
    let stop = std::pin::pin!(async { listener.accept().await.map(|_| ()) });
    let run = front(address).storm(&options, Rule::Jittered, &Progress::new(), stop).await;
    assert!(run.stopped && run.back == 0 && run.sent.iter().sum::<u64>() >= 1, "{run:?}");
}
