//! Ends of sessions by their rows: the one that somebody ends, and beside it one that nobody may end.

use std::time::Duration;

use gateway::demo::{AccessTokenSpec, Twin};
use serde_json::{Value, json};
use world::{
    World,
    caller::{Caller, Form, Heard},
};

use super::{
    super::{
        oracle::{self, Complaints, OF_ANOTHER_PERSON},
        table::{Flow, Outcome},
        twins::Impostor,
    },
    Going, TICKET,
};

/// Where people see where they are signed in, and end it.
pub(super) const SESSIONS: &str = "/.candor/sessions";

const BACK_CHANNEL: &str = "/.candor/logout/backchannel";
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// What the provider calls the session that ends, and the one that stays.
const LEAVING: &str = "the-session-that-ends";
const STAYING: &str = "the-session-that-stays";

/// How long a logout token of tests is good.
const SOON_OVER: Duration = Duration::from_secs(300);

/// What is posted in order to end a session.
#[derive(Clone)]
pub(in super::super) struct EndingPost {
    path: &'static str,
    field: &'static str,
    value: String,
}

/// A session that is to end, and one that must not.
pub(super) struct Ending {
    post: EndingPost,
    leaving: String,
    staying: String,
    /// Whether somebody was told that it has ended.
    told: bool,
}

impl EndingPost {
    pub(in super::super) async fn go(&self, world: &World, caller: &mut Caller) -> Heard {
        let fields = [(self.field.to_owned(), self.value.clone())];
        caller.post(&world.url(self.path), &fields, &world.monolith).await
    }

    /// One of one's own sessions, by its id.
    fn of_own(id: String) -> Self {
        Self { path: SESSIONS, field: "end", value: id }
    }

    /// As the provider says it.
    fn by_provider(token: String) -> Self {
        Self { path: BACK_CHANNEL, field: "logout_token", value: token }
    }
}

impl Going {
    /// The provider is about to say that somebody has left.
    pub(super) async fn prepare_back_channel(&mut self, world: &World) {
        let leaving = ticket_of(world, "ada", LEAVING).await;
        let staying = ticket_of(world, "ada", STAYING).await;
        let post = EndingPost::by_provider(world.idp.mint(&logout_token("ada", LEAVING, json!({}))));
        self.twins = of_logout_tokens(world);
        self.ending = Some(Ending { post, leaving, staying, told: false });
    }

    /// Somebody is about to end another session of theirs, which has the same twins as whoever asks with a ticket; each
    /// would end a session that must stay.
    pub(super) async fn prepare_own_end(&mut self, world: &World) {
        let leaving = ticket_of(world, "ada", LEAVING).await;
        let staying = ticket_of(world, "ada", STAYING).await;
        let post = EndingPost::of_own(id_of(world, &leaving).await);
        let at_the_other = EndingPost::of_own(id_of(world, &staying).await);
        // Grace was signed out everywhere before, up to that moment.
        world.advance(Duration::from_secs(1));
        let mut grace = Caller::new(Form::Browser);
        world.sign_in(&mut grace, "grace", "/calendar").await;
        self.twins.push(Impostor::new(OF_ANOTHER_PERSON, grace));
        self.twins = self.twins.drain(..).map(|twin| twin.posting(at_the_other.clone())).collect();
        self.ending = Some(Ending { post, leaving, staying, told: false });
    }
}

impl Ending {
    pub(super) async fn go(&mut self, world: &World, flow: Flow, caller: &mut Caller) -> Heard {
        if self.told && flow == Flow::BackChannelLogout {
            // That token was taken: the provider says it once more.
            self.post = EndingPost::by_provider(world.idp.mint(&logout_token("ada", LEAVING, json!({}))));
        }
        let heard = self.post.go(world, caller).await;
        self.told |= oracle::meets(flow.whole(), caller.form(), &heard);
        heard
    }

