//! Raw payloads against the gateway: one request in, at most one out, and nobody says who they are by a header.

mod framing;
mod heads;
mod http2;
mod payload;

use std::time::Duration;

use gateway::demo::monolith::SeenRequest;
use libtest_mimic::Trial;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
    time::timeout,
};
use world::World;

use self::payload::{Expected, Payload};
use crate::{in_a_runtime, report};

/// So many payloads at once.
const AT_ONCE: usize = 16;

/// A gateway that says nothing for as long as this has hung.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn tests() -> Vec<Trial> {
    vec![
        in_a_runtime("ingress::one_request_in_is_at_most_one_out", one_request_in_is_at_most_one_out),
        in_a_runtime(
            "ingress::one_request_in_is_at_most_one_out_over_http_2",
            http2::one_request_in_is_at_most_one_out,
        ),
    ]
}

/// What one payload did.
struct Done {
    number: usize,
    answer: Vec<u8>,
    hung: bool,
}

async fn one_request_in_is_at_most_one_out() {
    let payloads: Vec<Payload> = framing::payloads().into_iter().chain(heads::payloads()).collect();
    assert!(payloads.len() >= 300, "only {} payloads", payloads.len());
    let mut world = World::new().configured(heads::GUARDED).prepare().await;
    world.settings.replace("data = \"data\"", "data = \"data\"\nhead_timeout = \"300ms\"\nidle_timeout = \"300ms\"");
    world.start_gateway().await;
    let token = world.token("ada");

    let (mut faults, mut extra, mut foreign, mut panics) = (Vec::new(), 0, 0, 0);
    for done in send_all(&world, &payloads, &token).await {
        let payload = &payloads[done.number];
        let id = id(done.number);
        let seen: Vec<SeenRequest> =
            world.monolith.seen().into_iter().filter(|seen| seen.target.contains(&id)).collect();
        let surplus = seen.len().saturating_sub(payload.most()) + smuggled(&seen);
        let spoofed = seen.iter().filter(|seen| speaks_for_itself(seen)).count();
        if surplus + spoofed > 0 {
            faults.push(format!("{}: {surplus} extra, {spoofed} foreign: {seen:?}", payload.name));
        }
        extra += surplus;
        foreign += spoofed;
        panics += usize::from(status(&done.answer) == Some(500));
        if let Err(fault) = payload.judge(&done, &seen, &id) {
            faults.push(format!("{}: {fault}", payload.name));
        }
    }
    report::say(format!(
        "ingress: {} payloads, {extra} extra upstream requests, {foreign} foreign identity headers, {panics} panics",
        payloads.len()
    ));
    assert_eq!((extra, foreign, panics), (0, 0, 0), "{faults:#?}");
    assert!(faults.is_empty(), "{} of {}: {faults:#?}", faults.len(), payloads.len());
}

async fn send_all(world: &World, payloads: &[Payload], token: &str) -> Vec<Done> {
    let host = world.url("/").authority().to_owned();
    let mut waiting = payloads.iter().enumerate().map(|(number, payload)| {
        let bytes = payload.bytes(&id(number), &host, token);
        send(number, host.clone(), bytes)
    });
    let (mut done, mut under_way) = (Vec::new(), JoinSet::new());
    loop {
        while under_way.len() < AT_ONCE {
            let Some(next) = waiting.next() else { break };
            under_way.spawn(next);
        }
        match under_way.join_next().await {
            Some(one) => done.push(one.expect("sending does not panic")),
            None => return done,
        }
    }
}

/// Sends the bytes on a connection of their own, and listens until the gateway ends it.
async fn send(number: usize, host: String, bytes: Vec<u8>) -> Done {
    let mut answer = Vec::new();
    let conversation = async {
        let mut stream = TcpStream::connect(&host).await?;
        // A gateway that refuses may stop listening before everything is said: what it answered still counts.
        let _ = stream.write_all(&bytes).await;
        stream.read_to_end(&mut answer).await
    };
    let hung = timeout(PATIENCE, conversation).await.is_err();
    Done { number, answer, hung }
}

impl Payload {
    /// How many requests may reach the monolith.
    fn most(&self) -> usize {
        match self.expected {
            Expected::Refused(_) => 0,
            Expected::Forwarded | Expected::As(_) | Expected::AtMostOnce => 1,
            Expected::AtMost(most) => most,
        }
    }

    fn judge(&self, done: &Done, seen: &[SeenRequest], id: &str) -> Result<(), String> {
        let status = status(&done.answer);
        let got = || format!("status {status:?}, {} upstream", seen.len());
        if done.hung {
            return Err("no end in sight".to_owned());
        }
        match &self.expected {
            Expected::Refused(statuses) if status.is_some_and(|status| statuses.contains(&status)) => Ok(()),
            Expected::Refused(statuses) => Err(format!("{} instead of {statuses:?}", got())),
            Expected::Forwarded if seen.len() == 1 && status == Some(200) => Ok(()),
            Expected::As(target) if seen.len() == 1 && seen[0].target == target.replace("@ID", id) => Ok(()),
            Expected::Forwarded | Expected::As(_) => Err(format!("{} instead of one: {seen:?}", got())),
            Expected::AtMostOnce | Expected::AtMost(_) if status.is_none_or(|status| status < 500) => Ok(()),
            Expected::AtMostOnce | Expected::AtMost(_) => Err(got()),
        }
    }
}

/// The number of a payload, as no other text contains it.
fn id(number: usize) -> String {
    format!("p{number}e")
}

/// The status of the first answer that is not 1xx.
fn status(answer: &[u8]) -> Option<u16> {
    let text = String::from_utf8_lossy(answer);
    let statuses = text.split("HTTP/1.").skip(1).filter_map(|rest| rest.get(2..5)?.parse().ok());
    statuses.into_iter().find(|status| *status >= 200)
}

fn smuggled(seen: &[SeenRequest]) -> usize {
    seen.iter().filter(|seen| seen.target.contains("smuggled")).count()
}

/// Whether a request reached the monolith with a word of the client's where only we speak: an identity, or the way the
/// request came. On a route open to anyone there is none; elsewhere it is the token's.
fn speaks_for_itself(seen: &SeenRequest) -> bool {
    let evil = seen.headers.iter().any(|(_, value)| value.contains("evil"));
    let named = seen.header("x-auth-request-user");
    let expected = seen.target.starts_with("/api/").then_some("ada");
    evil || named != expected || seen.identity().is_some() != expected.is_some()
}
