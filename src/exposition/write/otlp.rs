//! OTLP metrics: a cycle as `ExportMetricsServiceRequest` messages, with the same interface as that of remote write.
//!
//! Each family is a metric, each series a data point: cumulative sums with their start, gauges, histograms, exponential histograms,
//! summaries. A series that is gone has a last point with the flag for no recorded value. Names are those of the exposition without
//! escaping. A unit is stated where the name ends in it, so that Prometheus' default translation adds none to the name; it changes
//! counters without `_total`, and characters and underscores that its rules do not keep.

use std::sync::Arc;

use super::changes::differences;
use super::gone::GoneSeries;
use super::kind::{COUNTER, Form, GAUGE, HISTOGRAM, number_of, number_of_self};
use super::memory::{Sent, SentFamily, WriteMemory};
use super::message::{WriteBatch, WriteCounts};
use super::options::{HistogramForm, IDENTITY, WriteOptions};
use super::otlp_points::{Data, Labels, Point, Values, attribute};
use super::selection::{selected, selects};
use super::up;
use crate::engine::Engine;
use crate::exposition::escape::Names;
use crate::exposition::rendering::families;
use crate::exposition::self_families::created_of;
use crate::exposition::wire::{message, number_field, text};
use crate::exposition::{Style, unit_in_name};
use crate::name::Escaping;
use crate::registry::Series;
use crate::telemetry::{SelfFamily, SelfSeries, SelfValue};
use crate::time::Timestamp;

/// Aggregation temporality: sums count from their start.
const CUMULATIVE: u64 = 2;

/// One cycle: all series at one timestamp, made in batches. `version` and `zero_samples` of the options have no effect: a point has its
/// start, from which a receiver knows the 0 before it. Of the target's labels, `job` and `instance` are the attributes `service.name` and
/// `service.instance.id` of the resource; the others are attributes of each point. The native form of histograms is an exponential histogram, the others are histograms with
/// explicit bounds. Counts that sampling made fractional are rounded.
pub(crate) struct OtlpCycle {
    engine: Arc<Engine>,
    options: Arc<WriteOptions>,
    help: &'static str,
    now: Timestamp,
    before: Arc<Sent>,
    sent: Sent,
    /// Places of the previous cycle's families, with those of their series that are gone, for each family of this cycle.
    gone: Vec<Vec<Arc<Series>>>,
    /// Families that are gone: places in the previous cycle.
    ended: Vec<usize>,
    labels: Labels,
    values: Values,
    stage: Stage,
    lost: Vec<GoneSeries>,
    /// The current metric, without the fields around its points.
    head: Vec<u8>,
    data: Data,
    points: Vec<u8>,
    metrics: Vec<u8>,
    counts: WriteCounts,
    gone_now: Vec<GoneSeries>,
    /// A body that is no longer needed.
    spare: Vec<u8>,
}

/// What is written next: the place of the family and of the point in it.
#[derive(Debug, Clone, Copy)]
enum Stage {
    Families(usize, usize),
    Ended(usize, usize),
    OfSelf(usize, usize),
    Lost(usize),
    End,
}

