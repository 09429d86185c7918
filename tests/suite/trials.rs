//! The names of the suite's own tests: each is given once, and those that the documents give are there.

use std::collections::BTreeSet;

use libtest_mimic::Trial;

use crate::{plain, sources};

/// Of all `others` that this run is made of.
pub(crate) fn tests(others: &[Trial]) -> Vec<Trial> {
    let given: Vec<String> = others.iter().map(|trial| trial.name().to_owned()).collect();
    let once = given.clone();
    vec![
        plain("trials::every_test_is_named_once", move || every_test_is_named_once(&once)),
        plain("trials::the_tests_that_hold_invariants_are_run", move || the_tests_that_hold_invariants_are_run(&given)),
    ]
}

/// Two tests of one name cannot be told apart in a report, and a filter runs both.
fn every_test_is_named_once(given: &[String]) {
    let mut seen = BTreeSet::new();
    let twice: Vec<&String> = given.iter().filter(|name| !seen.insert(*name)).collect();
    assert!(twice.is_empty(), "named more than once: {twice:#?}");
}

/// In the table of invariants, a name with `::` is a test of this suite. (`tidy` finds the others, which are unit tests.)
fn the_tests_that_hold_invariants_are_run(given: &[String]) {
    let architecture = sources::text("docs/architecture.md");
    let rows = architecture.lines().filter(|line| line.starts_with("| ") && line[2..].starts_with(char::is_numeric));
    let tests = rows.filter_map(|row| row.split('|').nth(4)).flat_map(|cell| cell.split('`').skip(1).step_by(2));
    let tests: Vec<&str> = tests.filter(|name| name.contains("::")).collect();
    assert!(tests.len() >= 12, "the table names the suite's tests: {tests:?}");
    let absent: Vec<&&str> = tests.iter().filter(|name| !given.iter().any(|given| given == *name)).collect();
    assert!(absent.is_empty(), "not run: {absent:#?}");
}
