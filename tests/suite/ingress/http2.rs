//! The same heads in HTTP/2 (RFC 9113 §8.3): the request line as pseudo-fields, `Host` as `:authority`, every other field as
//! it is. What HTTP/2 has no words for is left out.

use std::{collections::BTreeSet, net::SocketAddr};

use gateway::demo::monolith::SeenRequest;
use tokio::task::JoinSet;
use world::{
    World,
    frames::{END_HEADERS, END_STREAM, Frame, FrameClient, field_bytes, kind},
};

use super::{
    AT_ONCE, heads, id,
    payload::{Expected, Payload},
    smuggled, speaks_for_itself,
};
use crate::report;

/// A head that can be said in HTTP/2.
struct Head {
    number: usize,
    frame: Frame,
    /// Whether it has fields that are HTTP/1's alone: such a request is malformed (RFC 9113 §8.2.2).
    malformed: bool,
}

/// What became of one.
struct Done {
    number: usize,
    malformed: bool,
    /// The status, if there was an answer; not every one can be read.
    status: Option<u16>,
    answered: bool,
}

pub(super) async fn one_request_in_is_at_most_one_out() {
    let payloads = heads::payloads();
    let mut world = World::new().configured(heads::GUARDED).prepare().await;
    world.settings.replace("data = \"data\"", "data = \"data\"\nhead_timeout = \"300ms\"\nidle_timeout = \"300ms\"");
    world.start_gateway().await;
    let (token, host) = (world.token("ada"), world.url("/").authority().to_owned());
    let address = world.url("/").socket_addrs(|| None).expect("a numeric address")[0];
    let said = payloads.iter().enumerate().filter_map(|(number, payload)| head(number, payload, &host, &token));
    let said: Vec<Head> = said.collect();
    assert!(said.len() >= 200, "only {} heads", said.len());
    let (count, mut faults, mut foreign) = (said.len(), Vec::new(), 0);
    for done in send_all(address, said).await {
        let (payload, id) = (&payloads[done.number], id(done.number));
        let seen: Vec<SeenRequest> =
            world.monolith.seen().into_iter().filter(|seen| seen.target.contains(&id)).collect();
        let spoofed = smuggled(&seen) + seen.iter().filter(|seen| speaks_for_itself(seen)).count();
        foreign += spoofed;
        if let Err(fault) = judge(payload, &done, &seen, spoofed) {
            faults.push(format!("{}: {fault}", payload.name));
        }
    }
    report::say(format!("ingress over h2: {count} heads, {} wrong, {foreign} foreign identity headers", faults.len()));
    assert!(faults.is_empty() && foreign == 0, "{} of {count}: {faults:#?}", faults.len());
}

fn judge(payload: &Payload, done: &Done, seen: &[SeenRequest], spoofed: usize) -> Result<(), String> {
    let reached = seen.len();
    let right = match &payload.expected {
        _ if spoofed > 0 || done.status == Some(500) => false,
        _ if done.malformed => reached == 0,
        // Some are refused by h2 itself, which resets the stream.
        Expected::Refused(statuses) => {
            reached == 0 && done.status.is_none_or(|status| statuses.contains(&status) || (400..500).contains(&status))
        }
        Expected::Forwarded | Expected::As(_) => reached == 1 || (reached == 0 && !done.answered),
        Expected::AtMostOnce => reached <= 1,
        Expected::AtMost(most) => reached <= *most,
    };
    if right { Ok(()) } else { Err(format!("status {:?}, {reached} upstream: {seen:?}", done.status)) }
}

/// The head of `payload`, if HTTP/2 can say it: one request without a body.
fn head(number: usize, payload: &Payload, host: &str, token: &str) -> Option<Head> {
    const FOR_ONE_HOP: [&[u8]; 6] =
        [b"connection", b"keep-alive", b"proxy-connection", b"te", b"transfer-encoding", b"upgrade"];
    let bytes = payload.bytes(&id(number), host, token);
    let lines: Vec<&[u8]> = bytes.strip_suffix(b"\r\n\r\n")?.split(|byte| *byte == b'\n').collect();
    let (first, rest) = lines.split_first()?;
    let words: Vec<&[u8]> = first.trim_ascii_end().split(|byte| *byte == b' ').collect();
    let [method, target, _version] = words[..] else { return None };
    let (mut hosts, mut fields, mut names) = (Vec::new(), Vec::new(), BTreeSet::new());
    for line in rest {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let colon = line.iter().position(|byte| *byte == b':').filter(|at| *at > 0)?;
        let (name, value) = (line[..colon].to_ascii_lowercase(), line[colon + 1..].trim_ascii());
        names.insert(name.clone());
        if name == b"host" { hosts.push(value) } else { fields.extend(field_bytes(&name, value)) }
    }
    let [authority] = hosts[..] else { return None };
    if !target.starts_with(b"/") {
        return None;
    }
    let pseudo: [(&[u8], &[u8]); 4] =
        [(b":method", method), (b":scheme", b"http"), (b":authority", authority), (b":path", target)];
    let mut block: Vec<u8> = pseudo.iter().flat_map(|(name, value)| field_bytes(name, value)).collect();
    block.extend(fields);
    // Of more, a frame holds only the beginning; that is another test's.
    let fits = block.len() < 16 << 10;
    let frame = Frame::new(kind::HEADERS, END_STREAM | END_HEADERS, 1).with(block);
    let malformed = names.iter().any(|name| FOR_ONE_HOP.contains(&name.as_slice()));
    fits.then_some(Head { number, frame, malformed })
}

async fn send_all(address: SocketAddr, said: Vec<Head>) -> Vec<Done> {
    let (mut waiting, mut under_way, mut done) = (said.into_iter(), JoinSet::new(), Vec::new());
    loop {
        while under_way.len() < AT_ONCE {
            let Some(next) = waiting.next() else { break };
            under_way.spawn(send(address, next));
        }
        match under_way.join_next().await {
            Some(one) => done.push(one.expect("sending does not panic")),
            None => return done,
        }
    }
}

/// Asks, and listens until the stream has ended.
async fn send(address: SocketAddr, head: Head) -> Done {
    let mut done = Done { number: head.number, malformed: head.malformed, status: None, answered: false };
    let Ok(mut client) = FrameClient::to(address).await else { return done };
    if client.send(&head.frame).await.is_err() {
        return done;
    }
    while let Some(frame) = client.next().await {
        if frame.kind == kind::HEADERS {
            (done.status, done.answered) = (frame.status(), true);
        }
        let ends = frame.stream == 1 && frame.kind <= kind::HEADERS && frame.flags & END_STREAM != 0;
        if ends || matches!(frame.kind, kind::RST_STREAM | kind::GOAWAY) {
            break;
        }
    }
    done
}
