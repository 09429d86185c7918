//! A fault proxy: stands before one server, and breaks as networks and what is behind them do.
//!
//! Breaking also breaks the connections that stand, so that no pool can go on as if nothing had happened. A proxy
//! counts who touches it while it is broken: a test that never touched what it broke has tested nothing.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpSocket, TcpStream},
    sync::watch,
    task::JoinHandle,
};
use tokio_rustls::TlsAcceptor;

use crate::authority::Authority;

/// A fault proxy before one server. Dropping it closes it for good.
pub struct FaultProxy {
    address: SocketAddr,
    secure: bool,
    condition: watch::Sender<Condition>,
    applied: watch::Receiver<u64>,
    touched: Arc<AtomicUsize>,
    accepting: JoinHandle<()>,
}

/// How a proxy, or what answers behind it, can be broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Break {
    /// Nobody listens: the connection is refused. The proxy cannot count who tried.
    Refused,
    /// The connection is reset once a request was sent.
    Reset,
    /// The connection is accepted, the request read, and nothing ever said.
    Hang,
    /// An answer comes, a byte every tenth of a second.
    Drip,
    /// An answer begins, and is cut in the middle of its body.
    Half,
    /// What comes back is not HTTP.
    Garble,
    /// An answer with this status, as a proxy's or a framework's error page.
    Status(u16),
    /// 401 that asks for a credential in this scheme (RFC 9110 §11.6.1), as a server behind the service does.
    Challenge(&'static str),
    /// 401 that does not say in which scheme.
    NoChallenge,
    /// 200 with a page that has nothing to do with the question.
    Nonsense,
    /// 200 with a key set (RFC 7517) that has no keys.
    EmptySet,
    /// A redirect to somebody's login page.
    LoginRedirect,
    /// A certificate for this address that no authority of ours signed. Only where the proxy speaks TLS.
    WrongCertificate,
}

/// What `Status(429)` says how long to wait.
pub const RETRY_AFTER: Duration = Duration::from_secs(30);

#[derive(Clone, Copy, Default)]
struct Condition {
    generation: u64,
    broken: Option<Break>,
}

/// What a connection needs to know.
#[derive(Clone)]
struct Line {
    target: SocketAddr,
    condition: watch::Receiver<Condition>,
    touched: Arc<AtomicUsize>,
    tls: Option<(TlsAcceptor, TlsAcceptor)>,
}

/// A connection from the client's side, plain or under TLS.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

impl Break {
    /// Its name in the matrix.
    pub fn name(self) -> String {
        match self {
            Self::Status(status) => status.to_string(),
            Self::Challenge(scheme) => format!("401-{scheme}").to_lowercase(),
            Self::NoChallenge => "401-without-challenge".to_owned(),
            other => format!("{other:?}").to_lowercase(),
        }
    }
}

impl FaultProxy {
    /// A healthy plain proxy to `target`.
    ///
    /// # Errors
    /// No port can be listened on.
    pub async fn to(target: SocketAddr) -> io::Result<Self> {
        Self::start(target, None).await
    }

    /// A healthy proxy to `target` that speaks TLS towards clients, with a certificate of `authority`.
    ///
    /// # Errors
    /// No port can be listened on.
    pub async fn secure(target: SocketAddr, authority: &Authority) -> io::Result<Self> {
        Self::start(target, Some((authority.acceptor(), authority.impostor()))).await
    }

