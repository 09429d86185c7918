//! The show: a monolith, a provider, a gateway and two gates that are not Candor, a wall of displays and a few people
//! on either side, and the switches that break things.
//!
//! The gateway here is the one that is deployed, from a configuration file's text. What is broken is broken where it
//! really breaks: the pretend servers, and the gateway's own store.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use tokio::{
    signal::unix::{SignalKind, signal},
    sync::{mpsc, watch},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

use super::{Health, Mode, page::ShowPage, stage::Stage, state::ShowState};

/// How the show is run.
pub struct ShowOptions {
    /// The page's port; 0 chooses one.
    pub port: u16,
    /// How often the clients ask.
    pub round: Duration,
    /// How long the gates, and the gateway among them, wait for what they ask. Shorter than a round, so that rounds keep
    /// their time while something hangs.
    pub deadline: Duration,
    /// After how many rounds what is broken heals by itself.
    pub lasts: u32,
    /// How many rounds "Replay January 2021" lasts.
    pub replay: u32,
    /// How many PINs technicians type in a round.
    pub technicians: usize,
    /// How long a revocation stands before a display is told: ten minutes where nobody waits for it.
    pub settle: Duration,
}

/// A running show.
pub struct Show {
    page: ShowPage,
    playing: JoinHandle<()>,
    end: CancellationToken,
}

/// What the page asks for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Cue {
    Monolith(Mode, &'static str),
    Provider(Health, &'static str),
    Store(bool),
    Replay,
    Revoke,
    Heal,
    New,
    Technicians,
}

/// Plays the show at `port` until the program is told to end, and prints where the page is.
///
/// # Errors
/// An address cannot be listened on, or the gateway does not start.
pub async fn run(port: u16) -> io::Result<()> {
    let show = Show::start(ShowOptions { port, ..ShowOptions::default() }).await?;
    println!("ready http://{}", show.address());
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted?,
        _ = terminate.recv() => {}
    }
    show.end().await;
    Ok(())
}

impl Default for ShowOptions {
    fn default() -> Self {
        Self {
            port: 0,
            round: Duration::from_secs(1),
            deadline: Duration::from_millis(800),
            lasts: 20,
            replay: 30,
            technicians: 4,
            settle: Duration::from_secs(10),
        }
    }
}

impl Show {
    /// Starts everything, signs everybody in, and begins to play.
    ///
    /// # Errors
    /// An address cannot be listened on, or the gateway does not start.
    pub async fn start(options: ShowOptions) -> io::Result<Self> {
        let port = options.port;
        let mut stage = Stage::set(options).await?;
        stage.everybody_signs_in().await;
        let (cues, cued) = mpsc::channel(16);
        let (publish, state) = watch::channel(ShowState::default());
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let page = ShowPage::start(listen, &stage.blanks(), state, stage.history(), cues).await;
        let page = match page {
            Ok(page) => page,
            Err(cannot_listen) => {
                stage.strike().await;
                return Err(cannot_listen);
            }
        };
        stage.set_home(format!("http://{}/", page.address()));
        let end = CancellationToken::new();
        Ok(Self { page, playing: tokio::spawn(stage.play(cued, publish, end.clone())), end })
    }

    /// Where the page is.
    pub fn address(&self) -> SocketAddr {
        self.page.address()
    }

    /// Ends it all.
    pub async fn end(self) {
        self.end.cancel();
        let _ = self.playing.await;
    }
}
