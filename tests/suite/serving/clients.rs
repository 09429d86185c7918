//! What clients may do to their connection, and what it costs them.

use std::time::Duration;

use libtest_mimic::Trial;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{OK, Setting, line::soon, patient, request};
use crate::in_a_runtime;

pub(super) fn tests() -> Vec<Trial> {
    vec![
        in_a_runtime("serving::a_connection_serves_again_and_in_order", a_connection_serves_again_and_in_order),
        in_a_runtime("serving::a_head_that_drips_is_cut", a_head_that_drips_is_cut),
        in_a_runtime("serving::an_idle_connection_is_closed", an_idle_connection_is_closed),
        in_a_runtime("serving::an_old_client_is_served", an_old_client_is_served),
        in_a_runtime("serving::a_body_is_asked_for_when_it_is_wanted", a_body_is_asked_for_when_it_is_wanted),
        in_a_runtime("serving::an_early_answer_smuggles_nothing", an_early_answer_smuggles_nothing),
        in_a_runtime("serving::a_large_body_is_refused", a_large_body_is_refused),
        in_a_runtime("serving::an_upgrade_is_a_plain_request", an_upgrade_is_a_plain_request),
        in_a_runtime("serving::a_large_head_is_answered_and_logged", a_large_head_is_answered_and_logged),
    ]
}

async fn a_connection_serves_again_and_in_order() {
    let setting = Setting::patient().await;
    let mut client = setting.client().await;
    client.say(["first", "second", "third"].map(|path| request("GET", path, "")).concat()).await;
    let mut upstream = setting.upstream().await;
    for path in ["first", "second", "third", "fourth"] {
        assert!(upstream.head().await.starts_with(&format!("GET /public/{path} ")), "one by one, on one connection");
        upstream.say(format!("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n{path:6}")).await;
        let answer = client.message().await;
        assert!(answer.ends_with(&format!("{path:6}")), "{answer}");
        if path == "third" {
            client.say(request("GET", "fourth", "")).await;
        }
    }
}

async fn a_head_that_drips_is_cut() {
    let setting = Setting::with(|settings| {
        patient(settings);
        settings.replace("data = \"data\"", "data = \"data\"\nhead_timeout = \"400ms\"");
    })
    .await;
    let (mut read, mut write) = setting.client().await.into_stream().into_split();
    let drip = async {
        let mut every = tokio::time::interval(Duration::from_millis(50));
        for byte in b"GET /public/x HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ".iter().chain(b"drip".iter().cycle()) {
            every.tick().await;
            if write.write_all(&[*byte]).await.is_err() {
                break;
            }
        }
    };
    let mut said = Vec::new();
    tokio::select! {
        () = drip => {}
        _ = soon("an end of it", read.read_to_end(&mut said)) => {}
    }
    let said = String::from_utf8_lossy(&said);
    assert!(said.is_empty() || said.starts_with("HTTP/1.1 4"), "{said}");
    let (_, _, head) = setting.asked(&request("GET", "next", "")).await;
    assert!(head.starts_with("GET /public/next "), "the drip never reached the upstream: {head}");
}

async fn an_idle_connection_is_closed() {
    let setting = Setting::with(|settings| {
        patient(settings);
        settings.replace("data = \"data\"", "data = \"data\"\nidle_timeout = \"400ms\"");
    })
    .await;
    let silent = setting.client().await;
    let (mut client, mut upstream, _) = setting.asked(&request("GET", "x", "")).await;
    upstream.say(OK).await;
    client.message().await;
    for client in [client, silent] {
        let end = client.end().await;
        assert_eq!((end.rest.as_str(), end.reset), ("", false), "closed in order, without a word");
    }
}

async fn an_old_client_is_served() {
    let setting = Setting::patient().await;
    let old = "GET /public/x HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n";
    let (client, mut upstream, head) = setting.asked(old).await;
    assert!(head.starts_with("GET /public/x HTTP/1.1\r\n"), "{head}");
    upstream.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n").await;
    let end = client.end().await;
    let (head, body) = end.rest.split_once("\r\n\r\n").expect("a head");
    assert_eq!((body, end.reset), ("ok", false), "no chunks, and the end is the connection's: {head}");
    assert!(!head.to_ascii_lowercase().contains("transfer-encoding"), "{head}");

    let kept = "GET /public/y HTTP/1.0\r\nHost: 127.0.0.1\r\nConnection: keep-alive\r\n\r\n";
    let mut client = setting.client().await;
    for _ in 0..2 {
        client.say(kept).await;
        assert!(upstream.head().await.starts_with("GET /public/y "));
        upstream.say(OK).await;
        assert!(client.message().await.ends_with("ok"));
    }
}

