//! The flags of the heading Senders: what is counted by sender. Must not know what counts it.

use super::numbers::within;

/// The flags of the heading Senders.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Senders")]
pub(in crate::program::cli) struct SourceFlags {
    /// Senders with counts of their own; 0 to count nothing by sender.
    ///
    /// A sender is the IP address of a UDP or TCP client, or all clients of a Unix socket. When there are more, each new sender takes
    /// the place of the one with the fewest lines. Each needs up to 1 KiB. /api/v1/sources shows them.
    #[arg(long = "sources.max", value_name = "N", default_value = "1000", value_parser = sources)]
    pub(in crate::program::cli) sources_max: usize,
}

fn sources(text: &str) -> Result<usize, String> {
    within(text, 0, 1_000_000)
}
