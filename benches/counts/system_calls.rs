//! How often the gateway calls the kernel, by `strace`.

use std::{
    collections::BTreeMap,
    fmt, fs,
    io::{self, BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, ChildStderr, Command, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};

/// How often each system call was made.
#[derive(Clone, Debug)]
pub(crate) struct SystemCalls(BTreeMap<String, u64>);

/// An `strace` that counts the system calls of some threads.
pub(crate) struct Strace {
    child: Child,
    /// What it says is not read to the end, but it has to be able to say it.
    said: Option<BufReader<ChildStderr>>,
    summary: PathBuf,
}

impl Strace {
    /// Begins to count those of `threads`; `folder` keeps the summary.
    ///
    /// # Errors
    /// Why they cannot be counted here.
    pub(crate) fn attach(threads: &[u32], folder: &Path) -> Result<Self, String> {
        let summary = folder.join("strace");
        let mut child = Command::new("strace")
            .args(["--summary-only", "--summary-columns=calls,name", "--output"])
            .arg(&summary)
            .args(threads.iter().map(|thread| format!("--attach={thread}")))
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("strace cannot be started ({error})"))?;
        let said = child.stderr.take().map(BufReader::new);
        let mut strace = Self { child, said, summary };
        // It says of each thread that it is attached, or why it is not.
        for _ in threads {
            let mut line = String::new();
            let _ = strace.said.as_mut().map(|said| said.read_line(&mut line));
            if !line.contains(" attached") {
                return Err(format!("strace may not look ({})", line.trim()));
            }
        }
        Ok(strace)
    }

    /// Ends counting.
    ///
    /// # Errors
    /// It left no summary.
    pub(crate) fn detach(mut self) -> io::Result<SystemCalls> {
        if let Some(pid) = Pid::from_raw(self.child.id().cast_signed()) {
            kill_process(pid, Signal::INT)?;
        }
        self.child.wait()?;
        drop(self.said.take());
        Ok(SystemCalls::read(&fs::read_to_string(&self.summary)?))
    }
}

impl Drop for Strace {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl SystemCalls {
    /// The rows of the summary: a number and a name each; the last is their sum.
    fn read(summary: &str) -> Self {
        let row = |line: &str| {
            let mut words = line.split_whitespace();
            let count: u64 = words.next()?.parse().ok()?;
            Some((words.next()?.to_owned(), count))
        };
        Self(summary.lines().filter_map(row).filter(|(name, _)| name != "total").collect())
    }

    /// How many each of `requests` made, in tenths. Of each call, less than a tenth of one is what a worker does besides.
    ///
    /// Without `futex`: what threads call to wake each other is counted as wake-ups, and a thread that is held up by
    /// `strace` in the middle of it makes others call it more often. Nor what is called again because attaching
    /// interrupted it.
    pub(crate) fn tenths(&self, requests: u64) -> u64 {
        let counted = self.0.iter().filter(|(name, _)| !matches!(&***name, "futex" | "restart_syscall"));
        counted.map(|(_, count)| count * 10 / requests).sum()
    }
}

impl fmt::Display for SystemCalls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let each: Vec<String> = self.0.iter().map(|(name, count)| format!("{name} {count}")).collect();
        f.write_str(&each.join(", "))
    }
}
