//! The flags of the heading Limits: how far senders can make the bridge grow. Must not know what enforces a limit.

use clap::ValueEnum;

use super::numbers::{datagram, positive, within};
use crate::options::SampleValueLimit;

/// The flags of the heading Limits.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Limits")]
pub(in crate::program::cli) struct LimitFlags {
    /// Series in total.
    #[arg(long = "limits.series", value_name = "N", default_value = "200000", value_parser = positive)]
    pub(in crate::program::cli) series: usize,
    /// Families (distinct metric names).
    #[arg(long = "limits.families", value_name = "N", default_value = "10000", value_parser = positive)]
    pub(in crate::program::cli) families: usize,
    /// Series per family.
    #[arg(long = "limits.series-per-family", value_name = "N", default_value = "10000", value_parser = positive)]
    pub(in crate::program::cli) series_per_family: usize,
    /// Distinct values of a label within a family.
    #[arg(long = "limits.values-per-label", value_name = "N", default_value = "5000", value_parser = positive)]
    pub(in crate::program::cli) values_per_label: usize,
    /// Distinct label names within a family.
    #[arg(long = "limits.labels-per-family", value_name = "N", default_value = "256", value_parser = positive)]
    pub(in crate::program::cli) labels_per_family: usize,
    /// Memory for series.
    ///
    /// The memory for bindings, exemplars and expired series in their grace period is included. At the limit, sketches, sets and
    /// native histograms become coarser.
    #[arg(long = "limits.series-bytes", value_name = "BYTES", default_value = "134217728", value_parser = positive)]
    pub(in crate::program::cli) series_bytes: usize,
    /// What happens to samples of new series at a family's limit.
    ///
    /// Gauges are always rejected.
    #[arg(long = "limits.overflow", value_name = "POLICY", value_enum, default_value = "drop-label")]
    pub(in crate::program::cli) overflow: OverflowPolicy,
    /// Expired series whose values are kept for --ttl.grace.
    #[arg(long = "limits.resting-series", value_name = "N", default_value = "50000", value_parser = positive)]
    pub(in crate::program::cli) resting_series: usize,
    /// Series with exemplars.
    #[arg(long = "limits.exemplar-series", value_name = "N", default_value = "10000", value_parser = positive)]
    pub(in crate::program::cli) exemplar_series: usize,
    /// DogStatsD events that /api/v1/events shows; 0 for none.
    #[arg(long = "events.keep", value_name = "N", default_value = "1000", value_parser = events)]
    pub(in crate::program::cli) events_keep: usize,
    /// Memory for these events.
    ///
    /// At the limit, the oldest events make room for new ones.
    #[arg(long = "events.keep-bytes", value_name = "BYTES", default_value = "1048576", value_parser = positive)]
    pub(in crate::program::cli) events_keep_bytes: usize,
    /// Largest amount that one sample adds; inf for no limit [default: 1e15].
    ///
    /// The limit applies to the amount that a sample adds to a counter, to the count or sum of a histogram or summary, or to a gauge,
    /// after the sampling rate is applied. With --compat, the default is inf.
    #[arg(long = "limits.sample-value", value_name = "NUMBER", value_parser = above_zero)]
    pub(in crate::program::cli) sample_value: Option<SampleValueLimit>,
    /// Length of a line; at most 1048576.
    #[arg(long = "limits.line-bytes", value_name = "BYTES", default_value = "65535", value_parser = line)]
    pub(in crate::program::cli) line_bytes: usize,
    /// Length of a name.
    #[arg(long = "limits.name-bytes", value_name = "BYTES", default_value = "1024", value_parser = positive)]
    pub(in crate::program::cli) name_bytes: usize,
    /// Length of all tags of a line together.
    #[arg(long = "limits.tags-bytes", value_name = "BYTES", default_value = "8192", value_parser = positive)]
    pub(in crate::program::cli) tags_bytes: usize,
    /// Tags per line.
    #[arg(long = "limits.tags", value_name = "N", default_value = "128", value_parser = positive)]
    pub(in crate::program::cli) tags: usize,
    /// Length of a datagram; at most 65535.
    ///
    /// Of a longer datagram, the complete lines that fit are read.
    #[arg(long = "limits.datagram-bytes", value_name = "BYTES", default_value = "65535", value_parser = datagram)]
    pub(in crate::program::cli) datagram_bytes: usize,
}

/// What happens to samples of new series at a limit of their family; gauges are always rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::program::cli) enum OverflowPolicy {
    /// Add them to the family's overflow series.
    Fold,
    /// Set the label with too many values to _overflow_, and add them to that series; where it has no room, as fold.
    DropLabel,
    /// Reject and count them.
    Refuse,
}

fn above_zero(text: &str) -> Result<SampleValueLimit, String> {
    let limit = text.parse().ok().and_then(|number| SampleValueLimit::new(number).ok());
    limit.ok_or_else(|| format!("expected a number above 0 such as 1e15, or inf for no limit, got {text:?}"))
}

fn events(text: &str) -> Result<usize, String> {
    within(text, 0, 100_000)
}

fn line(text: &str) -> Result<usize, String> {
    within(text, 1, 1 << 20)
}
