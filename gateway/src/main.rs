//! The program: see `cli.rs` for what it can do.

use std::{env, process::ExitCode};

/// Many small allocations on several threads are what a proxy makes, and what this allocator is for.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    gateway::cli::run(env::args_os())
}