async fn a_body_is_asked_for_when_it_is_wanted() {
    let setting = Setting::patient().await;
    let waiting = request("POST", "x", "Expect: 100-continue\r\nContent-Length: 4\r\n");
    let mut client = setting.client().await;
    client.say(&waiting).await;
    assert!(client.head().await.starts_with("HTTP/1.1 100 "), "it is told to go on");
    client.say("body").await;
    let mut upstream = setting.upstream().await;
    let heard = upstream.message().await;
    assert!(heard.ends_with("body") && !heard.to_ascii_lowercase().contains("expect:"), "{heard}");
    upstream.say(OK).await;
    assert!(client.message().await.starts_with("HTTP/1.1 200 "));

    let mut stranger = setting.client().await;
    stranger.say(waiting.replace("/public/", "/api/")).await;
    assert!(stranger.head().await.starts_with("HTTP/1.1 401 "), "who is refused is never told to go on");
    let mut other = setting.client().await;
    other.say(waiting.replace("100-continue", "a miracle")).await;
    assert!(other.head().await.starts_with("HTTP/1.1 417 "));
}

async fn an_early_answer_smuggles_nothing() {
    let setting = Setting::patient().await;
    // So long that it is not read whole before it is sent on.
    let smuggled = request("GET", "smuggled", "") + &"a".repeat(64 * 1024);
    let length = format!("Content-Length: {}\r\n", smuggled.len());
    // Answered by the gateway, whose body nobody reads.
    let mut client = setting.client().await;
    client.say(request("POST", "x", &length).replace("/public/", "/api/")).await;
    assert!(client.message().await.starts_with("HTTP/1.1 401 "));
    client.try_say(&smuggled).await;
    assert_eq!(client.end().await.rest, "", "nothing more is answered");

    // Answered by the upstream before the body is there.
    let (mut client, mut upstream, _) = setting.asked(&request("POST", "x", &length)).await;
    upstream.say(OK).await;
    assert!(client.message().await.starts_with("HTTP/1.1 200 "));
    client.try_say(&smuggled).await;
    drop(upstream);
    assert_eq!(client.end().await.rest, "", "nothing more is answered");

    let (_, _, head) = setting.asked(&request("GET", "next", "")).await;
    assert!(head.starts_with("GET /public/next "), "no request was made of a body: {head}");
}

async fn a_large_body_is_refused() {
    let setting = Setting::with(|settings| {
        patient(settings);
        settings.replace("allow = [\"anyone\"]", "allow = [\"anyone\"]\nmax_body = \"1KiB\"");
    })
    .await;
    let mut client = setting.client().await;
    client.say(request("POST", "x", "Content-Length: 1025\r\n")).await;
    let answer = client.head().await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "before a byte of it came: {answer}");

    let coded = request("POST", "x", "Transfer-Encoding: chunked\r\n");
    let (mut client, upstream, _) = setting.asked(&coded).await;
    client.say(format!("400\r\n{}\r\n1\r\na\r\n", "a".repeat(1024))).await;
    let answer = client.head().await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    let end = upstream.end().await;
    assert!(!end.rest.ends_with("0\r\n\r\n"), "the upstream does not take it for whole: {end:?}");

    let mut client = setting.client().await;
    client.say(request("POST", "x", "Content-Length: 1024\r\n") + &"a".repeat(1024)).await;
    let mut upstream = setting.upstream().await;
    assert!(upstream.message().await.ends_with("aaaa"), "as much as is allowed passes");
    upstream.say(OK).await;
    assert!(client.message().await.starts_with("HTTP/1.1 200 "));
}

async fn an_upgrade_is_a_plain_request() {
    let setting = Setting::patient().await;
    let upgrade = request("GET", "x", "Connection: Upgrade\r\nUpgrade: example/1\r\n");
    let (mut client, mut upstream, head) = setting.asked(&upgrade).await;
    let lower = head.to_ascii_lowercase();
    assert!(!lower.contains("\r\nupgrade:") && !lower.contains("connection: upgrade"), "{head}");
    upstream.say("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: example/1\r\n\r\n").await;
    let answer = client.message().await;
    assert!(answer.starts_with("HTTP/1.1 502 "), "nobody asked to switch: {answer}");
    client.say(request("GET", "y", "")).await;
    let mut upstream = setting.upstream().await;
    upstream.head().await;
    upstream.say(OK).await;
    assert!(client.message().await.starts_with("HTTP/1.1 200 "), "and the client's connection goes on");
}

async fn a_large_head_is_answered_and_logged() {
    let setting = Setting::patient().await;
    let mut client = setting.client().await;
    client.say(request("GET", "large", &format!("X-Large: {}\r\n", "a".repeat(60 << 10)))).await;
    let answer = client.message().await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    for part in
        ["x-gateway-answer: bad-request", "x-request-id: ", "application/problem+json", "too large, or too many"]
    {
        assert!(answer.contains(part), "{part} is not in {answer}");
    }
    let line = setting.world.access().pop().expect("it is logged");
    assert_eq!((line["status"].as_u64(), line["path"].as_str()), (Some(431), Some("/public/large")), "{line}");
}
