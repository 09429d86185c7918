//! The clients: displays, people and intruders, which ask, and do with the answer what such a client does.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use gateway::demo::browser::Browser;
use http::{HeaderName, HeaderValue};
use tokio::time::timeout;
use url::Url;

use super::{
    display::{Display, is_calendar},
    ledger::Lost,
    person::{PageAnswer, Person},
    said::{REQUEST_NAME, Speaker},
    scene::Scene,
};
use crate::exchange::{Answer, Connection, NoAnswer};

/// How long a client waits for an answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(4);

/// One client.
pub(super) enum Client {
    Display(DisplayClient),
    Person(Box<PersonClient>),
    Intruder(IntruderClient),
}

/// A display, by its number.
pub(super) struct DisplayClient {
    index: usize,
    asked: u64,
    line: Line,
}

/// A person with a session, by their number.
pub(super) struct PersonClient {
    index: usize,
    asked: u64,
    browser: Browser,
    page: Url,
}

/// Somebody with a token that is no good.
pub(super) struct IntruderClient {
    index: usize,
    asked: u64,
    token: String,
    line: Line,
}

/// A connection that is kept as long as it lasts.
#[derive(Default)]
struct Line(Option<Connection>);

impl Client {
    /// A display of `scene`.
    pub(super) fn display(index: usize) -> Self {
        Self::Display(DisplayClient { index, asked: 0, line: Line::default() })
    }

    /// Somebody of `scene` who is signed in in `browser`.
    pub(super) fn person(index: usize, browser: Browser, page: Url) -> Self {
        Self::Person(Box::new(PersonClient { index, asked: 0, browser, page }))
    }

    /// Somebody with this bad token.
    pub(super) fn intruder(index: usize, token: String) -> Self {
        Self::Intruder(IntruderClient { index, asked: 0, token, line: Line::default() })
    }

    /// Asks once. Whether it will ask again.
    pub(super) async fn act(&mut self, scene: &Scene) -> bool {
        match self {
            Self::Display(display) => display.act(scene).await,
            Self::Person(person) => person.act(scene).await,
            Self::Intruder(intruder) => intruder.act(scene).await,
        }
    }

    /// How long until it asks again: one to two seconds for displays, and half a second more for the others. No two are in
    /// step, and the same client pauses alike at every gateway.
    pub(super) fn pause(&self) -> Duration {
        let (index, asked, least) = match self {
            Self::Display(DisplayClient { index, asked, .. }) => (*index, *asked, 1000),
            Self::Person(person) => (person.index, person.asked, 1500),
            Self::Intruder(IntruderClient { index, asked, .. }) => (*index, *asked, 1500),
        };
        let spread = (index as u64).wrapping_mul(7919).wrapping_add(asked.wrapping_mul(104_729)) % 1000;
        Duration::from_millis(least + spread)
    }
}

impl DisplayClient {
    async fn act(&mut self, scene: &Scene) -> bool {
        let (before, had_new_key, began_gone) = {
            let ledger = scene.ledger();
            let standing = &ledger.displays[self.index];
            (standing.state, standing.has_new_key, ledger.now.is_gone)
        };
        let Some(path) = before.asks_for() else { return false };
        let name = format!("display-{}-{}", self.index, self.asked);
        self.asked += 1;
        let token = (before == Display::Working).then(|| scene.token(self.index));
        let answer = self.line.ask(scene.address, &head(scene.address, path, &name, token.as_deref())).await;
        let said = scene.monolith.sayings().take(&name);

        let status = answer.as_ref().map(|answer| answer.status);
        let after = before.after(answer.as_ref());
        let has_calendar = answer.as_ref().is_some_and(is_calendar);
        let by = status.map_or(Speaker::Gateway, |status| Speaker::of(status, said));
        let mut ledger = scene.ledger();
        ledger.count(status, said, has_calendar || after == Display::AtPin, began_gone);
        match (before, after) {
            (Display::Working, Display::Authenticating) => ledger.lose(Lost::Erased, status, by, had_new_key),
            (_, Display::Stuck) => ledger.lose(Lost::Pin, status, by, had_new_key),
            _ => {}
        }
        let standing = &mut ledger.displays[self.index];
        (standing.state, standing.is_served) = (after, has_calendar);
        standing.met = status.map(|status| (status, by));
        after.asks_for().is_some()
    }
}

