//! pipeline: the straight way of a batch of datagrams, from bytes to recorded samples. One loop over lines, one over look-ups.
//!
//! Samples are gathered into small batches, so that the look-ups of a batch can be prefetched together; nothing is queued
//! beyond the call. A sample of a known series allocates nothing and locks nothing. Knows no sockets and no page.

use std::sync::Arc;

use memchr::memchr;

use crate::exemplar::ExemplarTag;
use crate::hits::HitTally;
use crate::options::{Dialect, Limits};
use crate::protocol::{Line, Sample, SampleError, Value, parse_line};
use crate::recording::{Recording, count_error};
use crate::refusal_log::RefusalLog;
use crate::registry::CellHandle;
use crate::resolve::{Resolver, Route, Target};
use crate::routes::{RouteId, Routes, prefetch};
use crate::telemetry::Tally;
use crate::{Bridge, Source, Timestamp};

/// Samples looked up together. Enough to hide a miss to memory behind the others', few enough to stay in the first cache.
const BATCH: usize = 32;

/// Routes that a worker may keep beyond those of the series.
const ROUTES_AT_LEAST: usize = 1 << 14;

/// Steps of keeping the table of routes in order between two batches; a step takes 10 to 50 ns.
const STEPS_OF_BATCH: usize = 1 << 10;

/// The same where there is nothing to ingest.
const STEPS_OF_TICK: usize = 1 << 14;

/// Routes that one new route may push out.
const EVICTED_AT_MOST: usize = 8;

/// One receiving thread's side of the bridge: its routes, its counts, and the right to write its cells.
pub struct Worker {
    bridge: Bridge,
    dialect: Dialect,
    limits: Limits,
    routes: Routes<Route>,
    resolver: Resolver,
    /// The tag that is cut out of tags, and what is left of them.
    exemplar_tag: Option<ExemplarTag>,
    cut: Vec<u8>,
    tally: Tally,
    hits: HitTally,
    log: RefusalLog,
    /// What the registry said when this worker last passed; it rises when places came free.
    changes: u64,
}

/// A datagram, or a piece of a stream cut at line ends, and who sent it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Datagram<'a> {
    /// Lines, separated by newlines.
    pub bytes: &'a [u8],
    /// A reference, so that it costs a sample of a known series 8 bytes; looked at only for a new route.
    pub source: &'a Source,
}

/// Of unknown source.
impl<'a> From<&'a [u8]> for Datagram<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self { bytes, ..Self::default() }
    }
}

/// A sample with its place in the table.
#[derive(Clone, Copy, Default)]
struct Pending<'a> {
    sample: Sample<'a>,
    source: &'a Source,
    hash: u64,
    candidate: Option<RouteId>,
}

/// Samples parsed and not yet recorded.
struct Batch<'a> {
    pending: [Pending<'a>; BATCH],
    len: usize,
    /// Who sent the datagram at hand.
    source: &'a Source,
}

impl Worker {
    pub(crate) fn new(bridge: Bridge) -> Self {
        let options = bridge.options();
        Self {
            dialect: options.dialect,
            limits: options.limits,
            // One spelling of each series, and some more.
            routes: Routes::new(options.limits.series + options.limits.series / 4 + ROUTES_AT_LEAST),
            resolver: Resolver::new(&bridge),
            exemplar_tag: options.exemplar_tag.as_deref().and_then(ExemplarTag::new),
            cut: Vec::new(),
            tally: Tally::default(),
            hits: HitTally::default(),
            log: RefusalLog::default(),
            changes: 0,
            bridge,
        }
    }

    /// Parses and records one datagram, or a piece of a stream cut at line ends. Counts are flushed before it returns.
    pub fn ingest(&mut self, datagram: &[u8], now: Timestamp) {
        self.ingest_from(datagram, &Source::Unknown, now);
    }

    /// As [`ingest`](Self::ingest); `source` is told where a sample meets a limit or a conflict.
    pub fn ingest_from(&mut self, datagram: &[u8], source: &Source, now: Timestamp) {
        self.ingest_batch(std::iter::once(Datagram { bytes: datagram, source }), now);
    }

