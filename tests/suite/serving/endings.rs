//! The end of a gateway: what is under way is finished, what is idle is closed, and nobody new comes in.

use libtest_mimic::Trial;
use tokio::net::{TcpListener, TcpStream};
use world::{World, process::Process};

use super::{OK, Setting, line::Line, patient, request};
use crate::in_a_runtime;

pub(super) fn tests() -> Vec<Trial> {
    vec![
        in_a_runtime("serving::who_is_being_served_is_served_to_the_end", who_is_being_served_is_served_to_the_end),
        in_a_runtime("serving::what_never_ends_is_cut_at_the_end", what_never_ends_is_cut_at_the_end),
    ]
}

async fn who_is_being_served_is_served_to_the_end() {
    // A process of its own: it stops as the service manager stops it, and waits ten seconds for who is busy.
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port is free");
    let mut world = World::new().prepare().await;
    let address = listener.local_addr().expect("it is bound");
    world.settings.replace(&world.proxies.monolith.base(), &format!("http://{address}"));
    patient(&mut world.settings);
    let mut gateway = Process::start(&world.write_config());
    gateway.serving().await;
    let public = world.url("/").socket_addrs(|| None).expect("a numeric address")[0];

    let idle = Line::to(public).await;
    let mut used = Line::to(public).await;
    used.say(request("GET", "used", "")).await;
    let mut upstream = Line::accepted(&listener).await;
    upstream.head().await;
    upstream.say(OK).await;
    used.message().await;
    // The next request may be another worker's, with connections of its own.
    drop(upstream);
    let mut waiting = Line::to(public).await;
    waiting.say(request("GET", "waiting", "")).await;
    let mut upstream = Line::accepted(&listener).await;
    upstream.head().await;
    let mut reading = Line::to(public).await;
    reading.say(request("GET", "reading", "")).await;
    let mut streaming = Line::accepted(&listener).await;
    streaming.head().await;
    streaming.say("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello").await;
    reading.until("hello").await;

    let busy = async {
        for line in [idle, used] {
            assert_eq!(line.end().await.rest, "", "who is idle is let go at once");
        }
        assert!(TcpStream::connect(public).await.is_err(), "nobody new comes in");
        streaming.say("world").await;
        upstream.say(OK).await;
        assert_eq!(reading.end().await.rest, "world", "a body under way comes whole, and its connection ends");
        let answer = waiting.end().await.rest;
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("ok"), "{answer}");
    };
    let ((status, said), ()) = tokio::join!(gateway.stop(), busy);
    assert!(status.success(), "{}", String::from_utf8_lossy(&said));
}

async fn what_never_ends_is_cut_at_the_end() {
    let Setting { mut world, upstream } = Setting::patient().await;
    let mut client = Line::to(world.url("/").socket_addrs(|| None).expect("a numeric address")[0]).await;
    client.say(request("GET", "x", "")).await;
    let mut endless = Line::accepted(&upstream).await;
    endless.head().await;
    endless.say("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello").await;
    client.until("hello").await;
    world.stop_gateway().await;
    assert_eq!(client.end().await.rest, "", "what was cut is not whole");
    endless.end().await;
}
