//! A pretend provider on loopback, just enough of one for a sign-in and a bearer token. The suite has the real ones.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex, MutexGuard},
};

use aws_lc_rs::{digest, rand::SystemRandom, signature::Ed25519KeyPair};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::Semaphore, task::JoinHandle};
use url::Url;

use crate::{clock::Clock, jws::SigningKey, lock::lock};

/// The provider. Dead once [`TestProvider::kill`] was called.
pub(crate) struct TestProvider {
    pub(crate) issuer: String,
    pub(crate) told: Arc<Mutex<Told>>,
    key: Arc<SigningKey>,
    serving: JoinHandle<()>,
}

/// What the test tells it to do, and what it heard.
#[derive(Default)]
pub(crate) struct Told {
    /// Answer the token endpoint with this status, these fields and this body.
    pub(crate) token: Option<Scripted>,
    /// Answer userinfo with this; else with 404.
    pub(crate) userinfo: Option<Scripted>,
    /// Answer for the key set with 500.
    pub(crate) keys_are_down: bool,
    /// Put these claims into ID tokens; null takes one out.
    pub(crate) claims: Value,
    /// Put these members into answers to a refresh; null takes one out.
    pub(crate) answer: Value,
    /// Put these members into the document.
    pub(crate) document: Value,
    /// Of the last authorisation request.
    pub(crate) nonce: String,
    /// Of the last authorisation request.
    pub(crate) challenge: String,
    /// The `Authorization` and the body of the last call of the token endpoint.
    pub(crate) heard: (String, String),
    /// How often the token endpoint was called.
    pub(crate) asked: usize,
    /// The time that it goes by; the machine's, if there is none.
    pub(crate) clock: Option<Clock>,
    /// Every refresh token is good once, and a used one is refused.
    pub(crate) rotates: bool,
    /// Refuse every refresh of these people.
    pub(crate) disabled: Vec<String>,
    /// The refresh tokens that came, in their order.
    pub(crate) refreshed: Vec<String>,
    /// Answer the token endpoint as this gives leave.
    leave: Option<Arc<Semaphore>>,
}

/// A status, fields and a body.
pub(crate) type Scripted = (u16, Vec<(&'static str, &'static str)>, String);

struct WorkerState {
    issuer: String,
    key: Arc<SigningKey>,
    told: Arc<Mutex<Told>>,
}

impl TestProvider {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has ports");
        let issuer = format!("http://{}", listener.local_addr().expect("it is bound"));
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).expect("randomness");
        let key = Arc::new(SigningKey::from_pkcs8("k1", pkcs8.as_ref()).expect("an Ed25519 key"));
        let told = Arc::new(Mutex::new(Told::default()));
        let serving = Arc::new(WorkerState { issuer: issuer.clone(), key: Arc::clone(&key), told: Arc::clone(&told) });
        Self { issuer, told, key, serving: tokio::spawn(accept(listener, serving)) }
    }

    /// Signs these claims by its key, whatever they say.
    pub(crate) fn sign(&self, claims: &Value) -> String {
        self.sign_as("JWT", claims)
    }

    /// The same as a token of another type.
    pub(crate) fn sign_as(&self, typ: &str, claims: &Value) -> String {
        self.key.sign(typ, claims).expect("it signs")
    }

    pub(crate) async fn kill(&mut self) {
        self.serving.abort();
        let _ = (&mut self.serving).await;
    }

    /// Sends a person through: notes what the authorisation request asked for, and gives its `state`.
    pub(crate) fn visit(&self, location: &Url) -> String {
        let asked = |wanted: &str| {
            let found = location.query_pairs().find(|(name, _)| name == wanted);
            found.map(|(_, value)| value.into_owned()).unwrap_or_default()
        };
        let mut told = lock(&self.told);
        told.nonce = asked("nonce");
        told.challenge = asked("code_challenge");
        asked("state")
    }

    /// Makes the token endpoint wait for a permit of the semaphore before each answer.
    pub(crate) fn hold_tokens(&self) -> Arc<Semaphore> {
        let leave = Arc::new(Semaphore::new(0));
        self.tell(|told| told.leave = Some(Arc::clone(&leave)));
        leave
    }

    /// From now on calls of the token endpoint are answered at once. Those that wait go on waiting.
    pub(crate) fn hold_no_more(&self) {
        self.tell(|told| told.leave = None);
    }

    /// Waits until the token endpoint has been called so often.
    pub(crate) async fn until_asked(&self, times: usize) {
        while lock(&self.told).asked < times {
            tokio::task::yield_now().await;
        }
    }

    pub(crate) fn tell(&self, change: impl FnOnce(&mut Told)) {
        change(&mut lock(&self.told));
    }
}

