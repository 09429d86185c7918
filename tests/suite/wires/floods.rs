//! Floods of HTTP/2 frames: each is cut, or bounded, while others are served.

use std::net::SocketAddr;

use libtest_mimic::Trial;
use world::{
    World,
    caller::{Caller, Form},
    frames::{END_HEADERS, Frame, FrameClient, field, kind},
};

use crate::{in_a_runtime, report};

/// More than any of them is allowed. So many bytes of them are sent at a time.
const MOST: usize = 200_000;
const AT_ONCE: usize = 64 << 10;

pub(super) fn tests() -> Vec<Trial> {
    vec![in_a_runtime("wires::every_flood_of_frames_is_cut_and_others_are_served", every_flood)]
}

/// What a flood consists of: the frames before it, and the next ones of it.
struct Flood {
    name: &'static str,
    before: Vec<Frame>,
    next: fn(u32) -> Vec<Frame>,
}

fn floods() -> Vec<Flood> {
    let post = |stream| {
        let get = Frame::get(stream, "/public/x", &[]);
        Frame { flags: END_HEADERS, ..get }
    };
    let open = |stream| vec![Frame { flags: END_HEADERS, ..Frame::get(stream, "/public/x", &[]) }];
    let endless = Frame { flags: 0, ..post(1) };
    vec![
        Flood {
            name: "rapid reset",
            before: Vec::new(),
            next: |number| {
                let stream = 2 * number + 1;
                let reset = Frame::new(kind::RST_STREAM, 0, stream).with([0, 0, 0, 8]);
                vec![Frame::get(stream, "/public/x", &[]), reset]
            },
        },
        Flood {
            name: "continuation",
            before: vec![endless.clone()],
            next: |_| vec![Frame::new(kind::CONTINUATION, 0, 1).with(field("x-a", "b"))],
        },
        Flood {
            name: "empty continuation",
            before: vec![endless],
            next: |_| vec![Frame::new(kind::CONTINUATION, 0, 1)],
        },
        Flood { name: "empty data", before: open(1), next: |_| vec![Frame::new(kind::DATA, 0, 1)] },
        Flood {
            name: "settings",
            before: Vec::new(),
            next: |_| vec![Frame::new(kind::SETTINGS, 0, 0).with([0, 4, 0, 0, 255, 255])],
        },
        Flood { name: "ping", before: Vec::new(), next: |_| vec![Frame::new(kind::PING, 0, 0).with([7; 8])] },
        Flood {
            name: "priority",
            before: Vec::new(),
            next: |number| vec![Frame::new(kind::PRIORITY, 0, 2 * number + 1).with([0, 0, 0, 0, 16])],
        },
        Flood {
            name: "window update",
            before: open(1),
            next: |_| vec![Frame::new(kind::WINDOW_UPDATE, 0, 1).with([0, 0, 0, 1])],
        },
        Flood { name: "unknown", before: Vec::new(), next: |_| vec![Frame::new(0x42, 0, 0).with([1])] },
    ]
}

async fn every_flood() {
    let mut world = World::new().prepare().await;
    // A head that goes on for ever ends in time.
    world.settings.replace("data = \"data\"", "data = \"data\"\nhead_timeout = \"2s\"");
    world.start_gateway().await;
    let address = world.url("/").socket_addrs(|| None).expect("a numeric address")[0];
    let mut others = Caller::new(Form::Script);
    world.warm_up(&mut others, "/public/x").await;
    let (floods, mut uncut, mut hurt) = (floods(), Vec::new(), 0);
    for flood in &floods {
        let flooding = tokio::spawn(send(address, flood.before.clone(), flood.next));
        let mut served = 0;
        while !flooding.is_finished() || served == 0 {
            hurt += usize::from(world.ask(&mut others, "/public/x").await.status() != Some(200));
            served += 1;
        }
        if !flooding.await.expect("no panic") {
            uncut.push(flood.name);
        }
    }
    uncut.extend(stalled_windows(address).await);
    let count = floods.len() + 1;
    report::say(format!(
        "h2 floods: {count} kinds, {}, {hurt} others hurt",
        if uncut.is_empty() { "all cut".to_owned() } else { format!("not cut: {uncut:?}") }
    ));
    assert!(uncut.is_empty() && hurt == 0, "{uncut:?}, {hurt}");
}

/// Whether the flood was cut before it was over.
async fn send(address: SocketAddr, before: Vec<Frame>, next: fn(u32) -> Vec<Frame>) -> bool {
    let Ok(mut client) = FrameClient::to(address).await else { return false };
    for frame in before {
        if client.send(&frame).await.is_err() {
            return true;
        }
    }
    let (mut bytes, mut sent) = (Vec::with_capacity(AT_ONCE), 0);
    for number in 0.. {
        let frames = next(number);
        sent += frames.len();
        bytes.extend(frames.iter().flat_map(Frame::bytes));
        if bytes.len() >= AT_ONCE {
            if client.say(&bytes).await.is_err() {
                return true;
            }
            bytes.clear();
        }
        if sent >= MOST {
            break;
        }
    }
    // What was sent last may be on its way; then the end is read.
    let _ = client.say(&bytes).await;
    client.until(kind::GOAWAY).await;
    client.next().await.is_none()
}

/// A hundred answers, of none of which anything is taken: each stream is ended.
async fn stalled_windows(address: SocketAddr) -> Option<&'static str> {
    let mut client = FrameClient::to(address).await.ok()?;
    let no_window = Frame::new(kind::SETTINGS, 0, 0).with([0, 4, 0, 0, 0, 0]);
    client.send(&no_window).await.ok()?;
    for stream in 0..100 {
        client.send(&Frame::get(2 * stream + 1, "/public/x", &[])).await.ok()?;
    }
    for _ in 0..100 {
        // Or the connection, with all of them.
        client.until(kind::RST_STREAM).await?;
    }
    None
}