impl OtlpCycle {
    /// See [`WriteCycle::new`](super::WriteCycle::new).
    pub(crate) fn new(engine: &Arc<Engine>, options: &Arc<WriteOptions>, memory: &WriteMemory, time: Timestamp) -> Self {
        if options.histograms == HistogramForm::Native {
            engine.registry().want_native();
        }
        let mut cycle = Self::empty(engine, options, memory, time);
        let style = Style::of(engine.options(), Escaping::AllowUtf8);
        let (families, self_families) = families(engine, &style, cycle.now);
        let is_up_sent = families.iter().any(|family| family.name().as_str() == up::NAME);
        for family in families {
            let all = family.series();
            let names = Names::of(&family, &all, style.escaping);
            let known = cycle.before.families.binary_search_by(|known| known.names.name().cmp(names.name())).ok();
            let before = known.and_then(|at| cycle.before.families.get(at));
            let series = selected(options, &family, &all, before);
            if series.is_empty() {
                continue;
            }
            let form = match Form::of(family.kind(), options) {
                Form::Custom => Form::Classic,
                form => form,
            };
            let sent = SentFamily { family, names, form, all, series };
            let gone = before.filter(|before| before.is_like(&sent)).map(|before| {
                let gone = differences(&before.series, &sent.series).gone;
                gone.iter().filter_map(|at| before.series.get(*at)).map(Arc::clone).collect()
            });
            // A family that only changed between types of single numbers has the same series for a receiver.
            let stays = gone.is_some() || before.is_some_and(|before| (before.form, form) == (Form::Number, Form::Number));
            if let Some(at) = known.filter(|_| stays) {
                cycle.ended.retain(|ended| *ended != at);
            }
            cycle.gone.push(gone.unwrap_or_default());
            cycle.sent.families.push(sent);
        }
        if options.self_metrics {
            cycle.sent.self_families = self_families;
            cycle.sent.self_families.iter_mut().for_each(|family| {
                let name = family.name().to_owned();
                family.series.retain(|series| selects(options, &name, &series.labels));
            });
            cycle.sent.self_families.retain(|family| !family.series.is_empty());
        }
        up::add(options, is_up_sent, &mut cycle.sent.self_families);
        cycle
    }

    /// A cycle in which everything is gone.
    pub(crate) fn all_gone(engine: &Arc<Engine>, options: &Arc<WriteOptions>, memory: &WriteMemory, time: Timestamp) -> Self {
        Self::empty(engine, options, memory, time)
    }

    fn empty(engine: &Arc<Engine>, options: &Arc<WriteOptions>, memory: &WriteMemory, time: Timestamp) -> Self {
        let before = Arc::clone(&memory.sent);
        Self {
            engine: Arc::clone(engine),
            options: Arc::clone(options),
            help: Style::of(engine.options(), Escaping::AllowUtf8).help,
            now: time.shifted(engine.registry().wall().millis().saturating_neg()),
            sent: Sent {
                time: Some(time),
                hasher: before.hasher,
                exemplars: engine.registry().exemplars().next_number(),
                ..Sent::default()
            },
            gone: Vec::new(),
            ended: (0..before.families.len()).collect(),
            before,
            labels: Labels::new(options),
            values: Values::default(),
            stage: Stage::Families(0, 0),
            lost: memory.lost.clone(),
            head: Vec::new(),
            data: Data::Gauge,
            points: Vec::new(),
            metrics: Vec::new(),
            counts: WriteCounts::default(),
            gone_now: Vec::new(),
            spare: Vec::new(),
        }
    }

    /// See [`WriteCycle::at`](super::WriteCycle::at).
    pub(crate) fn at(mut self, now: Timestamp) -> Self {
        self.now = now;
        self
    }

    /// The next batch; `None` after the last one. Its counts have each data point as one sample and one series.
    pub(crate) fn next(&mut self) -> Option<WriteBatch> {
        loop {
            let is_full = self.counts.samples >= self.options.batch_samples.max(1)
                || self.points.len() + self.metrics.len() >= self.options.batch_bytes.max(1);
            if self.counts.samples > 0 && (is_full || matches!(self.stage, Stage::End)) {
                return Some(self.finish());
            }
            self.stage = match self.stage {
                Stage::Families(family, point) => self.family(family, point),
                Stage::Ended(family, point) => self.ended(family, point),
                Stage::OfSelf(family, point) => self.of_self(family, point),
                Stage::Lost(nth) => self.lost(nth),
                Stage::End => return None,
            };
        }
    }

    /// See [`WriteCycle::reuse`](super::WriteCycle::reuse).
    pub(crate) fn reuse(&mut self, mut body: Vec<u8>) {
        body.clear();
        self.spare = body;
    }

    /// See [`WriteCycle::into_memory`](super::WriteCycle::into_memory).
    pub(crate) fn into_memory(self) -> WriteMemory {
        WriteMemory { sent: Arc::new(self.sent), lost: Vec::new() }
    }

