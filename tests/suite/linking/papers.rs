//! What it takes to link `auth-core`, counted: lines of one's own, and crates.

use std::{collections::BTreeSet, process::Command};

use libtest_mimic::Trial;

use crate::{plain, report, sources};

/// Imports and `main` aside.
const MOST_LINES: usize = 12;

/// Whoever takes access tokens alone compiles no more than this.
const MOST_CRATES: usize = 110;

/// What no such build may hold.
const NOT_FOR_BEARERS: [&str; 5] = ["sqlx", "sqlx-core", "libsqlite3-sys", "openidconnect", "chrono"];

pub(super) fn tests() -> Vec<Trial> {
    vec![plain("linking::the_front_door_is_ten_lines", the_front_door_is_ten_lines)]
}

fn the_front_door_is_ten_lines() {
    let (axum, tonic) = (lines_of("axum", "pub fn app("), lines_of("tonic", "pub fn server("));
    assert!(axum <= MOST_LINES && tonic <= MOST_LINES, "axum {axum}, tonic {tonic}");
    let crates = crates();
    assert!(crates.len() <= MOST_CRATES, "{} crates: {crates:?}", crates.len());
    for heavy in NOT_FOR_BEARERS {
        assert!(!crates.contains(heavy), "{heavy} is compiled for a bearer");
    }
    report::say(format!(
        "front door: axum {axum} lines, tonic {tonic} lines, bearer only: {} crates, no file, no store",
        crates.len()
    ));
}

/// The lines of the function of an example that begins so.
fn lines_of(example: &str, begins: &str) -> usize {
    let text = sources::text(&format!("auth-core/examples/{example}.rs"));
    let function = text.lines().skip_while(|line| !line.starts_with(begins)).take_while(|line| *line != "}");
    let count = function.count() + 1;
    assert!(count > 3, "auth-core/examples/{example}.rs has no {begins}");
    count
}

/// What cargo compiles for `auth-core` as it is by default, itself and what runs while it is built included.
fn crates() -> BTreeSet<String> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(sources::top());
    cargo.args(["tree", "--locked", "--offline", "--package", "auth-core", "--edges", "normal", "--prefix", "none"]);
    let output = cargo.output().expect("cargo can be started");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("text");
    text.lines().filter_map(|line| line.split_whitespace().next()).map(ToOwned::to_owned).collect()
}
