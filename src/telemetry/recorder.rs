//! The recorder behind the `metrics` facade. Each exposition reads typed families from it.
//!
//! metrics-exporter-prometheus checks names, escapes labels, keeps help texts and puts observations into buckets. It renders
//! everything as text, which costs more than a thousand series of senders. Therefore the text of counters and gauges is parsed only
//! after a new metric was registered. Their values are kept here; in that text, the value of a series is the index of its value
//! here.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Acquire;
use std::sync::{Arc, Mutex};

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusRecorder};

use super::self_family::{SelfFamily, SelfHead, SelfKind, SelfSeries, SelfValue, parse_families};
use crate::lock::lock;

/// The recorder of all self-metrics of one bridge.
pub(super) struct SelfRecorder {
    /// Counters and gauges: names, labels and help. The value of each is its index in `numbers`.
    names: PrometheusRecorder,
    histograms: PrometheusRecorder,
    numbers: Mutex<Numbers>,
}

#[derive(Default)]
struct Numbers {
    /// The values, in the order of registration.
    all: Vec<Number>,
    /// `None` after a metric was registered.
    layout: Option<Arc<[FamilyLayout]>>,
}

/// The value of a counter, or the bits of a gauge's value.
#[derive(Clone)]
struct Number {
    kind: SelfKind,
    key: Key,
    bits: Arc<AtomicU64>,
    /// Whether expositions leave it out, because what it counts is gone.
    is_gone: bool,
}

/// A family with references to its values.
struct FamilyLayout {
    head: Arc<SelfHead>,
    series: Vec<(Arc<str>, Arc<AtomicU64>)>,
}

impl SelfRecorder {
    /// A recorder without metrics. The buckets are those of the histogram of this name.
    pub(super) fn new(histogram: &str, buckets: &[f64]) -> Self {
        let builder = || PrometheusBuilder::new();
        let histograms = builder().set_buckets_for_metric(Matcher::Full(histogram.to_owned()), buckets);
        debug_assert!(histograms.is_ok(), "there are buckets");
        let histograms = histograms.unwrap_or_else(|_| builder()).build_recorder();
        Self { names: builder().build_recorder(), histograms, numbers: Mutex::default() }
    }

    /// Puts the observations of histograms into buckets.
    pub(super) fn run_upkeep(&self) {
        self.histograms.handle().run_upkeep();
    }

    /// The sum of all counters of this name for whose key `wanted` returns true.
    pub(super) fn sum(&self, name: &str, wanted: impl Fn(&Key) -> bool) -> u64 {
        let numbers = lock(&self.numbers);
        let counters = numbers.all.iter().filter(|number| number.kind == SelfKind::Counter && number.key.name() == name);
        counters.filter(|number| wanted(&number.key)).map(|number| number.bits.load(Acquire)).fold(0, u64::saturating_add)
    }

    /// Leaves out all counters and gauges that `wanted` selects from now on, until they are registered again. A counter then goes on from its
    /// value.
    #[cfg(feature = "cli")]
    pub(super) fn leave_out(&self, wanted: impl Fn(&Key) -> bool) {
        let mut numbers = lock(&self.numbers);
        numbers.all.iter_mut().filter(|number| wanted(&number.key)).for_each(|number| number.is_gone = true);
        numbers.layout = None;
    }

    /// All families with their values, sorted by name, series by labels.
    pub(super) fn families(&self) -> Vec<SelfFamily> {
        let layout = self.layout();
        let mut families: Vec<SelfFamily> = layout.iter().map(FamilyLayout::read).collect();
        for family in parse_families(&self.histograms.handle().render()) {
            let place = families.partition_point(|other| other.head.name < family.head.name);
            families.insert(place, family);
        }
        families
    }

    fn layout(&self) -> Arc<[FamilyLayout]> {
        let mut numbers = lock(&self.numbers);
        let Numbers { all, layout } = &mut *numbers;
        Arc::clone(layout.get_or_insert_with(|| {
            let families = parse_families(&self.names.handle().render());
            families.into_iter().map(|family| FamilyLayout::of(family, all)).filter(|family| !family.series.is_empty()).collect()
        }))
    }

