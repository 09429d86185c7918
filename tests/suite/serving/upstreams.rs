//! What upstreams may do to their connection, and who pays for it.

use libtest_mimic::Trial;
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use super::{OK, Setting, line::Line, patient, request};
use crate::in_a_runtime;

pub(super) fn tests() -> Vec<Trial> {
    vec![
        in_a_runtime("serving::a_stale_connection_costs_one_replay", a_stale_connection_costs_one_replay),
        in_a_runtime("serving::only_what_is_harmless_is_replayed", only_what_is_harmless_is_replayed),
        in_a_runtime("serving::who_answers_well_at_times_is_asked_again", who_answers_well_at_times_is_asked_again),
        in_a_runtime("serving::one_of_three_endpoints_is_gone", one_of_three_is_gone),
        in_a_runtime("serving::probes_find_out_by_themselves", probes_find_out_by_themselves),
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
}

/// An endpoint that has answered well a moment ago, and closes a connection that never served, is asked once more; where
/// the route says so, it is not.
async fn who_answers_well_at_times_is_asked_again() {
    let mut setting = Setting::patient().await;
    drop(warm(&setting).await);
    let (mut client, upstream, _) = setting.asked(&request("GET", "once", "")).await;
    drop(upstream);
    let mut again = setting.upstream().await;
    assert!(again.head().await.starts_with("GET /public/once "));
    again.say(OK).await;
    assert!(client.message().await.ends_with("ok"), "nobody noticed");
    drop(again);
    setting.world.settings.replace("path = \"/public/\"", "path = \"/public/\"\nretry = false");
    setting.world.reconfigure();
    let (mut client, upstream, _) = setting.asked(&request("GET", "once", "")).await;
    drop(upstream);
    assert!(client.message().await.starts_with("HTTP/1.1 502 "), "no second time");
}

/// Three endpoints, of which one is gone: nobody notices. Once it is back, its share grows from one request on.
async fn one_of_three_is_gone() {
    let others = [listener().await, listener().await];
    let address = |listener: &TcpListener| listener.local_addr().expect("it is bound");
    let more = others.each_ref().map(|other| format!("\"http://{}\"", address(other))).join(", ");
    let mut setting = Setting::with(|settings| {
        patient(settings);
        settings.replace("endpoints = [", &format!("endpoints = [{more}, "));
    })
    .await;
    let serving = others.map(|other| {
        tokio::spawn(async move {
            loop {
                let mut line = Line::accepted(&other).await;
                tokio::spawn(async move {
                    // Its connections serve one request each.
                    line.head().await;
                    line.try_say("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok").await;
                });
            }
        })
    });
    // The one that is spoken by hand is gone.
    let gone = address(&setting.upstream);
    setting.upstream = listener().await;
    // Bound, and nobody listens there: else another test might.
    let place = TcpSocket::new_v4().expect("there are sockets left");
    place.set_reuseaddr(true).expect("it can be set");
    place.bind(gone).expect("it was ours a moment ago");
    for method in ["GET", "POST"] {
        for _ in 0..10 {
            let mut client = setting.client().await;
            client.say(request(method, "x", "Connection: close\r\n")).await;
            let answer = client.message().await;
            assert!(answer.starts_with("HTTP/1.1 200 "), "{method}: {answer}");
        }
    }
    let healthy =
        |value: &str| format!("candor_endpoint_healthy{{endpoint=\"http://{gone}\",upstream=\"monolith\"}} {value}");
    let shown = setting.world.metrics().await;
    assert!(shown.lines().any(|line| line == healthy("0")), "{shown}");
    serving.iter().for_each(tokio::task::JoinHandle::abort);
}

/// A probe says so before any request can fail, and says when it is back; it shows nothing of anybody's.
async fn probes_find_out_by_themselves() {
    let setting = Setting::with(|settings| {
        patient(settings);
        let probed = "health = { path = \"/well?x=1\", interval = \"100ms\", timeout = \"10s\", host = \"probe.example\", status = [204] }\nendpoints = [";
        settings.replace("endpoints = [", probed);
    })
    .await;
    let endpoint = setting.upstream.local_addr().expect("it is bound");
    let shows = async |value: &str| {
        let line = format!("candor_endpoint_healthy{{endpoint=\"http://{endpoint}\",upstream=\"monolith\"}} {value}");
        setting.world.metrics().await.lines().any(|shown| shown == line)
    };
    for (answer, expected) in [("503 No", "0"), ("204 Yes", "1"), ("200 Not what counts", "0"), ("204 Yes", "1")] {
        let mut tries = 0;
        while !shows(expected).await {
            let mut probe = setting.upstream().await;
            let head = probe.head().await;
            let version = concat!("candor/", env!("CARGO_PKG_VERSION"));
            let whole = format!(
                "GET /well?x=1 HTTP/1.1\r\nhost: probe.example\r\nuser-agent: {version}\r\nconnection: close\r\n\r\n"
            );
            assert_eq!(head, whole);
            probe.say(format!("HTTP/1.1 {answer}\r\nContent-Length: 0\r\n\r\n")).await;
            probe.end().await;
            tries += 1;
            assert!(tries < 200, "{answer} has shown nothing");
        }
    }
}

async fn listener() -> TcpListener {
    TcpListener::bind(("127.0.0.1", 0)).await.expect("a port is free")
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
