//! What upstreams may do to their connection, and who pays for it.

use libtest_mimic::Trial;
use tokio::net::{TcpSocket, TcpStream};

use super::{OK, Setting, line::Line, request};
use crate::in_a_runtime;

pub(super) fn tests() -> Vec<Trial> {
    vec![
        in_a_runtime("serving::a_stale_connection_costs_one_replay", a_stale_connection_costs_one_replay),
        in_a_runtime("serving::only_what_is_harmless_is_replayed", only_what_is_harmless_is_replayed),
        in_a_runtime("serving::connecting_has_a_deadline", connecting_has_a_deadline),
        in_a_runtime("serving::an_answer_has_a_deadline", an_answer_has_a_deadline),
        in_a_runtime("serving::garbage_is_a_bad_gateway", garbage_is_a_bad_gateway),
        in_a_runtime("serving::who_leaves_gives_their_place_back", who_leaves_gives_their_place_back),
    ]
}

/// A client and an upstream whose connections have both served once.
async fn warm(setting: &Setting) -> (Line, Line) {
    let (mut client, mut upstream, _) = setting.asked(&request("GET", "warm", "")).await;
    upstream.say(OK).await;
    assert!(client.message().await.ends_with("ok"));
    (client, upstream)
}

async fn a_stale_connection_costs_one_replay() {
    let setting = Setting::patient().await;
    for method in ["GET", "HEAD", "OPTIONS", "DELETE", "PUT"] {
        let (mut client, mut stale) = warm(&setting).await;
        client.say(request(method, "again", "")).await;
        stale.head().await;
        drop(stale);
        let mut fresh = setting.upstream().await;
        assert!(fresh.head().await.starts_with(&format!("{method} /public/again ")), "once more, on a new connection");
        fresh.say(OK).await;
        assert!(client.head().await.starts_with("HTTP/1.1 200 "), "{method}: nobody noticed");
        drop(fresh);
    }
    // One replay, not two.
    let (mut client, mut stale) = warm(&setting).await;
    client.say(request("GET", "again", "")).await;
    stale.head().await;
    drop(stale);
    let mut fresh = setting.upstream().await;
    fresh.head().await;
    drop(fresh);
    let answer = client.message().await;
    assert!(answer.starts_with("HTTP/1.1 502 "), "{answer}");
}

async fn only_what_is_harmless_is_replayed() {
    let setting = Setting::patient().await;
    let length = "Content-Length: 4\r\n";
    // What is asked on a connection that has served, and what is said before it closes.
    let cases = [
        (request("POST", "once", ""), ""),
        (request("PATCH", "once", ""), ""),
        (request("POST", "once", length) + "body", ""),
        (request("PUT", "once", length) + "body", ""),
        (request("GET", "once", ""), "H"),
        (request("GET", "once", ""), "HTTP/1.1 200 OK\r\n"),
    ];
    for (asked, said) in cases {
        let (mut client, mut stale) = warm(&setting).await;
        client.say(&asked).await;
        stale.message().await;
        stale.say(said).await;
        drop(stale);
        let answer = client.message().await;
        assert!(answer.starts_with("HTTP/1.1 502 "), "{asked} {said:?}: {answer}");
        assert!(answer.contains("x-gateway-answer: upstream-failed"), "{answer}");
        let (_, _, head) = setting.asked(&request("GET", "next", "")).await;
        assert!(head.starts_with("GET /public/next "), "it never came again: {head}");
    }
    // A connection that never served was not closed as idle.
    let (mut client, upstream, _) = setting.asked(&request("GET", "once", "Connection: close\r\n")).await;
    drop(upstream);
    assert!(client.message().await.starts_with("HTTP/1.1 502 "));
    let (_, _, head) = setting.asked(&request("GET", "next", "")).await;
    assert!(head.starts_with("GET /public/next "), "it never came again: {head}");
}

