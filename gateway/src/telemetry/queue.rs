//! A bounded queue with a thread that writes what is in it. Who pushes never waits.

use std::{
    fmt,
    io::Write,
    sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    thread,
    time::Duration,
};

use metrics::Counter;

use super::metrics::{LOG_LINES_DROPPED, LOG_WRITES_FAILED};

/// Larger writes than this are made at once, even while more is waiting.
const BATCH: usize = 64 * 1024;

/// A queue of `T`s and the thread that writes them. Cheap to clone.
pub(super) struct Queue<T> {
    sender: SyncSender<Item<T>>,
    dropped: Counter,
}

enum Item<T> {
    Write(T),
    Flush(SyncSender<()>),
}

impl<T: Send + 'static> Queue<T> {
    /// Starts the thread that forms each item of the log `name`, and writes it to `sink`. At most `room` items wait.
    pub(super) fn start(
        name: &'static str,
        room: usize,
        sink: Box<dyn Write + Send>,
        form: impl Fn(T, &mut Vec<u8>) + Send + 'static,
    ) -> Self {
        let (sender, receiver) = sync_channel(room);
        let (dropped, failed) = (LOG_LINES_DROPPED.with([name]), LOG_WRITES_FAILED.with([name]));
        let thread = thread::Builder::new().name(format!("{name} log"));
        let started = thread.spawn(move || drain(&receiver, sink, form, &failed));
        if started.is_err() {
            // Without its thread every push finds the queue closed, and counts what it drops.
            dropped.increment(1);
        }
        Self { sender, dropped }
    }

    /// Takes the item if there is room, and counts it as dropped if not.
    pub(super) fn push(&self, item: T) {
        match self.sender.try_send(Item::Write(item)) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.dropped.increment(1);
            }
        }
    }

    /// Waits until what was pushed before is written, at most for `wait`.
    pub(super) fn flush(&self, wait: Duration) {
        let (done, written) = sync_channel(1);
        if self.sender.try_send(Item::Flush(done)).is_ok() {
            // Out of time or the thread gone: either way there is nothing more to wait for.
            let _ = written.recv_timeout(wait);
        }
    }
}

/// Writes until every sender is gone. A sink that fails loses the batch, not the thread.
fn drain<T>(
    receiver: &Receiver<Item<T>>,
    mut sink: Box<dyn Write + Send>,
    form: impl Fn(T, &mut Vec<u8>),
    failed: &Counter,
) {
    let mut batch = Vec::new();
    while let Ok(first) = receiver.recv() {
        let mut next = Some(first);
        while let Some(item) = next {
            match item {
                Item::Write(item) => form(item, &mut batch),
                Item::Flush(done) => {
                    write(&mut sink, &mut batch, failed);
                    let _ = done.try_send(());
                }
            }
            next = if batch.len() < BATCH { receiver.try_recv().ok() } else { None };
        }
        write(&mut sink, &mut batch, failed);
    }
}

fn write(sink: &mut Box<dyn Write + Send>, batch: &mut Vec<u8>, failed: &Counter) {
    if sink.write_all(batch).and_then(|()| sink.flush()).is_err() {
        failed.increment(1);
    }
    batch.clear();
}

impl<T> Clone for Queue<T> {
    fn clone(&self) -> Self {
        Self { sender: self.sender.clone(), dropped: self.dropped.clone() }
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
        assert!(queue.sender.try_send(Item::Write(0)).is_err(), "the queue is full and nobody waited");
        drop(go);
    }
}
