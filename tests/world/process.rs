//! A gateway in a process of its own: the suite, started again. It reads a configuration file and its signals, writes
//! its logs to its own outputs, and can be killed.

use std::{
    env,
    io::{self, Read, Write as _},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::Arc,
    thread,
};

use gateway::server::control;
use tokio::sync::watch;
use url::Url;

/// With this argument, and a configuration file after it, the suite is that gateway instead: see [`instead`].
pub const ARGUMENT: &str = "--gateway";

/// With this argument the suite is the program, with the arguments after it.
const PROGRAM: &str = "--program";

/// Whoever holds a data folder when this is dropped is killed: a gateway that a gateway of ours has handed over to.
pub struct LastHolder {
    data: PathBuf,
}

/// What a gateway says when it serves, and what stands before the address of its admin listener.
const SERVING: (&str, &str) = ("serving http", "admin on ");

/// A gateway in a process of its own. Dropping it kills it.
pub struct Process {
    child: Child,
    said: watch::Receiver<Vec<u8>>,
    reading: Vec<thread::JoinHandle<()>>,
}

/// Runs the program with these words, and `--config` with this file, to its end: how it ended, and what it said.
///
/// # Panics
/// No process can be started.
pub fn run(words: &[&str], config: &Path) -> (ExitStatus, String) {
    run_typing(words, config, "")
}

/// The same, with what somebody types meanwhile.
///
/// # Panics
/// No process can be started.
pub fn run_typing(words: &[&str], config: &Path, typed: &str) -> (ExitStatus, String) {
    let mut command = Command::new(env::current_exe().expect("this program has a file"));
    command.arg(PROGRAM).args(words).arg("--config").arg(config);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("a process can be started");
    if let Some(mut stdin) = child.stdin.take() {
        // One that asks nothing may have ended by now.
        let _ = stdin.write_all(typed.as_bytes());
    }
    let output = child.wait_with_output().expect("it ends");
    let said = [output.stdout, output.stderr].concat();
    (output.status, String::from_utf8_lossy(&said).into_owned())
}

/// `gateway serve`, but for its configuration, of the program that the suite is.
///
/// # Errors
/// This program has no file.
pub fn serve() -> io::Result<Command> {
    let mut command = Command::new(env::current_exe()?);
    command.args([PROGRAM, "serve"]);
    Ok(command)
}

/// If this process was started as a gateway, the program's arguments; else `None`.
pub fn instead() -> Option<Vec<std::ffi::OsString>> {
    let mut arguments = env::args_os().skip(1);
    let first = arguments.next()?;
    if first == PROGRAM {
        return Some([std::ffi::OsString::from("gateway")].into_iter().chain(arguments).collect());
    }
    let config = arguments.next()?;
    (first == ARGUMENT).then(|| ["gateway".into(), "serve".into(), "--config".into(), config].into())
}

impl LastHolder {
    /// Of the folder `data`, which only gateways of this test hold.
    pub fn of(data: &Path) -> Self {
        Self { data: data.to_owned() }
    }

    /// Its process id, if there is one.
    pub fn id(&self) -> Option<u32> {
        control::holder(&self.data).map(|holder| holder.pid)
    }

    /// Sends it a signal, by the name that `kill` knows.
    pub fn signal(&self, name: &str) {
        if let Some(id) = self.id().filter(|id| *id != std::process::id()) {
            let _ = Command::new("kill").arg(format!("-{name}")).arg(id.to_string()).status();
        }
    }
}

impl Drop for LastHolder {
    fn drop(&mut self) {
        self.signal("KILL");
    }
}

impl Process {
    /// Starts a gateway with this configuration file. [`Process::serving`] waits until it serves.
    ///
    /// # Panics
    /// No process can be started.
    pub fn start(config: &Path) -> Self {
        let mut command = Command::new(env::current_exe().expect("this program has a file"));
        Self::run(command.arg(ARGUMENT).arg(config).stdin(Stdio::null()))
    }

