//! The show: a monolith, a provider, a gateway and two gates that are not Candor, four clients in front of them, and
//! the switches that break things.
//!
//! The gateway here is the one that is deployed, from a configuration file's text. What is broken is broken where it
//! really breaks: the pretend servers, and the gateway's own store.

use std::{
    collections::BTreeMap,
    io,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use serde::Serialize;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::{mpsc, watch},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

use super::{Health, Mode, cast::Scene, page::ShowPage, stage::Stage};

/// How the show is run.
pub struct ShowOptions {
    /// The page's port; 0 chooses one.
    pub port: u16,
    /// How often the clients ask.
    pub round: Duration,
    /// How many rounds "Replay January 2021" lasts.
    pub replay: u32,
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
}

/// What the page shows.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct ShowState {
    pub(super) round: u64,
    pub(super) scenes: BTreeMap<&'static str, Scene>,
    pub(super) score: Score,
    pub(super) faults: BTreeMap<&'static str, &'static str>,
    pub(super) replaying: u32,
}

#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Score {
    pub(super) without: Losses,
    pub(super) with: Losses,
    pub(super) revoked: Option<String>,
}

#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Losses {
    pub(super) signed_out: u32,
    pub(super) wiped: u32,
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
        Self { port: 0, round: Duration::from_secs(1), replay: 20 }
    }
}

impl Show {
    /// Starts everything, signs the four clients in, and begins to play.
    ///
    /// # Errors
    /// An address cannot be listened on, or the gateway does not start.
    pub async fn start(options: ShowOptions) -> io::Result<Self> {
        let port = options.port;
        let mut stage = Stage::set(options).await?;
        stage.restore().await;
        let (cues, cued) = mpsc::channel(16);
        let (publish, state) = watch::channel(ShowState::default());
        let gateway = stage.gateway_address();
        let curl = format!("curl -i -H 'Authorization: Bearer {}' {gateway}/api/calendar", stage.display_token());
        let page = ShowPage::start(SocketAddr::from((Ipv4Addr::LOCALHOST, port)), gateway, curl, state, cues);
        let page = page.await?;
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
