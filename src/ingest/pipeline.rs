//! pipeline: a batch of datagrams, from bytes to recorded samples. One loop over lines, one over look-ups.
//!
//! Samples are collected into small batches, whose look-ups are prefetched together. No sample stays queued after a call. A sample of a
//! known series neither allocates nor locks. Knows neither sockets nor expositions.

mod rejecting;
mod stated;
mod traced;
mod unknown;
mod upkeep;
#[cfg(feature = "cli")]
mod watched;

use std::fmt;
use std::sync::Arc;

use memchr::memchr;

use self::upkeep::{BindingMemory, STEPS_OF_BATCH, STEPS_OF_TICK, Upkeep};
use crate::engine::Engine;
use crate::hits::HitTally;
use crate::ingest::bindings::Bindings;
use crate::ingest::client_tally::ClientTally;
use crate::ingest::exemplar_tag::ExemplarTag;
use crate::ingest::origin::OriginKey;
use crate::ingest::pending::Pending;
#[cfg(target_arch = "x86_64")]
use crate::ingest::protocol::Avx2;
use crate::ingest::protocol::{Finder, Line, PlainFinder, Sample, SampleError, parse_line, quick_line};
use crate::ingest::recording::{Recording, count_error};
use crate::ingest::rejection_log::RejectionLog;
use crate::ingest::resolve::{Binding, Resolver};
use crate::ingest::sender_tally::{SenderRejections, SenderTally, Sums};
use crate::options::{Dialect, Limits, OriginLabel, OriginValue};
use crate::source::Source;
#[cfg(feature = "cli")]
use crate::tap::TapBudget;
use crate::telemetry::Tally;
use crate::time::Timestamp;

/// Samples looked up together: enough that their cache misses overlap, few enough for the first-level cache.
const BATCH: usize = 32;

/// Bindings that a worker may keep beyond one for each series.
const SPARE_BINDINGS: usize = 1 << 14;

/// The part of the bridge that one receiving thread uses, made by [`Bridge::worker`](crate::Bridge::worker). It parses lines and
/// records their samples. A sample of a known series allocates nothing and takes no lock.
pub struct Worker {
    engine: Arc<Engine>,
    dialect: Dialect,
    limits: Limits,
    #[cfg(target_arch = "x86_64")]
    avx2: Option<Avx2>,
    bindings: Bindings<Binding>,
    memory: BindingMemory,
    resolver: Resolver,
    /// The tag that links a sample to a trace.
    exemplar_tag: Option<Arc<ExemplarTag>>,
    /// Buffer for tags without that tag.
    cut: Vec<u8>,
    tally: Tally,
    hits: HitTally,
    log: RejectionLog,
    /// `None` if nothing is counted by sender.
    senders: Option<SenderTally>,
    /// What the label of the origin shows; `None` without such a label. Then no look-up considers the sender.
    origin: Option<OriginValue>,
    clients: ClientTally,
    #[cfg(feature = "cli")]
    tap_budget: TapBudget,
    /// The registry's count of changes at the last [`enter`](Worker::enter).
    changes: u64,
}

/// A datagram, or a piece of a stream cut at line ends, and its sender.
#[derive(Debug, Clone, Copy, Default)]
pub struct Datagram<'a> {
    /// Lines, separated by newlines.
    pub bytes: &'a [u8],
    /// The sender. A reference keeps pending samples small; only new bindings and rejected samples need the value.
    pub source: &'a Source,
}

/// A datagram of unknown source.
impl<'a> From<&'a [u8]> for Datagram<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self { bytes, ..Self::default() }
    }
}

/// Samples that are parsed and not yet recorded.
struct Batch<'a> {
    pending: [Pending<'a>; BATCH],
    len: usize,
    /// The sender of the current datagram.
    source: &'a Source,
    /// The hash of its bytes in keys.
    origin_hash: u64,
}

impl<'a> Batch<'a> {
    /// An empty batch whose next datagram is from `source`.
    #[inline(always)]
    fn of(source: &'a Source) -> Self {
        Self { pending: [Pending::default(); BATCH], len: 0, source, origin_hash: 0 }
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").finish_non_exhaustive()
    }
}

