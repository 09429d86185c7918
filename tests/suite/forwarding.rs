//! What goes through byte for byte, against a service that says exactly what the test makes it say.

use std::time::Duration;

use auth_core::refusal_guard::RefusalGuard;
use libtest_mimic::Trial;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};
use world::{
    World,
    caller::{Caller, Form},
    scripted::{Scripted, answer},
};

use crate::in_a_runtime;

const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn tests() -> Vec<Trial> {
    vec![
        in_a_runtime("forwarding::bodies_and_trailers_arrive_whole", bodies_and_trailers_arrive_whole),
        in_a_runtime("forwarding::a_password_prompt_to_everybody_is_held_back", a_password_prompt_to_everybody),
    ]
}

async fn bodies_and_trailers_arrive_whole() {
    let service = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let mut world = World::new().prepare().await;
    let before = world.settings.text();
    let endpoint = before.split("endpoints = [\"").nth(1).and_then(|rest| rest.split('"').next()).expect("an endpoint");
    world.settings.replace(endpoint, &format!("http://{}", service.local_addr().expect("it is bound")));
    world.start_gateway().await;
    let host = world.url("/").authority().to_owned();
    let exchange = async |request: &str, until: &str, answer: &str| {
        let ours = async {
            let (mut stream, _) = service.accept().await.expect("the gateway connects");
            let heard = read(&mut stream, until).await;
            stream.write_all(answer.as_bytes()).await.expect("the gateway listens");
            heard
        };
        let theirs = async {
            let mut stream = TcpStream::connect(&host).await.expect("the gateway listens");
            let request = request.replace("@HOST", &host);
            stream.write_all(request.as_bytes()).await.expect("it takes the request");
            let mut heard = String::new();
            stream.read_to_string(&mut heard).await.expect("an answer");
            heard
        };
        timeout(PATIENCE, async { tokio::join!(ours, theirs) }).await.expect("no end in sight")
    };

    let get = "GET /public/x HTTP/1.1\r\nHost: @HOST\r\nConnection: close, TE\r\nTE: trailers\r\n\r\n";
    let with_body = get.replace("\r\n\r\n", "\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
    let answer = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok";
    let (sent, _) = exchange(&with_body, "0\r\n\r\n", answer).await;
    assert!(sent.ends_with("5\r\nhello\r\n0\r\n\r\n"), "a GET may have a body: {sent}");

    let answer = "HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n\
                  5\r\nhello\r\n0\r\n\r\n";
    let (_, heard) = exchange(get, "\r\n\r\n", answer).await;
    assert!(heard.contains("hello") && !heard.contains("content-length"), "the coding wins: {heard}");

    let answer = "HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\
                  Trailer: x-checksum, x-gateway-answer\r\n\r\n\
                  5\r\nhello\r\n0\r\nx-checksum: 7\r\nx-gateway-answer: own\r\n\r\n";
    let (_, heard) = exchange(get, "\r\n\r\n", answer).await;
    assert!(heard.contains("x-checksum: 7"), "a trailer passes: {heard}");
    assert!(!heard.contains("x-gateway-answer: own"), "and says nothing for us: {heard}");
}

/// Where the application asks for passwords of its own, one that is down asks everybody: that is the first people's
/// trouble, and no more.
async fn a_password_prompt_to_everybody() {
    const WIKI: &str = "[[routes]]\npath = \"/wiki/\"\nupstream = \"monolith\"\nallow = [\"user\"]\n\
                        own_challenges = [\"Basic\"]\n";
    let mut world = World::new().configured(WIKI).prepare().await;
    let service = Scripted::before(world.monolith.address()).await;
    service.say("/wiki/", answer("401 Unauthorized", "WWW-Authenticate: Basic realm=\"wiki\"\r\n", ""));
    world.settings.replace(&world.proxies.monolith.base(), &service.base());
    world.start_gateway().await;
    let mut told = Vec::new();
    for _ in 0..=RefusalGuard::FEW {
        let mut person = Caller::new(Form::Browser);
        world.sign_in(&mut person, "ada", "/calendar").await;
        let heard = world.ask(&mut person, "/wiki/page").await;
        told.push((heard.status(), heard.word().unwrap_or_default().to_owned()));
    }
    let (held_back, passed) = (told.split_off(RefusalGuard::FEW - 1), told);
    assert!(passed.iter().all(|heard| *heard == (Some(401), "upstream".to_owned())), "{passed:?}");
    assert!(held_back.iter().all(|heard| *heard == (Some(503), "verdict-unavailable".to_owned())), "{held_back:?}");
}

/// Reads until `end` was read.
async fn read(stream: &mut TcpStream, end: &str) -> String {
    let mut heard = Vec::new();
    while !heard.ends_with(end.as_bytes()) {
        if stream.read_buf(&mut heard).await.expect("the gateway goes on") == 0 {
            break;
        }
    }
    String::from_utf8_lossy(&heard).into_owned()
}
