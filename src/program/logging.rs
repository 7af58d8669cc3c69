//! Writes log messages to stderr as logfmt or JSON. Must not know the messages.
//!
//! Logging never blocks: messages are added to a queue, and one thread writes them. Messages that find the queue full are dropped and
//! counted.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tracing::Level;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry};

use super::line_queue::{LineQueue, LineWriter};

/// Time limit for writing the last messages at exit.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

/// The queue of this process; empty before [`start`].
static QUEUE: OnceLock<Arc<LineQueue>> = OnceLock::new();

/// Severity and format of log messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogOptions {
    /// The lowest severity that is logged.
    pub level: Level,
    /// JSON if true, else logfmt.
    pub json: bool,
}

/// Starts logging to stderr. Only the first call has an effect.
///
/// # Errors
///
/// The system has no free file descriptor or thread.
pub(super) fn start(options: LogOptions) -> io::Result<()> {
    // A separate descriptor, because a blocked writer holds the lock of the standard library's stderr.
    let stderr = Arc::new(File::from(io::stderr().as_fd().try_clone_to_owned()?));
    let queue = Arc::clone(QUEUE.get_or_init(Arc::default));
    let (writing, direct) = (Arc::clone(&queue), Arc::clone(&stderr));
    std::thread::Builder::new().name("log".to_owned()).spawn(move || {
        writing.write_log_to(&*direct, |dropped| {
            tracing::error!(dropped, "log messages were dropped: the reader of this log is too slow");
        });
    })?;
    // Messages of libraries below `info` are about their internals.
    let own = LevelFilter::from_level(options.level);
    let filter = Targets::new().with_target(env!("CARGO_CRATE_NAME"), own).with_default(own.min(LevelFilter::INFO));
    let writer = move || LineWriter { queue: Arc::clone(&queue), direct: Arc::clone(&stderr) };
    let layer: Box<dyn Layer<Registry> + Send + Sync> = if options.json {
        tracing_subscriber::fmt::layer().json().flatten_event(true).with_writer(writer).boxed()
    } else {
        tracing_logfmt::builder().with_target(false).layer().with_writer(writer).boxed()
    };
    // An error means that logging was started before.
    drop(tracing_subscriber::registry().with(layer.with_filter(filter)).try_init());
    // The default hook would block on a full pipe.
    std::panic::set_hook(Box::new(|panic| {
        let backtrace = Backtrace::capture();
        let backtrace = if backtrace.status() == BacktraceStatus::Captured { format!("\n{backtrace}") } else { String::new() };
        let thread = std::thread::current();
        line(&format!("statsd-bridge: thread {} {panic}{backtrace}", thread.name().unwrap_or("<unnamed>")));
        flush();
    }));
    Ok(())
}

/// Writes a plain line after all messages so far. Never blocks.
pub(super) fn line(text: &str) {
    if let Some(queue) = QUEUE.get() {
        queue.push(format!("{text}\n").as_bytes());
    }
}

/// The number of messages dropped since the start.
pub(super) fn dropped() -> u64 {
    QUEUE.get().map_or(0, |queue| queue.dropped())
}

/// Waits until all messages are written, at most one second, so that a blocked reader does not stop the exit.
pub(super) fn flush() {
    if let Some(queue) = QUEUE.get() {
        queue.flush(FLUSH_TIMEOUT);
    }
}
