//! `gateway held`, as an operator types it beside a gateway that runs: who is held, and who of them is out in the end. And
//! one whom their provider disabled among others who are renewed, who is out at once.

use std::{path::Path, time::Duration};

use libtest_mimic::Trial;
use world::{
    World,
    caller::{Caller, Form},
    process,
};

use crate::{in_a_runtime, outages::flows::TICKET};

pub(crate) fn tests() -> Vec<Trial> {
    vec![in_a_runtime("held::operators_list_and_release_by_command", by_command)]
}

/// Twenty end before it is noticed; the others are held.
const END: usize = 20;
pub(crate) const HELD: usize = 6;

/// Later than a session's renewal is due, and later than refusals are counted together.
const LATE: Duration = Duration::from_secs(3600);

/// Where nothing may be stale.
const FRESH: &str = "/admin/panel";

/// A program of somebody who has signed in: it is told by statuses.
async fn signed_in(world: &World, subject: &str) -> Caller {
    let mut browser = Caller::new(Form::Browser);
    world.sign_in(&mut browser, subject, "/calendar").await;
    let ticket = browser.browser().cookie(&world.url("/"), TICKET).expect("signed in").to_owned();
    let mut script = Caller::new(Form::Script);
    script.browser().set_cookie(&world.url("/"), TICKET, &ticket);
    script
}

/// Runs `gateway held …`, and types. Gives the exit code and what was said.
async fn held(config: &Path, words: &str, typed: &'static str) -> (Option<i32>, String) {
    let (config, words) = (config.to_owned(), format!("held {words}"));
    let ran =
        tokio::task::spawn_blocking(move || process::run_typing(&words.split(' ').collect::<Vec<_>>(), &config, typed));
    let (status, said) = ran.await.expect("it ends");
    (status.code(), said)
}

/// As many as are to be held, after as many as may end.
pub(crate) async fn held_people(world: &World) -> Vec<Caller> {
    let mut people = Vec::new();
    for _ in 0..END + HELD {
        people.push(signed_in(world, "ada").await);
    }
    world.idp.disable("ada");
    world.advance(LATE);
    world.poll_revocations().await;
    let mut kept = Vec::new();
    for mut person in people {
        let heard = world.ask(&mut person, FRESH).await;
        match heard.status() {
            Some(401) => {}
            Some(503) => kept.push(person),
            _ => panic!("neither ended nor held: {}", heard.line()),
        }
    }
    assert_eq!(kept.len(), HELD);
    kept
}

async fn by_command() {
    let mut world = World::new().standing_clock().prepare().await;
    world.settings.renew_sessions();
    world.start_gateway().await;
    let config = world.write_config();
    assert_eq!(held(&config, "list", "").await, (Some(0), "no session is held\n".to_owned()));
    let mut people = held_people(&world).await;

    let (code, said) = held(&config, "list", "").await;
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!((code, lines.len(), lines[0]), (Some(0), 1 + HELD, "6 sessions are held"), "{said}");
    let whose =
        |line: &&str| line.contains("#ada") && line.contains("invalid_grant") && line.contains("confirmed last");
    assert!(lines[1..].iter().all(whose), "{said}");
    let id = |line: &str| line.split(' ').next().expect("an id first").to_owned();
    let (first, last) = (id(lines[1]), id(lines[HELD]));
    let provider = said.split('`').nth(1).expect("its name").to_owned();
    let (_, said) = held(&config, &format!("list --provider {provider} --after {first}"), "").await;
    assert_eq!(said.lines().count(), HELD, "{said}");
    assert_eq!(held(&config, "list --provider another", "").await.1, "no session is held\n");

    // What is not meant, or not said, releases nobody.
    for (words, typed, expected) in [
        ("release --reason left --yes", "", 2),
        ("release --all --yes", "", 2),
        ("release --all --provider x --reason left --yes", "", 2),
        ("release --all --reason left", "", 20),
        ("release --all --reason left", "yes\n", 20),
        ("release --provider another --reason left --yes", "", 20),
        ("release --session nonsense --reason left --yes", "", 20),
    ] {
        let (code, said) = held(&config, words, typed).await;
        assert_eq!(code, Some(expected), "{words}: {said}");
    }
    assert_eq!(held(&config, "list", "").await.1.lines().next(), Some("6 sessions are held"));

    // The provider is right about one of them, as the operator finds.
    let (code, said) = held(&config, &format!("release --session {last} --reason left"), "release\n").await;
    assert!(code == Some(0) && said.contains("1 session has ended"), "{said}");
    let (code, said) = held(&config, &format!("release --session {last} --reason left --yes"), "").await;
    assert_eq!(code, Some(20), "it has ended: {said}");
    let mut statuses = Vec::new();
    for person in &mut people {
        statuses.push(world.ask(person, "/calendar").await.status());
    }
    let out = statuses.iter().position(|status| *status == Some(401)).expect("out at the next request");
    assert_eq!(statuses.iter().filter(|status| **status == Some(200)).count(), HELD - 1, "{statuses:?}");
    let released = people.remove(out);

    // Then it is right again. Who comes is renewed, and the others are released before they come.
    world.idp.enable_all();
    world.advance(Duration::from_secs(60));
    world.poll_revocations().await;
    let mut others = people.split_off(3);
    for person in &mut people {
        assert_eq!(world.ask(person, FRESH).await.status(), Some(200), "it goes on");
    }
    let (code, said) = held(&config, &format!("release --provider {provider} --reason left --yes"), "").await;
    assert!(code == Some(0) && said.contains("2 sessions have ended"), "{said}");
    others.push(released);
    for person in &mut others {
        assert_eq!(world.ask(person, "/calendar").await.status(), Some(401), "it has ended");
    }
    for person in &mut people {
        assert_eq!(world.ask(person, FRESH).await.status(), Some(200), "it is none of the held any more");
    }
    assert_eq!(held(&config, "list", "").await.1, "no session is held\n");
    one_among_the_healthy(&world, &mut people).await;
}

/// A colleague is disabled while everybody else is renewed: no mistake looks like that.
async fn one_among_the_healthy(world: &World, healthy: &mut [Caller]) {
    let mut grace = signed_in(world, "grace").await;
    world.idp.disable("grace");
    world.advance(LATE);
    world.poll_revocations().await;
    let heard = world.ask(&mut grace, "/calendar").await;
    assert_eq!((heard.status(), heard.identities().len()), (Some(401), 0), "{}", heard.line());
    for person in healthy {
        assert_eq!(world.ask(person, FRESH).await.status(), Some(200), "it is renewed");
    }
}
