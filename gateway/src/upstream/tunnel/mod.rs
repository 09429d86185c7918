//! Tunnels: a client's connection and an endpoint's that have become one, after a 101 that was vetted.
//!
//! Bytes go both ways until a side ends. A tunnel holds its slot at the endpoint for as long, and it lasts: so it is looked
//! at every few seconds whether whoever opened it may still have it. It ends by a proof, by silence, with the gateway or
//! with one of its sides, and by no outage: that nothing can be confirmed just now, for however long, closes none.
//!
//! A WebSocket is closed by a frame of ours where one fits: between two frames of the service's, of which the one that is
//! under way has a moment to pass. 1008 is said by a proof alone.

mod frames;
mod handshake;
mod pipes;

use std::{fmt, future::poll_fn, io, time::Duration};

use auth_core::verdict::Rejected;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use socket2::{SockRef, TcpKeepalive};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{Instant, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;

pub(super) use self::handshake::UpgradeRequest;
use self::{
    frames::ClosingWord,
    pipes::{Ended, Pipes},
};
use super::endpoint::EndpointSlot;
use crate::body::Watch;

/// How long an end of ours may take: until a frame that is under way has passed, and the client has heard the word.
pub const CLOSE_WITHIN: Duration = Duration::from_secs(2);

/// A tunnel whose client has yet to be told.
pub struct Tunnel {
    pub(super) is_websocket: bool,
    pub(super) client: OnUpgrade,
    pub(super) upstream: Upgraded,
    pub(super) slot: EndpointSlot,
    /// How long nothing may move.
    pub(super) idle: Duration,
    /// How long the client may take none of what there is for it.
    pub(super) stall: Duration,
}

/// What became of a tunnel.
#[derive(Debug)]
pub struct TunnelOutcome {
    /// How many bytes were handed to the client.
    pub sent: u64,
    /// How many bytes of the client's were handed to the upstream.
    pub received: u64,
    /// Why it ended.
    pub end: TunnelEnd,
}

/// Why a tunnel ended.
#[derive(Debug)]
pub enum TunnelEnd {
    /// Both sides were done.
    Whole,
    /// The client left in the middle.
    Client,
    /// The upstream left in the middle.
    Upstream,
    /// Nothing moved for too long.
    Idle,
    /// It is proven meanwhile that whoever opened it may not have it any more.
    Rejected(Rejected),
    /// The gateway ends.
    Shutdown,
}

/// Has the other end of a connection probed while it is silent: a tunnel may be silent for hours, and its other side be gone
/// meanwhile without a word. A listening socket hands this on to the connections that it accepts.
///
/// # Errors
/// The machine does not take the option.
pub fn keep_alive<'s, S>(socket: &'s S) -> io::Result<()>
where
    SockRef<'s>: From<&'s S>,
{
    let probes = TcpKeepalive::new().with_time(Duration::from_secs(60)).with_interval(Duration::from_secs(15));
    SockRef::from(socket).set_tcp_keepalive(&probes)
}

/// The two sides of a tunnel, connected.
struct Sides {
    client: TokioIo<Upgraded>,
    upstream: TokioIo<Upgraded>,
    pipes: Pipes,
}

impl Tunnel {
    /// How long the client may take none of what there is for it.
    pub fn stall(&self) -> Duration {
        self.stall
    }

    /// Carries bytes both ways until the tunnel ends: once the client has been told, until `closing` at the latest.
    pub async fn carry(self, mut watch: Option<Watch>, closing: CancellationToken) -> TunnelOutcome {
        let Self { is_websocket, client, upstream, slot: _slot, idle, stall: _ } = self;
        let Ok(client) = client.await else {
            return TunnelOutcome { sent: 0, received: 0, end: TunnelEnd::Client };
        };
        let (client, upstream) = (TokioIo::new(client), TokioIo::new(upstream));
        let mut sides = Sides { client, upstream, pipes: Pipes::new(is_websocket) };
        let end = sides.until_an_end(watch.as_mut(), &closing, idle).await;
        if let Some(word) = closing_word(&end, watch.as_ref()) {
            // Who takes nothing is cut.
            let _ = timeout(CLOSE_WITHIN, sides.close(word)).await;
        }
        TunnelOutcome { sent: sides.pipes.sent(), received: sides.pipes.received(), end }
    }
}

/// What a WebSocket's client is told of its end; of one that ended by itself nothing.
fn closing_word(end: &TunnelEnd, watch: Option<&Watch>) -> Option<Word> {
    match end {
        TunnelEnd::Client => None,
        TunnelEnd::Whole => Some(Word::Nothing),
        // A display would take it for the end of its pairing, and its token for lost.
        TunnelEnd::Rejected(rejected) if watch.is_some_and(|watch| watch.is_renewed_after(rejected)) => {
            Some(Word::Frame(ClosingWord::TryAgain))
        }
        TunnelEnd::Rejected(_) => Some(Word::Frame(ClosingWord::Rejected)),
        #[cfg(candor_mutants)]
        TunnelEnd::Upstream if auth_core::mutants::is("policy-word-without-proof") => {
            Some(Word::Frame(ClosingWord::Rejected))
        }
        TunnelEnd::Upstream | TunnelEnd::Idle => Some(Word::Frame(ClosingWord::TryAgain)),
        TunnelEnd::Shutdown => Some(Word::Frame(ClosingWord::Restarting)),
    }
}

/// What is said last.
enum Word {
    /// Everything was said.
    Nothing,
    /// A close frame, where one fits.
    Frame(ClosingWord),
}

impl Sides {
    async fn until_an_end(
        &mut self,
        mut watch: Option<&mut Watch>,
        closing: &CancellationToken,
        idle: Duration,
    ) -> TunnelEnd {
        let Self { client, upstream, pipes } = self;
        loop {
            let silent = pipes.moved() + idle;
            let next = watch.as_ref().map_or(silent, |watch| watch.next().min(silent));
            // A side that never stops must not keep the others from being asked.
            let ended = tokio::select! {
                biased;
                () = closing.cancelled() => return TunnelEnd::Shutdown,
                () = sleep_until(next) => None,
                ended = poll_fn(|cx| pipes.poll(cx, client, upstream)) => Some(ended),
            };
            match ended {
                Some(Ended::Both) => return TunnelEnd::Whole,
                Some(Ended::Client) => return TunnelEnd::Client,
                Some(Ended::Upstream) => return TunnelEnd::Upstream,
                None => {}
            }
            if let Some(Err(rejected)) = watch.as_mut().map(|watch| watch.look()) {
                return TunnelEnd::Rejected(rejected);
            }
            if pipes.moved() + idle <= Instant::now() {
                return TunnelEnd::Idle;
            }
        }
    }

    /// Says the last word, and hears the client out: bytes that nobody reads would reset the connection, and the word with
    /// it.
    async fn close(&mut self, word: Word) -> io::Result<()> {
        let Self { client, upstream, pipes } = self;
        if let Word::Frame(word) = word {
            poll_fn(|cx| pipes.poll_frame_end(cx, client, upstream)).await?;
            client.write_all(&word.frame()).await?;
        }
        client.shutdown().await?;
        let mut unheard = [0; 1024];
        while client.read(&mut unheard).await? > 0 {}
        Ok(())
    }
}

impl fmt::Debug for Tunnel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tunnel(websocket: {})", self.is_websocket)
    }
}
