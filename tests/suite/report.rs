//! What the suite says at its end: figures, and what was left out.

use std::{collections::BTreeMap, sync::Mutex, time::Duration};

use auth_core::lock::lock;

static SAID: Mutex<Vec<String>> = Mutex::new(Vec::new());
static COUNTED: Mutex<BTreeMap<&str, usize>> = Mutex::new(BTreeMap::new());
static TOOK: Mutex<Vec<(Duration, String)>> = Mutex::new(Vec::new());
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

/// Notes that something was not tested, and why. With `CI=true` that fails the run.
pub(crate) fn left_out(what: impl Into<String>) {
    lock(&LEFT_OUT).push(what.into());
}

/// Prints it all. Says whether the run may pass.
pub(crate) fn print() -> bool {
    let mut said = std::mem::take(&mut *lock(&SAID));
    said.extend(lock(&COUNTED).iter().map(|(what, count)| format!("{what}: {count}")));
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
