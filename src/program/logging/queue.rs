//! Lines on their way to a reader that may stop reading: a bounded queue and one thread that writes.
//!
//! Whoever hands in a line never waits. What finds the queue full is dropped and counted, and that is said as soon as the reader
//! takes lines again. A library for this (tracing-appender) was looked at: it does not say what was dropped, does not bound the bytes
//! in its queue, and gives up a line where a pipe is non-blocking. Must not know where lines come from, nor their form.

use std::cell::Cell;
use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Lines that wait at most.
pub(super) const LINES: usize = 4096;
/// Bytes that wait at most: a line may be long.
const BYTES: usize = 4 << 20;
/// While lines are dropped all the time, that is said this often.
const SAY_EVERY: Duration = Duration::from_secs(1);
/// Pause where the other end cannot take anything just now and writing does not wait for it.
const FULL_NAP: Duration = Duration::from_millis(10);

thread_local! {
    /// Whether this is the writing thread, whose own lines pass the queue by.
    static IS_WRITER: Cell<bool> = const { Cell::new(false) };
}

/// The queue in front of one writer.
#[derive(Default)]
pub(super) struct LineQueue {
    waiting: Mutex<Waiting>,
    changed: Condvar,
    dropped: AtomicU64,
}

#[derive(Default)]
struct Waiting {
    lines: VecDeque<Box<[u8]>>,
    bytes: usize,
    /// Whether a line is being written.
    is_writing: bool,
    /// Dropped and not said yet.
    unsaid: u64,
}

impl LineQueue {
    /// Takes a line, or drops and counts it. Never waits.
    pub(super) fn push(&self, line: &[u8]) {
        let mut waiting = self.lock();
        let bytes = waiting.bytes.saturating_add(line.len());
        if waiting.lines.len() >= LINES || bytes > BYTES {
            waiting.unsaid += 1;
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        waiting.lines.push_back(line.into());
        waiting.bytes = bytes;
        drop(waiting);
        self.changed.notify_all();
    }

    /// Lines that were dropped since the start.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Waits until every line is written, but no longer than this; whether all are.
    pub(super) fn flush(&self, at_most: Duration) -> bool {
        let is_busy = |waiting: &mut Waiting| !waiting.lines.is_empty() || waiting.is_writing;
        let result = self.changed.wait_timeout_while(self.lock(), at_most, is_busy);
        !result.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    /// Writes lines as they come, for ever; `say` tells how many were dropped, by a line of its own.
    pub(super) fn write_all_to(&self, out: impl Write, say: impl Fn(u64)) {
        IS_WRITER.set(true);
        let (mut out, mut said) = (out, None::<Instant>);
        loop {
            let line = self.next();
            let is_written = write_line(&mut out, &line).is_ok();
            if !is_written {
                self.dropped.fetch_add(1, Ordering::Relaxed);
            }
            let is_time = said.is_none_or(|said| said.elapsed() >= SAY_EVERY);
            let mut waiting = self.lock();
            let unsaid = if is_written && (is_time || waiting.lines.is_empty()) { std::mem::take(&mut waiting.unsaid) } else { 0 };
            drop(waiting);
            if unsaid > 0 {
                say(unsaid);
                said = Some(Instant::now());
            }
            self.lock().is_writing = false;
            self.changed.notify_all();
        }
    }

    /// The line that has waited longest, as soon as there is one.
    fn next(&self) -> Box<[u8]> {
        let mut waiting = self.lock();
        loop {
            if let Some(line) = waiting.lines.pop_front() {
                waiting.bytes = waiting.bytes.saturating_sub(line.len());
                waiting.is_writing = true;
                return line;
            }
            waiting = self.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits for the reader, also where the other end is non-blocking because somebody else made it so.
fn write_line(out: &mut impl Write, mut line: &[u8]) -> io::Result<()> {
    while !line.is_empty() {
        match out.write(line) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => line = line.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => thread::sleep(FULL_NAP),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The queue as something to write to: each write is one line. On the writing thread it is what the queue writes to.
pub(super) struct LineWriter<D> {
    pub(super) queue: Arc<LineQueue>,
    pub(super) direct: D,
}

impl<D: Write> Write for LineWriter<D> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if IS_WRITER.get() {
            let _ = write_line(&mut self.direct, line);
        } else {
            self.queue.push(line);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

    use super::*;

    /// A reader that takes a line when it is told to.
    struct Reader {
        turns: Receiver<()>,
        read: SyncSender<Vec<u8>>,
    }

    impl Write for Reader {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            self.turns.recv().map_err(io::Error::other)?;
            self.read.send(line.to_vec()).map_err(io::Error::other)?;
            Ok(line.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_finds_the_queue_full_is_dropped_counted_and_said_when_the_reader_is_back() {
        let (turn, turns) = sync_channel(10_000);
        let (read, lines) = sync_channel(10_000);
        let (say, said) = sync_channel(10_000);
        let queue = Arc::new(LineQueue::default());
        let writing = Arc::clone(&queue);
        thread::spawn(move || writing.write_all_to(Reader { turns, read }, |dropped| say.send(dropped).unwrap()));
        // One is being written, and as many wait as may.
        queue.push(b"0");
        while !queue.lock().is_writing {
            thread::yield_now();
        }
        (0..LINES + 7).for_each(|_| queue.push(b"1"));
        assert_eq!(queue.dropped(), 7);
        assert!(!queue.flush(Duration::from_millis(1)), "nobody reads");
        (0..LINES + 1).for_each(|_| turn.send(()).unwrap());
        assert!(queue.flush(Duration::from_secs(120)), "all is read");
        assert_eq!(lines.try_iter().count(), LINES + 1);
        assert_eq!(said.try_iter().sum::<u64>(), 7);
        // Long lines fill it too.
        (0..6).for_each(|_| queue.push(&[b'x'; 1 << 20]));
        assert!((8..=9).contains(&queue.dropped()), "{}", queue.dropped());
    }
}
