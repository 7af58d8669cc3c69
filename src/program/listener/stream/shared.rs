//! What all connections of one kind share: the intake, the counters, the options. Must not know a socket.

use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use super::handshake::StreamTls;
use super::places::Places;
use crate::ingest::pipeline::Datagram;
use crate::ingest::protocol::SampleError;
use crate::lock::lock;
use crate::program::faults::Faults;
use crate::program::listener::allowed::AllowedSenders;
use crate::program::listener::framing::{Advanced, FramingError, FramingLimits, Pieces, StreamFraming};
use crate::program::listener::intake::Intake;
use crate::program::listener::peers::Processes;
use crate::program::listener::stop::Stop;
use crate::program::net::AllowedNetwork;
use crate::source::Source;
use crate::telemetry::Streams;

/// Options of the listeners of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamOptions {
    /// Limit of open connections, over all addresses or paths.
    pub max_connections: usize,
    /// Idle time after which a connection is closed; zero for never.
    pub idle_timeout: Duration,
    /// How a stream is split.
    pub framing: StreamFraming,
    /// Length limits of lines and frames.
    pub limits: FramingLimits,
    /// Networks that may connect; none for all.
    pub allow_from: Vec<AllowedNetwork>,
}

/// The state that all connections share.
pub(super) struct Shared {
    intake: Mutex<Intake>,
    processes: Option<Processes>,
    pub(super) counters: Streams,
    pub(super) options: StreamOptions,
    /// TLS of TCP connections; `None` for plain text.
    pub(super) tls: Option<StreamTls>,
    pub(super) places: Arc<Places>,
    pub(super) stop: Arc<Stop>,
    /// Which senders are allowed; `None` for all.
    pub(super) allowed: Option<AllowedSenders>,
    /// The number of connections that were closed at the drain deadline while they were sending.
    pub(super) cut: AtomicUsize,
    /// Streams that cannot be split.
    malformed: Mutex<Faults>,
    /// Clients that use TLS where the listener does not.
    unexpected_tls: Mutex<Faults>,
}

impl Shared {
    /// The state of listeners that have no connections yet.
    pub(super) fn new(options: StreamOptions, tls: Option<StreamTls>, intake: Intake, counters: Streams, stop: Arc<Stop>) -> Self {
        let places = Places::new(options.max_connections);
        let allowed = AllowedSenders::new(&options.allow_from, counters.disallowed.clone());
        let processes = intake.processes().cloned();
        let (intake, cut) = (Mutex::new(intake), AtomicUsize::new(0));
        let (malformed, unexpected_tls) = (Mutex::default(), Mutex::default());
        Self { intake, processes, counters, options, tls, places, stop, allowed, cut, malformed, unexpected_tls }
    }

    /// Locks the intake. The lock is never held across an await.
    pub(super) fn intake(&self) -> MutexGuard<'_, Intake> {
        lock(&self.intake)
    }

    /// The source of a connection, with its container if it is a process in one.
    pub(super) async fn complete(&self, source: Source) -> Source {
        match &self.processes {
            Some(processes) => processes.source_of_connection(source).await,
            None => source,
        }
    }

    /// Records complete lines or frames.
    pub(super) fn record(&self, pieces: Pieces<'_>, source: &Source) {
        self.intake().datagrams(pieces.map(|bytes| Datagram { bytes, source }), Instant::now());
    }

    /// Records the last line of a stream, which has no newline.
    pub(super) fn record_line(&self, bytes: &[u8], source: &Source) {
        self.intake().datagrams(std::iter::once(Datagram { bytes, source }), Instant::now());
    }

    /// Logs that a connection is closed because its stream cannot be split.
    pub(super) fn log_malformed(&self, error: &FramingError, source: &Source) {
        lock(&self.malformed).warn(|times| tracing::warn!(%source, %error, times, "connection closed: its stream cannot be split"));
    }

    /// Counts and logs that a connection is closed because its client uses TLS, and the listener does not.
    pub(super) fn unexpected_tls(&self, source: &Source) {
        self.counters.tls_errors.unexpected.increment(1);
        lock(&self.unexpected_tls).warn(|times| {
            let why =
                "connection closed: the client uses TLS, and this listener has none; set --statsd.tls-config-file, or send plain text";
            tracing::warn!(%source, times, "{why}");
        });
    }

    /// Counts what a step has found besides complete pieces.
    pub(super) fn count(&self, found: Advanced, source: &Source) {
        let counters = &self.counters;
        if found.frames > 0 {
            counters.frames.complete.increment(found.frames as u64);
        }
        if found.too_long_lines + found.too_long_frames == 0 {
            return;
        }
        counters.too_long_lines.increment(found.too_long_lines as u64);
        counters.frames.too_long.increment(found.too_long_frames as u64);
        let mut intake = self.intake();
        for _ in 0..found.too_long_lines + found.too_long_frames {
            intake.reject_line(SampleError::LineTooLong, Datagram { bytes: b"", source }, false, Instant::now());
        }
    }
}
