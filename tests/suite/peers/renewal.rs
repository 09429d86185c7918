//! Sessions that a certified provider renews, which takes each refresh token once: shown a second time it takes
//! everything back. By its own count of what its token endpoint was asked.

use std::time::Duration;

use tokio::{io::AsyncWriteExt, net::TcpStream, task::JoinSet};
use world::{
    caller::{Caller, Form, Heard},
    raw,
};

use super::{Stage, signed_in, stage::Place};
use crate::report;

/// By default a session is due after a quarter of an hour, and a request waits for the renewal five minutes later.
const DUE: Duration = Duration::from_secs(15 * 60 + 1);
const WAITED_FOR: Duration = Duration::from_secs(20 * 60 + 1);
const AT_ONCE: usize = 10;
const PERIODS: usize = 5;

/// A place where sessions are renewed.
async fn stage() -> Stage {
    Stage::at(Place { renewed: true, ..Place::default() }).await
}

fn ticket_of(stage: &Stage, caller: &mut Caller) -> String {
    caller.browser().cookie(&stage.home, "candor").expect("a ticket").to_owned()
}

/// Another tab, or another connection, with this ticket.
fn with(stage: &Stage, ticket: &str) -> Caller {
    let mut caller = Caller::new(Form::Browser);
    caller.browser().set_cookie(&stage.home, "candor", ticket);
    caller
}

fn is_served(heard: &Heard, name: &str) {
    assert_eq!((heard.status(), heard.identities()), (Some(200), vec![name]), "{}", heard.line());
}

pub(super) async fn ten_at_once() {
    let stage = std::sync::Arc::new(stage().await);
    let mut ada = signed_in(&stage, "ada").await;
    let mut ticket = ticket_of(&stage, &mut ada);
    for period in 1..=PERIODS {
        stage.advance(WAITED_FOR).await;
        // Until all that come at first are there, nobody is told anything.
        stage.peer.tell("withhold").await;
        let mut tabs: JoinSet<(Heard, String)> = JoinSet::new();
        let mut open = |stage: &std::sync::Arc<Stage>| {
            for _ in 0..AT_ONCE / 2 {
                let (stage, mut tab) = (stage.clone(), with(stage, &ticket));
                tabs.spawn(async move {
                    let heard = stage.ask(&mut tab, "/calendar").await;
                    (heard, ticket_of(&stage, &mut tab))
                });
            }
        };
        open(&stage);
        stage.peer.until_refreshes(period).await;
        open(&stage);
        stage.peer.tell("answer").await;
        let mut renewed = Vec::new();
        while let Some(tab) = tabs.join_next().await {
            let (heard, has) = tab.expect("it is answered");
            is_served(&heard, "ada");
            assert_ne!(has, ticket, "each tab is given a renewed ticket");
            renewed.push(has);
        }
        assert_eq!((renewed.len(), stage.peer.refreshes()), (AT_ONCE, period), "one refresh a period");
        // Whichever ticket the browser kept, it is good, and so is the one of before.
        renewed.push(ticket.clone());
        for kept in &renewed {
            is_served(&stage.ask(&mut with(&stage, kept), "/calendar").await, "ada");
        }
        assert_eq!(stage.peer.refreshes(), period, "none of them is due");
        renewed.swap_remove(period % AT_ONCE).clone_into(&mut ticket);
    }
    stage.peer.saw_no_token_twice();
    report::say(format!(
        "renewals at a certified provider: {} requests, {AT_ONCE} at a time, {} refreshes, {} refused",
        AT_ONCE * PERIODS,
        stage.peer.refreshes(),
        stage.peer.count("token", |token| token["error"].is_string()),
    ));
}

pub(super) async fn gone_away() {
    let stage = stage().await;
    let mut ada = signed_in(&stage, "ada").await;
    let ticket = ticket_of(&stage, &mut ada);
    for period in 1..=PERIODS {
        stage.advance(WAITED_FOR).await;
        stage.peer.tell("withhold").await;
        let host = stage.home.authority().to_owned();
        let mut tab = TcpStream::connect(&host).await.expect("the gateway listens");
        // By the oldest ticket of all: it stands for its session as well as the newest.
        let asked = raw::request("GET", "/calendar", &host, &format!("Cookie: candor={ticket}\r\n"), "");
        tab.write_all(asked.as_bytes()).await.expect("it is sent");
        // The token is spent, and the gateway has not been told the next one.
        stage.peer.until_refreshes(period).await;
        drop(tab);
        stage.peer.tell("answer").await;
        stage.peer.until_answered(period).await;
        is_served(&stage.ask(&mut with(&stage, &ticket), "/calendar").await, "ada");
        is_served(&stage.ask(&mut ada, "/calendar").await, "ada");
        assert_eq!(stage.peer.refreshes(), period, "one refresh, which nobody waited for to its end");
    }
    stage.peer.saw_no_token_twice();
    assert_eq!(stage.peer.count("token", |token| token["error"].is_string()), 0);
}

/// Somebody whom the provider does not know any more, somebody whose consent was taken back, and somebody whose token was
/// stolen and shown: each is out at their first renewal, and nobody else is.
pub(super) async fn disabled() {
    let stage = stage().await;
    let mut witness = signed_in(&stage, "witness").await;
    for (name, command) in [("ada", "disable ada"), ("grace", "revoke grace"), ("hedy", "replay")] {
        let mut person = signed_in(&stage, name).await;
        stage.advance(DUE).await;
        until_renewed(&stage, &mut person, name).await;
        stage.peer.tell(command).await;
        let before = stage.peer.refreshes();
        let mut minutes = 0;
        while stage.peer.refreshes() == before {
            assert!(minutes < 15, "{name} was not renewed for a whole period");
            stage.advance(Duration::from_secs(61)).await;
            minutes += 1;
            // The request that finds the renewal due does not wait for it.
            is_served(&stage.ask(&mut person, "/calendar").await, name);
            if minutes == 15 {
                stage.peer.until_answered(before + 1).await;
            }
        }
        let heard = until_out(&stage, &mut person).await;
        assert!(heard.reached.is_empty(), "{}", heard.line());
        let forgotten = heard.answer.as_ref().expect("an answer").deleted_cookies();
        assert_eq!((heard.word(), &forgotten[..]), (Some("credential-invalid"), &["candor".to_owned()][..]));
        assert_eq!(stage.peer.refreshes(), before + 1, "{name}'s token was shown once more, and refused");
        report::count("people disabled at a certified provider, out within one renewal period");
    }
    is_served(&stage.ask(&mut witness, "/calendar").await, "witness");
    assert_eq!(stage.peer.count("reused", |_| true), 1, "the thief's alone");
}

/// Asks until there is a renewed ticket.
async fn until_renewed(stage: &Stage, person: &mut Caller, name: &str) {
    let (ticket, mut beat) = (ticket_of(stage, person), tokio::time::interval(Duration::from_millis(20)));
    for _ in 0..200 {
        is_served(&stage.ask(person, "/calendar").await, name);
        if ticket_of(stage, person) != ticket {
            return;
        }
        beat.tick().await;
    }
    panic!("{name} is not renewed")
}

/// The first answer that is not the calendar: what the provider said is written down in a moment.
async fn until_out(stage: &Stage, person: &mut Caller) -> Heard {
    let mut beat = tokio::time::interval(Duration::from_millis(20));
    for _ in 0..200 {
        let heard = stage.ask(person, "/calendar").await;
        if heard.status() != Some(200) {
            return heard;
        }
        beat.tick().await;
    }
    panic!("still in")
}
