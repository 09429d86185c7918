//! A program that we started: where it runs, what it costs, how it ends.

use std::{
    fs, io,
    net::SocketAddr,
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    net::TcpStream,
    process::{Child, Command},
    time::{sleep, timeout},
};

/// The kernel counts processor time in these (`USER_HZ`, 100 a second on every Linux).
const TICK: Duration = Duration::from_millis(10);

/// How often a program that starts is asked whether it serves.
const ASK: Duration = Duration::from_millis(20);

/// A program that we started, with everything that it started. Dropping it ends it.
pub struct Process {
    child: Child,
    pid: u32,
    name: String,
    log: std::path::PathBuf,
}

/// The processor time of a process and of all that descend from it, from their starts on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuTime {
    /// In the program.
    pub user: Duration,
    /// In the kernel, for the program.
    pub system: Duration,
}

/// Why a program does not serve.
#[derive(Debug, thiserror::Error)]
pub enum ProcessFault {
    /// It cannot be started, or not be looked at.
    #[error("{0}: {1}")]
    Machine(String, io::Error),
    /// It ended, and said this.
    #[error("{0} ended: {1}")]
    Ended(String, String),
    /// It does not answer.
    #[error("{0} did not listen on {1} within {2:?}: {3}")]
    Silent(String, SocketAddr, Duration, String),
}

impl Process {
    /// Starts `words` in `folder`, on core `core` alone if one is given. What it says goes to `NAME.log` there.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start(name: &str, words: &[String], folder: &Path, core: Option<usize>) -> Result<Self, ProcessFault> {
        let fault = |error| ProcessFault::Machine(name.to_owned(), error);
        let log = folder.join(format!("{name}.log"));
        let out = fs::File::create(&log).map_err(fault)?;
        if words.is_empty() {
            return Err(fault(io::ErrorKind::InvalidInput.into()));
        }
        // Both become the program. The first sees to it that it ends when this process does, however that ends.
        let core = core.map(|core| core.to_string());
        let pinned = core.as_ref().map(|core| ["taskset", "--cpu-list", core]);
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "TERM"])
            .args(pinned.iter().flatten())
            .args(words)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(out.try_clone().map_err(fault)?)
            .stderr(out)
            .kill_on_drop(true)
            .spawn()
            .map_err(fault)?;
        let pid = child.id().ok_or_else(|| fault(io::ErrorKind::NotFound.into()))?;
        Ok(Self { child, pid, name: name.to_owned(), log })
    }

    /// Waits until somebody listens on `address`.
    ///
    /// # Errors
    /// It ended, or did not listen within `patience`.
    pub async fn listening(&mut self, address: SocketAddr, patience: Duration) -> Result<(), ProcessFault> {
        let listens = async {
            loop {
                if let Ok(Some(_)) = self.child.try_wait() {
                    return Err(ProcessFault::Ended(self.name.clone(), self.last_words()));
                }
                if TcpStream::connect(address).await.is_ok() {
                    return Ok(());
                }
                sleep(ASK).await;
            }
        };
        match timeout(patience, listens).await {
            Ok(listens) => listens,
            Err(_) => Err(ProcessFault::Silent(self.name.clone(), address, patience, self.last_words())),
        }
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.pid
    }

    /// Its id and those of all that descend from it.
    pub fn family(&self) -> Vec<u32> {
        let mut family = vec![self.pid];
        let mut next = 0;
        while let Some(pid) = family.get(next).copied() {
            let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
            for task in tasks {
                let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
                family.extend(children.split_whitespace().filter_map(|child| child.parse::<u32>().ok()));
            }
            next += 1;
        }
        family
    }

    /// What it and all that descend from it used of the processor so far.
    pub fn cpu_time(&self) -> CpuTime {
        self.family().into_iter().filter_map(cpu_time).fold(CpuTime::default(), CpuTime::plus)
    }

    /// The memory that is its own and its share of what it has in common with others, in bytes (PSS, all descendants).
    pub fn memory(&self) -> u64 {
        let pss = |pid| {
            let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
            let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?;
            line.trim().split(' ').next()?.parse::<u64>().ok()
        };
        self.family().into_iter().filter_map(pss).sum::<u64>() * 1024
    }

    /// Kills it as a crash would, and waits until it is gone.
    pub async fn kill(mut self) {
        send(&self.family(), Signal::KILL);
        let _ = self.child.wait().await;
    }

    /// Asks it to end, and kills what has not ended within `patience`.
    pub async fn end(mut self, patience: Duration) {
        let family = self.family();
        send(&family[..1], Signal::TERM);
        let _ = timeout(patience, self.child.wait()).await;
        send(&family, Signal::KILL);
        let _ = self.child.wait().await;
    }

    /// The last lines that it wrote.
    pub fn last_words(&self) -> String {
        let said = fs::read(&self.log).unwrap_or_default();
        let said = String::from_utf8_lossy(&said);
        let lines: Vec<&str> = said.lines().collect();
        lines[lines.len().saturating_sub(4)..].join("; ")
    }
}

impl Drop for Process {
    /// Its child would be killed anyway (`kill_on_drop`), but not what that started.
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            send(&self.family(), Signal::KILL);
        }
    }
}

/// Sends `signal` to each of `pids` that is still there.
fn send(pids: &[u32], signal: Signal) {
    for pid in pids.iter().filter_map(|pid| Pid::from_raw(pid.cast_signed())) {
        let _ = kill_process(pid, signal);
    }
}

impl CpuTime {
    /// Both together.
    pub fn sum(self) -> Duration {
        self.user + self.system
    }

    /// With another's.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self { user: self.user + other.user, system: self.system + other.system }
    }

    /// What was used since `earlier`.
    pub fn since(self, earlier: Self) -> Self {
        Self { user: self.user.saturating_sub(earlier.user), system: self.system.saturating_sub(earlier.system) }
    }
}

/// `proc_pid_stat(5)`: fields 14 and 15, counted from behind the program's name, which may hold anything.
fn cpu_time(pid: u32) -> Option<CpuTime> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let mut next = || fields.next()?.parse::<u32>().ok().map(|ticks| TICK * ticks);
    Some(CpuTime { user: next()?, system: next()? })
}

/// How long ago `start` was, in seconds; never zero, so that it can be divided by.
pub fn seconds_since(start: Instant) -> f64 {
    start.elapsed().as_secs_f64().max(f64::EPSILON)
}