/// Every connection dies with the task that accepts.
async fn accept(listener: TcpListener, serving: Arc<WorkerState>) {
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let serving = Arc::clone(&serving);
        let service = service_fn(move |request| {
            let serving = Arc::clone(&serving);
            async move { Ok::<_, Infallible>(serving.answer(request).await) }
        });
        connections.spawn(async move {
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

impl WorkerState {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
        match head.uri.path() {
            "/.well-known/openid-configuration" => json_answer(200, &self.document()),
            "/keys" if lock(&self.told).keys_are_down => json_answer(500, &json!({})),
            "/keys" => json_answer(200, &json!({ "keys": [self.key.public_jwk()] })),
            "/token" => {
                let authorization = head.headers.get("authorization").and_then(|value| value.to_str().ok());
                let form = String::from_utf8(body.to_vec()).expect("a form is text");
                let leave = {
                    let mut told = lock(&self.told);
                    told.heard = (authorization.unwrap_or_default().to_owned(), form.clone());
                    told.asked += 1;
                    told.leave.clone()
                };
                if let Some(leave) = leave {
                    leave.acquire().await.expect("it is never closed").forget();
                }
                self.token(&form)
            }
            "/userinfo" => match &lock(&self.told).userinfo {
                Some(told) => scripted(told),
                None => json_answer(404, &json!({})),
            },
            _ => json_answer(404, &json!({})),
        }
    }

    fn document(&self) -> Value {
        let at = |path: &str| format!("{}{path}", self.issuer);
        let mut document = json!({
            "issuer": self.issuer,
            "authorization_endpoint": at("/authorize"),
            "token_endpoint": at("/token"),
            "userinfo_endpoint": at("/userinfo"),
            "jwks_uri": at("/keys"),
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["EdDSA"],
        });
        merge(&mut document, &lock(&self.told).document);
        document
    }

    fn token(&self, form: &str) -> Response<Full<Bytes>> {
        let told = lock(&self.told);
        if let Some((status, fields, body)) = &told.token {
            let mut answer = Response::builder().status(*status);
            for (name, value) in fields {
                answer = answer.header(*name, *value);
            }
            return answer.body(Full::from(body.clone())).expect("a good answer");
        }
        let sent = |wanted: &str| {
            let found = url::form_urlencoded::parse(form.as_bytes()).find(|(name, _)| name == wanted);
            found.map(|(_, value)| value.into_owned()).unwrap_or_default()
        };
        if sent("grant_type") == "refresh_token" {
            return self.refresh(told, sent("refresh_token"));
        }
        let challenge = URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, sent("code_verifier").as_bytes()));
        if sent("code") != "good" || challenge != told.challenge {
            return json_answer(400, &json!({ "error": "invalid_grant" }));
        }
        let mut claims = self.claims(&told, "ada");
        claims["nonce"] = json!(told.nonce);
        merge(&mut claims, &told.claims);
        let id_token = self.key.sign("JWT", &claims).expect("it signs");
        let answer = json!({
            "access_token": "at", "token_type": "bearer", "expires_in": "3600", "refresh_token": "rt",
            "id_token": id_token,
        });
        json_answer(200, &answer)
    }

    /// A refresh token is `NAME` or `NAME.NUMBER`, where each is the successor of the last.
    fn refresh(&self, mut told: MutexGuard<'_, Told>, token: String) -> Response<Full<Bytes>> {
        let (name, number) = token.split_once('.').unwrap_or((&token, "0"));
        let (name, next) = (name.to_owned(), number.parse::<u32>().expect("a number") + 1);
        let was_used = told.refreshed.contains(&token);
        told.refreshed.push(token);
        if told.disabled.contains(&name) || told.rotates && was_used {
            return json_answer(400, &json!({ "error": "invalid_grant", "error_description": "not any more" }));
        }
        let subject = if name == "rt" { "ada" } else { &name };
        let mut claims = self.claims(&told, subject);
        merge(&mut claims, &told.claims);
        let mut answer = json!({
            "access_token": format!("at-{next}"), "token_type": "bearer", "expires_in": 3600,
            "id_token": self.key.sign("JWT", &claims).expect("it signs"),
        });
        if told.rotates {
            answer["refresh_token"] = json!(format!("{name}.{next}"));
        }
        merge(&mut answer, &told.answer);
        json_answer(200, &answer)
    }

    fn claims(&self, told: &Told, subject: &str) -> Value {
        let now = told.clock.clone().unwrap_or_else(Clock::system).now().wall().as_secs();
        json!({
            "iss": self.issuer, "sub": subject, "aud": "candor", "iat": now, "exp": now + 300,
            "name": "Ada", "groups": ["staff"],
        })
    }
}

fn merge(into: &mut Value, changes: &Value) {
    for (name, value) in changes.as_object().into_iter().flatten() {
        if value.is_null() {
            into.as_object_mut().expect("an object").remove(name);
        } else {
            into[name] = value.clone();
        }
    }
}

fn json_answer(status: u16, body: &Value) -> Response<Full<Bytes>> {
    let answer = Response::builder().status(status).header("content-type", "application/json");
    answer.body(Full::from(body.to_string())).expect("a good answer")
}

fn scripted((status, fields, body): &Scripted) -> Response<Full<Bytes>> {
    let answer = Response::builder().status(*status);
    let answer = fields.iter().fold(answer, |answer, (name, value)| answer.header(*name, *value));
    answer.body(Full::from(body.clone())).expect("a good answer")
}
