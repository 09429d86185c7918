//! Malformed input of every kind: each gets a clear answer, and nothing panics or hangs.

mod heads;
mod provider;
mod requests;

use libtest_mimic::Trial;
use tokio::task::JoinSet;
use world::{
    World,
    process::Process,
    raw::{self, Answered},
    settings::Settings,
};

use crate::{in_a_runtime, plain, report};

/// So many cases at once.
const AT_ONCE: usize = 24;

pub(crate) fn tests() -> Vec<Trial> {
    vec![
        in_a_runtime("bad_input::every_bad_input_gets_a_clear_answer", every_bad_input_gets_a_clear_answer),
        plain("bad_input::a_bad_configuration_is_explained", a_bad_configuration_is_explained),
    ]
}

/// One malformed request, and what may become of it.
struct Case {
    name: String,
    bytes: Vec<u8>,
    expected: Expected,
}

/// What may become of a malformed request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expected {
    /// It is the client's fault, or nobody can tell: 4xx, a way to sign in, or 503. A sign-in may also fail by its
    /// provider's wrong answer: 502, and said so.
    Refused,
    /// It is answered, whatever it is: 2xx to 4xx, or an upstream's fault.
    Answered,
    /// It is answered so, or cut.
    AnsweredOrCut,
}

fn failed_sign_in(heard: &Answered) -> bool {
    const WORD: &[u8] = b"\r\nx-gateway-answer: sign-in-failed\r\n";
    heard.status() == Some(502) && heard.bytes.windows(WORD.len()).any(|window| window == WORD)
}

/// What came of many cases.
#[derive(Default)]
struct Tally {
    cases: usize,
    answered: usize,
    panics: usize,
    hangs: usize,
    faults: Vec<String>,
}

async fn every_bad_input_gets_a_clear_answer() {
    let mut tally = Tally::default();
    let mut world = World::new().prepare().await;
    deadlines(&mut world.settings);
    let mut gateway = Process::start(&world.write_config());
    gateway.serving().await;
    let host = world.url("/").authority().to_owned();
    // It knows its provider before anything bad happens.
    let good = format!("Authorization: Bearer {}\r\n", world.token("display"));
    let heard = raw::ask(&host, raw::request("GET", "/api/x", &host, &good, "")).await;
    assert_eq!(heard.status(), Some(200), "{heard:?}");

    let cases = requests::cases(&world, &host);
    assert!(cases.len() >= 150, "only {} cases", cases.len());
    tally.send(&host, cases).await;
    tally.send(&host, heads::fuzzed(&host)).await;
    let verify = world.settings.verify_url().authority().to_owned();
    tally.send(&verify, requests::originals(&host)).await;
    tally.send(&verify, heads::fuzzed_originals(&host)).await;
    let heard = raw::ask(&host, raw::request("GET", "/api/x", &host, &good, "")).await;
    assert_eq!(heard.status(), Some(200), "and nothing was lost: {heard:?}");
    tally.stop(gateway).await;
    provider::all(&mut tally).await;

    let Tally { cases, answered, panics, hangs, faults } = tally;
    report::say(format!("bad input: {cases} cases, {panics} panics, {hangs} hangs"));
    assert!(answered > cases * 3 / 4, "{answered} answers to {cases} cases: the damage is too great to test anything");
    assert_eq!((panics, hangs), (0, 0), "{faults:#?}");
    assert!(faults.is_empty(), "{} of {cases}: {faults:#?}", faults.len());
}

/// Deadlines so short that an unfinished head or body costs no time, and a proxy that may ask for others.
fn deadlines(settings: &mut Settings) {
    settings.trust_loopback();
    settings.replace("data = \"data\"", "data = \"data\"\nhead_timeout = \"200ms\"\nidle_timeout = \"200ms\"");
    let cors = "expect = \"json\"\ncors = \"pass\"\ncors_origins = [\"https://app.example\"]";
    settings.replace("expect = \"json\"", cors);
}

impl Tally {
    async fn send(&mut self, host: &str, cases: Vec<Case>) {
        let mut waiting = cases.into_iter();
        let mut under_way = JoinSet::new();
        loop {
            while under_way.len() < AT_ONCE {
                let Some(case) = waiting.next() else { break };
                let host = host.to_owned();
                under_way.spawn(async move {
                    let heard = raw::ask(&host, &case.bytes).await;
                    (case, heard)
                });
            }
            let Some(done) = under_way.join_next().await else { return };
            let (case, heard) = done.expect("asking does not panic");
            self.judge(&case, &heard);
        }
    }

    fn judge(&mut self, case: &Case, heard: &Answered) {
        self.cases += 1;
        self.answered += usize::from(heard.status().is_some());
        self.hangs += usize::from(heard.hung);
        let status = heard.status();
        self.panics += usize::from(status == Some(500));
        let clear = match case.expected {
            Expected::Refused => matches!(status, Some(303 | 400..=499 | 503)) || failed_sign_in(heard),
            Expected::Answered => matches!(status, Some(200..=499 | 502..=504)),
            Expected::AnsweredOrCut => matches!(status, None | Some(200..=499 | 502..=504)),
        };
        if heard.hung || !clear {
            self.faults.push(format!("{}: {:?}: {heard:?}", case.name, String::from_utf8_lossy(&case.bytes)));
        }
    }

    /// Stops a gateway, and counts what it said of panics.
    async fn stop(&mut self, gateway: Process) {
        let (status, said) = gateway.stop().await;
        let said = String::from_utf8_lossy(&said);
        let panics: Vec<&str> = said.lines().filter(|line| line.contains("a panic")).collect();
        self.panics += panics.len();
        self.faults.extend(panics.into_iter().map(str::to_owned));
        if !status.success() {
            self.faults.push(format!("it ended with {status}"));
        }
    }
}

/// A configuration that is damaged is never a panic, and what is wrong stands at a place in it.
fn a_bad_configuration_is_explained() {
    let good = crate::sources::text("tests/bad.toml");
    let read = |text: &str| {
        let read = gateway::config::parse(text, std::path::Path::new("."), gateway::config::Secrets::Read(&|_| None));
        let problems = read.err().unwrap_or_default();
        for problem in &problems {
            assert!(problem.line <= text.lines().count() + 1 && !problem.message.is_empty(), "{problem:?}: {text}");
        }
        problems.len()
    };
    assert_eq!(read(&good), 4);
    for text in
        ["", "\u{0}", "[", "[server", "server = 1", "[[server]]", "[server]\nlisten = [[[[", "a.b.c = {", "\u{feff}"]
    {
        assert!(read(text) > 0, "{text:?}");
    }
    let mut random = heads::Random::new(7);
    for _ in 0..2000 {
        let mut bytes = good.clone().into_bytes();
        random.damage(&mut bytes);
        read(&String::from_utf8_lossy(&bytes));
    }
}
