//! Bodies whose end an upstream may never see, and what becomes of their connections: no byte of one request is ever
//! read as the next.

use libtest_mimic::Trial;

use super::{OK, Setting, line::Line, patient, request};
use crate::in_a_runtime;

pub(super) fn tests() -> Vec<Trial> {
    vec![
        in_a_runtime("serving::a_body_where_none_is_expected_closes_its_connection", unexpected_bodies),
        in_a_runtime("serving::an_upstream_that_ignores_bodies_gets_one_a_connection", an_upstream_that_ignores_bodies),
        in_a_runtime("serving::an_answer_before_the_upload_is_the_last_of_its_connection", an_early_answer),
        in_a_runtime("serving::an_early_refusal_stops_the_upload", an_early_refusal_stops_the_upload),
        in_a_runtime("serving::both_directions_go_on_at_once", both_directions_go_on_at_once),
        in_a_runtime("serving::an_upload_may_outlast_its_answer", an_upload_may_outlast_its_answer),
        in_a_runtime("serving::a_small_body_takes_no_place_before_it_is_whole", a_small_body_takes_no_place),
        in_a_runtime("serving::a_small_body_that_fails_never_reaches_the_upstream", a_small_body_that_fails),
        in_a_runtime("serving::a_client_that_leaves_in_its_upload_takes_it_back", a_client_that_leaves),
        in_a_runtime("serving::who_waits_to_be_told_to_go_on_is_told", who_waits_to_be_told_to_go_on),
    ]
}

/// Streams, since nobody can know how long it will be.
const CHUNKED: &str = "Transfer-Encoding: chunked\r\n";

/// A whole answer, after which the upstream closes.
const LAST: &str = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok";

/// Whether the upstream is told that this request is the connection's last.
fn is_last(head: &str) -> bool {
    head.to_ascii_lowercase().contains("connection: close")
}

/// Checks that the next request comes on a connection of its own, and answers it.
async fn comes_anew(setting: &Setting, client: &mut Line, what: &str) {
    client.say(request("GET", "next", "")).await;
    let mut fresh = setting.upstream().await;
    assert!(fresh.head().await.starts_with("GET /public/next "), "{what}");
    fresh.say(LAST).await;
    assert!(client.message().await.ends_with("ok"), "{what}");
}

/// Checks that the next request comes on the same connection.
async fn comes_on(client: &mut Line, upstream: &mut Line) {
    client.say(request("GET", "next", "")).await;
    assert!(upstream.head().await.starts_with("GET /public/next "));
    upstream.say(LAST).await;
    assert!(client.message().await.ends_with("ok"));
}

async fn unexpected_bodies() {
    let setting = Setting::patient().await;
    for method in ["GET", "HEAD", "DELETE", "OPTIONS"] {
        for (framing, body) in [("Content-Length: 4\r\n", "body"), (CHUNKED, "4\r\nbody\r\n0\r\n\r\n")] {
            let what = format!("{method} with {framing:?}");
            let (mut client, mut upstream, head) = setting.asked(&(request(method, "x", framing) + body)).await;
            assert!(is_last(&head), "{what}: {head}");
            upstream.until("body").await;
            // It may not even heed that.
            upstream.say(OK).await;
            assert!(client.head().await.starts_with("HTTP/1.1 200 "), "{what}");
            if method != "HEAD" {
                client.until("ok").await;
            }
            comes_anew(&setting, &mut client, &what).await;
            upstream.end().await;
        }
    }
    // Nothing to read is nothing to leave unread, and where a body is expected it is read.
    let mut client = setting.client().await;
    client.say(request("GET", "x", "Content-Length: 0\r\n")).await;
    let mut upstream = setting.upstream().await;
    assert!(!is_last(&upstream.head().await));
    upstream.say(OK).await;
    client.message().await;
    for method in ["POST", "PUT", "PATCH", "PROPFIND"] {
        client.say(request(method, "x", "Content-Length: 4\r\n") + "body").await;
        let head = upstream.until("body").await;
        assert!(head.starts_with(method) && !is_last(&head), "the same connection serves: {head}");
        upstream.say(OK).await;
        client.message().await;
    }
}

