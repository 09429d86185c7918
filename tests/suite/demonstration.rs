//! The demonstration, pressed over HTTP as its page presses it.

use std::time::Duration;

use gateway::demo::{
    browser::{Browser, SeenPage},
    show::{Show, ShowOptions},
};
use http::{HeaderMap, StatusCode};
use libtest_mimic::Trial;
use serde_json::Value;
use url::Url;

use crate::{in_a_runtime, report};

/// Every fault that the page offers; whether it makes displays without Candor erase themselves, and whether it signs
/// people out there.
const FAULTS: [(&str, &str, bool, bool); 9] = [
    ("monolith", "replay", true, false),
    ("monolith", "down", false, false),
    ("monolith", "500", false, false),
    ("monolith", "401", true, true),
    ("monolith", "hangs", false, false),
    ("provider", "down", false, true),
    ("provider", "500", false, true),
    ("provider", "nonsense-keys", false, true),
    ("store", "down", false, true),
];
const DISPLAYS: u64 = 24;
/// How often somebody tries to sign in.
const SIGN_INS: usize = 5;

pub(crate) fn tests() -> Vec<Trial> {
    vec![in_a_runtime("the demonstration shows who gets signed out", everything_pressed)]
}

/// The page, as a program sees it.
struct Visitor {
    browser: Browser,
    page: Url,
    edition: u64,
}

async fn everything_pressed() {
    let options = ShowOptions {
        port: 0,
        round: Duration::from_millis(20),
        deadline: Duration::from_secs(3),
        lasts: 4,
        replay: 12,
        technicians: 24,
        settle: Duration::from_millis(200),
    };
    let show = Show::start(options).await.expect("the show starts");
    let page = Url::parse(&format!("http://{}/", show.address())).expect("an address");
    let mut visitor =
        Visitor { browser: Browser::with_headers(Duration::from_secs(60), HeaderMap::new()), page, edition: 0 };
    visitor.sees_the_page().await;
    visitor.until_well("before anything is broken").await;

    for (part, value, erases, signs_out) in FAULTS {
        visitor.breaks(part, value, erases, signs_out).await;
    }
    visitor.hangs_new_displays().await;
    let state = visitor.revokes().await;
    let count = |side: &str, what: &str| count(&state, side, what);
    let (signed_out, erased) = (count("without", "signed_out"), count("without", "erased"));
    let (with_out, with_erased) = (count("with", "signed_out"), count("with", "erased"));
    report::say(format!(
        "demo: {} faults, without: {signed_out} signed out {erased} wiped, with: {with_out} {with_erased}, revoked: 401",
        FAULTS.len()
    ));
    assert_eq!((with_out, with_erased), (0, 0));
    visitor.agrees_with_its_history().await;
    show.end().await;
}

impl Visitor {
    /// Breaks one thing, sees it heal by itself and who is out then, and lets people bring those back.
    async fn breaks(&mut self, part: &str, value: &str, erases: bool, signs_out: bool) {
        let what = format!("{part} {value}");
        let before = self.until_well(&format!("before {what}")).await;
        self.press(part, value).await;
        self.until(&format!("{what} is broken"), |state| state["faults"][part] == *value).await;
        let healed = |state: &Value| state["heals_in"].is_null() && state["faults"][part] == "healthy";
        let after = self.until(&format!("{what} heals by itself"), healed).await;
        let more = |side: &str, counted: &str| count(&after, side, counted) - count(&before, side, counted);
        assert_eq!(more("without", "erased") > 0, erases, "{what}: {} erased", more("without", "erased"));
        assert!(!signs_out || more("without", "signed_out") > 0, "{what} signs nobody out");
        assert_eq!((more("with", "erased"), more("with", "signed_out")), (0, 0), "{what}");
        if erases {
            let state = self.next().await;
            assert!(count(&state, "without", "asking") > 0, "{what}: after the healing they still ask for a PIN");
            assert_eq!(count(&state, "with", "asking"), 0, "{what}");
            self.types_a_pin(&state).await;
        }
    }

