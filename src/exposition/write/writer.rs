//! The series of one family after the other, each line as a series of the message.

use std::sync::Arc;

use super::changes::number_text;
use super::current::{Current, Times, Zero};
use super::gone::GoneSeries;
use super::histogram::{custom, exponential, stale};
use super::kind::{Form, GAUGE, HISTOGRAM, number_of, number_of_self};
use super::labels::{KeptPair, NAME, SeriesLabels};
use super::memory::SentFamily;
use super::message::{Batches, STALE, normal};
use super::options::WriteOptions;
use crate::exposition::escape::Names;
use crate::exposition::unit_in_name;
use crate::registry::cell::{HistogramSnapshot, NativeSnapshot, add_weights};
use crate::registry::{FamilyKind, Series, split};
use crate::telemetry::{SelfFamily, SelfSeries, SelfValue};
use crate::time::Timestamp;

/// The batch has no room for the next line. Call again with the next batch.
#[derive(Debug)]
pub(super) struct Full;

/// Suffixes of names, in the order of [`Writer::names`].
const SUFFIXES: [&str; 4] = ["", "_bucket", "_sum", "_count"];
const BUCKET: usize = 1;
const SUM: usize = 2;
const COUNT: usize = 3;

/// Writes the series of one family after the other. The buffers are reused.
pub(super) struct Writer {
    labels: SeriesLabels,
    names: [KeptPair; SUFFIXES.len()],
    /// The values of `le` or `quantile`.
    extras: Vec<KeptPair>,
    extra_values: Vec<f64>,
    kind: u8,
    help: String,
    unit: &'static str,
    metadata: Vec<u8>,
    metadata_epoch: u64,
    current: Current,
    label_bytes: Vec<u8>,
}

impl Writer {
    pub(super) fn new(options: &WriteOptions) -> Self {
        Self {
            labels: SeriesLabels::new(options),
            names: Default::default(),
            extras: Vec::new(),
            extra_values: Vec::new(),
            kind: 0,
            help: String::new(),
            unit: "",
            metadata: Vec::new(),
            metadata_epoch: 0,
            current: Current::default(),
            label_bytes: Vec::new(),
        }
    }

    /// Prepares for a family.
    pub(super) fn begin(&mut self, sent: &SentFamily, help: &str) {
        let (family, name) = (&sent.family, sent.names.name());
        let stated = family.help();
        self.head(name, (number_of(family.kind()), stated.as_deref().unwrap_or(help)), unit_in_name(family, name).unwrap_or_default());
        let of_classic = match (sent.form, family.kind()) {
            (Form::Classic, FamilyKind::Histogram { bounds }) => {
                self.extras(bounds.iter().copied().chain([f64::INFINITY]));
                Some("le")
            }
            (Form::Summary, FamilyKind::Summary(options)) => {
                self.extras(options.quantiles.iter().copied());
                Some("quantile")
            }
            _ => None,
        };
        self.labels.of_family(of_classic);
        if let FamilyKind::Histogram { bounds } = family.kind() {
            self.current.histogram.buckets.resize(bounds.len() + 1, 0.0);
            self.current.native = bounds.native().filter(|_| sent.form == Form::Exponential).map(NativeSnapshot::new);
        }
    }

    fn head(&mut self, name: &str, (kind, help): (u8, &str), unit: &'static str) {
        for (pair, suffix) in self.names.iter_mut().zip(SUFFIXES) {
            pair.set(&[name, suffix]);
        }
        self.help.clear();
        self.help.push_str(help);
        (self.kind, self.unit, self.metadata_epoch) = (kind, unit, 0);
        self.current.is_read = false;
    }

    /// Sets the values of `le` or `quantile`. Most families have those of the previous one.
    fn extras(&mut self, values: impl Iterator<Item = f64> + Clone) {
        if self.extra_values.iter().copied().eq(values.clone()) {
            return;
        }
        self.extra_values.clear();
        self.extra_values.extend(values);
        self.extras.resize_with(self.extra_values.len(), KeptPair::default);
        for (pair, value) in self.extras.iter_mut().zip(&self.extra_values) {
            pair.set(&[&number_text(*value)]);
        }
    }