async fn an_upstream_that_ignores_bodies() {
    let setting = Setting::with(|settings| {
        patient(settings);
        settings.replace("endpoints = [", "reuse_after_body = false\nendpoints = [");
    })
    .await;
    let (mut client, mut upstream, head) =
        setting.asked(&(request("POST", "x", "Content-Length: 4\r\n") + "body")).await;
    assert!(is_last(&head), "{head}");
    upstream.say(OK).await;
    client.message().await;
    comes_anew(&setting, &mut client, "after a body").await;
    client.say(request("POST", "x", "")).await;
    let mut upstream = setting.upstream().await;
    assert!(!is_last(&upstream.head().await), "without a body nothing is left unread");
}

async fn an_early_answer() {
    let setting = Setting::patient().await;
    let (mut client, mut upstream, head) = setting.asked(&request("POST", "x", CHUNKED)).await;
    assert!(!is_last(&head), "{head}");
    client.say("3\r\none\r\n").await;
    upstream.until("one").await;
    upstream.say(OK).await;
    client.message().await;
    // What is still to come goes where it was meant to go, and nothing comes after it.
    client.say("3\r\ntwo\r\n0\r\n\r\n").await;
    upstream.until("0\r\n\r\n").await;
    comes_anew(&setting, &mut client, "after an early answer").await;
    assert_eq!(upstream.ends().await.rest, "");
    // The same of a length that was stated.
    let size = 100_000;
    let (mut client, mut upstream, _) =
        setting.asked(&request("PUT", "x", &format!("Content-Length: {size}\r\n"))).await;
    upstream.say(OK).await;
    client.message().await;
    client.say("a".repeat(size)).await;
    upstream.until(&"a".repeat(size)).await;
    comes_anew(&setting, &mut client, "after an early answer").await;
    assert_eq!(upstream.ends().await.rest, "");
}

async fn an_early_refusal_stops_the_upload() {
    let setting = Setting::patient().await;
    let answers = [
        "HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno",
        "HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\nno",
        "HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n",
        "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 2\r\n\r\nno",
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno",
        "HTTP/1.1 200 OK\r\nConnection: x, Close\r\n\r\nno",
    ];
    for answer in answers {
        for framing in [CHUNKED, "Content-Length: 100000\r\n"] {
            let (mut client, mut upstream, _) = setting.asked(&request("POST", "x", framing)).await;
            client.say("3\r\none\r\n").await;
            upstream.until("one\r\n").await;
            upstream.say(answer).await;
            if !answer.contains("ength") && !answer.contains("chunked") {
                upstream.finish().await;
            }
            let head = client.head().await;
            assert_eq!(head[9..12], answer[9..12], "{answer}: {head}");
            client.until("no").await;
            client.try_say("3\r\nGET\r\n0\r\n\r\n").await;
            assert_eq!(upstream.ends().await.rest, "", "{answer}: not a byte of the rest");
            let mut next = setting.client().await;
            comes_anew(&setting, &mut next, answer).await;
        }
    }
}

async fn both_directions_go_on_at_once() {
    let setting = Setting::patient().await;
    let (mut client, mut upstream, _) = setting.asked(&request("POST", "x", CHUNKED)).await;
    upstream.say(format!("HTTP/1.1 200 OK\r\n{CHUNKED}\r\n")).await;
    client.head().await;
    for piece in ["one", "two", "three"] {
        let chunk = format!("{:x}\r\n{piece}\r\n", piece.len());
        client.say(&chunk).await;
        upstream.until(&chunk).await;
        upstream.say(&chunk).await;
        client.until(&chunk).await;
    }
    client.say("0\r\n\r\n").await;
    upstream.until("0\r\n\r\n").await;
    upstream.say("0\r\n\r\n").await;
    client.until("0\r\n\r\n").await;
    comes_anew(&setting, &mut client, "after an echo").await;
}

