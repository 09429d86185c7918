//! Bodies on their way: they stream, push back, and never end well unless they are whole.

use libtest_mimic::Trial;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{OK, Setting, line::soon, request};
use crate::in_a_runtime;

/// What lies in the sockets' buffers at most, on both sides of the gateway and with what it reads ahead: far less than
/// what is offered.
const BUFFERS: usize = 48 << 20;

/// A stalled flood says so much at a time.
static PIECE: [u8; 64 * 1024] = [b'a'; 64 * 1024];

pub(super) fn tests() -> Vec<Trial> {
    vec![
        in_a_runtime("serving::bodies_stream_both_ways", bodies_stream_both_ways),
        in_a_runtime("serving::who_does_not_read_holds_the_upstream_back", who_does_not_read_holds_the_upstream_back),
        in_a_runtime(
            "serving::an_upstream_that_does_not_read_holds_the_client_back",
            an_upstream_holds_the_client_back,
        ),
        in_a_runtime("serving::an_answer_that_stalls_never_ends_well", an_answer_that_stalls_never_ends_well),
        in_a_runtime("serving::an_answer_that_breaks_off_never_ends_well", an_answer_that_breaks_off_never_ends_well),
        in_a_runtime("serving::a_client_that_stalls_is_let_go", a_client_that_stalls_is_let_go),
        in_a_runtime("serving::a_whole_upload_is_answered_by_the_response_timeout", a_whole_upload_is_answered_in_time),
        in_a_runtime("serving::answers_without_a_body_have_none", answers_without_a_body_have_none),
    ]
}

async fn bodies_stream_both_ways() {
    let setting = Setting::patient().await;
    let coded = "Transfer-Encoding: chunked\r\n";
    let (mut client, mut upstream, _) = setting.asked(&request("POST", "x", coded)).await;
    // Each piece arrives before the next is said.
    for piece in ["one", "two", "three"] {
        client.say(format!("{:x}\r\n{piece}\r\n", piece.len())).await;
        upstream.until(piece).await;
    }
    client.say("0\r\n\r\n").await;
    upstream.until("0\r\n\r\n").await;
    upstream.say(format!("HTTP/1.1 200 OK\r\n{coded}\r\n")).await;
    for piece in ["four", "five", "six"] {
        upstream.say(format!("{:x}\r\n{piece}\r\n", piece.len())).await;
        client.until(piece).await;
    }
    upstream.say("0\r\n\r\n").await;
    client.until("0\r\n\r\n").await;
}

async fn who_does_not_read_holds_the_upstream_back() {
    let setting = Setting::with(|_| {}).await;
    let (client, mut upstream, _) = setting.asked(&request("GET", "x", "")).await;
    upstream.say("HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n").await;
    // It ends when the gateway gives the client up, who took nothing for `idle_body_timeout`.
    let taken = upstream.flood(&PIECE).await;
    assert!(taken < BUFFERS, "the gateway took {taken} bytes that nobody read");
    drop(client);
    let (mut client, mut upstream, _) = setting.asked(&request("GET", "y", "")).await;
    upstream.say(OK).await;
    assert!(client.message().await.starts_with("HTTP/1.1 200 "));
}

async fn an_upstream_holds_the_client_back() {
    let setting = Setting::with(|_| {}).await;
    let (client, upstream, _) = setting.asked(&request("POST", "x", "Content-Length: 10000000000\r\n")).await;
    let (mut read, mut write) = client.into_stream().into_split();
    let flood = async {
        let mut taken = 0;
        while let Ok(some) = soon("an end of the flood", write.write(&PIECE)).await {
            taken += some;
        }
        taken
    };
    let answer = async {
        let mut said = Vec::new();
        // The client is still sending when it is answered: the end may be a reset.
        let _ = soon("an answer", read.read_to_end(&mut said)).await;
        String::from_utf8_lossy(&said).into_owned()
    };
    let (taken, answer) = tokio::join!(flood, answer);
    assert!(taken < BUFFERS, "the gateway took {taken} bytes that nobody read");
    assert!(answer.starts_with("HTTP/1.1 504 "), "the upstream's fault: {answer}");
    drop(upstream);
}

/// The ways of saying how long an answer is, each with as much of it as is said before it breaks, and who asks.
const FRAMINGS: [(&str, &str); 4] = [
    ("HTTP/1.1", "Content-Length: 10\r\n\r\nhello"),
    ("HTTP/1.1", "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"),
    ("HTTP/1.0", "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"),
    ("HTTP/1.0", "Content-Length: 10\r\n\r\nhello"),
];

