//! The older process: it starts the newer one, and hands over to it.

use std::{
    io,
    net::{SocketAddr, TcpListener as Socket},
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::UnixStream,
    },
    path::{Path, PathBuf},
    pin::Pin,
    process::{Child, Command as Program, ExitStatus, Stdio},
    sync::{Arc, mpsc::sync_channel},
    time::Duration,
};

use auth_core::data_folder::Successor;
use tokio::{task::spawn_blocking, time::timeout};

use super::{Offer, PATIENCE, VARIABLE, VERSION, Word, descriptors};
use crate::{
    server::control::{self, Command},
    state::Gateway,
};

/// How long somebody who signed out waits for the newer process to hear of it.
const TELLING: Duration = Duration::from_secs(2);

/// How often, and how many times, it is looked whether a process that says no more has ended.
const LOOK_EVERY: Duration = Duration::from_millis(20);
const LOOKS: usize = 250;

/// What is handed over.
pub(in crate::server) struct HandOver {
    pub(in crate::server) gateway: Arc<Gateway>,
    /// The listening sockets, each with the address that the configuration calls it by.
    pub(in crate::server) sockets: Vec<(SocketAddr, Socket)>,
}

/// Why a gateway was not handed over. It serves on.
#[derive(Debug, thiserror::Error)]
pub enum HandOverFault {
    /// The program cannot be started.
    #[error("the new process cannot be started: {0}")]
    NotStarted(#[source] io::Error),
    /// The program ended before it served.
    #[error("the new process ended before it served ({0}): the log says why")]
    Ended(ExitStatus),
    /// The program does not do what a gateway does there.
    #[error("the new process did not come up, and was stopped: {0}")]
    NotServing(#[source] io::Error),
    /// Somebody else hands it over already.
    #[error("it is being handed over already")]
    UnderWay,
}

/// The process after this one.
#[derive(Debug)]
struct NextProcess {
    data: PathBuf,
}

/// Starts `program`, and hands over to it: it serves when this returns its process id. Blocks.
///
/// # Errors
/// [`HandOverFault`]: then this process serves on, and holds what it held.
pub(in crate::server) fn give(what: &HandOver, mut program: Program) -> Result<u32, HandOverFault> {
    let (line, theirs) = UnixStream::pair().map_err(HandOverFault::NotStarted)?;
    program.env(VARIABLE, "1").stdin(Stdio::from(OwnedFd::from(theirs)));
    let mut child = program.spawn().map_err(HandOverFault::NotStarted)?;
    // It holds their end of the line, whose end must be seen.
    drop(program);
    let Err(fault) = converse(what, &line) else { return Ok(child.id()) };
    let ended = stop(&mut child, &fault);
    what.gateway.clock().leave_writing(false);
    what.gateway.data.take_back();
    Err(match ended {
        Some(status) => HandOverFault::Ended(status),
        None => HandOverFault::NotServing(fault),
    })
}

fn converse(what: &HandOver, line: &UnixStream) -> io::Result<()> {
    line.set_read_timeout(Some(PATIENCE))?;
    line.set_write_timeout(Some(PATIENCE))?;
    Word::Take.hear(line)?;
    let HandOver { gateway, sockets } = what;
    // What is written last is what the newer one reads.
    gateway.clock().write()?;
    gateway.clock().leave_writing(true);
    let lock = gateway.data.hand_over(Arc::new(NextProcess { data: gateway.data.path().to_owned() }))?;
    let offer = Offer { version: VERSION, listen: sockets.iter().map(|(address, _)| *address).collect() };
    let mut text = serde_json::to_vec(&offer)?;
    text.push(b'\n');
    let files: Vec<_> = std::iter::once(lock.as_fd()).chain(sockets.iter().map(|(_, socket)| socket.as_fd())).collect();
    descriptors::send(line, &text, &files)?;
    Word::Ready.hear(line)?;
    Word::Accept.say(line)?;
    Word::Serving.hear(line)
}

/// Stops it, unless it has ended by itself or is about to; then how it ended.
fn stop(child: &mut Child, fault: &io::Error) -> Option<ExitStatus> {
    // One that has closed its end of the line without a word is ending: its status says more than that.
    let looks = if fault.kind() == io::ErrorKind::UnexpectedEof { LOOKS } else { 1 };
    // Nobody ever sends: the wait is the interval.
    let (_open, closed) = sync_channel::<()>(0);
    for _ in 0..looks {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status),
            Ok(None) => {
                let _ = closed.recv_timeout(LOOK_EVERY);
            }
            Err(_) => break,
        }
    }
    let _ = child.kill();
    let _ = child.wait();
    None
}

impl Successor for NextProcess {
    fn read_store(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async {
            let told = timeout(TELLING, tell(self.data.clone())).await;
            if !matches!(told, Ok(Ok(_))) {
                tracing::warn!("the newer process was not told of a revocation; it reads the store by itself");
            }
        })
    }
}

async fn tell(data: PathBuf) -> io::Result<control::CommandAnswer> {
    let ask = |data: &Path| control::ask(data, &Command::ReadRevocations);
    spawn_blocking(move || ask(&data)).await.map_err(io::Error::other)?
}
