//! A pretend legacy service, which believes the identity headers it is sent, and remembers them.
//!
//! It answers with what it saw; it can be broken in the ways that the real one was in January 2021.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use auth_core::lock::lock;
use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::Full;
use serde_json::{Value, json};

use super::{
    displays::{Displays, LegacyDisplay},
    january::{Turn, WrongAnswer},
    portal,
    server::{DemoServer, without_answer},
};

/// The header by which a test finds its request again.
pub const ORACLE: &str = "x-oracle";

/// A pretend legacy service, running until this is dropped.
pub struct Monolith {
    server: DemoServer,
    state: Arc<State>,
}

/// What it does with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It answers: a page to who wants HTML, JSON to all others.
    Healthy,
    /// It resets every connection.
    Down,
    /// It answers 500.
    Failing,
    /// It answers 401, whoever asks.
    DenyAll,
    /// It gives this answer to everything.
    Answering(WrongAnswer),
    /// It answers as it should, but for the device tokens of this tenant, which it denies cleanly: the tenant's own
    /// database came back empty.
    DeadShard(&'static str),
    /// It never answers.
    Hanging,
    /// It answers 200 with a page, whatever was wanted.
    Html,
    /// It answers who is named to it, and denies all others in this way: for a page that it thinks is not public.
    DemandsName(DenialMode),
    /// January 2021: two in five right, the others anything ([`super::january`]), by turns that look random.
    January2021,
}

/// How it denies somebody whom nobody names to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DenialMode {
    /// 401.
    Unauthorized,
    /// 403.
    Forbidden,
    /// A redirect to its own sign-in page.
    SignIn,
}

/// A request that reached the monolith.
#[derive(Clone, Debug)]
pub struct SeenRequest {
    /// The value of the header [`ORACLE`], if it carried one.
    pub oracle: Option<String>,
    /// Its method.
    pub method: String,
    /// Its target, byte for byte.
    pub target: String,
    /// Its header fields in order, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: Bytes,
}

struct State {
    mode: Mutex<Mode>,
    seen: Mutex<Vec<SeenRequest>>,
    displays: Displays,
    turn: AtomicU64,
    /// How many it denied since its mode was set.
    denied: AtomicUsize,
    /// Where its pages lead back to.
    home: Mutex<Option<String>>,
}

/// The monolith keeps this many of the last requests.
const KEPT: usize = 20_000;

impl Monolith {
    /// Starts one on `listen`; port 0 chooses one.
    ///
    /// # Errors
    /// The address cannot be listened on.
    pub async fn start(listen: SocketAddr) -> io::Result<Self> {
        let state = Arc::new(State {
            mode: Mutex::new(Mode::Healthy),
            seen: Mutex::new(Vec::new()),
            displays: Displays::new(),
            turn: AtomicU64::new(0),
            denied: AtomicUsize::new(0),
            home: Mutex::default(),
        });
        let answering = state.clone();
        let server = DemoServer::start(listen, move |request| answer(answering.clone(), request)).await?;
        Ok(Self { server, state })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Breaks or heals it.
    pub fn set_mode(&self, mode: Mode) {
        *lock(&self.state.mode) = mode;
        self.state.denied.store(0, Ordering::SeqCst);
        self.server.set_up(mode != Mode::Down);
    }

    /// How it is.
    pub fn mode(&self) -> Mode {
        *lock(&self.state.mode)
    }

    /// Knows one more display from now on, and gives the token that it holds. Some are known from the beginning:
    /// [`super::displays::TOKENS`].
    pub fn add_display(&self, display: LegacyDisplay) -> String {
        self.state.displays.add(display)
    }

    /// Denies the display with this token from now on.
    pub fn remove_display(&self, token: &str) {
        self.state.displays.remove(token);
    }

    /// Somebody types a PIN that a display shows, for the place of `display`: the token that its polling gives then, or
    /// `None` if no such PIN is shown.
    pub fn confirm_pin(&self, pin: &str, display: LegacyDisplay) -> Option<String> {
        self.state.displays.confirm(pin, display)
    }

    /// Its pages for people offer a way back to `home` from now on, and a way out.
    pub fn set_home(&self, home: String) {
        *lock(&self.state.home) = Some(home);
    }

    /// How many it denied because nobody was named to it, since its mode was set.
    pub fn denied(&self) -> usize {
        self.state.denied.load(Ordering::SeqCst)
    }

    /// The requests that reached it, oldest first.
    pub fn seen(&self) -> Vec<SeenRequest> {
        lock(&self.state.seen).clone()
    }

    /// The requests that reached it with this [`ORACLE`].
    pub fn seen_by(&self, oracle: &str) -> Vec<SeenRequest> {
        lock(&self.state.seen).iter().filter(|seen| seen.oracle.as_deref() == Some(oracle)).cloned().collect()
    }

    /// Forgets what it saw.
    pub fn forget(&self) {
        lock(&self.state.seen).clear();
    }
}

impl SeenRequest {
    /// The first value of the header `name` (in lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(has, _)| has == name).map(|(_, value)| &**value)
    }

