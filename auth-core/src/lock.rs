//! Taking a mutex. One panic while a lock was held must not turn into a refusal for everybody after it, so poisoning
//! is ignored; what the locks guard is replaced whole or counted, never left half-made.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Takes `mutex`, poisoned or not. For short sections only, never across an await.
#[expect(clippy::disallowed_methods, reason = "this is the one place that takes a std mutex")]
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    #[cfg(test)]
    assert!(!NO_LOCKS.get(), "a lock was taken where none may be");
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
thread_local! {
    static NO_LOCKS: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// Does `work`, which panics if it takes a mutex on this thread.
#[cfg(test)]
pub(crate) fn without_locks<T>(work: impl FnOnce() -> T) -> T {
    NO_LOCKS.set(true);
    let done = work();
    NO_LOCKS.set(false);
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "a lock was taken")]
    fn a_lock_that_must_not_be_taken_is_noticed() {
        let mutex = Mutex::new(1);
        assert_eq!(without_locks(|| 1), *lock(&mutex));
        without_locks(|| drop(lock(&mutex)));
    }
}
