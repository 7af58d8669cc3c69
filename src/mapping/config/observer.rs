//! What a rule, or `defaults`, says of observers: type and options, and how the two levels merge.

use std::sync::Arc;

use super::findings::{At, code};
use super::keys::{HISTOGRAM_OPTIONS, QUANTILE, SUMMARY_OPTIONS};
use super::read::{Fields, File};
use super::tree::{Node, Plain, Value};
use crate::mapping::spec::ObserverOptions;
use crate::options::{DEFAULT_BOUNDS, NATIVE_BUCKETS_MAX, NativeChoice, Observer, SummaryOptions};

/// Steps that a summary's window has at most: each holds a sketch for every series.
const MOST_AGE_BUCKETS: u32 = 1_000;

/// The two things that an observer can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    /// A histogram.
    Histogram,
    /// A summary.
    Summary,
}

/// What one level says.
#[derive(Debug, Clone, Default)]
pub(super) struct Given {
    /// `observer_type`.
    pub(super) kind: Option<Type>,
    bounds: Option<Arc<[f64]>>,
    native: NativeChoice,
    quantiles: Option<Arc<[f64]>>,
    max_age_ms: Option<u64>,
    age_buckets: Option<u32>,
    /// Where the new keys of options stand.
    histogram_at: Option<At>,
    summary_at: Option<At>,
}

impl Given {
    /// This level where it says something, else `below`.
    pub(super) fn over(self, below: &Self) -> Self {
        Self {
            kind: self.kind.or(below.kind),
            bounds: self.bounds.or_else(|| below.bounds.clone()),
            native: NativeChoice {
                factor: self.native.factor.or(below.native.factor),
                max_buckets: self.native.max_buckets.or(below.native.max_buckets),
            },
            quantiles: self.quantiles.or_else(|| below.quantiles.clone()),
            max_age_ms: self.max_age_ms.or(below.max_age_ms),
            age_buckets: self.age_buckets.or(below.age_buckets),
            histogram_at: self.histogram_at,
            summary_at: self.summary_at,
        }
    }

    /// The observer, if the type is said.
    pub(super) fn observer(&self) -> Option<Observer> {
        Some(match self.kind? {
            Type::Histogram => {
                let bounds = self.bounds.clone().unwrap_or_else(|| Arc::from(DEFAULT_BOUNDS));
                Observer::Histogram { bounds, native: self.native }
            }
            Type::Summary => Observer::Summary(self.summary()),
        })
    }

    /// The options, for where the type is not said.
    pub(super) fn options(&self) -> ObserverOptions {
        let has_summary = self.quantiles.is_some() || self.max_age_ms.is_some() || self.age_buckets.is_some();
        ObserverOptions { bounds: self.bounds.clone(), native: self.native, summary: has_summary.then(|| self.summary()) }
    }

    fn summary(&self) -> SummaryOptions {
        let default = SummaryOptions::default();
        SummaryOptions {
            quantiles: self.quantiles.clone().unwrap_or(default.quantiles),
            max_age_ms: self.max_age_ms.unwrap_or(default.max_age_ms),
            age_buckets: self.age_buckets.unwrap_or(default.age_buckets),
        }
    }
}

/// Says so where a rule has options that its type cannot use. `merged` is the rule over the defaults.
pub(super) fn check_conflict(file: &mut File<'_>, merged: &Given) {
    let (place, text) = match merged.kind {
        Some(Type::Histogram) => {
            (merged.summary_at, "a histogram takes no `summary_options`; remove them, or write `observer_type: summary`")
        }
        Some(Type::Summary) => {
            (merged.histogram_at, "a summary takes no `histogram_options`; remove them, or write `observer_type: histogram`")
        }
        None => return,
    };
    if let Some(at) = place {
        file.findings.error(at, code::OBSERVER_CONFLICT, text);
    }
}

/// Reads the keys of observers, old ones too, from a rule or from `defaults`.
pub(super) fn read(file: &mut File<'_>, fields: Fields<'_>) -> Given {
    // The empty text is statsd_exporter's way to say its own default, which is a summary.
    const TYPES: [(&str, Type); 3] = [("histogram", Type::Histogram), ("summary", Type::Summary), ("", Type::Summary)];
    let mut given =
        Given { histogram_at: fields.place("histogram_options"), summary_at: fields.place("summary_options"), ..Given::default() };
    for key in ["observer_type", "timer_type"] {
        let kind = fields.get(key).and_then(|node| file.choice(node, "observer type", &TYPES));
        given.kind = given.kind.or(kind);
    }
    if let Some(node) = fields.get("summary_options") {
        summary_options(file, node, &mut given);
    }
    if let Some(node) = fields.get("histogram_options") {
        histogram_options(file, node, &mut given);
    }
    if let Some(node) = fields.get("quantiles") {
        match given.quantiles {
            Some(_) => twice(file, node, "quantiles", "summary_options"),
            None => given.quantiles = quantiles(file, node),
        }
    }
    if let Some(node) = fields.get("buckets") {
        match given.bounds {
            Some(_) => twice(file, node, "buckets", "histogram_options"),
            None => given.bounds = bounds(file, node),
        }
    }
    given
}

fn twice(file: &mut File<'_>, node: &Node, key: &str, options: &str) {
    let text = format!("`{key}` stands here and in `{options}`; keep the one in `{options}`");
    file.findings.error(node.at, code::DOUBLE_KEY, text);
}