    fn family(&mut self, nth: usize, at: usize) -> Stage {
        let Some(sent) = self.sent.families.get(nth) else { return Stage::Ended(0, 0) };
        let kind = number_of(sent.family.kind());
        let help = sent.family.help();
        let name = sent.names.name();
        let data = Data::of(kind, sent.form == Form::Exponential);
        begin(&mut self.head, &mut self.data, (name, help.as_deref().unwrap_or(self.help)), data);
        if let Some(unit) = unit_in_name(&sent.family, name) {
            text(3, ucum(unit), &mut self.head);
        }
        let time = self.sent.time.unwrap_or_default();
        if let Some(series) = sent.series.get(at) {
            let created = (kind != GAUGE).then(|| series.created()).filter(|created| *created <= time);
            let exemplars = if self.options.exemplars && matches!(kind, COUNTER | HISTOGRAM) {
                let mut all = self.engine.registry().exemplars().of(series);
                // By number: a worker may record a time that is earlier than the previous cycle after that cycle was made.
                let since = self.before.exemplars..self.sent.exemplars;
                all.retain(|one| since.contains(&one.number));
                all.sort_by_key(|one| one.time);
                all
            } else {
                Vec::new()
            };
            self.counts.exemplars += exemplars.len();
            let point = Point { data, time, created, exemplars: &exemplars };
            let labels = self.labels.of(data, &sent.names.labels(series.labels()));
            self.values.write((sent, series), self.now, &point, labels, &mut self.points);
            self.counts.samples += 1;
            self.counts.series += 1;
            return Stage::Families(nth, at + 1);
        }
        let gone = self.gone.get(nth).and_then(|gone| gone.get(at - sent.series.len()));
        let gone = gone.map(|series| gone_series(name, &sent.names.labels(series.labels()), kind, sent.form));
        if let Some(gone) = gone {
            self.no_value(gone, data);
            return Stage::Families(nth, at + 1);
        }
        self.end_metric();
        Stage::Families(nth + 1, 0)
    }

    fn ended(&mut self, nth: usize, at: usize) -> Stage {
        let before = Arc::clone(&self.before);
        let Some(sent) = self.ended.get(nth).and_then(|at| before.families.get(*at)) else { return Stage::OfSelf(0, 0) };
        let Some(series) = sent.series.get(at) else {
            self.end_metric();
            return Stage::Ended(nth + 1, 0);
        };
        let gone = gone_series(sent.names.name(), &sent.names.labels(series.labels()), number_of(sent.family.kind()), sent.form);
        let data = Data::of(gone.kind, gone.is_histogram);
        begin(&mut self.head, &mut self.data, (&gone.name, ""), data);
        self.no_value(gone, data);
        Stage::Ended(nth, at + 1)
    }

    /// Self-families, and then those of the previous cycle for their series that are gone.
    fn of_self(&mut self, nth: usize, at: usize) -> Stage {
        let now = self.sent.self_families.len();
        let before = Arc::clone(&self.before);
        let is_now = nth < now;
        let family = if is_now { self.sent.self_families.get(nth) } else { before.self_families.get(nth - now) };
        let Some(family) = family else { return Stage::Lost(0) };
        let Some(series) = family.series.get(at) else {
            self.end_metric();
            return Stage::OfSelf(nth + 1, 0);
        };
        let kind = number_of_self(family.head.kind);
        let data = Data::of(kind, false);
        let time = self.sent.time.unwrap_or_default();
        if is_now {
            begin(&mut self.head, &mut self.data, (family.name(), &family.head.help), data);
            let created = created_of(&self.engine, family).filter(|created| kind != GAUGE && *created <= time);
            let point = Point { data, time, created, exemplars: &[] };
            let labels = self.labels.of(data, &series.labels);
            match &series.value {
                SelfValue::Count(count) => point.number(*count as f64, labels, &mut self.points),
                SelfValue::Number(number) => point.number(*number, labels, &mut self.points),
                SelfValue::Histogram { buckets, sum } => point.cumulative(buckets, *sum, labels, &mut self.points),
            }
            self.counts.samples += 1;
            self.counts.series += 1;
        } else if !has_self(&self.sent.self_families, family, series) {
            let gone = gone_series(family.name(), &series.labels, kind, Form::Classic);
            begin(&mut self.head, &mut self.data, (family.name(), ""), data);
            self.no_value(gone, data);
        }
        Stage::OfSelf(nth, at + 1)
    }

