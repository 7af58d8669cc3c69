//! The data points of OTLP.

use std::sync::Arc;

use super::kind::{COUNTER, Form, HISTOGRAM, SUMMARY};
use super::labels::SeriesLabels;
use super::memory::SentFamily;
use super::message::normal;
use super::options::{IDENTITY, WriteOptions};
use crate::exposition::wire::{FIXED64, LENGTH, bytes, double, message, number_field, tag, text, varint, zigzag};
use crate::registry::cell::{HistogramSnapshot, NativeSnapshot, Spans, SummarySnapshot};
use crate::registry::{Exemplar, FamilyKind, Series, split};
use crate::time::Timestamp;

/// The flag of a point without a value.
pub(super) const NO_RECORDED_VALUE: u64 = 1;

/// Buckets of one side of an exponential histogram. Wider ones are merged to a coarser scale.
const BUCKETS: usize = 512;

/// The type of a metric's data: its field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Data {
    Gauge = 5,
    Sum = 7,
    Histogram = 9,
    Exponential = 10,
    Summary = 11,
}

impl Data {
    /// The type of a family of this type in metadata.
    pub(super) fn of(kind: u8, is_exponential: bool) -> Self {
        match kind {
            COUNTER => Self::Sum,
            HISTOGRAM if is_exponential => Self::Exponential,
            HISTOGRAM => Self::Histogram,
            SUMMARY => Self::Summary,
            _ => Self::Gauge,
        }
    }
}

/// Encodes labels as attributes.
pub(super) struct Labels {
    target: SeriesLabels,
    /// Labels of the target that each point has.
    added: Vec<(String, String)>,
    out: Vec<u8>,
}

impl Labels {
    pub(super) fn new(options: &WriteOptions) -> Self {
        let is_of_point = |(name, value): &&(String, String)| {
            !name.is_empty() && !value.is_empty() && IDENTITY.iter().all(|(identity, _)| name != identity)
        };
        let added = options.labels.iter().filter(is_of_point).cloned().collect();
        Self { target: SeriesLabels::new(options), added, out: Vec::new() }
    }

    /// The attributes of a point of this type. Labels with names of the target's are renamed as in a scrape.
    pub(super) fn of(&mut self, data: Data, labels: &str) -> &[u8] {
        let field = match data {
            Data::Gauge | Data::Sum | Data::Summary => 7,
            Data::Histogram => 9,
            Data::Exponential => 1,
        };
        self.out.clear();
        for (name, value) in split(labels).filter(|(_, value)| !value.is_empty()) {
            let renamed = self.target.renamed(&name);
            attribute(field, (renamed.as_deref().unwrap_or(&name), &value), &mut self.out);
        }
        self.added.iter().for_each(|(name, value)| attribute(field, (name, value), &mut self.out));
        &self.out
    }
}

/// Appends a `KeyValue` with a text.
pub(super) fn attribute(field: u32, (name, value): (&str, &str), out: &mut Vec<u8>) {
    message(field, out, |out| {
        text(1, name, out);
        message(2, out, |out| text(1, value, out));
    });
}

/// Buffers for the values of a series.
pub(super) struct Values {
    histogram: HistogramSnapshot,
    summary: SummarySnapshot,
}

impl Default for Values {
    fn default() -> Self {
        Self { histogram: HistogramSnapshot::new(0), summary: SummarySnapshot::default() }
    }
}

impl Values {
    /// Appends the point of a series.
    pub(super) fn write(
        &mut self,
        (sent, series): (&SentFamily, &Arc<Series>),
        now: Timestamp,
        point: &Point<'_>,
        labels: &[u8],
        out: &mut Vec<u8>,
    ) {
        match sent.family.kind() {
            FamilyKind::Counter | FamilyKind::Gauge | FamilyKind::Set => point.number(series.number(), labels, out),
            FamilyKind::Histogram { bounds } => {
                let all = &mut self.histogram;
                all.buckets.resize(bounds.len() + 1, 0.0);
                all.clear();
                match bounds.native().filter(|_| sent.form == Form::Exponential) {
                    Some(options) => {
                        let mut native = NativeSnapshot::new(options);
                        series.histogram_with_native(bounds, all, &mut native);
                        point.exponential(all, &native, labels, out);
                    }
                    None => {
                        series.histogram(all);
                        point.explicit(all, bounds, labels, out);
                    }
                }
            }
            FamilyKind::Summary(options) => {
                self.summary.clear();
                series.summary(now, &mut self.summary);
                point.summary(&self.summary, &options.quantiles, labels, out);
            }
        }
    }
}

