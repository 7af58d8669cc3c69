//! pipeline: the straight way of a batch of datagrams, from bytes to cells. One loop over lines, one match over targets.
//!
//! Samples are gathered into small batches, so that the look-ups of a batch can be prefetched together; nothing is queued
//! beyond the call. A sample of a known series allocates nothing and locks nothing. Knows no sockets and no page.

use std::sync::Arc;

use memchr::memchr;

use crate::options::{Dialect, Limits};
use crate::protocol::{Kind, Line, Sample, SampleError, Value, parse_line};
use crate::refusal_log::RefusalLog;
use crate::registry::CellHandle;
use crate::resolve::{Resolver, Route, Target};
use crate::routes::{RouteId, Routes, prefetch};
use crate::telemetry::{Recorded, Refusal, Tally};
use crate::{Bridge, Timestamp};

/// Samples looked up together. Enough to hide a miss to memory behind the others', few enough to stay in the first cache.
const BATCH: usize = 32;

/// One receiving thread's side of the bridge: its routes, its counts, and the right to write its cells.
pub struct Worker {
    bridge: Bridge,
    dialect: Dialect,
    limits: Limits,
    routes: Routes<Route>,
    resolver: Resolver,
    tally: Tally,
    log: RefusalLog,
}

/// A sample with its place in the table.
#[derive(Clone, Copy, Default)]
struct Pending<'a> {
    sample: Sample<'a>,
    hash: u64,
    candidate: Option<RouteId>,
}

/// Samples parsed and not yet recorded.
struct Batch<'a> {
    pending: [Pending<'a>; BATCH],
    len: usize,
}

impl Worker {
    pub(crate) fn new(bridge: Bridge) -> Self {
        let options = bridge.options();
        Self {
            dialect: options.dialect,
            limits: options.limits,
            routes: Routes::new(),
            resolver: Resolver::new(&bridge),
            tally: Tally::default(),
            log: RefusalLog::default(),
            bridge,
        }
    }

    /// Parses and records one datagram, or a piece of a stream cut at line ends. Counts are flushed before it returns.
    pub fn ingest(&mut self, datagram: &[u8], now: Timestamp) {
        self.ingest_batch(std::iter::once(datagram), now);
    }

