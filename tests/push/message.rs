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

/// The fields of a histogram that the tests compare.
#[derive(Clone, PartialEq, Message)]
struct Histogram {
    #[prost(uint64, tag = "1")]
    count: u64,
    #[prost(double, tag = "2")]
    count_float: f64,
    #[prost(double, tag = "3")]
    sum: f64,
    #[prost(sint32, tag = "4")]
    schema: i32,
    #[prost(int64, tag = "15")]
    timestamp: i64,
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
    pub exemplars: usize,
    pub is_histogram: bool,
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
    /// Names of families with metadata, in 1.0.
    pub metadata: usize,
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
    let series = |series: TimeSeries1| {
        let labels = series.labels.into_iter().map(|label| (label.name, label.value)).collect();
        Ok(Series {
            labels,
            points: points(&series.samples, &series.histograms)?,
            exemplars: series.exemplars.len(),
            is_histogram: !series.histograms.is_empty(),
        })
    };
    Ok(Content { series: request.timeseries.into_iter().map(series).collect::<Result<_, String>>()?, metadata: request.metadata.len() })
}

fn decode_2(body: &[u8]) -> Result<Content, String> {
    let Request { symbols, timeseries } = Request::decode(body).map_err(|error| error.to_string())?;
    if symbols.first().is_none_or(|first| !first.is_empty()) {
        return Err("the first symbol is not empty".to_owned());
    }
    let labels = |refs: &[u32]| -> Result<Vec<(String, String)>, String> {
        let symbol = |at: u32| symbols.get(at as usize).cloned().ok_or("a reference beyond the symbols");
        let pair = |pair: &[u32]| match pair {
            [name, value] => Ok((symbol(*name)?, symbol(*value)?)),
            _ => Err("an odd number of references"),
        };
        refs.chunks(2).map(pair).collect::<Result<_, _>>().map_err(str::to_owned)
    };
    let series = |series: TimeSeries2| {
        for exemplar in &series.exemplars {
            labels(&exemplar.labels_refs)?;
            if exemplar.timestamp == 0 {
                return Err("an exemplar without a timestamp".to_owned());
            }
        }
        if series.metadata.is_none() {
            return Err("a series without metadata".to_owned());
        }
        Ok(Series {
            labels: labels(&series.labels_refs)?,
            points: points(&series.samples, &series.histograms)?,
            exemplars: series.exemplars.len(),
            is_histogram: !series.histograms.is_empty(),
        })
    };
    Ok(Content { series: timeseries.into_iter().map(series).collect::<Result<_, String>>()?, metadata: 0 })
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
        value: histogram.count as f64 + histogram.count_float,
        is_stale: histogram.sum.to_bits() == STALE,
        start: 0,
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
