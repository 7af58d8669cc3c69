//! The messages of OTLP metrics, as their definition has them, and checks that every receiver may make.

use std::io::Read;

use prost::Message;

use super::message::{self, Content, Point, STALE, Series};

#[derive(Clone, PartialEq, Message)]
pub struct Export {
    #[prost(message, repeated, tag = "1")]
    pub resource_metrics: Vec<ResourceMetrics>,
}

#[derive(Clone, PartialEq, Message)]
pub struct ResourceMetrics {
    #[prost(message, optional, tag = "1")]
    pub resource: Option<Resource>,
    #[prost(message, repeated, tag = "2")]
    pub scope_metrics: Vec<ScopeMetrics>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Resource {
    #[prost(message, repeated, tag = "1")]
    pub attributes: Vec<KeyValue>,
}

#[derive(Clone, PartialEq, Message)]
pub struct ScopeMetrics {
    #[prost(message, repeated, tag = "2")]
    pub metrics: Vec<Metric>,
}

#[derive(Clone, PartialEq, Message)]
pub struct KeyValue {
    #[prost(string, tag = "1")]
    pub key: String,
    #[prost(message, optional, tag = "2")]
    pub value: Option<AnyValue>,
}

#[derive(Clone, PartialEq, Message)]
pub struct AnyValue {
    #[prost(string, tag = "1")]
    pub text: String,
}

#[derive(Clone, PartialEq, Message)]
pub struct Metric {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(message, optional, tag = "5")]
    pub gauge: Option<Numbers>,
    #[prost(message, optional, tag = "7")]
    pub sum: Option<Numbers>,
    #[prost(message, optional, tag = "9")]
    pub histogram: Option<Histograms>,
    #[prost(message, optional, tag = "10")]
    pub exponential: Option<Exponentials>,
    #[prost(message, optional, tag = "11")]
    pub summary: Option<Summaries>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Numbers {
    #[prost(message, repeated, tag = "1")]
    pub points: Vec<Number>,
    #[prost(uint32, tag = "2")]
    pub temporality: u32,
    #[prost(bool, tag = "3")]
    pub is_monotonic: bool,
}

#[derive(Clone, PartialEq, Message)]
pub struct Histograms {
    #[prost(message, repeated, tag = "1")]
    pub points: Vec<Histogram>,
    #[prost(uint32, tag = "2")]
    pub temporality: u32,
}

#[derive(Clone, PartialEq, Message)]
pub struct Exponentials {
    #[prost(message, repeated, tag = "1")]
    pub points: Vec<Exponential>,
    #[prost(uint32, tag = "2")]
    pub temporality: u32,
}

#[derive(Clone, PartialEq, Message)]
pub struct Summaries {
    #[prost(message, repeated, tag = "1")]
    pub points: Vec<Summary>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Number {
    #[prost(fixed64, tag = "2")]
    pub start: u64,
    #[prost(fixed64, tag = "3")]
    pub time: u64,
    #[prost(double, optional, tag = "4")]
    pub value: Option<f64>,
    #[prost(message, repeated, tag = "5")]
    pub exemplars: Vec<Exemplar>,
    #[prost(message, repeated, tag = "7")]
    pub attributes: Vec<KeyValue>,
    #[prost(uint32, tag = "8")]
    pub flags: u32,
}

#[derive(Clone, PartialEq, Message)]
pub struct Histogram {
    #[prost(fixed64, tag = "2")]
    pub start: u64,
    #[prost(fixed64, tag = "3")]
    pub time: u64,
    #[prost(fixed64, tag = "4")]
    pub count: u64,
    #[prost(fixed64, repeated, tag = "6")]
    pub counts: Vec<u64>,
    #[prost(double, repeated, tag = "7")]
    pub bounds: Vec<f64>,
    #[prost(message, repeated, tag = "8")]
    pub exemplars: Vec<Exemplar>,
    #[prost(message, repeated, tag = "9")]
    pub attributes: Vec<KeyValue>,
    #[prost(uint32, tag = "10")]
    pub flags: u32,
}

#[derive(Clone, PartialEq, Message)]
pub struct Exponential {
    #[prost(message, repeated, tag = "1")]
    pub attributes: Vec<KeyValue>,
    #[prost(fixed64, tag = "2")]
    pub start: u64,
    #[prost(fixed64, tag = "3")]
    pub time: u64,
    #[prost(fixed64, tag = "4")]
    pub count: u64,
    #[prost(fixed64, tag = "7")]
    pub zero_count: u64,
    #[prost(uint32, tag = "10")]
    pub flags: u32,
}

#[derive(Clone, PartialEq, Message)]
pub struct Summary {
    #[prost(fixed64, tag = "2")]
    pub start: u64,
    #[prost(fixed64, tag = "3")]
    pub time: u64,
    #[prost(fixed64, tag = "4")]
    pub count: u64,
    #[prost(message, repeated, tag = "7")]
    pub attributes: Vec<KeyValue>,
    #[prost(uint32, tag = "8")]
    pub flags: u32,
}

#[derive(Clone, PartialEq, Message)]
pub struct Exemplar {
    #[prost(fixed64, tag = "2")]
    pub time: u64,
    #[prost(double, optional, tag = "3")]
    pub value: Option<f64>,
    #[prost(bytes = "vec", tag = "4")]
    pub span_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "5")]
    pub trace_id: Vec<u8>,
    #[prost(message, repeated, tag = "7")]
    pub attributes: Vec<KeyValue>,
}

/// The bodies of requests are at most this long before compression.
const MAX_BODY: usize = (1 << 20) + (64 << 10);

