//! Recording rules of Prometheus.

use super::families::{Families, Kind};
use super::selectors::{instant, range};
use super::yaml::{comment, yaml};
use crate::program::cli::{GaugeChoice, RulesForm};
use crate::registry::SET_TIME_SUFFIX;

/// A recording rule.
struct Record {
    name: String,
    expr: String,
}

/// The file of all rules.
pub(super) fn write(all: &[Families], form: &RulesForm) -> String {
    let labels = form.without.join(", ");
    let mut out = format!(
        "# Recording rules that add up the series of many bridges, without the labels: {labels}.\n\
         # rate() is taken before sum(), because a restarted bridge counts from 0, and a sum of raw counters would fall.\n"
    );
    if all.is_empty() {
        return out + "groups: []\n";
    }
    out += "groups:\n- name: statsd_bridge_fleet\n  rules:\n";
    for families in all {
        out += &comment("  ", &format!("{} {}, {}. {}", families.position, families.pattern, families.kind.as_str(), note(families, form)));
        for Record { name, expr } in records(families, form) {
            out += &format!("  - record: {}\n    expr: {}\n", yaml(&name), yaml(&expr));
        }
    }
    out
}

/// What a reader of the rules must know about the families.
fn note(families: &Families, form: &RulesForm) -> String {
    let of_kind = match families.kind {
        Kind::Counter => "Per second.".to_owned(),
        Kind::Gauge => match form.gauges {
            GaugeChoice::Newest => "The value that was set last; needs bridges with --gauges.set-time.".to_owned(),
            GaugeChoice::Max => "The largest value.".to_owned(),
            GaugeChoice::Min => "The smallest value.".to_owned(),
            GaugeChoice::Sum => "The sum of all values.".to_owned(),
            GaugeChoice::Avg => "The mean of all values.".to_owned(),
        },
        Kind::Histogram { .. } => "Quantile of all bridges: histogram_quantile(0.99, ...) of the buckets.".to_owned(),
        Kind::Summary => {
            "Quantiles of several bridges cannot be added or averaged, so they have no rule; a histogram can be added. Mean: sum / count."
                .to_owned()
        }
        Kind::Set => "Distinct counts cannot be added: the true number is between the largest one and the sum.".to_owned(),
    };
    let several = if families.name.fixed().is_some() { "" } else { " The label family has the name." };
    format!("{of_kind}{several}")
}

fn records(families: &Families, form: &RulesForm) -> Vec<Record> {
    let labels = form.without.join(", ");
    let record = |suffix: &str, operation: &str, expr| Record { name: format!("job:{}{suffix}:{operation}", families.name.joined()), expr };
    let rate = |suffix: &str| {
        record(suffix, &format!("rate{}", form.window), format!("sum without ({labels}) (rate({}))", range(families, suffix, form)))
    };
    let all = |operation: &str| record("", operation, format!("{operation} without ({labels}) ({})", instant(families, "")));
    match families.kind {
        Kind::Counter => vec![rate("")],
        Kind::Gauge => vec![match form.gauges {
            GaugeChoice::Newest => record("", "newest", newest(families, &labels)),
            GaugeChoice::Max => all("max"),
            GaugeChoice::Min => all("min"),
            GaugeChoice::Sum => all("sum"),
            GaugeChoice::Avg => all("avg"),
        }],
        Kind::Histogram { is_native } => {
            let native = is_native.then(|| rate(""));
            ["_bucket", "_sum", "_count"].into_iter().map(rate).chain(native).collect()
        }
        Kind::Summary => vec![rate("_sum"), rate("_count")],
        Kind::Set => vec![all("max"), all("sum")],
    }
}

/// The values of the series that were set last. `max` decides between values that were set in the same millisecond.
fn newest(families: &Families, labels: &str) -> String {
    let (value, time) = (instant(families, ""), instant(families, SET_TIME_SUFFIX));
    format!("max without ({labels}) ({value} and ({time} == ignoring ({labels}) group_left () max without ({labels}) ({time})))")
}
