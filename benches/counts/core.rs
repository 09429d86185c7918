//! One core for the gateway, on which none of its threads interrupts another.
//!
//! Else it would be chance whether a thread that was woken runs while the one that woke it still holds a lock, and then
//! both call the kernel once more.

use std::{fs, io, process::Command};

/// A core that this process may use.
///
/// # Errors
/// The kernel does not say.
pub(crate) fn any() -> io::Result<usize> {
    let status = fs::read_to_string("/proc/self/status")?;
    let allowed = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).unwrap_or_default();
    let first = allowed.trim().split(['-', ',']).next().and_then(|core| core.parse().ok());
    first.ok_or_else(|| io::Error::other(format!("the kernel names no core: {status}")))
}

/// From now on a thread of `process` that wakes waits until the one that runs sleeps (`SCHED_BATCH`, `sched(7)`).
///
/// # Errors
/// The machine does not allow it.
pub(crate) fn without_preemption(process: u32) -> io::Result<()> {
    let chrt = Command::new("chrt").args(["--all-tasks", "--batch", "--pid", "0"]).arg(process.to_string()).output()?;
    if chrt.status.success() {
        return Ok(());
    }
    Err(io::Error::other(format!("chrt ended with {}: {}", chrt.status, String::from_utf8_lossy(&chrt.stderr))))
}
