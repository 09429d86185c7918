//! More clients than there is room for: who makes room, who is let in, and what it costs everybody else.

use std::process::Command;

use libtest_mimic::Trial;
use tokio::net::TcpStream;
use world::{World, process::Process, settings::Settings};

use super::{OK, Setting, line::Line, patient, request};
use crate::in_a_runtime;

/// Where the crowd comes from.
const CROWD: [u8; 4] = [127, 0, 0, 2];

pub(super) fn tests() -> Vec<Trial> {
    vec![
        in_a_runtime("serving::the_longest_idle_makes_room", the_longest_idle_makes_room),
        in_a_runtime("serving::half_a_head_makes_room_and_a_request_does_not", half_a_head_makes_room),
        in_a_runtime("serving::a_crowd_at_one_address_takes_nobody_elses_place", a_crowd_takes_nobody_elses_place),
        in_a_runtime("serving::an_address_over_its_share_is_not_let_in", an_address_over_its_share_is_not_let_in),
        in_a_runtime("serving::without_files_it_says_so_once_and_goes_on", without_files_it_goes_on),
    ]
}

/// Room for 16 connections.
fn sixteen(settings: &mut Settings) {
    patient(settings);
    settings.replace("data = \"data\"", "data = \"data\"\nmax_client_connections = 16");
}

/// The same, and no share: whoever comes from 127.0.0.1 is a proxy.
fn sixteen_for_a_proxy(settings: &mut Settings) {
    sixteen(settings);
    settings.trust_loopback();
}

/// A client that was served, and keeps its connection.
async fn served(setting: &Setting, own: [u8; 4]) -> Line {
    let mut client = setting.client_from(own).await;
    serve(setting, &mut client).await;
    client
}

async fn serve(setting: &Setting, client: &mut Line) {
    client.say(request("GET", "x", "Connection: keep-alive\r\n")).await;
    let mut upstream = setting.upstream().await;
    upstream.head().await;
    // Closed, so that the next request comes to a connection of its own.
    upstream.say(OK.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n")).await;
    assert!(client.message().await.starts_with("HTTP/1.1 200 "), "it is served");
}

async fn the_longest_idle_makes_room() {
    let setting = Setting::with(sixteen_for_a_proxy).await;
    let mut clients = Vec::new();
    for _ in 0..16 {
        clients.push(served(&setting, [127, 0, 0, 1]).await);
    }
    let mut next = setting.client().await;
    serve(&setting, &mut next).await;
    let end = clients.remove(0).end().await;
    assert_eq!((end.rest.as_str(), end.reset), ("", false), "closed in order, without a word");
    // Among those that are left is each of the others.
    for client in &mut clients {
        serve(&setting, client).await;
    }
}

async fn half_a_head_makes_room() {
    let setting = Setting::with(sixteen_for_a_proxy).await;
    let (mut busy, mut upstream, _) = setting.asked(&request("GET", "slow", "")).await;
    let mut crowd = Vec::new();
    for _ in 0..40 {
        let mut client = setting.client().await;
        client.say("GET /public/x HTTP/1.1\r\nHost: ").await;
        crowd.push(client);
    }
    served(&setting, [127, 0, 0, 1]).await;
    // With a reset, if it had to go before what it sent was read.
    assert_eq!(crowd.remove(0).end().await.rest, "", "the oldest half of a head made room");
    upstream.say(OK).await;
    assert!(busy.message().await.ends_with("ok"), "who is being served goes on");
}

async fn a_crowd_takes_nobody_elses_place() {
    let setting = Setting::with(sixteen).await;
    let mut early = served(&setting, [127, 0, 0, 1]).await;
    let mut crowd = Vec::new();
    for _ in 0..50 {
        crowd.push(setting.client_from(CROWD).await);
    }
    // It has waited longest, and yet the crowd has made room for the crowd.
    serve(&setting, &mut early).await;
    let (first, last) = (crowd.remove(0), crowd.pop().expect("there are some"));
    assert_eq!(first.end().await.rest, "", "its first was closed for one of its next");
    let mut others = Vec::new();
    for other in 10..14 {
        others.push(served(&setting, [127, 0, 0, other]).await);
    }
    drop(last);
}

async fn an_address_over_its_share_is_not_let_in() {
    let setting = Setting::with(sixteen).await;
    let mut crowd = Vec::new();
    for _ in 0..12 {
        let mut client = setting.client_from(CROWD).await;
        client.say(request("GET", "slow", "")).await;
        let mut upstream = setting.upstream().await;
        upstream.head().await;
        crowd.push((client, upstream));
    }
    let end = setting.client_from(CROWD).await.end().await;
    assert_eq!(end.rest, "", "it holds three quarters, and all of them are busy");
    served(&setting, [127, 0, 0, 1]).await;
    let (mut client, mut upstream) = crowd.pop().expect("there are twelve");
    upstream.say(OK).await;
    assert!(client.message().await.ends_with("ok"), "what is under way is not touched");
}

/// At a soft limit of 64 files it raises that to the hard one; and where the machine has none left it makes room.
async fn without_files_it_goes_on() {
    let world = World::new().prepare().await;
    let mut gateway = Process::start_with_files(&world.write_config(), 64);
    let admin = gateway.serving().await;
    let line = String::from_utf8_lossy(&gateway.said()).into_owned();
    let files: u32 =
        line.split("at most (").nth(1).and_then(|rest| rest.split(' ').next()?.parse().ok()).expect("it says so");
    assert!(files > 64, "the soft limit was raised: {line}");

    // Now there are fewer than it was told: as if something else had taken them.
    let open = std::fs::read_dir(format!("/proc/{}/fd", gateway.id())).expect("it runs").count() + 20;
    let pid = gateway.id().to_string();
    let limited = Command::new("prlimit").args(["--pid", &pid, &format!("--nofile={open}:{open}")]).status();
    assert!(limited.is_ok_and(|limited| limited.success()), "a process of ours can be limited");
    let address = world.url("/").socket_addrs(|| None).expect("a numeric address")[0];
    let mut crowd = Vec::new();
    for _ in 0..100 {
        crowd.push(TcpStream::connect(address).await.expect("the backlog takes it"));
    }
    gateway.until("no connection can be accepted").await;
    let mut client = Line::from([127, 0, 0, 3], address).await;
    client.say(request("GET", "x", "")).await;
    assert!(client.head().await.starts_with("HTTP/1.1 200 "), "idle ones made room");
    let mut operator = Line::to(admin).await;
    operator.say("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    assert!(operator.head().await.starts_with("HTTP/1.1 200 "), "and for operators");
    let said = String::from_utf8_lossy(&gateway.said()).into_owned();
    assert_eq!(said.matches("no connection can be accepted").count(), 1, "one line a minute: {said}");
    drop(crowd);
}
