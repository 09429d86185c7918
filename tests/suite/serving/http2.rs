//! HTTP/2 towards clients: what a stream and its connection may take, and how each of them ends.

use libtest_mimic::Trial;
use tokio::net::TcpListener;
use world::{
    World,
    frames::{END_HEADERS, END_STREAM, Frame, FrameClient, field, kind},
    process::Process,
    settings::Settings,
};

use super::{Line, OK, Setting, patient};
use crate::in_a_runtime;

pub(super) fn tests() -> Vec<Trial> {
    vec![
        in_a_runtime("serving::heads_of_http_2_are_read_as_strictly", heads),
        in_a_runtime("serving::a_stream_that_its_client_ends_ends_at_the_upstream", a_reset_ends_at_the_upstream),
        in_a_runtime("serving::a_connection_without_streams_is_told_that_it_ends", idle),
        in_a_runtime("serving::a_head_that_never_ends_ends_its_connection", an_endless_head),
        in_a_runtime("serving::who_takes_nothing_of_an_answer_loses_that_stream_alone", a_stalled_stream),
        in_a_runtime("serving::what_is_under_way_in_http_2_is_finished_at_a_shutdown", shutdown),
    ]
}

async fn client(setting: &Setting) -> FrameClient {
    let address = setting.world.url("/").socket_addrs(|| None).expect("a numeric address")[0];
    FrameClient::to(address).await.expect("it accepts")
}

/// The status of the first answer.
async fn status(client: &mut FrameClient) -> Option<u16> {
    client.until(kind::HEADERS).await?.status()
}

/// A head of these fields, whole, of a request without a body.
fn head(fields: &[(&str, &str)]) -> Frame {
    let payload: Vec<u8> = fields.iter().flat_map(|(name, value)| field(name, value)).collect();
    Frame::new(kind::HEADERS, END_STREAM | END_HEADERS, 1).with(payload)
}

async fn heads() {
    let setting = Setting::patient().await;
    let many: Vec<String> = (0..101).map(|number| format!("x-{number}")).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|name| (name.as_str(), "")).collect();
    let large = "a".repeat(20 << 10);
    let (method, scheme, path) = ((":method", "GET"), (":scheme", "http"), (":path", "/public/x"));
    let authority = (":authority", "127.0.0.1");
    let cases: [(&str, Frame, u16); 9] = [
        ("another host", head(&[method, scheme, authority, path, ("host", "other.example")]), 400),
        ("two hosts", head(&[method, scheme, path, ("host", "a.example"), ("host", "a.example")]), 400),
        ("no host", head(&[method, scheme, path]), 400),
        ("a name", head(&[method, scheme, (":authority", "me@127.0.0.1"), path]), 400),
        ("dots", Frame::get(1, "/public/../x", &[]), 400),
        ("many fields", Frame::get(1, "/public/x", &many), 431),
        ("a spoof", Frame::get(1, "/public/x", &[("x_auth_request_user", "eve")]), 400),
        ("trace", head(&[(":method", "TRACE"), scheme, authority, path]), 405),
        ("connect", head(&[(":method", "CONNECT"), authority]), 405),
    ];
    for (what, frame, expected) in cases {
        let mut client = client(&setting).await;
        client.send(&frame).await.expect("it listens");
        assert_eq!(status(&mut client).await, Some(expected), "{what}");
    }
    // More than a frame holds: the rest continues.
    let (mut client, first) = (client(&setting).await, Frame::get(1, "/public/x", &[("x-large", &large)]));
    let (one, rest) = first.payload.split_at(16 << 10);
    client.send(&Frame::new(kind::HEADERS, END_STREAM, 1).with(one)).await.expect("it listens");
    client.send(&Frame::new(kind::CONTINUATION, END_HEADERS, 1).with(rest)).await.expect("it listens");
    assert_eq!(status(&mut client).await, Some(431), "a large head");
}

async fn a_reset_ends_at_the_upstream() {
    let setting = Setting::patient().await;
    let mut client = client(&setting).await;
    let cookies = [("cookie", "a=1"), ("cookie", "b=2"), ("te", "trailers")];
    client.send(&Frame::get(1, "/public/cut", &cookies)).await.expect("it listens");
    let mut upstream = setting.upstream().await;
    let heard = upstream.head().await;
    assert!(heard.contains("\r\ncookie: a=1; b=2\r\n") && !heard.contains("\r\nte:"), "{heard}");
    client.send(&Frame::new(kind::RST_STREAM, 0, 1).with([0, 0, 0, 8])).await.expect("it listens");
    upstream.end().await;
    let lines = setting.world.access_to("/public/cut").await;
    assert_eq!((&lines[0]["incomplete"], &lines[0]["protocol"]), (&"client".into(), &"HTTP/2".into()));
    client.send(&Frame::get(3, "/public/next", &[])).await.expect("the connection goes on");
    let mut upstream = setting.upstream().await;
    upstream.head().await;
    upstream.say(OK).await;
    assert_eq!(client.until(kind::HEADERS).await.map(|head| head.stream), Some(3));
}

