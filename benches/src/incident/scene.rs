//! One gateway's surroundings: the monolith behind it, the clients in front of it, and what they met.

use std::{
    net::SocketAddr,
    sync::{Mutex, MutexGuard, OnceLock},
    time::Instant,
};

use auth_core::lock::lock;

use super::{
    display::Display,
    ledger::{Circumstances, Ledger, Standing},
    monolith::Monolith,
    person::Person,
};

/// What all clients of one gateway share.
pub(super) struct Scene {
    /// Where the gateway listens.
    pub(super) address: SocketAddr,
    /// What stands behind it.
    pub(super) monolith: Monolith,
    began: OnceLock<Instant>,
    tokens: Mutex<Vec<String>>,
    ledger: Mutex<Ledger>,
}

impl Scene {
    /// Displays that work, one for each of `tokens`, which the monolith gave out, and nobody else yet.
    pub(super) fn new(address: SocketAddr, monolith: Monolith, tokens: Vec<String>) -> Self {
        for token in &tokens {
            monolith.give_out(token);
        }
        let displays = tokens.iter().map(|_| Standing::of(Display::Working)).collect();
        let ledger = Mutex::new(Ledger { displays, ..Ledger::default() });
        Self { address, monolith, began: OnceLock::new(), tokens: Mutex::new(tokens), ledger }
    }

    /// Times count from now on.
    pub(super) fn begin(&self) {
        let _ = self.began.set(Instant::now());
    }

    /// What was met so far, for whoever adds to it.
    pub(super) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        let mut ledger = lock(&self.ledger);
        ledger.now.at = self.began.get().map_or(0.0, |began| began.elapsed().as_secs_f64());
        ledger
    }

    /// Somebody signed in; their number.
    pub(super) fn signed_in(&self) -> usize {
        let mut ledger = self.ledger();
        ledger.people.push(Standing::of(Person::SignedIn));
        ledger.people.len() - 1
    }

    /// Things stand otherwise from now on.
    pub(super) fn change(&self, change: impl FnOnce(&mut Circumstances)) {
        change(&mut self.ledger().now);
    }

    /// The token of the display with this number.
    pub(super) fn token(&self, display: usize) -> String {
        lock(&self.tokens)[display].clone()
    }

    /// The display with this number renews its token, if it still has one.
    pub(super) fn renew(&self, display: usize, token: impl FnOnce() -> String) {
        let mut ledger = self.ledger();
        let standing = &mut ledger.displays[display];
        if standing.state == Display::Working {
            let token = token();
            self.monolith.give_out(&token);
            lock(&self.tokens)[display] = token;
            standing.has_new_key = true;
        }
    }

    /// Which displays renew their token soon after the rotation: one in five.
    pub(super) fn renewing(&self) -> impl Iterator<Item = usize> + use<> {
        (0..lock(&self.tokens).len()).step_by(5)
    }
}
