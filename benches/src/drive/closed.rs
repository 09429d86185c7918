//! As many as a gateway can take: each connection sends its next request when it has its answer.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::task::JoinSet;

use super::{PATIENCE, Requests, Tally};
use crate::exchange::Connection;

/// Sends `requests` over `connections` connections for `span`, or until each was sent if they are sent only once; what
/// came back, and how long it took.
pub async fn saturate(
    address: SocketAddr,
    requests: &Arc<Requests>,
    connections: usize,
    span: Duration,
) -> (Arc<Tally>, Duration) {
    let (tally, next) = (Arc::new(Tally::default()), Arc::new(AtomicUsize::new(0)));
    let begun = Instant::now();
    let mut all = JoinSet::new();
    for _ in 0..connections {
        all.spawn(work(address, requests.clone(), next.clone(), tally.clone(), begun + span));
    }
    while all.join_next().await.is_some() {}
    (tally, begun.elapsed())
}

async fn work(address: SocketAddr, requests: Arc<Requests>, next: Arc<AtomicUsize>, tally: Arc<Tally>, until: Instant) {
    let mut held: Option<Connection> = None;
    while Instant::now() < until {
        let turn = next.fetch_add(1, Ordering::Relaxed);
        if requests.once && turn >= requests.heads.len() {
            return;
        }
        let head = &requests.heads[turn % requests.heads.len()];
        let met = match held.take() {
            Some(connection) => Ok(connection),
            None => Connection::open(address, None).await,
        };
        let met = match met {
            Ok(mut connection) => {
                let met = connection.exchange(head, &requests.body, PATIENCE).await;
                if matches!(&met, Ok(answer) if answer.keeps_alive) {
                    held = Some(connection);
                }
                met
            }
            Err(no_answer) => Err(no_answer),
        };
        tally.count(&met, &requests);
    }
}
