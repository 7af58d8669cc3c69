//! Parses the observer keys of a rule or of `defaults`, type and options, and merges the two levels.

use super::findings::{At, code};
use super::keys::{HISTOGRAM_OPTIONS, QUANTILE, SUMMARY_OPTIONS};
use super::read::{Fields, File, Tolerated};
use super::tree::{Node, YamlValue};
use crate::mapping::spec::ObserverOptions;
use crate::options::{Buckets, NATIVE_BUCKETS_MAX, NativeChoice, Observer, Quantiles, SummaryOptions};

/// The maximum number of steps in the window of a summary. Each step holds one sketch per series.
const MAX_AGE_BUCKETS: u32 = 1_000;

/// The type of an observer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    /// A histogram.
    Histogram,
    /// A summary.
    Summary,
}

/// The observer settings of one level, a rule or `defaults`.
#[derive(Debug, Clone, Default)]
pub(super) struct ObserverSettings {
    /// `observer_type`.
    pub(super) kind: Option<Type>,
    buckets: Option<Buckets>,
    native: NativeChoice,
    quantiles: Option<Quantiles>,
    max_age_ms: Option<u64>,
    age_buckets: Option<u32>,
    /// Positions of `histogram_options` and `summary_options`.
    histogram_at: Option<At>,
    summary_at: Option<At>,
}

impl ObserverSettings {
    /// Returns these settings, with unset ones taken from `fallback`.
    pub(super) fn or(self, fallback: &Self) -> Self {
        Self {
            kind: self.kind.or(fallback.kind),
            buckets: self.buckets.or_else(|| fallback.buckets.clone()),
            native: NativeChoice {
                factor: self.native.factor.or(fallback.native.factor),
                max_buckets: self.native.max_buckets.or(fallback.native.max_buckets),
            },
            quantiles: self.quantiles.or_else(|| fallback.quantiles.clone()),
            max_age_ms: self.max_age_ms.or(fallback.max_age_ms),
            age_buckets: self.age_buckets.or(fallback.age_buckets),
            histogram_at: self.histogram_at,
            summary_at: self.summary_at,
        }
    }

    /// Returns the observer, or `None` if the type is not set.
    pub(super) fn observer(&self) -> Option<Observer> {
        Some(match self.kind? {
            Type::Histogram => Observer::Histogram { buckets: self.buckets.clone().unwrap_or_default(), native: self.native },
            Type::Summary => Observer::Summary(self.summary()),
        })
    }

