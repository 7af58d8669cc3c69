//! The flags of the heading Wire: how lines are interpreted. Must not know how a line is parsed.

use clap::{ArgAction, ValueEnum};

use super::lists::{List, list};
use super::numbers::within;
use crate::options::NATIVE_BUCKETS_MAX;

/// The flags of the heading Wire.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Wire")]
pub(in crate::program::cli) struct WireFlags {
    /// Parse DogStatsD tags: name:1|c|#key:value.
    #[arg(long = "statsd.parse-dogstatsd-tags", value_name = "BOOL", default_value = "true", action = ArgAction::Set)]
    pub(in crate::program::cli) parse_dogstatsd_tags: bool,
    /// Parse InfluxDB tags: name,key=value:1|c.
    #[arg(long = "statsd.parse-influxdb-tags", value_name = "BOOL", default_value = "true", action = ArgAction::Set)]
    pub(in crate::program::cli) parse_influxdb_tags: bool,
    /// Parse Librato tags: name#key=value:1|c.
    #[arg(long = "statsd.parse-librato-tags", value_name = "BOOL", default_value = "true", action = ArgAction::Set)]
    pub(in crate::program::cli) parse_librato_tags: bool,
    /// Parse SignalFX tags: name[key=value]:1|c.
    #[arg(long = "statsd.parse-signalfx-tags", value_name = "BOOL", default_value = "true", action = ArgAction::Set)]
    pub(in crate::program::cli) parse_signalfx_tags: bool,
    /// Parse Graphite tags: name;key=value:1|c [default: true].
    ///
    /// With --compat, the default is false.
    #[arg(long = "statsd.parse-graphite-tags", value_name = "BOOL", action = ArgAction::Set)]
    pub(in crate::program::cli) parse_graphite_tags: Option<bool>,
    /// Give DogStatsD tags without a value the value true [default: true].
    ///
    /// The tag must be a valid label name. Other tags without a value are counted as tag errors. With --compat, the default is false.
    #[arg(long = "statsd.bare-tags", value_name = "BOOL", action = ArgAction::Set)]
    pub(in crate::program::cli) bare_tags: Option<bool>,
    /// Turn the field c:ID into the label container_id [default: false].
    ///
    /// When off, the field is skipped. With --compat, the default is true.
    #[arg(long = "statsd.container-id", value_name = "BOOL", action = ArgAction::Set)]
    pub(in crate::program::cli) container_id: Option<bool>,
    /// Label whose value is the sender: address, container-id, NAME=address or NAME=container-id; "" for none.
    ///
    /// The name is origin by default. address is the IP address over UDP and TCP. container-id is the container of a process that sends
    /// over a Unix socket, otherwise that of the field c:ID. The label is part of the identity of a series and counts against all limits.
    /// An unknown sender adds none, as in explain and replay. A tag or rule label of this name is renamed to exported_NAME.
    #[arg(long = "statsd.origin-label", value_name = "LABEL", default_value = "", hide_default_value = true)]
    pub(in crate::program::cli) origin_label: String,
    /// Parse packed values: name:1:2:3|ms [default: true].
    ///
    /// When off, all numbers but the last are part of the name. With --compat, the default is to parse packed values of ms, h and d,
    /// and to reject those of other kinds.
    #[arg(long = "statsd.packed-values", value_name = "BOOL", action = ArgAction::Set)]
    pub(in crate::program::cli) packed_values: Option<bool>,
    /// Count samples of the kind m (meters) as counters [default: true].
    ///
    /// When off, they are rejected. With --compat, the default is false.
    #[arg(long = "statsd.parse-meters", value_name = "BOOL", action = ArgAction::Set)]
    pub(in crate::program::cli) parse_meters: Option<bool>,
    /// Set gauges by samples of the kind kv (key and value) [default: true].
    ///
    /// A value with a sign sets the gauge, too. When off, they are rejected. With --compat, the default is false.
    #[arg(long = "statsd.parse-key-values", value_name = "BOOL", action = ArgAction::Set)]
    pub(in crate::program::cli) parse_key_values: Option<bool>,
    /// Turn DogStatsD service checks into the gauge service_check_status [default: true].
    ///
    /// When off, they are counted and discarded. With --compat, the default is false.
    #[arg(long = "statsd.parse-service-checks", value_name = "BOOL", action = ArgAction::Set)]
    pub(in crate::program::cli) parse_service_checks: Option<bool>,
    /// Count DogStatsD events in dogstatsd_events_total and keep the last ones [default: true].
    ///
    /// /api/v1/events shows them. When off, they are counted in a self-metric and discarded. With --compat, the default is false.
    #[arg(long = "statsd.parse-events", value_name = "BOOL", action = ArgAction::Set)]
    pub(in crate::program::cli) parse_events: Option<bool>,
    /// Accept names that Prometheus writes itself, such as up and ALERTS.
    #[arg(long = "statsd.allow-prometheus-names", value_name = "BOOL", default_value = "false", action = ArgAction::Set)]
    pub(in crate::program::cli) allow_prometheus_names: bool,
    /// Characters that names and label names keep.
    #[arg(long = "name-validation", value_name = "NAMES", value_enum, default_value = "legacy")]
    pub(in crate::program::cli) name_validation: NameSet,
    /// Key of the DogStatsD tag that holds a trace ID; "" for none.
    ///
    /// The tag, such as trace_id, makes exemplars and does not become a label.
    #[arg(long = "exemplars.tag", value_name = "KEY", default_value = "", hide_default_value = true)]
    pub(in crate::program::cli) exemplars_tag: String,
    /// Effect of a gauge's value with a sign.
    #[arg(long = "statsd.signed-gauges", value_name = "MEANING", value_enum, default_value = "change")]
    pub(in crate::program::cli) signed_gauges: SignedGaugesMeaning,
    /// Type of ms, h and d samples [default: histogram].
    ///
    /// With --compat, the default is summary.
    #[arg(long = "statsd.observer-type", value_name = "TYPE", value_enum)]
    pub(in crate::program::cli) observer_type: Option<ObserverType>,
    /// Upper bounds of histogram buckets [default: 0.005,0.01,0.025,0.05,0.1,0.25,0.5,1,2.5,5,10].
    ///
    /// The bounds must ascend.
    #[arg(long = "statsd.histogram-buckets", value_name = "BOUNDS", value_parser = list(bound))]
    pub(in crate::program::cli) histogram_buckets: Vec<List<f64>>,
    /// When histograms get native buckets.
    ///
    /// Only the protobuf format shows native buckets. Histograms always have classic buckets too.
    #[arg(long = "statsd.native-histograms", value_name = "WHEN", value_enum, default_value = "asked")]
    pub(in crate::program::cli) native_histograms: NativeBucketsWhen,
    /// Largest growth factor from one native bucket to the next.
    ///
    /// With 1, only histograms whose rule sets a factor have native buckets.
    #[arg(long = "statsd.native-histogram-factor", value_name = "FACTOR", default_value = "1.1", value_parser = factor)]
    pub(in crate::program::cli) native_histogram_factor: f64,
    /// Native buckets per series; at most 512.
    ///
    /// At the limit, the resolution is halved.
    #[arg(long = "statsd.native-histogram-max-buckets", value_name = "N", default_value = "160", value_parser = native_buckets)]
    pub(in crate::program::cli) native_histogram_max_buckets: u32,
}

