//! What a client's connection is doing, and until when its client may take its time.
//!
//! A connection is idle until its first byte, reads a head until the service is called, and is busy while any of its
//! streams is open. One with many streams at a time (HTTP/2) may read a head while it is busy, and what comes while it is
//! idle need be none: there its frames say when a head begins and ends. Idle and head have deadlines here; what happens while busy has deadlines in the body. Its
//! [`Io`](super::io::Io) and its streams share a [`Phase`]; hyper wants an `Io` that is `Send`, so that all of it is
//! atomic. One thread at a time uses it, and no order between its parts is relied upon.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{sync::Notify, time::Instant};

use super::clients::ClientPlace;
use crate::{body::MinRate, config::ServerConfig, telemetry::Incomplete};

/// What a connection is doing, shared.
pub(super) struct Phase {
    limits: ClientTimeouts,
    connected: Instant,
    /// When it became what it is, counted from `connected`.
    since: AtomicDuration,
    /// How many streams are open.
    streams: AtomicUsize,
    /// Whether some of a head has been seen.
    head_begun: AtomicBool,
    /// Whether it has many streams at a time.
    multiplexed: AtomicBool,
    /// When the head was begun that came beside other streams.
    head_since: AtomicDuration,
    write_limit: AtomicDuration,
    /// How many bytes a second the client must take while it is waited for.
    min_rate: AtomicU64,
    client_left: AtomicBool,
    client_stalled: AtomicBool,
    /// Whether it is to make room for another client's.
    displaced: AtomicBool,
    told: Notify,
    /// Given back with the last that holds this: the connection, whatever it has become, and its streams.
    place: Option<ClientPlace>,
}

/// What a connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ConnectionState {
    /// Between requests: nothing of the next has been seen.
    Idle,
    /// Some of a head has been seen, not all.
    Head,
    /// A request is being served.
    Busy,
}

/// How long the two kinds of waiting may last.
#[derive(Clone, Copy, Debug)]
pub(super) struct ClientTimeouts {
    /// From the first byte of a head to its last.
    pub(super) head: Duration,
    /// Between two requests, and from connecting to the first byte.
    pub(super) idle: Duration,
}

/// A duration, in nanoseconds: good for 584 years.
#[derive(Default)]
struct AtomicDuration(AtomicU64);

impl Phase {
    /// A new connection: idle.
    pub(super) fn new(limits: ClientTimeouts) -> Arc<Self> {
        Arc::new(Self::in_place(limits, None))
    }

    /// A new connection of a client that holds `place`: idle.
    pub(super) fn of_client(limits: ClientTimeouts, place: ClientPlace) -> Self {
        Self::in_place(limits, Some(place))
    }

    fn in_place(limits: ClientTimeouts, place: Option<ClientPlace>) -> Self {
        let phase = Self {
            limits,
            connected: Instant::now(),
            since: AtomicDuration::default(),
            streams: AtomicUsize::new(0),
            head_begun: AtomicBool::new(false),
            multiplexed: AtomicBool::new(false),
            head_since: AtomicDuration::default(),
            write_limit: AtomicDuration::default(),
            min_rate: AtomicU64::new(0),
            client_left: AtomicBool::new(false),
            client_stalled: AtomicBool::new(false),
            displaced: AtomicBool::new(false),
            told: Notify::new(),
            place,
        };
        phase.write_limit.set(limits.idle);
        phase
    }

    /// Since when it has been waiting for its client, unless it is busy, or told to make room already.
    pub(super) fn waiting_since(&self) -> Option<Instant> {
        let waits = self.state() != ConnectionState::Busy && !self.displaced.load(Relaxed);
        waits.then(|| self.connected + self.since.get())
    }

    /// It is to make room for another client's, unless it is busy by the time that it hears of it.
    pub(super) fn displace(&self) {
        self.displaced.store(true, Relaxed);
        self.told.notify_one();
    }

    /// Ready when it is to make room, and is not busy. To be waited for on the thread that serves it, where nothing
    /// changes meanwhile.
    pub(super) async fn makes_room(&self) {
        loop {
            self.told.notified().await;
            if self.state() != ConnectionState::Busy {
                return;
            }
            self.displaced.store(false, Relaxed);
            if let Some(place) = &self.place {
                place.stays();
            }
        }
    }

    /// What the connection is doing.
    pub(super) fn state(&self) -> ConnectionState {
        match (self.streams.load(Relaxed), self.head_begun.load(Relaxed)) {
            (0, false) => ConnectionState::Idle,
            (0, true) => ConnectionState::Head,
            _ => ConnectionState::Busy,
        }
    }

    /// From here on it has many streams at a time.
    pub(super) fn multiplex(&self, now: Instant) {
        self.since.set(now.saturating_duration_since(self.connected));
        self.head_begun.store(false, Relaxed);
        self.multiplexed.store(true, Relaxed);
    }

    /// Whether it has many streams at a time.
    pub(super) fn is_multiplexed(&self) -> bool {
        self.multiplexed.load(Relaxed)
    }

    /// Whether some of a head has been seen, and not all, on a connection with many streams.
    pub(super) fn reads_head(&self, reads: bool, now: Instant) {
        if reads && !self.head_begun.load(Relaxed) {
            self.head_since.set(now.saturating_duration_since(self.connected));
        }
        self.head_begun.store(reads, Relaxed);
    }

    /// A whole head was read, and a stream is open: the connection is busy until it is closed.
    pub(super) fn stream_opened(&self) {
        self.streams.fetch_add(1, Relaxed);
        if !self.is_multiplexed() {
            self.head_begun.store(false, Relaxed);
        }
        self.write_limit.set(self.limits.idle);
        self.min_rate.store(0, Relaxed);
    }

