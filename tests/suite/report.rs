//! What the suite says at its end: figures, and what was left out.

use std::{collections::BTreeMap, sync::Mutex, time::Duration};

use auth_core::lock::lock;
use world::chromium::{Chromium, WIDTHS};

static SAID: Mutex<Vec<String>> = Mutex::new(Vec::new());
static COUNTED: Mutex<BTreeMap<&str, usize>> = Mutex::new(BTreeMap::new());
static TOOK: Mutex<Vec<(Duration, String)>> = Mutex::new(Vec::new());
static FAILED: Mutex<Vec<String>> = Mutex::new(Vec::new());
/// Pages that were looked at in a browser, how often one was wider than the window, and what the console said of them.
static PAGES: Mutex<[usize; 3]> = Mutex::new([0; 3]);
static LEFT_OUT: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Keeps a line for the end of the run, such as `invariants: 7 of 12 held`.
pub(crate) fn say(line: impl Into<String>) {
    lock(&SAID).push(line.into());
}

/// Counts one more of `what`; the count is a line at the end.
pub(crate) fn count(what: &'static str) {
    *lock(&COUNTED).entry(what).or_default() += 1;
}

/// So many of the slowest tests are named at the end.
const SLOWEST: usize = 20;

/// Notes how long a test took, beside the others that ran then.
pub(crate) fn took(name: &str, how_long: Duration) {
    lock(&TOOK).push((how_long, name.to_owned()));
}

/// Keeps what a test that failed said: the last lines of a run are those that are kept, and looked at first.
pub(crate) fn failed(name: &str, why: &str) {
    let first: String = why.chars().take(LONGEST_FAILURE).collect();
    lock(&FAILED).push(format!("{name}: {first}"));
}

/// So much of what a failed test said is repeated at the end; whole it stands where the test ran.
const LONGEST_FAILURE: usize = 1000;

/// Counts the pages that were looked at in this browser, and what was wrong with them: all browsers together are one line at
/// the end.
pub(crate) fn pages(seen: &Chromium, console_errors: &[String]) {
    let [pages, overflows, errors] = &mut *lock(&PAGES);
    *pages += seen.looked().len();
    *overflows += seen.overflows().len();
    *errors += console_errors.len();
}

/// Notes that something was not tested, and why. With `CI=true` that fails the run.
pub(crate) fn left_out(what: impl Into<String>) {
    lock(&LEFT_OUT).push(what.into());
}

/// Prints it all. Says whether the run may pass.
pub(crate) fn print() -> bool {
    let mut said = std::mem::take(&mut *lock(&SAID));
    said.extend(lock(&COUNTED).iter().map(|(what, count)| format!("{what}: {count}")));
    let [pages, overflows, errors] = *lock(&PAGES);
    if pages > 0 {
        let widths = WIDTHS.len();
        said.push(format!(
            "pages: {pages} in Chromium, {widths} widths, {overflows} overflow, {errors} console errors"
        ));
    }
    said.sort();
    for line in said {
        println!("{line}");
    }
    for (how_long, name) in slowest() {
        println!("slow: {:5.1} s {name}", how_long.as_secs_f32());
    }
    let left_out = std::mem::take(&mut *lock(&LEFT_OUT));
    for what in &left_out {
        println!("left out: {what}");
    }
    println!("left out: {}", left_out.len());
    for failure in std::mem::take(&mut *lock(&FAILED)) {
        println!("failed: {failure}");
    }
    left_out.is_empty() || std::env::var("CI").as_deref() != Ok("true")
}

/// The slowest tests of a long run, the slowest first.
fn slowest() -> Vec<(Duration, String)> {
    let mut took = std::mem::take(&mut *lock(&TOOK));
    if took.len() < 10 * SLOWEST {
        return Vec::new();
    }
    took.sort_unstable_by(|one, other| other.cmp(one));
    took.truncate(SLOWEST);
    took
}