/// Type of ms, h and d samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::program::cli) enum ObserverType {
    /// Buckets, which can be summed over instances.
    Histogram,
    /// Quantiles.
    Summary,
}

/// What a gauge's value with a sign does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::program::cli) enum SignedGaugesMeaning {
    /// name:-5|g lowers the gauge by 5, as in etsy's StatsD.
    Change,
    /// name:-5|g sets the gauge to -5, as in DogStatsD.
    Absolute,
}

/// Which characters names and label names keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::program::cli) enum NameSet {
    /// Letters, digits and _; all others are escaped.
    Legacy,
    /// All characters; each exposition escapes them as its scraper requests.
    Utf8,
}

/// When histograms start to keep native buckets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::program::cli) enum NativeBucketsWhen {
    /// Never, even if a rule asks for them.
    Never,
    /// After the first scrape that accepts protobuf.
    Asked,
    /// From the first sample.
    Always,
}

fn bound(text: &str) -> Result<f64, String> {
    text.parse().map_err(|_| format!("expected a number such as 0.25, got {text:?}"))
}

fn factor(text: &str) -> Result<f64, String> {
    let factor = text.parse::<f64>().ok().filter(|factor| factor.is_finite() && *factor >= 1.0);
    factor.ok_or_else(|| format!("expected a number of at least 1 such as 1.1, got {text:?}"))
}

fn native_buckets(text: &str) -> Result<u32, String> {
    within(text, 1, NATIVE_BUCKETS_MAX as usize).map(|buckets| buckets as u32)
}
