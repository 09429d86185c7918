//! What lives in the process for as long as somebody holds it: who asks for the same thing again gets the same one.
//!
//! So a configuration that replaces another goes on with the issuers and endpoints that both name, and what neither a
//! configuration nor a request holds any more is gone.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, Weak},
};

use auth_core::lock::lock;

/// Values by what they are. It keeps none of them alive.
#[derive(Debug)]
pub struct Registry<K, V>(Mutex<HashMap<K, Weak<V>>>);

impl<K: Eq + Hash, V> Registry<K, V> {
    /// The value of `key`: the one that somebody holds, else a new one.
    ///
    /// # Errors
    /// That of `make`.
    pub fn get_or_make<E>(&self, key: K, make: impl FnOnce() -> Result<V, E>) -> Result<Arc<V>, E> {
        let mut values = lock(&self.0);
        values.retain(|_, value| value.strong_count() > 0);
        if let Some(value) = values.get(&key).and_then(Weak::upgrade) {
            return Ok(value);
        }
        let value = Arc::new(make()?);
        values.insert(key, Arc::downgrade(&value));
        Ok(value)
    }

    /// Every value that somebody holds.
    pub fn held(&self) -> Vec<Arc<V>> {
        lock(&self.0).values().filter_map(Weak::upgrade).collect()
    }
}

impl<K, V> Default for Registry<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    #[test]
    fn what_somebody_holds_is_the_same_and_what_nobody_holds_is_gone() {
        let registry = Registry::default();
        let get = |key, value| registry.get_or_make(key, || Ok::<_, Infallible>(value)).expect("it is made");
        let first = get("a", 1);
        assert!(Arc::ptr_eq(&first, &get("a", 2)));
        assert_eq!(*get("b", 3), 3, "nobody holds it after this line");
        assert_eq!(*get("b", 4), 4);
        drop(first);
        assert_eq!(*get("a", 5), 5);
        assert_eq!(lock(&registry.0).len(), 1, "what is gone takes no room");
    }

    #[test]
    fn what_cannot_be_made_is_not_there() {
        let registry = Registry::default();
        assert_eq!(registry.get_or_make("a", || Err("no")), Err::<Arc<u8>, _>("no"));
        assert_eq!(*registry.get_or_make("a", || Ok::<_, &str>(1)).expect("it is made"), 1);
    }
}
