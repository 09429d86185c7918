//! What the parts of a request take, each by itself, as a release build does it: `cargo bench --package candor-benches`,
//! with `-- --quick` in less than a minute.
//!
//! Real functions of the two crates with what a running gateway gives them. [`benches::micro`] reads the results.

mod access;
mod fields;
mod id_token;
mod routes;
mod snapshot;
mod stand;
mod tokens;
mod verdicts;

use std::{process::ExitCode, time::Duration};

use criterion::Criterion;

use crate::stand::{Stand, StandFault};

/// As in the program: what a part takes is also what memory costs it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("micro: {fault}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), StandFault> {
    let criterion = Criterion::default()
        .sample_size(40)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .without_plots();
    let mut criterion = criterion.configure_from_args();
    let stand = Stand::new()?;
    // What waits for something waits on this runtime, and nothing that is measured waits.
    let _runtime = stand.runtime.enter();
    verdicts::measure(&mut criterion, &stand)?;
    id_token::measure(&mut criterion, &stand)?;
    fields::measure(&mut criterion, &stand)?;
    routes::measure(&mut criterion, &stand)?;
    snapshot::measure(&mut criterion, &stand)?;
    access::measure(&mut criterion);
    criterion.final_summary();
    Ok(())
}
