//! What machine this is, and the limits that a process has on it.

use std::{fs, io};

use rustix::{
    process::{Resource, Rlimit, getrlimit, setrlimit},
    thread::{CpuSet, sched_getaffinity, sched_setaffinity},
};
use serde::Serialize;

/// What a reader needs to know of the machine to compare its figures with another's.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    /// How many cores this process may use.
    pub cores: usize,
    /// The processor's name, as it calls itself.
    pub processor: String,
    /// Memory in GiB, rounded.
    pub memory_gib: u64,
    /// The kernel's release.
    pub kernel: String,
}

impl Machine {
    /// The machine that this runs on. What it does not tell is `unknown`.
    pub fn here() -> Self {
        let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let kib: u64 = value(&memory, "MemTotal").and_then(|total| total.split(' ').next()?.parse().ok()).unwrap_or(0);
        Self {
            cores: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            processor: value(&info, "model name").unwrap_or("unknown").to_owned(),
            memory_gib: (kib + (1 << 19)) >> 20,
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease")
                .map_or_else(|_| "unknown".to_owned(), |release| release.trim().to_owned()),
        }
    }
}

impl std::fmt::Display for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { cores, processor, memory_gib, kernel } = self;
        write!(f, "{cores} cores of {processor}, {memory_gib} GiB, Linux {kernel}")
    }
}

/// Lets this process, and those that it starts, open as many files as the machine allows; how many that is.
///
/// # Errors
/// The limit cannot be raised to what the machine allows.
pub fn raise_open_files() -> io::Result<u64> {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })?;
    Ok(limit.maximum.unwrap_or(u64::MAX))
}

/// Sees to it that this process may open `needed` files, beyond what the machine allows by itself if we may raise that.
///
/// # Errors
/// It may not; the error says what to do.
pub fn allow_open_files(needed: u64) -> io::Result<()> {
    if raise_open_files()? >= needed {
        return Ok(());
    }
    let raised = Some(needed);
    setrlimit(Resource::Nofile, Rlimit { current: raised, maximum: raised }).map_err(|_| {
        let allowed = getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX);
        let said = format!(
            "this needs {needed} open files, and the machine allows {allowed}: raise it (`ulimit -Hn {needed}` as root), or \
             take fewer clients"
        );
        io::Error::other(said)
    })
}

/// The cores that this process may use.
///
/// # Errors
/// The machine does not tell.
pub fn cores() -> io::Result<Vec<usize>> {
    let allowed = sched_getaffinity(None)?;
    Ok((0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core)).collect())
}

/// Keeps the calling thread, and the threads and programs that it starts from now on, on these cores.
///
/// # Errors
/// The machine does not allow it.
pub fn stay_on(cores: &[usize]) -> io::Result<()> {
    let mut set = CpuSet::new();
    cores.iter().for_each(|core| set.set(*core));
    Ok(sched_setaffinity(None, &set)?)
}

/// How many programs wanted a core in the last minute, on average.
pub fn load_average() -> Option<f64> {
    fs::read_to_string("/proc/loadavg").ok()?.split(' ').next()?.parse().ok()
}

/// The value after the first `name:` in a file of `/proc`.
fn value<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim())
}
