//! Writes log messages to stderr as logfmt or JSON; stdout is for what a person reads first. Must not know who logs what.
//!
//! Logging never waits for whoever reads stderr: messages go into a queue that one thread writes from, and what finds it full is
//! dropped and counted.
//!
//! ```text
//! queue   lines that wait for their reader
//! ```

mod queue;

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

use self::queue::{LineQueue, LineWriter};

/// How long the end of the program waits for the reader of its last messages.
const FLUSH_AT_MOST: Duration = Duration::from_secs(1);

/// The queue of this process; none before [`start`].
static QUEUE: OnceLock<Arc<LineQueue>> = OnceLock::new();

/// Severity and form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogOptions {
    /// The least severe messages that are written.
    pub level: Level,
    /// JSON; else logfmt.
    pub json: bool,
}

/// Sends this process's messages to stderr from now on. Only the first call has an effect.
///
/// # Errors
///
/// There is no descriptor or no thread to be had.
pub(super) fn start(options: LogOptions) -> io::Result<()> {
    // Of its own, because the one of the standard library is locked while somebody waits for its reader.
    let stderr = Arc::new(File::from(io::stderr().as_fd().try_clone_to_owned()?));
    let queue = Arc::clone(QUEUE.get_or_init(Arc::default));
    let (writing, direct) = (Arc::clone(&queue), Arc::clone(&stderr));
    std::thread::Builder::new().name("log".to_owned()).spawn(move || {
        writing.write_all_to(&*direct, |dropped| {
            tracing::error!(dropped, "log messages were dropped: whoever reads this log did not take them in time");
        });
    })?;
    // What libraries say below `info` is about themselves.
    let own = LevelFilter::from_level(options.level);
    let filter = Targets::new().with_target(env!("CARGO_CRATE_NAME"), own).with_default(own.min(LevelFilter::INFO));
    let writer = move || LineWriter { queue: Arc::clone(&queue), direct: Arc::clone(&stderr) };
    let layer: Box<dyn Layer<Registry> + Send + Sync> = if options.json {
        tracing_subscriber::fmt::layer().json().flatten_event(true).with_writer(writer).boxed()
    } else {
        tracing_logfmt::builder().with_target(false).layer().with_writer(writer).boxed()
    };
    let _ = tracing_subscriber::registry().with(layer.with_filter(filter)).try_init();
    // The usual one would wait for the reader of stderr.
    std::panic::set_hook(Box::new(|panic| {
        let backtrace = Backtrace::capture();
        let backtrace = if backtrace.status() == BacktraceStatus::Captured { format!("\n{backtrace}") } else { String::new() };
        let thread = std::thread::current();
        line(&format!("statsd-bridge: thread {} {panic}{backtrace}", thread.name().unwrap_or("without a name")));
        flush();
    }));
    Ok(())
}

/// A line that is no message, after all messages so far. Never waits.
pub(super) fn line(text: &str) {
    if let Some(queue) = QUEUE.get() {
        queue.push(format!("{text}\n").as_bytes());
    }
}

/// Messages that were dropped since the start.
pub(super) fn dropped() -> u64 {
    QUEUE.get().map_or(0, |queue| queue.dropped())
}

/// Waits until all messages are written, but no longer than a second: a reader that takes none does not keep the program from ending.
pub(super) fn flush() {
    if let Some(queue) = QUEUE.get() {
        queue.flush(FLUSH_AT_MOST);
    }
}
