//! Taking a mutex. One panic while a lock was held must not turn into a refusal for everybody after it, so poisoning
//! is ignored; what the locks guard is replaced whole or counted, never left half-made.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Takes `mutex`, poisoned or not. For short sections only, never across an await.
#[expect(clippy::disallowed_methods, reason = "this is the one place that takes a std mutex")]
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
