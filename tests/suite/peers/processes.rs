//! The program and the provider in processes of their own, by the machine's clock: who is disabled at the provider is out
//! within one renewal period, and whose session was ended is out at the next request.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use url::Url;
use world::{
    caller::Heard,
    process::{self, Process},
};

use super::{Stage, signed_in, stage::Place};
use crate::report;

const PERIOD: Duration = Duration::from_secs(2);
const SESSIONS: &str = "[sessions]\nrenew = \"2s\"\nrenew_grace = \"0s\"\n";

pub(super) async fn sessions_end() {
    let place = Place { renewed: true, further: SESSIONS, ..Place::default() };
    let stage = Stage::prepare(place).await;
    let config = stage.write_config();
    let mut gateway = Process::start(&config);
    gateway.serving().await;
    let mut witness = signed_in(&stage, "witness").await;

    let disabled = disabled_at_the_provider(&stage).await;
    by_command(&stage, &config).await;
    by_logout_token(&stage).await;

    assert_eq!(stage.ask(&mut witness, "/calendar").await.status(), Some(200), "nobody else is out");
    stage.peer.saw_no_token_twice();
    report::say(format!(
        "with real processes: disabled at the provider, out at the first renewal, after {} ms of a period of {} ms; ended by \
         command and by logout token, out at the next request",
        disabled.as_millis(),
        PERIOD.as_millis()
    ));
    let (status, said) = gateway.stop().await;
    let said = String::from_utf8_lossy(&said).into_owned();
    assert_eq!(status.code(), Some(0), "{said}");
    for event in ["renewal-refused", "session-ended"] {
        assert!(said.contains(event), "{event} is on record: {said}");
    }
}

/// How long it took.
async fn disabled_at_the_provider(stage: &Stage) -> Duration {
    let mut ada = signed_in(stage, "ada").await;
    let of_ada = |what: &serde_json::Value| what["grant"] == "refresh_token" && what["account"] == "ada";
    let mut beat = tokio::time::interval(Duration::from_millis(20));
    // A renewal has just happened, so that a whole period lies ahead.
    while stage.peer.count("token", of_ada) == 0 {
        assert_eq!(stage.ask(&mut ada, "/calendar").await.status(), Some(200));
        beat.tick().await;
    }
    stage.peer.tell("disable ada").await;
    let (since, renewed) = (Instant::now(), stage.peer.count("token", of_ada));
    loop {
        let heard = stage.ask(&mut ada, "/calendar").await;
        if heard.status() != Some(200) {
            is_out(&heard);
            break;
        }
        let refused = stage.peer.count("token", of_ada) - renewed;
        assert!(refused <= 1, "in after a renewal that was refused");
        beat.tick().await;
    }
    let took = since.elapsed();
    assert_eq!(stage.peer.count("token", of_ada), renewed + 1, "the first renewal after that");
    took
}

/// By `gateway sessions end`.
async fn by_command(stage: &Stage, config: &Path) {
    let mut grace = signed_in(stage, "grace").await;
    let issuer = stage.proxy.base();
    let said = run(config, &["sessions", "list", "--user", &issuer, "grace"]).await;
    let id = said.split(' ').next().expect("an id first").to_owned();
    let said = run(config, &["sessions", "end", &id, "--reason", "a laptop was lost"]).await;
    is_out(&stage.ask(&mut grace, "/calendar").await);
    assert!(said.contains("ended"), "{said}");
}

/// By the provider, at which she signs out.
async fn by_logout_token(stage: &Stage) {
    let mut hedy = signed_in(stage, "hedy").await;
    let end = Url::parse(&stage.proxy.base()).and_then(|base| base.join("/session/end")).expect("an address");
    let page = hedy.browser().visit(&end).await.expect("the provider answers");
    let over = hedy.browser().submit(&page, &[("logout", "yes")]).await.expect("the provider answers");
    assert_eq!(over.status, 200, "{}", over.text());
    is_out(&stage.ask(&mut hedy, "/calendar").await);
    assert_eq!(stage.peer.count("logout-token-taken", |token| token["account"] == "hedy"), 1);
}

fn is_out(heard: &Heard) {
    assert_eq!((heard.status(), heard.reached.len()), (Some(303), 0), "{}", heard.line());
}

async fn run(config: &Path, words: &[&str]) -> String {
    let (words, config) = (words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>(), config.to_owned());
    let ran = tokio::task::spawn_blocking(move || {
        process::run(&words.iter().map(String::as_str).collect::<Vec<_>>(), &config)
    });
    let (status, said) = ran.await.expect("it ends");
    assert_eq!(status.code(), Some(0), "{said}");
    said
}
