//! A service on two machines that keeps sessions in memory: whose requests go where.

use std::net::SocketAddr;

use libtest_mimic::Trial;
use tokio::net::TcpListener;
use world::caller::{Caller, Form};

use super::{OK, Setting, line::Line, patient, request};
use crate::in_a_runtime;

pub(super) fn tests() -> Vec<Trial> {
    vec![
        in_a_runtime("serving::a_session_stays_where_its_cookie_was_set", by_cookie),
        in_a_runtime("serving::everybody_has_an_endpoint", by_principal),
    ]
}

/// Two endpoints, of which the second is `other`.
async fn two(affinity: &str) -> (Setting, TcpListener) {
    let other = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port is free");
    let setting = Setting::with(|settings| {
        patient(settings);
        let more = format!("affinity = \"{affinity}\"\nendpoints = [\"http://{}\", ", address(&other));
        settings.replace("endpoints = [", &more);
    })
    .await;
    (setting, other)
}

fn address(listener: &TcpListener) -> SocketAddr {
    listener.local_addr().expect("it is bound")
}

/// Whichever of the two is asked next, and its end of the connection.
async fn asked(setting: &Setting, other: &TcpListener) -> (SocketAddr, Line) {
    tokio::select! {
        line = Line::accepted(&setting.upstream) => (address(&setting.upstream), line),
        line = Line::accepted(other) => (address(other), line),
    }
}

async fn by_cookie() {
    let (setting, other) = two("cookie:SID").await;
    let set =
        "HTTP/1.1 200 OK\r\nSet-Cookie: SID=abc; Path=/; HttpOnly\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
    let mut homes = Vec::new();
    for _ in 0..2 {
        let mut client = setting.client().await;
        client.say(request("GET", "begin", "")).await;
        let (home, mut line) = asked(&setting, &other).await;
        line.head().await;
        line.say(set).await;
        let answer = client.message().await;
        let ours =
            answer.lines().find_map(|line| line.strip_prefix("set-cookie: candor-at-SID=")).expect("ours beside it");
        let (tag, attributes) = ours.split_once("; ").expect("attributes");
        assert_eq!(attributes, "Path=/; HttpOnly", "as those of the service's own");
        homes.push((home, tag.to_owned()));
    }
    assert!(homes[0].0 != homes[1].0 && homes[0].1 != homes[1].1, "nobody knows them yet: each in turn");
    for (home, tag) in homes.iter().cycle().take(6) {
        let mut client = setting.client().await;
        client.say(request("GET", "on", &format!("Cookie: candor-at-SID={tag}; SID=abc\r\n"))).await;
        let (there, mut line) = asked(&setting, &other).await;
        let head = line.head().await;
        assert!(there == *home && head.contains("\r\ncookie: SID=abc\r\n"), "{there} {head}");
        line.say(OK.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n")).await;
        assert!(client.message().await.ends_with("ok"));
    }
    // It is gone: the other serves, and nobody is sent away.
    let gone = address(&other);
    drop(other);
    let (_, tag) = homes.iter().find(|(home, _)| *home == gone).expect("one was there");
    let mut client = setting.client().await;
    client.say(request("GET", "on", &format!("Cookie: candor-at-SID={tag}; SID=abc\r\n"))).await;
    let mut line = setting.upstream().await;
    line.head().await;
    line.say(OK).await;
    assert!(client.message().await.starts_with("HTTP/1.1 200 "));
}

async fn by_principal() {
    let (setting, other) = two("principal").await;
    let ask = async |who: &str| {
        let mut caller = Caller::bearing(Form::Script, &setting.world.token(who));
        let url = setting.world.url("/api/x");
        let (seen, home) = tokio::join!(caller.browser().get(&url), async {
            let (home, mut line) = asked(&setting, &other).await;
            line.head().await;
            line.say(OK.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n")).await;
            home
        });
        assert_eq!(seen.expect("an answer").status, 200);
        home
    };
    let mut homes = std::collections::BTreeSet::new();
    for number in 0..60 {
        if number > 4 && homes.len() == 2 {
            break;
        }
        let who = format!("program-{number}");
        let home = ask(&who).await;
        assert_eq!(ask(&who).await, home, "{who} has one");
        homes.insert(home);
    }
    assert_eq!(homes.len(), 2, "not all at one");
}