    /// Whether it carried anything that names somebody: one of the identity headers that legacy services believe.
    pub fn identity(&self) -> Option<&str> {
        const BELIEVED: [&str; 6] = [
            "x-gateway-identity",
            "x-auth-request-user",
            "x-auth-request-email",
            "x-forwarded-user",
            "x-forwarded-email",
            "remote-user",
        ];
        self.headers.iter().find(|(name, _)| BELIEVED.contains(&&**name)).map(|(_, value)| &**value)
    }

    fn of(request: &Request<Bytes>) -> Self {
        let headers: Vec<(String, String)> = request
            .headers()
            .iter()
            .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect();
        Self {
            oracle: headers.iter().find(|(name, _)| name == ORACLE).map(|(_, value)| value.clone()),
            method: request.method().to_string(),
            target: request.uri().to_string(),
            headers,
            body: request.body().clone(),
        }
    }
}

async fn answer(state: Arc<State>, request: Request<Bytes>) -> Response<Full<Bytes>> {
    let seen = SeenRequest::of(&request);
    {
        let mut all = lock(&state.seen);
        if all.len() >= KEPT {
            all.drain(..KEPT / 2);
        }
        all.push(seen.clone());
    }
    let mode = *lock(&state.mode);
    let healthy = || right(&state, mode, &request, &seen);
    match mode {
        Mode::DemandsName(how) if seen.identity().is_none() => {
            state.denied.fetch_add(1, Ordering::SeqCst);
            answer_wrong(how.answer()).await
        }
        Mode::Healthy | Mode::Down | Mode::DemandsName(_) | Mode::DeadShard(_) => healthy(),
        Mode::January2021 => match Turn::of(state.turn.fetch_add(1, Ordering::SeqCst)) {
            Turn::Right => healthy(),
            Turn::Wrong(wrong) => answer_wrong(wrong).await,
        },
        Mode::Answering(wrong) => answer_wrong(wrong).await,
        Mode::Failing => answer_wrong(WrongAnswer::Failing).await,
        Mode::DenyAll => answer_wrong(WrongAnswer::Unauthorized).await,
        Mode::Html => made(StatusCode::OK, "text/html", "<h1>Please sign in</h1>".into()),
        Mode::Hanging => answer_wrong(WrongAnswer::Hang).await,
    }
}

impl DenialMode {
    /// Every way.
    pub const ALL: [Self; 3] = [Self::Unauthorized, Self::Forbidden, Self::SignIn];

    const fn answer(self) -> WrongAnswer {
        match self {
            Self::Unauthorized => WrongAnswer::Unauthorized,
            Self::Forbidden => WrongAnswer::Forbidden,
            Self::SignIn => WrongAnswer::SignIn,
        }
    }
}

async fn answer_wrong(wrong: WrongAnswer) -> Response<Full<Bytes>> {
    let Some(head) = wrong.head() else {
        return if wrong == WrongAnswer::Hang { std::future::pending().await } else { without_answer() };
    };
    let mut answer = made(head.status, head.content_type, head.body.to_owned());
    if let Some((name, value)) = head.field {
        answer.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    answer
}

/// What it answers while it is well: its device API, its pages for people, else what it saw.
fn right(state: &State, mode: Mode, request: &Request<Bytes>, seen: &SeenRequest) -> Response<Full<Bytes>> {
    let dead = if let Mode::DeadShard(tenant) = mode { Some(tenant) } else { None };
    let of_devices = state.displays.answer(request, seen.identity().is_some(), dead);
    if let Some(answer) = of_devices {
        return answer;
    }
    if portal::is_wanted(request) {
        let home = lock(&state.home).clone();
        return portal::page(request, seen, home.as_deref(), &state.displays);
    }
    echo(seen)
}

/// What it saw, as JSON.
fn echo(seen: &SeenRequest) -> Response<Full<Bytes>> {
    let headers: serde_json::Map<String, Value> =
        seen.headers.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect();
    let body = json!({ "method": seen.method, "target": seen.target, "headers": headers, "body": seen.body.len() });
    made(StatusCode::OK, "application/json", body.to_string())
}

pub(super) fn made(status: StatusCode, kind: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::from(body));
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    answer
}