    /// A stream was closed. After the last one the connection is idle.
    pub(super) fn stream_closed(&self, now: Instant) {
        self.since.set(now.saturating_duration_since(self.connected));
        self.streams.fetch_sub(1, Relaxed);
    }

    /// How long the client may refuse to take any bytes.
    pub(super) fn write_limit(&self) -> Duration {
        self.write_limit.get()
    }

    /// How long the client may refuse to take bytes of the answer that now begins.
    pub(super) fn set_write_limit(&self, limit: Duration) {
        self.write_limit.set(limit);
    }

    /// How fast the client must take bytes, on average over the time that it may take none.
    pub(super) fn min_rate(&self) -> MinRate {
        MinRate { bytes: self.min_rate.load(Relaxed), over: self.write_limit() }
    }

    /// How fast the client must take the answer that now begins.
    pub(super) fn set_min_rate(&self, least: MinRate) {
        self.min_rate.store(least.bytes, Relaxed);
    }

    /// The client took no bytes for too long, and is given up.
    pub(super) fn client_stalled(&self) {
        self.client_stalled.store(true, Relaxed);
    }

    /// HTTP is spoken no more: if anything is still under way, its client has left.
    pub(super) fn client_left(&self) {
        self.client_left.store(true, Relaxed);
    }

    /// Because of whom the connection has ended, if that was its client.
    pub(super) fn ended_by(&self) -> Option<Incomplete> {
        match (self.client_stalled.load(Relaxed), self.client_left.load(Relaxed)) {
            (true, _) => Some(Incomplete::ClientIdle),
            (false, true) => Some(Incomplete::Client),
            (false, false) => None,
        }
    }

    /// Bytes came.
    pub(super) fn heard(&self, now: Instant) {
        if !self.is_multiplexed() && self.state() == ConnectionState::Idle {
            self.since.set(now.saturating_duration_since(self.connected));
            self.head_begun.store(true, Relaxed);
        }
    }

    /// Until when a connection with many streams may stay, if it has none now.
    pub(super) fn idle_until(&self) -> Option<Instant> {
        let open = self.streams.load(Relaxed);
        (open == 0).then(|| self.connected + self.since.get() + self.limits.idle)
    }

    /// How long the two kinds of waiting may last.
    pub(super) fn limits(&self) -> ClientTimeouts {
        self.limits
    }

    /// When waiting for the client's next bytes ends.
    pub(super) fn deadline(&self) -> Option<Instant> {
        if self.is_multiplexed() {
            // That nothing is asked is seen where it can be said in order.
            let in_head = self.head_begun.load(Relaxed);
            return in_head.then(|| self.connected + self.head_since.get() + self.limits.head);
        }
        let limit = match self.state() {
            ConnectionState::Idle => self.limits.idle,
            ConnectionState::Head => self.limits.head,
            ConnectionState::Busy => return None,
        };
        Some(self.connected + self.since.get() + limit)
    }
}

impl ClientTimeouts {
    /// What `config` says.
    pub(super) fn of(config: &ServerConfig) -> Self {
        Self { head: config.head_timeout, idle: config.idle_timeout }
    }
}

impl AtomicDuration {
    fn get(&self) -> Duration {
        Duration::from_nanos(self.0.load(Relaxed))
    }

    fn set(&self, duration: Duration) {
        self.0.store(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX), Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: ClientTimeouts = ClientTimeouts { head: Duration::from_secs(10), idle: Duration::from_secs(75) };

    /// What the phase is after `events`, one a second, and how long after the last event waiting ends.
    fn after(events: &str) -> (ConnectionState, Option<u64>) {
        let phase = Phase::new(LIMITS);
        let mut now = phase.connected;
        for event in events.chars() {
            now += Duration::from_secs(1);
            match event {
                'r' => phase.heard(now),
                'b' => phase.stream_opened(),
                'i' => phase.stream_closed(now),
                other => panic!("no event {other:?}"),
            }
        }
        (phase.state(), phase.deadline().map(|deadline| (deadline - now).as_secs()))
    }

    #[test]
    fn each_kind_of_waiting_has_its_own_deadline() {
        let check = |events, state, left| assert_eq!(after(events), (state, left), "{events:?}");
        check("", ConnectionState::Idle, Some(75));
        check("r", ConnectionState::Head, Some(10));
        // A drip does not move the deadline.
        check("rrrr", ConnectionState::Head, Some(7));
        check("rb", ConnectionState::Busy, None);
        check("rbrr", ConnectionState::Busy, None);
        check("rbi", ConnectionState::Idle, Some(75));
        check("rbirr", ConnectionState::Head, Some(9));
        // Several streams at once, of which the last one counts.
        check("rbbrbii", ConnectionState::Busy, None);
        check("rbbrbiii", ConnectionState::Idle, Some(75));
    }

    #[test]
    fn many_streams_have_their_heads_beside_each_other() {
        let phase = Phase::new(LIMITS);
        let at = |seconds| phase.connected + Duration::from_secs(seconds);
        phase.multiplex(at(1));
        phase.heard(at(2));
        assert_eq!((phase.deadline(), phase.idle_until()), (None, Some(at(76))), "what came was no head");
        phase.reads_head(true, at(3));
        phase.reads_head(true, at(5));
        assert_eq!(phase.deadline(), Some(at(13)), "a drip does not move the deadline");
        phase.stream_opened();
        assert_eq!((phase.deadline(), phase.idle_until()), (Some(at(13)), None), "another stream was opened");
        phase.reads_head(false, at(6));
        phase.stream_opened();
        phase.stream_closed(at(7));
        assert_eq!((phase.deadline(), phase.idle_until()), (None, None));
        phase.stream_closed(at(8));
        assert_eq!((phase.deadline(), phase.idle_until()), (None, Some(at(83))));
    }
}
