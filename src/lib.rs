//! statsd-bridge: StatsD and DogStatsD in, Prometheus out.

pub mod options;
pub mod protocol;
pub mod telemetry;
mod time;

#[cfg(feature = "cli")]
pub mod cli;
#[cfg(feature = "cli")]
pub mod demo;
#[cfg(feature = "cli")]
pub mod healthcheck;
#[cfg(feature = "cli")]
pub mod listener;
#[cfg(feature = "cli")]
pub mod logging;
#[cfg(feature = "cli")]
pub mod run;
#[cfg(feature = "cli")]
pub mod web;

use std::sync::Arc;

pub use self::options::Options;
pub use self::time::Timestamp;
use crate::telemetry::Telemetry;

/// The bridge: registry, options and own metrics. Cheap to clone; all clones are one bridge.
#[derive(Clone)]
pub struct Bridge {
    telemetry: Arc<Telemetry>,
}

impl Bridge {
    /// A bridge without series.
    pub fn new(options: Options) -> Self {
        Self { telemetry: Arc::new(Telemetry::new(options.prefix)) }
    }
    /// The own metrics.
    pub fn telemetry(&self) -> &Arc<Telemetry> {
        &self.telemetry
    }
    /// A new worker. It is the only writer of its cells; give each receiving thread its own.
    pub fn worker(&self) -> Worker {
        Worker {}
    }
    /// Appends the page, text format 0.0.4: families, then own metrics.
    pub fn render(&self, _now: Timestamp, _out: &mut Vec<u8>) {}
    /// The sums since start, for the log at the end and for tests.
    pub fn accounting(&self) -> Accounting {
        Accounting::default()
    }
}

/// Sums since start. `lines = empty + refused + parsed + events + service checks`; `samples = recorded + refused + dropped`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Accounting {
    /// Lines received.
    pub lines: u64,
    /// Samples received.
    pub samples: u64,
    /// Samples recorded.
    pub recorded: u64,
    /// Lines refused.
    pub lines_refused: u64,
    /// Samples refused.
    pub samples_refused: u64,
}

/// One receiving thread's side of the bridge.
pub struct Worker {}

impl Worker {
    /// Parses and records one datagram, or a piece of a stream cut at line ends. Counts are flushed before it returns.
    pub fn ingest(&mut self, datagram: &[u8], now: Timestamp) {
        self.ingest_batch(std::iter::once(datagram), now)
    }
    /// Parses and records a batch of datagrams.
    pub fn ingest_batch<'a>(&mut self, datagrams: impl Iterator<Item = &'a [u8]>, _now: Timestamp) {
        for _ in datagrams {}
    }
    /// Counts a line that was refused before it could be handed in whole, as too long or cut.
    pub fn refuse_line(&mut self, _reason: protocol::SampleError) {}
}
