//! The samples of an exposition in a common form, so that expositions in different formats can be compared.

use std::collections::BTreeMap;

use super::messages::{Histogram, Metric, MetricFamily};
use crate::{openmetrics, page};

/// The name with its suffix, and the labels. Bounds and quantiles are in the form in which Rust writes floats.
pub type Key = (String, BTreeMap<String, String>);

/// Samples by key. Each key occurs once.
pub type Samples = BTreeMap<Key, f64>;

fn key(name: &str, labels: impl IntoIterator<Item = (String, String)>) -> Key {
    let uniform = |(name, value): (String, String)| match value.parse::<f64>() {
        Ok(bound) if name == "le" || name == "quantile" => (name, bound.to_string()),
        _ => (name, value),
    };
    (name.to_owned(), labels.into_iter().map(uniform).collect())
}

pub fn of_text(text: &str) -> Samples {
    let page = page::Page::parse(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    page.lines().map(|line| (key(&line.name, line.labels.clone()), line.value)).collect()
}

pub fn of_openmetrics(text: &str) -> Samples {
    let page = openmetrics::Page::parse(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    page.check_canonical().unwrap_or_else(|error| panic!("{error}\n{text}"));
    page.samples().map(|sample| (key(&sample.name, sample.labels.clone()), sample.value)).collect()
}

pub fn of_messages(families: &[MetricFamily]) -> Samples {
    let mut samples = Samples::new();
    for family in families {
        assert!(!family.metric.is_empty(), "{family:?}");
        for metric in &family.metric {
            let name = family.name.as_deref().expect("a name");
            for (suffix, extra, value) in values(family, metric) {
                let labels = metric.label.iter().map(|pair| (pair.name.clone().expect("a name"), pair.value.clone().expect("a value")));
                let known = samples.insert(key(&format!("{name}{suffix}"), labels.chain(extra)), value);
                assert!(known.is_none(), "{name}{suffix} twice");
            }
        }
    }
    samples
}

type Value = (&'static str, Option<(String, String)>, f64);

fn values(family: &MetricFamily, metric: &Metric) -> Vec<Value> {
    let all = (family.kind, &metric.gauge, &metric.counter, &metric.summary, &metric.untyped, &metric.histogram);
    match all {
        (Some(1), Some(gauge), None, None, None, None) => vec![("", None, gauge.value.expect("a value"))],
        (Some(0), None, Some(counter), None, None, None) => vec![("", None, counter.value.expect("a value"))],
        (Some(2), None, None, Some(summary), None, None) => {
            let quantiles = summary.quantile.iter().map(|quantile| {
                let label = ("quantile".to_owned(), quantile.quantile.expect("a quantile").to_string());
                ("", Some(label), quantile.value.expect("a value"))
            });
            let sum = ("_sum", None, summary.sum.expect("a sum"));
            quantiles.chain([sum, ("_count", None, summary.count.expect("a count") as f64)]).collect()
        }
        (Some(4), None, None, None, None, Some(histogram)) => of_histogram(histogram),
        _ => panic!("a value of another type: {family:?}"),
    }
}

fn of_histogram(histogram: &Histogram) -> Vec<Value> {
    let count = histogram.count_float.unwrap_or(histogram.count.expect("a count") as f64);
    let bucket = |bound: f64, count: f64| ("_bucket", Some(("le".to_owned(), bound.to_string())), count);
    let finite = histogram.bucket.iter().filter(|bucket| bucket.upper_bound != Some(f64::INFINITY));
    let buckets = finite.map(|of| {
        let whole = of.cumulative_count.expect("a count") as f64;
        let exact = of.cumulative_count_float.unwrap_or(whole);
        assert!((whole - exact).abs() <= 0.5 && (of.cumulative_count_float.is_none() || whole != exact), "{of:?}");
        bucket(of.upper_bound.expect("a bound"), exact)
    });
    let sum = ("_sum", None, histogram.sum.expect("a sum"));
    buckets.chain([bucket(f64::INFINITY, count), sum, ("_count", None, count)]).collect()
}

/// The differences. Self-metrics change between expositions, so only their names are compared. With `may_round`, counts may be
/// rounded.
pub fn differences(one: &Samples, other: &Samples, prefix: &str, may_round: bool) -> Vec<String> {
    let is_own = |name: &str| name.starts_with(prefix) || name.starts_with("process_");
    let is_count = |name: &str| name.ends_with("_bucket") || name.ends_with("_count");
    let mut found = Vec::new();
    for (key, value) in one {
        match other.get(key) {
            Some(same) if same.to_bits() == value.to_bits() || is_own(&key.0) || *same == *value => {}
            Some(near) if may_round && is_count(&key.0) && (near - value).abs() <= 0.5 && near.fract() == 0.0 => {}
            Some(near) if near.is_nan() && value.is_nan() => {}
            else_ => found.push(format!("{key:?}: {value}, {else_:?}")),
        }
    }
    found.extend(other.keys().filter(|key| !one.contains_key(key)).map(|key| format!("{key:?} is new")));
    found
}
