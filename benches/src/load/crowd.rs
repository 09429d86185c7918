//! Everybody who sends, each with what they show: what makes the requests of a load, and judges their answers.

use bytes::Bytes;
use serde::Serialize;
use url::{Position, Url};

use super::{
    mix::{Kind, Turns},
    sign_in::SignedIn,
};
use crate::{
    drive::{Clients, Exchange, Shot},
    latency::Latency,
    outcome::{Asked, ClientKind, Credential, Outcome, Outcomes},
};

/// All clients of a load.
pub struct Crowd {
    groups: Vec<Group>,
    turns: Turns,
    members: Vec<Member>,
}

/// All clients of one kind.
struct Group {
    asked: Asked,
    members: std::ops::Range<usize>,
    next: usize,
    record: KindRecord,
}

/// What became of the requests of one kind of client.
#[derive(Clone, Debug, Serialize)]
pub struct KindRecord {
    /// The kind.
    pub kind: &'static str,
    /// What they asked for.
    pub path: String,
    /// How many they are.
    pub clients: usize,
    /// How their requests ended.
    pub outcomes: Outcomes,
    /// How long those took that were answered rightly, or hung.
    pub latency: Latency,
    /// Redirects, refusals and other answers that stand in no class of success, each once with its number.
    pub statuses: std::collections::BTreeMap<u16, u64>,
}

struct Member {
    group: usize,
    head: Bytes,
    browser: Option<SignedIn>,
}

impl Crowd {
    /// Nobody yet.
    pub fn new() -> Self {
        Self { groups: Vec::new(), turns: Turns::new([]), members: Vec::new() }
    }

    /// Lets these take part with bearer tokens, in the order given.
    pub fn add_bearers(&mut self, kind: Kind, url: &Url, tokens: &[String]) {
        let heads = tokens.iter().map(|token| (head(url, kind, &format!("Authorization: Bearer {token}\r\n")), None));
        self.add(kind, url, heads.collect());
    }

    /// Lets these browsers take part.
    pub fn add_browsers(&mut self, url: &Url, browsers: Vec<SignedIn>) {
        let members = browsers.into_iter().map(|browser| {
            let cookie = format!("Cookie: {}\r\n", browser.cookies());
            (head(url, Kind::Browsers, &cookie), Some(browser))
        });
        self.add(Kind::Browsers, url, members.collect());
    }

    /// Lets somebody take part who shows nothing.
    pub fn add_anonymous(&mut self, url: &Url) {
        self.add(Kind::Anonymous, url, vec![(head(url, Kind::Anonymous, ""), None)]);
    }

    /// Sets how often each kind comes, in the order in which they were added.
    pub fn set_shares(&mut self, shares: impl IntoIterator<Item = u32>) {
        self.turns = Turns::new(shares);
    }

    /// Whether nobody takes part.
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// What became of everybody's requests.
    pub fn records(self) -> Vec<KindRecord> {
        self.groups.into_iter().map(|group| group.record).collect()
    }

    fn add(&mut self, kind: Kind, url: &Url, members: Vec<(Bytes, Option<SignedIn>)>) {
        let (group, first) = (self.groups.len(), self.members.len());
        self.members.extend(members.into_iter().map(|(head, browser)| Member { group, head, browser }));
        let credential = match kind {
            Kind::Browsers | Kind::Programs | Kind::Displays => Credential::Good,
            Kind::BadTokens => Credential::Bad,
            Kind::Anonymous => Credential::Absent,
        };
        let record = KindRecord {
            kind: kind.as_str(),
            path: target(url).to_owned(),
            clients: self.members.len() - first,
            outcomes: Outcomes::default(),
            latency: Latency::new(),
            statuses: std::collections::BTreeMap::new(),
        };
        let asked = Asked { client: kind.client(), credential, url: url.clone() };
        self.groups.push(Group { asked, members: first..self.members.len(), next: first, record });
    }
}

impl Default for Crowd {
    fn default() -> Self {
        Self::new()
    }
}

impl Clients for Crowd {
    fn next(&mut self) -> Shot {
        let group = self.turns.take();
        let group = &mut self.groups[group];
        let sender = group.next;
        group.next = if sender + 1 < group.members.end { sender + 1 } else { group.members.start };
        Shot { sender, head: self.members[sender].head.clone(), body: Bytes::new() }
    }

