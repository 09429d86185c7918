//! Clients that are slow, and what only looks like one.

use std::time::Duration;

use libtest_mimic::Trial;
use tokio::{io::AsyncReadExt, time::interval};
use world::{DEADLINE, settings::Settings};

use super::{Setting, line::soon, request};
use crate::in_a_runtime;

pub(super) fn tests() -> Vec<Trial> {
    vec![
        in_a_runtime("serving::a_body_that_drips_is_cut", a_body_that_drips_is_cut),
        in_a_runtime("serving::a_reader_that_is_too_slow_is_cut", a_reader_that_is_too_slow_is_cut),
        in_a_runtime("serving::a_short_body_may_be_slow", a_short_body_may_be_slow),
        in_a_runtime("serving::an_upstream_with_little_to_say_is_no_slow_client", little_to_say_is_no_slow_client),
        in_a_runtime("serving::a_half_closed_client_holds_nothing", a_half_closed_client_holds_nothing),
    ]
}

/// Clients must bring or take so much a second, averaged over the 400 ms for which a body may stand still.
fn at_least(rate: &str) -> impl FnOnce(&mut Settings) {
    move |settings| {
        settings.replace("response_timeout = \"400ms\"", "response_timeout = \"25s\"");
        settings.replace("allow = [\"anyone\"]", &format!("allow = [\"anyone\"]\nmin_body_rate = \"{rate}\""));
    }
}

async fn a_body_that_drips_is_cut() {
    let setting = Setting::with(at_least("16KiB")).await;
    let (mut client, upstream, _) = setting.asked(&request("POST", "x", "Content-Length: 100000\r\n")).await;
    let mut beat = interval(DEADLINE / 8);
    // Never so late that it would count as standing still.
    for _ in 0..400 {
        beat.tick().await;
        if !client.try_say("a").await {
            break;
        }
    }
    let end = client.end().await;
    assert!(end.rest.is_empty() || end.rest.starts_with("HTTP/1.1 400 "), "{end:?}");
    let end = upstream.end().await;
    assert!(!end.rest.ends_with("0\r\n\r\n"), "the upstream does not take it for whole: {end:?}");
}

async fn a_reader_that_is_too_slow_is_cut() {
    let setting = Setting::with(at_least("1GiB")).await;
    let (client, upstream, _) = setting.asked(&request("GET", "x", "")).await;
    let (mut client, mut upstream) = (client.into_stream(), upstream);
    upstream.say("HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n").await;
    let flood = tokio::spawn(async move { upstream.flood(&[b'a'; 64 * 1024]).await });
    let (mut beat, mut some) = (interval(DEADLINE / 16), vec![0; 128 * 1024]);
    let mut taken = 0;
    loop {
        beat.tick().await;
        match soon("bytes, or an end", client.read(&mut some)).await {
            Ok(read @ 1..) => taken += read,
            Ok(0) | Err(_) => break,
        }
    }
    assert!(taken < 100_000_000, "it was cut");
    assert!(soon("the upstream to be told", flood).await.expect("it did not panic") < 100_000_000);
}

/// Bodies of up to 64 KiB are read before there is a place to hold.
async fn a_short_body_may_be_slow() {
    let setting = Setting::with(at_least("16KiB")).await;
    let mut client = setting.client().await;
    client.say(request("POST", "x", "Content-Length: 20\r\n")).await;
    let mut beat = interval(DEADLINE / 8);
    for _ in 0..20 {
        beat.tick().await;
        client.say("a").await;
    }
    let mut upstream = setting.upstream().await;
    assert!(upstream.message().await.ends_with(&"a".repeat(20)), "it came whole, and only then");
    upstream.say(super::OK).await;
    assert!(client.message().await.ends_with("ok"));
}

async fn little_to_say_is_no_slow_client() {
    let setting = Setting::with(at_least("1GiB")).await;
    let (mut client, mut upstream, _) = setting.asked(&request("GET", "events", "")).await;
    upstream.say("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    client.head().await;
    let mut beat = interval(Duration::from_millis(100));
    for event in 0..12 {
        beat.tick().await;
        upstream.say(format!("9\r\ndata: {event:02}\n\r\n")).await;
        client.until(&format!("data: {event:02}\n")).await;
    }
    upstream.say("0\r\n\r\n").await;
    client.until("0\r\n\r\n").await;
}

/// A client that will say no more may as well have left, and nobody can tell: its request is taken back, and its place is
/// free.
async fn a_half_closed_client_holds_nothing() {
    let setting = Setting::with(|settings| {
        super::patient(settings);
        settings.replace("endpoints = [", "max_connections = 1\nendpoints = [");
    })
    .await;
    let (mut client, upstream, _) = setting.asked(&request("GET", "x", "")).await;
    client.finish().await;
    upstream.end().await;
    assert_eq!(client.end().await.rest, "");
    let (mut next, mut upstream, _) = setting.asked(&request("GET", "next", "")).await;
    upstream.say(super::OK).await;
    assert!(next.message().await.ends_with("ok"));
}