    async fn start(target: SocketAddr, tls: Option<(TlsAcceptor, TlsAcceptor)>) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let (condition, watched) = watch::channel(Condition::default());
        let (apply, applied) = watch::channel(0);
        let touched = Arc::new(AtomicUsize::new(0));
        let secure = tls.is_some();
        let line = Line { target, condition: watched, touched: touched.clone(), tls };
        let accepting = tokio::spawn(accept(listener, address, line, apply));
        Ok(Self { address, secure, condition, applied, touched, accepting })
    }

    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The same as the base of an address: scheme, host and port.
    pub fn base(&self) -> String {
        format!("{}://{}", if self.secure { "https" } else { "http" }, self.address)
    }

    /// Breaks it, and counts from zero who touches it.
    pub async fn break_with(&self, how: Break) {
        self.touched.store(0, Ordering::SeqCst);
        self.change(Some(how)).await;
    }

    /// Heals it. Connections that were broken are closed.
    pub async fn heal(&self) {
        self.change(None).await;
    }

    /// How many requests or connections met the break since it was broken.
    pub fn touched(&self) -> usize {
        self.touched.load(Ordering::SeqCst)
    }

    async fn change(&self, broken: Option<Break>) {
        let mut generation = 0;
        self.condition.send_modify(|condition| {
            generation = condition.generation + 1;
            *condition = Condition { generation, broken };
        });
        // An acceptor that is gone has cut the proxy for good, which is no reason to wait for it.
        let _ = self.applied.clone().wait_for(|applied| *applied >= generation).await;
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Accepts while the proxy is whole; while it refuses, holds the port without listening on it.
async fn accept(listener: TcpListener, address: SocketAddr, line: Line, apply: watch::Sender<u64>) {
    let mut condition = line.condition.clone();
    let mut listener = Some(listener);
    loop {
        let now = *condition.borrow_and_update();
        if now.broken == Some(Break::Refused) {
            drop(listener.take());
            let held = hold(address).await;
            apply.send_replace(now.generation);
            if condition.changed().await.is_err() {
                return;
            }
            listener = Some(held.listen(1024).expect("a held port can be listened on"));
            continue;
        }
        apply.send_replace(now.generation);
        let Some(open) = &listener else { return };
        tokio::select! {
            changed = condition.changed() => if changed.is_err() { return },
            accepted = open.accept() => if let Ok((stream, _)) = accepted {
                tokio::spawn(carry(stream, line.clone()));
            },
        }
    }
}

/// Binds `address` again, so that nobody else gets the port. The listener that was just closed may take a moment.
async fn hold(address: SocketAddr) -> TcpSocket {
    loop {
        let socket = TcpSocket::new_v4().expect("there are sockets left");
        socket.set_reuseaddr(true).expect("a new socket takes options");
        if socket.bind(address).is_ok() {
            return socket;
        }
        tokio::task::yield_now().await;
    }
}

/// Carries one connection until the proxy changes, then breaks it as the proxy is broken.
async fn carry(client: TcpStream, mut line: Line) {
    let _ = client.set_nodelay(true);
    let broken = line.condition.borrow_and_update().broken;
    let resetting = client.set_zero_linger().is_ok();
    debug_assert!(resetting, "a connection can be told to reset when it is dropped");
    let Some((acceptor, impostor)) = line.tls.clone() else { return converse(client, line, broken).await };
    let acceptor = if broken == Some(Break::WrongCertificate) {
        line.touched.fetch_add(1, Ordering::SeqCst);
        impostor
    } else {
        acceptor
    };
    if let Ok(stream) = acceptor.accept(client).await {
        converse(stream, line, broken).await;
    }
}

async fn converse(mut client: impl Stream, mut line: Line, broken: Option<Break>) {
    let broken = match broken {
        Some(how) => how,
        None => {
            let Ok(mut server) = TcpStream::connect(line.target).await else { return };
            let _ = server.set_nodelay(true);
            tokio::select! {
                // First, so that nothing is carried that came after the break.
                biased;
                changed = line.condition.changed() => if changed.is_err() { return },
                _ = copy_bidirectional(&mut client, &mut server) => return,
            }
            match line.condition.borrow_and_update().broken {
                Some(how) => how,
                None => return,
            }
        }
    };
    if matches!(broken, Break::Refused | Break::WrongCertificate) {
        return;
    }
    let mut condition = line.condition.clone();
    tokio::select! {
        () = fail(client, broken, &line.touched) => {}
        _ = condition.changed() => {}
    }
}

/// Waits for a request, and treats it as the break says. The connection is reset when this returns, since it is set to.
async fn fail(mut client: impl Stream, how: Break, touched: &AtomicUsize) {
    let Some(request) = read_head(&mut client).await else { return };
    touched.fetch_add(1, Ordering::SeqCst);
    match how {
        Break::Refused | Break::Reset | Break::WrongCertificate => {}
        Break::Hang => std::future::pending().await,
        Break::Drip => drip(&mut client).await,
        Break::Half => {
            let half = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 4000\r\n\r\n{\"keys\": [{\"kty\":";
            say(&mut client, half).await;
        }
        Break::Garble => say(&mut client, "\u{1}\u{2}SSH-2.0-OpenSSH_9.2\r\n\r\n\u{0}\u{7f}garble\r\n").await,
        Break::Status(status) => say(&mut client, &error_page(status)).await,
        Break::Challenge(scheme) => {
            let challenge = format!("WWW-Authenticate: {scheme} realm=\"intranet\"\r\n");
            say(&mut client, &page(UNAUTHORIZED, &challenge, WRONG)).await;
        }
        Break::NoChallenge => say(&mut client, &page(UNAUTHORIZED, "", WRONG)).await,
        Break::Nonsense => say(&mut client, &page("200 OK", "", "<h1>Welcome to nginx!</h1>")).await,
        Break::EmptySet => {
            let empty =
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 11\r\nConnection: close\r\n\r\n";
            say(&mut client, &format!("{empty}{{\"keys\":[]}}")).await;
        }
        Break::LoginRedirect => {
            let to = format!("Location: /accounts/login?next={}\r\n", request.len());
            say(&mut client, &page("302 Found", &to, "<h1>Please sign in</h1>")).await;
        }
    }
}

/// Reads until the end of a request's head; `None` if the client went away before it said anything.
async fn read_head(client: &mut impl Stream) -> Option<Vec<u8>> {
    let mut head = Vec::new();
    let mut some = [0; 4096];
    loop {
        let read = client.read(&mut some).await.ok().filter(|read| *read > 0)?;
        head.extend_from_slice(&some[..read]);
        if head.windows(4).any(|end| end == b"\r\n\r\n") || head.len() > 64 * 1024 {
            return Some(head);
        }
    }
}

/// Says something whole, and waits for the client to close, so that the reset cannot overtake the answer.
async fn say(client: &mut impl Stream, answer: &str) {
    let _ = client.write_all(answer.as_bytes()).await;
    let _ = client.shutdown().await;
    let mut rest = [0; 4096];
    while client.read(&mut rest).await.is_ok_and(|read| read > 0) {}
}

async fn drip(client: &mut impl Stream) {
    let mut every = tokio::time::interval(Duration::from_millis(100));
    let endless = b"HTTP/1.1 200 OK\r\nServer: ".iter().chain(b"drip, ".iter().cycle());
    for byte in endless {
        every.tick().await;
        if client.write_all(&[*byte]).await.is_err() {
            return;
        }
    }
}

const ASK_LATER: &str = "Retry-After: 30\r\n";
const UNAUTHORIZED: &str = "401 Unauthorized";
const WRONG: &str = "<h1>Something is wrong here</h1>";

fn error_page(status: u16) -> String {
    let (line, fields) = match status {
        401 => (UNAUTHORIZED, "WWW-Authenticate: Bearer\r\n"),
        403 => ("403 Forbidden", ""),
        429 => ("429 Too Many Requests", ASK_LATER),
        500 => ("500 Internal Server Error", ""),
        _ => ("503 Service Unavailable", ""),
    };
    page(line, fields, WRONG)
}

fn page(line: &str, fields: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {line}\r\n{fields}Content-Type: text/html\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
}
