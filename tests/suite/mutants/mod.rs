//! Planted faults: named bugs, compiled only under `--cfg candor_mutants`, each of which must turn a cell of the outage
//! matrix red, or let an attack succeed. `suite --mutants` plants one after the other, each in a process of its own;
//! and at the end it runs what caught them once more without any fault, since what is always red catches nothing.

pub(crate) mod until_red;

use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    process::{Command, ExitCode, ExitStatus, Stdio},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use auth_core::lock::lock;
use libtest_mimic::Trial;

use self::until_red::{Order, RED};
use crate::{
    attacks::{self, Attack},
    outages::table::{
        Dependency::{self, Clock, Discovery, Disk, Dns, Introspection, Keyring, Keys, Monolith, Store, Token},
        Flow::{
            self, Adoption, BackChannelLogout, BearerKnownKid, BearerUnknownKid, Callback, DeviceToken,
            ForwardedRequest, KeyRotation, LegacyToken, Logout, LogoutAtProvider, OldPinPoll, OpaqueUnknown,
            OverdueToken, Polling, PublicRoute, Reactivation, Renewal, RenewalPastGrace, SessionEnd, StrictRoute,
            Ticket, UserinfoCallback,
        },
    },
    plain, sources,
};

/// As the first argument, then words: catch these faults; without words, every fault.
pub(crate) const ALL: &str = "--mutants";
/// As the first argument, then words as [`Order::words`] writes them: run the matrix until a cell is red.
pub(crate) const UNTIL_RED: &str = "--until-red";

/// The words of the faults that the matrix must catch, each with the flow and the dependency where it shows soonest:
/// those cells run first, and then all others. The faults that attacks must catch stand with the attacks; the last of these
/// are among them too.
const FAULTS: [(&str, Flow, Dependency); 41] = [
    ("unknown-kid-is-refused", BearerUnknownKid, Keys),
    ("signature-skipped", BearerUnknownKid, Keys),
    ("empty-set-replaces", BearerUnknownKid, Keys),
    ("audience-not-required", BearerKnownKid, Keys),
    ("expired-admitted", BearerKnownKid, Keys),
    ("denial-passed-on", ForwardedRequest, Monolith),
    ("unreachable-is-401", ForwardedRequest, Monolith),
    ("failed-poll-revokes", Ticket, Store),
    ("failed-poll-is-fresh", StrictRoute, Store),
    ("token-500-is-not-signed-in", Callback, Token),
    ("store-error-loops", Callback, Store),
    ("logout-keeps-ticket", Logout, Store),
    ("provider-down-keeps-ticket", LogoutAtProvider, Discovery),
    ("store-error-clears-cookie", StrictRoute, Store),
    ("revoked-check-skipped-on-store-error", Ticket, Store),
    ("absent-row-ends-session", RenewalPastGrace, Disk),
    ("provider-500-ends-session", RenewalPastGrace, Token),
    ("failed-fetches-are-paid-for", BearerUnknownKid, Keys),
    ("wall-clock-alone", Ticket, Clock),
    ("undecided-is-anyone", PublicRoute, Keys),
    ("basic-challenge-passed", ForwardedRequest, Monolith),
    ("revocation-of-device-forgotten", DeviceToken, Store),
    ("old-generation-passes", DeviceToken, Store),
    ("unknown-legacy-is-rejected", Adoption, Monolith),
    ("denied-adoption-is-a-row", Adoption, Monolith),
    ("adoption-believes-html", Adoption, Monolith),
    ("legacy-401-at-once", LegacyToken, Store),
    ("lost-registry-is-empty", Reactivation, Disk),
    ("registry-outage-is-unknown", Reactivation, Store),
    ("renewal-refused-when-store-down", Renewal, Store),
    ("registry-outage-ends-activation", Polling, Store),
    ("reactivation-ignores-two-bindings", Reactivation, Store),
    ("overdue-in-an-outage-is-stopped", OverdueToken, Store),
    ("replaced-key-adds-another", KeyRotation, Store),
    ("old-pin-code-unchecked", OldPinPoll, Store),
    ("lost-sessions-are-none", BackChannelLogout, Disk),
    ("ended-in-store-only", SessionEnd, Token),
    ("logout-token-unverified", BackChannelLogout, Token),
    ("introspection-500-is-inactive", OpaqueUnknown, Introspection),
    ("userinfo-foreign-sub-passes", UserinfoCallback, Keyring),
    ("dns-outage-is-believed", ForwardedRequest, Dns),
];

