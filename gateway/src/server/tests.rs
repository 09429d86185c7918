//! What the threads, listeners and connections promise to whatever service stands behind them: what a panic costs, over
//! what a connection may run, what a handler of the admin listener can ask, and who waits for whom.

use std::{
    io::{self, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream as BlockingStream},
    path::PathBuf,
    rc::Rc,
    sync::atomic::{AtomicU32, Ordering},
};

use auth_core::{
    policy::{Allow, Attribute, MaxStale, Requirement, RequirementId},
    principal::{Groups, Person, Roles, Silence, Subject},
    session::NewSession,
};
use secrecy::ExposeSecret;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream, UnixStream},
    task::{LocalSet, spawn_local},
    time::timeout,
};
use tower::{BoxError, service_fn};
use tracing::subscriber::{NoSubscriber, set_global_default};

use super::{
    connection::{HttpServer, RequestInContext},
    phase::Phase,
    *,
};
use crate::{
    config,
    fault::{AnswerWord, ClientKind},
    own,
    response::{answer::Answer, own_answer::OwnAnswer, pages, reply::Reply},
    telemetry::{AccessLog, Format},
};

/// A folder of its own, removed with it.
pub(super) struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A gateway with a provider and an upstream that are not there. Its background is the runtime of the test.
pub(super) async fn gateway() -> (Arc<Gateway>, Folder) {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    // Panics that are planned are no news.
    let _ = set_global_default(NoSubscriber::new());
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let folder = Folder(std::env::temp_dir().join(format!("candor-server-{}-{number}", std::process::id())));
    std::fs::create_dir_all(&folder.0).expect("a folder can be made");
    let text = r#"
        server = { public_url = "http://localhost" }
        identity = [{ name = "i", kind = "oidc", issuer = "http://127.0.0.1:1", client_id = "c", client_secret = { env = "S" } }]
        upstreams.m = { endpoints = ["http://127.0.0.1:1"] }
        routes = [{ path = "/", upstream = "m", allow = ["anyone"] }]"#;
    let secret = |_: &str| Some("secret".to_owned());
    let config = config::parse(text, &folder.0, config::Secrets::Read(&secret)).expect("a configuration");
    let mut telemetry = Telemetry::start(Format::Json, tracing::Level::ERROR);
    telemetry.access = AccessLog::to(Box::new(io::sink()), Format::Json);
    let (clock, background) = (Clock::system(), Background::current());
    let data = Arc::new(DataFolder::take(&config.server.data, clock.now()).expect("nobody else has it"));
    let dependencies = Dependencies { data, clock, background, telemetry, tuning: Tuning::default() };
    (Gateway::start(config, dependencies).await.expect("it starts"), folder)
}

/// Panics when it is asked for `/panic`, and for `/display` once it knows that a device asks; else the admin listener's.
async fn panicking((context, request): RequestInContext) -> Result<Reply, BoxError> {
    if request.uri().path() == "/display" {
        context.answer_as(ClientKind::Device);
    }
    assert!(request.uri().path() == "/healthz", "planned");
    Ok(own::admin::answer(&context, request).await)
}

/// What a page of the administration will do: ask who it is and what they may, and answer with a page.
async fn administering((context, request): RequestInContext) -> Result<Reply, BoxError> {
    let (head, _request) = match context.read(request) {
        Ok(read) => read,
        Err(fault) => return Ok(context.fault(fault)),
    };
    let operators = Allow::Known { is: Attribute::Role("operator".into()), from: None };
    let requirement = Requirement::new(RequirementId(u32::MAX), vec![operators], MaxStale::DEFAULT);
    let answer = match context.admit(&head, &requirement, context.client_kind().harm()).await {
        Ok(_admitted) => Answer::Own(OwnAnswer::page(pages::explain(AnswerWord::Own))),
        Err(answer) => answer,
    };
    let recourse = context.recourse(&head.method, head.path.received().as_str(), &requirement);
    Ok(Reply { recourse, ..context.reply(answer) })
}

/// The value of the cookie of somebody with these roles.
async fn ticket(gateway: &Gateway, roles: Roles) -> String {
    let new = NewSession {
        person: Person { name: Some("Ada".into()), ..Person::known_as(Subject::new("http://127.0.0.1:1", "ada")) },
        roles,
        groups: Groups::NotStated(Silence::Absent),
        refresh_token: None,
        access_token: None,
        id_token: None,
        claims: serde_json::json!({}),
        provider: "i".into(),
        provider_sid: None,
        address: None,
        browser: None,
    };
    let ticket = gateway.running().sessions.begin(new, None, gateway.now()).await.expect("the store is up");
    ticket.text().expose_secret().to_owned()
}

/// Serves `http` at a port of its own.
async fn listen<S>(http: Rc<HttpServer<S>>) -> SocketAddr
where
    S: tower::Service<RequestInContext, Response = Reply, Error: Into<BoxError>> + Clone + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("it is bound");
    spawn_local(admin::accept(listener, http));
    address
}