async fn connecting_has_a_deadline() {
    let socket = TcpSocket::new_v4().expect("there are sockets left");
    socket.bind("127.0.0.1:0".parse().expect("an address")).expect("a port is free");
    let full = socket.listen(0).expect("it listens");
    let address = full.local_addr().expect("it is bound");
    // Fills the queue of those who wait to be accepted, until the next one waits for ever.
    let mut waiting = Vec::new();
    while let Ok(one) = tokio::time::timeout(world::DEADLINE, TcpStream::connect(address)).await {
        waiting.push(one.expect("there is room, or there is none"));
    }
    let setting = Setting::with(|settings| {
        let given = settings.text();
        let endpoint = given.split("endpoints = [").nth(1).and_then(|rest| rest.split(']').next()).unwrap_or_default();
        settings.replace(endpoint, &format!("\"http://{address}\""));
        settings.replace("response_timeout = \"400ms\"", "response_timeout = \"25s\"");
    })
    .await;
    let mut client = setting.client().await;
    client.say(request("GET", "x", "")).await;
    let answer = client.message().await;
    assert!(answer.starts_with("HTTP/1.1 504 "), "{answer}");
    assert!(answer.contains("x-gateway-answer: upstream-timeout"), "{answer}");
}

async fn an_answer_has_a_deadline() {
    let setting = Setting::with(|_| {}).await;
    // Nothing, an interim answer, half a head.
    for said in ["", "HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 103 Early Hints\r\n\r\n", "HTTP/1.1 200 OK\r\nA: b\r\n"]
    {
        let (mut client, mut upstream, _) = setting.asked(&request("GET", "x", "")).await;
        upstream.say(said).await;
        let answer = client.message().await;
        assert!(answer.starts_with("HTTP/1.1 504 ") && answer.contains("upstream-timeout"), "{said:?}: {answer}");
        upstream.end().await;
    }
}

async fn garbage_is_a_bad_gateway() {
    let setting = Setting::patient().await;
    let huge = format!("HTTP/1.1 200 OK\r\nA: {}\r\n\r\n", "a".repeat(70_000));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "A: b\r\n".repeat(2000));
    for said in [
        "SSH-2.0-OpenSSH_9.2\r\n\r\n",
        "\u{0}\u{1}\u{2}\r\n\r\n",
        "HTTP/1.1 2000 OK\r\n\r\n",
        "HTTP/1.1 099 OK\r\n\r\n",
        "HTTP/1.1 600 Beyond\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 999 Beyond\r\nContent-Length: 0\r\n\r\n",
        "HTTP/2.0 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: five\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n",
        &huge,
        &many,
    ] {
        let (mut client, mut upstream, _) = setting.asked(&request("GET", "x", "")).await;
        // It may be given up before all of it is said.
        upstream.try_say(said).await;
        let answer = client.message().await;
        let said = &said[..said.len().min(60)];
        assert!(answer.starts_with("HTTP/1.1 502 ") && answer.contains("upstream-failed"), "{said:?}: {answer}");
        upstream.end().await;
    }
}

async fn who_leaves_gives_their_place_back() {
    let setting = Setting::with(|settings| {
        settings.replace("endpoints = [", "max_connections = 1\nendpoints = [");
        settings.replace("_timeout = \"400ms\"\nlogin", "_timeout = \"25s\"\nlogin");
        settings.replace("idle_body_timeout = \"400ms\"", "idle_body_timeout = \"25s\"");
    })
    .await;
    for said in ["", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello"] {
        let (mut client, mut upstream, _) = setting.asked(&request("GET", "x", "")).await;
        upstream.say(said).await;
        if !said.is_empty() {
            client.until("hello").await;
        }
        let mut late = setting.client().await;
        late.say(request("GET", "late", "")).await;
        let answer = late.message().await;
        assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("no-endpoint"), "{answer}");
        drop(client);
        upstream.end().await;
        let (mut next, mut upstream, head) = setting.asked(&request("GET", "next", "")).await;
        assert!(head.starts_with("GET /public/next "), "{head}");
        upstream.say(OK).await;
        assert!(next.message().await.ends_with("ok"), "the place is free again");
        drop(upstream);
    }
}
