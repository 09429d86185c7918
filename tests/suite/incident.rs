//! January 2021, replayed: see [`gateway::demo::incident`]. Fewer displays than `gateway device simulate --incident` has,
//! and the same half hour.

use gateway::demo::incident::{IncidentOptions, IncidentOutcome, through_candor, through_pass_through};
use libtest_mimic::Trial;
use world::process;

use crate::{in_a_runtime, report};

/// Of each kind.
const DEVICES: usize = 100;

pub(crate) fn tests() -> Vec<Trial> {
    vec![
        in_a_runtime("incident::nobody_is_wiped_and_all_come_back", || async {
            let outcome = through_candor(options(false)).await.expect("it can be replayed");
            report::say(outcome.to_string());
            as_promised(&outcome);
        }),
        in_a_runtime("incident::nor_with_everything_else_broken", || async {
            let outcome = through_candor(options(true)).await.expect("it can be replayed");
            report::say(format!("{outcome}, with identity provider, store and gateway broken too"));
            as_promised(&outcome);
        }),
        in_a_runtime("incident::a_bare_pass_through_shows_what_it_was", || async {
            let outcome = through_pass_through(options(false)).await.expect("it can be replayed");
            report::say(format!("{outcome}, through a bare pass-through"));
            // Of the unmodified ones; those with the new client keep what they have whatever they are answered.
            assert!(outcome.wiped > DEVICES * 9 / 10 && outcome.wiped <= DEVICES, "{outcome:?}");
            assert!(outcome.recovered < outcome.devices, "{outcome:?}");
        }),
    ]
}

fn options(everything_breaks: bool) -> IncidentOptions {
    IncidentOptions { devices: DEVICES, everything_breaks, program: process::serve, ..IncidentOptions::default() }
}

fn as_promised(outcome: &IncidentOutcome) {
    assert!(outcome.devices == 2 * DEVICES && outcome.is_as_promised(), "{outcome:?}");
}
