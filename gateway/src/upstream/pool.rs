//! A worker's own connections to endpoints: the idle ones, the last used first.
//!
//! A pool belongs to one worker, so taking and keeping a connection takes no lock. How many requests may be at an
//! endpoint at once is for [`Endpoint`], since workers share that. Where nobody holds the endpoint any more, its pool goes
//! at the next sweep.

use std::{
    cell::RefCell,
    collections::{HashMap, VecDeque},
    rc::Rc,
    sync::{Arc, Weak},
    time::Duration,
};

use tokio::{sync::Mutex, task::spawn_local, time::Instant};
use tower::retry::budget::{Budget, TpsBudget};

use super::{
    connection::{Connection, SharedConnection},
    endpoint::{Endpoint, EndpointId, EndpointSlot},
};
use crate::body::{Slot, Upload};

/// How long a connection is kept idle: shorter than the shortest keep-alive in common use (Node's 5 s), so that the
/// endpoint seldom closes one just as we use it.
const KEEP: Duration = Duration::from_secs(4);

/// How many idle connections to one endpoint a worker keeps.
const KEEP_AT_MOST: usize = 64;

/// The upstream connections of one worker.
#[derive(Default)]
pub struct Pools(RefCell<HashMap<EndpointId, Pool>>);

struct Pool {
    endpoint: Weak<Endpoint>,
    idle: VecDeque<Idle>,
    /// Those by HTTP/2, which requests share.
    shared: Vec<SharedConnection>,
    /// Held by whoever opens one of these.
    opening: Rc<Mutex<()>>,
    budget: TpsBudget,
}

struct Idle {
    connection: Connection,
    since: Instant,
}

/// A connection out of its pool, while the answer's body flows, or the request's.
pub(super) struct CheckedOut {
    pub(super) pools: Rc<Pools>,
    pub(super) connection: Connection,
    pub(super) slot: EndpointSlot,
    pub(super) upload: Rc<Upload>,
    /// How long the request's body may stand still.
    pub(super) idle_body: Duration,
}

impl Pools {
    /// Pools without a connection. To be used on the thread that makes them.
    pub fn new() -> Rc<Self> {
        Rc::new(Self::default())
    }

    /// The connection to `endpoint` that was used last, if one is still good. Counts a request for the retry budget.
    pub(super) fn reuse(&self, endpoint: &Arc<Endpoint>) -> Option<Connection> {
        let mut pools = self.0.borrow_mut();
        let pool = Pool::of(endpoint, &mut pools);
        pool.budget.deposit();
        let now = Instant::now();
        if let Some(shared) = pool.join(endpoint, now) {
            return Some(shared);
        }
        while let Some(Idle { connection, since }) = pool.idle.pop_back() {
            if connection.is_ready() && now < since + KEEP && connection.is_current(endpoint) {
                return Some(connection.reused());
            }
        }
        None
    }

    /// A part of a connection to `endpoint` that others have, if there is one with room.
    pub(super) fn join(&self, endpoint: &Arc<Endpoint>) -> Option<Connection> {
        Pool::of(endpoint, &mut self.0.borrow_mut()).join(endpoint, Instant::now())
    }

    /// Others may share `connection`, if it is of that kind.
    pub(super) fn share(&self, endpoint: &Arc<Endpoint>, connection: &Connection) {
        Pool::of(endpoint, &mut self.0.borrow_mut()).shared.extend(connection.shared());
    }

    /// Held by whoever opens a connection to `endpoint` that is to be shared, so that others wait for it instead of opening
    /// theirs.
    pub(super) fn opening(&self, endpoint: &Arc<Endpoint>) -> Rc<Mutex<()>> {
        Pool::of(endpoint, &mut self.0.borrow_mut()).opening.clone()
    }

    /// Whether the budget allows one more replay at `endpoint`.
    pub(super) fn may_replay(&self, endpoint: &Arc<Endpoint>) -> bool {
        Pool::of(endpoint, &mut self.0.borrow_mut()).budget.withdraw()
    }

    /// Closes what has been idle for too long, and what leads to an address that an endpoint has left or to endpoints that
    /// nobody holds. To be called now and then.
    pub fn sweep(&self) {
        let now = Instant::now();
        self.0.borrow_mut().retain(|_, pool| {
            let Some(endpoint) = pool.endpoint.upgrade() else { return false };
            pool.idle.retain(|Idle { connection, since }| {
                now < *since + KEEP && !connection.is_closed() && connection.is_current(&endpoint)
            });
            pool.shared.retain(|shared| shared.is_good(&endpoint, now));
            true
        });
    }

    fn keep(&self, endpoint: &Arc<Endpoint>, connection: Connection) {
        if connection.is_closed() {
            return;
        }
        let mut pools = self.0.borrow_mut();
        let pool = Pool::of(endpoint, &mut pools);
        if pool.idle.len() == KEEP_AT_MOST {
            pool.idle.pop_front();
        }
        pool.idle.push_back(Idle { connection, since: Instant::now() });
    }
}

impl Slot for CheckedOut {
    fn finished(self: Box<Self>) {
        let Self { pools, mut connection, slot, upload, idle_body } = *self;
        if connection.may_serve_again() {
            pools.keep(slot.endpoint(), connection);
        } else if upload.is_under_way() {
            spawn_local(async move {
                connection.send_the_rest(&upload, idle_body).await;
                drop(slot);
            });
        }
    }
}