    /// The value of the counter or gauge, which is created if it does not exist.
    fn number(&self, kind: SelfKind, key: &Key, metadata: &Metadata<'_>) -> Arc<AtomicU64> {
        let mut numbers = lock(&self.numbers);
        let Numbers { all, layout } = &mut *numbers;
        if let Some(known) = all.iter_mut().find(|known| known.kind == kind && known.key == *key) {
            if std::mem::take(&mut known.is_gone) {
                *layout = None;
            }
            return Arc::clone(&known.bits);
        }
        let (place, bits) = (numbers.all.len() as u64, Arc::new(AtomicU64::new(0)));
        match kind {
            SelfKind::Counter => self.names.register_counter(key, metadata).absolute(place),
            _ => self.names.register_gauge(key, metadata).set(place as f64),
        }
        numbers.all.push(Number { kind, key: key.to_retained(), bits: Arc::clone(&bits), is_gone: false });
        numbers.layout = None;
        bits
    }
}

impl FamilyLayout {
    /// The layout of a parsed family. Each parsed value is an index of `numbers`.
    fn of(family: SelfFamily, numbers: &[Number]) -> Self {
        let series = family.series.into_iter().filter_map(|SelfSeries { labels, value }| {
            let place = match value {
                SelfValue::Count(place) => Some(place as usize),
                SelfValue::Number(place) => Some(place as usize),
                SelfValue::Histogram { .. } => None,
            };
            let number = place.and_then(|place| numbers.get(place));
            debug_assert!(number.is_some(), "{} has no number", family.head.name);
            number.filter(|number| !number.is_gone).map(|number| (labels, Arc::clone(&number.bits)))
        });
        Self { series: series.collect(), head: family.head }
    }

    fn read(&self) -> SelfFamily {
        let value =
            |bits: u64| if self.head.kind == SelfKind::Counter { SelfValue::Count(bits) } else { SelfValue::Number(f64::from_bits(bits)) };
        let series = self.series.iter().map(|(labels, bits)| SelfSeries { labels: Arc::clone(labels), value: value(bits.load(Acquire)) });
        SelfFamily { head: Arc::clone(&self.head), series: series.collect() }
    }
}

impl Recorder for SelfRecorder {
    fn describe_counter(&self, name: KeyName, unit: Option<Unit>, help: SharedString) {
        self.names.describe_counter(name, unit, help);
    }

    fn describe_gauge(&self, name: KeyName, unit: Option<Unit>, help: SharedString) {
        self.names.describe_gauge(name, unit, help);
    }

    fn describe_histogram(&self, name: KeyName, unit: Option<Unit>, help: SharedString) {
        self.histograms.describe_histogram(name, unit, help);
    }

    fn register_counter(&self, key: &Key, metadata: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.number(SelfKind::Counter, key, metadata))
    }

    fn register_gauge(&self, key: &Key, metadata: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.number(SelfKind::Gauge, key, metadata))
    }

    fn register_histogram(&self, key: &Key, metadata: &Metadata<'_>) -> Histogram {
        self.histograms.register_histogram(key, metadata)
    }
}

#[cfg(test)]
mod tests {
    use metrics::{counter, describe_counter, gauge, histogram, with_local_recorder};

    use super::*;

    fn texts(recorder: &SelfRecorder) -> Vec<String> {
        let families = recorder.families();
        let series = families.iter().flat_map(|family| family.series.iter().map(|series| (family.name(), series)));
        series.map(|(name, SelfSeries { labels, value })| format!("{name}{{{labels}}} {value:?}")).collect()
    }

    #[test]
    fn values_are_read_anew_and_new_metrics_are_found() {
        let recorder = SelfRecorder::new("h", &[1.0]);
        let (first, second, level) = with_local_recorder(&recorder, || {
            describe_counter!("c", "help of c");
            (counter!("c", "k" => "b\"\\"), counter!("c", "k" => "a"), gauge!("g"))
        });
        first.increment(3);
        assert_eq!(recorder.families()[0].head.help, "help of c".into());
        let expected = [r#"c{k="a"} Count(0)"#, r#"c{k="b\"\\"} Count(3)"#, "g{} Number(0.0)"];
        assert_eq!(texts(&recorder), expected);
        second.increment(u64::MAX);
        level.set(-2.5);
        let again = with_local_recorder(&recorder, || {
            histogram!("h").record(0.5);
            counter!("b").increment(7);
            counter!("c", "k" => "a")
        });
        drop(again);
        let expected = [
            "b{} Count(7)",
            r#"c{k="a"} Count(18446744073709551615)"#,
            r#"c{k="b\"\\"} Count(3)"#,
            "g{} Number(-2.5)",
            "h{} Histogram { buckets: [(1.0, 1), (inf, 1)], sum: 0.5 }",
        ];
        assert_eq!(texts(&recorder), expected);
        assert_eq!(recorder.sum("c", |key| key.labels().any(|label| label.value() == "b\"\\")), 3);
        assert_eq!((recorder.sum("b", |_| true), recorder.sum("g", |_| true)), (7, 0), "a gauge is no counter");
    }
}
