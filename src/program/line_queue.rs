//! A bounded queue of lines, and the thread that writes them to a reader that may block.
//!
//! Adding a line never blocks. A line that finds the queue full is dropped and counted, and a message reports the number when the reader
//! continues. The library tracing-appender does not report dropped lines, does not bound the bytes in its queue, and loses lines on a
//! non-blocking pipe. Must not know where lines come from, nor their format.

use std::cell::Cell;
use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Limit of lines in the queue.
const MAX_LINES: usize = 4096;
/// Limit of bytes in the queue.
const MAX_BYTES: usize = 4 << 20;
/// Interval between reports of dropped lines.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);
/// Pause after a write to a full non-blocking pipe.
const RETRY_DELAY: Duration = Duration::from_millis(10);

thread_local! {
    /// Whether this is the thread that writes the log. Its own lines bypass the queue.
    static IS_WRITER: Cell<bool> = const { Cell::new(false) };
}

/// The queue of one writer.
#[derive(Default)]
pub(in crate::program) struct LineQueue {
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
    /// Dropped lines that are not reported yet.
    unreported: u64,
}

impl LineQueue {
    /// Adds a line, or drops and counts it. Never blocks.
    pub(in crate::program) fn push(&self, line: &[u8]) {
        let mut waiting = self.lock();
        let bytes = waiting.bytes.saturating_add(line.len());
        if waiting.lines.len() >= MAX_LINES || bytes > MAX_BYTES {
            waiting.unreported += 1;
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        waiting.lines.push_back(line.into());
        waiting.bytes = bytes;
        drop(waiting);
        self.changed.notify_all();
    }

    /// The number of lines dropped since the start.
    pub(in crate::program) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Waits until all lines are written, at most `timeout`. Returns whether all are written.
    pub(in crate::program) fn flush(&self, timeout: Duration) -> bool {
        let is_busy = |waiting: &mut Waiting| !waiting.lines.is_empty() || waiting.is_writing;
        let result = self.changed.wait_timeout_while(self.lock(), timeout, is_busy);
        !result.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    /// As [`write_all_to`](Self::write_all_to), on the thread that writes the log. Lines that the thread logs itself bypass the queue.
    pub(in crate::program) fn write_log_to(&self, out: impl Write, report: impl Fn(u64)) {
        IS_WRITER.set(true);
        self.write_all_to(out, report);
    }

    /// Writes lines in an endless loop. `report` logs the number of dropped lines.
    pub(in crate::program) fn write_all_to(&self, out: impl Write, report: impl Fn(u64)) {
        let (mut out, mut last_report) = (out, None::<Instant>);
        loop {
            let line = self.next();
            let is_written = write_line(&mut out, &line).is_ok();
            if !is_written {
                self.dropped.fetch_add(1, Ordering::Relaxed);
            }
            let is_time = last_report.is_none_or(|last| last.elapsed() >= REPORT_INTERVAL);
            let mut waiting = self.lock();
            let unreported = if is_written && (is_time || waiting.lines.is_empty()) { std::mem::take(&mut waiting.unreported) } else { 0 };
            drop(waiting);
            if unreported > 0 {
                report(unreported);
                last_report = Some(Instant::now());
            }
            self.lock().is_writing = false;
            self.changed.notify_all();
        }
    }

    /// Waits for the oldest line.
    fn next(&self) -> Box<[u8]> {
        let mut waiting = self.lock();
        loop {
            if let Some(line) = waiting.lines.pop_front() {
                waiting.bytes -= line.len();
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

/// Writes a line. It waits for the reader, even if another program has made the pipe non-blocking.
fn write_line(out: &mut impl Write, mut line: &[u8]) -> io::Result<()> {
    while !line.is_empty() {
        match out.write(line) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => {
                debug_assert!(written <= line.len(), "more bytes were written than given");
                line = line.get(written..).unwrap_or_default();
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => thread::sleep(RETRY_DELAY),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Adds each write to the queue as one line. On the writing thread, it writes to `direct`.
pub(in crate::program) struct LineWriter<D> {
    pub(in crate::program) queue: Arc<LineQueue>,
    pub(in crate::program) direct: D,
}

impl<D: Write> Write for LineWriter<D> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if IS_WRITER.get() {
            // The queue's own report. A lost report counts as a dropped line.
            if write_line(&mut self.direct, line).is_err() {
                self.queue.dropped.fetch_add(1, Ordering::Relaxed);
            }
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

    /// A reader that reads one line per turn.
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
    fn lines_that_find_the_queue_full_are_dropped_counted_and_reported() {
        let (turn, turns) = sync_channel(10_000);
        let (read, lines) = sync_channel(10_000);
        let (say, said) = sync_channel(10_000);
        let queue = Arc::new(LineQueue::default());
        let writing = Arc::clone(&queue);
        thread::spawn(move || writing.write_all_to(Reader { turns, read }, |dropped| say.send(dropped).unwrap()));
        // One line is being written, and the queue is full.
        queue.push(b"0");
        while !queue.lock().is_writing {
            thread::yield_now();
        }
        (0..MAX_LINES + 7).for_each(|_| queue.push(b"1"));
        assert_eq!(queue.dropped(), 7);
        assert!(!queue.flush(Duration::from_millis(1)), "the reader is blocked");
        (0..MAX_LINES + 1).for_each(|_| turn.send(()).unwrap());
        assert!(queue.flush(Duration::from_secs(120)), "all lines are read");
        assert_eq!(lines.try_iter().count(), MAX_LINES + 1);
        assert_eq!(said.try_iter().sum::<u64>(), 7);
        // Long lines fill the queue too.
        (0..6).for_each(|_| queue.push(&[b'x'; 1 << 20]));
        assert!((8..=9).contains(&queue.dropped()), "{}", queue.dropped());
    }
}
