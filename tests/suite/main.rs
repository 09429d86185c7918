//! The one test binary: every test that needs more than one module.
//!
//! It brings its own `main`, so that its figures are seen however many tests pass. A file of tests offers
//! `tests() -> Vec<Trial>` and stands in the list below; it makes its trials by [`plain`] or [`in_a_runtime`], tells
//! its figures to [`report::say`], and what it had to leave out to [`report::left_out`].

mod access_tokens;
mod administration;
mod attacks;
mod bad_input;
mod changing;
mod clock;
mod cold_start;
mod cookies;
mod crashes;
mod credentials;
mod demonstration;
mod devices;
mod documents;
mod ending;
mod forged_kids;
mod forwarding;
mod held;
mod incident;
mod ingress;
mod keyring;
mod legacy;
mod linking;
mod manifests;
mod model;
mod mutants;
mod one_folder;
mod outages;
mod peers;
mod pretenders;
mod providers;
mod recovery;
mod refuse_to_compile;
mod report;
mod returning;
mod secrets;
mod serving;
mod sources;
mod tidy;
mod trials;
mod wires;
mod wycheproof;

use std::{
    any::Any,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    process::ExitCode,
    time::Instant,
};

use libtest_mimic::{Arguments, Failed, Trial};

/// Those that take longest, and mostly wait: they begin first, so that nobody waits for them alone at the end.
const LONGEST: [&str; 9] = [
    "crashes::",
    "incident::",
    "the demonstration",
    "returning::",
    "attacks::a_provider",
    "peers::",
    "devices::simulated",
    "bad_input::",
    "model::",
];

fn main() -> ExitCode {
    let code = run();
    world::folder::remove_left();
    code
}

fn run() -> ExitCode {
    if let Some(program) = world::process::instead() {
        return gateway::cli::run(program);
    }
    if std::env::var_os("CANDOR_LOG").is_none() {
        // What gateways say while they are broken on purpose is no news. The first subscriber of a process stays.
        let _ = tracing::subscriber::set_global_default(tracing::subscriber::NoSubscriber::new());
    }
    let mut words = std::env::args().skip(1);
    match words.next().as_deref() {
        Some(mutants::ALL) => return mutants::catch_all(&words.collect::<Vec<_>>()),
        Some(mutants::UNTIL_RED) => return mutants::until_red::run(words),
        Some(attacks::ATTACK) => return attacks::make(&words.collect::<Vec<_>>()),
        _ => {}
    }
    let mut arguments = Arguments::from_args();
    // Most tests wait for deadlines, not for a core.
    arguments.test_threads.get_or_insert(6);
    let tests = [
        access_tokens::tests(),
        administration::tests(),
        attacks::tests(),
        bad_input::tests(),
        changing::tests(),
        clock::tests(),
        cold_start::tests(),
        cookies::tests(),
        crashes::tests(),
        credentials::tests(),
        demonstration::tests(),
        devices::tests(),
        documents::tests(),
        ending::tests(),
        forged_kids::tests(),
        forwarding::tests(),
        held::tests(),
        incident::tests(),
        ingress::tests(),
        keyring::tests(),
        legacy::tests(),
        linking::tests(),
        manifests::tests(),
        model::tests(),
        one_folder::tests(),
        outages::tests(),
        peers::tests(),
        mutants::tests(),
        pretenders::tests(),
        providers::tests(),
        recovery::tests(),
        refuse_to_compile::tests(),
        returning::tests(),
        secrets::tests(),
        serving::tests(),
        tidy::tests(),
        wires::tests(),
        wycheproof::tests(),
    ];
    let mut trials: Vec<Trial> = tests.into_iter().flatten().collect();
    trials.extend(trials::tests(&trials));
    trials.sort_by_key(|trial| LONGEST.iter().position(|name| trial.name().starts_with(name)).unwrap_or(LONGEST.len()));
    let conclusion = libtest_mimic::run(&arguments, trials);
    if arguments.list {
        return conclusion.exit_code();
    }
    let goal_met = outages::sum_up() & attacks::sum_up() & clock::sum_up();
    let nothing_missing = report::print();
    if goal_met && nothing_missing { conclusion.exit_code() } else { ExitCode::FAILURE }
}

/// A test that needs no runtime. It fails by panicking.
pub(crate) fn plain(name: &str, test: impl FnOnce() + Send + 'static) -> Trial {
    let named = name.to_owned();
    Trial::test(name, move || -> Result<(), Failed> {
        let begun = Instant::now();
        let outcome = catch_unwind(AssertUnwindSafe(test));
        report::took(&named, begun.elapsed());
        outcome.map_err(|panic| {
            let why = panic_message(&*panic);
            report::failed(&named, why);
            Failed::from(why)
        })
    })
}

/// What somebody said who panicked.
fn panic_message(panic: &(dyn Any + Send)) -> &str {
    panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("")
}

/// A test on a tokio runtime of its own, which ends with it. It fails by panicking.
pub(crate) fn in_a_runtime<T: Future<Output = ()>>(name: &str, test: impl FnOnce() -> T + Send + 'static) -> Trial {
    plain(name, || on_a_runtime(test))
}

/// Runs `test` on a tokio runtime of its own, which ends with it.
pub(crate) fn on_a_runtime<T: Future>(test: impl FnOnce() -> T) -> T::Output {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime can be built");
    let output = runtime.block_on(test());
    runtime.shutdown_background();
    output
}
