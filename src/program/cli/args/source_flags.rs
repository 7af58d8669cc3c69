//! The flags of the heading Senders: what is counted by sender. Must not know what counts it.

use super::numbers::within;

/// The flags of the heading Senders.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Senders")]
pub(in crate::program::cli) struct SourceFlags {
    /// Senders with counts of their own; 0 to count nothing by sender.
    ///
    /// A sender is the IP address of a UDP or TCP client, or over a Unix socket a container, a process outside of containers, or a user
    /// whose processes have ended. When there are more, each new sender takes the place of the one with the fewest lines. Each needs up to 1 KiB.
    /// /api/v1/sources shows them.
    #[arg(long = "sources.max", value_name = "N", default_value = "1000", value_parser = sources)]
    pub(in crate::program::cli) sources_max: usize,
    /// Lines that one sender may send per second; 0 for no limit.
    ///
    /// A sender may send the lines of one second at once. Beyond, its datagrams are rejected as a whole (source_lines_limit), and the log
    /// names it with its rate. Other senders are not affected.
    #[arg(long = "sources.lines-per-second", value_name = "N", default_value = "0", value_parser = per_second)]
    pub(in crate::program::cli) sources_lines_per_second: u64,
    /// Series that the samples of one sender may create per second; 0 for no limit.
    ///
    /// A sender may create the series of one second at once. Beyond, its samples of new series are rejected (source_series_limit), and
    /// those of known series are recorded.
    #[arg(long = "sources.new-series-per-second", value_name = "N", default_value = "0", value_parser = per_second)]
    pub(in crate::program::cli) sources_new_series_per_second: u64,
}

fn sources(text: &str) -> Result<usize, String> {
    within(text, 0, 1_000_000)
}

fn per_second(text: &str) -> Result<u64, String> {
    within(text, 0, 1_000_000_000).map(|number| number as u64)
}
