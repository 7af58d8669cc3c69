//! recording: one sample put where its binding leads, and counted exactly once: recorded, refused under one reason, or dropped.
//!
//! The end of the straight way. Knows neither bytes nor look-ups; a sample of a known series allocates nothing here.

use crate::hits::HitTally;
use crate::ingest::pending::Pending;
use crate::ingest::protocol::{Sample, SampleError, Value};
use crate::ingest::rejection_log::RejectionLog;
use crate::ingest::resolve::{Binding, Target, change_of_gauge};
use crate::registry::CellHandle;
use crate::source::Source;
use crate::telemetry::{Recorded, Refusal, Tally};
use crate::time::Timestamp;

/// What recording a sample needs beside its binding.
pub(crate) struct Recording<'w> {
    pub(crate) tally: &'w mut Tally,
    pub(crate) hits: &'w mut HitTally,
    pub(crate) log: &'w mut RejectionLog,
    /// The samples that are recorded one after the other, for whoever asks who sent one.
    pub(crate) pending: &'w [Pending<'w>],
    pub(crate) now: Timestamp,
    /// How much one sample may add: see [`Limits::sample_value`](crate::options::Limits::sample_value).
    pub(crate) most: f64,
}

impl Recording<'_> {
    /// Records one sample where its binding leads, and counts it: recorded, refused under one reason, or dropped.
    ///
    /// False, and nothing was done, if the binding leads to a retired series, or to a cell that another one replaces. A rejected sample
    /// is no write: it does not keep its series from expiring.
    #[inline(always)]
    pub(crate) fn apply(&mut self, binding: &Binding, sample: &Sample<'_>) -> bool {
        let Target::Cell(cell) = &binding.target else {
            self.apply_elsewhere(binding, sample);
            return true;
        };
        let number = match sample.value {
            Value::Number(number) | Value::Signed(number) => binding.convert(number),
            Value::Member(member) => return self.apply_member(binding, cell, (member, sample)),
        };
        let millis = self.now.as_millis();
        let (kind, is_done) = match cell {
            CellHandle::Counter(cell) => {
                let amount = number * sample.weight;
                if !(0.0..=self.most).contains(&amount) {
                    return self.reject(if amount < 0.0 { Refusal::NegativeCounter } else { Refusal::of_large(amount) }, binding, sample);
                }
                if !cell.stamp().touch(millis) {
                    return false;
                }
                (Recorded::Counter, cell.add(amount))
            }
            CellHandle::Histogram(cell, bounds) => {
                if self.is_too_large(number, sample.weight) {
                    return self.reject(Refusal::of_large(number * sample.weight), binding, sample);
                }
                if bounds.is_native_wanted() || !cell.stamp().touch(millis) {
                    return false;
                }
                (Recorded::Observer, cell.observe(bounds, number, sample.weight))
            }
            CellHandle::Gauge(cell) => {
                let change = change_of_gauge(sample, number, binding.signed_sets);
                if change.is_some_and(|change| !(0.0..=self.most).contains(&change.abs())) {
                    return self.reject(Refusal::of_large(number * sample.weight), binding, sample);
                }
                if !cell.stamp().touch(millis) {
                    return false;
                }
                (Recorded::Gauge, change.map_or_else(|| cell.set(number), |change| cell.change(change)))
            }
            cell => {
                if self.is_too_large(number, sample.weight) {
                    return self.reject(Refusal::of_large(number * sample.weight), binding, sample);
                }
                if !cell.stamp().touch(millis) {
                    return false;
                }
                let Some(is_done) = self.apply_observer(cell, sample.weight, number) else {
                    return self.reject(Refusal::Conflict, binding, sample);
                };
                (Recorded::Observer, is_done)
            }
        };
        self.count_binding(binding, sample);
        if is_done {
            self.recorded(kind, binding)
        } else {
            self.refused(Refusal::ValueOverflow, sample)
        }
        true
    }

    /// A sample of the kinds of observers that take longer. `None` for a set, which takes no number.
    fn apply_observer(&self, cell: &CellHandle, weight: f64, number: f64) -> Option<bool> {
        match cell {
            CellHandle::Native(_, cell) => Some(cell.observe(number, weight, self.now)),
            CellHandle::Summary(cell) => Some(cell.observe(number, weight, self.now)),
            // Counters, gauges and histograms with classic buckets only were taken before; the registry keeps sets apart.
            _ => None,
        }
    }

    /// A set's member.
    #[inline(never)]
    fn apply_member(&mut self, binding: &Binding, cell: &CellHandle, (member, sample): (&[u8], &Sample<'_>)) -> bool {
        if cell.is_outgrown() || !cell.stamp().touch(self.now.as_millis()) {
            return false;
        }
        self.count_binding(binding, sample);
        match cell {
            CellHandle::Set(cell) => {
                cell.insert(member);
                self.recorded(Recorded::Set, binding);
            }
            // The registry keeps kinds apart; a rule that makes numbers of a set's members is refused when it is loaded.
            _ => self.refused(Refusal::Conflict, sample),
        }
        true
    }

    /// What is counted of every sample of a binding, whatever becomes of it.
    #[inline(always)]
    fn count_binding(&mut self, binding: &Binding, sample: &Sample<'_>) {
        if let Some(count) = self.tally.bound.get_mut(usize::from(binding.is_mapped) | usize::from(binding.is_tagged) << 1) {
            *count += 1;
        }
        if sample.unknown_fields > 0 {
            self.tally.unknown_fields += u64::from(sample.unknown_fields);
        }
        self.hits.count(binding.slot);
        if let Some(extra) = &binding.extra {
            let in_name = if sample.first { extra.tag_errors.name } else { 0 };
            self.tally.tag_errors += u64::from(extra.tag_errors.fields) + u64::from(in_name);
        }
    }

    #[inline(always)]
    fn recorded(&mut self, kind: Recorded, binding: &Binding) {
        if let Some(count) = self.tally.recorded.get_mut(kind as usize) {
            *count += 1;
        }
        if let Some(limited) = binding.extra.as_ref().and_then(|extra| extra.folded.as_ref()) {
            limited.count();
        }
    }

    /// Whether an observation would add too much to the count or to the sum.
    #[inline(always)]
    fn is_too_large(&self, number: f64, weight: f64) -> bool {
        // Not `>`: a product that is no number is too large as well.
        !(weight <= self.most && (number * weight).abs() <= self.most)
    }

    /// A sample of a known binding that its cell cannot take. True, because it is counted.
    #[cold]
    #[inline(never)]
    fn reject(&mut self, refusal: Refusal, binding: &Binding, sample: &Sample<'_>) -> bool {
        self.count_binding(binding, sample);
        self.refused(refusal, sample);
        true
    }

    #[cold]
    fn refused(&mut self, refusal: Refusal, sample: &Sample<'_>) {
        if let Some(count) = self.tally.refused.get_mut(refusal as usize) {
            *count += 1;
        }
        self.log.rejected(refusal.as_str(), sample.name, self.source_of(sample), self.now);
    }

    /// Who sent a sample of those at hand. Looked for only where one is rejected, so that the others need not bring it.
    fn source_of(&self, sample: &Sample<'_>) -> Source {
        // They live for as long as the batch does; the lifetimes of the text in them do not matter for where they are.
        let place = std::ptr::from_ref(sample).cast::<()>();
        let pending = self.pending.iter().find(|pending| std::ptr::from_ref(&pending.sample).cast::<()>() == place);
        pending.map_or(Source::Unknown, |pending| *pending.source)
    }

    /// A target that is no cell.
    #[inline(never)]
    fn apply_elsewhere(&mut self, binding: &Binding, sample: &Sample<'_>) {
        self.count_binding(binding, sample);
        match &binding.target {
            Target::LineRefused(reason) => {
                // What looked like a sample is a line refused as a whole.
                self.tally.samples -= 1;
                self.tally.lines_parsed -= 1;
                self.tally.unbound += 1;
                count_error(self.tally, *reason);
                self.log.rejected(reason.as_str(), sample.name, self.source_of(sample), self.now);
            }
            Target::Dropped => {
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

/// Counts a line or sample that the grammar, or its identity, refused.
pub(crate) fn count_error(tally: &mut Tally, reason: SampleError) {
    if let Some(count) = tally.errors.get_mut(reason as usize) {
        *count += 1;
    }
}
