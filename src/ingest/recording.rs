//! recording: writes one sample to the cell of its binding, and counts it exactly once: recorded, rejected under one reason, or dropped.
//!
//! The last stage of the pipeline. Knows neither bytes nor look-ups. Allocates nothing for a sample of a known series.

use crate::hits::HitTally;
use crate::ingest::client_tally::ClientTally;
use crate::ingest::pending::Pending;
use crate::ingest::protocol::{Sample, SampleError, Value};
use crate::ingest::rejection_log::RejectionLog;
use crate::ingest::resolve::{Binding, Outcome, Target, change_of_gauge};
use crate::registry::WorkerCell;
use crate::source::Source;
use crate::telemetry::{Recorded, SampleRejection, Tally};
use crate::time::Timestamp;

/// The state that recording needs, in addition to sample and binding.
pub(crate) struct Recording<'w> {
    pub(crate) tally: &'w mut Tally,
    pub(crate) hits: &'w mut HitTally,
    pub(crate) log: &'w mut RejectionLog,
    pub(crate) clients: &'w mut ClientTally,
    /// The samples of the batch, with their senders.
    pub(crate) pending: &'w [Pending<'w>],
    pub(crate) now: Timestamp,
    /// The maximum that one sample may add: see [`Limits::sample_value`](crate::options::Limits::sample_value).
    pub(crate) max_value: f64,
}

