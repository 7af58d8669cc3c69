//! Appends each DogStatsD event to a file, as a line of JSON. Must not know how events are received.
//!
//! Receiving never blocks: events are added to a queue, and one thread writes them. An event that finds the queue full, or that cannot be
//! written, is counted. A file that was renamed or removed, as by logrotate, is opened again.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::event_json::event_json;
use super::line_queue::LineQueue;
use crate::bridge::Bridge;

/// Time limit for writing the last events at exit.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

/// The queue of this process; empty before [`start`].
static QUEUE: OnceLock<Arc<LineQueue>> = OnceLock::new();

/// Starts to append the events of a bridge.
///
/// # Errors
///
/// The file cannot be opened, or the system has no free thread.
pub(in crate::program) fn start(path: &Path, bridge: &Bridge) -> io::Result<()> {
    let file = Reopened::open(path)?;
    let queue = Arc::new(LineQueue::default());
    let writing = Arc::clone(&queue);
    std::thread::Builder::new().name("events".to_owned()).spawn(move || {
        writing.write_all_to(file, |dropped| tracing::error!(dropped, "events were not written: the file of events is too slow"));
    })?;
    drop(QUEUE.set(Arc::clone(&queue)));
    bridge.on_event(Box::new(move |event| queue.push(format!("{}\n", event_json(event)).as_bytes())));
    Ok(())
}

/// The number of events that were not written since the start.
pub(super) fn dropped() -> u64 {
    QUEUE.get().map_or(0, |queue| queue.dropped())
}

/// Waits until all events are written, at most one second, so that a blocked file does not stop the exit.
pub(super) fn flush() {
    if let Some(queue) = QUEUE.get() {
        queue.flush(FLUSH_TIMEOUT);
    }
}

/// A file that is opened again once its path names another file, or none.
struct Reopened {
    path: PathBuf,
    file: File,
    id: (u64, u64),
}

impl Reopened {
    fn open(path: &Path) -> io::Result<Self> {
        // Opening a pipe without a reader would block. The queue waits for a reader that is slow.
        let file = OpenOptions::new().append(true).create(true).mode(0o640).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path)?;
        let metadata = file.metadata()?;
        Ok(Self { path: path.to_owned(), file, id: (metadata.dev(), metadata.ino()) })
    }
}

impl Write for Reopened {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let is_same = self.path.metadata().is_ok_and(|metadata| (metadata.dev(), metadata.ino()) == self.id);
        if !is_same {
            *self = Self::open(&self.path)?;
        }
        self.file.write(line)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