    fn judge(&mut self, exchange: &Exchange) -> Outcome {
        let member = &mut self.members[exchange.sender];
        let group = &mut self.groups[member.group];
        let outcome = group.asked.judge(&exchange.met);
        group.record.outcomes.count(outcome);
        if matches!(outcome, Outcome::Served | Outcome::Refused | Outcome::Hung) {
            group.record.latency.record(exchange.ended.saturating_duration_since(exchange.due));
        }
        let Ok(answer) = &exchange.met else { return outcome };
        *group.record.statuses.entry(answer.status).or_default() += 1;
        if let (Some(browser), false) = (&mut member.browser, answer.set_cookies.is_empty()) {
            browser.keep(&answer.set_cookies);
            member.head = head(&group.asked.url, Kind::Browsers, &format!("Cookie: {}\r\n", browser.cookies()));
        }
        outcome
    }
}

impl Kind {
    const fn client(self) -> ClientKind {
        match self {
            Self::Browsers | Self::Anonymous => ClientKind::Browser,
            Self::Programs | Self::Displays | Self::BadTokens => ClientKind::Program,
        }
    }
}

/// The request's target: path and query.
fn target(url: &Url) -> &str {
    &url[Position::BeforePath..Position::AfterQuery]
}

fn head(url: &Url, kind: Kind, shown: &str) -> Bytes {
    let host = &url[Position::BeforeHost..Position::AfterPort];
    let path = target(url);
    let wants = match kind.client() {
        ClientKind::Browser => {
            "Accept: text/html,application/xhtml+xml;q=0.9\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n"
        }
        ClientKind::Program => "Accept: application/json\r\n",
    };
    format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: candor-bench\r\n{wants}{shown}\r\n").into()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::exchange::{Answer, NoAnswer};

    fn url(path: &str) -> Url {
        Url::parse("http://127.0.0.1:8080").and_then(|url| url.join(path)).expect("an address")
    }

    fn answered(sender: usize, met: Result<Answer, NoAnswer>) -> Exchange {
        let now = Instant::now();
        Exchange { sender, due: now, sent: now, ended: now, met }
    }

    fn status(status: u16) -> Result<Answer, NoAnswer> {
        Ok(Answer { status, ..Answer::default() })
    }

    #[test]
    fn everybody_sends_what_is_theirs_by_turns() {
        let mut crowd = Crowd::new();
        assert!(crowd.is_empty());
        crowd.add_bearers(Kind::Programs, &url("/api?x=1"), &["one".to_owned(), "two".to_owned()]);
        crowd.add_anonymous(&url("/"));
        crowd.set_shares([2, 1]);
        let heads: Vec<String> = (0..6).map(|_| String::from_utf8(crowd.next().head.to_vec()).expect("text")).collect();
        let shown = |head: &String| {
            let token = head.split("Bearer ").nth(1).map(|rest| rest.trim_end().to_owned());
            token.unwrap_or_else(|| "nothing".to_owned())
        };
        assert_eq!(
            heads.iter().map(shown).collect::<Vec<_>>(),
            ["one", "nothing", "two", "one", "nothing", "two"],
            "{heads:#?}"
        );
        assert!(heads[0].starts_with("GET /api?x=1 HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n"), "{}", heads[0]);
        assert!(heads[0].ends_with("\r\n\r\n") && heads[1].ends_with("\r\n\r\n"), "{heads:#?}");
    }

    #[test]
    fn each_kind_is_judged_by_what_it_showed() {
        let mut crowd = Crowd::new();
        crowd.add_bearers(Kind::Displays, &url("/api"), &["one".to_owned()]);
        crowd.add_bearers(Kind::BadTokens, &url("/api"), &["bad".to_owned()]);
        crowd.add_anonymous(&url("/"));
        for sender in 0..3 {
            for met in [status(200), status(401), status(503), Err(NoAnswer::Hung(Duration::ZERO))] {
                crowd.judge(&answered(sender, met));
            }
        }
        let records = crowd.records();
        let outcomes: Vec<String> = records.iter().map(|record| record.outcomes.to_string()).collect();
        let expected = [
            "1 served, 1 honest 5xx, 1 hung, 1 false refusal",
            "1 refused, 1 honest 5xx, 1 hung, 1 wrongly admitted",
            "1 served, 1 refused, 1 honest 5xx, 1 hung",
        ];
        assert_eq!(outcomes, expected);
        assert_eq!(records[0].statuses, [(200, 1), (401, 1), (503, 1)].into());
        assert_eq!(records.iter().map(|record| record.latency.count()).collect::<Vec<_>>(), [2, 2, 3]);
    }
}
