//! Samples that bring an exemplar: recorded one by one, without the tag that names the trace.
//!
//! Off the straight way: it costs the others one question.

use super::{Batch, Worker};
use crate::ingest::exemplar_tag::ExemplarTag;
use crate::ingest::pending::Pending;
use crate::ingest::protocol::{Sample, Value};
use crate::ingest::resolve::{Binding, Target};
use crate::registry::CellHandle;
use crate::time::Timestamp;

impl Worker {
    /// Records a sample that has the exemplars' tag, without it; false if it has none. What came before is recorded first, so that
    /// the order stays.
    #[cold]
    #[inline(never)]
    pub(super) fn push_with_exemplar<'a>(&mut self, sample: &Sample<'a>, batch: &mut Batch<'a>, now: Timestamp) -> bool {
        let mut cut = std::mem::take(&mut self.cut);
        let trace = self.exemplar_tag.as_ref().and_then(|tag| tag.cut(sample.tags, &mut cut));
        if let Some(trace) = trace {
            self.record(batch, now);
            let sample = Sample { tags: &cut, ..*sample };
            let pending = Pending { sample, source: batch.source, hash: self.bindings.hash(&sample) };
            self.record_exemplar(&pending, trace, now);
        }
        self.cut = cut;
        trace.is_some()
    }

    /// Records a sample by itself, and notes its exemplar if a counter or a histogram took it.
    fn record_exemplar(&mut self, pending: &Pending<'_>, trace: &str, now: Timestamp) {
        let Pending { sample, hash, .. } = pending;
        self.tally.samples += 1;
        // A binding that was made without an exemplar does not know its series.
        let known = self.bindings.find(*hash, sample);
        let lacks_series = |binding: &Binding| binding.series().is_none() && binding.may_have_exemplars();
        if let Some(id) = known.filter(|id| self.bindings.get(*id, sample).is_some_and(lacks_series)) {
            self.upkeep().remove(id);
        }
        let before = self.tally.recorded;
        self.record_unknown(pending, true, now);
        if self.tally.recorded == before {
            return;
        }
        let Some(binding) = self.bindings.find(*hash, sample).and_then(|id| self.bindings.get(id, sample)) else {
            // There was no room for the binding, and so no way to the series.
            self.tally.exemplars_refused += 1;
            return;
        };
        let Some(series) = binding.series() else { return };
        let (Value::Number(number) | Value::Signed(number)) = sample.value else { return };
        let number = binding.convert(number);
        let bounds: &[f64] = match &binding.target {
            Target::Cell(CellHandle::Histogram(_, bounds)) => bounds,
            Target::Cell(CellHandle::Native(_, cell)) => cell.bounds(),
            _ => &[],
        };
        // What was measured once, whatever its weight.
        let measured = (bounds.partition_point(|bound| *bound < number), number);
        let label = self.exemplar_tag.as_ref().map_or("", ExemplarTag::label);
        if self.engine.registry().exemplars().note(series, (label, trace), measured, now) {
            self.tally.exemplars += 1;
        } else {
            self.tally.exemplars_refused += 1;
        }
    }
}
