//! A thread with a runtime of its own: each part of the gateway that must not wait for the others has one.

use std::{io, thread, time::Duration};

use tokio::{
    runtime::{self, LocalOptions},
    sync::oneshot,
};

/// How long a runtime's blocking calls may take to end when everything else on it has.
const LAST_CALLS: Duration = Duration::from_millis(200);

/// A thread, and word of its end.
pub(super) struct Thread {
    handle: thread::JoinHandle<()>,
    ended: oneshot::Receiver<()>,
}

impl Thread {
    /// Starts a thread called `name`. On its runtime `begin` makes ready what it needs and returns what it does; what
    /// that yields is dropped once the runtime has ended, so that nothing uses it any more.
    ///
    /// # Errors
    /// The machine has no thread or poller left, or `begin` fails.
    pub(super) async fn start<F, W>(name: String, begin: F) -> io::Result<Self>
    where
        F: FnOnce() -> io::Result<W> + Send + 'static,
        W: Future,
    {
        let (up, started) = oneshot::channel();
        let (end, ended) = oneshot::channel();
        let handle = thread::Builder::new().name(name).spawn(move || {
            match runtime::Builder::new_current_thread().enable_all().build_local(LocalOptions::default()) {
                Ok(runtime) => {
                    let left = runtime.block_on(async move {
                        match begin() {
                            Ok(work) => {
                                // Whoever started it waits for this; if they did not, it would be told to stop.
                                let _ = up.send(Ok(()));
                                Some(work.await)
                            }
                            Err(error) => {
                                let _ = up.send(Err(error));
                                None
                            }
                        }
                    });
                    runtime.shutdown_timeout(LAST_CALLS);
                    drop(left);
                }
                Err(error) => {
                    let _ = up.send(Err(error));
                }
            }
            let _ = end.send(());
        })?;
        started.await.map_err(io::Error::other)??;
        Ok(Self { handle, ended })
    }

    /// Waits until it has ended.
    pub(super) async fn ended(self) {
        let _ = self.ended.await;
        let _ = self.handle.join();
    }
}