impl PersonClient {
    async fn act(&mut self, scene: &Scene) -> bool {
        let name = format!("person-{}-{}", self.index, self.asked);
        self.asked += 1;
        if let Ok(value) = HeaderValue::from_str(&name) {
            self.browser.always_send(HeaderName::from_static(REQUEST_NAME), value);
        }
        let began_gone = scene.ledger().now.is_gone;
        let had = self.browser.cookie_names(&self.page);
        let seen = self.browser.get(&self.page).await.ok();
        let said = scene.monolith.sayings().take(&name);

        let status = seen.as_ref().map(|seen| seen.status.as_u16());
        let by = status.map_or(Speaker::Gateway, |status| Speaker::of(status, said));
        let answer = seen.as_ref().map(|seen| PageAnswer {
            status: seen.status.as_u16(),
            deletes_cookie: seen.deleted_cookies().iter().any(|name| had.contains(name)),
            by,
        });
        let is_served = seen.as_ref().is_some_and(|seen| seen.status == 200 && seen.text().contains("Calendar"));
        let mut ledger = scene.ledger();
        let after = ledger.people[self.index].state.after(answer);
        ledger.count(status, said, is_served, began_gone);
        if after == Person::SignedOut {
            ledger.lose(Lost::Session, status, by, false);
        }
        let standing = &mut ledger.people[self.index];
        (standing.state, standing.is_served) = (after, is_served);
        standing.met = status.map(|status| (status, by));
        after == Person::SignedIn
    }
}

impl IntruderClient {
    async fn act(&mut self, scene: &Scene) -> bool {
        let name = format!("intruder-{}-{}", self.index, self.asked);
        self.asked += 1;
        let head = head(scene.address, Display::CALENDAR, &name, Some(&self.token));
        let answer = self.line.ask(scene.address, &head).await;
        let said = scene.monolith.sayings().take(&name);
        let is_admitted = answer.as_ref().is_some_and(is_calendar);
        let mut ledger = scene.ledger();
        ledger.requests.of_intruders += 1;
        if is_admitted {
            ledger.lose(Lost::Calendar, Some(200), Speaker::of(200, said), false);
        }
        !is_admitted
    }
}

impl Line {
    /// The answer to `head`, if one comes. A connection that stood may have been closed meanwhile; programs try once more
    /// then (RFC 9110 §9.2.2).
    async fn ask(&mut self, address: SocketAddr, head: &Bytes) -> Option<Answer> {
        if let Some(mut connection) = self.0.take() {
            match connection.exchange(head, b"", PATIENCE).await {
                Ok(answer) => return Some(self.keep(connection, answer)),
                Err(NoAnswer::Lost(_)) => {}
                Err(NoAnswer::Hung(_) | NoAnswer::Nonsense(_)) => return None,
            }
        }
        let mut connection = timeout(PATIENCE, Connection::open(address, None)).await.ok()?.ok()?;
        let answer = connection.exchange(head, b"", PATIENCE).await.ok()?;
        Some(self.keep(connection, answer))
    }

    fn keep(&mut self, connection: Connection, answer: Answer) -> Answer {
        self.0 = answer.keeps_alive.then_some(connection);
        answer
    }
}

/// Whether a display would be served now. Nobody acts on the answer.
pub(super) async fn is_open(scene: &Scene) -> bool {
    if scene.ledger().displays.is_empty() {
        return true;
    }
    let head = head(scene.address, Display::CALENDAR, "probe", Some(&scene.token(0)));
    Line::default().ask(scene.address, &head).await.is_some_and(|answer| is_calendar(&answer))
}

fn head(host: SocketAddr, path: &str, name: &str, token: Option<&str>) -> Bytes {
    let bearer = token.map_or_else(String::new, |token| format!("Authorization: Bearer {token}\r\n"));
    format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nAccept: application/json\r\nUser-Agent: EventBoard\r\n\
         {REQUEST_NAME}: {name}\r\n{bearer}\r\n"
    )
    .into()
}
