//! Two gates of the kind that Candor is not, so that the difference can be seen: real listeners in front of the same
//! monolith. Neither stands for a product.

use std::{
    collections::HashMap,
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use auth_core::lock::lock;
use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Request, Response, StatusCode,
    header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HOST, LOCATION, SET_COOKIE, TRANSFER_ENCODING},
};
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::Value;
use url::form_urlencoded;

use super::{idp::random, server::DemoServer};

type Answer = Response<Full<Bytes>>;

/// Hands every answer of the monolith on, whatever it says.
pub(super) struct PassThrough(DemoServer);

/// Knows two values: signed in, or not. Any error, of anything that it asks, is "not".
pub(super) struct TwoValued {
    server: DemoServer,
    state: Arc<State>,
}

/// What the two-valued gate needs to know of the provider.
#[derive(Clone)]
pub(super) struct Registration {
    pub(super) authorize: String,
    pub(super) token: String,
    pub(super) keys: String,
    pub(super) client_id: String,
    pub(super) client_secret: String,
}

struct State {
    monolith: SocketAddr,
    provider: Registration,
    own: Mutex<Option<SocketAddr>>,
    client: Outward,
    store_is_up: AtomicBool,
    /// By cookie, whose it is.
    sessions: Mutex<HashMap<String, HeaderValue>>,
    /// By `state`, the PKCE verifier and where to go then.
    tries: Mutex<HashMap<String, (String, String)>>,
}

/// Why the two-valued gate says "not signed in". It does not look.
struct AnyError;

#[derive(Clone)]
struct Outward {
    client: Client<HttpConnector, Full<Bytes>>,
    deadline: Duration,
}

impl PassThrough {
    /// Waits for the monolith for `deadline`.
    pub(super) async fn start(listen: SocketAddr, monolith: SocketAddr, deadline: Duration) -> io::Result<Self> {
        let client = Outward::new(deadline);
        let server = DemoServer::start(listen, move |request| {
            let client = client.clone();
            async move { client.forward(monolith, request).await.unwrap_or_else(|AnyError| bad_gateway()) }
        });
        Ok(Self(server.await?))
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.0.address()
    }
}

impl TwoValued {
    /// Waits for whatever it asks for `deadline`.
    pub(super) async fn start(
        listen: SocketAddr,
        monolith: SocketAddr,
        provider: Registration,
        deadline: Duration,
    ) -> io::Result<Self> {
        let state = Arc::new(State {
            monolith,
            provider,
            own: Mutex::new(None),
            client: Outward::new(deadline),
            store_is_up: AtomicBool::new(true),
            sessions: Mutex::default(),
            tries: Mutex::default(),
        });
        let answering = state.clone();
        let server = DemoServer::start(listen, move |request| {
            let state = answering.clone();
            async move { state.answer(request).await }
        });
        let server = server.await?;
        *lock(&state.own) = Some(server.address());
        Ok(Self { server, state })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.server.address()
    }

    pub(super) fn set_store_up(&self, up: bool) {
        self.state.store_is_up.store(up, Ordering::SeqCst);
    }
}

impl State {
    async fn answer(&self, request: Request<Bytes>) -> Answer {
        match request.uri().path() {
            "/login" => self.login(&request),
            "/logout" => not_signed_in("/"),
            "/callback" => self.callback(&request).await.unwrap_or_else(|AnyError| not_signed_in("/")),
            _ => self.guard(request).await,
        }
    }

    /// Lets through who is signed in, and sends everybody else to sign in and then back to where they wanted to go.
    async fn guard(&self, mut request: Request<Bytes>) -> Answer {
        let wanted = request.uri().path_and_query().map_or("/", |wanted| wanted.as_str()).to_owned();
        let Ok(user) = self.signed_in(request.headers()).await else { return not_signed_in(&wanted) };
        request.headers_mut().insert("x-auth-request-user", user);
        match self.client.forward(self.monolith, request).await {
            Ok(answer) if answer.status() == StatusCode::UNAUTHORIZED => not_signed_in(&wanted),
            Ok(answer) => answer,
            Err(AnyError) => bad_gateway(),
        }
    }

    /// `Ok` is who is signed in and `Err` is nobody: with two values, an outage has to be one of them.
    async fn signed_in(&self, headers: &HeaderMap) -> Result<HeaderValue, AnyError> {
        let cookie = headers.get(COOKIE).and_then(|cookie| cookie.to_str().ok()).ok_or(AnyError)?;
        let id = cookie.split("; ").find_map(|pair| pair.strip_prefix("session=")).ok_or(AnyError)?;
        if !self.store_is_up.load(Ordering::SeqCst) {
            return Err(AnyError);
        }
        let user = lock(&self.sessions).get(id).cloned().ok_or(AnyError)?;
        let keys: Value = self.client.json(get(&self.provider.keys)?).await?;
        keys["keys"].as_array().filter(|keys| !keys.is_empty()).map(|_| user).ok_or(AnyError)
    }

