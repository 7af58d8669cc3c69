//! Makes the cycles of a target: reads the registry, compresses the requests, adds them to the queue.
//!
//! The timestamps of cycles are strictly increasing, whatever happens to the wall clock, because receivers reject older samples. Must
//! not know how requests are sent.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::compressor::Compressor;
use super::dialect::Dialect;
use super::options::PushTarget;
use super::queue::QueuedRequest;
use super::target::Target;
use crate::exposition::write::{
    OtlpCycle, WriteBatch, WriteCounts, WriteCycle, WriteMemory, WriteMetadata, WriteOptions, WriteVersion, separate,
};
use crate::program::clock;
use crate::program::faults::Faults;
use crate::selector::Selector;
use crate::telemetry::PushSkip;
use crate::time::Timestamp;

/// Interval of the metadata of remote write 1.0.
const METADATA_INTERVAL: Duration = Duration::from_secs(60);

/// Bytes of a request before compression.
const BATCH_BYTES: usize = 1 << 20;

/// The maker of one target.
pub(super) struct Maker {
    target: Arc<Target>,
    memory: WriteMemory,
    dialect: Dialect,
    options: Arc<WriteOptions>,
    /// The time of the last cycle.
    last: Option<Timestamp>,
    /// The time of the first cycle.
    first: Option<Timestamp>,
    metadata_sent: Option<Instant>,
    clock_faults: Faults,
}

impl Maker {
    /// A maker whose first cycle is later than `last`.
    pub(super) fn new(target: &Arc<Target>, last: Option<Timestamp>) -> Self {
        let dialect = target.dialect();
        let options = write_options(&target.options, dialect, target.batch_samples());
        Self {
            target: Arc::clone(target),
            memory: WriteMemory::default(),
            dialect,
            options,
            last,
            first: None,
            metadata_sent: None,
            clock_faults: Faults::default(),
        }
    }

    /// The time of the last cycle.
    pub(super) fn last(&self) -> Option<Timestamp> {
        self.last
    }

    /// Makes a cycle, unless the clock is behind the last one. Blocks while it encodes and compresses.
    pub(super) fn make(&mut self) {
        self.target.drop_old();
        let now = clock::now();
        let time = clock::to_wall(now);
        self.go_back(time);
        if let Some(last) = self.last.filter(|last| time <= *last) {
            self.target.metrics.skip(PushSkip::Clock);
            let (target, seconds) = (&*self.target.options.name, last.millis_since(time) / 1000);
            self.clock_faults.warn(|cycles| {
                tracing::warn!(
                    target,
                    seconds,
                    cycles,
                    "push waits until the wall clock, which was set back, passes the last cycle, because receivers reject older samples; \
                     if this one accepts them, restart the bridge"
                );
            });
            return;
        }
        self.make_at(time, now, false);
    }

    /// If the clock was set back, and the receiver has nothing that is newer, goes on from what it has: it rejected the cycles of the wrong
    /// time, as most receivers do with samples of the future.
    fn go_back(&mut self, time: Timestamp) {
        let newest = self.target.newest();
        if self.last.is_none_or(|last| time > last) || newest.is_some_and(|newest| time <= newest) {
            return;
        }
        // Counters that began since then are new again for the receiver.
        (self.memory, self.last) = (self.memory.gap(newest), newest);
        tracing::info!(target = &*self.target.options.name, "push goes on at the time of the wall clock, which was set back");
    }

    /// Makes the last cycle, even if the clock is behind. With stale markers of all series, if the target wants them.
    pub(super) fn make_last(&mut self) {
        let now = clock::now();
        let next = |last: Timestamp| Timestamp::from_millis(last.as_millis() + 1);
        let time = clock::to_wall(now);
        self.go_back(time);
        self.make_at(self.last.map_or(time, |last| time.max(next(last))), now, false);
        if let Some(last) = self.last.filter(|_| self.target.options.stale_at_end) {
            self.make_at(next(last), now, true);
        }
    }

    fn make_at(&mut self, time: Timestamp, now: Timestamp, is_end: bool) {
        self.refresh_options();
        self.memory.markers_lost(self.target.take_lost_markers());
        let made = Instant::now();
        match self.dialect {
            Dialect::Write(version) => self.write_cycle(version, (time, made), (now, is_end)),
            Dialect::Otlp => self.otlp_cycle((time, made), (now, is_end)),
        }
        self.last = Some(time);
        self.first = self.first.or(self.last);
        self.target.metrics.cycles.increment(1);
        self.add_metadata(time, made);
    }

