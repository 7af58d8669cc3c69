//! The messages of remote write 1.0 and 2.0, as their specifications have them, and checks that every receiver may make.

use prost::Message;

#[derive(Clone, PartialEq, Message)]
struct WriteRequest {
    #[prost(message, repeated, tag = "1")]
    timeseries: Vec<TimeSeries1>,
    #[prost(message, repeated, tag = "3")]
    metadata: Vec<Metadata1>,
}

#[derive(Clone, PartialEq, Message)]
struct TimeSeries1 {
    #[prost(message, repeated, tag = "1")]
    labels: Vec<Label>,
    #[prost(message, repeated, tag = "2")]
    samples: Vec<Sample>,
    #[prost(message, repeated, tag = "3")]
    exemplars: Vec<Exemplar1>,
    #[prost(message, repeated, tag = "4")]
    histograms: Vec<Histogram>,
}

#[derive(Clone, PartialEq, Message)]
struct Label {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    value: String,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct Sample {
    #[prost(double, tag = "1")]
    value: f64,
    #[prost(int64, tag = "2")]
    timestamp: i64,
    /// In 2.0 only.
    #[prost(int64, tag = "3")]
    start_timestamp: i64,
}

#[derive(Clone, PartialEq, Message)]
struct Exemplar1 {
    #[prost(message, repeated, tag = "1")]
    labels: Vec<Label>,
    #[prost(double, tag = "2")]
    value: f64,
    #[prost(int64, tag = "3")]
    timestamp: i64,
}

#[derive(Clone, PartialEq, Message)]
struct Metadata1 {
    #[prost(uint64, tag = "1")]
    kind: u64,
    #[prost(string, tag = "2")]
    name: String,
    #[prost(string, tag = "4")]
    help: String,
    #[prost(string, tag = "5")]
    unit: String,
}

#[derive(Clone, PartialEq, Message)]
struct Request {
    #[prost(string, repeated, tag = "4")]
    symbols: Vec<String>,
    #[prost(message, repeated, tag = "5")]
    timeseries: Vec<TimeSeries2>,
}

#[derive(Clone, PartialEq, Message)]
struct TimeSeries2 {
    #[prost(uint32, repeated, tag = "1")]
    labels_refs: Vec<u32>,
    #[prost(message, repeated, tag = "2")]
    samples: Vec<Sample>,
    #[prost(message, repeated, tag = "3")]
    histograms: Vec<Histogram>,
    #[prost(message, repeated, tag = "4")]
    exemplars: Vec<Exemplar2>,
    #[prost(message, optional, tag = "5")]
    metadata: Option<Metadata2>,
}

#[derive(Clone, PartialEq, Message)]
struct Exemplar2 {
    #[prost(uint32, repeated, tag = "1")]
    labels_refs: Vec<u32>,
    #[prost(double, tag = "2")]
    value: f64,
    #[prost(int64, tag = "3")]
    timestamp: i64,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct Metadata2 {
    #[prost(uint32, tag = "1")]
    kind: u32,
    #[prost(uint32, tag = "3")]
    help_ref: u32,
    #[prost(uint32, tag = "4")]
    unit_ref: u32,
}

/// A histogram, in both versions.
#[derive(Clone, PartialEq, Message)]
pub struct Histogram {
    #[prost(uint64, optional, tag = "1")]
    pub count: Option<u64>,
    #[prost(double, optional, tag = "2")]
    pub count_float: Option<f64>,
    #[prost(double, tag = "3")]
    pub sum: f64,
    #[prost(sint32, tag = "4")]
    pub schema: i32,
    #[prost(double, tag = "5")]
    pub zero_threshold: f64,
    #[prost(uint64, optional, tag = "6")]
    pub zero_count: Option<u64>,
    #[prost(double, optional, tag = "7")]
    pub zero_count_float: Option<f64>,
    #[prost(message, repeated, tag = "8")]
    pub negative_spans: Vec<Span>,
    #[prost(sint64, repeated, tag = "9")]
    pub negative_deltas: Vec<i64>,
    #[prost(double, repeated, tag = "10")]
    pub negative_counts: Vec<f64>,
    #[prost(message, repeated, tag = "11")]
    pub positive_spans: Vec<Span>,
    #[prost(sint64, repeated, tag = "12")]
    pub positive_deltas: Vec<i64>,
    #[prost(double, repeated, tag = "13")]
    pub positive_counts: Vec<f64>,
    #[prost(int32, tag = "14")]
    pub reset_hint: i32,
    #[prost(int64, tag = "15")]
    pub timestamp: i64,
    #[prost(double, repeated, tag = "16")]
    pub custom_values: Vec<f64>,
    /// In 2.0 only.
    #[prost(int64, tag = "17")]
    pub start_timestamp: i64,
}

/// Consecutive buckets.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct Span {
    #[prost(sint32, tag = "1")]
    pub offset: i32,
    #[prost(uint32, tag = "2")]
    pub length: u32,
}

/// The bits of a stale marker.
pub const STALE: u64 = 0x7ff0_0000_0000_0002;

/// One series of a request.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// Sorted, with `__name__`.
    pub labels: Vec<(String, String)>,
    /// Timestamps and values; of histograms, the count.
    pub points: Vec<Point>,
    pub exemplars: Vec<Exemplar>,
    pub is_histogram: bool,
    /// The histograms of the points.
    pub histograms: Vec<Histogram>,
    /// In 2.0 only.
    pub metadata: Option<Metadata>,
}

