//! The page of the demonstration, on a listener of its own, so that breaking things cannot break it.

use std::{io, net::SocketAddr, sync::Arc};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use tokio::sync::{mpsc, watch};
use url::form_urlencoded;

use super::{
    Health, Mode,
    server::DemoServer,
    show::{Cue, ShowState},
};

const HTML: &str = include_str!("page.html");

/// The page's listener.
pub(super) struct ShowPage(DemoServer);

struct Told {
    html: String,
    state: watch::Receiver<ShowState>,
    cues: mpsc::Sender<Cue>,
}

impl ShowPage {
    pub(super) async fn start(
        listen: SocketAddr,
        gateway: String,
        curl: String,
        state: watch::Receiver<ShowState>,
        cues: mpsc::Sender<Cue>,
    ) -> io::Result<Self> {
        let html = HTML.replace("{{gateway}}", &gateway).replace("{{curl}}", &curl);
        let told = Arc::new(Told { html, state, cues });
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
            (&Method::POST, ["set", part, value]) if is_from_the_page(request) => match cue(part, value) {
                Some(cue) if self.cues.send(cue).await.is_ok() => {
                    answer(StatusCode::NO_CONTENT, "text/plain", String::new())
                }
                Some(_) => answer(StatusCode::GONE, "text/plain", "the show is over\n".to_owned()),
                None => answer(StatusCode::NOT_FOUND, "text/plain", "there is no such switch\n".to_owned()),
            },
            _ => answer(StatusCode::NOT_FOUND, "text/plain", "there is nothing here\n".to_owned()),
        }
    }

    /// The state once it is newer than the round that the page has seen.
    async fn state_after(&self, query: &str) -> Response<Full<Bytes>> {
        let after = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "after");
        let after: u64 = after.and_then(|(_, value)| value.parse().ok()).unwrap_or(0);
        let mut state = self.state.clone();
        let json = match state.wait_for(|state| state.round > after).await {
            Ok(state) => serde_json::to_string(&*state).unwrap_or_default(),
            Err(_) => return answer(StatusCode::GONE, "text/plain", "the show is over\n".to_owned()),
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
        ("monolith", "healthy") => Cue::Monolith(Mode::Healthy, "healthy"),
        ("monolith", "down") => Cue::Monolith(Mode::Down, "down"),
        ("monolith", "500") => Cue::Monolith(Mode::Failing, "500"),
        ("monolith", "401") => Cue::Monolith(Mode::DenyAll, "401"),
        ("monolith", "hangs") => Cue::Monolith(Mode::Hanging, "hangs"),
        ("provider", "healthy") => Cue::Provider(Health::Healthy, "healthy"),
        ("provider", "down") => Cue::Provider(Health::Down, "down"),
        ("provider", "500") => Cue::Provider(Health::Failing, "500"),
        ("provider", "nonsense-keys") => Cue::Provider(Health::NonsenseKeys, "nonsense-keys"),
        ("store", "healthy") => Cue::Store(true),
        ("store", "down") => Cue::Store(false),
        ("all", "replay") => Cue::Replay,
        ("all", "revoke") => Cue::Revoke,
        ("all", "heal") => Cue::Heal,
        _ => return None,
    })
}

fn answer(status: StatusCode, kind: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::from(body));
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}