    /// Parses and records a batch of datagrams, in their order. Counts are flushed before it returns.
    pub fn ingest_batch<'a>(&mut self, datagrams: impl Iterator<Item = &'a [u8]>, now: Timestamp) {
        let mut batch = Batch { pending: [Pending::default(); BATCH], len: 0 };
        for datagram in datagrams {
            let mut rest = Some(datagram);
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

    /// Counts a line that cannot be handed in whole: cut, or too long for whoever receives it.
    pub fn refuse_line(&mut self, reason: SampleError) {
        self.tally.lines += 1;
        self.count_error(reason);
        self.flush();
    }

    fn flush(&mut self) {
        self.bridge.telemetry().flush(&mut self.tally);
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
        let hash = self.routes.hash(&sample);
        self.routes.prefetch_slot(hash);
        if let Some(place) = batch.pending.get_mut(batch.len) {
            *place = Pending { sample, hash, candidate: None };
            batch.len += 1;
        }
        if batch.len == BATCH {
            self.record(batch, now);
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
            match known {
                Some(route) => apply(route, &p.sample, now, &mut self.tally, &mut self.log),
                None => self.record_unknown(&p.sample, p.hash, now),
            }
        }
        batch.len = 0;
    }

    /// A sample whose route is new, or hidden behind one with a similar hash.
    #[cold]
    #[inline(never)]
    fn record_unknown(&mut self, sample: &Sample<'_>, hash: u64, now: Timestamp) {
        if let Some(route) = self.routes.find(hash, sample) {
            return apply(route, sample, now, &mut self.tally, &mut self.log);
        }
        let route = self.resolver.resolve(sample, &mut self.tally);
        apply(&route, sample, now, &mut self.tally, &mut self.log);
        if self.resolver.keeps(&route) {
            if self.routes.is_full() {
                // The ids of this batch's other candidates may now name other routes; their keys will tell.
                self.tally.routes -= self.routes.len() as i64;
                self.routes.clear();
                self.resolver.routes_cleared();
                self.tally.routes_cleared += 1;
            }
            self.tally.routes += i64::from(self.routes.insert(hash, sample, route));
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
        self.bridge.registry().release_worker(self.resolver.worker());
    }
}

fn count_error(tally: &mut Tally, reason: SampleError) {
    if let Some(count) = tally.errors.get_mut(reason as usize) {
        *count += 1;
    }
}

/// Records one sample where its route leads, and counts it: recorded, or refused under one reason.
#[inline(always)]
fn apply(route: &Route, sample: &Sample<'_>, now: Timestamp, tally: &mut Tally, log: &mut RefusalLog) {
    if route.has_tag_facts {
        count_tags(route, sample, tally);
    }
    tally.unknown_fields += u64::from(sample.unknown_fields);
    let (Value::Number(number) | Value::Signed(number)) = sample.value else {
        return apply_member(route, sample, tally, log, now);
    };
    // Milliseconds on the wire, seconds on the page.
    let number = if sample.kind == Kind::Timer { number / 1000.0 } else { number };
    let outcome = match &route.target {
        Target::Cell(CellHandle::Counter(_)) if number < 0.0 => Err(Refusal::NegativeCounter),
        Target::Cell(CellHandle::Counter(cell)) => recorded(Recorded::Counter, cell.add(number * sample.weight)),
        Target::Cell(CellHandle::Gauge(cell)) => match sample.value {
            Value::Signed(_) => recorded(Recorded::Gauge, cell.change(number)),
            _ => {
                cell.set(number);
                Ok(Recorded::Gauge)
            }
        },
        Target::Cell(CellHandle::Histogram(cell, bounds)) => recorded(Recorded::Observer, cell.observe(bounds, number, sample.weight)),
        Target::Cell(CellHandle::Summary(cell)) => recorded(Recorded::Observer, cell.observe(number, sample.weight, now)),
        _ => return apply_elsewhere(route, sample, tally, log, now),
    };
    match outcome {
        Ok(kind) => count_recorded(tally, kind, route),
        Err(refusal) => count_refused(tally, refusal, sample, log, now),
    }
}

#[inline(always)]
fn recorded(kind: Recorded, done: bool) -> Result<Recorded, Refusal> {
    if done { Ok(kind) } else { Err(Refusal::ValueOverflow) }
}

#[inline(always)]
fn count_recorded(tally: &mut Tally, kind: Recorded, route: &Route) {
    if let Some(count) = tally.recorded.get_mut(kind as usize) {
        *count += 1;
    }
    if let Some(limited) = &route.folded {
        limited.count();
    }
}

#[cold]
fn count_refused(tally: &mut Tally, refusal: Refusal, sample: &Sample<'_>, log: &mut RefusalLog, now: Timestamp) {
    if let Some(count) = tally.refused.get_mut(refusal as usize) {
        *count += 1;
    }
    log.refused(refusal.as_str(), sample.name, now);
}

#[inline(never)]
fn count_tags(route: &Route, sample: &Sample<'_>, tally: &mut Tally) {
    tally.tagged_samples += u64::from(route.is_tagged);
    tally.tag_errors += u64::from(route.tag_errors.fields) + if sample.first { u64::from(route.tag_errors.name) } else { 0 };
}

/// A set's member.
#[inline(never)]
fn apply_member(route: &Route, sample: &Sample<'_>, tally: &mut Tally, log: &mut RefusalLog, now: Timestamp) {
    match (&route.target, sample.value) {
        (Target::Cell(CellHandle::Set(cell)), Value::Member(member)) => {
            cell.insert(member);
            count_recorded(tally, Recorded::Set, route);
        }
        _ => apply_elsewhere(route, sample, tally, log, now),
    }
}

/// A target that is no cell, which refuses.
#[cold]
#[inline(never)]
fn apply_elsewhere(route: &Route, sample: &Sample<'_>, tally: &mut Tally, log: &mut RefusalLog, now: Timestamp) {
    match &route.target {
        Target::LineRefused(reason) => {
            // What looked like a sample is a line refused as a whole.
            tally.samples -= 1;
            tally.lines_parsed -= 1;
            count_error(tally, *reason);
            log.refused(reason.as_str(), sample.name, now);
        }
        Target::Refused(refusal) => count_refused(tally, *refusal, sample, log, now),
        Target::Limited(refusal, limited) => {
            limited.count();
            count_refused(tally, *refusal, sample, log, now);
        }
        Target::Conflict(conflict) => {
            conflict.count();
            count_refused(tally, Refusal::Conflict, sample, log, now);
        }
        // A cell of a kind that the sample's value does not fit. The registry keeps kinds apart, so this cannot be met.
        Target::Cell(_) => count_refused(tally, Refusal::Conflict, sample, log, now),
    }
}

impl Route {
    /// Asks the memory for the cell that a sample of this route will write.
    #[inline(always)]
    fn prefetch_cell(&self) {
        match &self.target {
            Target::Cell(CellHandle::Counter(cell)) => prefetch(Arc::as_ptr(cell)),
            Target::Cell(CellHandle::Gauge(cell)) => prefetch(Arc::as_ptr(cell)),
            Target::Cell(CellHandle::Histogram(cell, _)) => prefetch(cell.address()),
            Target::Cell(CellHandle::Summary(cell)) => prefetch(Arc::as_ptr(cell)),
            Target::Cell(CellHandle::Set(cell)) => prefetch(Arc::as_ptr(cell)),
            _ => {}
        }
    }
}