    fn lost(&mut self, nth: usize) -> Stage {
        let Some(gone) = self.lost.get(nth).cloned() else { return Stage::End };
        let known = self.sent.families.binary_search_by(|known| known.names.name().cmp(&gone.name)).ok();
        let family = known.and_then(|at| self.sent.families.get(at));
        let exists = family.is_some_and(|family| family.series.iter().any(|series| family.names.labels(series.labels()) == *gone.labels));
        let mut of_self = self.sent.self_families.iter().filter(|family| family.name() == &*gone.name);
        if !exists && !of_self.any(|family| family.series.iter().any(|series| series.labels == (&*gone.labels).into())) {
            let data = Data::of(gone.kind, gone.is_histogram);
            begin(&mut self.head, &mut self.data, (&gone.name, ""), data);
            self.no_value(gone, data);
            self.end_metric();
        }
        Stage::Lost(nth + 1)
    }

    /// Writes the last point of a series. A series whose marker is in this cycle already gets no other one.
    fn no_value(&mut self, gone: GoneSeries, data: Data) {
        if !self.sent.marked.insert(self.sent.hash(&gone.name, &gone.labels)) {
            return;
        }
        let time = self.sent.time.unwrap_or_default();
        let labels = self.labels.of(data, &gone.labels);
        Point { data, time, created: None, exemplars: &[] }.no_value(labels, &mut self.points);
        self.counts.samples += 1;
        self.counts.series += 1;
        self.counts.markers += 1;
        self.gone_now.push(gone);
    }

    fn end_metric(&mut self) {
        let Self { head, data, points, metrics, .. } = self;
        if points.is_empty() {
            return;
        }
        message(2, metrics, |out| {
            out.extend_from_slice(head);
            message(*data as u32, out, |out| {
                out.append(points);
                if !matches!(data, Data::Gauge | Data::Summary) {
                    number_field(2, CUMULATIVE, out);
                }
                if *data == Data::Sum {
                    number_field(3, 1, out);
                }
            });
        });
    }

    fn finish(&mut self) -> WriteBatch {
        self.end_metric();
        let mut body = std::mem::take(&mut self.spare);
        body.reserve(self.metrics.len() + 256);
        let (options, metrics) = (&self.options, &mut self.metrics);
        message(1, &mut body, |out| {
            message(1, out, |out| {
                for (label, name) in IDENTITY {
                    let value = options.labels.iter().rev().find(|(known, _)| known == label).filter(|(_, value)| !value.is_empty());
                    value.into_iter().for_each(|(_, value)| attribute(1, (name, value), out));
                }
                options.resource.iter().for_each(|(name, value)| attribute(1, (name, value), out));
            });
            message(2, out, |out| {
                message(1, out, |out| text(1, "statsd-bridge", out));
                out.append(metrics);
            });
        });
        WriteBatch { body, counts: std::mem::take(&mut self.counts), gone: std::mem::take(&mut self.gone_now) }
    }
}

/// The unit of OTLP for a base unit of Prometheus.
fn ucum(unit: &'static str) -> &'static str {
    match unit {
        "seconds" => "s",
        "bytes" => "By",
        unit => unit,
    }
}

/// Sets the head of the current metric.
fn begin(head: &mut Vec<u8>, current: &mut Data, (name, help): (&str, &str), data: Data) {
    head.clear();
    text(1, name, head);
    if !help.is_empty() {
        text(2, help, head);
    }
    *current = data;
}

fn gone_series(name: &str, labels: &str, kind: u8, form: Form) -> GoneSeries {
    GoneSeries { name: name.into(), labels: labels.into(), kind, is_histogram: form == Form::Exponential }
}

fn has_self(now: &[SelfFamily], family: &SelfFamily, series: &SelfSeries) -> bool {
    let mut named = now.iter().filter(|now| now.name() == family.name());
    named.any(|now| now.series.iter().any(|now| now.labels == series.labels))
}
