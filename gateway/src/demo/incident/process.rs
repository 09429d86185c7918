//! A gateway in a process of its own: the same program, which reads its configuration from a file and can be killed.

use std::{
    collections::VecDeque,
    io::{self, BufRead, BufReader},
    os::unix::process::ExitStatusExt,
    path::Path,
    process::{Child, ChildStderr, Command, Stdio},
    thread,
    time::Duration,
};

use tokio::{sync::watch, time::timeout};

/// A gateway in a process of its own. Dropping it kills it; but whoever kills *us* without a chance to drop it (SIGKILL)
/// leaves it running.
pub(super) struct GatewayProcess {
    child: Child,
    said: watch::Receiver<LastWords>,
}

/// What it wrote last on its standard error, and whether it serves.
#[derive(Debug, Default)]
struct LastWords {
    lines: VecDeque<String>,
    serves: bool,
}

/// What a gateway says when it serves.
const SERVING: &str = "serving http";
/// How long it may take until then.
const SERVES_WITHIN: Duration = Duration::from_secs(60);
/// How many lines are kept.
const KEPT: usize = 20;
/// The signal that nothing survives.
const SIGKILL: i32 = 9;

impl GatewayProcess {
    /// Starts `program` with this configuration file, and waits until it serves.
    ///
    /// # Errors
    /// It cannot be started, or does not come up: the text holds what it wrote last.
    pub(super) async fn start(mut program: Command, config: &Path) -> io::Result<Self> {
        program.arg("--config").arg(config);
        let mut child = program.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
        let stderr = child.stderr.take();
        let (say, said) = watch::channel(LastWords::default());
        let mut process = Self { child, said };
        thread::Builder::new().name("gateway-stderr".to_owned()).spawn(move || listen(stderr, &say))?;
        let serves = timeout(SERVES_WITHIN, process.said.wait_for(|said| said.serves)).await;
        match serves.map(|heard| heard.is_ok()) {
            Ok(true) => Ok(process),
            Ok(false) => Err(process.fault("ended before it served")),
            Err(_late) => Err(process.fault(&format!("did not serve within {SERVES_WITHIN:?}"))),
        }
    }

    /// Kills it, as a crash or the kernel would (SIGKILL), and waits until it is gone.
    ///
    /// # Errors
    /// It had ended by itself: the text holds what it wrote last.
    pub(super) fn kill(mut self) -> io::Result<()> {
        self.child.kill()?;
        let status = self.child.wait()?;
        if status.signal() == Some(SIGKILL) { Ok(()) } else { Err(self.fault(&format!("ended by itself, {status}"))) }
    }

    fn fault(&self, what: &str) -> io::Error {
        let said = self.said.borrow();
        let lines: String = said.lines.iter().map(|line| format!("\n  {line}")).collect();
        let lines = if lines.is_empty() { " nothing".to_owned() } else { lines };
        io::Error::other(format!("the gateway in a process of its own {what}. It wrote last:{lines}"))
    }
}

impl Drop for GatewayProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads to the end, so that the process never waits for whoever reads.
fn listen(stderr: Option<ChildStderr>, say: &watch::Sender<LastWords>) {
    let Some(stderr) = stderr else { return };
    for line in BufReader::new(stderr).split(b'\n').map_while(Result::ok) {
        let line = String::from_utf8_lossy(&line).into_owned();
        say.send_modify(|said| {
            said.serves |= line.contains(SERVING);
            if said.lines.len() == KEPT {
                said.lines.pop_front();
            }
            said.lines.push_back(line);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(text: &str) -> Command {
        let mut shell = Command::new("sh");
        shell.args(["-c", text]);
        shell
    }

    async fn start(text: &str) -> io::Result<GatewayProcess> {
        GatewayProcess::start(script(text), Path::new("gateway.toml")).await
    }

    #[tokio::test]
    async fn it_is_gone_when_this_is() {
        let process = start("echo INFO serving http://x >&2; exec sleep 1000").await.expect("it says that it serves");
        let own = format!("/proc/{}", process.child.id());
        assert!(Path::new(&own).exists(), "it runs");
        drop(process);
        assert!(!Path::new(&own).exists(), "it is gone, and was waited for");
    }

    #[tokio::test]
    async fn one_that_does_not_come_up_is_told_with_its_last_words() {
        let fault = start("for n in $(seq 30); do echo line $n; done >&2").await.err().expect("it never serves");
        let told = fault.to_string();
        assert!(told.contains("ended before it served"), "{told}");
        assert!(
            told.ends_with("\n  line 30") && told.contains("\n  line 11\n") && !told.contains("line 10\n"),
            "{told}"
        );
    }

    #[tokio::test]
    async fn one_that_was_gone_already_was_not_killed() {
        let mut process = start("echo serving http://x >&2; echo a bug >&2; exit 3").await.expect("it served");
        // Its outputs end with it.
        while process.said.changed().await.is_ok() {}
        let told = process.kill().expect_err("it ended by itself").to_string();
        assert!(told.contains("ended by itself, exit status: 3") && told.ends_with("a bug"), "{told}");
        let process = start("echo serving http://x >&2; exec sleep 1000").await.expect("it serves");
        process.kill().expect("this one was there to be killed");
    }
}