fn summary_options(file: &mut File<'_>, node: &Node, given: &mut Given) {
    let Some(fields) = file.fields(node, SUMMARY_OPTIONS) else { return };
    given.quantiles = fields.get("quantiles").and_then(|node| quantiles(file, node));
    // 0 is the default, as in statsd_exporter.
    if let Some((millis, node)) = fields.get("max_age").and_then(|node| Some((file.duration(node, "`max_age`")?, node))) {
        match u64::try_from(millis) {
            Ok(millis) => given.max_age_ms = Some(millis).filter(|millis| *millis > 0),
            Err(_) => file.findings.error(node.at, code::BAD_DURATION, "`max_age` is below zero; write one like 10m"),
        }
    }
    let steps = fields.get("age_buckets").and_then(|node| file.whole(node, "`age_buckets`", MOST_AGE_BUCKETS));
    given.age_buckets = steps.filter(|steps| *steps > 0);
    // Checked, and without effect: the sketch needs no buffer.
    fields.get("buf_cap").and_then(|node| file.whole(node, "`buf_cap`", u32::MAX));
}

fn histogram_options(file: &mut File<'_>, node: &Node, given: &mut Given) {
    let Some(fields) = file.fields(node, HISTOGRAM_OPTIONS) else { return };
    given.bounds = fields.get("buckets").and_then(|node| bounds(file, node));
    // 0 is the default for both, as in statsd_exporter; a factor of 1 or less otherwise means no native buckets.
    let factor = fields.get("native_histogram_bucket_factor").and_then(|node| file.number(node, "`native_histogram_bucket_factor`"));
    given.native.factor = factor.filter(|factor| *factor != 0.0);
    let Some(node) = fields.get("native_histogram_max_buckets") else { return };
    let most = file.whole(node, "`native_histogram_max_buckets`", u32::MAX).filter(|most| *most > 0);
    if let Some(most) = most.filter(|most| *most > NATIVE_BUCKETS_MAX) {
        let text = format!("`native_histogram_max_buckets: {most}` is more than a histogram may have; it has {NATIVE_BUCKETS_MAX}");
        file.findings.warning(node.at, code::BAD_BUCKETS, text);
    }
    given.native.max_buckets = most.map(|most| most.min(NATIVE_BUCKETS_MAX));
}

/// Upper bounds; `None` for an empty list, which means the default. `+Inf` may stand last and is implied.
fn bounds(file: &mut File<'_>, node: &Node) -> Option<Arc<[f64]>> {
    let items = file.list(node, "`buckets`")?;
    let mut bounds: Vec<f64> = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        if index + 1 == items.len() && is_infinity(item) {
            break;
        }
        let bound = file.number(item, "a bucket")?;
        if let Some(last) = bounds.last().filter(|last| **last >= bound) {
            let text = format!("buckets ascend, but {bound} follows {last}; sort them and write each once");
            file.findings.error(item.at, code::BAD_BUCKETS, text);
            return None;
        }
        bounds.push(bound);
    }
    if bounds.is_empty() { None } else { Some(bounds.into()) }
}

fn is_infinity(node: &Node) -> bool {
    matches!(&node.value, Value::Scalar(text, Plain::Text) if matches!(text.to_lowercase().as_str(), ".inf" | "+.inf"))
}

/// Quantiles, ascending; `None` if none is left, which means the default.
fn quantiles(file: &mut File<'_>, node: &Node) -> Option<Arc<[f64]>> {
    let items = file.list(node, "`quantiles`")?;
    let mut quantiles: Vec<f64> = items.iter().filter_map(|item| quantile(file, item)).collect();
    quantiles.sort_by(f64::total_cmp);
    quantiles.dedup();
    if quantiles.is_empty() { None } else { Some(quantiles.into()) }
}

/// One quantile. statsd_exporter loads any number and fails at the first scrape; its files load here too, without what is wrong.
fn quantile(file: &mut File<'_>, node: &Node) -> Option<f64> {
    let fields = file.fields(node, QUANTILE)?;
    let error = fields.get("error").and_then(|node| Some((node, file.number(node, "the error of a quantile")?)));
    let Some(at) = fields.get("quantile") else {
        file.findings.error(node.at, code::BAD_QUANTILE, "a quantile has no `quantile`; write {quantile: 0.99, error: 0.001}");
        return None;
    };
    let quantile = file.number(at, "a quantile")?;
    if let Some((at, error)) = error.filter(|(_, error)| !(0.0..=1.0).contains(error)) {
        bad_quantile(file, at, &format!("the error {error} of a quantile is not within 0 to 1"), "it has no effect");
    }
    if !(0.0..=1.0).contains(&quantile) {
        bad_quantile(file, at, &format!("the quantile {quantile} is not within 0 to 1"), "it is left out");
        return None;
    }
    // -0 is 0.
    Some(quantile + 0.0)
}

fn bad_quantile(file: &mut File<'_>, node: &Node, what: &str, so: &str) {
    if file.extended {
        file.findings.error(node.at, code::BAD_QUANTILE, format!("{what}; write a fraction such as 0.99"));
    } else {
        file.findings.warning(node.at, code::BAD_QUANTILE, format!("{what}; {so}; write a fraction such as 0.99"));
    }
}