/// Every deadline is far away, but this one.
fn all_but(key: &'static str) -> impl FnOnce(&mut Settings) {
    move |settings| {
        patient(settings);
        settings.replace("data = \"data\"", &format!("data = \"data\"\n{key} = \"300ms\""));
    }
}

async fn idle() {
    let setting = Setting::with(all_but("idle_timeout")).await;
    let mut client = client(&setting).await;
    loop {
        match client.next().await {
            // It is asked whether it has heard (RFC 9113 §6.8).
            Some(frame) if frame.kind == kind::PING => {
                client.send(&Frame { flags: END_STREAM, ..frame }).await.expect("it listens");
            }
            Some(frame) if frame.kind == kind::GOAWAY => {
                assert_eq!(&frame.payload[4..8], [0; 4], "nothing went wrong");
                break;
            }
            Some(_) => {}
            None => panic!("it ended without a word"),
        }
    }
}

async fn an_endless_head() {
    let setting = Setting::with(all_but("head_timeout")).await;
    let mut client = client(&setting).await;
    // Beside a stream that goes on.
    client.send(&Frame::get(1, "/public/x", &[])).await.expect("it listens");
    let mut upstream = setting.upstream().await;
    upstream.head().await;
    client.send(&Frame::new(kind::HEADERS, 0, 3).with(field(":method", "GET"))).await.expect("it listens");
    while client.next().await.is_some() {}
    upstream.end().await;
}

async fn a_stalled_stream() {
    let setting = Setting::with(|_| {}).await;
    let mut client = client(&setting).await;
    client.send(&Frame::get(1, "/public/large", &[])).await.expect("it listens");
    // Of all streams together it takes any number of bytes, of each 65,535.
    client.send(&Frame::new(kind::WINDOW_UPDATE, 0, 0).with([0, 0x7f, 0, 0])).await.expect("it listens");
    let mut upstream = setting.upstream().await;
    upstream.head().await;
    let body = "x".repeat(1 << 20);
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let sending = tokio::spawn(async move {
        upstream.try_say(answer).await;
        upstream
    });
    let cut = client.until(kind::RST_STREAM).await.expect("the connection goes on");
    assert_eq!(cut.stream, 1);
    sending.await.expect("no panic");
    let lines = setting.world.access_to("/public/large").await;
    assert_eq!(lines[0]["incomplete"], "client-idle");
    client.send(&Frame::get(3, "/public/small", &[])).await.expect("the connection goes on");
    let mut upstream = setting.upstream().await;
    upstream.head().await;
    upstream.say(OK).await;
    assert_eq!(client.until(kind::HEADERS).await.map(|head| head.stream), Some(3));
}

async fn shutdown() {
    // A process of its own: it waits ten seconds for who is busy.
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port is free");
    let mut world = World::new().prepare().await;
    let upstream = listener.local_addr().expect("it is bound");
    world.settings.replace(&world.proxies.monolith.base(), &format!("http://{upstream}"));
    patient(&mut world.settings);
    let mut gateway = Process::start(&world.write_config());
    gateway.serving().await;
    let address = world.url("/").socket_addrs(|| None).expect("a numeric address")[0];
    let mut client = FrameClient::to(address).await.expect("it accepts");
    client.send(&Frame::get(1, "/public/x", &[])).await.expect("it listens");
    let mut upstream = Line::accepted(&listener).await;
    upstream.head().await;
    let busy = async {
        let mut heard = Vec::new();
        while let Some(frame) = client.next().await {
            heard.push(frame.kind);
            match frame.kind {
                kind::PING if frame.flags == 0 => {
                    // It may have all that it waits for, and be gone.
                    let _ = client.send(&Frame { flags: END_STREAM, ..frame }).await;
                }
                // Only now is it answered.
                kind::GOAWAY if !heard.contains(&kind::HEADERS) => upstream.say(OK).await,
                _ => {}
            }
        }
        let at = |kind| heard.iter().position(|heard| *heard == kind);
        assert!(at(kind::GOAWAY).is_some() && at(kind::DATA) > at(kind::GOAWAY), "{heard:?}");
    };
    let ((status, said), ()) = tokio::join!(gateway.stop(), busy);
    assert!(status.success(), "{}", String::from_utf8_lossy(&said));
}
