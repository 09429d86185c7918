//! Sampling a process with `perf`, and reading what it wrote.

use std::{
    io,
    path::Path,
    process::{Output, Stdio},
    time::Duration,
};

use tokio::process::Command;

use super::part::Sample;

/// How many samples a second: prime, so that it keeps step with nothing.
const RATE: &str = "1999";

/// Samples whatever runs on `core`, or anywhere if none is given, for `span` into the file `data`.
///
/// A core and not a process: where the machine has no counters of its own, a process that sleeps often is seen too seldom,
/// and then mostly at its waking up.
///
/// # Errors
/// `perf` cannot be started, or may not look: its words.
pub(super) async fn record(perf: &Path, core: Option<usize>, span: Duration, data: &Path) -> io::Result<()> {
    let mut command = Command::new(perf);
    command.args(["record", "--quiet", "-g", "--freq", RATE]);
    match core {
        Some(core) => command.args(["--cpu", &core.to_string()]),
        None => command.arg("--all-cpus"),
    };
    command.arg("--output").arg(data).args(["--", "sleep", &span.as_secs_f64().to_string()]);
    ended_well(&command.stdin(Stdio::null()).output().await?).map(drop)
}

/// The samples of `process` in the file `data`.
///
/// # Errors
/// `perf` cannot read them.
pub(super) async fn samples(perf: &Path, process: u32, data: &Path) -> io::Result<Vec<Sample>> {
    let mut command = Command::new(perf);
    command.arg("script").arg("--input").arg(data).args(["--pid", &process.to_string()]);
    let output = command.args(["--fields", "comm,ip,sym,dso"]).stdin(Stdio::null()).output().await?;
    Ok(read(&ended_well(&output)?))
}

fn ended_well(output: &Output) -> io::Result<String> {
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).take(3).collect();
    Err(io::Error::other(format!("perf ended with {}: {}", output.status, said.join(" "))))
}

/// Paragraphs: a thread's name, then a line for each function, the innermost first: `ADDRESS SYMBOL (OBJECT)`.
fn read(script: &str) -> Vec<Sample> {
    script.split("\n\n").filter_map(sample).collect()
}

fn sample(paragraph: &str) -> Option<Sample> {
    let mut lines = paragraph.lines().filter(|line| !line.trim().is_empty());
    let thread = lines.next()?.trim().to_owned();
    let mut functions = lines.filter_map(function);
    let (symbol, object) = functions.next()?;
    let callers = functions.map(|(symbol, _)| symbol).collect();
    Some(Sample { thread, symbol, object, callers })
}

fn function(line: &str) -> Option<(String, String)> {
    let (_, rest) = line.trim().split_once(' ')?;
    let (symbol, object) = rest.rsplit_once(" (")?;
    Some((symbol.trim().to_owned(), object.trim_end_matches(')').to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_has_a_thread_a_function_and_its_callers() {
        let script = "\
access log \n\
\tffffffff81b3b3a4 _raw_spin_lock ([kernel.kallsyms])\n\
\tffffffff81b15bbc __x64_sys_write ([kernel.kallsyms])\n\
\n\
worker-0 \n\
\t    55d0c0ffee <hyper::proto::h1::io::Buffered<T,B> as core::fmt::Debug>::fmt (/x/gateway (deleted))\n\
\n\
worker-0 \n\
\n";
        let [log, worker] = &read(script)[..] else { panic!("{:?}", read(script)) };
        assert_eq!((&*log.thread, &*log.symbol, &*log.object), ("access log", "_raw_spin_lock", "[kernel.kallsyms]"));
        assert_eq!(log.callers, ["__x64_sys_write"]);
        assert_eq!(worker.symbol, "<hyper::proto::h1::io::Buffered<T,B> as core::fmt::Debug>::fmt (/x/gateway");
        assert!(worker.callers.is_empty());
    }
}