    /// The same, where no more than `soft` files may be open unless it raises that limit itself.
    ///
    /// # Panics
    /// No process can be started.
    pub fn start_with_files(config: &Path, soft: u32) -> Self {
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("ulimit -Sn {soft} && exec \"$0\" \"$@\"")]);
        shell.arg(env::current_exe().expect("this program has a file"));
        Self::run(shell.arg(ARGUMENT).arg(config).stdin(Stdio::null()))
    }

    /// A gateway that `command` becomes. Its outputs are ours.
    ///
    /// # Panics
    /// No process can be started.
    pub fn run(command: &mut Command) -> Self {
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = child.expect("a process can be started");
        let (say, said) = watch::channel(Vec::new());
        let say = Arc::new(say);
        let outputs: [Option<Box<dyn Read + Send>>; 2] = [
            child.stdout.take().map(|out| Box::new(out) as Box<dyn Read + Send>),
            child.stderr.take().map(|out| Box::new(out) as Box<dyn Read + Send>),
        ];
        let reading = outputs.into_iter().flatten().map(|output| {
            let say = say.clone();
            thread::spawn(move || listen(output, &say))
        });
        Self { child, said, reading: reading.collect() }
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it serves; the address of its admin listener.
    ///
    /// # Panics
    /// It ended instead, or said nothing for long: the message holds what it did say.
    pub async fn serving(&mut self) -> SocketAddr {
        let line = self.until(SERVING.0).await;
        let (_, admin) = line.split_once(SERVING.1).expect("it says where its admin listener is");
        let url = admin.split(|c: char| c == '"' || c.is_whitespace()).next().unwrap_or_default();
        let url = Url::parse(url).expect("an address");
        url.socket_addrs(|| None).expect("a numeric address")[0]
    }

    /// Waits until it has written `text`; the line from there on.
    ///
    /// # Panics
    /// It ended instead, or did not write it.
    pub async fn until(&mut self, text: &str) -> String {
        let has = |said: &Vec<u8>| find(said, text.as_bytes()).is_some();
        let said = tokio::time::timeout(super::caller::PATIENCE * 4, self.said.wait_for(has)).await;
        let Ok(Ok(said)) = said.map(|heard| heard.map(|said| said.clone())) else {
            panic!("the gateway did not say {text:?}: {}", String::from_utf8_lossy(&self.said()));
        };
        let rest = &said[find(&said, text.as_bytes()).unwrap_or(0)..];
        String::from_utf8_lossy(rest).lines().next().unwrap_or_default().to_owned()
    }

    /// Everything that it has written so far, both outputs.
    pub fn said(&self) -> Vec<u8> {
        self.said.borrow().clone()
    }

    /// Kills it, as a crash or the kernel would (SIGKILL). How it ended, which may have been before and by itself.
    ///
    /// # Panics
    /// It was never ours.
    pub fn kill(mut self) -> ExitStatus {
        let _ = self.child.kill();
        self.child.wait().expect("it ended")
    }

    /// Waits until it serves, or has ended; whether it serves.
    pub async fn serves_or_ends(&mut self) -> bool {
        self.said.wait_for(|said| find(said, SERVING.0.as_bytes()).is_some()).await.is_ok()
    }

    /// Waits until it has ended by itself, and returns how, and everything that it wrote.
    ///
    /// # Panics
    /// It was never ours.
    pub async fn ended(mut self) -> (ExitStatus, Vec<u8>) {
        self.outlived().await
    }

    async fn outlived(&mut self) -> (ExitStatus, Vec<u8>) {
        // Its outputs end with it.
        while self.said.changed().await.is_ok() {}
        for reader in self.reading.drain(..) {
            let _ = reader.join();
        }
        let status = self.child.wait().expect("it ended");
        (status, self.said())
    }

    /// Asks it to stop (SIGTERM), waits until it has, and returns how it ended and everything that it wrote.
    ///
    /// # Panics
    /// It cannot be asked.
    pub async fn stop(mut self) -> (ExitStatus, Vec<u8>) {
        self.signal("TERM");
        self.outlived().await
    }

    /// Sends it a signal, by the name that `kill` knows.
    ///
    /// # Panics
    /// It cannot be sent.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").arg(format!("-{name}")).arg(self.child.id().to_string()).status();
        assert!(sent.is_ok_and(|sent| sent.success()), "a process of ours takes our signals");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn listen(mut output: Box<dyn Read + Send>, say: &watch::Sender<Vec<u8>>) {
    let mut some = [0; 16 * 1024];
    while let Ok(read @ 1..) = output.read(&mut some) {
        say.send_modify(|said| said.extend_from_slice(&some[..read]));
    }
}

/// Where `text` begins in `said`.
fn find(said: &[u8], text: &[u8]) -> Option<usize> {
    said.windows(text.len()).position(|window| window == text)
}
