//! The messages of remote write, after the definitions of both versions.

use prost::Message;

use super::STALE;
use crate::exposition::write::{WriteCounts, WriteVersion};
use crate::registry::push_label;

#[derive(Clone, PartialEq, Message)]
pub(super) struct WriteRequest {
    #[prost(message, repeated, tag = "1")]
    pub(super) timeseries: Vec<TimeSeriesV1>,
    #[prost(message, repeated, tag = "3")]
    pub(super) metadata: Vec<MetricMetadata>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct TimeSeriesV1 {
    #[prost(message, repeated, tag = "1")]
    labels: Vec<Label>,
    #[prost(message, repeated, tag = "2")]
    samples: Vec<Sample>,
    #[prost(message, repeated, tag = "3")]
    exemplars: Vec<ExemplarV1>,
    #[prost(message, repeated, tag = "4")]
    histograms: Vec<Histogram>,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Message)]
pub(super) struct Label {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(string, tag = "2")]
    pub(super) value: String,
}

#[derive(Clone, PartialEq, Message)]
struct ExemplarV1 {
    #[prost(message, repeated, tag = "1")]
    labels: Vec<Label>,
    #[prost(double, tag = "2")]
    value: f64,
    #[prost(int64, tag = "3")]
    timestamp: i64,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct MetricMetadata {
    #[prost(int32, tag = "1")]
    pub(super) kind: i32,
    #[prost(string, tag = "2")]
    pub(super) metric_family_name: String,
    #[prost(string, tag = "4")]
    pub(super) help: String,
    #[prost(string, tag = "5")]
    pub(super) unit: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Request {
    #[prost(string, repeated, tag = "4")]
    pub(super) symbols: Vec<String>,
    #[prost(message, repeated, tag = "5")]
    timeseries: Vec<TimeSeriesV2>,
}

#[derive(Clone, PartialEq, Message)]
struct TimeSeriesV2 {
    #[prost(uint32, repeated, tag = "1")]
    labels_refs: Vec<u32>,
    #[prost(message, repeated, tag = "2")]
    samples: Vec<Sample>,
    #[prost(message, repeated, tag = "3")]
    histograms: Vec<Histogram>,
    #[prost(message, repeated, tag = "4")]
    exemplars: Vec<ExemplarV2>,
    #[prost(message, optional, tag = "5")]
    metadata: Option<Metadata>,
    /// Reserved since 2.0-rc.4.
    #[prost(int64, tag = "6")]
    created: i64,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Sample {
    #[prost(double, tag = "1")]
    pub(super) value: f64,
    #[prost(int64, tag = "2")]
    pub(super) timestamp: i64,
    #[prost(int64, tag = "3")]
    pub(super) start_timestamp: i64,
}

#[derive(Clone, PartialEq, Message)]
struct ExemplarV2 {
    #[prost(uint32, repeated, tag = "1")]
    labels_refs: Vec<u32>,
    #[prost(double, tag = "2")]
    value: f64,
    #[prost(int64, tag = "3")]
    timestamp: i64,
}

#[derive(Clone, PartialEq, Message)]
struct Metadata {
    #[prost(int32, tag = "1")]
    kind: i32,
    #[prost(uint32, tag = "3")]
    help_ref: u32,
    #[prost(uint32, tag = "4")]
    unit_ref: u32,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Histogram {
    #[prost(oneof = "Count", tags = "1, 2")]
    pub(super) count: Option<Count>,
    #[prost(double, tag = "3")]
    pub(super) sum: f64,
    #[prost(sint32, tag = "4")]
    pub(super) schema: i32,
    #[prost(double, tag = "5")]
    pub(super) zero_threshold: f64,
    #[prost(oneof = "ZeroCount", tags = "6, 7")]
    pub(super) zero_count: Option<ZeroCount>,
    #[prost(message, repeated, tag = "8")]
    pub(super) negative_spans: Vec<BucketSpan>,
    #[prost(sint64, repeated, tag = "9")]
    pub(super) negative_deltas: Vec<i64>,
    #[prost(double, repeated, tag = "10")]
    pub(super) negative_counts: Vec<f64>,
    #[prost(message, repeated, tag = "11")]
    pub(super) positive_spans: Vec<BucketSpan>,
    #[prost(sint64, repeated, tag = "12")]
    pub(super) positive_deltas: Vec<i64>,
    #[prost(double, repeated, tag = "13")]
    pub(super) positive_counts: Vec<f64>,
    #[prost(int32, tag = "14")]
    pub(super) reset_hint: i32,
    #[prost(int64, tag = "15")]
    pub(super) timestamp: i64,
    #[prost(double, repeated, tag = "16")]
    pub(super) custom_values: Vec<f64>,
    #[prost(int64, tag = "17")]
    pub(super) start_timestamp: i64,
}

#[derive(Clone, Copy, PartialEq, prost::Oneof)]
pub(super) enum Count {
    #[prost(uint64, tag = "1")]
    Int(u64),
    #[prost(double, tag = "2")]
    Float(f64),
}

#[derive(Clone, Copy, PartialEq, prost::Oneof)]
pub(super) enum ZeroCount {
    #[prost(uint64, tag = "6")]
    Int(u64),
    #[prost(double, tag = "7")]
    Float(f64),
}

#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub(super) struct BucketSpan {
    #[prost(sint32, tag = "1")]
    pub(super) offset: i32,
    #[prost(uint32, tag = "2")]
    pub(super) length: u32,
}

/// A series of either version.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Received {
    pub(super) labels: Vec<Label>,
    pub(super) samples: Vec<Sample>,
    pub(super) histograms: Vec<Histogram>,
    pub(super) exemplars: Vec<(Vec<Label>, f64, i64)>,
    /// Type, help and unit.
    pub(super) metadata: Option<(i32, String, String)>,
    pub(super) created: i64,
}

/// Decodes a body. It must encode to the same bytes, without unknown fields.
pub(super) fn decode(version: WriteVersion, body: &[u8]) -> Vec<Received> {
    match version {
        WriteVersion::V1 => {
            let request = WriteRequest::decode(body).expect("a message");
            assert!(request.metadata.is_empty(), "series and metadata have their own requests");
            request.timeseries.into_iter().map(of_v1).collect()
        }
        WriteVersion::V2 => {
            let request = Request::decode(body).expect("a message");
            let symbols = &request.symbols;
            assert_eq!(symbols.first().map(String::as_str), Some(""), "the first symbol is empty");
            let mut sorted = symbols.clone();
            sorted.sort();
            sorted.dedup();
            assert_eq!(sorted.len(), symbols.len(), "a symbol is there twice");
            request.timeseries.iter().map(|series| of_v2(series, symbols)).collect()
        }
    }
}

fn of_v1(series: TimeSeriesV1) -> Received {
    let TimeSeriesV1 { labels, samples, exemplars, histograms } = series;
    let exemplars = exemplars.into_iter().map(|one| (one.labels, one.value, one.timestamp)).collect();
    Received { labels, samples, histograms, exemplars, metadata: None, created: 0 }
}

fn of_v2(series: &TimeSeriesV2, symbols: &[String]) -> Received {
    let labels = |refs: &[u32]| -> Vec<Label> {
        assert!(refs.len().is_multiple_of(2), "a name without a value");
        let pairs = refs.chunks(2);
        pairs.map(|pair| Label { name: symbols[pair[0] as usize].clone(), value: symbols[pair[1] as usize].clone() }).collect()
    };
    let metadata =
        series.metadata.as_ref().map(|of| (of.kind, symbols[of.help_ref as usize].clone(), symbols[of.unit_ref as usize].clone()));
    Received {
        labels: labels(&series.labels_refs),
        samples: series.samples.clone(),
        histograms: series.histograms.clone(),
        exemplars: series.exemplars.iter().map(|one| (labels(&one.labels_refs), one.value, one.timestamp)).collect(),
        metadata,
        created: series.created,
    }
}

/// What the series contain.
pub(super) fn counts(series: &[Received]) -> WriteCounts {
    let sum = |count: fn(&Received) -> usize| series.iter().map(count).sum();
    WriteCounts {
        samples: sum(|one| one.samples.len()),
        histograms: sum(|one| one.histograms.len()),
        exemplars: sum(|one| one.exemplars.len()),
        series: series.len(),
        markers: sum(|one| usize::from(one.is_stale())),
    }
}

impl Received {
    /// Name and labels as text, in order of the labels.
    pub(super) fn text(&self) -> String {
        let mut labels = String::new();
        for label in self.labels.iter().filter(|label| label.name != "__name__") {
            if !labels.is_empty() {
                labels.push(',');
            }
            push_label(&label.name, &label.value, &mut labels);
        }
        crate::name::series_text(self.label("__name__"), &labels)
    }

    pub(super) fn label(&self, name: &str) -> &str {
        self.labels.iter().find(|label| label.name == name).map_or("", |label| &label.value)
    }

    pub(super) fn is_stale(&self) -> bool {
        let values = self.samples.iter().map(|sample| sample.value).chain(self.histograms.iter().map(|histogram| histogram.sum));
        values.into_iter().any(|value| value.to_bits() == STALE)
    }

    pub(super) fn times(&self) -> Vec<i64> {
        self.samples.iter().map(|sample| sample.timestamp).chain(self.histograms.iter().map(|histogram| histogram.timestamp)).collect()
    }

    /// What holds for every series.
    pub(super) fn check(&self, version: WriteVersion) {
        let names: Vec<&str> = self.labels.iter().map(|label| label.name.as_str()).collect();
        assert!(names.is_sorted_by(|a, b| a < b), "{names:?} are not sorted, or one is there twice");
        assert!(self.labels.iter().all(|label| !label.name.is_empty() && !label.value.is_empty()), "{:?}", self.labels);
        assert!(names.contains(&"__name__"));
        assert!(self.samples.is_empty() != self.histograms.is_empty(), "floats or histograms");
        let times = self.times();
        assert!(times.is_sorted_by(|a, b| a < b), "{times:?}");
        let starts = self.samples.iter().map(|sample| (sample.start_timestamp, sample.timestamp));
        let starts = starts.chain(self.histograms.iter().map(|histogram| (histogram.start_timestamp, histogram.timestamp)));
        for (start, time) in starts {
            assert!(start <= time, "a start after the sample");
            assert!(version == WriteVersion::V2 || start == 0, "1.0 has no start");
        }
        for value in self.samples.iter().map(|sample| sample.value).filter(|value| value.is_nan()) {
            assert!([STALE, 0x7ff8_0000_0000_0001].contains(&value.to_bits()), "another NaN");
        }
        let times: Vec<i64> = self.exemplars.iter().map(|exemplar| exemplar.2).collect();
        assert!(times.is_sorted() && !times.contains(&0));
        assert_eq!(self.metadata.is_some(), version == WriteVersion::V2);
        self.histograms.iter().for_each(Histogram::check);
    }
}

impl Histogram {
    /// What Prometheus checks before it stores a histogram.
    fn check(&self) {
        let length = |spans: &[BucketSpan]| spans.iter().map(|span| span.length as usize).sum::<usize>();
        let is_float = matches!(self.count, Some(Count::Float(_)));
        for (spans, deltas, counts) in [
            (&self.positive_spans, &self.positive_deltas, &self.positive_counts),
            (&self.negative_spans, &self.negative_deltas, &self.negative_counts),
        ] {
            assert_eq!(length(spans), if is_float { counts.len() } else { deltas.len() });
            assert!(if is_float { deltas.is_empty() } else { counts.is_empty() });
            assert!(spans.iter().skip(1).all(|span| span.offset >= 0));
        }
        if self.schema == -53 {
            assert!(self.custom_values.is_sorted_by(|a, b| a < b) && self.custom_values.iter().all(|bound| bound.is_finite()));
            assert!(length(&self.positive_spans) <= self.custom_values.len() + 1);
            assert!(self.zero_threshold == 0.0 && self.zero_count.is_none() && self.negative_spans.is_empty());
        } else {
            assert!((-4..=8).contains(&self.schema) && self.custom_values.is_empty());
        }
        assert_eq!(self.reset_hint, 0);
        if self.sum.to_bits() != STALE {
            let total = match self.count {
                Some(Count::Int(count)) => count as f64,
                Some(Count::Float(count)) => count,
                None => panic!("no count"),
            };
            let zero = match self.zero_count {
                Some(ZeroCount::Int(count)) => count as f64,
                Some(ZeroCount::Float(count)) => count,
                None => 0.0,
            };
            let sum: f64 = self.positive().iter().sum::<f64>() + self.negative().iter().sum::<f64>() + zero;
            assert!((sum - total).abs() <= total * 1e-9, "{sum} in buckets, {total} in all");
        }
    }

    /// The counts of the buckets above zero.
    pub(super) fn positive(&self) -> Vec<f64> {
        counts_of(&self.positive_deltas, &self.positive_counts)
    }

    fn negative(&self) -> Vec<f64> {
        counts_of(&self.negative_deltas, &self.negative_counts)
    }
}

fn counts_of(deltas: &[i64], counts: &[f64]) -> Vec<f64> {
    let mut sum = 0;
    let of_deltas = deltas.iter().map(|delta| {
        sum += delta;
        sum as f64
    });
    of_deltas.chain(counts.iter().copied()).collect()
}