    /// Parses and records a batch of datagrams, in their order. Counts are flushed before it returns.
    pub fn ingest_batch<'a>(&mut self, datagrams: impl Iterator<Item: Into<Datagram<'a>>>, now: Timestamp) {
        self.pass();
        let mut batch = Batch { pending: [Pending::default(); BATCH], len: 0, source: <&Source>::default() };
        for datagram in datagrams {
            let Datagram { bytes, source } = datagram.into();
            batch.source = source;
            let mut rest = Some(bytes);
            while let Some(bytes) = rest {
                let line = match memchr(b'\n', bytes) {
                    Some(end) => {
                        rest = bytes.get(end + 1..);
                        bytes.get(..end).unwrap_or_default()
                    }
                    None => {
                        rest = None;
                        bytes
                    }
                };
                self.line(line, &mut batch, now);
            }
        }
        self.record(&mut batch, now);
        self.flush();
    }

    /// To be called now and then by a thread that has nothing to ingest, about once a second: series that expire wait until
    /// every worker was between two batches.
    pub fn tick(&mut self) {
        self.pass();
        self.keep_up(STEPS_OF_TICK);
        self.flush();
    }

    /// Between two batches: nothing is being written now. Takes over new rules, and asks again for what was refused.
    #[inline]
    fn pass(&mut self) {
        let changes = self.bridge.registry().pass(self.resolver.membership());
        if self.resolver.follow_rules() {
            self.hits = HitTally::default();
            self.forget_routes();
        } else if changes != self.changes {
            // Series went: their routes lead nowhere, and what was refused for want of room may find it.
            self.routes.sweep();
        }
        self.changes = changes;
        if self.routes.is_unsettled() {
            self.keep_up(STEPS_OF_BATCH);
        }
    }

    /// Takes out routes that lead nowhere, or may lead elsewhere now, and gives their memory back: a few steps of it.
    #[cold]
    fn keep_up(&mut self, steps: usize) {
        let before = self.routes.len();
        let resolver = &mut self.resolver;
        self.routes.keep_up(steps, Route::prefetch_cell, |route| {
            let is_gone = route.is_retired() || route.is_side();
            if is_gone {
                resolver.forgot(route);
            }
            is_gone
        });
        self.tally.routes -= (before - self.routes.len()) as i64;
    }

    fn forget_routes(&mut self) {
        self.tally.routes -= self.routes.len() as i64;
        self.routes.clear();
        self.resolver.forgot_all();
    }

    /// Counts a line that cannot be handed in whole: cut, or too long for whoever receives it.
    pub fn refuse_line(&mut self, reason: SampleError) {
        self.tally.lines += 1;
        self.count_error(reason);
        self.flush();
    }

    fn flush(&mut self) {
        self.bridge.telemetry().flush(&mut self.tally);
        self.hits.flush(self.resolver.hits());
    }

    #[inline(always)]
    fn line<'a>(&mut self, line: &'a [u8], batch: &mut Batch<'a>, now: Timestamp) {
        self.tally.lines += 1;
        if line.len() > self.limits.line_bytes {
            return self.refuse(SampleError::LineTooLong, line, now);
        }
        match parse_line(line, &self.dialect) {
            Line::Sample(sample) => {
                self.tally.lines_parsed += 1;
                self.push(sample, batch, now);
            }
            Line::Empty => self.tally.lines_empty += 1,
            Line::Samples(samples) => {
                self.tally.lines_parsed += 1;
                for sample in samples {
                    match sample {
                        Ok(sample) => self.push(sample, batch, now),
                        Err(refused) => {
                            self.tally.samples += 1;
                            self.tally.tag_errors += u64::from(refused.tag_errors);
                            self.refuse(refused.error, line, now);
                        }
                    }
                }
            }
            Line::Event => self.tally.events += 1,
            Line::ServiceCheck => self.tally.service_checks += 1,
            Line::Refused(refused) => {
                if !refused.error.refuses_line() {
                    self.tally.lines_parsed += 1;
                    self.tally.samples += 1;
                }
                self.tally.tag_errors += u64::from(refused.tag_errors);
                self.refuse(refused.error, line, now);
            }
        }
    }

    #[inline(always)]
    fn push<'a>(&mut self, sample: Sample<'a>, batch: &mut Batch<'a>, now: Timestamp) {
        if self.exemplar_tag.is_some() && !sample.tags.is_empty() && self.push_with_exemplar(&sample, batch, now) {
            return;
        }
        let hash = self.routes.hash(&sample);
        self.routes.prefetch_slot(hash);
        if let Some(place) = batch.pending.get_mut(batch.len) {
            *place = Pending { sample, source: batch.source, hash, candidate: None };
            batch.len += 1;
        }
        if batch.len == BATCH {
            self.record(batch, now);
        }
    }

    /// Records a sample that has the exemplars' tag, without it; false if it has none. What came before is recorded first, so that
    /// the order stays.
    #[cold]
    #[inline(never)]
    fn push_with_exemplar<'a>(&mut self, sample: &Sample<'a>, batch: &mut Batch<'a>, now: Timestamp) -> bool {
        let mut cut = std::mem::take(&mut self.cut);
        let trace = self.exemplar_tag.as_ref().and_then(|tag| tag.cut(sample.tags, &mut cut));
        if let Some(trace) = trace {
            self.record(batch, now);
            let sample = Sample { tags: &cut, ..*sample };
            let pending = Pending { sample, source: batch.source, hash: self.routes.hash(&sample), candidate: None };
            self.record_exemplar(&pending, trace, now);
        }
        self.cut = cut;
        trace.is_some()
    }

    /// Records a sample by itself, and notes its exemplar if a counter or a histogram took it.
    fn record_exemplar(&mut self, pending: &Pending<'_>, trace: &str, now: Timestamp) {
        let Pending { sample, hash, .. } = pending;
        self.tally.samples += 1;
        // A route that was made without an exemplar does not know its series.
        let known = self.routes.find(*hash, sample);
        let lacks_series = |route: &Route| route.series().is_none() && route.may_have_exemplars();
        if let Some(id) = known.filter(|id| self.routes.get(*id, sample).is_some_and(lacks_series)) {
            self.remove_route(id);
        }
        let before = self.tally.recorded;
        self.record_unknown(pending, true, now);
        if self.tally.recorded == before {
            return;
        }
        let route = self.routes.find(*hash, sample).and_then(|id| self.routes.get(id, sample));
        let Some((route, series)) = route.and_then(|route| Some((route, route.series()?))) else { return };
        let (Value::Number(number) | Value::Signed(number)) = sample.value else { return };
        let number = route.convert(number);
        let measured = match &route.target {
            Target::Cell(CellHandle::Histogram(_, bounds)) => (bounds.partition_point(|bound| *bound < number), number),
            _ => (0, number * sample.weight),
        };
        let label = self.exemplar_tag.as_ref().map_or("", ExemplarTag::label);
        if self.bridge.registry().note_exemplar(series, (label, trace), measured, now) {
            self.tally.exemplars += 1;
        } else {
            self.tally.exemplars_refused += 1;
        }
    }

    /// Looks a batch up in three rounds and records it.
    fn record(&mut self, batch: &mut Batch<'_>, now: Timestamp) {
        let Some(pending) = batch.pending.get_mut(..batch.len) else { return };
        for p in &mut *pending {
            p.candidate = self.routes.candidate(p.hash);
        }
        for p in &*pending {
            if let Some(route) = p.candidate.and_then(|id| self.routes.prefetch_key(id)) {
                route.prefetch_cell();
            }
        }
        self.tally.samples += pending.len() as u64;
        for p in &*pending {
            let known = p.candidate.and_then(|id| self.routes.get(id, &p.sample));
            let done = known.is_some_and(|route| {
                Recording { tally: &mut self.tally, hits: &mut self.hits, log: &mut self.log, now }.apply(route, &p.sample)
            });
            if !done {
                self.record_unknown(p, false, now);
            }
        }
        batch.len = 0;
    }

    /// A sample whose route is new, or retired, or hidden behind one with a similar hash.
    #[cold]
    #[inline(never)]
    fn record_unknown(&mut self, pending: &Pending<'_>, has_exemplar: bool, now: Timestamp) {
        let Pending { sample, source, hash, .. } = *pending;
        let sample = &sample;
        let mut recording = Recording { tally: &mut self.tally, hits: &mut self.hits, log: &mut self.log, now };
        let known = self.routes.find(hash, sample);
        if known.and_then(|id| self.routes.get(id, sample)).is_some_and(|route| recording.apply(route, sample)) {
            return;
        }
        // A series may be retired in the moment in which it was found; then it is looked for again.
        let route = loop {
            let route = if has_exemplar {
                self.resolver.resolve_with_series(sample, source, now, recording.tally)
            } else {
                self.resolver.resolve(sample, source, now, recording.tally)
            };
            if recording.apply(&route, sample) {
                break route;
            }
        };
        if let Some(id) = known {
            self.remove_route(id);
        }
        if self.resolver.keeps(&route) {
            self.keep_route(sample, hash, route);
        }
    }

    /// Adds a route; where there is no room, others go.
    fn keep_route(&mut self, sample: &Sample<'_>, hash: u64, route: Route) {
        // Places and key bytes have a limit each; a long key may need the bytes of several.
        for _ in 0..EVICTED_AT_MOST {
            if !self.routes.is_full() {
                break;
            }
            if let Some(gone) = self.routes.evict() {
                self.resolver.forgot(&gone);
                self.tally.routes -= 1;
                self.tally.routes_cleared += 1;
            }
        }
        match self.routes.insert(hash, sample, route) {
            Ok(()) => self.tally.routes += 1,
            Err(route) => self.resolver.forgot(&route),
        }
    }

    fn remove_route(&mut self, id: RouteId) {
        if let Some(gone) = self.routes.remove(id) {
            self.resolver.forgot(&gone);
            self.tally.routes -= 1;
        }
    }

    #[cold]
    fn refuse(&mut self, reason: SampleError, line: &[u8], now: Timestamp) {
        self.count_error(reason);
        self.log.refused(reason.as_str(), line, now);
    }

    fn count_error(&mut self, reason: SampleError) {
        count_error(&mut self.tally, reason);
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.tally.routes -= self.routes.len() as i64;
        self.flush();
        self.bridge.registry().leave(self.resolver.membership());
    }
}

