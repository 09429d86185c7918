//! For model checks (feature `breakable`): the same device with its history taken out, so that two that will behave
//! alike are equal.

use std::time::Duration;

use super::{CONFIRM_AFTER, DEBOUNCE, DENIALS_WITHIN, DeviceClient, wanted::NONCE_LASTS};

impl DeviceClient {
    /// The time to which [`moved_to_zero`](Self::moved_to_zero) moves the present.
    pub const ZERO: Duration = Duration::from_secs(1_000_000);
    /// The number that the last request has then.
    pub const LAST_NUMBER: u64 = 100;

    /// Moves the present, `now`, to [`ZERO`](Self::ZERO). Waits and ages are rounded to minutes, and how often it failed
    /// to once; a nonce does not grow old.
    pub fn moved_to_zero(&mut self, now: Duration) {
        let minutes = |time: Duration| Duration::from_secs(time.as_secs().div_ceil(60) * 60);
        let ahead = |at: Duration| Self::ZERO + minutes(at.saturating_sub(now));
        let age = |at: Duration| now.saturating_sub(at);
        let back = |at: Duration| Self::ZERO - age(at).min(CONFIRM_AFTER);
        self.due = ahead(self.due);
        if self.renew_at != Duration::MAX {
            self.renew_at = ahead(self.renew_at);
        }
        if let Some(waiting) = &mut self.waiting {
            waiting.until = ahead(waiting.until);
            waiting.number = Self::LAST_NUMBER;
        }
        self.number = Self::LAST_NUMBER;
        if let Some(nonce) = &mut self.nonce {
            nonce.until = Self::ZERO + NONCE_LASTS;
        }
        if let Some(open) = &mut self.activation {
            open.until = ahead(open.until);
        }
        self.attempts = self.attempts.min(1);
        self.failing_since = self.failing_since.map(|_| Self::ZERO);
        self.successes = 0;
        self.denials.retain(|at| age(*at) < DENIALS_WITHIN);
        self.denials.fill(Self::ZERO);
        self.last_check =
            self.last_check.filter(|at| age(*at) < DENIALS_WITHIN).map(|at| Self::ZERO - minutes(age(at)));
        self.last_retry = self.last_retry.filter(|at| age(*at) < DEBOUNCE).map(|_| Self::ZERO);
        self.first_statement = self.first_statement.map(|(verdict, at)| (verdict, back(at)));
        self.shown_at = self.shown_at.map(|_| Self::ZERO);
    }
}
