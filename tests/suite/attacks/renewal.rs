//! What goes wrong when sessions are renewed: tickets that others may find, tokens of somebody else, rules that came after a
//! ticket, and a provider that refuses everybody.

use std::time::Duration;

use serde_json::json;
use world::{
    World,
    caller::{Caller, Form},
    fault_proxy::Break,
    scripted::{Scripted, answer},
    store::StoreBreak,
};

use super::{Attack, Probes, shared_caches::is_kept};
use crate::{outages::flows::TICKET, report};

pub(super) const ATTACKS: &[Attack] = &[
    Attack {
        name: "a_ticket_in_a_shared_cache",
        fault: "renewed-ticket-on-public-answer",
        run: || Box::pin(a_ticket_in_a_shared_cache()),
    },
    Attack {
        name: "a_renewal_as_somebody_else",
        fault: "renewed-as-somebody-else",
        run: || Box::pin(a_renewal_as_somebody_else()),
    },
    Attack { name: "an_answer_that_was_lost", fault: "intent-ignored", run: || Box::pin(an_answer_that_was_lost()) },
    Attack {
        name: "a_rule_that_came_after_the_ticket",
        fault: "not-asked-is-not-permitted",
        run: || Box::pin(a_rule_that_came_after_the_ticket()),
    },
    Attack {
        name: "a_provider_from_yesterdays_backup",
        fault: "mass-refusal-at-renewal",
        run: || Box::pin(a_provider_from_yesterdays_backup()),
    },
];

/// Later than a session's renewal is due, and later than anybody goes without.
const DUE: Duration = Duration::from_secs(16 * 60);
const LATE: Duration = Duration::from_secs(3600);

/// How many people a provider from yesterday's backup refuses at once, and how many of them may be out at most.
const PEOPLE: usize = 500;
const MAY_END: usize = 20;

/// What services say about caching of what is for everybody.
const SAID: [&str; 5] = [
    "",
    "Cache-Control: public, max-age=60\r\n",
    "Cache-Control: max-age=60\r\n",
    "Cache-Control: private=\"set-cookie\", max-age=60\r\n",
    "Cache-Control: private\r\nSurrogate-Control: max-age=60\r\n",
];

async fn renewing() -> World {
    let mut world = World::new().standing_clock().prepare().await;
    world.settings.renew_sessions();
    world
}

/// Where anyone may pass, answers are kept by caches that many people share: a renewed ticket beside one would be given to
/// the next who asks.
async fn a_ticket_in_a_shared_cache() -> Probes {
    let mut world = renewing().await;
    let service = Scripted::before(world.monolith.address()).await;
    world.settings.replace(&world.proxies.monolith.base(), &service.base());
    // What its service says of caching is left as it is.
    world.settings.replace("allow = [\"anyone\"]", "allow = [\"anyone\"]\ncache = \"pass\"");
    world.start_gateway().await;
    let mut probes = Probes::default();
    for (number, said) in SAID.into_iter().enumerate() {
        for status in ["200 OK", "206 Partial Content", "304 Not Modified"] {
            let mut person = Caller::new(Form::Browser);
            world.sign_in(&mut person, "ada", "/calendar").await;
            world.advance(DUE);
            world.poll_revocations().await;
            let path = format!("/public/page/{number}/{}", &status[..3]);
            let body = if status.starts_with("304") { "" } else { "for all" };
            service.say(&path, answer(status, &format!("{said}ETag: \"1\"\r\n"), body));
            // The first begins the renewal, and one of the next has its ticket.
            for _ in 0..10 {
                let heard = world.ask(&mut person, &path).await;
                let seen = heard.answer.as_ref().expect("an answer");
                let set = seen.headers.get_all("set-cookie").iter().any(|set| set.as_bytes().starts_with(b"candor="));
                let fields = seen.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
                let kept = is_kept(fields) || !status.starts_with("200");
                probes.made(set && kept, || format!("{status} with {said:?}: {:?}", seen.headers));
                tokio::task::yield_now().await;
            }
        }
    }
    probes
}

/// The provider answers a renewal with a token of somebody else, who is in another group: nobody becomes them.
async fn a_renewal_as_somebody_else() -> Probes {
    let mut world = renewing().await;
    world.settings.replace("group:engineers", "group:admirals");
    world.start_gateway().await;
    let mut probes = Probes::default();
    for claims in [json!({ "sub": "grace", "groups": ["admirals"] }), json!({ "sub": "x", "groups": ["admirals"] })] {
        let mut person = Caller::new(Form::Browser);
        world.idp.states_of("ada", json!({}));
        world.sign_in(&mut person, "ada", "/calendar").await;
        world.idp.states_of("ada", claims.clone());
        world.advance(LATE);
        world.poll_revocations().await;
        for path in ["/engineers/plan", "/calendar"] {
            let heard = world.ask(&mut person, path).await;
            let passes = path == "/engineers/plan" && heard.status() == Some(200);
            let is_another =
                heard.reached.iter().any(|seen| seen.header("x-auth-request-user").is_some_and(|it| it != "ada"));
            let blamed = path == "/calendar" && heard.status() != Some(200);
            probes.made(passes || is_another || blamed, || format!("{claims} {path}: {}", heard.line()));
        }
    }
    probes
}

