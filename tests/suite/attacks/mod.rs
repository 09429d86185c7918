//! Attacks: what somebody outside tries on the running program, in order to be somebody else, to reach what they may
//! not, or to make the gateway lie about a third.
//!
//! An [`Attack`] is one kind of trying, made of many probes. In the suite every kind is a test: none of its probes may
//! succeed, and it must have made some. With the mutants compiled in, `suite --mutants` switches the defence
//! of each kind off, in a process of its own, and then the same probes must succeed: so an attack is known to see what
//! it looks for.
//!
//! How to add one:
//!
//! 1. Write `async fn` → [`Probes`] in the file here that fits, or in a new one (`mod` line and a line in [`FILES`]).
//!    Start a `World`, ask from outside, and call [`Probes::made`] for each probe, with what came of it. Judge by what
//!    the monolith saw and by what the caller was told, not by how the defence works: then its next form is held too.
//! 2. Add an [`Attack`] to the list `ATTACKS` of that file.
//! 3. Plant its `fault` at the one place of the defence: `#[cfg(candor_mutants)] if auth_core::mutants::is("word")
//!    { … as if there were no defence … }`. Without that word the attack must not succeed in that build either.
//!
//! To run one alone, as the suite does, and then with its defence off and on (the second is a build of our crates of
//! its own; `--mutants` without a word takes them all):
//!
//! ```text
//! cargo test --all-features -p candor-tests --test suite -- attacks::NAME
//! RUSTC_WORKSPACE_WRAPPER=$PWD/tests/mutants cargo test --all-features -p candor-tests --test suite -- --mutants WORD
//! ```
//!
//! `-- --attack NAME` prints every probe of a kind that succeeded; with `CANDOR_MUTANT=WORD` before the second
//! command, what its defence keeps away.

mod access_tokens;
mod administration;
mod audit_trail;
mod bearers;
mod bodies;
mod clock;
mod cross_origin;
mod crowds;
mod denials;
mod device_keys;
mod devices;
mod displays;
mod ending;
mod endpoints;
mod folder;
mod forward_auth;
mod hand_over;
mod headers;
mod hosts;
mod issuers;
mod keyring;
mod keys;
mod logs;
mod methods;
mod paths;
mod pins;
mod providers;
mod renewal;
mod second_words;
mod shared_caches;
mod sign_in;
mod tickets;
mod tunnels;

use std::{collections::BTreeSet, pin::Pin, process::ExitCode, sync::Mutex};

use auth_core::lock::lock;
use gateway::demo::monolith::SeenRequest;
use libtest_mimic::Trial;
use world::{
    World,
    wire::{self, Protocol},
};

use crate::{on_a_runtime, plain};

/// As the first argument, then names of kinds: make those attacks and say what came of them.
pub(crate) const ATTACK: &str = "--attack";

/// One kind of attack.
pub(crate) struct Attack {
    /// Its name, in words joined by `_`.
    pub(crate) name: &'static str,
    /// The mutant that switches its defence off.
    pub(crate) fault: &'static str,
    /// Makes all its probes.
    pub(crate) run: fn() -> Running,
}

/// An attack under way.
pub(crate) type Running = Pin<Box<dyn Future<Output = Probes>>>;

/// What came of the probes of one attack.
#[derive(Debug, Default)]
pub(crate) struct Probes {
    made: usize,
    succeeded: Vec<String>,
}

/// The attacks of each file.
const FILES: &[&[Attack]] = &[
    access_tokens::ATTACKS,
    administration::ATTACKS,
    audit_trail::ATTACKS,
    bearers::ATTACKS,
    bodies::ATTACKS,
    clock::ATTACKS,
    cross_origin::ATTACKS,
    crowds::ATTACKS,
    denials::ATTACKS,
    device_keys::ATTACKS,
    devices::ATTACKS,
    displays::ATTACKS,
    ending::ATTACKS,
    endpoints::ATTACKS,
    forward_auth::ATTACKS,
    folder::ATTACKS,
    hand_over::ATTACKS,
    headers::ATTACKS,
    hosts::ATTACKS,
    issuers::ATTACKS,
    keyring::ATTACKS,
    keys::ATTACKS,
    logs::ATTACKS,
    methods::ATTACKS,
    paths::ATTACKS,
    pins::ATTACKS,
    providers::ATTACKS,
    renewal::ATTACKS,
    second_words::ATTACKS,
    shared_caches::ATTACKS,
    sign_in::ATTACKS,
    tickets::ATTACKS,
    tunnels::ATTACKS,
    crate::legacy::ATTACKS,
];