/// Decompresses a body. The error says which rule it breaks.
pub fn export(coding: Option<&str>, body: &[u8]) -> Result<Export, String> {
    let mut plain = Vec::new();
    match coding {
        Some("gzip") => {
            flate2::read::GzDecoder::new(body).read_to_end(&mut plain).map_err(|error| format!("no gzip: {error}"))?;
        }
        None => plain.extend_from_slice(body),
        Some(other) => return Err(format!("content encoding {other}")),
    }
    if plain.len() > MAX_BODY {
        return Err(format!("a body of {} bytes", plain.len()));
    }
    Export::decode(&*plain).map_err(|error| error.to_string())
}

/// Decodes a request: each point is a series, whose labels are its name, its attributes, and `job` and `instance` of the resource.
pub fn decode_otlp(coding: Option<&str>, body: &[u8]) -> Result<Content, String> {
    let mut series = Vec::new();
    for resource in export(coding, body)?.resource_metrics {
        let attributes = resource.resource.ok_or("no resource")?.attributes;
        let of_resource = |name: &str| attributes.iter().find(|pair| pair.key == name).map(text).ok_or(format!("no {name}"));
        let target = [("job", of_resource("service.name")?), ("instance", of_resource("service.instance.id")?)];
        for metric in resource.scope_metrics.into_iter().flat_map(|scope| scope.metrics) {
            let before = series.len();
            for point in points(&metric)? {
                let mut labels: Vec<(String, String)> = point.attributes.iter().map(|pair| (pair.key.clone(), text(pair))).collect();
                labels.extend(target.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
                labels.push(("__name__".to_owned(), metric.name.clone()));
                labels.sort();
                if labels.windows(2).any(|pair| pair[0].0 == pair[1].0) {
                    return Err(format!("an attribute twice: {labels:?}"));
                }
                series.push(Series {
                    labels,
                    points: vec![point.point],
                    exemplars: point.exemplars,
                    is_histogram: false,
                    histograms: vec![],
                    metadata: None,
                });
            }
            if series.len() == before {
                return Err(format!("{} has no points", metric.name));
            }
        }
    }
    if series.is_empty() { Err("an empty envelope".to_owned()) } else { Ok(Content { series, ..Content::default() }) }
}

fn text(pair: &KeyValue) -> String {
    pair.value.clone().unwrap_or_default().text
}

/// An exemplar, with the labels that it has in a scrape.
fn exemplar(of: &Exemplar) -> message::Exemplar {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let ids = [("trace_id", hex(&of.trace_id)), ("span_id", hex(&of.span_id))].map(|(name, value)| (name.to_owned(), value));
    let attributes = of.attributes.iter().map(|pair| (pair.key.clone(), text(pair)));
    let labels = attributes.chain(ids).filter(|(_, value)| !value.is_empty()).collect();
    message::Exemplar { labels, value: of.value.unwrap_or_default(), time: (of.time / 1_000_000) as i64 }
}

struct Found<'a> {
    attributes: &'a [KeyValue],
    point: Point,
    exemplars: Vec<message::Exemplar>,
}

/// The points of a metric, which has exactly one kind of data, and is cumulative.
fn points(metric: &Metric) -> Result<Vec<Found<'_>>, String> {
    let found = |attributes, (start, time): (u64, u64), value: f64, flags: u32, exemplars: &[Exemplar]| {
        let is_stale = flags & 1 == 1;
        let value = if is_stale { f64::from_bits(STALE) } else { value };
        let [start, time] = [start, time].map(|nanos| i64::try_from(nanos / 1_000_000).unwrap_or(i64::MAX));
        Found { attributes, point: Point { time, value, is_stale, start }, exemplars: exemplars.iter().map(exemplar).collect() }
    };
    let mut all = Vec::new();
    let mut kinds = 0;
    for numbers in metric.gauge.iter().chain(&metric.sum) {
        kinds += 1;
        for point in &numbers.points {
            if point.value.is_some() == (point.flags & 1 == 1) {
                return Err(format!("{}: a value or the flag for none: {point:?}", metric.name));
            }
            let value = point.value.unwrap_or_default();
            all.push(found(&*point.attributes, (point.start, point.time), value, point.flags, &point.exemplars));
        }
    }
    for point in metric.histogram.iter().flat_map(|all| &all.points) {
        let is_stale = point.flags & 1 == 1;
        if !is_stale && (point.counts.len() != point.bounds.len() + 1 || point.counts.iter().sum::<u64>() != point.count) {
            return Err(format!("{}: buckets that do not add up: {point:?}", metric.name));
        }
        all.push(found(&*point.attributes, (point.start, point.time), point.count as f64, point.flags, &point.exemplars));
    }
    for point in metric.exponential.iter().flat_map(|all| &all.points) {
        all.push(found(&*point.attributes, (point.start, point.time), point.count as f64, point.flags, &[]));
    }
    for point in metric.summary.iter().flat_map(|all| &all.points) {
        all.push(found(&*point.attributes, (point.start, point.time), point.count as f64, point.flags, &[]));
    }
    kinds += usize::from(metric.histogram.is_some()) + usize::from(metric.exponential.is_some()) + usize::from(metric.summary.is_some());
    let sum = metric.sum.iter().map(|sum| (sum.temporality, sum.is_monotonic)).all(|sum| sum == (2, true));
    let temporality = metric.histogram.iter().map(|all| all.temporality).chain(metric.exponential.iter().map(|all| all.temporality));
    match kinds == 1 && sum && temporality.into_iter().all(|temporality| temporality == 2) {
        true => Ok(all),
        false => Err(format!("{}: not one kind of data, or not cumulative", metric.name)),
    }
}
