//! A bounded queue with a thread that writes what is in it. Who pushes never waits.

use std::{
    fmt,
    io::Write,
    sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    thread,
    time::Duration,
};

/// Larger writes than this are made at once, even while more is waiting.
const BATCH: usize = 64 * 1024;

/// A queue of `T`s and the thread that writes them. Cheap to clone.
pub(super) struct Queue<T>(SyncSender<Item<T>>);

enum Item<T> {
    Write(T),
    Flush(SyncSender<()>),
}

impl<T: Send + 'static> Queue<T> {
    /// Starts the thread `name`, which forms each item and writes it to `sink`. At most `room` items wait.
    pub(super) fn start(
        name: &str,
        room: usize,
        sink: Box<dyn Write + Send>,
        form: impl Fn(T, &mut Vec<u8>) + Send + 'static,
    ) -> Self {
        let (sender, receiver) = sync_channel(room);
        let started = thread::Builder::new().name(name.to_owned()).spawn(move || drain(&receiver, sink, form));
        if started.is_err() {
            // Without its thread every push finds the queue closed, and counts what it drops.
            metrics::counter!("log.dropped").increment(1);
        }
        Self(sender)
    }

    /// Takes the item if there is room, and counts it as dropped if not.
    pub(super) fn push(&self, item: T) {
        match self.0.try_send(Item::Write(item)) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                metrics::counter!("log.dropped").increment(1);
            }
        }
    }

    /// Waits until what was pushed before is written, at most for `wait`.
    pub(super) fn flush(&self, wait: Duration) {
        let (done, written) = sync_channel(1);
        if self.0.try_send(Item::Flush(done)).is_ok() {
            // Out of time or the thread gone: either way there is nothing more to wait for.
            let _ = written.recv_timeout(wait);
        }
    }
}

/// Writes until every sender is gone. A sink that fails loses the batch, not the thread.
fn drain<T>(receiver: &Receiver<Item<T>>, mut sink: Box<dyn Write + Send>, form: impl Fn(T, &mut Vec<u8>)) {
    let mut batch = Vec::new();
    while let Ok(first) = receiver.recv() {
        let mut next = Some(first);
        while let Some(item) = next {
            match item {
                Item::Write(item) => form(item, &mut batch),
                Item::Flush(done) => {
                    write(&mut sink, &mut batch);
                    let _ = done.try_send(());
                }
            }
            next = if batch.len() < BATCH { receiver.try_recv().ok() } else { None };
        }
        write(&mut sink, &mut batch);
    }
}

fn write(sink: &mut Box<dyn Write + Send>, batch: &mut Vec<u8>) {
    if sink.write_all(batch).and_then(|()| sink.flush()).is_err() {
        metrics::counter!("log.failed").increment(1);
    }
    batch.clear();
}

impl<T> Clone for Queue<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> fmt::Debug for Queue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Queue")
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        sync::{Arc, Mutex, mpsc::sync_channel},
    };

    use auth_core::lock::lock;

    use super::*;

    const LONG: Duration = Duration::from_secs(20);

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            lock(&self.0).extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// A sink that stands still until it is let go.
    struct Stuck(Receiver<()>, SyncSender<()>);

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.1.try_send(());
            let _ = self.0.recv();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_is_pushed_is_written_in_order() {
        let sink = Shared::default();
        let queue = Queue::start("test", 1000, Box::new(sink.clone()), |n: u32, out: &mut Vec<u8>| {
            out.extend(n.to_string().bytes());
        });
        (0..5).for_each(|n| queue.push(n));
        queue.flush(LONG);
        assert_eq!(*lock(&sink.0), b"01234");
    }

    #[test]
    fn a_stuck_sink_holds_nobody_up() {
        let (go, gate) = sync_channel(0);
        let (at_the_gate, stuck) = sync_channel(1);
        let queue = Queue::start("test", 4, Box::new(Stuck(gate, at_the_gate)), |n: u8, out: &mut Vec<u8>| out.push(n));
        queue.push(0);
        stuck.recv().expect("the thread writes");
        (0..100).for_each(|n| queue.push(n));
        assert!(queue.0.try_send(Item::Write(0)).is_err(), "the queue is full and nobody waited");
        drop(go);
    }
}
