//! The gateway that is counted: this test, started again as a process of its own.

use std::{
    alloc::System,
    ffi::OsString,
    io::{self, Read, Write},
    os::unix::net::{UnixListener, UnixStream},
    path::Path,
    process::ExitCode,
    thread,
};

use rustix::process::{PTracer, set_ptracer};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

/// Counts what every thread of this process takes from it.
#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// The socket, in the gateway's folder, on which it tells how much it has allocated.
const SOCKET: &str = "allocations";

/// The thread that tells it; it is none of the gateway's.
pub(crate) const TELLER: &str = "teller";

/// Runs the gateway with these arguments, of which the first is the program's name, to its end.
pub(crate) fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let told = UnixListener::bind(SOCKET)
        .and_then(|socket| thread::Builder::new().name(TELLER.to_owned()).spawn(move || tell(&socket)));
    if let Err(error) = told {
        eprintln!("nobody can be told what is allocated: {error}");
        return ExitCode::FAILURE;
    }
    // `strace` is no parent of ours, and only root may watch strangers. A kernel that knows no such rule says so.
    let _ = set_ptracer(PTracer::Any);
    gateway::cli::run(arguments)
}

/// Answers each connection with how often memory was taken so far, or taken again for something that grew.
fn tell(socket: &UnixListener) {
    for asked in socket.incoming() {
        let stats = ALLOCATOR.stats();
        let count = stats.allocations as u64 + stats.reallocations as u64;
        // Who asked and left needs no answer.
        let _ = asked.and_then(|mut asked| asked.write_all(&count.to_le_bytes()));
    }
}

/// How often the gateway in `folder` has taken memory so far.
pub(crate) fn allocations(folder: &Path) -> io::Result<u64> {
    let mut count = [0; 8];
    UnixStream::connect(folder.join(SOCKET))?.read_exact(&mut count)?;
    Ok(u64::from_le_bytes(count))
}