impl Worker {
    pub(crate) fn new(engine: Arc<Engine>) -> Self {
        let options = engine.options();
        let origin = options.origin_label.as_ref().map(OriginLabel::value);
        Self {
            // The field is part of the identity if it may be the container of the origin. The resolver has the dialect as it is.
            dialect: Dialect { container_id: options.dialect.container_id || origin == Some(OriginValue::ContainerId), ..options.dialect },
            limits: options.limits,
            #[cfg(target_arch = "x86_64")]
            avx2: Avx2::find(),
            // A series has more than one binding if its tags arrive in several orders.
            bindings: Bindings::new(options.limits.series.saturating_add(options.limits.series / 4).saturating_add(SPARE_BINDINGS)),
            memory: BindingMemory::new(engine.registry().bindings()),
            resolver: Resolver::new(&engine),
            exemplar_tag: options.exemplar_tag.as_ref().map(|key| Arc::new(ExemplarTag::new(key, &options.dialect))),
            cut: Vec::new(),
            tally: Tally::default(),
            hits: HitTally::default(),
            log: RejectionLog::new(SenderRejections::new(engine.sources())),
            senders: SenderTally::new(engine.sources()),
            origin,
            clients: ClientTally::new(engine.sources()),
            #[cfg(feature = "cli")]
            tap_budget: TapBudget::default(),
            changes: 0,
            engine,
        }
    }

    /// Parses and records one datagram, or a piece of a stream cut at line ends: lines separated by newlines. A bad line is counted under
    /// its reason, and the others are recorded. An exposition made after the call shows every sample of it.
    ///
    /// A line is `name:value|kind`, with the kinds `c` (counter), `g` (gauge), `ms`, `h` and `d` (histogram or summary) and `s` (set),
    /// and optional fields such as `|@0.1` (sample rate) and `|#key:value` (tags). Values of `ms` are milliseconds, and become seconds.
    /// `docs/wire.md` has the whole grammar.
    ///
    /// `now` should not be before the `now` of an earlier call.
    pub fn ingest(&mut self, datagram: &[u8], now: Timestamp) {
        self.ingest_from(datagram, &Source::Unknown, now);
    }

    /// As [`ingest`](Self::ingest); reports of limits, conflicts and rejections name `source`.
    pub fn ingest_from(&mut self, datagram: &[u8], source: &Source, now: Timestamp) {
        self.ingest_batch(std::iter::once(Datagram { bytes: datagram, source }), now);
    }

