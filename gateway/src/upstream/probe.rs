//! Asks an endpoint on its own account whether it is well, again and again, and tells its health.
//!
//! A probe sends what the configuration says and nothing of anybody's request, on a connection of its own and on the
//! background: it needs no permit, takes no slot, and no request waits for it.

use std::{sync::Weak, time::Duration};

use auth_core::background::Background;
use bytes::Bytes;
use http::{Request, header};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout_at};
use tokio_util::task::AbortOnDropHandle;

use super::{endpoint::Endpoint, health::ProbeRule, http2::ask_once};
use crate::{
    body::AnswerBody,
    config::{ProbeConfig, UpstreamProtocol},
};

/// What is read of an answer's body: one that does not end is no good one.
const LONGEST: usize = 64 * 1024;

/// Probing under way. Dropping it ends it.
#[derive(Debug)]
pub(super) struct Probing {
    pub(super) config: ProbeConfig,
    _task: AbortOnDropHandle<()>,
}

impl Probing {
    /// Probes `endpoint` as `config` says, until somebody drops this, or nobody holds the endpoint any more.
    pub(super) fn start(endpoint: Weak<Endpoint>, config: ProbeConfig, background: &Background) -> Self {
        let task = background.spawn(watch(endpoint, config.clone()));
        Self { config, _task: AbortOnDropHandle::new(task) }
    }
}

async fn watch(endpoint: Weak<Endpoint>, config: ProbeConfig) {
    let ProbeConfig { healthy_after, unhealthy_after, .. } = config;
    let rule = ProbeRule { healthy_after, unhealthy_after };
    let mut beat = interval(config.interval);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        beat.tick().await;
        let Some(endpoint) = endpoint.upgrade() else { return };
        let good = is_good(&endpoint, &config, config.timeout).await;
        endpoint.probed(good, rule, Instant::now());
    }
}

/// Whether `endpoint` answers whole, in time, and with a status that the configuration calls good.
async fn is_good(endpoint: &Endpoint, config: &ProbeConfig, timeout: Duration) -> bool {
    let deadline = Instant::now() + timeout;
    let status = timeout_at(deadline, ask(endpoint, config, deadline)).await.ok().flatten();
    status.is_some_and(|status| config.status.iter().any(|good| good.contains(&status)))
}

/// The status of its answer.
async fn ask(endpoint: &Endpoint, config: &ProbeConfig, deadline: Instant) -> Option<u16> {
    let stream = endpoint.connect(deadline).await.ok()?;
    let request = Request::get(&config.path)
        .header(header::HOST, config.host.as_ref().unwrap_or_else(|| endpoint.authority()))
        .header(header::USER_AGENT, concat!("candor/", env!("CARGO_PKG_VERSION")))
        .header(header::CONNECTION, "close");
    let (answer, _carrying) = match endpoint.protocol() {
        UpstreamProtocol::Http1 => {
            let (mut sender, connection) =
                http1::Builder::new().max_buf_size(LONGEST).handshake(TokioIo::new(stream)).await.ok()?;
            let carrying = AbortOnDropHandle::new(tokio::spawn(async move {
                let _ = connection.await;
            }));
            let answer = sender.send_request(request.body(Empty::<Bytes>::new()).ok()?).await.ok()?;
            (answer.map(AnswerBody::Http1), carrying)
        }
        UpstreamProtocol::Http2 => ask_once(stream, &endpoint.scheme(), request.body(()).ok()?).await.ok()?,
    };
    let (head, body) = answer.into_parts();
    Limited::new(body, LONGEST).collect().await.ok()?;
    Some(head.status.as_u16())
}
