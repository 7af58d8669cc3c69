//! Metrics of the program itself.

use metrics::Counter;

use super::described::described_counter;
use crate::options::Prefix;

/// Metrics of the program that runs the bridge.
pub(crate) struct RuntimeMetrics {
    /// Log messages dropped because the reader of stderr was too slow.
    pub log_dropped: Counter,
    /// DogStatsD events that were not written to the file of events.
    pub events_unwritten: Counter,
    /// Paths of Unix sockets that were removed or replaced.
    pub socket_paths_lost: Counter,
    /// Paths of these sockets that were restored.
    pub socket_paths_restored: Counter,
}

pub(super) fn runtime_metrics(p: Prefix) -> RuntimeMetrics {
    RuntimeMetrics {
        log_dropped: described_counter(p, "log_messages_dropped_total", "Log messages dropped because the reader of stderr was too slow."),
        events_unwritten: described_counter(
            p,
            "dogstatsd_events_unwritten_total",
            "DogStatsD events not written to --events.log-file, because the file was too slow or could not be written.",
        ),
        socket_paths_lost: described_counter(
            p,
            "socket_paths_lost_total",
            "Paths of the bridge's Unix sockets that were removed or replaced.",
        ),
        socket_paths_restored: described_counter(
            p,
            "socket_paths_restored_total",
            "Paths of Unix sockets that the bridge restored after they were removed or replaced.",
        ),
    }
}
