//! What a panic costs: whoever asked is told, in their form, and nobody else notices. No flow of ours panics, so that it
//! takes a service that does.

use std::{io, net::SocketAddr, path::PathBuf};

use auth_core::{Background, Clock};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::LocalSet,
};
use tokio_util::sync::CancellationToken;
use tower::{BoxError, service_fn};
use tracing::subscriber::{NoSubscriber, set_global_default};

use super::*;
use crate::{
    config,
    fault::ClientKind,
    telemetry::{AccessLog, Format},
};

/// A folder of its own, removed with it.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A gateway's connections before a service that panics when it is asked for `/panic`, and for `/display` once it knows
/// that a device asks.
async fn panicking() -> (SocketAddr, Folder) {
    // Panics that are planned are no news.
    let _ = set_global_default(NoSubscriber::new());
    let folder = Folder(std::env::temp_dir().join(format!("candor-panics-{}", std::process::id())));
    std::fs::create_dir_all(&folder.0).expect("a folder can be made");
    let text = r#"
        server = { public_url = "http://localhost" }
        upstreams.m = { endpoints = ["http://127.0.0.1:1"] }
        routes = [{ path = "/", upstream = "m", allow = ["anyone"] }]"#;
    let config = config::parse(text, &folder.0, config::Secrets::Read(&|_| None)).expect("a configuration");
    let mut telemetry = Telemetry::start(Format::Json, tracing::Level::ERROR);
    telemetry.access = AccessLog::to(Box::new(io::sink()), Format::Json);
    let (clock, background) = (Clock::system(), Background::current());
    let data = Arc::new(DataFolder::take(&config.server.data, clock.now()).expect("nobody else has it"));
    let dependencies = Dependencies { data, clock, background, telemetry, tuning: Tuning::default() };
    let gateway = Gateway::start(config, dependencies).await.expect("it starts");
    let service = service_fn(|(context, request): RequestInContext| async move {
        if request.uri().path() == "/display" {
            context.answer_as(ClientKind::Device);
        }
        assert!(request.uri().path() == "/healthz", "planned");
        Ok::<_, BoxError>(own::admin::answer(&context, &request))
    });
    let http = Rc::new(HttpServer::new(service, gateway, CancellationToken::new()));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("it is bound");
    spawn_local(async move {
        acceptor::accept(&listener, |stream, peer| {
            spawn_local(connection::serve(http.clone(), stream, peer.ip()));
        })
        .await;
    });
    (address, folder)
}

/// Asks on a connection that goes on, and returns head and body of the answer.
async fn ask(client: &mut TcpStream, target: &str, fields: &str) -> String {
    let request = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n");
    client.write_all(request.as_bytes()).await.expect("it listens");
    let mut heard = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&heard).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next()?.parse().ok());
            if body.len() >= length.expect("it has a length") {
                return text;
            }
        }
        assert!(client.read_buf(&mut heard).await.expect("it answers") > 0, "cut: {text}");
    }
}

#[tokio::test]
async fn a_panic_is_told_to_who_asked_and_costs_nobody_else_anything() {
    let test = async {
        let (address, _folder) = panicking().await;
        let connect = async || TcpStream::connect(address).await.expect("it accepts");
        let (mut client, mut other) = (connect().await, connect().await);
        other.write_all(b"GET /healthz HTTP/1.1\r\n").await.expect("it listens");
        let cases = [
            ("/panic", "", "500", "application/problem+json"),
            ("/panic", "Accept: text/html\r\nSec-Fetch-Mode: navigate\r\n", "500", "text/html"),
            ("/display", "", "503", "application/problem+json"),
        ];
        for (target, fields, status, kind) in cases {
            let answer = ask(&mut client, target, fields).await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{target}: {answer}");
            assert!(answer.contains(&format!("content-type: {kind}")), "{target}: {answer}");
            assert!(answer.contains("x-gateway-answer: internal-error"), "{target}: {answer}");
            assert!(!answer.contains("planned"), "what it said is for the log: {answer}");
        }
        // The same connection serves on, and so does one that was in the middle of its head.
        assert!(ask(&mut client, "/healthz", "").await.starts_with("HTTP/1.1 200 "));
        other.write_all(b"Host: localhost\r\nConnection: close\r\n\r\n").await.expect("it listens");
        let mut heard = String::new();
        other.read_to_string(&mut heard).await.expect("it answers");
        assert!(heard.starts_with("HTTP/1.1 200 "), "{heard}");
    };
    LocalSet::new().run_until(test).await;
}
