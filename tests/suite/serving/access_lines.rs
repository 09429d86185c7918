//! One line a request in the access log, whatever becomes of it: how its answer ended, and how many bytes went each way.

use libtest_mimic::Trial;
use serde_json::Value;
use tokio::io::AsyncReadExt;
use world::{
    World,
    caller::{Caller, Form},
};

use super::{OK, Setting, line::soon, request};
use crate::in_a_runtime;

pub(super) fn tests() -> Vec<Trial> {
    vec![
        in_a_runtime("serving::a_whole_answer_is_logged_when_it_has_ended", a_whole_answer_is_logged_when_it_has_ended),
        in_a_runtime("serving::an_answer_without_a_body_is_logged_as_whole", no_body_is_logged_as_whole),
        in_a_runtime("serving::an_answer_that_breaks_off_is_logged_as_such", an_answer_that_breaks_off_is_logged),
        in_a_runtime("serving::an_answer_that_stalls_is_logged_as_such", an_answer_that_stalls_is_logged),
        in_a_runtime("serving::a_client_that_leaves_is_logged_as_such", a_client_that_leaves_is_logged),
        in_a_runtime("serving::a_client_that_does_not_read_is_logged_as_such", a_client_that_does_not_read_is_logged),
        in_a_runtime("serving::who_leaves_before_the_answer_is_logged_too", who_leaves_before_the_answer_is_logged),
        in_a_runtime("serving::what_the_end_cuts_is_logged_as_such", what_the_end_cuts_is_logged),
        in_a_runtime("serving::a_logout_is_logged_with_its_subject", a_logout_is_logged_with_its_subject),
    ]
}

/// The one line about `path`.
async fn line_of(world: &World, path: &str) -> Value {
    let mut lines = world.access_to(path).await;
    assert_eq!(lines.len(), 1, "one line a request: {lines:#?}");
    lines.remove(0)
}

/// Checks the fields that say how an answer ended.
fn check(line: &Value, status: impl Into<Value>, answer: &str, sent: u64, incomplete: Option<&str>) {
    assert_eq!(line["status"], status.into(), "{line}");
    assert_eq!(line["answer"], answer, "{line}");
    assert_eq!(line["sent_bytes"], sent, "{line}");
    assert_eq!(line.get("incomplete").and_then(Value::as_str), incomplete, "{line}");
    assert_eq!((&line["route"], &line["upstream"]), (&"/public/".into(), &"monolith".into()), "{line}");
    assert_eq!(line["client_kind"], "script", "{line}");
    let millis = |name: &str| line[name].as_f64();
    let took = millis("duration_ms").expect("every request took some time");
    assert!(millis("head_ms").is_none_or(|head| head <= took), "the answer's head comes before its end: {line}");
    assert_eq!(millis("head_ms").is_some(), line["status"].is_number(), "{line}");
}

async fn a_whole_answer_is_logged_when_it_has_ended() {
    let setting = Setting::patient().await;
    let asked = request("POST", "whole", "Content-Length: 5\r\n") + "hello";
    let (mut client, mut upstream, _) = setting.asked(&asked).await;
    upstream.until("hello").await;
    upstream.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n").await;
    client.until("one").await;
    assert!(setting.world.access().is_empty(), "it has not ended yet");
    upstream.say("3\r\ntwo\r\n0\r\n\r\n").await;
    client.until("0\r\n\r\n").await;
    let line = line_of(&setting.world, "/public/whole").await;
    check(&line, 200, "upstream", 6, None);
    assert_eq!(line["received_bytes"], 5, "{line}");
    // The connection serves on, and its end adds no line.
    client.say(request("GET", "next", "")).await;
    upstream.head().await;
    upstream.say(OK).await;
    client.message().await;
    drop(client);
    check(&line_of(&setting.world, "/public/next").await, 200, "upstream", 2, None);
    line_of(&setting.world, "/public/whole").await;
}

