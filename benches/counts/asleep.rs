//! Waiting until the gateway has nothing to do, and how often it was woken.
//!
//! Whoever sends the next thing only when every thread of the gateway sleeps over the last one sees the same steps each
//! time, however busy the machine is: nothing is found already there, and nothing is put together with what came before.

use std::{
    fs, io,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use crate::gateway::TELLER;

/// A gateway that takes longer over one step is stuck.
const STUCK: Duration = Duration::from_secs(10);

/// Waits until every thread of `process` sleeps.
///
/// # Errors
/// It ended, or never came to rest.
pub(crate) fn until_asleep(process: u32) -> io::Result<()> {
    let begun = Instant::now();
    let mut quiet = 0;
    // Twice: a thread that was looked at before may have been woken by one that was not asleep then.
    while quiet < 2 {
        if all_sleep(process)? {
            quiet += 1;
            continue;
        }
        quiet = 0;
        if begun.elapsed() > STUCK {
            return Err(io::Error::other("the gateway does not come to rest"));
        }
        thread::yield_now();
    }
    Ok(())
}

/// The threads of `process` that serve requests: those of its workers, and that of the access log.
///
/// # Errors
/// It ended.
pub(crate) fn serving(process: u32) -> io::Result<Vec<u32>> {
    let mut serving = Vec::new();
    each_thread(process, |folder| {
        let name = fs::read_to_string(folder.join("comm"))?;
        let id = folder.file_name().and_then(|id| id.to_str()?.parse::<u32>().ok());
        serving.extend(id.filter(|_| name.starts_with("worker-") || name.starts_with("access log")));
        Ok(())
    })?;
    Ok(serving)
}

/// How often a thread of `process` gave up its processor because it had nothing to do (`voluntary_ctxt_switches`).
///
/// # Errors
/// It ended.
pub(crate) fn wake_ups(process: u32) -> io::Result<u64> {
    let mut sum = 0;
    each_thread(process, |folder| {
        let status = fs::read_to_string(folder.join("status"))?;
        let field = |name| Some(status.lines().find_map(|line| line.strip_prefix(name))?.trim());
        if field("Name:") != Some(TELLER) {
            sum += field("voluntary_ctxt_switches:").and_then(|count| count.parse::<u64>().ok()).unwrap_or(0);
        }
        Ok(())
    })?;
    Ok(sum)
}

fn all_sleep(process: u32) -> io::Result<bool> {
    let mut all = true;
    each_thread(process, |folder| {
        let stat = fs::read_to_string(folder.join("stat"))?;
        // `proc_pid_stat(5)`: the state stands behind the name, which may hold anything.
        all &= stat.rsplit_once(')').is_some_and(|(_, rest)| rest.trim_start().starts_with('S'));
        Ok(())
    })?;
    Ok(all)
}

/// Shows each thread's folder in `/proc` to `look`; one that ends meanwhile is none.
fn each_thread(process: u32, mut look: impl FnMut(&Path) -> io::Result<()>) -> io::Result<()> {
    for thread in fs::read_dir(format!("/proc/{process}/task"))? {
        match look(&thread?.path()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            looked => looked?,
        }
    }
    Ok(())
}
