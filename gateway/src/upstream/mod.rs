//! Sending a request on, and judging what comes back.
//!
//! Forwarding takes a [`Permit`], as an argument; what comes back is [`Passed`] or a [`Fault`]. This module does not
//! know how either is shown. An `Upgrade` goes on as a plain request: tunnels are not built yet.

mod endpoint;
mod exchange;
mod judge;
mod pool;

use std::{collections::BTreeMap, rc::Rc, sync::Arc};

use auth_core::policy::Permit;
use bytes::Bytes;
use http::{Request, request, response};
use http_body_util::BodyExt;
use hyper::body::{Body as _, Incoming};
use tokio::{task::spawn_local, time::Instant};

pub use judge::Passed;
pub use pool::Pools;

use crate::{
    body::{Body, Upload},
    config::{self, Config},
    fault::Fault,
    route::Route,
};
use endpoint::Endpoint;
use exchange::{Deadlines, Exchange};
use judge::Case;
use pool::Lease;

/// How much of a disputed answer is read, so that its connection can serve again.
const DRAIN: usize = 64 * 1024;

/// Every upstream of one configuration.
#[derive(Debug)]
pub struct Upstreams(BTreeMap<Arc<str>, Upstream>);

#[derive(Debug)]
struct Upstream {
    config: Arc<config::Upstream>,
    /// Exactly one: spreading load is not built yet.
    endpoint: Option<Endpoint>,
}

impl Upstreams {
    /// The upstreams of `config`.
    pub fn new(config: &Config) -> Self {
        let upstream = |upstream: &Arc<config::Upstream>| {
            let endpoint = upstream.endpoints.first().map(|url| Endpoint::new(upstream, url));
            Upstream { config: upstream.clone(), endpoint }
        };
        Self(config.upstreams.iter().map(|(name, config)| (name.clone(), upstream(config))).collect())
    }

    /// Sends `request` on by `route`, and judges the answer. Dropping the future takes the request back.
    ///
    /// # Errors
    /// A fault; nothing of the upstream's answer leaves with it.
    pub async fn send(
        &self,
        pools: &Rc<Pools>,
        route: &Route,
        permit: &Permit,
        request: Request<Incoming>,
    ) -> Result<Passed, Fault> {
        if permit.requirement() != route.requirement.id() {
            return Err(Fault::PermitMismatch);
        }
        let (head, incoming) = request.into_parts();
        if route.max_body.is_some_and(|max| incoming.size_hint().lower() > max) {
            return Err(Fault::BodyTooLarge);
        }
        let (upstream, endpoint) = self.find(route)?;
        let slot = endpoint.slot(Instant::now() + upstream.config.connect_timeout).await?;

        let upload = Upload::new();
        let exchange = Exchange {
            endpoint,
            pools,
            deadlines: upstream.deadlines(route),
            upload: &upload,
            repeatable: exchange::is_idempotent(&head.method) && incoming.is_end_stream(),
        };
        let body = Body::from_client(incoming, route.idle_body_timeout, route.max_body, upload.clone());
        let (response, connection) = exchange.run(body, |body| outgoing(&head, body)).await?;

        let case = Case { route, permit, target: &head.uri, endpoint: endpoint.name() };
        let lease = Lease { pools: pools.clone(), endpoint: endpoint.id(), connection, slot };
        let (head, incoming) = response.into_parts();
        let body = Body::from_upstream(incoming, route.idle_body_timeout, Box::new(lease), |_| {});
        match case.judge(head) {
            Ok(judged) => Ok(judged.pass(body, clean)),
            Err(fault) => {
                spawn_local(discard(body));
                Err(fault)
            }
        }
    }

    fn find(&self, route: &Route) -> Result<(&Upstream, &Endpoint), Fault> {
        let none = || Fault::NoEndpoint { upstream: route.upstream.clone() };
        let upstream = self.0.get(&route.upstream).ok_or_else(none)?;
        Ok((upstream, upstream.endpoint.as_ref().ok_or_else(none)?))
    }
}

impl Upstream {
    fn deadlines(&self, route: &Route) -> Deadlines {
        Deadlines {
            connect: self.config.connect_timeout,
            response: route.response_timeout,
            idle_body: route.idle_body_timeout,
        }
    }
}

/// Reads a little of an answer that nobody gets, so that its connection can serve again.
async fn discard(mut body: Body) {
    let mut left = DRAIN;
    while let Some(Ok(frame)) = body.frame().await {
        match left.checked_sub(frame.data_ref().map_or(0, Bytes::len)) {
            Some(rest) => left = rest,
            None => return,
        }
    }
}

fn outgoing(head: &request::Parts, body: Body) -> Request<Body> {
    let mut request = Request::new(body);
    *request.method_mut() = head.method.clone();
    *request.uri_mut() = head.uri.clone();
    *request.headers_mut() = head.headers.clone();
    request
}

fn clean(head: &mut response::Parts) {
    head.version = http::Version::HTTP_11;
}