impl Route {
    /// Whether it leads to a series that went, or is about to.
    fn is_retired(&self) -> bool {
        matches!(&self.target, Target::Cell(cell) if cell.stamp().last().is_none())
    }

    /// Whether OpenMetrics has exemplars for what it leads to.
    fn may_have_exemplars(&self) -> bool {
        matches!(self.target, Target::Cell(CellHandle::Counter(_) | CellHandle::Histogram(..)))
    }

    /// Asks the memory for the cell that a sample of this route will write.
    #[inline(always)]
    fn prefetch_cell(&self) {
        match &self.target {
            Target::Cell(CellHandle::Counter(cell)) => prefetch(Arc::as_ptr(cell)),
            Target::Cell(CellHandle::Gauge(cell)) => prefetch(Arc::as_ptr(cell)),
            // The sum is at its beginning, buckets are up to two cache lines behind it.
            Target::Cell(CellHandle::Histogram(cell, _)) => cell.addresses().into_iter().for_each(prefetch),
            Target::Cell(CellHandle::Native(classic, cell)) => {
                classic.addresses().into_iter().for_each(prefetch);
                cell.addresses().into_iter().for_each(prefetch);
            }
            Target::Cell(CellHandle::Summary(cell)) => prefetch(Arc::as_ptr(cell)),
            Target::Cell(CellHandle::Set(cell)) => prefetch(Arc::as_ptr(cell)),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