impl Series {
    /// The value of a label, or an empty string.
    pub fn label(&self, name: &str) -> &str {
        self.labels.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    /// The value of the label `__name__`.
    pub fn name(&self) -> &str {
        self.label("__name__")
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct Exemplar {
    pub labels: Vec<(String, String)>,
    pub value: f64,
    pub time: i64,
}

/// The metadata of a series, or of a family.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metadata {
    /// The name of a family, in 1.0.
    pub name: String,
    /// 1 counter, 2 gauge, 3 histogram, 5 summary.
    pub kind: u64,
    pub help: String,
    pub unit: String,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    pub time: i64,
    pub value: f64,
    pub is_stale: bool,
    /// 0 if it is not set.
    pub start: i64,
}

/// What a request has.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Content {
    pub series: Vec<Series>,
    /// The metadata of families, in 1.0.
    pub metadata: Vec<Metadata>,
    /// In 2.0.
    pub symbols: Vec<String>,
}

/// Decodes a body of this version. The error says which rule it breaks.
pub fn decode(version: u8, compressed: &[u8]) -> Result<Content, String> {
    let body = snap::raw::Decoder::new().decompress_vec(compressed).map_err(|error| format!("no snappy block: {error}"))?;
    let content = if version == 2 { decode_2(&body)? } else { decode_1(&body)? };
    content.series.iter().try_for_each(check)?;
    Ok(content)
}

fn decode_1(body: &[u8]) -> Result<Content, String> {
    let request = WriteRequest::decode(body).map_err(|error| error.to_string())?;
    let pairs = |labels: Vec<Label>| labels.into_iter().map(|label| (label.name, label.value)).collect();
    let series = |series: TimeSeries1| {
        let exemplar = |of: Exemplar1| Exemplar { labels: pairs(of.labels), value: of.value, time: of.timestamp };
        Ok(Series {
            labels: pairs(series.labels),
            points: points(&series.samples, &series.histograms)?,
            exemplars: series.exemplars.into_iter().map(exemplar).collect(),
            is_histogram: !series.histograms.is_empty(),
            histograms: series.histograms,
            metadata: None,
        })
    };
    let metadata = |of: Metadata1| Metadata { name: of.name, kind: of.kind, help: of.help, unit: of.unit };
    Ok(Content {
        series: request.timeseries.into_iter().map(series).collect::<Result<_, String>>()?,
        metadata: request.metadata.into_iter().map(metadata).collect(),
        symbols: Vec::new(),
    })
}

fn decode_2(body: &[u8]) -> Result<Content, String> {
    let Request { symbols, timeseries } = Request::decode(body).map_err(|error| error.to_string())?;
    if symbols.first().is_none_or(|first| !first.is_empty()) {
        return Err("the first symbol is not empty".to_owned());
    }
    let symbol = |at: u32| symbols.get(at as usize).cloned().ok_or_else(|| "a reference beyond the symbols".to_owned());
    let labels = |refs: &[u32]| -> Result<Vec<(String, String)>, String> {
        let pair = |pair: &[u32]| match pair {
            [name, value] => Ok((symbol(*name)?, symbol(*value)?)),
            _ => Err("an odd number of references".to_owned()),
        };
        refs.chunks(2).map(pair).collect()
    };
    let exemplar = |of: &Exemplar2| match of.timestamp {
        0 => Err("an exemplar without a timestamp".to_owned()),
        time => Ok(Exemplar { labels: labels(&of.labels_refs)?, value: of.value, time }),
    };
    let series = |series: TimeSeries2| -> Result<Series, String> {
        let of = series.metadata.ok_or("a series without metadata")?;
        let (help, unit) = (symbol(of.help_ref)?, symbol(of.unit_ref)?);
        Ok(Series {
            labels: labels(&series.labels_refs)?,
            points: points(&series.samples, &series.histograms)?,
            exemplars: series.exemplars.iter().map(exemplar).collect::<Result<_, String>>()?,
            is_histogram: !series.histograms.is_empty(),
            histograms: series.histograms,
            metadata: Some(Metadata { name: String::new(), kind: of.kind.into(), help, unit }),
        })
    };
    let series = timeseries.into_iter().map(series).collect::<Result<_, String>>()?;
    Ok(Content { series, metadata: Vec::new(), symbols })
}

fn points(samples: &[Sample], histograms: &[Histogram]) -> Result<Vec<Point>, String> {
    if samples.is_empty() == histograms.is_empty() {
        return Err("a series needs samples or histograms, not both".to_owned());
    }
    let float = |sample: &Sample| Point {
        time: sample.timestamp,
        value: sample.value,
        is_stale: sample.value.to_bits() == STALE,
        start: sample.start_timestamp,
    };
    let histogram = |histogram: &Histogram| Point {
        time: histogram.timestamp,
        value: histogram.count_float.unwrap_or(histogram.count.unwrap_or_default() as f64),
        is_stale: histogram.sum.to_bits() == STALE,
        start: histogram.start_timestamp,
    };
    Ok(samples.iter().map(float).chain(histograms.iter().map(histogram)).collect())
}

/// The rules for the labels and timestamps of any series.
fn check(series: &Series) -> Result<(), String> {
    let Series { labels, points, .. } = series;
    if !labels.is_sorted_by(|(a, _), (b, _)| a < b) {
        return Err(format!("labels are not sorted, or twice: {labels:?}"));
    }
    if labels.iter().any(|(name, value)| name.is_empty() || value.is_empty()) {
        return Err(format!("an empty name or value: {labels:?}"));
    }
    if !labels.iter().any(|(name, _)| name == "__name__") {
        return Err(format!("no name: {labels:?}"));
    }
    if !points.is_sorted_by(|a, b| a.time < b.time) {
        return Err(format!("timestamps do not increase: {points:?}"));
    }
    match points.iter().find(|point| point.start > point.time) {
        Some(point) => Err(format!("a start after its sample: {point:?}")),
        None => Ok(()),
    }
}