impl Recording<'_> {
    /// Records one sample of a binding and counts it: recorded, rejected under one reason, or dropped.
    ///
    /// Returns false and does nothing if the series has expired, or if the series has another cell for this worker now. A rejected sample
    /// is not a write: it does not keep its series from expiring.
    #[inline(always)]
    pub(crate) fn apply(&mut self, binding: &Binding, sample: &Sample<'_>) -> bool {
        let cell = match &binding.target {
            Target::Cell(cell) => cell,
            Target::Outcome(outcome) => {
                self.apply_outcome(binding, outcome, sample);
                return true;
            }
        };
        let number = match sample.value {
            Value::Number(number) | Value::Signed(number) => binding.convert(number),
            Value::Member(member) => return self.apply_member(binding, cell, member, sample),
        };
        let millis = self.now.as_millis();
        let (kind, is_done) = match cell {
            WorkerCell::Counter(cell) => {
                let amount = number * sample.weight;
                if !(0.0..=self.max_value).contains(&amount) {
                    return self.reject(
                        if amount < 0.0 { SampleRejection::NegativeCounter } else { SampleRejection::of_large(amount) },
                        binding,
                        sample,
                    );
                }
                if !cell.stamp().touch(millis) {
                    return false;
                }
                (Recorded::Counter, cell.add(amount))
            }
            WorkerCell::Histogram(cell, bounds) => {
                if self.is_too_large(number, sample.weight) {
                    return self.reject(SampleRejection::of_large(number * sample.weight), binding, sample);
                }
                if bounds.is_native_wanted() || !cell.stamp().touch(millis) {
                    return false;
                }
                (Recorded::Observer, cell.observe(bounds, number, sample.weight))
            }
            WorkerCell::Gauge(cell) => {
                let change = change_of_gauge(sample, number, binding.signed_sets);
                if change.is_some_and(|change| !(0.0..=self.max_value).contains(&change.abs())) {
                    return self.reject(SampleRejection::of_large(number * sample.weight), binding, sample);
                }
                // Before the stamp, which a rejected sample must not change.
                if !change.map_or(number, |change| cell.get() + change).is_finite() {
                    return self.reject(SampleRejection::ValueOverflow, binding, sample);
                }
                if !cell.stamp().touch(millis) {
                    return false;
                }
                (Recorded::Gauge, change.map_or_else(|| cell.set(number), |change| cell.change(change)))
            }
            cell => {
                if self.is_too_large(number, sample.weight) {
                    return self.reject(SampleRejection::of_large(number * sample.weight), binding, sample);
                }
                if !cell.stamp().touch(millis) {
                    return false;
                }
                let Some(is_done) = self.apply_observer(cell, sample.weight, number) else {
                    return self.reject(SampleRejection::Conflict, binding, sample);
                };
                (Recorded::Observer, is_done)
            }
        };
        self.count_binding(binding, sample);
        if is_done {
            self.recorded(kind, binding)
        } else {
            self.rejected(SampleRejection::ValueOverflow, sample)
        }
        true
    }

    /// Records an observation of a native histogram or a summary. `None` for other cells.
    fn apply_observer(&self, cell: &WorkerCell, weight: f64, number: f64) -> Option<bool> {
        match cell {
            WorkerCell::Native(_, cell) => Some(cell.observe(number, weight, self.now)),
            WorkerCell::Summary(cell) => Some(cell.observe(number, weight, self.now)),
            // `apply` handles counters, gauges and classic histograms. The registry rejects numbers for a set as a conflict of types.
            WorkerCell::Counter(_) | WorkerCell::Gauge(_) | WorkerCell::Histogram(..) | WorkerCell::Set(_) => {
                debug_assert!(false, "an observation for another kind of cell");
                None
            }
        }
    }

    /// Adds a member to a set.
    #[inline(never)]
    fn apply_member(&mut self, binding: &Binding, cell: &WorkerCell, member: &[u8], sample: &Sample<'_>) -> bool {
        if cell.is_outgrown() || !cell.stamp().touch(self.now.as_millis()) {
            return false;
        }
        self.count_binding(binding, sample);
        match cell {
            WorkerCell::Set(cell) => {
                cell.insert(member);
                self.recorded(Recorded::Set, binding);
            }
            // The registry rejects conflicts of types, and the mapping rejects rules that turn members of a set into numbers.
            _ => {
                debug_assert!(false, "a member for a cell of numbers");
                self.rejected(SampleRejection::Conflict, sample);
            }
        }
        true
    }

    /// Counts a sample of a binding, recorded or not.
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
            if let Some(field) = extra.client {
                self.clients.add(field, sample, self.source_of(sample), self.now);
            }
        }
    }

    #[inline(always)]
    fn recorded(&mut self, kind: Recorded, binding: &Binding) {
        match self.tally.recorded.get_mut(kind as usize) {
            Some(count) => *count += 1,
            None => debug_assert!(false, "a kind without a count"),
        }
        if let Some(limited) = binding.extra.as_ref().and_then(|extra| extra.folded.as_ref()) {
            limited.count();
        }
    }

    /// Whether an observation exceeds the maximum of count or sum.
    #[inline(always)]
    fn is_too_large(&self, number: f64, weight: f64) -> bool {
        // Not `>`, so that NaN counts as too large.
        !(weight <= self.max_value && (number * weight).abs() <= self.max_value)
    }

    /// Rejects a sample of a cell. Returns true, because the sample is counted.
    #[cold]
    #[inline(never)]
    fn reject(&mut self, reason: SampleRejection, binding: &Binding, sample: &Sample<'_>) -> bool {
        self.count_binding(binding, sample);
        self.rejected(reason, sample);
        true
    }

    #[cold]
    fn rejected(&mut self, reason: SampleRejection, sample: &Sample<'_>) {
        match self.tally.rejected.get_mut(reason as usize) {
            Some(count) => *count += 1,
            None => debug_assert!(false, "a reason without a count"),
        }
        self.log.rejected(reason.as_str(), sample.name, self.source_of(sample), self.now);
    }

    /// The sender of a sample of the batch. Only rejected samples need it, so `apply` does not take it as an argument.
    fn source_of(&self, sample: &Sample<'_>) -> Source {
        // Compared without the lifetimes of the borrowed text, which have no influence on the address.
        let place = std::ptr::from_ref(sample).cast::<()>();
        let pending = self.pending.iter().find(|pending| std::ptr::from_ref(&pending.sample).cast::<()>() == place);
        debug_assert!(pending.is_some(), "a sample of another batch");
        pending.map_or(Source::Unknown, |pending| *pending.source)
    }

    /// Counts a sample that reaches no cell.
    #[inline(never)]
    fn apply_outcome(&mut self, binding: &Binding, outcome: &Outcome, sample: &Sample<'_>) {
        self.count_binding(binding, sample);
        match outcome {
            Outcome::LineRejected(reason) => {
                // The identity makes the whole line invalid, which the grammar does not check.
                self.tally.samples -= 1;
                self.tally.lines_parsed -= 1;
                self.tally.unbound += 1;
                count_error(self.tally, *reason);
                self.log.line_rejected(reason.as_str(), sample.name, self.source_of(sample), self.now);
            }
            Outcome::Dropped => self.tally.dropped += 1,
            Outcome::Rejected(reason) => self.rejected(*reason, sample),
            Outcome::Limited(limited) => {
                limited.count();
                self.rejected(limited.limit.rejection(), sample);
            }
            Outcome::Conflict(reason, conflict) => {
                conflict.count();
                self.rejected(*reason, sample);
            }
        }
    }
}

/// Counts a line or a sample that the grammar or its identity rejects.
pub(crate) fn count_error(tally: &mut Tally, reason: SampleError) {
    match tally.errors.get_mut(reason as usize) {
        Some(count) => *count += 1,
        None => debug_assert!(false, "a reason without a count"),
    }
}
