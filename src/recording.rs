//! recording: one sample put where its route leads, and counted exactly once: recorded, refused under one reason, or dropped.
//!
//! The end of the straight way. Knows neither bytes nor look-ups; a sample of a known series allocates nothing here.

use crate::Timestamp;
use crate::hits::HitTally;
use crate::protocol::{Kind, Sample, SampleError, Value};
use crate::refusal_log::RefusalLog;
use crate::registry::CellHandle;
use crate::resolve::{Route, Target};
use crate::telemetry::{Recorded, Refusal, Tally};

/// What recording a sample needs beside its route.
pub(crate) struct Recording<'w> {
    pub(crate) tally: &'w mut Tally,
    pub(crate) hits: &'w mut HitTally,
    pub(crate) log: &'w mut RefusalLog,
    pub(crate) now: Timestamp,
}

impl Recording<'_> {
    /// Records one sample where its route leads, and counts it: recorded, refused under one reason, or dropped.
    ///
    /// False, and nothing was done, if the route leads to a retired series, or to a cell that another one replaces.
    #[inline(always)]
    pub(crate) fn apply(&mut self, route: &Route, sample: &Sample<'_>) -> bool {
        let Target::Cell(cell) = &route.target else {
            self.count_route(route, sample);
            self.apply_elsewhere(&route.target, sample);
            return true;
        };
        if cell.is_outgrown() || !cell.stamp().touch(self.now.as_millis()) {
            return false;
        }
        self.count_route(route, sample);
        let outcome = match sample.value {
            Value::Number(number) | Value::Signed(number) => self.apply_number(cell, sample, route.convert(number)),
            Value::Member(member) => apply_member(cell, member),
        };
        match outcome {
            Ok(kind) => self.recorded(kind, route),
            Err(refusal) => self.refused(refusal, sample),
        }
        true
    }

    #[inline(always)]
    fn apply_number(&self, cell: &CellHandle, sample: &Sample<'_>, number: f64) -> Result<Recorded, Refusal> {
        match cell {
            CellHandle::Counter(_) if number < 0.0 => Err(Refusal::NegativeCounter),
            CellHandle::Counter(cell) => recorded(Recorded::Counter, cell.add(number * sample.weight)),
            CellHandle::Gauge(cell) => match (sample.kind, sample.value) {
                (Kind::Gauge, Value::Number(_)) => recorded(Recorded::Gauge, cell.set(number)),
                // A gauge that a rule made of a counter goes up and down by its samples.
                (Kind::Counter, _) => recorded(Recorded::Gauge, cell.change(number * sample.weight)),
                (Kind::Gauge, _) => recorded(Recorded::Gauge, cell.change(number)),
                _ => recorded(Recorded::Gauge, cell.set(number)),
            },
            CellHandle::Histogram(cell, bounds) => recorded(Recorded::Observer, cell.observe(bounds, number, sample.weight)),
            CellHandle::Native(_, cell) => recorded(Recorded::Observer, cell.observe(number, sample.weight, self.now)),
            CellHandle::Summary(cell) => recorded(Recorded::Observer, cell.observe(number, sample.weight, self.now)),
            // The registry keeps kinds apart, so this cannot be met.
            CellHandle::Set(_) => Err(Refusal::Conflict),
        }
    }

    /// What is counted of every sample of a route, whatever becomes of it.
    #[inline(always)]
    fn count_route(&mut self, route: &Route, sample: &Sample<'_>) {
        self.tally.tagged_samples += u64::from(route.is_tagged);
        self.tally.unknown_fields += u64::from(sample.unknown_fields);
        self.tally.mapped += u64::from(route.is_mapped);
        self.tally.unmapped += u64::from(!route.is_mapped);
        self.hits.count(route.slot);
        if let Some(extra) = &route.extra {
            let in_name = if sample.first { extra.tag_errors.name } else { 0 };
            self.tally.tag_errors += u64::from(extra.tag_errors.fields) + u64::from(in_name);
        }
    }

    #[inline(always)]
    fn recorded(&mut self, kind: Recorded, route: &Route) {
        if let Some(count) = self.tally.recorded.get_mut(kind as usize) {
            *count += 1;
        }
        if let Some(limited) = route.extra.as_ref().and_then(|extra| extra.folded.as_ref()) {
            limited.count();
        }
    }

    #[cold]
    fn refused(&mut self, refusal: Refusal, sample: &Sample<'_>) {
        if let Some(count) = self.tally.refused.get_mut(refusal as usize) {
            *count += 1;
        }
        self.log.refused(refusal.as_str(), sample.name, self.now);
    }

    /// A target that is no cell.
    #[inline(never)]
    fn apply_elsewhere(&mut self, target: &Target, sample: &Sample<'_>) {
        match target {
            Target::LineRefused(reason) => {
                // What looked like a sample is a line refused as a whole.
                self.tally.samples -= 1;
                self.tally.lines_parsed -= 1;
                self.tally.unmapped -= 1;
                count_error(self.tally, *reason);
                self.log.refused(reason.as_str(), sample.name, self.now);
            }
            Target::Dropped => {
                self.tally.mapped -= 1;
                self.tally.dropped += 1;
            }
            Target::Refused(refusal) => self.refused(*refusal, sample),
            Target::Limited(refusal, limited) => {
                limited.count();
                self.refused(*refusal, sample);
            }
            Target::Conflict(conflict) => {
                conflict.count();
                self.refused(conflict.reason.refusal().unwrap_or(Refusal::Conflict), sample);
            }
            // Is taken by `apply`.
            Target::Cell(_) => self.refused(Refusal::Conflict, sample),
        }
    }
}

#[inline(always)]
fn recorded(kind: Recorded, done: bool) -> Result<Recorded, Refusal> {
    if done { Ok(kind) } else { Err(Refusal::ValueOverflow) }
}

/// A set's member.
#[inline(never)]
fn apply_member(cell: &CellHandle, member: &[u8]) -> Result<Recorded, Refusal> {
    match cell {
        CellHandle::Set(cell) => {
            cell.insert(member);
            Ok(Recorded::Set)
        }
        // The registry keeps kinds apart; a rule that makes numbers of a set's members is refused when it is loaded.
        _ => Err(Refusal::Conflict),
    }
}

/// Counts a line or sample that the grammar, or its identity, refused.
pub(crate) fn count_error(tally: &mut Tally, reason: SampleError) {
    if let Some(count) = tally.errors.get_mut(reason as usize) {
        *count += 1;
    }
}
