//! What is pushed as remote write 2.0 equals a scrape of the same bridge in protobuf: values, types, helps, units, buckets, exemplars and
//! start timestamps.

use std::collections::BTreeMap;

use super::message::{Exemplar as Pushed, Histogram, Metadata};
use super::receiver::{Reaction, Receiver};
use super::{expect_sums, pushing, series};
use crate::formats::messages::{self, Exemplar, LabelPair, MetricFamily, Timestamp, decode};
use crate::harness::{Running, request, until};

/// Labels, the bits of the value, and the time in milliseconds.
type OneExemplar = (Vec<(String, String)>, u64, i64);

/// One series: what a scrape or a push says about it.
#[derive(Debug, Clone, Default, PartialEq)]
struct One {
    value: u64,
    histogram: Option<Histogram>,
    start: i64,
    exemplars: Vec<OneExemplar>,
    metadata: Metadata,
}

type All = BTreeMap<Vec<(String, String)>, One>;

fn millis(time: Option<&Timestamp>) -> i64 {
    time.map_or(0, |time| time.seconds * 1000 + i64::from(time.nanos) / 1_000_000)
}

fn exemplar(of: &Exemplar) -> OneExemplar {
    (pairs(&of.label), of.value.unwrap_or_default().to_bits(), millis(of.timestamp.as_ref()))
}

fn pairs(labels: &[LabelPair]) -> Vec<(String, String)> {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let mut pairs: Vec<_> = labels.iter().map(|label| (text(&label.name), text(&label.value))).collect();
    pairs.sort();
    pairs
}

/// The series of a scrape.
fn scraped(bridge: &Running, is_native: bool) -> All {
    let accept = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;escaping=allow-utf-8";
    let page = request(bridge.web, "GET", "/metrics", &[("Accept", accept)]).expect("an exposition").body;
    let mut all = All::new();
    for family in
        decode(&page).iter().filter(|family| !family.name().starts_with("statsd_bridge_") && !family.name().starts_with("process_"))
    {
        family.metric.iter().for_each(|metric| add(family, metric, is_native, &mut all));
    }
    all
}

fn add(family: &MetricFamily, metric: &messages::Metric, is_native: bool, all: &mut All) {
    // The numbers of types differ from those of remote write.
    let kind = [1, 2, 5, 0, 3][family.kind.unwrap_or_default() as usize];
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let metadata = Metadata { name: String::new(), kind, help: text(&family.help), unit: text(&family.unit) };
    let mut put = |suffix: &str, more: Option<(&str, f64)>, one: One| {
        let mut labels = pairs(&metric.label);
        labels.push(("__name__".to_owned(), format!("{}{suffix}", family.name())));
        labels.extend(more.map(|(name, value)| (name.to_owned(), number(value))));
        labels.sort();
        all.insert(labels, One { metadata: metadata.clone(), ..one });
    };
    let value = |value: f64| One { value: value.to_bits(), ..One::default() };
    if let Some(counter) = &metric.counter {
        let start = millis(counter.created.as_ref());
        let exemplars = counter.exemplar.iter().map(exemplar).collect();
        put("", None, One { start, exemplars, ..value(counter.value.unwrap_or_default()) });
    } else if let Some(gauge) = &metric.gauge {
        put("", None, value(gauge.value.unwrap_or_default()));
    } else if let Some(summary) = &metric.summary {
        let start = millis(summary.created.as_ref());
        for quantile in &summary.quantile {
            let of = value(quantile.value.unwrap_or_default());
            // A quantile is no sum, so it has no start.
            put("", quantile.quantile.map(|quantile| ("quantile", quantile)), of);
        }
        put("_sum", None, One { start, ..value(summary.sum.unwrap_or_default()) });
        put("_count", None, One { start, ..value(summary.count.unwrap_or_default() as f64) });
    } else if let Some(histogram) = &metric.histogram {
        let start = millis(histogram.created.as_ref());
        if is_native {
            let mut exemplars: Vec<_> = histogram.bucket.iter().filter_map(|bucket| bucket.exemplar.as_ref()).map(exemplar).collect();
            exemplars.sort_by(|a, b| (a.2, f64::from_bits(a.1)).partial_cmp(&(b.2, f64::from_bits(b.1))).expect("numbers"));
            put("", None, One { start, exemplars, histogram: Some(native(histogram)), ..One::default() });
            return;
        }
        let total = histogram.count_float.unwrap_or(histogram.count.unwrap_or_default() as f64);
        for bucket in &histogram.bucket {
            let count = bucket.cumulative_count_float.unwrap_or(bucket.cumulative_count.unwrap_or_default() as f64);
            let exemplars = bucket.exemplar.iter().map(exemplar).collect();
            put("_bucket", bucket.upper_bound.map(|bound| ("le", bound)), One { start, exemplars, ..value(count) });
        }
        // A scraper adds the last bucket if it is not there.
        if !histogram.bucket.iter().any(|bucket| bucket.upper_bound == Some(f64::INFINITY)) {
            put("_bucket", Some(("le", f64::INFINITY)), One { start, ..value(total) });
        }
        put("_sum", None, One { start, ..value(histogram.sum.unwrap_or_default()) });
        put("_count", None, One { start, ..value(total) });
    }
}

