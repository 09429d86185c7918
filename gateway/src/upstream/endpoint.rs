//! One address of an upstream, and how many requests may be there at once.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use http::HeaderValue;
use tokio::{
    net::{TcpStream, lookup_host},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout_at},
};
use url::{Host, Position, Url};

use crate::{
    config::UpstreamConfig,
    fault::{ConnectFault, Deadline, Fault, FaultContext},
};

/// One address of an upstream. All workers share it; each keeps connections of its own to it.
#[derive(Debug)]
pub(super) struct Endpoint {
    id: EndpointId,
    name: Arc<str>,
    upstream: Arc<str>,
    address: Address,
    authority: HeaderValue,
    slots: Arc<Semaphore>,
}

/// Names an endpoint within this process, so that a later one at the same address has pools of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct EndpointId(u64);

#[derive(Debug)]
enum Address {
    Numeric(SocketAddr),
    Named(String, u16),
}

impl Endpoint {
    /// The endpoint of `upstream` at `url`, whose host was checked when the configuration was read.
    pub(super) fn new(upstream: &UpstreamConfig, url: &Url) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let port = url.port_or_known_default().unwrap_or(80);
        let address = match url.host() {
            Some(Host::Ipv4(ip)) => Address::Numeric(SocketAddr::new(ip.into(), port)),
            Some(Host::Ipv6(ip)) => Address::Numeric(SocketAddr::new(ip.into(), port)),
            Some(Host::Domain(name)) => Address::Named(name.to_owned(), port),
            None => Address::Named(String::new(), port),
        };
        let authority = &url[Position::BeforeHost..Position::AfterPort];
        Self {
            id: EndpointId(NEXT.fetch_add(1, Ordering::Relaxed)),
            name: url.as_str().trim_end_matches('/').into(),
            upstream: upstream.name.clone(),
            address,
            authority: HeaderValue::from_str(authority).unwrap_or_else(|_| HeaderValue::from_static("")),
            slots: Arc::new(Semaphore::new(upstream.max_connections)),
        }
    }

    pub(super) fn id(&self) -> EndpointId {
        self.id
    }

    /// As configured.
    pub(super) fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Its `host[:port]`.
    pub(super) fn authority(&self) -> &HeaderValue {
        &self.authority
    }

    /// A place for one request, waited for until `deadline`.
    ///
    /// # Errors
    /// [`Fault::NoEndpoint`] if all are taken until then.
    pub(super) async fn slot(&self, deadline: Instant) -> Result<OwnedSemaphorePermit, Fault> {
        if let Ok(slot) = self.slots.clone().try_acquire_owned() {
            return Ok(slot);
        }
        match timeout_at(deadline, self.slots.clone().acquire_owned()).await {
            Ok(Ok(slot)) => Ok(slot),
            Ok(Err(_)) | Err(_) => Err(Fault::NoEndpoint { upstream: self.upstream.clone() }),
        }
    }

    /// A new connection.
    ///
    /// # Errors
    /// [`Fault::ConnectFailed`], or [`Fault::TimedOut`] at `deadline`.
    pub(super) async fn connect(&self, deadline: Instant) -> Result<TcpStream, Fault> {
        let stream = match timeout_at(deadline, self.reach()).await {
            Ok(Ok(stream)) => stream,
            Ok(Err((how, error))) => return Err(Fault::ConnectFailed(how, self.at(&error.to_string()))),
            Err(_) => return Err(Fault::TimedOut(Deadline::ConnectFault, self.at(""))),
        };
        if let Err(error) = stream.set_nodelay(true) {
            return Err(Fault::ConnectFailed(ConnectFault::Unreachable, self.at(&error.to_string())));
        }
        Ok(stream)
    }

    async fn reach(&self) -> Result<TcpStream, (ConnectFault, io::Error)> {
        let (name, port) = match &self.address {
            Address::Numeric(address) => return TcpStream::connect(address).await.map_err(kind_of),
            Address::Named(name, port) => (name.as_str(), *port),
        };
        let addresses = lookup_host((name, port)).await.map_err(|error| (ConnectFault::Dns, error))?;
        let mut last = (ConnectFault::Dns, io::Error::other("the name has no address"));
        for address in addresses {
            match TcpStream::connect(address).await {
                Ok(stream) => return Ok(stream),
                Err(error) => last = kind_of(error),
            }
        }
        Err(last)
    }

    /// This endpoint, in a fault's words.
    pub(super) fn at(&self, detail: &str) -> FaultContext {
        FaultContext::new(self.name.clone(), detail)
    }
}

fn kind_of(error: io::Error) -> (ConnectFault, io::Error) {
    let how = match error.kind() {
        io::ErrorKind::ConnectionRefused => ConnectFault::Refused,
        _ => ConnectFault::Unreachable,
    };
    (how, error)
}
