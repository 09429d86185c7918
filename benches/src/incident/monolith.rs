//! The service behind each gateway: healthy, or half dead as in January 2021.
//!
//! For whom the gateway vouches it believes the gateway: for people at `/app/`, and for tokens at `/api/` if the gateway
//! verifies any. For all others it looks at the credential itself, as it did then: a token and, at `/open/app/`, a session
//! cookie must be ones that it gave out. What it answers while it is half
//! dead depends on the name of the request alone, so that the same request meets the same behind every gateway.

use std::{
    collections::HashSet,
    fmt::Write as _,
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use auth_core::lock::lock;
use bytes::{Buf, BytesMut};
use gateway::demo::january::{Turn, WrongAnswer};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

use super::said::{REQUEST_NAME, Said, Sayings};

/// The longest request head that is read.
const LONGEST_HEAD: usize = 64 * 1024;

/// The cookie of its own sessions.
pub(super) const SESSION_COOKIE: &str = "sessionid";

/// A monolith that runs until this is dropped.
pub(super) struct Monolith {
    address: SocketAddr,
    state: Arc<State>,
    accepting: JoinHandle<()>,
}

struct State {
    are_tokens_verified: bool,
    is_half_dead: AtomicBool,
    /// Every token and session cookie that it gave out.
    given_out: Mutex<HashSet<String>>,
    sayings: Sayings,
    unnamed: AtomicU64,
}

/// What it reads of a request.
#[derive(Debug, Default, PartialEq, Eq)]
struct AskedFor {
    path: String,
    name: Option<String>,
    bearer: Option<String>,
    session: Option<String>,
}

/// What becomes of a request.
#[derive(Debug, PartialEq, Eq)]
enum Reply {
    Sent { status: u16, field: Option<(&'static str, &'static str)>, content_type: &'static str, body: String },
    Hang,
    Reset,
}

impl Monolith {
    /// Listens on a free port of loopback, behind a gateway that verifies tokens or does not.
    ///
    /// # Errors
    /// No port can be had.
    pub(super) async fn start(are_tokens_verified: bool) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let state = Arc::new(State {
            are_tokens_verified,
            is_half_dead: AtomicBool::new(false),
            given_out: Mutex::default(),
            sayings: Sayings::default(),
            unnamed: AtomicU64::new(0),
        });
        let answering = state.clone();
        let accepting = tokio::spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else { continue };
                tokio::spawn(converse(stream, answering.clone()));
            }
        });
        Ok(Self { address, state, accepting })
    }

    /// Where it listens.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Makes it half dead, or heals it.
    pub(super) fn set_half_dead(&self, is_half_dead: bool) {
        self.state.is_half_dead.store(is_half_dead, Ordering::Relaxed);
    }

    /// It knows this token or session cookie from now on.
    pub(super) fn give_out(&self, credential: &str) {
        lock(&self.state.given_out).insert(credential.to_owned());
    }

    /// What it made of each request.
    pub(super) fn sayings(&self) -> &Sayings {
        &self.state.sayings
    }
}

impl Drop for Monolith {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl State {
    fn reply(&self, asked: &AskedFor) -> Reply {
        let reply = match self.turn(asked) {
            Turn::Right => self.right(asked),
            Turn::Wrong(wrong) => Reply::wrong(wrong),
        };
        if let Some(name) = &asked.name {
            self.sayings.note(name, reply.said());
        }
        reply
    }

    fn turn(&self, asked: &AskedFor) -> Turn {
        if !self.is_half_dead.load(Ordering::Relaxed) {
            return Turn::Right;
        }
        Turn::of(match &asked.name {
            Some(name) => number_of(name),
            None => self.unnamed.fetch_add(1, Ordering::Relaxed),
        })
    }