    /// As [`ingest`](Self::ingest), for several datagrams in their order. One call for a batch costs less than a call for each datagram.
    /// `datagrams` should not wait for input: no series is removed during the call.
    pub fn ingest_batch<'a>(&mut self, datagrams: impl Iterator<Item: Into<Datagram<'a>>>, now: Timestamp) {
        self.enter();
        self.ingest_entered(datagrams, now);
        self.leave();
    }

    /// The middle of a call, between `enter` and `leave`.
    #[inline(always)]
    fn ingest_entered<'a>(&mut self, datagrams: impl Iterator<Item: Into<Datagram<'a>>>, now: Timestamp) {
        #[cfg(target_arch = "x86_64")]
        match self.avx2 {
            // SAFETY: a value of `Avx2` exists only if the processor has all features that the function is compiled for.
            Some(finder) => unsafe { self.ingest_with_avx2(datagrams, finder, now) },
            None => self.ingest_by_origin(datagrams, PlainFinder, now),
        }
        #[cfg(not(target_arch = "x86_64"))]
        self.ingest_by_origin(datagrams, PlainFinder, now);
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
    fn ingest_with_avx2<'a>(&mut self, datagrams: impl Iterator<Item: Into<Datagram<'a>>>, finder: Avx2, now: Timestamp) {
        self.ingest_by_origin(datagrams, finder, now);
    }

    #[inline(always)]
    fn ingest_by_origin<'a>(&mut self, datagrams: impl Iterator<Item: Into<Datagram<'a>>>, finder: impl Finder, now: Timestamp) {
        if self.origin.is_some() {
            self.ingest_with::<true>(datagrams, finder, now);
        } else {
            self.ingest_with::<false>(datagrams, finder, now);
        }
    }

    /// The loop over lines, for one way of finding delimiters. `ORIGIN` says whether look-ups consider the sender.
    #[inline(always)]
    fn ingest_with<'a, const ORIGIN: bool>(
        &mut self,
        datagrams: impl Iterator<Item: Into<Datagram<'a>>>,
        finder: impl Finder,
        now: Timestamp,
    ) {
        if let Some(senders) = &mut self.senders {
            senders.enter(now);
        }
        let mut batch = Batch::of(<&Source>::default());
        for datagram in datagrams {
            let Datagram { bytes, source } = datagram.into();
            batch.source = source;
            if ORIGIN {
                batch.origin_hash = self.bindings.hash_of_origin(self.origin_of(source).as_slice());
            }
            if let Some(senders) = &mut self.senders {
                senders.datagram(source, bytes.len(), || sums(&self.tally, batch.len));
                if let Some(lines) = senders.lines_to_reject(source, bytes) {
                    self.reject_datagram(lines, bytes, source, now);
                    continue;
                }
            }
            let mut rest = Some(bytes);
            while let Some(bytes) = rest {
                if let Some((sample, len)) = quick_line(bytes, self.limits.line_bytes, finder) {
                    rest = bytes.get(len + 1..);
                    self.tally.lines += 1;
                    self.tally.lines_parsed += 1;
                    self.push::<ORIGIN>(sample, &mut batch, now);
                    continue;
                }
                let line = match memchr(b'\n', bytes).and_then(|end| bytes.split_at_checked(end)) {
                    Some((line, after)) => {
                        rest = after.get(1..);
                        line
                    }
                    None => {
                        rest = None;
                        bytes
                    }
                };
                self.line::<ORIGIN>(line, &mut batch, now);
            }
        }
        self.record_batch::<ORIGIN>(&mut batch, now);
    }

    /// Frees the memory of replaced rules and of the bindings of removed series, which a batch otherwise does in small steps. A worker
    /// that is idle for long may call it about once a second; nothing else depends on the call.
    pub fn tick(&mut self) {
        self.enter();
        self.upkeep().run(STEPS_OF_TICK);
        self.leave();
    }

    /// Begins a call: switches to new rules, and drops outdated bindings.
    #[inline]
    fn enter(&mut self) {
        let changes = self.engine.registry().enter(self.resolver.membership());
        if self.resolver.update_rules() {
            self.hits = HitTally::default();
            self.upkeep().forget_all();
        } else if changes != self.changes {
            // Series were removed. Their bindings are outdated, and there may be room for what a limit rejected.
            self.bindings.sweep();
        }
        self.changes = changes;
        if self.bindings.needs_upkeep() {
            self.upkeep().run(STEPS_OF_BATCH);
        }
    }

    /// Ends a call. Until the next one, the worker writes nothing and delays no expiry.
    #[inline]
    fn leave(&mut self) {
        self.engine.registry().park(self.resolver.membership());
        self.flush();
    }

    fn upkeep(&mut self) -> Upkeep<'_> {
        Upkeep { bindings: &mut self.bindings, resolver: &mut self.resolver, tally: &mut self.tally, memory: &mut self.memory }
    }

    fn flush(&mut self) {
        if let Some(senders) = &mut self.senders {
            senders.flush(sums(&self.tally, 0), self.log.by_source());
            self.clients.flush(senders.now());
        }
        self.engine.telemetry().flush(&mut self.tally);
        self.hits.flush(self.resolver.hits());
        self.log.flush(self.engine.rejections());
    }

    #[inline(always)]
    fn line<'a, const ORIGIN: bool>(&mut self, line: &'a [u8], batch: &mut Batch<'a>, now: Timestamp) {
        self.tally.lines += 1;
        if line.len() > self.limits.line_bytes {
            return self.reject(SampleError::LineTooLong, line, batch.source, now);
        }
        match parse_line(line, &self.dialect) {
            Line::Sample(sample) => {
                self.tally.lines_parsed += 1;
                self.push::<ORIGIN>(sample, batch, now);
            }
            Line::Empty => self.tally.lines_empty += 1,
            Line::Samples(samples) => {
                self.tally.lines_parsed += 1;
                for sample in samples {
                    match sample {
                        Ok(sample) => self.push::<ORIGIN>(sample, batch, now),
                        Err(rejected) => {
                            self.tally.samples += 1;
                            self.tally.tag_errors += u64::from(rejected.tag_errors);
                            self.reject(rejected.error, line, batch.source, now);
                        }
                    }
                }
            }
            Line::Event(event) => self.event(&event, batch, now),
            Line::ServiceCheck(check) => self.service_check(&check, line, batch, now),
            Line::Rejected(rejected) => {
                if !rejected.error.rejects_line() {
                    self.tally.lines_parsed += 1;
                    self.tally.samples += 1;
                }
                self.tally.tag_errors += u64::from(rejected.tag_errors);
                self.reject(rejected.error, line, batch.source, now);
            }
        }
    }

    #[inline(always)]
    fn push<'a, const ORIGIN: bool>(&mut self, sample: Sample<'a>, batch: &mut Batch<'a>, now: Timestamp) {
        if self.exemplar_tag.is_some() && !sample.tags.is_empty() && self.push_with_exemplar(&sample, batch, now) {
            return;
        }
        let hash = if ORIGIN { self.bindings.hash(&sample) ^ batch.origin_hash } else { self.bindings.hash(&sample) };
        self.bindings.prefetch_slot(hash);
        if let Some(place) = batch.pending.get_mut(batch.len) {
            *place = Pending { sample, source: batch.source, hash };
            batch.len += 1;
        } else {
            debug_assert!(false, "a full batch is recorded at once");
        }
        if batch.len == BATCH {
            self.record_batch::<ORIGIN>(batch, now);
        }
    }

    /// Looks up the samples of a batch and records them.
    fn record_batch<const ORIGIN: bool>(&mut self, batch: &mut Batch<'_>, now: Timestamp) {
        let Some(pending) = batch.pending.get(..batch.len) else {
            debug_assert!(false, "a batch longer than its array");
            return;
        };
        self.tally.samples += pending.len() as u64;
        let known = self.record_known::<ORIGIN>(pending, now);
        if let Some(others) = pending.get(known..) {
            for p in others {
                self.record_unknown(p, false, now);
            }
        }
        batch.len = 0;
    }

    /// Looks up samples in three rounds and records them, up to the first sample without a current binding. Returns their number.
    #[inline(always)]
    fn record_known<const ORIGIN: bool>(&mut self, pending: &[Pending<'_>], now: Timestamp) -> usize {
        let (bindings, origin) = (&self.bindings, self.origin);
        let mut places = [None; BATCH];
        for (place, p) in places.iter_mut().zip(pending) {
            *place = bindings.candidate(p.hash);
        }
        for place in places.iter().take(pending.len()).flatten() {
            if let Some(binding) = bindings.prefetch_key(place) {
                binding.prefetch_cell();
            }
        }
        let mut recording = Recording {
            tally: &mut self.tally,
            hits: &mut self.hits,
            log: &mut self.log,
            clients: &mut self.clients,
            pending,
            now,
            max_value: self.limits.sample_value.get(),
        };
        for (number, (place, p)) in places.iter().zip(pending).enumerate() {
            let binding = place.and_then(|place| {
                if ORIGIN {
                    bindings.target_of(place, &p.sample, OriginKey::of(origin, p.source).as_slice())
                } else {
                    bindings.target(place, &p.sample)
                }
            });
            if !binding.is_some_and(|binding| recording.apply(binding, &p.sample)) {
                return number;
            }
        }
        pending.len()
    }

    fn count_error(&mut self, reason: SampleError) {
        count_error(&mut self.tally, reason);
    }
}

/// The lines and samples so far, with `pending` samples that are not recorded yet. A sample that turned out to be a rejected line counts.
#[inline(always)]
fn sums(tally: &Tally, pending: usize) -> Sums {
    Sums { lines: tally.lines, samples: tally.samples + tally.unbound + pending as u64 }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.tally.bindings -= self.bindings.len() as i64;
        self.flush();
        self.engine.registry().leave(self.resolver.membership());
    }
}

#[cfg(test)]
mod tests;
