//! Planted faults: named bugs, compiled only under `--cfg candor_planted`, each of which must turn the outage matrix
//! red. `suite --planted` runs the matrix once per fault, in a process of its own, until its first red cell; and at the
//! end the cells that caught them once more without any fault, since a cell that is always red catches nothing.

use std::{
    collections::{BTreeSet, VecDeque},
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    process::{Command, ExitCode, Stdio},
    sync::Mutex,
    thread,
};

use auth_core::lock::lock;
use libtest_mimic::Trial;

use crate::{
    outages::{
        judged,
        table::{
            Cell,
            Dependency::{self, Keys, Monolith, Store, Token},
            Flow::{self, BearerKnownKid, BearerUnknownKid, Callback, ForwardedRequest, Logout, StrictRoute, Ticket},
            cells,
        },
    },
    plain, sources,
};

/// As the first argument: catch every fault.
pub(crate) const ALL: &str = "--planted";
/// As the first argument, then words as [`Order::words`] writes them: run the matrix until a cell is red.
pub(crate) const UNTIL_RED: &str = "--until-red";

/// The words of the planted faults, each with the flow and the dependency where it shows soonest: those cells run
/// first, and then all others.
const FAULTS: [(&str, Flow, Dependency); 12] = [
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
];

/// At least so many faults must be planted, and caught.
const LEAST: usize = 8;

/// How many cells run at once. They wait for deadlines more than for a core.
const AT_ONCE: usize = 4;

/// What a child prints before the name of its red cell.
const RED: &str = "red: ";

/// Which cells a child runs.
enum Order {
    /// All, those of this flow and dependency first.
    First(String),
    /// These.
    Only(Vec<String>),
}

/// The test itself broke down: no oracle has spoken.
struct BrokeDown;

pub(crate) fn tests() -> Vec<Trial> {
    vec![
        plain("planted::every_fault_is_listed", || assert!(are_all_listed())),
        plain("planted::a_release_build_refuses_them", a_release_build_refuses_them),
    ]
}

/// The words cannot be in a release either: what asks for them compiles only beside the module that refuses.
fn a_release_build_refuses_them() {
    let check = |release: bool| {
        let mut rustc = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
        let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("planted-{}.rmeta", std::process::id()));
        rustc.args(["--edition=2024", "--crate-type=lib"]).arg(format!("--emit=metadata={}", out.display()));
        rustc.arg(format!("-Cdebug-assertions={}", if release { "off" } else { "on" }));
        rustc.arg(sources::top().join("auth-core/src/planted.rs"));
        let output = rustc.output().expect("rustc can be started");
        let _ = fs::remove_file(out);
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (compiles, said) = check(false);
    assert!(compiles, "without optimisation it compiles: {said}");
    let (compiles, said) = check(true);
    assert!(!compiles && said.contains("never be in a release build"), "{said}");
    let map = sources::text("auth-core/src/lib.rs");
    assert!(map.contains("#[cfg(candor_planted)]\npub mod planted;"), "the module is there only when it is asked for");
}

