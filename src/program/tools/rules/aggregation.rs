//! The configuration of stream aggregation for vmagent and VictoriaMetrics.

use super::families::{Families, Kind};
use super::selectors::selector;
use super::yaml::{comment, yaml};
use crate::program::cli::{GaugeChoice, RulesForm};

/// Time without samples after which a counter is forgotten. A bridge that was stopped for longer is counted from 0 again when it returns.
const STALENESS: &str = "1h";

/// An entry of the configuration.
struct Entry {
    selector: String,
    outputs: &'static str,
    /// Whether the result has the name of the input, which only one output can have.
    keeps_name: bool,
    /// Whether the last value of each series counts, and not all its samples of the interval.
    is_deduplicated: bool,
}

/// The file of all entries.
pub(super) fn write(all: &[Families], form: &RulesForm) -> String {
    let labels = form.without.join(", ");
    let mut out = format!(
        "# Stream aggregation of the series of many bridges, without the labels: {labels}. For -streamAggr.config.\n\
         # Results have the names of their input, which is dropped unless -streamAggr.keepInput is set.\n\
         # A counter that is not seen for staleness_interval is counted from 0 when it returns: do not stop a bridge for longer.\n"
    );
    let mut is_empty = true;
    for families in all {
        let note = note(families, form);
        out += &comment("", &format!("{} {}, {}. {note}", families.position, families.pattern, families.kind.as_str()));
        for entry in entries(families, form) {
            out += &entry.to_yaml(form);
            is_empty = false;
        }
    }
    if is_empty { out + "[]\n" } else { out }
}

fn note(families: &Families, form: &RulesForm) -> &'static str {
    match families.kind {
        Kind::Counter | Kind::Histogram { .. } => "Resets of single bridges do not show in the total.",
        Kind::Gauge if form.gauges == GaugeChoice::Newest => {
            "Stream aggregation cannot compare the times at which gauges were set, so they stay as they are: \
             use the recording rules of --format=prometheus, or --gauges=max."
        }
        Kind::Gauge => "",
        Kind::Summary => "Quantiles of several bridges cannot be added or averaged, so they stay as they are; a histogram can be added.",
        Kind::Set => "Distinct counts cannot be added: the true number is between the largest one and the sum.",
    }
}

fn entries(families: &Families, form: &RulesForm) -> Vec<Entry> {
    let total =
        |suffixes: &[&str]| Entry { selector: selector(families, suffixes), outputs: "total", keeps_name: true, is_deduplicated: false };
    let of_values = |outputs, is_deduplicated| Entry {
        selector: selector(families, &[""]),
        outputs,
        keeps_name: !outputs.contains(','),
        is_deduplicated,
    };
    match (families.kind, form.gauges) {
        (Kind::Counter, _) => vec![total(&[""])],
        (Kind::Histogram { .. }, _) => vec![total(&["_bucket", "_sum", "_count"])],
        (Kind::Summary, _) => vec![total(&["_sum", "_count"])],
        (Kind::Set, _) => vec![of_values("max, sum_samples", true)],
        (Kind::Gauge, GaugeChoice::Newest) => Vec::new(),
        (Kind::Gauge, GaugeChoice::Max) => vec![of_values("max", true)],
        (Kind::Gauge, GaugeChoice::Min) => vec![of_values("min", true)],
        (Kind::Gauge, GaugeChoice::Sum) => vec![of_values("sum_samples", true)],
        (Kind::Gauge, GaugeChoice::Avg) => vec![of_values("avg", true)],
    }
}

impl Entry {
    fn to_yaml(&self, form: &RulesForm) -> String {
        let RulesForm { interval, without, .. } = form;
        let mut out = format!("- match: {}\n  interval: {interval}\n", yaml(&self.selector));
        if self.is_deduplicated {
            out += &format!("  dedup_interval: {interval}\n");
        } else {
            // Without the second key, counters that appear within `staleness_interval` after a start are not counted.
            out += &format!("  staleness_interval: {STALENESS}\n  ignore_first_sample_interval: {interval}\n");
        }
        out += &format!("  without: [{}]\n  outputs: [{}]\n", without.join(", "), self.outputs);
        if self.keeps_name {
            out += "  keep_metric_names: true\n";
        }
        out
    }
}