    /// Writes the rest of a series of the family.
    pub(super) fn series(
        &mut self,
        (sent, series): (&SentFamily, &Arc<Series>),
        zero: Zero<'_>,
        times: &Times<'_>,
        batches: &mut Batches,
    ) -> Result<(), Full> {
        let kind = sent.family.kind();
        if !self.current.is_read {
            self.current.read((sent, series), zero, times);
        }
        let lines = match sent.form {
            Form::Classic | Form::Summary => self.extra_values.len() + 2,
            _ => 1,
        };
        let created = (*kind == FamilyKind::Counter || kind.is_observer()).then(|| series.created());
        while self.current.line < lines {
            if batches.is_full(1 + usize::from(self.current.has_zero())) {
                return Err(Full);
            }
            if self.current.labels_epoch != batches.epoch() {
                self.current.labels_epoch = batches.epoch();
                self.labels.of_series(series.labels(), &sent.names, batches);
            }
            let line = self.current.line;
            self.current.line += 1;
            match (sent.form, kind) {
                (Form::Exponential | Form::Custom, FamilyKind::Histogram { bounds }) => self.histogram(bounds, created, times, batches),
                (Form::Classic, _) => self.classic(line, created, times, batches),
                (Form::Summary, _) => self.summary(line, created, times, batches),
                _ => self.number(series, created, times, batches),
            }
        }
        self.current.is_read = false;
        Ok(())
    }

    fn number(&mut self, series: &Series, created: Option<Timestamp>, times: &Times<'_>, batches: &mut Batches) {
        self.float(0, (series.number(), created), times, batches);
        self.exemplars_of(None, batches);
        self.end_line((0, None), batches);
    }

    fn classic(&mut self, line: usize, created: Option<Timestamp>, times: &Times<'_>, batches: &mut Batches) {
        let buckets = &self.current.histogram.buckets;
        if let Some(weight) = buckets.get(line) {
            self.current.cumulative = add_weights(self.current.cumulative, *weight);
            self.float(line, (self.current.cumulative, created), times, batches);
            self.exemplars_of(Some(line), batches);
            self.end_line((BUCKET, Some(line)), batches);
        } else if line == buckets.len() {
            self.float(line, (self.current.histogram.sum, created), times, batches);
            self.end_line((SUM, None), batches);
        } else {
            self.float(line, (self.current.cumulative, created), times, batches);
            self.end_line((COUNT, None), batches);
        }
    }

    /// A quantile is no count, so it has neither a start nor a 0 before it.
    fn summary(&mut self, line: usize, created: Option<Timestamp>, times: &Times<'_>, batches: &mut Batches) {
        let all = &self.current.summary;
        if let Some(quantile) = self.extra_values.get(line) {
            batches.sample(normal(all.quantile(*quantile)), times.time, None);
            self.end_line((0, Some(line)), batches);
        } else if line == self.extra_values.len() {
            self.float(line, (all.sum, created), times, batches);
            self.end_line((SUM, None), batches);
        } else {
            self.float(line, (all.count, created), times, batches);
            self.end_line((COUNT, None), batches);
        }
    }

    fn histogram(&mut self, bounds: &[f64], created: Option<Timestamp>, times: &Times<'_>, batches: &mut Batches) {
        let Current { histogram, native, .. } = &self.current;
        if let Some(zero) = self.current.zero_of(0) {
            let nothing = HistogramSnapshot::new(bounds.len());
            batches.histogram(zero, None, |out| match native {
                Some(native) => exponential(&nothing, &native.without_samples(), out),
                None => custom(&nothing, bounds, out),
            });
        }
        batches.histogram(times.time, created, |out| match native {
            Some(native) => exponential(histogram, native, out),
            None => custom(histogram, bounds, out),
        });
        self.exemplars_of(None, batches);
        self.end_line((0, None), batches);
    }

    /// Adds a float, and the 0 before it.
    fn float(&mut self, line: usize, (value, created): (f64, Option<Timestamp>), times: &Times<'_>, batches: &mut Batches) {
        if let Some(zero) = self.current.zero_of(line) {
            batches.sample(0.0, zero, None);
        }
        batches.sample(normal(value), times.time, created);
    }

    /// Adds the exemplars of one bucket or of all.
    fn exemplars_of(&mut self, bucket: Option<usize>, batches: &mut Batches) {
        for exemplar in self.current.exemplars.iter().filter(|exemplar| bucket.is_none_or(|bucket| exemplar.bucket == bucket)) {
            self.label_bytes.clear();
            for (name, value) in split(&exemplar.labels).filter(|(_, value)| !value.is_empty()) {
                batches.pair(name.as_bytes(), value.as_bytes(), &mut self.label_bytes);
            }
            batches.exemplar(&self.label_bytes, exemplar.value, exemplar.time);
        }
    }