/// Those whose probes lie in a request's head, and so are other bytes in HTTP/2. They are made there too.
const IN_HTTP_2: [&str; 12] = [
    "a_half_dead_password_prompt",
    "a_planted_ticket",
    "an_outage_on_an_open_route",
    "attributes_by_another_issuer",
    "forged_identity_headers",
    "forged_signatures",
    "identity_headers_with_other_separators",
    "logout_from_another_site",
    "made_up_logout_tokens",
    "paths_that_end_early",
    "return_addresses_elsewhere",
    "tokens_of_another_kind",
];

/// What the whole run came to: kinds, probes, and how many of those succeeded.
static TOTAL: Mutex<(usize, usize, usize)> = Mutex::new((0, 0, 0));

/// How a child says how many probes a kind made, and which of them succeeded.
const MADE: &str = "probes made: ";
const SUCCEEDED: &str = "succeeded: ";

impl Probes {
    /// Notes one probe. `what` says what was tried and what came of it; it is kept if the probe succeeded.
    pub(crate) fn made(&mut self, succeeded: bool, what: impl FnOnce() -> String) {
        self.made += 1;
        if succeeded {
            // One line each, whatever bytes were tried.
            self.succeeded.push(what().escape_debug().to_string());
        }
    }
}

/// Every kind.
pub(crate) fn all() -> impl Iterator<Item = &'static Attack> {
    FILES.iter().copied().flatten()
}

pub(crate) fn tests() -> Vec<Trial> {
    let kinds = all().map(|attack| plain(&format!("attacks::{}", attack.name), || held(attack)));
    let in_http_2 = all().filter(|attack| IN_HTTP_2.contains(&attack.name));
    let in_http_2 = in_http_2.map(|attack| {
        let name = format!("attacks::{}_in_http_2", attack.name);
        plain(&name, || wire::usually(Protocol::Http2, || held(attack)))
    });
    kinds
        .chain(in_http_2)
        .chain([plain("attacks::every_kind_has_a_name_and_a_fault_of_its_own", are_told_apart)])
        .collect()
}

/// Makes an attack that no probe of may succeed.
fn held(attack: &Attack) {
    let probes = on_a_runtime(attack.run);
    {
        let mut total = lock(&TOTAL);
        *total = (total.0 + 1, total.1 + probes.made, total.2 + probes.succeeded.len());
    }
    assert!(probes.made > 0, "no probe was made");
    assert!(
        probes.succeeded.is_empty(),
        "{} of {} succeeded: {:#?}",
        probes.succeeded.len(),
        probes.made,
        probes.succeeded
    );
}

/// Fewer kinds than this are no list.
const LEAST: usize = 30;

fn are_told_apart() {
    assert!(all().count() >= LEAST, "only {} kinds", all().count());
    assert_eq!(all().filter(|attack| IN_HTTP_2.contains(&attack.name)).count(), IN_HTTP_2.len(), "each is an attack");
    let (mut names, mut faults) = (BTreeSet::new(), BTreeSet::new());
    for attack in all() {
        assert!(names.insert(attack.name), "two attacks are called {}", attack.name);
        assert!(faults.insert(attack.fault), "two attacks have the fault {}", attack.fault);
    }
}

/// Prints the figures of the attacks that ran. Says whether all were held.
pub(crate) fn sum_up() -> bool {
    let (kinds, probes, succeeded) = *lock(&TOTAL);
    if kinds > 0 {
        println!("attacks: {kinds} kinds, {probes} probes, {succeeded} succeeded");
    }
    succeeded == 0
}

/// The child: makes these attacks, and says what came of each.
pub(crate) fn make(names: &[String]) -> ExitCode {
    let (mut ran, mut sound) = (0, true);
    for attack in all().filter(|attack| names.iter().any(|name| name == attack.name)) {
        let probes = on_a_runtime(attack.run);
        println!("{MADE}{} {}", probes.made, attack.name);
        probes.succeeded.iter().for_each(|line| println!("{SUCCEEDED}{line}"));
        sound &= probes.succeeded.is_empty() && probes.made > 0;
        ran += 1;
    }
    if ran != names.len() {
        eprintln!("attacks: no kind of that name; there are {:?}", all().map(|attack| attack.name).collect::<Vec<_>>());
    }
    if sound && ran == names.len() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Reads what a child said: how many probes it made in all, and those that succeeded.
pub(crate) fn read(said: &str) -> (usize, Vec<String>) {
    let counts = said.lines().filter_map(|line| line.strip_prefix(MADE)?.split(' ').next()?.parse::<usize>().ok());
    let succeeded = said.lines().filter_map(|line| line.strip_prefix(SUCCEEDED)).map(str::to_owned);
    (counts.sum(), succeeded.collect())
}

/// The requests that reached the monolith with `mark` in their target.
fn reached(world: &World, mark: &str) -> Vec<SeenRequest> {
    world.monolith.seen().into_iter().filter(|seen| seen.target.contains(mark)).collect()
}
