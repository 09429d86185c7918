//! One round of one work at one gateway.

use std::{sync::Arc, time::Duration};

use tokio::task::JoinSet;
use url::Url;

use super::{
    comparison::Round,
    work::{Batch, Work},
};
use crate::{
    drive::{PATIENCE, Requests, pace_requests, saturate},
    exchange::{Connection, NoAnswer},
    outcome::{Asked, Outcome},
    peer::Running,
};

/// How many connections stand idle.
pub(super) const IDLE: usize = 8000;

/// So many of them are opened at a time.
const AT_A_TIME: usize = 64;

/// However slow a gateway is, it has verified 5,000 tokens after this long.
const WHOLE_PASS: Duration = Duration::from_secs(30);

/// How long each part of a round takes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spans {
    /// The warm-up.
    pub(super) warm: Duration,
    /// As many requests as the gateway can take.
    pub(super) closed: Duration,
    /// Requests at a fixed rate.
    pub(super) paced: Duration,
}

/// Sends `batch` through the gateway, first as fast as it goes, then at the work's rate.
///
/// # Errors
/// What came back instead of the right answers.
pub(super) async fn round(running: &Running, work: Work, batch: Batch, spans: Spans) -> Result<Round, String> {
    let connections = work.connections();
    let warm_for = if batch.warm.once { WHOLE_PASS } else { spans.warm };
    let (warm, _) = saturate(running.address, &Arc::new(batch.warm), connections, warm_for).await;
    if let Some(wrong) = warm.wrong() {
        return Err(wrong);
    }
    let closed = Arc::new(batch.closed);
    let before = running.cpu_time();
    let (tally, took) = saturate(running.address, &closed, connections, spans.closed).await;
    let cpu = running.cpu_time().since(before);
    if let Some(wrong) = tally.wrong() {
        return Err(wrong);
    }
    let asked = Url::parse(&format!("http://{}{}", running.address, work.way().path()));
    let asked = Asked::by_program(asked.map_err(|error| error.to_string())?);
    let paced = pace_requests(running.address, &batch.paced, &asked, work.rate(), spans.paced).await;
    let paced = paced.map_err(|error| error.to_string())?;
    if paced.outcomes.of(Outcome::Served) < paced.due {
        return Err(format!("at {} a second: {}", work.rate(), paced.outcomes));
    }
    Ok(Round::new(tally.served(), took, cpu, paced.latency))
}

/// How much memory each of 8,000 connections takes that had one request and stand idle, in bytes.
///
/// # Errors
/// What came back instead of the right answers.
pub(super) async fn idle(running: &Running, requests: &Requests) -> Result<f64, String> {
    let requests = Arc::new(requests.clone());
    // What the first requests of all need is no cost of a connection.
    let (warm, _) = saturate(running.address, &requests, AT_A_TIME, Duration::from_millis(200)).await;
    if let Some(wrong) = warm.wrong() {
        return Err(wrong);
    }
    let before = running.memory();
    let mut opening = JoinSet::new();
    for _ in 0..AT_A_TIME {
        let (address, requests) = (running.address, requests.clone());
        opening.spawn(async move {
            let mut held = Vec::with_capacity(IDLE / AT_A_TIME);
            for _ in 0..IDLE / AT_A_TIME {
                let mut connection = Connection::open(address, None).await?;
                let answer = connection.exchange(&requests.heads[0], &requests.body, PATIENCE).await?;
                held.push((connection, answer));
            }
            Ok::<_, NoAnswer>(held)
        });
    }
    let mut held = Vec::with_capacity(IDLE);
    while let Some(opened) = opening.join_next().await {
        let opened = opened.map_err(|error| error.to_string())?;
        held.extend(opened.map_err(|no_answer| format!("after {} connections: {no_answer}", held.len()))?);
    }
    if let Some((_, answer)) = held.iter().find(|(_, answer)| answer.status != 200) {
        return Err(format!("answered {}", answer.status));
    }
    let after = running.memory();
    let open = held.iter_mut().filter_map(|(connection, _)| connection.is_open().then_some(())).count();
    if open < IDLE {
        return Err(format!("it closed {} of {IDLE} connections", IDLE - open));
    }
    Ok(after.saturating_sub(before) as f64 / IDLE as f64)
}
