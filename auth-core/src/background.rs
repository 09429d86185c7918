//! The runtime on which every call to a store or a provider runs.
//!
//! A request's future is dropped when its client goes away. What was begun for it (a code spent, a row written)
//! must not be: so such work is spawned here, on a runtime of its own, and the request only awaits its result.

use std::future::Future;

use tokio::{runtime::Handle, task::JoinHandle};

use crate::{dependency::Dependency, verdict::Unavailable};

/// A handle to the background runtime. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Background(Handle);

impl Background {
    /// The handle to `runtime`.
    pub fn new(runtime: Handle) -> Self {
        Self(runtime)
    }

    /// The handle to the runtime that this is called from.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn current() -> Self {
        Self(Handle::current())
    }

    /// Runs `work` to its end, whoever stops waiting for it.
    ///
    /// # Errors
    /// Unavailable, if the work panicked or the runtime is going down.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, Unavailable> {
        self.0.spawn(work).await.map_err(|gone| Unavailable::because(Dependency::Background, gone))
    }

    /// Starts `work` without waiting for it.
    pub fn spawn<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
        self.0.spawn(work)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_vanished_client_does_not_cancel_the_work() {
        let background = Background::current();
        let (go, gate) = tokio::sync::oneshot::channel::<()>();
        let (done, finished) = tokio::sync::oneshot::channel();
        let mut request = Box::pin(background.run(async move {
            gate.await.expect("the test opens the gate");
            done.send("kept").expect("the test listens");
        }));
        tokio::select! {
            biased;
            _ = &mut request => panic!("the gate is closed"),
            () = std::future::ready(()) => {}
        }
        drop(request);
        go.send(()).expect("the work still waits");
        assert_eq!(finished.await, Ok("kept"));
    }

    #[tokio::test]
    async fn a_panic_is_unavailable() {
        let answer: Result<(), _> = Background::current().run(async { panic!("planned") }).await;
        assert_eq!(answer.expect_err("it panicked").dependency, Dependency::Background);
    }
}