    /// Returns the options, which apply if the type is not set.
    pub(super) fn options(&self) -> ObserverOptions {
        let has_summary = self.quantiles.is_some() || self.max_age_ms.is_some() || self.age_buckets.is_some();
        ObserverOptions { buckets: self.buckets.clone(), native: self.native, summary: has_summary.then(|| self.summary()) }
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

/// Adds an error if a rule has options that do not fit its type. `merged` is the rule merged with the defaults.
pub(super) fn check_conflict(file: &mut File<'_>, merged: &ObserverSettings) {
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

/// Parses the observer keys of a rule or of `defaults`, including old spellings.
pub(super) fn read(file: &mut File<'_>, fields: Fields<'_>) -> ObserverSettings {
    // In statsd_exporter the empty text selects the default, a summary.
    const TYPES: [(&str, Type); 3] = [("histogram", Type::Histogram), ("summary", Type::Summary), ("", Type::Summary)];
    let mut given = ObserverSettings {
        histogram_at: fields.place("histogram_options"),
        summary_at: fields.place("summary_options"),
        ..ObserverSettings::default()
    };
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
            Some(_) => duplicate_option(file, node, "quantiles", "summary_options"),
            None => given.quantiles = quantiles(file, node),
        }
    }
    if let Some(node) = fields.get("buckets") {
        match given.buckets {
            Some(_) => duplicate_option(file, node, "buckets", "histogram_options"),
            None => given.buckets = buckets(file, node),
        }
    }
    given
}

fn duplicate_option(file: &mut File<'_>, node: &Node, key: &str, options: &str) {
    let text = format!("`{key}` stands here and in `{options}`; keep the one in `{options}`");
    file.findings.error(node.at, code::DOUBLE_KEY, text);
}

fn summary_options(file: &mut File<'_>, node: &Node, given: &mut ObserverSettings) {
    let Some(fields) = file.fields(node, SUMMARY_OPTIONS) else { return };
    given.quantiles = fields.get("quantiles").and_then(|node| quantiles(file, node));
    // 0 means the default, as in statsd_exporter.
    if let Some((millis, node)) = fields.get("max_age").and_then(|node| Some((file.duration(node, "`max_age`")?, node))) {
        match u64::try_from(millis) {
            Ok(millis) => given.max_age_ms = Some(millis).filter(|millis| *millis > 0),
            Err(_) => file.findings.error(node.at, code::BAD_DURATION, "`max_age` is negative; write one like 10m"),
        }
    }
    let steps = fields.get("age_buckets").and_then(|node| Some((node, file.whole(node, "`age_buckets`", u32::MAX)?)));
    given.age_buckets =
        steps.map(|(node, steps)| at_most(file, node, code::BAD_VALUE, "age_buckets", steps, MAX_AGE_BUCKETS)).filter(|steps| *steps > 0);
    // Checked but unused: the sketch has no buffer.
    fields.get("buf_cap").and_then(|node| file.whole(node, "`buf_cap`", u32::MAX));
}

fn histogram_options(file: &mut File<'_>, node: &Node, given: &mut ObserverSettings) {
    let Some(fields) = file.fields(node, HISTOGRAM_OPTIONS) else { return };
    given.buckets = fields.get("buckets").and_then(|node| buckets(file, node));
    // 0 means the default for both, as in statsd_exporter. Any other factor of 1 or less disables native buckets.
    let factor = fields.get("native_histogram_bucket_factor").and_then(|node| file.any_number(node, "`native_histogram_bucket_factor`"));
    given.native.factor =
        factor.map(|factor| if factor.is_nan() { 1.0 } else { factor.clamp(f64::MIN, f64::MAX) }).filter(|factor| *factor != 0.0);
    let count = fields.get("native_histogram_max_buckets");
    let count = count.and_then(|node| Some((node, file.whole(node, "`native_histogram_max_buckets`", u32::MAX)?)));
    given.native.max_buckets = count
        .map(|(node, count)| at_most(file, node, code::BAD_BUCKETS, "native_histogram_max_buckets", count, NATIVE_BUCKETS_MAX))
        .filter(|count| *count > 0);
}

/// Returns `number`, or `max` with a warning if `number` is greater.
fn at_most(file: &mut File<'_>, node: &Node, code: &'static str, key: &str, number: u32, max: u32) -> u32 {
    if number > max {
        file.findings.warning(node.at, code, format!("`{key}: {number}` exceeds the maximum; {max} is used"));
    }
    number.min(max)
}

/// Parses buckets. Returns `None` after an error, and for an empty list, which means the default. `+Inf` is implied and may be written
/// last. If it is the only bound, the histogram has no other bucket.
fn buckets(file: &mut File<'_>, node: &Node) -> Option<Buckets> {
    let items = file.list(node, "`buckets`")?;
    let mut bounds: Vec<f64> = Vec::with_capacity(items.len());
    let mut last = None;
    for item in items {
        let Some(bound) = bound(file, item)? else { continue };
        if let Some(last) = last.filter(|last| *last >= bound) {
            let text = format!("buckets ascend, but {} follows {}; sort them and write each once", yaml_number(bound), yaml_number(last));
            file.findings.error(item.at, code::BAD_BUCKETS, text);
            return None;
        }
        last = Some(bound);
        if bound.is_finite() {
            bounds.push(bound);
        }
    }
    if items.is_empty() {
        return None;
    }
    Buckets::new(bounds).map_err(|error| file.findings.error(node.at, code::BAD_BUCKETS, error.to_string())).ok()
}

/// Parses one bound. Returns `Some(None)` for a bound that is left out because no value can fall below it, and `None` after an error.
fn bound(file: &mut File<'_>, item: &Node) -> Option<Option<f64>> {
    if matches!(item.value, YamlValue::Null) {
        file.warn_unless_extended(
            item.at,
            code::BAD_BUCKETS,
            Tolerated { mistake: "a bucket has no bound", effect: "it counts as 0", correction: "write its number" },
        );
        return Some(Some(0.0));
    }
    let bound = file.any_number(item, "a bucket")?;
    if bound == f64::NEG_INFINITY || bound.is_nan() {
        let what = format!("the bucket `{}` can count nothing", yaml_number(bound));
        file.warn_unless_extended(
            item.at,
            code::BAD_BUCKETS,
            Tolerated { mistake: &what, effect: "it is left out", correction: "write finite numbers that ascend" },
        );
        return Some(None);
    }
    // -0 is 0.
    Some(Some(bound + 0.0))
}

/// Formats a number as YAML.
fn yaml_number(number: f64) -> String {
    match number {
        f64::INFINITY => ".inf".to_owned(),
        f64::NEG_INFINITY => "-.inf".to_owned(),
        _ if number.is_nan() => ".nan".to_owned(),
        _ => number.to_string(),
    }
}

/// Parses quantiles, in ascending order and without invalid ones. Returns `None` for an empty list, which means the default.
fn quantiles(file: &mut File<'_>, node: &Node) -> Option<Quantiles> {
    let items = file.list(node, "`quantiles`")?;
    let mut quantiles: Vec<f64> = items.iter().filter_map(|item| quantile(file, item)).collect();
    quantiles.sort_by(f64::total_cmp);
    quantiles.dedup();
    if items.is_empty() {
        return None;
    }
    Quantiles::new(quantiles).map_err(|error| file.findings.error(node.at, code::BAD_QUANTILE, error.to_string())).ok()
}

/// Parses one quantile. statsd_exporter loads any number and fails at the first scrape. Such files load here without the invalid
/// quantiles.
fn quantile(file: &mut File<'_>, node: &Node) -> Option<f64> {
    const INSTEAD: &str = "write a fraction such as 0.99";
    let fields = file.fields(node, QUANTILE)?;
    let error = fields.get("error").and_then(|node| Some((node, file.any_number(node, "the error of a quantile")?)));
    if let Some((node, error)) = error.filter(|(_, error)| !(0.0..=1.0).contains(error)) {
        let what = format!("the error {} of a quantile is not within 0 to 1", yaml_number(error));
        file.warn_unless_extended(
            node.at,
            code::BAD_QUANTILE,
            Tolerated { mistake: &what, effect: "it has no effect", correction: INSTEAD },
        );
    }
    let Some(given) = fields.get("quantile") else {
        file.warn_unless_extended(
            node.at,
            code::BAD_QUANTILE,
            Tolerated {
                mistake: "a quantile has no `quantile`",
                effect: "it counts as 0",
                correction: "write {quantile: 0.99, error: 0.001}",
            },
        );
        return Some(0.0);
    };
    let quantile = file.any_number(given, "a quantile")?;
    if !(0.0..=1.0).contains(&quantile) {
        let what = format!("the quantile {} is not within 0 to 1", yaml_number(quantile));
        file.warn_unless_extended(
            given.at,
            code::BAD_QUANTILE,
            Tolerated { mistake: &what, effect: "it is left out", correction: INSTEAD },
        );
        return None;
    }
    // -0 is 0.
    Some(quantile + 0.0)
}