    /// The PIN of one display without Candor, typed by hand on the service's own page, in another tab.
    async fn types_a_pin(&mut self, state: &Value) {
        let asks = displays(state, "without").find(|display| display["mood"] == "pin").expect("one shows its PIN");
        let (pin, room) = (asks["pin"].as_str().expect("digits"), asks["room"].as_str().expect("a room").to_owned());
        let (mut tab, form) = self.opens_the_pin_page("without", pin, &room).await;
        let done = tab.submit(&form, &[("pin", pin), ("room", &room)]).await.expect("an answer").text();
        let way_out = done.contains("Sign out") && done.contains(self.page.as_str());
        assert!(done.contains("Activated") && way_out, "{done}");
        let works =
            |state: &Value| displays(state, "without").any(|one| one["room"] == *room && one["mood"] == "online");
        self.until(&format!("{room} works again"), works).await;
    }

    /// In another tab, by whoever signs in there.
    async fn opens_the_pin_page(&mut self, side: &str, pin: &str, room: &str) -> (Browser, SeenPage) {
        let page = self.browser.get(&self.page.clone()).await.expect("the page answers").text();
        let (_, rest) = page.split_once(&format!("data-pin-{side}=\"")).expect("where PINs are typed");
        let address = format!("{}?pin={pin}&room={room}", rest.split('"').next().expect("an address"));
        let mut tab = Browser::navigating(Duration::from_secs(60));
        // On a busy machine a sign-in may find the store too slow, and says so: then they try again, as people do.
        let mut said = String::new();
        for _ in 0..SIGN_INS {
            let page = tab.visit(&Url::parse(&address).expect("an address")).await.expect("a page");
            let form = if page.url.as_str() == address {
                page
            } else {
                tab.submit(&page, &[("user", "ada")]).await.expect("an answer to the provider's form")
            };
            if form.url.as_str() == address {
                return (tab, form);
            }
            said = form.text();
        }
        panic!("they are not back where they wanted to go: {said}");
    }

    /// New displays while the service is down: without Candor they get no PIN, and with it somebody types one.
    async fn hangs_new_displays(&mut self) {
        self.until_well("before new displays").await;
        self.press("monolith", "down").await;
        self.press("all", "new").await;
        let mood = |state: &Value, side: &str| displays(state, side).last().map(|display| display["mood"].clone());
        let ask =
            |state: &Value| (mood(state, "without"), mood(state, "with")) == (Some("nopin".into()), Some("pin".into()));
        let state = self.until("the new displays ask for a PIN", ask).await;
        let asks = displays(&state, "with").last().expect("it hangs");
        let (pin, room) = (asks["pin"].as_str().expect("digits"), asks["room"].as_str().expect("a room"));
        let (mut tab, form) = self.opens_the_pin_page("with", pin, room).await;
        // On a busy machine the store may be too slow: then the page says so, has no form, and is sent again.
        let mut done = String::new();
        for _ in 0..20 {
            let found = tab.submit(&form, &[("pin", pin)]).await.expect("an answer");
            done = found.text();
            if found.form().is_some() {
                done = tab.submit(&found, &[("tenant", "acme"), ("room", room)]).await.expect("an answer").text();
            }
            if done.contains("The display is activated") {
                break;
            }
        }
        assert!(done.contains("The display is activated"), "{done}");
        self.until("it works", |state| mood(state, "with") == Some("online".into())).await;
    }

    /// A display that is revoked is told so, and that is no mistake.
    async fn revokes(&mut self) -> Value {
        self.until_well("before the revocation").await;
        self.press("all", "revoke").await;
        let state = self.until("it erases itself", |state| count(state, "with", "asking") == 1).await;
        let revoked = displays(&state, "with").find(|display| display["room"] == state["revoked"]).expect("it hangs");
        assert!(revoked["erased_by"].as_str().is_some_and(|answer| answer.starts_with("401")), "{revoked}");
        self.until_well("after a new token").await
    }

