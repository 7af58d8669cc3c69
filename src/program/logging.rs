//! Writes log messages to stderr as logfmt or JSON; stdout is for what a person reads first. Must not know who logs what.

use std::io;

use tracing::Level;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry};

/// Severity and form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogOptions {
    /// The least severe messages that are written.
    pub level: Level,
    /// JSON; else logfmt.
    pub json: bool,
}

/// Sends this process's messages to stderr from now on. Only the first call has an effect.
pub(super) fn start(options: LogOptions) {
    // What libraries say below `info` is about themselves.
    let own = LevelFilter::from_level(options.level);
    let filter = Targets::new().with_target(env!("CARGO_CRATE_NAME"), own).with_default(own.min(LevelFilter::INFO));
    let layer: Box<dyn Layer<Registry> + Send + Sync> = if options.json {
        tracing_subscriber::fmt::layer().json().flatten_event(true).with_writer(io::stderr).boxed()
    } else {
        tracing_logfmt::builder().with_target(false).layer().with_writer(io::stderr).boxed()
    };
    let _ = tracing_subscriber::registry().with(layer.with_filter(filter)).try_init();
}