/// Plants one fault after the other, and says which cell caught it.
pub(crate) fn catch_all() -> ExitCode {
    if !cfg!(candor_planted) {
        eprintln!(
            "planted: no fault is compiled in. Run: RUSTC_WORKSPACE_WRAPPER=$PWD/tests/planted \
             cargo test --locked --package candor-tests --test suite -- {ALL}"
        );
        return ExitCode::FAILURE;
    }
    let listed = are_all_listed();
    let mut caught = Vec::new();
    for (word, flow, dependency) in FAULTS {
        let order = Order::First(place(flow, dependency));
        match red_cell(Some(word), &order) {
            Some(cell) => {
                println!("planted: {word} caught by {cell}");
                caught.push(cell);
            }
            None => println!("planted: {word} was NOT caught"),
        }
    }
    let count = caught.len();
    let control = red_cell(None, &Order::Only(caught));
    if let Some(cell) = &control {
        println!("planted: {cell} is red without any fault");
    }
    println!("planted: {}, caught: {count}", FAULTS.len());
    let sound = listed && control.is_none() && count == FAULTS.len() && count >= LEAST;
    if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Whether every fault that is planted in our sources stands in the list, and the reverse.
fn are_all_listed() -> bool {
    let sources = sources::rust(&["auth-core/src", "gateway/src"]);
    let asked = sources.iter().flat_map(|source| source.text.split("planted::is(\"").skip(1));
    let planted: BTreeSet<&str> = asked.filter_map(|rest| rest.split('"').next()).collect();
    let mut listed = true;
    for word in planted.iter().filter(|word| FAULTS.iter().all(|(known, ..)| known != *word)) {
        println!("planted: {word} is planted and not listed");
        listed = false;
    }
    for (word, ..) in FAULTS {
        let quoted = format!("\"{word}\"");
        if !sources.iter().any(|source| source.text.contains(&quoted)) {
            println!("planted: {word} is listed and planted nowhere");
            listed = false;
        }
    }
    listed
}

/// The first red cell of a child in which `fault` is planted. A child that ends in any other way has caught nothing.
fn red_cell(fault: Option<&str>, order: &Order) -> Option<String> {
    let myself = std::env::current_exe().expect("a running program has a file");
    let mut child = Command::new(myself);
    child.arg(UNTIL_RED).args(order.words()).env_remove("CANDOR_PLANTED").stdin(Stdio::null()).stderr(Stdio::inherit());
    if let Some(word) = fault {
        child.env("CANDOR_PLANTED", word);
    }
    let output = child.output().expect("a child can be started");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let red = said.lines().find_map(|line| line.strip_prefix(RED)).map(str::to_owned);
    match (red, output.status.success()) {
        (Some(cell), false) => Some(cell),
        (None, true) => None,
        // Neither red nor green: without a fault that is as bad as red, and with one it caught nothing.
        (_, _) => fault.is_none().then(|| format!("the whole matrix ({})", output.status)),
    }
}

/// The child: runs cells until the oracle finds fault with one, and names that.
pub(crate) fn run_until_red(words: impl Iterator<Item = String>) -> ExitCode {
    let mut sound = true;
    for cells in Order::read(words).cells() {
        match first_red(cells) {
            Ok(None) => {}
            Ok(Some((cell, complaints))) => {
                println!("{RED}{cell}");
                complaints.iter().take(2).for_each(|complaint| println!("  {complaint}"));
                return ExitCode::FAILURE;
            }
            Err(BrokeDown) => sound = false,
        }
    }
    if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The first cell of these that the oracle finds fault with, and what it complains about.
fn first_red(cells: Vec<(usize, Cell)>) -> Result<Option<(String, Vec<String>)>, BrokeDown> {
    let queue = Mutex::new(VecDeque::from(cells));
    let red = Mutex::new(Ok(None));
    let next = || {
        let found = matches!(*lock(&red), Ok(Some(_)));
        if found { None } else { lock(&queue).pop_front() }
    };
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some((index, cell)) = next() {
                    match complaints_of(index, cell) {
                        Ok(complaints) if complaints.is_empty() => {}
                        Ok(complaints) => *lock(&red) = Ok(Some((cell.name(), complaints))),
                        Err(BrokeDown) if matches!(*lock(&red), Ok(Some(_))) => {}
                        Err(BrokeDown) => *lock(&red) = Err(BrokeDown),
                    }
                }
            });
        }
    });
    red.into_inner().unwrap_or(Err(BrokeDown))
}

/// What the oracle says of one cell, on a runtime of its own.
fn complaints_of(index: usize, cell: Cell) -> Result<Vec<String>, BrokeDown> {
    let run = || {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime can be built");
        let complaints = runtime.block_on(judged(cell, index));
        runtime.shutdown_background();
        complaints.lines().to_vec()
    };
    catch_unwind(AssertUnwindSafe(run)).map_err(|_| BrokeDown)
}

fn place(flow: Flow, dependency: Dependency) -> String {
    format!("{flow:?}/{dependency:?}/")
}

impl Order {
    /// As arguments of a child.
    fn words(&self) -> Vec<&str> {
        match self {
            Self::First(place) => vec!["first", place],
            Self::Only(cells) => ["only"].into_iter().chain(cells.iter().map(String::as_str)).collect(),
        }
    }

    fn read(mut words: impl Iterator<Item = String>) -> Self {
        match (words.next().as_deref(), words) {
            (Some("first"), mut rest) => Self::First(rest.next().unwrap_or_default()),
            (_, rest) => Self::Only(rest.collect()),
        }
    }

    /// The cells, with their numbers in the matrix: those of each list when those of the last are done.
    fn cells(&self) -> Vec<Vec<(usize, Cell)>> {
        let all: Vec<_> = cells().into_iter().enumerate().collect();
        match self {
            Self::First(place) => {
                let (first, rest): (Vec<_>, Vec<_>) =
                    all.into_iter().partition(|(_, cell)| cell.name().starts_with(place));
                vec![first, rest]
            }
            Self::Only(names) => {
                vec![all.into_iter().filter(|(_, cell)| names.contains(&cell.name())).collect()]
            }
        }
    }
}
