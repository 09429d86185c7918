//! The page of the demonstration, on a listener of its own, so that breaking things cannot break it.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use auth_core::lock::lock;
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use tokio::sync::{mpsc, watch};
use url::form_urlencoded;

use super::{
    Health, Mode,
    server::DemoServer,
    show::Cue,
    state::{History, ShowState},
};

const HTML: &str = include_str!("index.html");

/// What the page is made of, but for itself.
const FILES: [(&str, &str, &str); 5] = [
    ("page.css", "text/css; charset=utf-8", include_str!("page.css")),
    ("page.js", JAVASCRIPT, include_str!("page.js")),
    ("wall.js", JAVASCRIPT, include_str!("wall.js")),
    ("chart.js", JAVASCRIPT, include_str!("chart.js")),
    ("words.js", JAVASCRIPT, include_str!("words.js")),
];
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

/// Nothing but its own files, and nobody's frame.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src data:; \
                      form-action 'none'; base-uri 'none'; frame-ancestors 'none'";

/// The page's listener.
pub(super) struct ShowPage(DemoServer);

struct Told {
    html: String,
    state: watch::Receiver<ShowState>,
    history: Arc<Mutex<History>>,
    cues: mpsc::Sender<Cue>,
}

impl ShowPage {
    /// Shows the page with `blanks` filled in: each by its name.
    pub(super) async fn start(
        listen: SocketAddr,
        blanks: &[(&str, String)],
        state: watch::Receiver<ShowState>,
        history: Arc<Mutex<History>>,
        cues: mpsc::Sender<Cue>,
    ) -> io::Result<Self> {
        let filled = |html: String, (name, value): &(&str, String)| html.replace(&format!("{{{{{name}}}}}"), value);
        let html = blanks.iter().fold(HTML.to_owned(), filled);
        let told = Arc::new(Told { html, state, history, cues });
        let server = DemoServer::start(listen, move |request| {
            let told = told.clone();
            async move { told.answer(&request).await }
        });
        Ok(Self(server.await?))
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.0.address()
    }
}

impl Told {
    async fn answer(&self, request: &Request<Bytes>) -> Response<Full<Bytes>> {
        let path: Vec<&str> = request.uri().path().split('/').skip(1).collect();
        match (request.method(), &path[..]) {
            (&Method::GET, [""]) => answer(StatusCode::OK, "text/html; charset=utf-8", self.html.clone()),
            (&Method::GET, ["state"]) => self.state_after(request.uri().query().unwrap_or_default()).await,
            (&Method::GET, ["history"]) => {
                let samples = serde_json::to_string(lock(&self.history).samples()).unwrap_or_default();
                answer(StatusCode::OK, "application/json", samples)
            }
            (&Method::GET, [name]) => match FILES.iter().find(|(has, ..)| has == name) {
                Some((_, kind, text)) => answer(StatusCode::OK, kind, (*text).to_owned()),
                None => nothing(),
            },
            (&Method::POST, ["set", part, value]) if is_from_the_page(request) => match cue(part, value) {
                Some(cue) if self.cues.send(cue).await.is_ok() => {
                    answer(StatusCode::NO_CONTENT, "text/plain", String::new())
                }
                Some(_) => over(),
                None => answer(StatusCode::NOT_FOUND, "text/plain", "there is no such switch\n".to_owned()),
            },
            _ => nothing(),
        }
    }

    /// The state once it is newer than the edition that the page has seen.
    async fn state_after(&self, query: &str) -> Response<Full<Bytes>> {
        let after = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "after");
        let after: u64 = after.and_then(|(_, value)| value.parse().ok()).unwrap_or(0);
        let mut state = self.state.clone();
        let json = match state.wait_for(|state| state.edition > after).await {
            Ok(state) => serde_json::to_string(&*state).unwrap_or_default(),
            Err(_) => return over(),
        };
        answer(StatusCode::OK, "application/json", json)
    }
}

/// A switch must not be pressed by another site that the visitor has open.
fn is_from_the_page(request: &Request<Bytes>) -> bool {
    request.headers().get("sec-fetch-site").is_none_or(|site| site == "same-origin")
}

fn cue(part: &str, value: &str) -> Option<Cue> {
    Some(match (part, value) {
        ("monolith", "down") => Cue::Monolith(Mode::Down, "down"),
        ("monolith", "500") => Cue::Monolith(Mode::Failing, "500"),
        ("monolith", "401") => Cue::Monolith(Mode::DenyAll, "401"),
        ("monolith", "hangs") => Cue::Monolith(Mode::Hanging, "hangs"),
        ("monolith", "replay") => Cue::Replay,
        ("provider", "down") => Cue::Provider(Health::Down, "down"),
        ("provider", "500") => Cue::Provider(Health::Failing, "500"),
        ("provider", "nonsense-keys") => Cue::Provider(Health::NonsenseKeys, "nonsense-keys"),
        ("store", "down") => Cue::Store(false),
        ("all", "revoke") => Cue::Revoke,
        ("all", "heal") => Cue::Heal,
        ("all", "new") => Cue::New,
        ("all", "technicians") => Cue::Technicians,
        _ => return None,
    })
}

fn over() -> Response<Full<Bytes>> {
    answer(StatusCode::GONE, "text/plain", "the show is over\n".to_owned())
}

fn nothing() -> Response<Full<Bytes>> {
    answer(StatusCode::NOT_FOUND, "text/plain", "there is nothing here\n".to_owned())
}

fn answer(status: StatusCode, kind: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::from(body));
    *answer.status_mut() = status;
    for (name, value) in [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
    ] {
        answer.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    answer
}