/// A number as Prometheus writes it in `le` and `quantile`.
fn number(value: f64) -> String {
    match value {
        f64::INFINITY => "+Inf".to_owned(),
        value if value.fract() == 0.0 => format!("{value:.1}"),
        value => value.to_string(),
    }
}

/// The fields of remote write.
fn native(of: &messages::Histogram) -> Histogram {
    let spans =
        |spans: &[messages::Span]| spans.iter().map(|span| super::message::Span { offset: span.offset(), length: span.length() }).collect();
    Histogram {
        count: of.count.filter(|_| of.count_float.is_none()),
        count_float: of.count_float,
        sum: of.sum.unwrap_or_default(),
        schema: of.schema.unwrap_or_default(),
        zero_threshold: of.zero_threshold.unwrap_or_default(),
        zero_count: of.zero_count.filter(|_| of.zero_count_float.is_none()),
        zero_count_float: of.zero_count_float,
        negative_spans: spans(&of.negative_span),
        negative_deltas: of.negative_delta.clone(),
        negative_counts: of.negative_count.clone(),
        positive_spans: spans(&of.positive_span),
        positive_deltas: of.positive_delta.clone(),
        positive_counts: of.positive_count.clone(),
        ..Histogram::default()
    }
}

/// The newest value of each series that was pushed, without the labels of the target, with all its exemplars.
fn pushed(receiver: &Receiver) -> All {
    let mut all = All::new();
    for series in receiver.seen().into_iter().flat_map(|seen| seen.content.series) {
        if series.name().starts_with("statsd_bridge_") || series.name().starts_with("process_") || series.name() == "up" {
            continue;
        }
        let labels: Vec<_> = series.labels.iter().filter(|(name, _)| !["job", "instance"].contains(&name.as_str())).cloned().collect();
        let point = *series.points.last().expect("a point");
        let before = all.remove(&labels).map(|one| one.exemplars).unwrap_or_default();
        let new = series.exemplars.into_iter().map(|Pushed { labels, value, time }| (labels, value.to_bits(), time));
        let histogram = series.histograms.last().cloned();
        let one = One {
            value: if histogram.is_some() { 0 } else { point.value.to_bits() },
            histogram: histogram.map(|of| Histogram { timestamp: 0, start_timestamp: 0, ..of }),
            start: point.start,
            exemplars: before.into_iter().chain(new).collect(),
            metadata: series.metadata.unwrap_or_default(),
        };
        all.insert(labels, one);
    }
    all
}

fn compare(args: &[&str], least: usize) {
    let is_native = !args.is_empty();
    let folder = tempfile::tempdir().expect("a temporary directory");
    let receiver = Receiver::start(|_| Reaction::Write);
    let launch = args.iter().fold(pushing(&receiver.url()), |launch, arg| launch.arg(*arg)).arg("--name-validation=utf8");
    let bridge = series::start(&folder, launch);
    let mut shown = String::new();
    until("everything pushed equals the scrape", || {
        let (scraped, pushed) = (scraped(&bridge, is_native), pushed(&receiver));
        let differs = scraped.iter().find(|(labels, one)| pushed.get(*labels) != Some(*one));
        let extra = pushed.keys().find(|labels| !scraped.contains_key(*labels));
        let now =
            format!("{} and {}: {differs:?} {:?}; extra {extra:?}", scraped.len(), pushed.len(), differs.map(|(at, _)| pushed.get(at)));
        if now != shown {
            eprintln!("{now}");
            shown = now;
        }
        (scraped.len() >= least && scraped == pushed).then(|| {
            let exemplars = scraped.values().filter(|one| !one.exemplars.is_empty()).count();
            let starts = scraped.values().filter(|one| one.start > 0).count();
            assert!(exemplars >= series::EXEMPLARS && starts > 4_300, "{exemplars} {starts}");
        })
    });
    expect_sums(&bridge);
    assert_eq!(receiver.faults(), [""; 0]);
    bridge.stop();
}

#[apply(test)]
fn everything_pushed_equals_a_scrape_in_protobuf() {
    compare(&[], series::ALL);
}

#[apply(test)]
fn native_histograms_pushed_equal_a_scrape_in_protobuf() {
    compare(&["--statsd.native-histograms=always", "--push.histograms=native"], series::WITHOUT_CLASSIC);
}