/// Asks on a connection that goes on, and returns head and body of the answer.
async fn ask(client: &mut (impl AsyncRead + AsyncWrite + Unpin), target: &str, fields: &str) -> String {
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
        let (gateway, _folder) = gateway().await;
        let address = listen(HttpServer::new(service_fn(panicking), gateway, CancellationToken::new())).await;
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

#[tokio::test]
async fn a_request_is_served_over_any_transport() {
    let test = async {
        let (gateway, _folder) = gateway().await;
        let http = HttpServer::new(service_fn(panicking), gateway, CancellationToken::new());
        // So narrow that an answer takes many writes.
        let (mut client, transport) = tokio::io::duplex(64);
        let peer = Ipv4Addr::LOCALHOST.into();
        let served = spawn_local(http.clone().serve(transport, peer, Phase::new(http.limits(peer).timeouts)));
        for target in ["/healthz", "/panic", "/healthz"] {
            let status = if target == "/panic" { "500" } else { "200" };
            let answer = ask(&mut client, target, "").await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{target}: {answer}");
        }
        drop(client);
        served.await.expect("its end is no panic");
    };
    LocalSet::new().run_until(test).await;
}

#[tokio::test]
async fn a_handler_of_the_admin_listener_can_ask_who_it_is() {
    let test = async {
        let (gateway, _folder) = gateway().await;
        let operator = ticket(&gateway, Roles::known(["operator".into()])).await;
        let viewer = ticket(&gateway, Roles::known(["viewer".into()])).await;
        let address = listen(HttpServer::new(service_fn(administering), gateway, CancellationToken::new())).await;
        let mut client = TcpStream::connect(address).await.expect("it accepts");
        let person = "Accept: text/html\r\nSec-Fetch-Mode: navigate\r\n";
        let cases = [
            (String::new(), "401", "application/problem+json"),
            (person.to_owned(), "303", "location: /.candor/login?return_to=%2Fusers"),
            (format!("{person}Cookie: candor={viewer}\r\n"), "403", "content-type: text/html"),
            (format!("{person}Cookie: candor={operator}\r\n"), "200", "content-type: text/html"),
        ];
        for (fields, status, part) in cases {
            let answer = ask(&mut client, "/users", &fields).await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{fields}: {answer}");
            assert!(answer.contains(part), "{fields}: {answer}");
        }
    };
    LocalSet::new().run_until(test).await;
}

/// Asks, and blocks this thread until the answer's head has come.
fn ask_blocking(address: SocketAddr, target: &str) -> String {
    let mut client = BlockingStream::connect(address).expect("it listens");
    // Not how long it may take: how long until the test has failed.
    client.set_read_timeout(Some(Duration::from_secs(60))).expect("a socket");
    write!(client, "GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").expect("it listens");
    let mut answer = String::new();
    client.read_to_string(&mut answer).expect("it answers");
    answer
}

#[tokio::test]
async fn a_busy_background_delays_neither_clients_nor_operators() {
    let test = async {
        let (gateway, _folder) = gateway().await;
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let bind = |address| acceptor::bind(address);
        let sockets = Listeners { public: vec![any], redirect: Vec::new(), forward_auth: vec![any], admin: any }
            .map(bind)
            .expect("ports");
        let addresses = sockets.as_ref().map(Socket::local_addr).expect("they are bound");
        let ends = EndSteps::default();
        let files = FileLimit::raise().for_clients(&gateway.running().config);
        let threads = Threads::start(gateway, NonZero::<usize>::MIN, (sockets, files), None, &ends);
        let threads = threads.await.expect("the machine has threads");
        // This thread is the background: while it asks, it does nothing else.
        let answers = [
            ask_blocking(addresses.public[0], "/"),
            ask_blocking(addresses.forward_auth[0], "/"),
            ask_blocking(addresses.admin, "/healthz"),
        ];
        let expected = ["HTTP/1.1 502 ", "HTTP/1.1 404 ", "HTTP/1.1 200 "];
        for (answer, expected) in answers.iter().zip(expected) {
            assert!(answer.starts_with(expected), "{expected}: {answer}");
        }
        // Who no longer accepts does not end the admin listener.
        ends.accepting.cancel();
        threads.acceptor.ended().await;
        assert!(BlockingStream::connect(addresses.public[0]).is_err(), "nobody listens any more");
        assert!(ask_blocking(addresses.admin, "/healthz").starts_with("HTTP/1.1 200 "));
        drop(threads.keep_admin);
        threads.admin.ended().await;
    };
    LocalSet::new().run_until(test).await;
}

#[tokio::test]
async fn silent_connections_do_not_keep_commands_out() {
    let test = async {
        let (gateway, folder) = gateway().await;
        let control = control::Control::listen(&gateway.data).expect("a socket");
        spawn_local(control.serve(gateway, None));
        let connect = async || UnixStream::connect(folder.0.join("data/control.sock")).await.expect("it listens");
        let mut silent = Vec::new();
        for _ in 0..8 {
            silent.push(connect().await);
        }
        let mut command = connect().await;
        command.write_all(b"{\"command\":\"holder\"}\n").await.expect("it listens");
        let mut answer = String::new();
        // Not how long it may take: how long a command waits before it gives up, less the test's own needs.
        let read = timeout(Duration::from_secs(8), command.read_to_string(&mut answer)).await;
        read.expect("it need not wait for the others").expect("it answers");
        assert!(answer.contains("\"holder\""), "{answer}");
    };
    LocalSet::new().run_until(test).await;
}