/// The provider spends a refresh token, and its answer is lost on the way: what it says to the same token afterwards is no
/// word about the person, who goes on; and not for ever.
async fn an_answer_that_was_lost() -> Probes {
    let mut world = renewing().await;
    world.start_gateway().await;
    let mut probes = Probes::default();
    for how in [Break::Half, Break::Reset, Break::Hang, Break::Garble, Break::Status(500)] {
        world.idp.enable_all();
        let mut person = Caller::new(Form::Browser);
        world.sign_in(&mut person, "ada", "/calendar").await;
        world.advance(LATE);
        world.poll_revocations().await;
        world.proxies.token.break_with(how).await;
        let heard = world.ask(&mut person, "/calendar").await;
        probes.made(heard.identities().len() != 1, || format!("{how:?}, while it is broken: {}", heard.line()));
        world.proxies.token.heal().await;
        world.idp.disable("ada");
        for _ in 0..2 {
            world.advance(Duration::from_secs(60));
            world.poll_revocations().await;
            let heard = world.ask(&mut person, "/calendar").await;
            probes.made(heard.identities().len() != 1, || format!("{how:?}, afterwards: {}", heard.line()));
        }
        world.advance(Duration::from_secs(12 * 3600));
        world.poll_revocations().await;
        let heard = world.ask(&mut person, "/calendar").await;
        probes.made(!heard.identities().is_empty(), || format!("{how:?}, the next day: {}", heard.line()));
    }
    probes
}

/// A rule asks about a group that a ticket does not know of. Its holder is asked about; and where nobody can say, that is no
/// refusal.
async fn a_rule_that_came_after_the_ticket() -> Probes {
    let mut world = renewing().await;
    world.start_gateway().await;
    let mut person = Caller::new(Form::Browser);
    world.sign_in(&mut person, "ada", "/calendar").await;
    world.settings.replace("group:engineers", "group:chess");
    world.idp.states_of("ada", json!({ "groups": ["chess"] }));
    world.reconfigure();
    let mut probes = Probes::default();
    world.store.break_with(StoreBreak::Locked).await.expect("the store can be broken");
    world.disturb_store(auth_core::database::Disturbance::Closed).await;
    let heard = world.ask(&mut person, "/engineers/plan").await;
    probes.made(heard.status() != Some(503), || format!("while the store is down: {}", heard.line()));
    world.heal_store().await;
    world.advance(LATE);
    world.poll_revocations().await;
    let heard = world.ask(&mut person, "/engineers/plan").await;
    probes.made(heard.status() != Some(200), || format!("once it can be asked: {}", heard.line()));
    probes
}

/// A provider that was put back from a backup knows nobody's refresh token. A few are out before that is noticed; everybody
/// else keeps their session, and goes on with it once the provider is right again.
async fn a_provider_from_yesterdays_backup() -> Probes {
    let mut world = renewing().await;
    world.start_gateway().await;
    let mut people = Vec::new();
    for _ in 0..PEOPLE {
        let mut browser = Caller::new(Form::Browser);
        world.sign_in(&mut browser, "ada", "/calendar").await;
        let ticket = browser.browser().cookie(&world.url("/"), TICKET).expect("signed in").to_owned();
        let mut script = Caller::new(Form::Script);
        script.browser().set_cookie(&world.url("/"), TICKET, &ticket);
        people.push(script);
    }
    world.idp.disable("ada");
    world.advance(LATE);
    world.poll_revocations().await;
    let (mut ended, mut held, mut admitted) = (Vec::new(), 0, 0);
    for (number, person) in people.iter_mut().enumerate() {
        // Where nothing may be stale, nobody is admitted by a provider that refuses them.
        let heard = world.ask(person, "/admin/panel").await;
        admitted += heard.identities().len();
        match heard.status() {
            Some(401) => ended.push(number),
            Some(503) => held += 1,
            _ => {}
        }
    }
    report::say(format!(
        "held: {PEOPLE} refused at renewal, {} ended, {held} held, {admitted} wrongly admitted",
        ended.len()
    ));
    let mut probes = Probes::default();
    probes.made(ended.len() > MAY_END, || format!("{} of {PEOPLE} were signed out", ended.len()));
    probes.made(admitted > 0, || format!("{admitted} were admitted"));
    probes.made(ended.len() + held != PEOPLE, || format!("{} ended and {held} held", ended.len()));
    // Where an old confirmation is good enough, those who are held go on meanwhile.
    for (number, person) in people.iter_mut().enumerate().filter(|(number, _)| !ended.contains(number)) {
        let heard = world.ask(person, "/calendar").await;
        probes.made(heard.identities().len() != 1, || format!("person {number} is not served: {}", heard.line()));
    }
    world.idp.enable_all();
    world.advance(Duration::from_secs(60));
    world.poll_revocations().await;
    for (number, person) in people.iter_mut().enumerate().filter(|(number, _)| !ended.contains(number)) {
        let mut heard = world.ask(person, "/admin/panel").await;
        // A busy machine misses a deadline, which is an outage, and mended by coming again when one was told to.
        for _ in 0..3 {
            if heard.status() == Some(503) {
                world.advance(Duration::from_secs(10));
                world.poll_revocations().await;
                heard = world.ask(person, "/admin/panel").await;
            }
        }
        probes.made(heard.status() != Some(200), || format!("person {number} does not go on: {}", heard.line()));
    }
    probes
}
