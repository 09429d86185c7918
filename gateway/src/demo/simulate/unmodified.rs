//! The app that a fleet has before anybody changes it: it holds a token, and a 401 makes it erase token and calendar and
//! ask for a PIN. Any other answer that is no calendar it waits out.

use std::{sync::Arc, time::Duration};

use auth_core::client::{
    ClientRequest, Concealed, HttpAnswer,
    driver::{DeviceHttp, Pace},
};
use serde_json::Value;
use tokio::time::Instant;

use super::tally::{Shows, Tally};
use crate::demo::displays::PIN;

/// Where it asks.
#[derive(Clone, Debug)]
pub(super) struct UnmodifiedSettings {
    pub(super) origin: String,
    pub(super) path: String,
    pub(super) every: Duration,
}

/// One of them.
pub(super) struct UnmodifiedApp {
    number: usize,
    token: Option<String>,
    /// The PIN that it shows, by its id there.
    pin: Option<String>,
    has_calendar: bool,
    settings: UnmodifiedSettings,
    http: DeviceHttp,
    pace: Pace,
    tally: Arc<Tally>,
    sent: u64,
    /// Whether its last request was in vain.
    in_vain: bool,
}

/// It gives up sooner than any gateway here.
const PATIENCE: Duration = Duration::from_secs(10);

impl UnmodifiedApp {
    pub(super) fn new(
        number: usize,
        token: String,
        settings: UnmodifiedSettings,
        http: DeviceHttp,
        pace: Pace,
        tally: Arc<Tally>,
    ) -> Self {
        let (token, pin, has_calendar, sent, in_vain) = (Some(token), None, false, 0, false);
        Self { number, token, pin, has_calendar, settings, http, pace, tally, sent, in_vain }
    }

    pub(super) async fn run(mut self) {
        // Whatever is switched on together drifts apart.
        let every = self.settings.every;
        let share = u32::try_from(self.number % 97).unwrap_or(0);
        self.pace.sleep(every * share / 97).await;
        loop {
            match self.token.clone() {
                Some(token) => self.fetch(&token).await,
                None => self.ask_for_a_pin().await,
            }
            self.pace.sleep(every).await;
        }
    }

    async fn fetch(&mut self, token: &str) {
        let answer = self.get(&self.settings.path.clone(), Some(token)).await;
        if answer.status == Some(401) {
            (self.token, self.pin, self.has_calendar) = (None, None, false);
            self.tally.wiped(self.number);
            return self.ask_for_a_pin().await;
        }
        if object(&answer).is_some() {
            self.has_calendar = true;
            self.tally.served(self.number);
            self.tally.shows(self.number, Shows::Live);
        } else {
            self.tally.shows(self.number, if self.has_calendar { Shows::Kept } else { Shows::Nothing });
        }
    }

    async fn ask_for_a_pin(&mut self) {
        let text = |body: &Value, name: &str| body.get(name).and_then(Value::as_str).map(ToOwned::to_owned);
        if let Some(id) = &self.pin {
            let answer = self.get(&format!("{PIN}/{id}"), None).await;
            let polled = object(&answer);
            if let Some(token) = polled.as_ref().and_then(|body| text(body, "token")) {
                (self.token, self.pin) = (Some(token), None);
                return;
            }
            if polled.is_some() {
                return;
            }
        }
        let answer = self.call("POST", PIN, None).await;
        self.pin = object(&answer).and_then(|body| text(&body, "id"));
        self.tally.shows(self.number, if self.pin.is_some() { Shows::Pin } else { Shows::Stuck });
    }

    async fn get(&mut self, path: &str, token: Option<&str>) -> HttpAnswer {
        self.call("GET", path, token).await
    }

    async fn call(&mut self, method: &str, path: &str, token: Option<&str>) -> HttpAnswer {
        self.sent += 1;
        self.tally.asked();
        if self.in_vain {
            self.tally.answers.tried_again();
        }
        let authorization = token.map(|token| ("authorization".to_owned(), Concealed(format!("Bearer {token}"))));
        let request = ClientRequest {
            number: self.sent,
            method: method.to_owned(),
            url: format!("{}{path}", self.settings.origin),
            headers: authorization.into_iter().collect(),
            body: String::new(),
            within: PATIENCE,
        };
        let sent = Instant::now();
        let answer = self.http.call(request, PATIENCE).await;
        self.in_vain = self.tally.answers.heard(answer.status, sent.elapsed());
        answer
    }
}

/// The JSON object that an answer is, if it is what was asked for.
pub(super) fn object(answer: &HttpAnswer) -> Option<Value> {
    let is_json = answer.content_type.as_deref().is_some_and(|kind| kind.starts_with("application/json"));
    let is_good = is_json && matches!(answer.status, Some(200 | 201));
    serde_json::from_str::<Value>(&answer.body).ok().filter(|body| is_good && body.is_object())
}
