//! The command line of the tool `rules`. Must not run it.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};

use crate::name::is_legacy_label;
use crate::options::Options;
use crate::program::rulebook::Sources;

/// The arguments of `rules`.
#[derive(Debug, Clone)]
pub struct RulesWanted {
    /// The mapping.
    pub sources: Sources,
    /// The options of the bridges.
    pub options: Options,
    /// What is written.
    pub form: RulesForm,
}

/// The form of the output of `rules`.
#[derive(Debug, Clone)]
pub struct RulesForm {
    /// The program that evaluates it.
    pub format: RulesFormat,
    /// The labels that are dropped.
    pub without: Vec<String>,
    /// What becomes of a gauge that several bridges have.
    pub gauges: GaugeChoice,
    /// The kind of the families whose kind neither a rule nor their name tells.
    pub untyped: UntypedChoice,
    /// The range of rates, as PromQL writes it.
    pub window: String,
    /// The interval of scrapes or pushes, as PromQL writes it.
    pub step: String,
    /// The interval of stream aggregation.
    pub interval: String,
}

/// The program that evaluates the output of `rules`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum RulesFormat {
    /// Recording rules, for Prometheus, Mimir, Thanos and vmalert.
    #[default]
    Prometheus,
    /// Stream aggregation of vmagent and VictoriaMetrics.
    Vmagent,
}

/// What becomes of a gauge that several bridges have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum GaugeChoice {
    /// The value that was set last; needs bridges with --gauges.set-time.
    #[default]
    Newest,
    /// The largest value.
    Max,
    /// The smallest value.
    Min,
    /// The sum.
    Sum,
    /// The mean.
    Avg,
}

/// The kind of the families whose kind neither a rule nor their name tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum UntypedChoice {
    /// They are left out, with a warning.
    #[default]
    Skip,
    /// Counters.
    Counter,
    /// Gauges.
    Gauge,
}

/// Print rules that add up the series of many bridges.
///
/// For each family of the mapping the output has rules without the label instance: rates of counters and histograms are summed, of
/// gauges the newest value is taken, summaries keep sum and count. What cannot be added has a comment that says why.
///
/// Exit code 0: success, also with warnings on stderr; 1: the mapping has errors.
#[derive(Debug, Parser)]
#[command(name = "statsd-bridge rules", bin_name = "statsd-bridge rules", max_term_width = 120)]
pub(super) struct RulesArgs {
    /// Mapping files, or folders of mapping files.
    #[arg(value_name = "MAPPING")]
    pub(super) files: Vec<PathBuf>,
    /// What is written: recording rules, or the configuration of stream aggregation.
    #[arg(long, value_enum, default_value = "prometheus")]
    format: RulesFormat,
    /// Labels to drop, separated by commas.
    #[arg(long, value_name = "LABELS", value_delimiter = ',', default_value = "instance", value_parser = label)]
    without: Vec<String>,
    /// What becomes of a gauge that several bridges have.
    #[arg(long, value_enum, default_value = "newest")]
    gauges: GaugeChoice,
    /// Kind of families whose kind is not known.
    ///
    /// A kind is known from match_metric_type, from the rule's other keys, or from a name that ends in _total or _seconds.
    #[arg(long, value_enum, default_value = "skip")]
    untyped: UntypedChoice,
    /// Range of rates in recording rules.
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = duration)]
    window: String,
    /// Interval of scrapes or pushes, for families whose names hold captures.
    #[arg(long, value_name = "DURATION", default_value = "15s", value_parser = duration)]
    step: String,
    /// Interval of stream aggregation.
    #[arg(long, value_name = "DURATION", default_value = "1m", value_parser = duration)]
    interval: String,
}

impl RulesArgs {
    /// The form of the output.
    pub(super) fn form(self) -> RulesForm {
        let Self { files: _, format, without, gauges, untyped, window, step, interval } = self;
        RulesForm { format, without, gauges, untyped, window, step, interval }
    }
}

fn label(text: &str) -> Result<String, String> {
    let is_label = is_legacy_label(text) && !text.starts_with("__");
    if is_label { Ok(text.to_owned()) } else { Err(format!("expected a label such as instance, got {text:?}")) }
}

/// A duration as PromQL writes it: a whole number and a unit.
fn duration(text: &str) -> Result<String, String> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let unit = text.strip_prefix(digits).unwrap_or_default();
    let number: u32 = if digits.bytes().all(|byte| byte.is_ascii_digit()) { digits.parse().unwrap_or(0) } else { 0 };
    let is_good = number > 0 && ["ms", "s", "m", "h", "d"].contains(&unit);
    if is_good { Ok(text.to_owned()) } else { Err(format!("expected a duration such as 5m, got {text:?}")) }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_is_sound() {
        RulesArgs::command().debug_assert();
    }

    #[test]
    fn durations_are_those_of_promql_and_labels_may_be_dropped() {
        for good in ["5m", "500ms", "1h", "90s", "2d"] {
            assert_eq!(duration(good).as_deref(), Ok(good));
        }
        for bad in ["", "5", "0m", "m", "1.5m", "1h30m", "-1m", "5 m", "5w5", "99999999999s"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
        assert!(label("pod").is_ok() && label("__name__").is_err() && label("a-b").is_err() && label("").is_err());
    }
}
