//! The flags of the heading Mapping: rules, constant labels and ttls. Must not read a mapping file.

use std::path::PathBuf;
use std::time::Duration;

use clap::ArgAction;
use clap::builder::{PathBufValueParser, StringValueParser};

use super::lists::{List, list};
use crate::program::duration;

/// The flags of the heading Mapping.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Mapping")]
pub(in crate::program::cli) struct MappingFlags {
    /// Mapping file, or folder of mapping files; repeatable; "" for none.
    ///
    /// The rules of an earlier file have priority over those of a later file.
    #[arg(long = "statsd.mapping-config", value_name = "FILE", value_parser = list(PathBufValueParser::new()))]
    pub(in crate::program::cli) mapping_config: Vec<List<PathBuf>>,
    /// Built-in rules for an application; repeatable.
    ///
    /// The rules of mapping files have priority over presets. `statsd-bridge preset list` prints the names of all presets.
    #[arg(long = "preset", value_name = "NAME", value_parser = list(StringValueParser::new()))]
    pub(in crate::program::cli) preset: Vec<List<String>>,
    /// Label for every family; repeatable.
    ///
    /// It replaces a tag of the same name.
    #[arg(long = "label", value_name = "NAME=VALUE", value_parser = list(label))]
    pub(in crate::program::cli) label: Vec<List<(String, String)>>,
    /// Interval between checks for changed mapping files; 0 for no checks.
    ///
    /// Changed files are reloaded.
    #[arg(long = "mapping.watch-interval", value_name = "DURATION", default_value = "5s", value_parser = duration::parse)]
    pub(in crate::program::cli) watch_interval: Duration,
    /// Expire counters unseen for this long; 0 for never.
    ///
    /// The ttl of a rule has priority.
    #[arg(long = "ttl.counters", value_name = "DURATION", default_value = "0", value_parser = duration::parse)]
    pub(in crate::program::cli) ttl_counters: Duration,
    /// Expire gauges unseen for this long; 0 for never.
    ///
    /// The ttl of a rule has priority.
    #[arg(long = "ttl.gauges", value_name = "DURATION", default_value = "0", value_parser = duration::parse)]
    pub(in crate::program::cli) ttl_gauges: Duration,
    /// Expire histograms and summaries unseen for this long; 0 for never.
    ///
    /// The ttl of a rule has priority.
    #[arg(long = "ttl.observers", value_name = "DURATION", default_value = "0", value_parser = duration::parse)]
    pub(in crate::program::cli) ttl_observers: Duration,
    /// Expire sets unseen for this long; 0 for never.
    ///
    /// The ttl of a rule has priority.
    #[arg(long = "ttl.sets", value_name = "DURATION", default_value = "0", value_parser = duration::parse)]
    pub(in crate::program::cli) ttl_sets: Duration,
    /// Grace period after expiry; 0 for none.
    ///
    /// A counter, histogram or summary that is seen again within this time continues from its last value.
    #[arg(long = "ttl.grace", value_name = "DURATION", default_value = "1h", value_parser = duration::parse)]
    pub(in crate::program::cli) ttl_grace: Duration,
    /// Expose a new counter at 0 first.
    ///
    /// rate() and increase() then include its first samples.
    #[arg(long = "counters.start-at-zero", value_name = "BOOL", default_value = "false", action = ArgAction::Set)]
    pub(in crate::program::cli) counters_start_at_zero: bool,
    /// How long a new counter is exposed at 0.
    ///
    /// It applies with --counters.start-at-zero. The time starts when a scrape has received the 0 completely. To show the 0 to every
    /// scraper, set it to at least the longest scrape interval.
    #[arg(long = "counters.zero-for", value_name = "DURATION", default_value = "1m", value_parser = duration::parse)]
    pub(in crate::program::cli) counters_zero_for: Duration,
    /// Append _total to names of counters that lack it.
    ///
    /// The total_suffix of a rule has priority.
    #[arg(long = "counters.total-suffix", value_name = "BOOL", default_value = "false", action = ArgAction::Set)]
    pub(in crate::program::cli) counters_total_suffix: bool,
    /// Expose with each gauge the time at which it was set.
    ///
    /// The gauge x_last_set_timestamp_seconds has the time of the last sample of x, so that a query over many bridges can take the
    /// newest value.
    #[arg(long = "gauges.set-time", value_name = "BOOL", default_value = "false", action = ArgAction::Set)]
    pub(in crate::program::cli) gauges_set_time: bool,
}

/// Parses `name=value`. The name must be a valid label name that Prometheus does not reserve.
fn label(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or(r"expected NAME=VALUE; a comma in a value is written \,")?;
    let mut legal = String::new();
    crate::name::NameValidation::Legacy.push_label(name, &mut legal);
    if name.is_empty() || legal != name {
        return Err(format!("{name:?} is not a valid label name: use letters, digits and _, no digit first, not le, quantile or __*"));
    }
    Ok((name.to_owned(), value.to_owned()))
}