impl Pool {
    fn join(&mut self, endpoint: &Endpoint, now: Instant) -> Option<Connection> {
        self.shared.retain(|shared| shared.is_good(endpoint, now));
        self.shared.iter().find_map(SharedConnection::begin)
    }

    /// The pool of `endpoint`.
    fn of<'p>(endpoint: &Arc<Endpoint>, pools: &'p mut HashMap<EndpointId, Self>) -> &'p mut Self {
        pools.entry(endpoint.id()).or_insert_with(|| Self {
            endpoint: Arc::downgrade(endpoint),
            idle: VecDeque::new(),
            shared: Vec::new(),
            opening: Rc::default(),
            // One replay for five requests, and ten a second in any case: a restart of the endpoint breaks every idle
            // connection at once, and that must not double its load.
            budget: TpsBudget::new(Duration::from_secs(10), 10, 0.2),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use auth_core::background::Background;
    use http::Request;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
        task::LocalSet,
    };

    use super::{
        super::{address::Resolver, endpoint::Endpoints},
        *,
    };
    use crate::{
        body::Body,
        config::{self, Config},
    };

    /// An endpoint that answers `times` requests on each connection and then closes it.
    async fn endpoint(times: usize) -> Arc<Endpoint> {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        spawn_local(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                spawn_local(async move {
                    let mut buffer = [0; 1024];
                    for _ in 0..times {
                        if stream.read(&mut buffer).await.unwrap_or(0) == 0 {
                            return;
                        }
                        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
                    }
                });
            }
        });
        let text = format!(
            "[server]\npublic_url = \"http://localhost\"\n[upstreams.m]\nendpoints = [\"http://{address}\"]\n[[routes]]\npath = \"/\"\nupstream = \"m\"\nallow = [\"anyone\"]\n"
        );
        let parsed = config::parse(&text, std::path::Path::new("."), config::Secrets::Read(&|_| None));
        let Config { upstreams, .. } = parsed.expect("a configuration");
        let upstreams: BTreeMap<_, _> = upstreams;
        let upstream = upstreams.get("m").expect("it is there").clone();
        let endpoints = Endpoints::new(Background::current(), auth_core::clock::Clock::system(), Resolver::system());
        endpoints.get(&upstream, &upstream.endpoints[0])
    }

    fn request() -> Request<Body> {
        Request::builder().uri("/").header("host", "x").body(Body::empty()).expect("a request")
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(5)
    }

    #[tokio::test]
    async fn a_connection_that_has_answered_serves_again() {
        let test = async {
            let (endpoint, pools) = (endpoint(2).await, Pools::new());
            assert!(pools.reuse(&endpoint).is_none(), "nothing is there yet");
            let mut connection = Connection::open(&endpoint, soon()).await.expect("it listens");
            connection
                .send(request(), &Upload::of_nothing())
                .await
                .map_err(|failure| failure.error)
                .expect("an answer");
            pools.keep(&endpoint, connection);
            let mut again = pools.reuse(&endpoint).expect("it was kept");
            assert!(again.reused);
            assert!(pools.reuse(&endpoint).is_none(), "one cannot be taken twice");
            again.send(request(), &Upload::of_nothing()).await.map_err(|failure| failure.error).expect("an answer");
        };
        LocalSet::new().run_until(test).await;
    }

    #[tokio::test]
    async fn a_connection_that_its_endpoint_closed_is_stale_and_not_kept() {
        let test = async {
            let (endpoint, pools) = (endpoint(1).await, Pools::new());
            let mut connection = Connection::open(&endpoint, soon()).await.expect("it listens");
            connection
                .send(request(), &Upload::of_nothing())
                .await
                .map_err(|failure| failure.error)
                .expect("an answer");
            connection.reused = true;
            let failure = connection.send(request(), &Upload::of_nothing()).await.expect_err("the endpoint closed it");
            assert!(!connection.heard_anything() || failure.unsent.is_some(), "{}", failure.error);
            pools.keep(&endpoint, connection);
            assert!(pools.reuse(&endpoint).is_none());
        };
        LocalSet::new().run_until(test).await;
    }

    #[tokio::test]
    async fn a_pool_goes_with_its_endpoint() {
        let test = async {
            let (endpoint, staying, pools) = (endpoint(2).await, endpoint(2).await, Pools::new());
            for endpoint in [&endpoint, &staying] {
                let mut connection = Connection::open(endpoint, soon()).await.expect("it listens");
                connection
                    .send(request(), &Upload::of_nothing())
                    .await
                    .map_err(|failure| failure.error)
                    .expect("an answer");
                pools.keep(endpoint, connection);
            }
            pools.sweep();
            let connections = || pools.0.borrow().values().map(|pool| pool.idle.len()).sum::<usize>();
            assert_eq!(connections(), 2, "somebody holds both");
            drop(endpoint);
            pools.sweep();
            assert_eq!((pools.0.borrow().len(), connections()), (1, 1));
            assert!(pools.reuse(&staying).is_some());
        };
        LocalSet::new().run_until(test).await;
    }
}