    /// Whoever was told that the session has ended was told the truth, and the other session goes on.
    pub(super) async fn judge(&self, when: &str, world: &World, complaints: &mut Complaints) {
        if self.told {
            let heard = world.ask(&mut with(world, &self.leaving), "/calendar").await;
            oracle::judge_twin(when, Flow::Ticket, &heard, "ended", complaints);
            if !oracle::is_told(Flow::Ticket, "ended", &heard) && !oracle::is_undecided(&heard) {
                complaints.add(format!("{when}, the session that was ended is not refused: {}", heard.line()));
            }
        }
        let heard = world.ask(&mut with(world, &self.staying), "/calendar").await;
        oracle::judge_bystander(when, &heard, "ada", complaints);
    }

    /// When all is healed: it has ended, and the other one is served.
    pub(super) async fn judge_when_healed(&self, world: &World, complaints: &mut Complaints) {
        self.judge("healed", world, complaints).await;
        let heard = world.ask(&mut with(world, &self.staying), "/calendar").await;
        if !self.told || !oracle::meets(Outcome::Served, Form::Browser, &heard) {
            complaints.add(format!("healed, ended: {}; the session that stays: {}", self.told, heard.line()));
        }
    }
}

/// Logout tokens about the session that stays, each bad in another way.
fn of_logout_tokens(world: &World) -> Vec<Impostor> {
    let good = |more: Value| logout_token("ada", STAYING, more);
    let with =
        |name, token: String| Impostor::new(name, Caller::new(Form::Script)).posting(EndingPost::by_provider(token));
    let mut twins: Vec<Impostor> = [Twin::Forged, Twin::UnknownKid, Twin::Expired, Twin::OtherTenant]
        .map(|twin| {
            let made = with(twin.as_str(), world.idp.twin(&good(json!({})), twin));
            // A set of keys that is younger than the token proves it; nobody waits for that here.
            if matches!(twin, Twin::Forged | Twin::UnknownKid) { made.unprovable() } else { made }
        })
        .into();
    let bent = [
        ("for-somebody-else", json!({ "aud": "somebody else" })),
        ("with-a-nonce", json!({ "nonce": "n" })),
        ("without-the-event", json!({ "events": {} })),
    ];
    twins.extend(bent.map(|(name, claims)| with(name, world.idp.mint(&good(claims)))));
    twins.push(with("access-token", world.token("ada")));
    twins.push(with(OF_ANOTHER_PERSON, world.idp.mint(&logout_token("grace", STAYING, json!({})))));
    twins
}

/// A good logout token (OpenID Connect Back-Channel Logout 1.0 §2.4). `more`: further claims, or others in their place.
fn logout_token(subject: &str, sid: &str, more: Value) -> AccessTokenSpec {
    let mut claims = json!({ "aud": "candor", "sid": sid, "events": { EVENT: {} } });
    claims.as_object_mut().expect("an object").extend(more.as_object().cloned().unwrap_or_default());
    AccessTokenSpec::of(subject).aged(Duration::ZERO).lasting(SOON_OVER).typed(Some("logout+jwt")).with(claims)
}

/// The ticket of somebody who has just signed in, at the provider's session `sid`.
async fn ticket_of(world: &World, subject: &str, sid: &str) -> String {
    world.idp.states_of(subject, json!({ "sid": sid }));
    let mut browser = Caller::new(Form::Browser);
    world.sign_in(&mut browser, subject, "/calendar").await;
    world.idp.states_of(subject, json!({}));
    browser.browser().cookie(&world.url("/"), TICKET).expect("signed in").to_owned()
}

/// Which session a ticket is of, as its holder sees it among their own.
async fn id_of(world: &World, ticket: &str) -> String {
    let mut script = Caller::new(Form::Script);
    script.browser().set_cookie(&world.url("/"), TICKET, ticket);
    let heard = world.ask(&mut script, SESSIONS).await;
    let said = heard.answer.map(|seen| seen.body).unwrap_or_default();
    let said: Value = serde_json::from_slice(&said).expect("JSON");
    let this = said["sessions"].as_array().expect("a list").iter().find(|one| one["this"] == true).expect("one's own");
    this["id"].as_str().expect("a text").to_owned()
}

/// A browser with `ticket`, which keeps it whatever it was told before.
fn with(world: &World, ticket: &str) -> Caller {
    let mut browser = Caller::new(Form::Browser);
    browser.browser().set_cookie(&world.url("/"), TICKET, ticket);
    browser
}