/// So many children run at once.
const CHILDREN: usize = 4;

/// At least so many mutants there must be, and each must be caught.
const LEAST: usize = 40;

pub(crate) fn tests() -> Vec<Trial> {
    vec![
        plain("mutants::every_fault_is_listed", || assert!(are_all_listed())),
        plain("mutants::a_release_build_refuses_them", a_release_build_refuses_them),
    ]
}

/// The words cannot be in a release either: what asks for them compiles only beside the module that refuses.
fn a_release_build_refuses_them() {
    let check = |release: bool| {
        let mut rustc = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
        let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("mutant-{}.rmeta", std::process::id()));
        rustc.args(["--edition=2024", "--crate-type=lib"]).arg(format!("--emit=metadata={}", out.display()));
        rustc.arg(format!("-Cdebug-assertions={}", if release { "off" } else { "on" }));
        rustc.arg(sources::top().join("auth-core/src/mutants.rs"));
        let output = rustc.output().expect("rustc can be started");
        let _ = fs::remove_file(out);
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (compiles, said) = check(false);
    assert!(compiles, "without optimisation it compiles: {said}");
    let (compiles, said) = check(true);
    assert!(!compiles && said.contains("never be in a release build"), "{said}");
    let map = sources::text("auth-core/src/lib.rs");
    assert!(map.contains("#[cfg(candor_mutants)]\npub mod mutants;"), "the module is there only when it is asked for");
}

/// Plants one fault after the other, and says what caught it.
pub(crate) fn catch_all(words: &[String]) -> ExitCode {
    if !cfg!(candor_mutants) {
        eprintln!(
            "mutants: no fault is compiled in. Run: RUSTC_WORKSPACE_WRAPPER=$PWD/tests/mutants \
             cargo test --locked --package candor-tests --test suite -- {ALL}"
        );
        return ExitCode::FAILURE;
    }
    let asked_for = |word: &str| words.is_empty() || words.iter().any(|asked| asked == word);
    let listed = are_all_listed();
    let (matrix, attacks) = (catch_by_cells(&asked_for), catch_by_attacks(&asked_for));
    let tried: BTreeSet<&str> = matrix.tried.union(&attacks.tried).copied().collect();
    let missed: BTreeSet<&str> = matrix.missed.union(&attacks.missed).copied().collect();
    println!("mutants: {}, caught: {}", tried.len(), tried.len() - missed.len());
    let enough = tried.len() >= if words.is_empty() { LEAST } else { 1 };
    let sound = listed && missed.is_empty() && matrix.sound && attacks.sound;
    if sound && enough { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Which mutants were tried, and which of them were not caught by what must; and whether what caught the others finds
/// fault with nothing else.
struct Caught {
    tried: BTreeSet<&'static str>,
    missed: BTreeSet<&'static str>,
    sound: bool,
}

fn catch_by_cells(asked_for: &dyn Fn(&str) -> bool) -> Caught {
    let (mut tried, mut missed, mut caught) = (BTreeSet::new(), BTreeSet::new(), Vec::new());
    let planted: Vec<_> = FAULTS.into_iter().filter(|(word, ..)| asked_for(word)).collect();
    let red = each(&planted, |(word, flow, dependency)| red_cell(Some(word), &Order::First(place(*flow, *dependency))));
    for ((word, ..), red) in planted.into_iter().zip(red) {
        tried.insert(word);
        match red {
            Some(cell) => {
                println!("mutants: {word} caught by {cell}");
                caught.push(cell);
            }
            None => {
                println!("mutants: {word} was NOT caught by a cell");
                missed.insert(word);
            }
        }
    }
    let control = red_cell(None, &Order::Only(caught));
    if let Some(cell) = &control {
        println!("mutants: {cell} is red without any fault");
    }
    Caught { tried, missed, sound: control.is_none() }
}

/// The attacks once with their defence off, when they must succeed, and once with all of them on, when none may.
fn catch_by_attacks(asked_for: &dyn Fn(&str) -> bool) -> Caught {
    let kinds: Vec<&Attack> = attacks::all().filter(|attack| asked_for(attack.fault)).collect();
    let mut missed = BTreeSet::new();
    let outcomes = each(&kinds, |attack| child(Some(attack.fault), attacks::ATTACK, &[attack.name]));
    for (attack, (status, said)) in kinds.iter().zip(outcomes) {
        let (word, name) = (attack.fault, attack.name);
        match attacks::read(&said) {
            // A child that broke down has shown nothing.
            (made, succeeded) if !succeeded.is_empty() && status.code() == Some(1) => {
                println!("mutants: {word} caught by attacks::{name}: {} of {made} probes succeed", succeeded.len());
            }
            (made, _) => {
                println!("mutants: {word} was NOT caught by attacks::{name}: {made} probes, {status}");
                missed.insert(word);
            }
        }
    }
    let names: Vec<&str> = kinds.iter().map(|attack| attack.name).collect();
    let (status, said) = child(None, attacks::ATTACK, &names);
    let (made, succeeded) = attacks::read(&said);
    for line in &succeeded {
        println!("mutants: without any fault, an attack succeeds: {line}");
    }
    println!(
        "attacks: {} kinds, {made} probes, {} succeeded; {} of {} succeed with their defence off",
        kinds.len(),
        succeeded.len(),
        kinds.len() - missed.len(),
        kinds.len()
    );
    Caught { tried: kinds.iter().map(|attack| attack.fault).collect(), missed, sound: status.success() }
}

/// What comes of each of these, some of them at once: children wait more than they compute.
fn each<T: Sync, R: Send>(of: &[T], run: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let (next, outcomes) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..CHILDREN {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(one) = of.get(index) else { return };
                    let outcome = run(one);
                    lock(&outcomes).push((index, outcome));
                }
            });
        }
    });
    let mut outcomes = std::mem::take(&mut *lock(&outcomes));
    outcomes.sort_unstable_by_key(|(index, _)| *index);
    outcomes.into_iter().map(|(_, outcome)| outcome).collect()
}

