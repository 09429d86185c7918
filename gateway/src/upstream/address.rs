//! Where an endpoint is: at an address, at a socket file, or under a name that is looked up.
//!
//! Names are looked up on the background, again and again, and no request waits for that once an address is known. A
//! resolver that does not answer, or has no address any more, changes nothing: the last known addresses stay, since an
//! outage of DNS is none of the service. An address that the name has left is used no more, not even as a last resort: by
//! now it may be somebody else's.

use std::{
    fmt, io,
    net::SocketAddr,
    path::PathBuf,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use auth_core::{background::Background, lock::lock};
use tokio::{
    net::{TcpStream, UnixStream, lookup_host},
    sync::{Notify, watch},
    time::{Instant, sleep, timeout, timeout_at},
};
use tokio_util::task::AbortOnDropHandle;
use url::{Host, Url};

use super::{stream::EndpointStream, tunnel::keep_alive};
use crate::fault::ConnectFault;

/// How names are looked up, and how often.
#[derive(Clone)]
pub struct Resolver {
    look_up: Arc<dyn Fn(String, u16) -> LookUp + Send + Sync>,
    /// How long after the one before the next look-up begins.
    every: Duration,
    /// And at the earliest, if somebody could not connect.
    at_least: Duration,
}

/// A look-up under way.
pub type LookUp = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send>>;

/// Where an endpoint is.
#[derive(Debug)]
pub(super) enum Address {
    Numeric(SocketAddr),
    Named(Box<NamedAddress>),
    Socket(PathBuf),
}

/// A name, whose addresses may change.
#[derive(Debug)]
pub(super) struct NamedAddress {
    name: Arc<ResolvedName>,
    /// The address that a connection came about with last.
    reached: Mutex<Option<SocketAddr>>,
    _looking: AbortOnDropHandle<()>,
}

#[derive(Debug)]
struct ResolvedName {
    name: String,
    port: u16,
    known: watch::Sender<Resolution>,
    wanted: Notify,
    /// How often it has left an address.
    moved: AtomicU64,
}

/// What is known of a name.
#[derive(Clone, Debug, Default)]
struct Resolution {
    /// As the last look-up said that said any.
    addresses: Vec<SocketAddr>,
    /// How many look-ups have ended.
    ended: u64,
    /// Why the last one brought nothing.
    fault: Option<String>,
}

/// How long a look-up may take.
const LOOK_UP_WITHIN: Duration = Duration::from_secs(5);

impl Resolver {
    /// The system's, asked every ten seconds, and a second after a failed connection.
    pub fn system() -> Self {
        let look_up =
            |name: String, port| -> LookUp { Box::pin(async move { Ok(lookup_host((name, port)).await?.collect()) }) };
        Self::new(look_up, Duration::from_secs(10), Duration::from_secs(1))
    }

    /// One that asks `look_up` every so often, and no sooner than `at_least` after the time before.
    pub fn new(
        look_up: impl Fn(String, u16) -> LookUp + Send + Sync + 'static,
        every: Duration,
        at_least: Duration,
    ) -> Self {
        Self { look_up: Arc::new(look_up), every, at_least }
    }
}

impl Address {
    /// That of `url`, whose host was checked when the configuration was read. A name is looked up from now on.
    pub(super) fn of(url: &Url, resolver: &Resolver, background: &Background) -> Self {
        let port = url.port_or_known_default().unwrap_or(80);
        match url.host() {
            Some(Host::Ipv4(ip)) => Self::Numeric(SocketAddr::new(ip.into(), port)),
            Some(Host::Ipv6(ip)) => Self::Numeric(SocketAddr::new(ip.into(), port)),
            Some(Host::Domain(name)) => {
                Self::Named(Box::new(NamedAddress::new(name.to_owned(), port, resolver.clone(), background)))
            }
            None => Self::Socket(PathBuf::from(url.path())),
        }
    }

    /// A connection there: of several addresses, each is tried in turn, for its share of the time until `deadline`.
    ///
    /// # Errors
    /// How it could not be made, to the last address that was tried.
    pub(super) async fn connect(&self, deadline: Instant) -> Result<EndpointStream, (ConnectFault, io::Error)> {
        match self {
            Self::Numeric(address) => tcp(*address).await,
            Self::Named(named) => named.connect(deadline).await,
            Self::Socket(path) => UnixStream::connect(path).await.map(EndpointStream::Unix).map_err(kind_of),
        }
    }

    /// Which connections still lead there: those that began at this number or later. It grows when a name leaves an
    /// address.
    pub(super) fn since(&self) -> u64 {
        match self {
            Self::Numeric(_) | Self::Socket(_) => 0,
            Self::Named(named) => named.name.moved.load(Ordering::Relaxed),
        }
    }
}

impl NamedAddress {
    fn new(name: String, port: u16, resolver: Resolver, background: &Background) -> Self {
        let known = watch::Sender::new(Resolution::default());
        let name = Arc::new(ResolvedName { name, port, known, wanted: Notify::new(), moved: AtomicU64::new(0) });
        let looking = background.spawn(name.clone().keep_looking(resolver));
        Self { name, reached: Mutex::default(), _looking: AbortOnDropHandle::new(looking) }
    }

    async fn connect(&self, deadline: Instant) -> Result<EndpointStream, (ConnectFault, io::Error)> {
        let mut addresses = self.name.addresses(deadline).await.map_err(|fault| (ConnectFault::Dns, fault))?;
        // What answered last comes first, if it is still there.
        if let Some(reached) = *lock(&self.reached)
            && let Some(at) = addresses.iter().position(|address| *address == reached)
        {
            addresses.rotate_left(at);
        }
        let mut last = (ConnectFault::Dns, io::Error::other("the name has no address"));
        for (at, address) in addresses.iter().enumerate() {
            let now = Instant::now();
            let left = u32::try_from(addresses.len() - at).unwrap_or(u32::MAX);
            let until = now + deadline.saturating_duration_since(now) / left;
            match timeout_at(until, tcp(*address)).await {
                Ok(Ok(stream)) => {
                    *lock(&self.reached) = Some(*address);
                    return Ok(stream);
                }
                Ok(Err(fault)) => last = fault,
                Err(late) => last = (ConnectFault::Unreachable, late.into()),
            }
        }
        // It may have moved.
        self.name.wanted.notify_one();
        Err(last)
    }
}

impl ResolvedName {
    /// Its addresses. Only who is the first waits for them, until the next look-up has ended.
    async fn addresses(&self, deadline: Instant) -> io::Result<Vec<SocketAddr>> {
        let mut known = self.known.subscribe();
        let before = {
            let known = known.borrow_and_update();
            if !known.addresses.is_empty() {
                return Ok(known.addresses.clone());
            }
            known.ended
        };
        self.wanted.notify_one();
        let ended = known.wait_for(|known| !known.addresses.is_empty() || known.ended > before);
        match timeout_at(deadline, ended).await {
            Ok(Ok(known)) if !known.addresses.is_empty() => Ok(known.addresses.clone()),
            Ok(Ok(known)) => Err(io::Error::other(known.fault.clone().unwrap_or_default())),
            Ok(Err(gone)) => Err(io::Error::other(gone)),
            Err(late) => Err(late.into()),
        }
    }

    async fn keep_looking(self: Arc<Self>, resolver: Resolver) {
        loop {
            let found = timeout(LOOK_UP_WITHIN, (resolver.look_up)(self.name.clone(), self.port)).await;
            self.take(found.unwrap_or_else(|late| Err(late.into())));
            sleep(resolver.at_least).await;
            let _ = timeout(resolver.every.saturating_sub(resolver.at_least), self.wanted.notified()).await;
        }
    }

    /// Takes what a look-up has brought. One that brought nothing changes no address.
    fn take(&self, found: io::Result<Vec<SocketAddr>>) {
        let name = &*self.name;
        let found = match found {
            Ok(addresses) if addresses.is_empty() => Err("the name has no address".to_owned()),
            Ok(mut addresses) => {
                let mut seen = std::collections::HashSet::new();
                addresses.retain(|address| seen.insert(*address));
                Ok(addresses)
            }
            Err(fault) => Err(fault.to_string()),
        };
        #[cfg(candor_mutants)]
        if found.is_err() && auth_core::mutants::is("dns-outage-is-believed") {
            // Nor do its idle connections lead anywhere, then.
            self.moved.fetch_add(1, Ordering::Relaxed);
            self.known.send_modify(|known| known.addresses.clear());
        }
        self.known.send_modify(|known| {
            known.ended += 1;
            match found {
                Ok(addresses) => {
                    if known.fault.take().is_some() {
                        tracing::info!(name, "the name of an endpoint can be looked up again");
                    }
                    if known.addresses.iter().any(|before| !addresses.contains(before)) {
                        self.moved.fetch_add(1, Ordering::Relaxed);
                        tracing::info!(name, ?addresses, "the name of an endpoint has left an address");
                    }
                    known.addresses = addresses;
                }
                Err(fault) => {
                    if known.fault.is_none() {
                        let kept = known.addresses.len();
                        tracing::warn!(
                            name,
                            fault,
                            kept,
                            "the name of an endpoint cannot be looked up: the last known addresses stay"
                        );
                    }
                    known.fault = Some(fault);
                }
            }
        });
    }
}

async fn tcp(address: SocketAddr) -> Result<EndpointStream, (ConnectFault, io::Error)> {
    let stream = TcpStream::connect(address).await.map_err(kind_of)?;
    let set = stream.set_nodelay(true).and_then(|()| keep_alive(&stream));
    set.map_err(|error| (ConnectFault::Unreachable, error))?;
    Ok(EndpointStream::Tcp(stream))
}

fn kind_of(error: io::Error) -> (ConnectFault, io::Error) {
    let how = match error.kind() {
        io::ErrorKind::ConnectionRefused => ConnectFault::Refused,
        _ => ConnectFault::Unreachable,
    };
    (how, error)
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolver").field("every", &self.every).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use tokio::net::TcpListener;

    use super::*;

    type Answer = Result<Vec<SocketAddr>, ErrorKind>;

    /// What a resolver says.
    #[derive(Clone)]
    struct Said(Arc<Mutex<Answer>>);

    impl Said {
        fn nothing() -> Self {
            Self(Arc::new(Mutex::new(Err(ErrorKind::NotFound))))
        }

        fn then(&self, said: Result<&[SocketAddr], ErrorKind>) {
            *lock(&self.0) = said.map(<[_]>::to_vec);
        }

        /// An endpoint by a name that is looked up as fast as it goes.
        fn named(&self) -> Address {
            let said = self.clone();
            let look_up = move |_: String, _: u16| -> LookUp {
                let said = lock(&said.0).clone();
                Box::pin(async move { said.map_err(io::Error::from) })
            };
            let often = Duration::from_millis(1);
            let resolver = Resolver::new(look_up, often, often);
            let url = Url::parse("http://service.example:9000").expect("an address");
            Address::of(&url, &resolver, &Background::current())
        }
    }

    async fn listening() -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("it is bound");
        (listener, address)
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(25)
    }

    async fn reached(address: &Address) -> Result<SocketAddr, ConnectFault> {
        match address.connect(soon()).await {
            Ok(EndpointStream::Tcp(stream)) => Ok(stream.peer_addr().expect("it is connected")),
            Ok(_) => panic!("names lead to TCP"),
            Err((fault, _)) => Err(fault),
        }
    }

    /// Waits until `address` has been looked up after this.
    async fn looked_up(address: &Address) {
        let Address::Named(named) = address else { panic!("a name") };
        let mut known = named.name.known.subscribe();
        let ended = known.borrow().ended;
        known.wait_for(|known| known.ended > ended + 1).await.expect("it goes on");
    }

    #[tokio::test]
    async fn every_address_of_a_name_is_tried() {
        let ((_one, there), (gone, dead)) = (listening().await, listening().await);
        drop(gone);
        let said = Said::nothing();
        said.then(Ok(&[dead, there, dead]));
        let address = said.named();
        assert_eq!(reached(&address).await, Ok(there));
        assert_eq!(reached(&address).await, Ok(there));
        assert_eq!(address.since(), 0);
    }

    #[tokio::test]
    async fn without_a_resolver_the_last_known_addresses_stay() {
        let (_listener, there) = listening().await;
        let said = Said::nothing();
        said.then(Ok(&[there]));
        let address = said.named();
        assert_eq!(reached(&address).await, Ok(there));
        for nothing in [Err(ErrorKind::TimedOut), Ok(&[] as &[SocketAddr]), Err(ErrorKind::NotFound)] {
            said.then(nothing);
            looked_up(&address).await;
            assert_eq!(reached(&address).await, Ok(there), "{nothing:?}");
            assert_eq!(address.since(), 0, "its connections are good");
        }
    }

    #[tokio::test]
    async fn a_name_that_was_never_known_is_a_fault_of_dns_until_it_is() {
        let (_listener, there) = listening().await;
        let said = Said::nothing();
        let address = said.named();
        assert_eq!(reached(&address).await, Err(ConnectFault::Dns));
        said.then(Ok(&[there]));
        looked_up(&address).await;
        assert_eq!(reached(&address).await, Ok(there));
    }

    #[tokio::test]
    async fn who_moves_is_followed_and_what_they_left_is_not_used() {
        let ((_one, before), (_other, after), (gone, dead)) = (listening().await, listening().await, listening().await);
        drop(gone);
        let said = Said::nothing();
        said.then(Ok(&[before]));
        let address = said.named();
        assert_eq!(reached(&address).await, Ok(before));
        said.then(Ok(&[after]));
        looked_up(&address).await;
        assert_eq!(address.since(), 1, "connections of before are not used again");
        assert_eq!(reached(&address).await, Ok(after));
        said.then(Ok(&[dead]));
        looked_up(&address).await;
        assert_eq!(reached(&address).await, Err(ConnectFault::Refused), "it may be somebody else's by now");
    }
}