/// Checks that nobody could take what came for a whole answer.
fn is_no_whole_answer(version: &str, framing: &str, end: &super::line::End) {
    let Some((head, body)) = end.rest.split_once("\r\n\r\n") else {
        // Cut before its head: there is no answer at all.
        return;
    };
    let head = head.to_ascii_lowercase();
    let whole = match (head.contains("content-length: 10"), head.contains("transfer-encoding: chunked")) {
        (true, _) => body.len() >= 10,
        (_, true) => body.ends_with("0\r\n\r\n"),
        // Its end is the connection's, which must not be in order.
        _ => !end.reset,
    };
    assert!(!whole, "{version}, {framing:?}: {end:?}");
}

async fn an_answer_that_stalls_never_ends_well() {
    let setting = Setting::with(|settings| {
        settings.replace("response_timeout = \"400ms\"", "response_timeout = \"25s\"");
    })
    .await;
    for (version, framing) in FRAMINGS {
        let asked = request("GET", "x", "").replace("HTTP/1.1", version);
        let (client, mut upstream, _) = setting.asked(&asked).await;
        upstream.say(format!("HTTP/1.1 200 OK\r\n{framing}")).await;
        is_no_whole_answer(version, framing, &client.end().await);
        upstream.end().await;
    }
}

async fn an_answer_that_breaks_off_never_ends_well() {
    let setting = Setting::patient().await;
    for (version, framing) in FRAMINGS {
        let asked = request("GET", "x", "").replace("HTTP/1.1", version);
        let (mut client, mut upstream, _) = setting.asked(&asked).await;
        upstream.say(format!("HTTP/1.1 200 OK\r\n{framing}")).await;
        let begun = client.until("hello").await;
        drop(upstream);
        let mut end = client.end().await;
        end.rest.insert_str(0, &begun);
        is_no_whole_answer(version, framing, &end);
    }
}

async fn a_client_that_stalls_is_let_go() {
    let setting = Setting::with(|settings| {
        settings.replace("response_timeout = \"400ms\"", "response_timeout = \"25s\"");
    })
    .await;
    let (mut client, upstream, _) = setting.asked(&request("POST", "x", "Content-Length: 100000\r\n")).await;
    client.say("hello").await;
    let answer = client.message().await;
    assert!(
        answer.starts_with("HTTP/1.1 400 ") && answer.contains("body-stalled") || answer.contains("in time"),
        "{answer}"
    );
    let end = upstream.end().await;
    assert!(end.rest.len() < 10, "the upstream never had it whole: {end:?}");
    assert_eq!(client.end().await.rest, "", "and the connection ends, since its body is in doubt");
}

/// How long a body may stand still says nothing about how long an answer to a whole one may take.
async fn a_whole_upload_is_answered_in_time() {
    let setting = Setting::with(|settings| {
        settings.replace("idle_body_timeout = \"400ms\"", "idle_body_timeout = \"10m\"");
    })
    .await;
    for (framing, body) in [("Content-Length: 5", "hello"), ("Transfer-Encoding: chunked", "5\r\nhello\r\n0\r\n\r\n")] {
        let asked = request("POST", "x", &format!("{framing}\r\n")) + body;
        let (mut client, mut upstream, _) = setting.asked(&asked).await;
        upstream.until("hello").await;
        let answer = client.message().await;
        assert!(answer.starts_with("HTTP/1.1 504 ") && answer.contains("http_response_timeout"), "{framing}: {answer}");
    }
}

async fn answers_without_a_body_have_none() {
    let setting = Setting::patient().await;
    let (mut client, mut upstream, _) = setting.asked(&request("HEAD", "x", "")).await;
    let answers = [
        ("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n"),
        ("HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
        ("GET", "HTTP/1.1 204 No Content\r\n\r\n"),
        ("GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\nETag: \"a\"\r\n\r\n"),
        ("GET", OK),
    ];
    for (index, (method, answer)) in answers.into_iter().enumerate() {
        if index > 0 {
            client.say(request(method, "x", "")).await;
            assert!(upstream.head().await.starts_with(method), "the same connection serves on after {index}");
        }
        upstream.say(answer).await;
        let heard = client.head().await;
        assert_eq!(heard[9..12], answer[9..12], "{heard}");
        // hyper leaves it out of 304, as it may (RFC 9110 §8.6).
        if method == "HEAD" && answer.contains("Content-Length: 7") {
            assert!(heard.to_ascii_lowercase().contains("content-length: 7"), "what GET would bring: {heard}");
        }
    }
    assert_eq!(client.until("ok").await, "ok", "no body before the one that has one");
}