/// Whether every mutant in our sources stands in a list, and the reverse.
fn are_all_listed() -> bool {
    let sources = sources::rust(&["auth-core/src", "gateway/src"]);
    let asked = sources.iter().flat_map(|source| source.text.split("mutants::is(\"").skip(1));
    let tried: BTreeSet<&str> = asked.filter_map(|rest| rest.split('"').next()).collect();
    let words: Vec<&str> = FAULTS.iter().map(|(word, ..)| *word).chain(attacks::all().map(|one| one.fault)).collect();
    let mut listed = true;
    let mut complain = |word: &str, what: &str| {
        println!("mutants: {word} is {what}");
        listed = false;
    };
    for word in tried.iter().filter(|word| !words.contains(word)) {
        complain(word, "in the sources and not listed");
    }
    for word in words {
        let quoted = format!("\"{word}\"");
        if !sources.iter().any(|source| source.text.contains(&quoted)) {
            complain(word, "listed and nowhere in the sources");
        }
    }
    listed
}

/// The first red cell of a child in which the mutant `fault` is on. A child that ends in any other way has caught nothing.
fn red_cell(fault: Option<&str>, order: &Order) -> Option<String> {
    let (status, said) = child(fault, UNTIL_RED, &order.words());
    let red = said.lines().find_map(|line| line.strip_prefix(RED)).map(str::to_owned);
    match (red, status.success()) {
        (Some(cell), false) => Some(cell),
        (None, true) => None,
        // Neither red nor green: without a fault that is as bad as red, and with one it caught nothing.
        (_, _) => fault.is_none().then(|| format!("the whole matrix ({status})")),
    }
}

/// Runs this program again with the mutant `fault` on: how it ended, and what it said.
fn child(fault: Option<&str>, what: &str, words: &[&str]) -> (ExitStatus, String) {
    let myself = std::env::current_exe().expect("a running program has a file");
    let mut child = Command::new(myself);
    child.arg(what).args(words).env_remove("CANDOR_MUTANT").stdin(Stdio::null()).stderr(Stdio::inherit());
    if let Some(word) = fault {
        child.env("CANDOR_MUTANT", word);
    }
    let output = child.output().expect("a child can be started");
    (output.status, String::from_utf8_lossy(&output.stdout).into_owned())
}

fn place(flow: Flow, dependency: Dependency) -> String {
    format!("{flow:?}/{dependency:?}/")
}