    /// Queues a cycle of remote write, each request as soon as it is made: a whole cycle beside a full queue would take memory that the
    /// queue does not count. The edges of a batch come before its values, because a 0 is earlier than its value.
    fn write_cycle(&mut self, version: WriteVersion, (time, made): (Timestamp, Instant), (now, is_end): (Timestamp, bool)) {
        let engine = self.target.bridge.engine();
        let cycle = match is_end {
            true => self.memory.all_gone(engine, &self.options, time),
            false => WriteCycle::new(engine, &self.options, &self.memory, time),
        };
        let mut cycle = cycle.at(now);
        let mut compressor = self.compressor();
        while let Some(batch) = cycle.next() {
            let parts = separate(version, batch);
            for (part, is_edges) in [(parts.edges, true), (parts.values, false)] {
                let body = part.and_then(|batch| self.add(batch, (time, made), is_edges, &mut compressor));
                body.into_iter().for_each(|body| cycle.reuse(body));
            }
        }
        self.memory = cycle.into_memory();
    }

    /// Queues a cycle of OTLP.
    fn otlp_cycle(&mut self, (time, made): (Timestamp, Instant), (now, is_end): (Timestamp, bool)) {
        let engine = self.target.bridge.engine();
        let cycle = match is_end {
            true => OtlpCycle::all_gone(engine, &self.options, &self.memory, time),
            false => OtlpCycle::new(engine, &self.options, &self.memory, time),
        };
        let mut cycle = cycle.at(now);
        let mut compressor = self.compressor();
        while let Some(batch) = cycle.next() {
            let body = self.add(batch, (time, made), false, &mut compressor);
            body.into_iter().for_each(|body| cycle.reuse(body));
        }
        self.memory = cycle.into_memory();
    }

    /// Takes over a change of the version or of the size of requests.
    fn refresh_options(&mut self) {
        let (dialect, batch_samples) = (self.target.dialect(), self.target.batch_samples());
        if dialect != self.dialect {
            self.metadata_sent = None;
            // Nothing was written in the other version, also not the zeroes of counters that began since the first cycle.
            self.memory = WriteMemory::after(self.first);
        }
        if dialect != self.dialect || batch_samples != self.options.batch_samples {
            self.dialect = dialect;
            self.options = write_options(&self.target.options, dialect, batch_samples);
        }
    }

    /// Adds the metadata of all families, if it is due. In 2.0, each series has its own.
    fn add_metadata(&mut self, time: Timestamp, made: Instant) {
        let is_due = self.metadata_sent.is_none_or(|sent| sent.elapsed() >= METADATA_INTERVAL);
        if self.dialect != Dialect::Write(WriteVersion::V1) || !is_due {
            return;
        }
        self.metadata_sent = Some(made);
        let bodies = WriteMetadata::new(self.target.bridge.engine(), &self.memory);
        let batches = bodies.map(|body| WriteBatch { body, ..WriteBatch::default() });
        let mut compressor = self.compressor();
        batches.for_each(|batch| drop(self.add(batch, (time, made), false, &mut compressor)));
    }

    fn compressor(&self) -> Compressor {
        Compressor::new(self.dialect.coding(self.target.options.compression))
    }

    /// Compresses a batch and queues it. Returns its body, which is no longer needed.
    fn add(&self, batch: WriteBatch, (time, made): (Timestamp, Instant), is_edges: bool, compressor: &mut Compressor) -> Option<Vec<u8>> {
        let made = request(batch, (time, made), (self.dialect, is_edges), compressor);
        debug_assert!(made.is_some(), "a request of limited size can be compressed");
        let (request, body) = made?;
        self.target.push(request);
        Some(body)
    }
}

/// A compressed request, and the body before compression; `None` if it is too large for that.
pub(super) fn request(
    batch: WriteBatch,
    (time, made): (Timestamp, Instant),
    (dialect, is_edges): (Dialect, bool),
    compressor: &mut Compressor,
) -> Option<(QueuedRequest, Vec<u8>)> {
    let WriteBatch { body, counts, gone, .. } = batch;
    let compressed = compressor.compress(&body)?;
    Some((QueuedRequest { time, made, dialect, is_edges, body: compressed, counts, gone }, body))
}

/// The options of the core for a target.
fn write_options(target: &PushTarget, dialect: Dialect, batch_samples: usize) -> Arc<WriteOptions> {
    // The selectors were checked when the configuration was read.
    let selectors = |texts: &[String]| texts.iter().filter_map(|text| Selector::parse(text).ok()).collect();
    Arc::new(WriteOptions {
        version: match dialect {
            Dialect::Write(version) => version,
            // It has no effect.
            Dialect::Otlp => WriteVersion::V2,
        },
        histograms: target.histograms,
        labels: target.labels.clone(),
        resource: target.resource.clone(),
        batch_samples,
        batch_bytes: BATCH_BYTES,
        exemplars: target.exemplars,
        self_metrics: target.self_metrics,
        zero_samples: target.zero_samples,
        legacy_created: target.legacy_created,
        include: selectors(&target.include),
        exclude: selectors(&target.exclude),
    })
}

/// Samples and exemplars of two halves are those of the whole.
pub(super) fn adds_up(whole: WriteCounts, halves: [WriteCounts; 2]) -> bool {
    let [a, b] = halves;
    (whole.samples, whole.histograms, whole.exemplars) == (a.samples + b.samples, a.histograms + b.histograms, a.exemplars + b.exemplars)
}
