//! What is known of the program itself, beyond what it receives and serves.

use metrics::Counter;

use super::described::described_counter;
use crate::options::Prefix;

/// The program that runs the bridge.
pub(crate) struct RuntimeMetrics {
    /// Log messages that nobody took in time.
    pub log_dropped: Counter,
    /// Paths of Unix sockets that were removed or replaced.
    pub socket_paths_lost: Counter,
    /// Of these, those that lead to a socket of the bridge again.
    pub socket_paths_restored: Counter,
}

pub(super) fn runtime_metrics(p: Prefix) -> RuntimeMetrics {
    RuntimeMetrics {
        log_dropped: described_counter(
            p,
            "log_messages_dropped_total",
            "Log messages dropped because whoever reads stderr did not take them in time.",
        ),
        socket_paths_lost: described_counter(
            p,
            "socket_paths_lost_total",
            "Paths of Unix sockets that were removed or replaced while the bridge ran.",
        ),
        socket_paths_restored: described_counter(
            p,
            "socket_paths_restored_total",
            "Of these, paths that lead to a socket of the bridge again.",
        ),
    }
}
