//! h2spec, which asks a server everything that RFC 7540 and RFC 7541 say it must answer.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use libtest_mimic::Trial;
use tokio::task::spawn_blocking;
use world::{
    World,
    caller::{Caller, Form},
    wire::Protocol,
};

use crate::{in_a_runtime, report, sources};

pub(super) fn tests() -> Vec<Trial> {
    vec![in_a_runtime("wires::h2spec_has_nothing_to_say", nothing_to_say)]
}

/// The one case that cannot hold where HTTP/1.1 is spoken too: whoever does not begin with the preface of HTTP/2 is answered
/// 400 in HTTP/1.1, and h2spec wants no answer (RFC 9113 §3.4). Over TLS the protocol was agreed before.
const OF_A_SHARED_PORT: (usize, &str) = (1, "3.5. HTTP/2 Connection Preface");

async fn nothing_to_say() {
    let program = sources::top().join(".tools/bin/h2spec");
    if !program.exists() {
        report::left_out("h2spec: it is not installed, for lack of Go");
        return;
    }
    for protocol in [Protocol::Http2, Protocol::Http2Tls] {
        let world = World::new().over(protocol).start().await;
        world.warm_up(&mut Caller::new(Form::Script), "/public/x").await;
        let said = ask(&program, &world, protocol).await;
        let (passed, all) = tally(&said);
        let (excepted, which) = if protocol.is_encrypted() { (0, "") } else { OF_A_SHARED_PORT };
        let but = if excepted > 0 { format!(", without {which:?}") } else { String::new() };
        report::say(format!("h2spec: {passed} of {} over {}{but}", all - excepted, protocol.name()));
        assert!(all >= 140 && passed + excepted == all && said.contains(which), "{said}");
    }
}

async fn ask(program: &Path, world: &World, protocol: Protocol) -> String {
    let url = world.url("/");
    let port = url.port().expect("it has one").to_string();
    let mut command = Command::new(program);
    command.args(["-h", "127.0.0.1", "-p", &port, "-P", "/public/x", "-o", "2"]);
    if protocol.is_encrypted() {
        command.args(["-t", "-k"]);
    }
    command.stdin(Stdio::null());
    let output = spawn_blocking(move || command.output()).await.expect("no panic").expect("it can be started");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Of `N tests, P passed, S skipped, F failed`.
fn tally(said: &str) -> (usize, usize) {
    let line = said.lines().find(|line| line.contains(" tests, ")).unwrap_or_default();
    let numbers: Vec<usize> = line.split(", ").filter_map(|part| part.split(' ').next()?.parse().ok()).collect();
    match numbers[..] {
        [all, passed, ..] => (passed, all),
        _ => (0, 0),
    }
}