/// What all forms of points have in common.
pub(super) struct Point<'a> {
    pub(super) data: Data,
    pub(super) time: Timestamp,
    pub(super) created: Option<Timestamp>,
    pub(super) exemplars: &'a [Exemplar],
}

impl Point<'_> {
    /// Appends a point: its attributes, start and time, and what `content` appends.
    fn point(&self, labels: &[u8], out: &mut Vec<u8>, content: impl FnOnce(&mut Vec<u8>)) {
        message(1, out, |out| {
            out.extend_from_slice(labels);
            self.created.into_iter().for_each(|created| fixed(2, nanos(created), out));
            fixed(3, nanos(self.time), out);
            content(out);
            let field = match self.data {
                Data::Histogram => 8,
                Data::Exponential => 11,
                Data::Gauge | Data::Sum | Data::Summary => 5,
            };
            self.exemplars.iter().for_each(|of| exemplar(field, of, out));
        });
    }

    pub(super) fn number(&self, value: f64, labels: &[u8], out: &mut Vec<u8>) {
        self.point(labels, out, |out| double(4, normal(value), out));
    }

    pub(super) fn no_value(&self, labels: &[u8], out: &mut Vec<u8>) {
        let field = if matches!(self.data, Data::Histogram | Data::Exponential) { 10 } else { 8 };
        self.point(labels, out, |out| number_field(field, NO_RECORDED_VALUE, out));
    }

    pub(super) fn explicit(&self, all: &HistogramSnapshot, bounds: &[f64], labels: &[u8], out: &mut Vec<u8>) {
        self.point(labels, out, |out| {
            let (counts, total) = rounded(all.buckets.iter().copied());
            fixed(4, total, out);
            double(5, normal(all.sum), out);
            packed(6, counts.iter().map(|count| count.to_le_bytes()), out);
            packed(7, bounds.iter().map(|bound| bound.to_le_bytes()), out);
        });
    }

    /// Appends a self-histogram.
    pub(super) fn cumulative(&self, buckets: &[(f64, u64)], sum: f64, labels: &[u8], out: &mut Vec<u8>) {
        let mut before = 0;
        let weights = buckets.iter().map(|(_, count)| count.saturating_sub(std::mem::replace(&mut before, *count)) as f64).collect();
        let bounds: Vec<f64> = buckets.iter().map(|(bound, _)| *bound).filter(|bound| bound.is_finite()).collect();
        self.explicit(&HistogramSnapshot { sum, buckets: weights }, &bounds, labels, out);
    }

    pub(super) fn exponential(&self, all: &HistogramSnapshot, native: &NativeSnapshot, labels: &[u8], out: &mut Vec<u8>) {
        let sides = [side(&native.positive_spans()), side(&native.negative_spans())];
        // The number of halvings after which both sides are short enough.
        let steps = (0..64).find(|steps| sides.iter().all(|side| width(side, *steps) <= BUCKETS)).unwrap_or(63);
        let (zero, _) = rounded([native.zero_weight()].into_iter());
        let zero = zero.first().copied().unwrap_or_default();
        let [positive, negative] = sides.map(|side| dense(&side, steps));
        let total = positive.1.iter().chain(&negative.1).fold(zero, |sum, count| sum.saturating_add(*count));
        self.point(labels, out, |out| {
            fixed(4, total, out);
            double(5, normal(all.sum), out);
            number_field(6, zigzag(i64::from(native.schema()) - i64::from(steps)), out);
            fixed(7, zero, out);
            for (field, (offset, counts)) in [(8, &positive), (9, &negative)] {
                if !counts.is_empty() {
                    message(field, out, |out| {
                        number_field(1, zigzag(*offset), out);
                        message(2, out, |out| counts.iter().for_each(|count| varint(*count, out)));
                    });
                }
            }
            double(14, native.zero_threshold(), out);
        });
    }

    pub(super) fn summary(&self, all: &SummarySnapshot, quantiles: &[f64], labels: &[u8], out: &mut Vec<u8>) {
        self.point(labels, out, |out| {
            fixed(4, all.count.round() as u64, out);
            double(5, normal(all.sum), out);
            for quantile in quantiles {
                message(6, out, |out| {
                    double(1, *quantile, out);
                    double(2, normal(all.quantile(*quantile)), out);
                });
            }
        });
    }
}

