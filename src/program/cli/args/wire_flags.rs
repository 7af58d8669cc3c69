//! The flags of the heading Wire: what is read of a line, and what its samples become. Must not know how a line is parsed.

use clap::{ArgAction, ValueEnum};

use super::lists::{List, list};
use super::numbers::within;
use crate::options::NATIVE_BUCKETS_MAX;

/// What is read of a line, and what its samples become.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Wire")]
pub(in crate::program::cli) struct WireFlags {
    /// Read DogStatsD tags: name:1|c|#key:value.
    #[arg(long = "statsd.parse-dogstatsd-tags", value_name = "BOOL", default_value = "true", action = ArgAction::Set)]
    pub(in crate::program::cli) parse_dogstatsd_tags: bool,
    /// Read InfluxDB tags: name,key=value:1|c.
    #[arg(long = "statsd.parse-influxdb-tags", value_name = "BOOL", default_value = "true", action = ArgAction::Set)]
    pub(in crate::program::cli) parse_influxdb_tags: bool,
    /// Read Librato tags: name#key=value:1|c.
    #[arg(long = "statsd.parse-librato-tags", value_name = "BOOL", default_value = "true", action = ArgAction::Set)]
    pub(in crate::program::cli) parse_librato_tags: bool,
    /// Read SignalFX tags: name[key=value]:1|c.
    #[arg(long = "statsd.parse-signalfx-tags", value_name = "BOOL", default_value = "true", action = ArgAction::Set)]
    pub(in crate::program::cli) parse_signalfx_tags: bool,
    /// Read Graphite tags: name;key=value:1|c [default: true, with --compat false].
    #[arg(long = "statsd.parse-graphite-tags", value_name = "BOOL", action = ArgAction::Set)]
    pub(in crate::program::cli) parse_graphite_tags: Option<bool>,
    /// A DogStatsD tag without a value becomes key="true" if it is a label name; else it is a tag error
    /// [default: true, with --compat false].
    #[arg(long = "statsd.bare-tags", value_name = "BOOL", action = ArgAction::Set)]
    pub(in crate::program::cli) bare_tags: Option<bool>,
    /// The field c:ID becomes the label container_id; else it is skipped [default: false, with --compat true].
    #[arg(long = "statsd.container-id", value_name = "BOOL", action = ArgAction::Set)]
    pub(in crate::program::cli) container_id: Option<bool>,
    /// Numbers with colons between them, name:1:2:3|ms, are packed values; else all but the last belong to the name
    /// [default: true, with --compat for ms, h and d only, and others are rejected].
    #[arg(long = "statsd.packed-values", value_name = "BOOL", action = ArgAction::Set)]
    pub(in crate::program::cli) packed_values: Option<bool>,
    /// Take samples of names that Prometheus writes itself, such as up and ALERTS.
    #[arg(long = "statsd.allow-prometheus-names", value_name = "BOOL", default_value = "false", action = ArgAction::Set)]
    pub(in crate::program::cli) allow_prometheus_names: bool,
    /// Which names and label names are kept: legacy escapes all but letters, digits and _; utf8 keeps what is sent, and each
    /// page escapes it as its scraper asks.
    #[arg(long = "name-validation", value_name = "NAMES", value_enum, default_value = "legacy")]
    pub(in crate::program::cli) name_validation: NameSet,
    /// Key of the DogStatsD tag that names a sample's trace, such as trace_id: it is no label but makes exemplars; "" for none.
    #[arg(long = "exemplars.tag", value_name = "KEY", default_value = "", hide_default_value = true)]
    pub(in crate::program::cli) exemplars_tag: String,
    /// What a gauge's value with a sign does: change it, as in etsy's StatsD, or set it, as the clients of DogStatsD mean it.
    #[arg(long = "statsd.signed-gauges", value_name = "MEANING", value_enum, default_value = "change")]
    pub(in crate::program::cli) signed_gauges: SignedGaugesMeaning,
    /// What ms, h and d become [default: histogram, with --compat summary].
    #[arg(long = "statsd.observer-type", value_name = "TYPE", value_enum)]
    pub(in crate::program::cli) observer_type: Option<ObserverType>,
    /// Upper bounds of histogram buckets, ascending [default: 0.005,0.01,0.025,0.05,0.1,0.25,0.5,1,2.5,5,10].
    #[arg(long = "statsd.histogram-buckets", value_name = "BOUNDS", value_parser = list(bound))]
    pub(in crate::program::cli) histogram_buckets: Vec<List<f64>>,
    /// From when on histograms keep native buckets too, which only protobuf shows.
    #[arg(long = "statsd.native-histograms", value_name = "WHEN", value_enum, default_value = "asked")]
    pub(in crate::program::cli) native_histograms: NativeBucketsWhen,
    /// How much wider than the one before a native bucket is at most; 1 for native buckets only where a rule gives a factor.
    #[arg(long = "statsd.native-histogram-factor", value_name = "FACTOR", default_value = "1.1", value_parser = factor)]
    pub(in crate::program::cli) native_histogram_factor: f64,
    /// Native buckets of a series at most, up to 512; beyond it the resolution is halved.
    #[arg(long = "statsd.native-histogram-max-buckets", value_name = "N", default_value = "160", value_parser = native_buckets)]
    pub(in crate::program::cli) native_histogram_max_buckets: u32,
}

/// A kind of metric for timers, histograms and distributions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::program::cli) enum ObserverType {
    Histogram,
    Summary,
}

/// What a gauge's value with a sign does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::program::cli) enum SignedGaugesMeaning {
    /// name:-5|g lowers the gauge by 5.
    Change,
    /// name:-5|g sets the gauge to -5.
    Absolute,
}

/// Names of families and labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::program::cli) enum NameSet {
    /// Letters, digits and _.
    Legacy,
    /// Any text.
    Utf8,
}

/// From when on histograms keep native buckets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::program::cli) enum NativeBucketsWhen {
    /// Never, whatever a rule says.
    Never,
    /// From the first scrape that asks for protobuf.
    Asked,
    /// From the first sample.
    Always,
}

fn bound(text: &str) -> Result<f64, String> {
    text.parse().map_err(|_| format!("expected a number such as 0.25, got {text:?}"))
}

fn factor(text: &str) -> Result<f64, String> {
    let factor = text.parse::<f64>().ok().filter(|factor| factor.is_finite() && *factor >= 1.0);
    factor.ok_or_else(|| format!("expected a number from 1 on such as 1.1, got {text:?}"))
}

fn native_buckets(text: &str) -> Result<u32, String> {
    within(text, 1, NATIVE_BUCKETS_MAX as usize).map(|buckets| buckets as u32)
}