    fn login(&self, request: &Request<Bytes>) -> Answer {
        let (state, verifier) = (random(), random());
        let challenge = BASE64_URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes()));
        let next = form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes())
            .find(|(name, next)| name == "next" && next.starts_with('/') && !next.starts_with("//"))
            .map_or_else(|| "/".to_owned(), |(_, next)| next.into_owned());
        lock(&self.tries).insert(state.clone(), (verifier, next));
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.provider.client_id)
            .append_pair("redirect_uri", &self.redirect_uri())
            .append_pair("scope", "openid")
            .append_pair("state", &state)
            .append_pair("code_challenge", &challenge)
            .append_pair("code_challenge_method", "S256")
            .finish();
        redirect(&format!("{}?{query}", self.provider.authorize), None)
    }

    async fn callback(&self, request: &Request<Bytes>) -> Result<Answer, AnyError> {
        let query: HashMap<_, _> =
            form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes()).into_owned().collect();
        let (verifier, next) = lock(&self.tries).remove(query.get("state").ok_or(AnyError)?).ok_or(AnyError)?;
        let form = form_urlencoded::Serializer::new(String::new())
            .append_pair("grant_type", "authorization_code")
            .append_pair("code", query.get("code").ok_or(AnyError)?)
            .append_pair("redirect_uri", &self.redirect_uri())
            .append_pair("client_id", &self.provider.client_id)
            .append_pair("client_secret", &self.provider.client_secret)
            .append_pair("code_verifier", &verifier)
            .finish();
        let exchange = Request::post(&self.provider.token)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Full::from(form))
            .map_err(|_| AnyError)?;
        let tokens = self.client.json(exchange).await?;
        let user = user_of(tokens["id_token"].as_str().ok_or(AnyError)?)?;
        let session = random();
        lock(&self.sessions).insert(session.clone(), user);
        Ok(redirect(&next, Some(&format!("session={session}; Path=/; HttpOnly"))))
    }

    fn redirect_uri(&self) -> String {
        lock(&self.own).map_or_else(String::new, |own| format!("http://{own}/callback"))
    }
}

impl Outward {
    fn new(deadline: Duration) -> Self {
        let client = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(HttpConnector::new());
        Self { client, deadline }
    }

    async fn forward(&self, to: SocketAddr, mut request: Request<Bytes>) -> Result<Answer, AnyError> {
        let target = request.uri().path_and_query().map_or("/", |target| target.as_str()).to_owned();
        *request.uri_mut() = format!("http://{to}{target}").parse().map_err(|_| AnyError)?;
        request.headers_mut().remove(HOST);
        request.headers_mut().remove(COOKIE);
        self.ask(request.map(Full::new)).await
    }

    async fn json(&self, request: Request<Full<Bytes>>) -> Result<Value, AnyError> {
        let answer = self.ask(request).await?;
        if answer.status() != StatusCode::OK {
            return Err(AnyError);
        }
        let body = answer.into_body().collect().await.map_err(|_| AnyError)?.to_bytes();
        serde_json::from_slice(&body).map_err(|_| AnyError)
    }

    async fn ask(&self, request: Request<Full<Bytes>>) -> Result<Answer, AnyError> {
        let exchange = async {
            let (head, body) = self.client.request(request).await.map_err(|_| AnyError)?.into_parts();
            let body = body.collect().await.map_err(|_| AnyError)?.to_bytes();
            let mut answer = Response::new(Full::new(body));
            *answer.status_mut() = head.status;
            *answer.headers_mut() = head.headers;
            // About the connection behind, or about a body that is whole by now.
            for name in [CONNECTION, TRANSFER_ENCODING, CONTENT_LENGTH] {
                answer.headers_mut().remove(name);
            }
            Ok(answer)
        };
        tokio::time::timeout(self.deadline, exchange).await.map_err(|_| AnyError)?
    }
}

fn get(url: &str) -> Result<Request<Full<Bytes>>, AnyError> {
    Request::get(url).body(Full::default()).map_err(|_| AnyError)
}

fn not_signed_in(wanted: &str) -> Answer {
    let next = form_urlencoded::Serializer::new(String::new()).append_pair("next", wanted).finish();
    redirect(&format!("/login?{next}"), Some("session=; Path=/; Max-Age=0"))
}

/// Whose an ID token is. It came from the provider itself, and is believed.
fn user_of(id_token: &str) -> Result<HeaderValue, AnyError> {
    let claims = id_token.split('.').nth(1).ok_or(AnyError)?;
    let claims = BASE64_URL_SAFE_NO_PAD.decode(claims).map_err(|_| AnyError)?;
    let claims: Value = serde_json::from_slice(&claims).map_err(|_| AnyError)?;
    claims["sub"].as_str().and_then(|sub| HeaderValue::from_str(sub).ok()).ok_or(AnyError)
}

fn redirect(to: &str, cookie: Option<&str>) -> Answer {
    let mut answer = Response::new(Full::default());
    *answer.status_mut() = StatusCode::FOUND;
    for (name, value) in [(LOCATION, Some(to)), (SET_COOKIE, cookie)] {
        if let Some(value) = value.and_then(|value| HeaderValue::from_str(value).ok()) {
            answer.headers_mut().insert(name, value);
        }
    }
    answer
}

fn bad_gateway() -> Answer {
    let mut answer = Response::new(Full::from("the service behind this gate does not answer"));
    *answer.status_mut() = StatusCode::BAD_GATEWAY;
    answer
}