async fn no_body_is_logged_as_whole() {
    let setting = Setting::patient().await;
    let (mut client, mut upstream, _) = setting.asked(&request("HEAD", "0", "")).await;
    let answers = [
        ("HEAD", 200, "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n"),
        ("HEAD", 200, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
        ("GET", 204, "HTTP/1.1 204 No Content\r\n\r\n"),
        ("GET", 304, "HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\nETag: \"a\"\r\n\r\n"),
        ("GET", 200, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
    ];
    for (index, (method, status, answer)) in answers.into_iter().enumerate() {
        if index > 0 {
            client.say(request(method, &index.to_string(), "")).await;
            upstream.head().await;
        }
        upstream.say(answer).await;
        client.head().await;
        check(&line_of(&setting.world, &format!("/public/{index}")).await, status, "upstream", 0, None);
    }
    // A page of the gateway's own, of which HEAD shows the head alone.
    let target = "/.candor/problems/upstream";
    client.say(format!("HEAD {target} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")).await;
    client.head().await;
    let line = line_of(&setting.world, target).await;
    assert_eq!((&line["sent_bytes"], line.get("incomplete")), (&0.into(), None), "{line}");
}

async fn an_answer_that_breaks_off_is_logged() {
    let setting = Setting::patient().await;
    for (path, framing) in
        [("chunked", "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"), ("length", "Content-Length: 10\r\n\r\nhello")]
    {
        let (mut client, mut upstream, _) = setting.asked(&request("GET", path, "")).await;
        upstream.say(format!("HTTP/1.1 200 OK\r\n{framing}")).await;
        client.until("hello").await;
        drop(upstream);
        client.end().await;
        let line = line_of(&setting.world, &format!("/public/{path}")).await;
        check(&line, 200, "upstream", 5, Some("upstream"));
        assert_eq!(line["fault"], "http_response_incomplete", "{line}");
        assert!(line["detail"].as_str().is_some_and(|detail| detail.contains("broke off")), "{line}");
    }
}

async fn an_answer_that_stalls_is_logged() {
    let setting = Setting::with(|settings| {
        settings.replace("response_timeout = \"400ms\"", "response_timeout = \"25s\"");
    })
    .await;
    let (client, mut upstream, _) = setting.asked(&request("GET", "idle", "")).await;
    upstream.say("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello").await;
    client.end().await;
    let line = line_of(&setting.world, "/public/idle").await;
    check(&line, 200, "upstream", 5, Some("upstream-idle"));
    assert_eq!(line["fault"], "connection_read_timeout", "{line}");
    assert!(line["detail"].as_str().is_some_and(|detail| detail.contains("400ms")), "{line}");
}

async fn a_client_that_leaves_is_logged() {
    let setting = Setting::patient().await;
    let (mut client, mut upstream, _) = setting.asked(&request("GET", "left", "")).await;
    upstream.say("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello").await;
    client.until("hello").await;
    drop(client);
    upstream.end().await;
    let line = line_of(&setting.world, "/public/left").await;
    check(&line, 200, "upstream", 5, Some("client"));
    assert!(line.get("fault").is_none(), "nobody else's fault: {line}");
}

async fn a_client_that_does_not_read_is_logged() {
    static PIECE: [u8; 64 * 1024] = [b'a'; 64 * 1024];
    let setting = Setting::with(|_| {}).await;
    let (client, mut upstream, _) = setting.asked(&request("GET", "slow", "")).await;
    upstream.say("HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n").await;
    let taken = upstream.flood(&PIECE).await;
    let line = line_of(&setting.world, "/public/slow").await;
    let sent = line["sent_bytes"].as_u64().expect("a number");
    assert!(sent > 0 && sent <= taken as u64, "{line}");
    check(&line, 200, "upstream", sent, Some("client-idle"));
    drop(client);
}

async fn who_leaves_before_the_answer_is_logged() {
    let setting = Setting::patient().await;
    let (client, upstream, _) = setting.asked(&request("GET", "unanswered", "")).await;
    drop(client);
    upstream.end().await;
    check(&line_of(&setting.world, "/public/unanswered").await, Value::Null, "unanswered", 0, Some("client"));
    let asked = request("POST", "upload", "Content-Length: 100000\r\n") + "hello";
    let (client, mut upstream, _) = setting.asked(&asked).await;
    upstream.until("hello").await;
    drop(client);
    upstream.end().await;
    let line = line_of(&setting.world, "/public/upload").await;
    assert_eq!((&line["status"], &line["received_bytes"]), (&400.into(), &5.into()), "{line}");
    assert_eq!(line["detail"], "bad request: body-broken", "{line}");
    let metrics = setting.world.metrics().await;
    let counted = "candor_requests_total{outcome=\"unanswered\",route=\"/public/\",upstream=\"monolith\"} ";
    assert!(metrics.lines().any(|line| line.starts_with(counted) && !line.ends_with(" 0")), "{metrics}");
}

async fn what_the_end_cuts_is_logged() {
    let Setting { mut world, upstream } = Setting::patient().await;
    let address = world.url("/").socket_addrs(|| None).expect("a numeric address")[0];
    let mut client = super::line::Line::to(address).await;
    client.say(request("GET", "endless", "")).await;
    let mut endless = super::line::Line::accepted(&upstream).await;
    endless.head().await;
    endless.say("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello").await;
    client.until("hello").await;
    world.stop_gateway().await;
    check(&line_of(&world, "/public/endless").await, 200, "upstream", 5, Some("shutdown"));
    let mut rest = Vec::new();
    // Whether it is closed or reset, it is over.
    let _ = soon("the end", client.into_stream().read_to_end(&mut rest)).await;
    assert!(rest.is_empty());
}

async fn a_logout_is_logged_with_its_subject() {
    let world = World::new().start().await;
    let mut ada = Caller::new(Form::Browser);
    world.sign_in(&mut ada, "ada", "/").await;
    let out = ada.browser().post(&world.url("/.candor/logout"), &[]).await.expect("an answer");
    assert_eq!(out.status, 200, "{}", out.text());
    let line = line_of(&world, "/.candor/logout").await;
    assert_eq!((&line["kind"], &line["subject"]), (&"user".into(), &"ada".into()), "{line}");
    assert_eq!(line["issuer"], world.idp.issuer(), "{line}");
}
