//! The demonstration, pressed over HTTP as its page presses it.

use std::time::Duration;

use gateway::demo::{
    browser::Browser,
    show::{Show, ShowOptions},
};
use http::{HeaderMap, StatusCode};
use libtest_mimic::Trial;
use serde_json::Value;
use url::Url;

use crate::{in_a_runtime, report};

/// Every fault that the page offers, but for those that need a word of their own below.
const FAULTS: [(&str, &str); 8] = [
    ("monolith", "down"),
    ("monolith", "500"),
    ("monolith", "401"),
    ("monolith", "hangs"),
    ("provider", "down"),
    ("provider", "500"),
    ("provider", "nonsense-keys"),
    ("store", "down"),
];

pub(crate) fn tests() -> Vec<Trial> {
    vec![in_a_runtime("the demonstration shows who gets signed out", everything_pressed)]
}

/// The page, as a program sees it.
struct Visitor {
    browser: Browser,
    page: Url,
    round: u64,
}

async fn everything_pressed() {
    let options = ShowOptions { round: Duration::from_millis(20), replay: 12, ..ShowOptions::default() };
    let show = Show::start(options).await.expect("the show starts");
    let page = Url::parse(&format!("http://{}/", show.address())).expect("an address");
    let mut visitor =
        Visitor { browser: Browser::with_headers(Duration::from_secs(60), HeaderMap::new()), page, round: 0 };
    visitor.sees_the_page().await;
    visitor.sees_everybody_well("before anything is broken").await;

    for (part, value) in FAULTS {
        visitor.press(part, value).await;
        visitor.rounds(3).await;
        visitor.press("all", "heal").await;
        visitor.sees_everybody_well(&format!("after {part} {value}")).await;
    }
    visitor.press("all", "replay").await;
    let state = visitor.until(|state| state["replaying"] == 0).await;
    assert_eq!(state["faults"]["monolith"], "healthy", "the replay heals by itself");
    visitor.sees_everybody_well("after the replay").await;

    visitor.press("all", "revoke").await;
    let state = visitor.until(|state| state["scenes"]["with-display"]["mood"] == "lost").await;
    let score = &state["score"];
    let count = |side: &str, what: &str| score[side][what].as_u64().expect("a number");
    let (signed_out, wiped) = (count("without", "signed_out"), count("without", "wiped"));
    let (with_out, with_wiped) = (count("with", "signed_out"), count("with", "wiped"));
    let revoked = score["revoked"].as_str().expect("it was revoked");
    report::say(format!(
        "demo: {} faults, without: {signed_out} signed out {wiped} wiped, with: {with_out} {with_wiped}, revoked: {revoked}",
        FAULTS.len() + 1
    ));
    assert!(signed_out >= 5 && wiped >= 1, "the gates that are not Candor show what they are: {score}");
    assert_eq!((with_out, with_wiped, revoked), (0, 0, "401"), "{score}");

    visitor.press("all", "heal").await;
    visitor.sees_everybody_well("after a revocation and a new registration").await;
    show.end().await;
}

impl Visitor {
    async fn sees_the_page(&mut self) {
        let page = self.page.clone();
        let seen = self.browser.get(&page).await.expect("the page answers");
        assert_eq!(seen.status, StatusCode::OK);
        let text = seen.text();
        assert!(text.contains("A 401 from Candor is always true."), "{text}");
        assert!(!text.contains("{{"), "every blank on the page is filled in");
    }

    async fn press(&mut self, part: &str, value: &str) {
        let switch = self.page.join(&format!("/set/{part}/{value}")).expect("an address");
        let seen = self.browser.post(&switch, &[]).await.expect("the page answers");
        assert_eq!(seen.status, StatusCode::NO_CONTENT, "{part} {value}");
    }

    /// The state after the next round.
    async fn next(&mut self) -> Value {
        let address = self.page.join(&format!("/state?after={}", self.round)).expect("an address");
        let seen = self.browser.get(&address).await.expect("the page answers");
        let state: Value = serde_json::from_slice(&seen.body).expect("the state is JSON");
        self.round = state["round"].as_u64().expect("a number");
        state
    }

    async fn rounds(&mut self, rounds: u64) {
        let from = self.next().await["round"].as_u64().expect("a number");
        self.until(|state| state["round"].as_u64() >= Some(from + rounds)).await;
    }

    /// The first state that `is_it`.
    async fn until(&mut self, is_it: impl Fn(&Value) -> bool) -> Value {
        let mut state = Value::Null;
        for _ in 0..2000 {
            state = self.next().await;
            if is_it(&state) {
                return state;
            }
        }
        panic!("it never came: {state:#}");
    }

    async fn sees_everybody_well(&mut self, when: &str) {
        let well = |state: &Value| {
            state["scenes"].as_object().is_some_and(|scenes| scenes.values().all(|scene| scene["mood"] == "well"))
        };
        for _ in 0..200 {
            let state = self.next().await;
            if well(&state) {
                return;
            }
        }
        panic!("{when}: {:#}", self.next().await);
    }
}