/// Whole counts, and their sum. The cumulative counts are rounded, so that an error does not grow.
fn rounded(weights: impl Iterator<Item = f64>) -> (Vec<u64>, u64) {
    let (mut exact, mut before) = (0.0, 0_u64);
    let counts = weights.map(|weight| {
        exact += weight;
        let cumulative = exact.round() as u64;
        cumulative.saturating_sub(std::mem::replace(&mut before, cumulative))
    });
    (counts.collect(), before)
}

/// Index and weight of each bucket. An index of OTLP is that of the bucket's lower bound, a key of Prometheus that of the upper one.
fn side(spans: &Spans) -> Vec<(i64, f64)> {
    let mut buckets = Vec::new();
    let (mut next, mut weights) = (-1_i64, spans.weights.iter());
    for (offset, length) in &spans.spans {
        next += i64::from(*offset);
        for weight in weights.by_ref().take(*length as usize) {
            buckets.push((next, *weight));
            next += 1;
        }
    }
    buckets
}

/// The number of buckets from the first to the last one, after so many halvings of the resolution.
fn width(side: &[(i64, f64)], steps: u32) -> usize {
    match (side.first(), side.last()) {
        (Some((first, _)), Some((last, _))) => usize::try_from((last >> steps) - (first >> steps) + 1).unwrap_or(usize::MAX),
        _ => 0,
    }
}

/// The first index, and the count of each bucket from there, after so many halvings of the resolution.
fn dense(side: &[(i64, f64)], steps: u32) -> (i64, Vec<u64>) {
    let first = side.first().map_or(0, |(index, _)| index >> steps);
    let mut weights = vec![0.0; width(side, steps)];
    for (index, weight) in side {
        let place = usize::try_from((index >> steps) - first).ok().and_then(|place| weights.get_mut(place));
        place.into_iter().for_each(|place| *place += *weight);
    }
    (first, rounded(weights.into_iter()).0)
}

fn exemplar(field: u32, of: &Exemplar, out: &mut Vec<u8>) {
    message(field, out, |out| {
        fixed(2, nanos(of.time), out);
        double(3, normal(of.value), out);
        for (name, value) in split(&of.labels).filter(|(_, value)| !value.is_empty()) {
            match (&*name, hex(&value)) {
                ("trace_id" | "traceID", Some(id)) if id.len() == 16 => bytes(5, &id, out),
                ("span_id" | "spanID", Some(id)) if id.len() == 8 => bytes(4, &id, out),
                _ => attribute(7, (&name, &value), out),
            }
        }
    });
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|pair| if let [high, low] = pair { Some(digit(*high)? << 4 | digit(*low)?) } else { None }).collect()
}

fn nanos(time: Timestamp) -> u64 {
    time.as_millis().saturating_mul(1_000_000)
}

fn fixed(field: u32, value: u64, out: &mut Vec<u8>) {
    tag(field, FIXED64, out);
    out.extend_from_slice(&value.to_le_bytes());
}

fn packed(field: u32, values: impl ExactSizeIterator<Item = [u8; 8]>, out: &mut Vec<u8>) {
    if values.len() > 0 {
        tag(field, LENGTH, out);
        varint(8 * values.len() as u64, out);
        values.for_each(|value| out.extend_from_slice(&value));
    }
}