async fn an_upload_may_outlast_its_answer() {
    let setting = Setting::with(|settings| {
        patient(settings);
        settings.replace("data = \"data\"", "data = \"data\"\nhead_timeout = \"10ms\"");
    })
    .await;
    let (mut client, mut upstream, _) = setting.asked(&request("POST", "x", CHUNKED)).await;
    upstream.say(OK).await;
    client.message().await;
    client.say("3\r\none\r\n").await;
    upstream.until("one").await;
    // Until somebody who owes a head is let go: what is owed here is no head.
    let mut slow = setting.client().await;
    slow.say("GET /public/x HT").await;
    slow.end().await;
    client.say("3\r\ntwo\r\n0\r\n\r\n").await;
    upstream.until("two\r\n0\r\n\r\n").await;
    assert_eq!(upstream.ends().await.rest, "");
    comes_anew(&setting, &mut client, "after a long upload").await;
}

async fn a_small_body_takes_no_place() {
    let setting = Setting::with(|settings| {
        patient(settings);
        settings.replace("endpoints = [", "max_connections = 1\nendpoints = [");
    })
    .await;
    let mut slow = setting.client().await;
    slow.say(request("POST", "slow", "Content-Length: 8\r\n") + "half").await;
    let (mut quick, mut upstream, head) = setting.asked(&request("GET", "quick", "")).await;
    assert!(head.starts_with("GET /public/quick "), "the only place is free: {head}");
    upstream.say(OK).await;
    assert!(quick.message().await.ends_with("ok"));
    slow.say("half").await;
    assert!(upstream.until("halfhalf").await.starts_with("POST /public/slow "), "whole, and in its turn");
    upstream.say(OK).await;
    assert!(slow.message().await.ends_with("ok"));
}

async fn a_small_body_that_fails() {
    let setting = Setting::with(|settings| {
        settings.replace("response_timeout = \"400ms\"", "response_timeout = \"25s\"");
    })
    .await;
    let mut client = setting.client().await;
    client.say(request("POST", "stalls", "Content-Length: 10\r\n") + "hello").await;
    let answer = client.message().await;
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("bad-request"), "{answer}");
    let mut client = setting.client().await;
    client.say(request("POST", "leaves", "Content-Length: 10\r\n") + "hello").await;
    drop(client);
    let mut client = setting.client().await;
    comes_anew(&setting, &mut client, "nothing else ever came").await;
}

async fn a_client_that_leaves() {
    let setting = Setting::patient().await;
    for answered in [false, true] {
        let (mut client, mut upstream, _) = setting.asked(&request("POST", "x", CHUNKED)).await;
        client.say("3\r\none\r\n").await;
        upstream.until("one\r\n").await;
        if answered {
            upstream.say(OK).await;
            client.message().await;
        }
        drop(client);
        assert_eq!(upstream.ends().await.rest, "", "answered {answered}: it never ends well");
        let mut next = setting.client().await;
        comes_anew(&setting, &mut next, "after a client that left").await;
    }
}

async fn who_waits_to_be_told_to_go_on() {
    let setting = Setting::patient().await;
    for size in [4, 100_000] {
        let fields = format!("Expect: 100-continue\r\nContent-Length: {size}\r\n");
        let mut client = setting.client().await;
        client.say(request("POST", "x", &fields)).await;
        assert!(client.head().await.starts_with("HTTP/1.1 100 "), "{size}");
        client.say("a".repeat(size)).await;
        let mut upstream = setting.upstream().await;
        let head = upstream.head().await;
        assert!(!head.to_ascii_lowercase().contains("expect"), "{head}");
        upstream.until(&"a".repeat(size)).await;
        upstream.say(OK).await;
        assert!(client.message().await.ends_with("ok"), "{size}");
        comes_on(&mut client, &mut upstream).await;
    }
}
