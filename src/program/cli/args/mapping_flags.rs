//! The flags of the heading Mapping: rules, constant labels, times to live. Must not read a mapping file.

use std::path::PathBuf;
use std::time::Duration;

use clap::ArgAction;
use clap::builder::{PathBufValueParser, StringValueParser};

use super::lists::{List, list};
use crate::program::duration;

/// Rules, labels, and how long series stay.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Mapping")]
pub(in crate::program::cli) struct MappingFlags {
    /// Mapping file, or folder of them; may be given more than once, an earlier one counts before a later one; "" for none.
    #[arg(long = "statsd.mapping-config", value_name = "FILE", value_parser = list(PathBufValueParser::new()))]
    pub(in crate::program::cli) mapping_config: Vec<List<PathBuf>>,
    /// Rules for an application that come with the bridge; may be given more than once; counted after all files. "preset list" names them.
    #[arg(long = "preset", value_name = "NAME", value_parser = list(StringValueParser::new()))]
    pub(in crate::program::cli) preset: Vec<List<String>>,
    /// Label of every family; may be given more than once. It replaces a tag of the same name.
    #[arg(long = "label", value_name = "NAME=VALUE", value_parser = list(label))]
    pub(in crate::program::cli) label: Vec<List<(String, String)>>,
    /// Look at the mapping files this often, and read them again if they changed; 0 for never.
    #[arg(long = "mapping.watch-interval", value_name = "DURATION", default_value = "5s", value_parser = duration::parse)]
    pub(in crate::program::cli) watch_interval: Duration,
    /// Counters go when unseen for this long, where no rule says otherwise; 0 for never.
    #[arg(long = "ttl.counters", value_name = "DURATION", default_value = "0", value_parser = duration::parse)]
    pub(in crate::program::cli) ttl_counters: Duration,
    /// Gauges go when unseen for this long; 0 for never.
    #[arg(long = "ttl.gauges", value_name = "DURATION", default_value = "0", value_parser = duration::parse)]
    pub(in crate::program::cli) ttl_gauges: Duration,
    /// Histograms and summaries go when unseen for this long; 0 for never.
    #[arg(long = "ttl.observers", value_name = "DURATION", default_value = "0", value_parser = duration::parse)]
    pub(in crate::program::cli) ttl_observers: Duration,
    /// Sets go when unseen for this long; 0 for never.
    #[arg(long = "ttl.sets", value_name = "DURATION", default_value = "0", value_parser = duration::parse)]
    pub(in crate::program::cli) ttl_sets: Duration,
    /// A counter, histogram or summary that comes back within this time after it expired goes on from its old value; 0 for never.
    #[arg(long = "ttl.grace", value_name = "DURATION", default_value = "1h", value_parser = duration::parse)]
    pub(in crate::program::cli) ttl_grace: Duration,
    /// A new counter is shown at 0 first, so that rate() and increase() see its first samples.
    #[arg(long = "counters.start-at-zero", value_name = "BOOL", default_value = "false", action = ArgAction::Set)]
    pub(in crate::program::cli) counters_start_at_zero: bool,
    /// With counters.start-at-zero: how long the 0 stays after a scrape has got it whole, so that every scraper sees it; at least the
    /// longest scrape interval.
    #[arg(long = "counters.zero-for", value_name = "DURATION", default_value = "1m", value_parser = duration::parse)]
    pub(in crate::program::cli) counters_zero_for: Duration,
    /// Counters get the ending _total where their names lack it; a rule's total_suffix counts before it.
    #[arg(long = "counters.total-suffix", value_name = "BOOL", default_value = "false", action = ArgAction::Set)]
    pub(in crate::program::cli) counters_total_suffix: bool,
}

/// `name=value` with a legal label name that Prometheus does not keep for itself.
fn label(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or(r"expected NAME=VALUE; a comma in a value is written \,")?;
    let mut legal = String::new();
    crate::name::NameValidation::Legacy.push_label(name, &mut legal);
    if name.is_empty() || legal != name {
        return Err(format!("{name:?} is no label name of your own: letters, digits and _, no digit first, not le, quantile or __*"));
    }
    Ok((name.to_owned(), value.to_owned()))
}
