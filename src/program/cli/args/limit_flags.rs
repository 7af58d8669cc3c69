//! The flags of the heading Limits: how much there may be of what senders can make grow. Must not know what enforces a limit.

use clap::ValueEnum;

use super::numbers::{datagram, positive, within};
use crate::options::SampleValueLimit;

/// How much there may be of what senders can make grow.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Limits")]
pub(in crate::program::cli) struct LimitFlags {
    /// Series in all.
    #[arg(long = "limits.series", value_name = "N", default_value = "200000", value_parser = positive)]
    pub(in crate::program::cli) series: usize,
    /// Families, which is distinct metric names.
    #[arg(long = "limits.families", value_name = "N", default_value = "10000", value_parser = positive)]
    pub(in crate::program::cli) families: usize,
    /// Series of one family.
    #[arg(long = "limits.series-per-family", value_name = "N", default_value = "10000", value_parser = positive)]
    pub(in crate::program::cli) series_per_family: usize,
    /// Distinct values of one label in one family.
    #[arg(long = "limits.values-per-label", value_name = "N", default_value = "5000", value_parser = positive)]
    pub(in crate::program::cli) values_per_label: usize,
    /// Distinct label names in one family.
    #[arg(long = "limits.labels-per-family", value_name = "N", default_value = "256", value_parser = positive)]
    pub(in crate::program::cli) labels_per_family: usize,
    /// Bytes that all series take as they grow, with routes, exemplars and what rests; at it sketches, sets and native histograms become coarser.
    #[arg(long = "limits.series-bytes", value_name = "BYTES", default_value = "134217728", value_parser = positive)]
    pub(in crate::program::cli) series_bytes: usize,
    /// What becomes of samples of new series at a limit of their family.
    #[arg(long = "limits.overflow", value_name = "POLICY", value_enum, default_value = "drop-label")]
    pub(in crate::program::cli) overflow: OverflowPolicy,
    /// Expired series whose values are kept for --ttl.grace.
    #[arg(long = "limits.resting-series", value_name = "N", default_value = "50000", value_parser = positive)]
    pub(in crate::program::cli) resting_series: usize,
    /// Series that may have exemplars.
    #[arg(long = "limits.exemplar-series", value_name = "N", default_value = "10000", value_parser = positive)]
    pub(in crate::program::cli) exemplar_series: usize,
    /// How much one sample may add to a counter, to the count or the sum of an observer, or to a gauge that it changes, after its
    /// sampling rate; inf for no limit [default: 1e15, with --compat inf].
    #[arg(long = "limits.sample-value", value_name = "NUMBER", value_parser = above_zero)]
    pub(in crate::program::cli) sample_value: Option<SampleValueLimit>,
    /// Bytes of a line, up to 1048576.
    #[arg(long = "limits.line-bytes", value_name = "BYTES", default_value = "65535", value_parser = line)]
    pub(in crate::program::cli) line_bytes: usize,
    /// Bytes of a name.
    #[arg(long = "limits.name-bytes", value_name = "BYTES", default_value = "1024", value_parser = positive)]
    pub(in crate::program::cli) name_bytes: usize,
    /// Bytes of the tags of a line.
    #[arg(long = "limits.tags-bytes", value_name = "BYTES", default_value = "8192", value_parser = positive)]
    pub(in crate::program::cli) tags_bytes: usize,
    /// Tags of a line.
    #[arg(long = "limits.tags", value_name = "N", default_value = "128", value_parser = positive)]
    pub(in crate::program::cli) tags: usize,
    /// Bytes of a datagram, up to 65535; of a longer one the whole lines that fit are taken.
    #[arg(long = "limits.datagram-bytes", value_name = "BYTES", default_value = "65535", value_parser = datagram)]
    pub(in crate::program::cli) datagram_bytes: usize,
}

/// What becomes of samples of new series at a limit of their family; gauges are always refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::program::cli) enum OverflowPolicy {
    /// Into one overflow series of the family.
    Fold,
    /// Into series that lack only the label that explodes, where there is room for them, else as fold.
    DropLabel,
    /// Nowhere: they are refused and counted.
    Refuse,
}

fn above_zero(text: &str) -> Result<SampleValueLimit, String> {
    let limit = text.parse().ok().and_then(|number| SampleValueLimit::new(number).ok());
    limit.ok_or_else(|| format!("expected a number above 0 such as 1e15, or inf for no limit, got {text:?}"))
}

fn line(text: &str) -> Result<usize, String> {
    within(text, 1, 1 << 20)
}