    fn right(&self, asked: &AskedFor) -> Reply {
        let knows = |credential: &Option<String>| {
            credential.as_ref().is_some_and(|credential| lock(&self.given_out).contains(credential))
        };
        if asked.path.ends_with("/pin") {
            return Reply::json(r#"{"pin":"204117"}"#);
        }
        let mut segments = asked.path.split('/').skip(1);
        match (segments.next(), segments.next()) {
            (Some("api"), _) if self.are_tokens_verified || knows(&asked.bearer) => {
                Reply::json(r#"{"calendar":[{"room":"4.12","from":"09:00","to":"09:45","title":"Stand-up"}]}"#)
            }
            (Some("api"), _) => Reply::wrong(WrongAnswer::Unauthorized),
            (Some("app"), _) => Reply::page("<h1>Calendar</h1>"),
            (Some("open"), Some("app")) if knows(&asked.session) => Reply::page("<h1>Calendar</h1>"),
            (Some("open"), Some("app")) => Reply::wrong(WrongAnswer::SignIn),
            _ => Reply::wrong(WrongAnswer::NotFound),
        }
    }
}

impl Reply {
    fn json(body: &str) -> Self {
        Self::Sent { status: 200, field: None, content_type: "application/json", body: body.to_owned() }
    }

    fn page(body: &str) -> Self {
        Self::Sent { status: 200, field: None, content_type: "text/html", body: body.to_owned() }
    }

    /// An answer of the mix. A denial looks the same whether it is true or not: that is what was wrong with it.
    fn wrong(wrong: WrongAnswer) -> Self {
        match wrong.head() {
            Some(head) => Self::Sent {
                status: head.status.as_u16(),
                field: head.field,
                content_type: head.content_type,
                body: head.body.to_owned(),
            },
            None if wrong == WrongAnswer::Hang => Self::Hang,
            None => Self::Reset,
        }
    }

    fn said(&self) -> Said {
        match self {
            Self::Sent { status, .. } => Said::Status(*status),
            Self::Hang | Self::Reset => Said::Nothing,
        }
    }
}

/// Answers one request after the other until the connection ends; what it cannot read ends it.
async fn converse(mut stream: TcpStream, state: Arc<State>) {
    let _ = stream.set_nodelay(true);
    let mut buffer = BytesMut::with_capacity(4096);
    loop {
        let asked = match take_head(&mut buffer) {
            Some(asked) => asked,
            None if buffer.len() <= LONGEST_HEAD && matches!(stream.read_buf(&mut buffer).await, Ok(1..)) => continue,
            None => return,
        };
        match state.reply(&asked) {
            Reply::Sent { status, field, content_type, body } => {
                let mut answer =
                    format!("HTTP/1.1 {status} \r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n", body.len());
                if let Some((name, value)) = field {
                    let _ = write!(answer, "{name}: {value}\r\n");
                }
                let _ = write!(answer, "\r\n{body}");
                if stream.write_all(answer.as_bytes()).await.is_err() {
                    return;
                }
            }
            Reply::Hang => {
                // Until the other side gives up.
                while matches!(stream.read_buf(&mut buffer).await, Ok(1..)) {
                    buffer.clear();
                }
                return;
            }
            Reply::Reset => {
                let _ = stream.set_zero_linger();
                return;
            }
        }
    }
}

/// The head at the start of `buffer`, taken out of it. Nobody here sends bodies.
fn take_head(buffer: &mut BytesMut) -> Option<AskedFor> {
    let mut fields = [httparse::EMPTY_HEADER; 64];
    let mut head = httparse::Request::new(&mut fields);
    let Ok(httparse::Status::Complete(length)) = head.parse(buffer) else { return None };
    let path = head.path.unwrap_or_default().split('?').next().unwrap_or_default();
    let mut asked = AskedFor { path: path.to_owned(), ..AskedFor::default() };
    for field in head.headers {
        let value = || String::from_utf8_lossy(field.value).trim().to_owned();
        if field.name.eq_ignore_ascii_case(REQUEST_NAME) {
            asked.name = Some(value());
        } else if field.name.eq_ignore_ascii_case("authorization") {
            asked.bearer = value().strip_prefix("Bearer ").map(ToOwned::to_owned);
        } else if field.name.eq_ignore_ascii_case("cookie") {
            let value = value();
            let mut pairs = value.split(';').filter_map(|pair| pair.trim().split_once('='));
            asked.session = pairs.find(|(name, _)| *name == SESSION_COOKIE).map(|(_, value)| value.to_owned());
        }
    }
    buffer.advance(length);
    Some(asked)
}

/// A number for `name`, the same wherever it is asked (FNV-1a).
pub(super) fn number_of(name: &str) -> u64 {
    name.bytes().fold(0xCBF2_9CE4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn state(are_tokens_verified: bool) -> State {
        State {
            are_tokens_verified,
            is_half_dead: AtomicBool::new(false),
            given_out: Mutex::new(["good".to_owned()].into()),
            sayings: Sayings::default(),
            unnamed: AtomicU64::new(0),
        }
    }

    fn asked(path: &str, credential: &str) -> AskedFor {
        let credential = Some(credential.to_owned());
        AskedFor { path: path.to_owned(), bearer: credential.clone(), session: credential, ..AskedFor::default() }
    }

    #[test]
    fn it_believes_who_vouches_and_looks_itself_where_nobody_does() {
        let check = |verified: bool, path, credential, status| {
            let said = state(verified).reply(&asked(path, credential)).said();
            assert_eq!(said, Said::Status(status), "{path} {credential}, tokens are verified: {verified}");
        };
        for verified in [false, true] {
            check(verified, "/api/calendar", "good", 200);
            check(verified, "/app/calendar", "of the gateway", 200);
            check(verified, "/open/app/calendar", "good", 200);
            check(verified, "/open/app/calendar", "bad", 302);
            check(verified, "/open/device/pin", "bad", 200);
            check(verified, "/else", "good", 404);
        }
        check(false, "/api/calendar", "bad", 401);
        check(true, "/api/calendar", "bad", 200);
    }

    #[test]
    fn half_dead_it_answers_the_same_request_in_the_same_way() {
        const REQUESTS: usize = 20_000;
        let replay = || {
            let state = state(true);
            state.is_half_dead.store(true, Ordering::Relaxed);
            let ask = |index| {
                let name = Some(format!("display-{}-{}", index % 200, index / 200));
                state.reply(&AskedFor { name, ..asked("/api/calendar", "good") })
            };
            (0..REQUESTS).map(ask).collect::<Vec<_>>()
        };
        let replies = replay();
        assert_eq!(replies, replay());
        let right = replies.iter().filter(|reply| **reply == Reply::json_calendar()).count();
        assert!((7_600..8_400).contains(&right), "{right} of {REQUESTS} are right");
        let mut met: HashMap<String, usize> = HashMap::new();
        for reply in &replies {
            *met.entry(format!("{reply:?}")).or_default() += 1;
        }
        assert_eq!(met.len(), 1 + WrongAnswer::ALL.len(), "every kind comes: {met:#?}");
    }

    impl Reply {
        fn json_calendar() -> Self {
            state(true).right(&asked("/api/calendar", "good"))
        }
    }

    #[test]
    fn a_request_is_read() {
        let sent = "GET /api/calendar?x HTTP/1.1\r\nHost: a\r\nX-Oracle: display-1-2\r\nAuthorization: Bearer t.t\r\n\
                    Cookie: a=b; sessionid=s\r\n\r\nGET";
        let mut buffer = BytesMut::from(sent);
        let expected = AskedFor {
            path: "/api/calendar".into(),
            name: Some("display-1-2".into()),
            bearer: Some("t.t".into()),
            session: Some("s".into()),
        };
        assert_eq!(take_head(&mut buffer), Some(expected));
        assert_eq!(take_head(&mut buffer), None);
        assert_eq!(&buffer[..], b"GET");
    }
}
