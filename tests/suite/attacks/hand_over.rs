//! What a gateway still ends while a newer process serves in its place already.

use std::time::Duration;

use gateway::server::control::{self, Command};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use world::{
    World,
    caller::{Caller, Form},
    process::{LastHolder, Process},
};

use super::{Attack, Probes};
use crate::outages::flows::TICKET;

pub(super) const ATTACKS: &[Attack] = &[Attack {
    name: "signing_out_at_the_process_before",
    fault: "successor-untold",
    run: || Box::pin(signing_out_at_the_process_before()),
}];

/// So many people, since the newer process asks the store by itself every three seconds.
const PEOPLE: usize = 4;

/// Somebody copied the tickets of people whose logout is on its way to a gateway that hands over just then. Once they have
/// been told that they are signed out, the newer process takes none of the copies.
async fn signing_out_at_the_process_before() -> Probes {
    let mut probes = Probes::default();
    let mut world = World::new().prepare().await;
    world.settings.replace("\"400ms\"", "\"20s\"");
    world.settings.replace("data = \"data\"", "data = \"data\"\nhead_timeout = \"60s\"");
    let data = world.data();
    let (mut first, last) = (Process::start(&world.write_config()), LastHolder::of(&data));
    first.serving().await;
    let mut leaving = Vec::new();
    for _ in 0..PEOPLE {
        let mut person = Caller::new(Form::Browser);
        world.sign_in(&mut person, "ada", "/calendar").await;
        let ticket = person.browser().cookie(&world.url("/"), TICKET).expect("they are signed in").to_owned();
        leaving.push((Logout::begin(&world, &ticket).await, ticket));
    }
    let told = tokio::task::spawn_blocking(move || control::ask(&data, &Command::Upgrade)).await.expect("it ends");
    assert!(last.id().is_some_and(|id| id != first.id()), "{told:?}");
    for (logout, ticket) in leaving {
        let answer = logout.end().await;
        assert!(answer.starts_with("HTTP/1.1 200 ") || answer.starts_with("HTTP/1.1 303 "), "{answer}");
        let mut thief = Caller::new(Form::Browser);
        thief.browser().set_cookie(&world.url("/"), TICKET, &ticket);
        let heard = world.ask(&mut thief, "/calendar").await;
        probes.made(!heard.identities().is_empty(), || format!("signed out, and served: {}", heard.line()));
    }
    last.signal("TERM");
    let (status, _) = first.ended().await;
    assert!(status.success(), "the process before comes to its end");
    probes
}

/// A logout of which the last byte has not been sent.
struct Logout(TcpStream);

impl Logout {
    async fn begin(world: &World, ticket: &str) -> Self {
        let url = world.url("/");
        let host = url.socket_addrs(|| None).expect("numeric")[0];
        let head = format!(
            "POST /.candor/logout HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\nAccept: text/html\r\n\
             Cookie: {TICKET}={ticket}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 0\r\n\r"
        );
        let mut stream = TcpStream::connect(host).await.expect("it listens");
        stream.write_all(head.as_bytes()).await.expect("it listens");
        Self(stream)
    }

    async fn end(mut self) -> String {
        let mut answer = Vec::new();
        self.0.write_all(b"\n").await.expect("it listens still");
        let read = timeout(Duration::from_secs(20), self.0.read_to_end(&mut answer)).await;
        read.expect("it answers, and closes").expect("it answers");
        String::from_utf8_lossy(&answer).into_owned()
    }
}