    /// The counters are those of the displays in the same state, and the chart's last point too.
    async fn agrees_with_its_history(&mut self) {
        let state = self.next().await;
        let address = self.page.join("/history").expect("an address");
        let seen = self.browser.get(&address).await.expect("the page answers");
        let history: Vec<Value> = serde_json::from_slice(&seen.body).expect("samples");
        let sample = history.iter().find(|sample| sample["at"] == state["at"]).expect("this round is in it");
        for side in ["without", "with"] {
            assert_eq!(sample[side], state[side]["counts"], "{side}");
        }
    }

    async fn sees_the_page(&mut self) {
        for file in ["", "page.css", "page.js", "wall.js", "chart.js", "words.js"] {
            let seen = self.browser.get(&self.page.join(file).expect("an address")).await.expect("the page answers");
            assert_eq!(seen.status, StatusCode::OK, "{file}");
            let policy = seen.header("content-security-policy").unwrap_or_default();
            assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{file}: {policy}");
            let text = seen.text();
            if file.is_empty() {
                assert!(!text.contains("{{"), "every blank is filled in: {text}");
                assert!(text.contains("A 401 from Candor is always true."), "{text}");
            } else if file == "words.js" {
                for (part, value, ..) in FAULTS {
                    assert!(text.contains(&format!("\"{part}/{value}\"")), "{part} {value} is explained");
                }
                assert_eq!(text.matches("means:").count(), FAULTS.len(), "nothing else is offered");
            }
        }
    }

    async fn press(&mut self, part: &str, value: &str) {
        let switch = self.page.join(&format!("/set/{part}/{value}")).expect("an address");
        let seen = self.browser.post(&switch, &[]).await.expect("the page answers");
        assert_eq!(seen.status, StatusCode::NO_CONTENT, "{part} {value}");
    }

    /// The next state. Its counters agree with its displays.
    async fn next(&mut self) -> Value {
        let address = self.page.join(&format!("/state?after={}", self.edition)).expect("an address");
        let seen = self.browser.get(&address).await.expect("the page answers");
        let state: Value = serde_json::from_slice(&seen.body).expect("the state is JSON");
        self.edition = state["edition"].as_u64().expect("a number");
        for side in ["without", "with"].into_iter().filter(|_| state["round"] != 0) {
            let has = |moods: &[&str]| {
                displays(&state, side).filter(|display| moods.iter().any(|mood| display["mood"] == *mood)).count()
                    as u64
            };
            let counted = ["online", "kept", "asking"].map(|what| count(&state, side, what));
            assert_eq!(counted, [has(&["online"]), has(&["kept", "blank"]), has(&["pin", "nopin"])], "{side}: {state}");
            assert_eq!(counted.iter().sum::<u64>(), DISPLAYS, "{side}");
        }
        state
    }

    /// The first state in which everybody works, after technicians were sent if somebody is out.
    async fn until_well(&mut self, when: &str) -> Value {
        for _ in 0..2000 {
            let state = self.next().await;
            if is_well(&state) {
                return state;
            }
            if state["technicians"] == false {
                self.press("all", "technicians").await;
            }
        }
        panic!("{when}: somebody stays out: {:#}", self.next().await);
    }

    /// The first state that `is_it`.
    async fn until(&mut self, what: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        let mut state = Value::Null;
        for _ in 0..2000 {
            state = self.next().await;
            if is_it(&state) {
                return state;
            }
        }
        panic!("{what}: it never came: {state:#}");
    }
}

fn displays<'state>(state: &'state Value, side: &str) -> impl Iterator<Item = &'state Value> {
    state[side]["displays"].as_array().into_iter().flatten()
}

fn count(state: &Value, side: &str, what: &str) -> u64 {
    state[side]["counts"][what].as_u64().expect("a number")
}

/// Every display shows a calendar that it was sent just now, everybody is signed in, and nobody is on their way.
fn is_well(state: &Value) -> bool {
    let side_is_well = |side: &str| {
        let mut people = state[side]["people"].as_array().into_iter().flatten();
        count(state, side, "online") == DISPLAYS && people.all(|person| person["mood"] == "well")
    };
    state["technicians"] == false && side_is_well("without") && side_is_well("with")
}
