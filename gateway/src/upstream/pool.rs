//! A worker's own connections to endpoints: the idle ones, the last used first.
//!
//! A pool belongs to one worker, so taking and keeping a connection takes no lock. How many requests may be at an
//! endpoint at once is for [`Endpoint`], since workers share that. Where nobody holds the endpoint any more, its pool goes
//! at the next sweep.

use std::{
    cell::RefCell,
    collections::{HashMap, VecDeque},
    io,
    pin::Pin,
    rc::Rc,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use http::{Request, Response};
use hyper::{
    body::Incoming,
    client::conn::http1::{Builder, SendRequest},
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    task::spawn_local,
    time::{Instant, timeout_at},
};
use tokio_util::task::AbortOnDropHandle;
use tower::retry::budget::{Budget, TpsBudget};

use super::endpoint::{Endpoint, EndpointId, EndpointSlot};
use crate::{
    body::{Body, Delivery, Slot, Upload},
    fault::Fault,
};

/// How long a connection is kept idle: shorter than the shortest keep-alive in common use (Node's 5 s), so that the
/// endpoint seldom closes one just as we use it.
const KEEP: Duration = Duration::from_secs(4);

/// How many idle connections to one endpoint a worker keeps.
const KEEP_AT_MOST: usize = 64;

/// The largest head of an answer, in bytes, and the most it may hold back before its reader takes it.
const MAX_HEAD: usize = 64 * 1024;

/// The upstream connections of one worker.
#[derive(Default)]
pub struct Pools(RefCell<HashMap<EndpointId, Pool>>);

struct Pool {
    endpoint: Weak<Endpoint>,
    idle: VecDeque<Idle>,
    budget: TpsBudget,
}

struct Idle {
    connection: Connection,
    since: Instant,
}

/// A connection to an endpoint, taken by one request.
pub(super) struct Connection {
    sender: SendRequest<Body>,
    wire: Arc<Wire>,
    reused: bool,
    /// hyper would keep the connection of a request that nobody waits for any more, for as long as the endpoint takes
    /// none of its body: it ends with this.
    _carrying: AbortOnDropHandle<()>,
}

/// Why a request got no answer.
pub(super) struct SendFailure {
    /// What the connection said.
    pub(super) error: hyper::Error,
    /// The request, if nothing of it was ever written.
    pub(super) unsent: Option<Box<Request<Body>>>,
    /// Whether it is certain that no byte of an answer came, on a connection that had served before: then the endpoint
    /// closed it as idle.
    pub(super) stale: bool,
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

/// What a connection and its socket tell each other about the request that is under way.
#[derive(Default)]
struct Wire {
    /// Whether anything has come since the request was handed over.
    heard: AtomicBool,
    /// Whether some of it came before the request had gone to its last byte.
    early: AtomicBool,
    request: Arc<Delivery>,
}

/// A socket that knows what came, and when. It is `Send`, as hyper wants of a connection that may become a tunnel.
struct Socket<T> {
    stream: T,
    wire: Arc<Wire>,
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
        while let Some(Idle { connection, since }) = pool.idle.pop_back() {
            if connection.sender.is_ready() && now < since + KEEP {
                return Some(Connection { reused: true, ..connection });
            }
        }
        None
    }

    /// Whether the budget allows one more replay at `endpoint`.
    pub(super) fn may_replay(&self, endpoint: &Arc<Endpoint>) -> bool {
        Pool::of(endpoint, &mut self.0.borrow_mut()).budget.withdraw()
    }

    /// Closes what has been idle for too long, and what leads to endpoints that nobody holds. To be called now and then.
    pub fn sweep(&self) {
        let now = Instant::now();
        self.0.borrow_mut().retain(|_, pool| {
            pool.idle.retain(|idle| now < idle.since + KEEP && !idle.connection.sender.is_closed());
            pool.endpoint.strong_count() > 0
        });
    }

    fn keep(&self, endpoint: &Arc<Endpoint>, connection: Connection) {
        if connection.sender.is_closed() {
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

impl Connection {
    /// Opens a connection to `endpoint`.
    ///
    /// # Errors
    /// A fault of connecting, at `deadline` at the latest.
    pub(super) async fn open(endpoint: &Endpoint, deadline: Instant) -> Result<Self, Fault> {
        let stream = endpoint.connect(deadline).await?;
        Self::over(stream).await.map_err(|error| Fault::UpstreamReset(endpoint.at(&error.to_string())))
    }

    /// A connection that speaks HTTP over `stream`.
    async fn over(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> hyper::Result<Self> {
        let wire = Arc::<Wire>::default();
        let socket = Socket { stream, wire: wire.clone() };
        let (sender, connection) = Builder::new()
            .max_header_size(MAX_HEAD)
            .max_buf_size(MAX_HEAD + 8 * 1024)
            .handshake(TokioIo::new(socket))
            .await?;
        let carrying = AbortOnDropHandle::new(spawn_local(async move {
            // Whoever waits for an answer is told; an idle connection that ends needs no word.
            let _ = connection.await;
        }));
        Ok(Self { sender, wire, reused: false, _carrying: carrying })
    }

    /// Sends `request`, whose body `upload` tells about; the answer's head. Dropping the connection closes it, whatever is
    /// under way.
    ///
    /// # Errors
    /// [`SendFailure`] if no answer comes.
    pub(super) async fn send(
        &mut self,
        request: Request<Body>,
        upload: &Upload,
    ) -> Result<Response<Incoming>, SendFailure> {
        self.wire.expect(upload);
        self.sender.try_send_request(request).await.map_err(|mut failure| {
            let unsent = failure.take_message().map(Box::new);
            let stale = self.reused && !self.wire.heard.load(Ordering::Relaxed);
            SendFailure { unsent, error: failure.into_error(), stale }
        })
    }

    /// Whether the next request may go on this connection. Not where the endpoint spoke before it had been sent the last
    /// byte of the one before: it may take the rest of that for a request.
    fn may_serve_again(&self) -> bool {
        #[cfg(candor_mutants)]
        if auth_core::mutants::is("early-answer-pooled") {
            return true;
        }
        !self.wire.early.load(Ordering::Relaxed)
    }

    /// Waits until the rest of an upload has gone, or stands still for `idle`, or the connection ends.
    async fn send_the_rest(&mut self, upload: &Upload, idle: Duration) {
        loop {
            let deadline = upload.moved() + idle;
            if timeout_at(deadline, self.sender.ready()).await.is_ok() || upload.moved() + idle <= Instant::now() {
                return;
            }
        }
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

impl Wire {
    /// A request is about to be handed over.
    fn expect(&self, upload: &Upload) {
        self.heard.store(false, Ordering::Relaxed);
        self.early.store(false, Ordering::Relaxed);
        upload.follow(self.request.clone());
    }

    /// Something came.
    fn hear(&self) {
        self.heard.store(true, Ordering::Relaxed);
        if !self.request.is_sent() {
            self.early.store(true, Ordering::Relaxed);
        }
    }

    /// Everything that hyper had to write was written.
    fn flushed(&self) {
        self.request.flushed();
    }
}

impl Pool {
    /// The pool of `endpoint`.
    fn of<'p>(endpoint: &Arc<Endpoint>, pools: &'p mut HashMap<EndpointId, Self>) -> &'p mut Self {
        pools.entry(endpoint.id()).or_insert_with(|| Self {
            endpoint: Arc::downgrade(endpoint),
            idle: VecDeque::new(),
            // One replay for five requests, and ten a second in any case: a restart of the endpoint breaks every idle
            // connection at once, and that must not double its load.
            budget: TpsBudget::new(Duration::from_secs(10), 10, 0.2),
        })
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Socket<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        if buf.filled().len() > before {
            self.wire.hear();
        }
        read
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Socket<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        if matches!(flushed, Poll::Ready(Ok(()))) {
            // hyper flushes once its own buffer is empty.
            self.wire.flushed();
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
        task::LocalSet,
    };

    use super::{super::endpoint::Endpoints, *};
    use crate::config::{self, Config};

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
        Endpoints::default().get(&upstream, &upstream.endpoints[0])
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
    async fn a_request_goes_over_any_transport() {
        fn is_send<T: Send>(_: &T) {}
        let test = async {
            let (ours, mut theirs) = tokio::io::duplex(4096);
            is_send(&Socket { stream: tokio::io::duplex(1).0, wire: Arc::default() });
            let mut connection = Connection::over(ours).await.expect("nothing is written yet");
            let answers = spawn_local(async move {
                let mut asked = Vec::new();
                while !asked.ends_with(b"\r\n\r\n") {
                    assert!(theirs.read_buf(&mut asked).await.expect("it is open") > 0, "it ends too early");
                }
                theirs.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.expect("it is open");
                (theirs, asked)
            });
            let answer = connection.send(request(), &Upload::of_nothing()).await.map_err(|failure| failure.error);
            assert_eq!(answer.expect("an answer").status(), 204);
            assert!(connection.may_serve_again(), "the answer came when the request had gone");
            let (_open, asked) = answers.await.expect("it did not panic");
            assert_eq!(String::from_utf8_lossy(&asked), "GET / HTTP/1.1\r\nhost: x\r\n\r\n");
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
            let lost = connection.send(request(), &Upload::of_nothing()).await.expect_err("the endpoint closed it");
            assert!(lost.stale || lost.unsent.is_some(), "{}", lost.error);
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
