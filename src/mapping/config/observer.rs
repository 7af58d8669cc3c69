//! What a rule, or `defaults`, says of observers: type and options, and how the two levels merge.

use super::findings::{At, code};
use super::keys::{HISTOGRAM_OPTIONS, QUANTILE, SUMMARY_OPTIONS};
use super::read::{Fields, File};
use super::tree::{Node, YamlValue};
use crate::mapping::spec::ObserverOptions;
use crate::options::{Buckets, NATIVE_BUCKETS_MAX, NativeChoice, Observer, Quantiles, SummaryOptions};

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
    buckets: Option<Buckets>,
    native: NativeChoice,
    quantiles: Option<Quantiles>,
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
            buckets: self.buckets.or_else(|| below.buckets.clone()),
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
            Type::Histogram => Observer::Histogram { buckets: self.buckets.clone().unwrap_or_default(), native: self.native },
            Type::Summary => Observer::Summary(self.summary()),
        })
    }

    /// The options, for where the type is not said.
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
        match given.buckets {
            Some(_) => twice(file, node, "buckets", "histogram_options"),
            None => given.buckets = buckets(file, node),
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
    let steps = fields.get("age_buckets").and_then(|node| Some((node, file.whole(node, "`age_buckets`", u32::MAX)?)));
    given.age_buckets = steps
        .map(|(node, steps)| at_most(file, node, code::BAD_VALUE, ("age_buckets", steps), MOST_AGE_BUCKETS))
        .filter(|steps| *steps > 0);
    // Checked, and without effect: the sketch needs no buffer.
    fields.get("buf_cap").and_then(|node| file.whole(node, "`buf_cap`", u32::MAX));
}

fn histogram_options(file: &mut File<'_>, node: &Node, given: &mut Given) {
    let Some(fields) = file.fields(node, HISTOGRAM_OPTIONS) else { return };
    given.buckets = fields.get("buckets").and_then(|node| buckets(file, node));
    // 0 is the default for both, as in statsd_exporter; a factor of 1 or less otherwise means no native buckets.
    let factor = fields.get("native_histogram_bucket_factor").and_then(|node| file.any_number(node, "`native_histogram_bucket_factor`"));
    given.native.factor =
        factor.map(|factor| if factor.is_nan() { 1.0 } else { factor.clamp(f64::MIN, f64::MAX) }).filter(|factor| *factor != 0.0);
    let most = fields.get("native_histogram_max_buckets");
    let most = most.and_then(|node| Some((node, file.whole(node, "`native_histogram_max_buckets`", u32::MAX)?)));
    given.native.max_buckets = most
        .map(|(node, most)| at_most(file, node, code::BAD_BUCKETS, ("native_histogram_max_buckets", most), NATIVE_BUCKETS_MAX))
        .filter(|most| *most > 0);
}

/// `number`, or `most` with a warning where it is more.
fn at_most(file: &mut File<'_>, node: &Node, code: &'static str, (key, number): (&str, u32), most: u32) -> u32 {
    if number > most {
        file.findings.warning(node.at, code, format!("`{key}: {number}` is more than there can be; it counts as {most}"));
    }
    number.min(most)
}

/// Buckets; `None` after an error, and for an empty list, which means the default. `+Inf` is implied and may stand last: alone it means
/// no other bucket.
fn buckets(file: &mut File<'_>, node: &Node) -> Option<Buckets> {
    let items = file.list(node, "`buckets`")?;
    let mut bounds: Vec<f64> = Vec::with_capacity(items.len());
    let mut last = None;
    for item in items {
        let Some(bound) = bound(file, item)? else { continue };
        if let Some(last) = last.filter(|last| *last >= bound) {
            let text = format!("buckets ascend, but {} follows {}; sort them and write each once", spelt(bound), spelt(last));
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

/// One bound; `Some(None)` for one that is left out, because no value is ever counted there, and `None` after an error.
fn bound(file: &mut File<'_>, item: &Node) -> Option<Option<f64>> {
    if matches!(item.value, YamlValue::Null) {
        file.doubt(item.at, code::BAD_BUCKETS, ["a bucket has no bound", "it counts as 0", "write its number"]);
        return Some(Some(0.0));
    }
    let bound = file.any_number(item, "a bucket")?;
    if bound == f64::NEG_INFINITY || bound.is_nan() {
        let what = format!("the bucket `{}` can count nothing", spelt(bound));
        file.doubt(item.at, code::BAD_BUCKETS, [&what, "it is left out", "write finite numbers that ascend"]);
        return Some(None);
    }
    // -0 is 0.
    Some(Some(bound + 0.0))
}

/// As YAML has it.
fn spelt(number: f64) -> String {
    match number {
        f64::INFINITY => ".inf".to_owned(),
        f64::NEG_INFINITY => "-.inf".to_owned(),
        _ if number.is_nan() => ".nan".to_owned(),
        _ => number.to_string(),
    }
}

/// Quantiles, ascending, without those that are left out; `None` for an empty list, which means the default.
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

/// One quantile. statsd_exporter loads any number and fails at the first scrape; its files load here too, without what is wrong.
fn quantile(file: &mut File<'_>, node: &Node) -> Option<f64> {
    const INSTEAD: &str = "write a fraction such as 0.99";
    let fields = file.fields(node, QUANTILE)?;
    let error = fields.get("error").and_then(|node| Some((node, file.any_number(node, "the error of a quantile")?)));
    if let Some((node, error)) = error.filter(|(_, error)| !(0.0..=1.0).contains(error)) {
        let what = format!("the error {} of a quantile is not within 0 to 1", spelt(error));
        file.doubt(node.at, code::BAD_QUANTILE, [&what, "it has no effect", INSTEAD]);
    }
    let Some(given) = fields.get("quantile") else {
        file.doubt(node.at, code::BAD_QUANTILE, ["a quantile has no `quantile`", "it counts as 0", "write {quantile: 0.99, error: 0.001}"]);
        return Some(0.0);
    };
    let quantile = file.any_number(given, "a quantile")?;
    if !(0.0..=1.0).contains(&quantile) {
        let what = format!("the quantile {} is not within 0 to 1", spelt(quantile));
        file.doubt(given.at, code::BAD_QUANTILE, [&what, "it is left out", INSTEAD]);
        return None;
    }
    // -0 is 0.
    Some(quantile + 0.0)
}
