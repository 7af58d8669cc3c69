//! Metrics of the list of senders.

use metrics::{Counter, Gauge};

use super::described::{described_counter, described_gauge};
use crate::options::Prefix;

/// Metrics of the list of senders.
#[derive(Clone)]
pub(crate) struct SourceMetrics {
    /// Senders listed now.
    pub tracked: Gauge,
    /// Senders that gave up their place.
    pub evicted: Counter,
}

pub(super) fn source_metrics(p: Prefix) -> SourceMetrics {
    SourceMetrics {
        tracked: described_gauge(p, "sources_tracked", "Senders with counts of their own."),
        evicted: described_counter(
            p,
            "sources_evicted_total",
            "Senders that gave up their place to a new sender. Their counts were added to those of all other senders.",
        ),
    }
}
