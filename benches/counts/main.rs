//! What one request costs the gateway, counted and not timed, so that a slip is seen on a noisy machine too.
//!
//! The figures are of what tests build. A release build allocates a little less in places; what is added shows in both.

mod asleep;
mod core;
mod gateway;
mod measure;
mod origin;
mod system_calls;

use std::{env, process::ExitCode};

use benches::cost::CountLimits;
use libtest_mimic::{Arguments, Failed, Trial};

fn main() -> ExitCode {
    if env::args_os().nth(1).is_some_and(|first| first == "serve") {
        return gateway::run(env::args_os());
    }
    let trial = Trial::test("a_request_costs_what_its_limits_say", a_request_costs_what_its_limits_say);
    libtest_mimic::run(&Arguments::from_args(), vec![trial]).exit_code()
}

fn a_request_costs_what_its_limits_say() -> Result<(), Failed> {
    let limits = CountLimits::read(include_str!("../limits.toml"))?;
    let measured = measure::measure()?;
    println!("{}", measured.counts);
    let comparison = limits.compare(&measured.counts);
    for below in comparison.below {
        println!("{below}");
    }
    let mut wrong = comparison.wrong;
    // Here it can be counted, so that it is not counted is a fault.
    if let (Err(why), true) = (&measured.counts.system_calls, must_count()) {
        wrong.push(format!("system calls are not counted, because {why}"));
    }
    if wrong.is_empty() {
        return Ok(());
    }
    println!("{}", measured.detail);
    Err(wrong.join("\n").into())
}

/// The full run installs `strace` first, and root may use it.
fn must_count() -> bool {
    env::var("CI").as_deref() == Ok("true") && rustix::process::geteuid().is_root()
}
