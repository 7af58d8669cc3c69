//! Samples with an exemplar: recorded one by one, without the tag that names the trace.
//!
//! Apart from the pipeline's loop, where other samples only test whether exemplars are enabled.

use super::{Batch, Worker};
use crate::ingest::exemplar_tag::ExemplarTag;
use crate::ingest::pending::Pending;
use crate::ingest::protocol::{Sample, Value};
use crate::ingest::resolve::{Binding, Target};
use crate::registry::{Exemplar, WorkerCell};
use crate::time::Timestamp;

impl Worker {
    /// Records a sample that has the tag of exemplars, without the tag. Returns false if it has none. Records earlier samples first, to
    /// keep their order.
    #[cold]
    #[inline(never)]
    pub(super) fn push_with_exemplar<'a>(&mut self, sample: &Sample<'a>, batch: &mut Batch<'a>, now: Timestamp) -> bool {
        let Some(tag) = self.exemplar_tag.clone() else { return false };
        let mut cut = std::mem::take(&mut self.cut);
        let trace = tag.cut(sample.tags, &mut cut);
        if let Some(trace) = trace {
            self.record(batch, now);
            let sample = Sample { tags: &cut, ..*sample };
            let pending = Pending { sample, source: batch.source, hash: self.hash(&sample, batch.source) };
            self.record_exemplar(&pending, &tag, trace, now);
        }
        self.cut = cut;
        trace.is_some()
    }

    /// Records one sample, and keeps its exemplar if the sample was recorded in a counter or a histogram.
    fn record_exemplar(&mut self, pending: &Pending<'_>, tag: &ExemplarTag, trace: &str, now: Timestamp) {
        let Pending { sample, source, hash } = pending;
        let key = self.origin_of(source);
        let origin = key.as_slice();
        self.tally.samples += 1;
        // A binding that was created for a sample without an exemplar does not refer to its series.
        let known = self.bindings.find(*hash, sample, origin);
        let lacks_series = |binding: &Binding| binding.series().is_none() && binding.may_have_exemplars();
        if let Some(id) = known.filter(|id| self.bindings.get(*id, sample, origin).is_some_and(lacks_series)) {
            self.upkeep().remove(id);
        }
        let before = self.tally.recorded;
        self.record_unknown(pending, true, now);
        if self.tally.recorded == before {
            return;
        }
        let Some(binding) = self.bindings.find(*hash, sample, origin).and_then(|id| self.bindings.get(id, sample, origin)) else {
            // There was no room for the binding, which refers to the series.
            self.tally.exemplars_rejected += 1;
            return;
        };
        // Gauges, summaries and sets have no exemplars.
        let Some(series) = binding.series() else { return };
        let (Value::Number(number) | Value::Signed(number)) = sample.value else { return };
        let number = binding.convert(number);
        let bounds: &[f64] = match &binding.target {
            Target::Cell(WorkerCell::Histogram(_, bounds)) => bounds,
            Target::Cell(WorkerCell::Native(_, cell)) => cell.bounds(),
            _ => &[],
        };
        // The measured value, without the weight of the sample.
        let exemplar = Exemplar::new(tag.label(), trace, bounds.partition_point(|bound| *bound < number), number, now);
        if exemplar.is_some_and(|exemplar| self.engine.registry().exemplars().keep(series, exemplar)) {
            self.tally.exemplars += 1;
        } else {
            self.tally.exemplars_rejected += 1;
        }
    }
}
