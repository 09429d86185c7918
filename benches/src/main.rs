//! The program: see `cli.rs` for what it can do.

use std::{env, process::ExitCode};

fn main() -> ExitCode {
    benches::cli::run(env::args_os())
}