    /// Completes a line by its name, and its value of `le` or `quantile`.
    fn end_line(&mut self, (name, extra): (usize, Option<usize>), batches: &mut Batches) {
        self.refresh_metadata(batches);
        let name = self.names.get_mut(name).map(|pair| pair.bytes(NAME, batches)).unwrap_or_default();
        let extra = extra.and_then(|at| self.extras.get_mut(at));
        let extra = extra.map(|pair| pair.bytes(self.labels.extra(), batches)).unwrap_or_default();
        batches.end_series(self.labels.parts(name, extra), &self.metadata);
    }

    fn refresh_metadata(&mut self, batches: &mut Batches) {
        if self.metadata_epoch != batches.epoch() {
            self.metadata_epoch = batches.epoch();
            self.metadata.clear();
            batches.metadata(self.kind, (&self.help, self.unit), &mut self.metadata);
        }
    }

    /// Prepares for a self-family.
    pub(super) fn begin_self(&mut self, family: &SelfFamily, form: Form) {
        let kind = number_of_self(family.head.kind);
        self.head(family.name(), (kind, &family.head.help), "");
        self.current.native = None;
        self.current.line = 0;
        self.labels.of_family((kind == HISTOGRAM && form == Form::Classic).then_some("le"));
        // Extras are set for each series.
        self.extra_values.clear();
    }

    /// Writes the rest of a series of the self-family.
    pub(super) fn self_series(
        &mut self,
        series: &SelfSeries,
        (form, created): (Form, Option<Timestamp>),
        time: Timestamp,
        batches: &mut Batches,
    ) -> Result<(), Full> {
        let created = created.filter(|_| self.kind != GAUGE);
        let number = match &series.value {
            SelfValue::Histogram { buckets, sum } => {
                self.extras(buckets.iter().map(|(bound, _)| *bound));
                return self.self_histogram((series, buckets, *sum), (form, created), time, batches);
            }
            SelfValue::Count(count) => *count as f64,
            SelfValue::Number(number) => *number,
        };
        if batches.is_full(1) {
            return Err(Full);
        }
        self.labels.of_series(&series.labels, &Names::default(), batches);
        batches.sample(normal(number), time, created);
        self.end_line((0, None), batches);
        Ok(())
    }

    fn self_histogram(
        &mut self,
        (series, buckets, sum): (&SelfSeries, &[(f64, u64)], f64),
        (form, created): (Form, Option<Timestamp>),
        time: Timestamp,
        batches: &mut Batches,
    ) -> Result<(), Full> {
        let count = buckets.last().map_or(0, |(_, count)| *count) as f64;
        let lines = if form == Form::Custom { 1 } else { buckets.len() + 2 };
        while self.current.line < lines {
            if batches.is_full(1) {
                return Err(Full);
            }
            let line = self.current.line;
            self.current.line += 1;
            self.labels.of_series(&series.labels, &Names::default(), batches);
            let place = if form == Form::Custom {
                let bounds: Vec<f64> = buckets.iter().map(|(bound, _)| *bound).filter(|bound| bound.is_finite()).collect();
                let mut before = 0;
                let weights =
                    buckets.iter().map(|(_, count)| (count - std::mem::replace(&mut before, *count).min(*count)) as f64).collect();
                batches.histogram(time, created, |out| custom(&HistogramSnapshot { sum, buckets: weights }, &bounds, out));
                (0, None)
            } else {
                let (value, place) = match buckets.get(line) {
                    Some((_, count)) => (*count as f64, (BUCKET, Some(line))),
                    None if line == buckets.len() => (sum, (SUM, None)),
                    None => (count, (COUNT, None)),
                };
                batches.sample(normal(value), time, created);
                place
            };
            self.end_line(place, batches);
        }
        self.current.line = 0;
        Ok(())
    }

    /// Writes a stale marker.
    pub(super) fn marker(&mut self, gone: GoneSeries, time: Timestamp, batches: &mut Batches) {
        self.head(&gone.name, (gone.kind, ""), "");
        self.labels.of_family(None);
        self.labels.of_series(&gone.labels, &Names::default(), batches);
        match gone.is_histogram {
            true => batches.histogram(time, None, stale),
            false => batches.sample(STALE, time, None),
        }
        batches.note_marker(gone);
        self.end_line((0, None), batches);
    }
}
