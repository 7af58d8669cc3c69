//! Metrics of the list of senders.

use metrics::{Counter, Gauge};

use super::described::{described_counter, described_gauge};
use crate::options::Prefix;

/// Metrics of the list of senders.
#[derive(Clone)]
pub(crate) struct SourceMetrics {
    /// What clients report about themselves.
    pub clients: ClientMetrics,
    /// Senders listed now.
    pub tracked: Gauge,
    /// Senders that gave up their place.
    pub evicted: Counter,
}

/// Metrics of the telemetry of DogStatsD clients.
#[derive(Clone)]
pub(crate) struct ClientMetrics {
    /// Datagrams sent in the intervals that can be compared.
    pub datagrams_sent: Counter,
    /// Datagrams that arrived in them.
    pub datagrams_arrived: Counter,
    /// Datagrams and frames that clients dropped.
    pub packets_dropped: Counter,
}

pub(super) fn source_metrics(p: Prefix) -> SourceMetrics {
    let clients = ClientMetrics {
        datagrams_sent: described_counter(
            p,
            "client_datagrams_sent_total",
            "Datagrams that DogStatsD clients reported as sent, between two of their reports.",
        ),
        datagrams_arrived: described_counter(
            p,
            "client_datagrams_arrived_total",
            "Datagrams that arrived from these clients in the same time. The difference was lost on the way.",
        ),
        packets_dropped: described_counter(
            p,
            "client_packets_dropped_total",
            "Datagrams and frames that DogStatsD clients reported as dropped before they sent them.",
        ),
    };
    SourceMetrics {
        clients,
        tracked: described_gauge(p, "sources_tracked", "Senders with counts of their own."),
        evicted: described_counter(
            p,
            "sources_evicted_total",
            "Senders that gave up their place to a new sender. Their counts were added to those of all other senders.",
        ),
    }
}
