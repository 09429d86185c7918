//! Somebody who asks the gateway: a person's browser, a script, a display. What they are told is joined with what the
//! monolith saw of the same request, which is what the oracle judges.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use gateway::demo::{
    browser::{Browser, NoAnswer, SeenPage},
    monolith::{self, Monolith, ORACLE},
};
use http::{HeaderMap, HeaderName, HeaderValue};
use url::Url;

use crate::wire;

/// How long a caller waits: well beyond every deadline of the gateway's in a test. Who is told nothing by then has
/// found a hang.
pub const PATIENCE: Duration = Duration::from_secs(8);

/// In which form somebody asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Form {
    /// A person's browser, navigating.
    Browser,
    /// A script or a program.
    Script,
    /// A display: a program, on a route for devices.
    Device,
    /// A program that calls by gRPC, with one empty message.
    Grpc,
}

/// Somebody who asks, with their cookies or their bearer token.
pub struct Caller {
    browser: Browser,
    form: Form,
}

/// What came of one request.
#[derive(Debug)]
pub struct Heard {
    /// What the caller was told, if anything.
    pub answer: Result<SeenPage, NoAnswer>,
    /// What reached the monolith of it.
    pub reached: Vec<monolith::SeenRequest>,
}

static ASKED: AtomicUsize = AtomicUsize::new(0);

impl Form {
    /// Every form.
    pub const ALL: [Self; 4] = [Self::Browser, Self::Script, Self::Device, Self::Grpc];

    /// Its name in the matrix.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Browser => "browser",
            Self::Script => "script",
            Self::Device => "device",
            Self::Grpc => "grpc",
        }
    }
}

impl Caller {
    /// Somebody without any credential.
    pub fn new(form: Form) -> Self {
        let mut browser = match form {
            Form::Browser => Browser::navigating(PATIENCE),
            Form::Script | Form::Device => {
                let mut headers = HeaderMap::new();
                headers.insert(http::header::ACCEPT, HeaderValue::from_static("application/json"));
                Browser::with_headers(PATIENCE, headers)
            }
            Form::Grpc => {
                let mut headers = HeaderMap::new();
                headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
                headers.insert(http::header::TE, HeaderValue::from_static("trailers"));
                Browser::with_headers(PATIENCE, headers)
            }
        };
        browser.reach_by(wire::of);
        Self { browser, form }
    }

    /// Somebody with a bearer token.
    pub fn bearing(form: Form, token: &str) -> Self {
        let mut caller = Self::new(form);
        let value = HeaderValue::from_str(&format!("Bearer {token}")).expect("a token is visible ASCII");
        caller.browser.always_send(http::header::AUTHORIZATION, value);
        caller
    }

    /// In which form they ask.
    pub fn form(&self) -> Form {
        self.form
    }

    /// The browser, with its cookie jar.
    pub fn browser(&mut self) -> &mut Browser {
        &mut self.browser
    }

    /// Asks for `url`; a redirect is an answer. `monolith` tells what reached it.
    pub async fn get(&mut self, url: &Url, monolith: &Monolith) -> Heard {
        let oracle = self.mark();
        let answer = match self.form {
            Form::Browser | Form::Script | Form::Device => self.browser.get(url).await,
            // Its content type is what it always sends.
            Form::Grpc => self.browser.post_json(url, "\0\0\0\0\0".to_owned()).await,
        };
        Heard { answer, reached: monolith.seen_by(&oracle) }
    }

    /// Posts a form to `url`.
    pub async fn post(&mut self, url: &Url, fields: &[(String, String)], monolith: &Monolith) -> Heard {
        let oracle = self.mark();
        let answer = self.browser.post(url, fields).await;
        Heard { answer, reached: monolith.seen_by(&oracle) }
    }

    /// Posts `body` (JSON) to `url`.
    pub async fn post_json(&mut self, url: &Url, body: &serde_json::Value, monolith: &Monolith) -> Heard {
        let oracle = self.mark();
        let answer = self.browser.post_json(url, body.to_string()).await;
        Heard { answer, reached: monolith.seen_by(&oracle) }
    }

    /// Marks the next request, so that the monolith's record of it can be found.
    fn mark(&mut self) -> String {
        let oracle = ASKED.fetch_add(1, Ordering::SeqCst).to_string();
        let value = HeaderValue::from_str(&oracle).expect("a number is visible ASCII");
        self.browser.always_send(HeaderName::from_static(ORACLE), value);
        oracle
    }
}

impl Heard {
    /// The status, if there was an answer.
    pub fn status(&self) -> Option<u16> {
        self.answer.as_ref().ok().map(|seen| seen.status.as_u16())
    }

    /// Its gRPC status, if it is in the head of an answer of the gateway's own.
    pub fn grpc_status(&self) -> Option<&str> {
        let seen = self.answer.as_ref().ok().filter(|_| self.word() != Some("upstream"))?;
        seen.header("grpc-status")
    }

    /// The gateway's word for it.
    pub fn word(&self) -> Option<&str> {
        self.answer.as_ref().ok().and_then(|seen| seen.header("x-gateway-answer"))
    }

    /// The identities that the monolith was given.
    pub fn identities(&self) -> Vec<&str> {
        self.reached.iter().filter_map(monolith::SeenRequest::identity).collect()
    }

    /// One line that says it all, without any credential.
    pub fn line(&self) -> String {
        match &self.answer {
            Ok(seen) => {
                let field = |name| seen.header(name).map(|value| format!(" {name}={value}")).unwrap_or_default();
                let forgot = seen.deleted_cookies();
                let forgot = if forgot.is_empty() { String::new() } else { format!(" forgot={forgot:?}") };
                let location = seen.location().map(|to| format!(" location={}", to.path())).unwrap_or_default();
                let fields: String =
                    ["x-gateway-answer", "grpc-status", "retry-after", "proxy-status", "www-authenticate"]
                        .map(field)
                        .concat();
                format!("{}{fields}{location}{forgot}", seen.status.as_u16())
            }
            Err(none) => none.to_string(),
        }
    }
}
