//! What is known of the program itself, beyond what it receives and serves.

use metrics::Counter;

use super::described::described_counter;
use crate::options::Prefix;

/// The program that runs the bridge.
pub struct RuntimeMetrics {
    /// Log messages that nobody took in time.
    pub log_dropped: Counter,
}

pub(super) fn runtime_metrics(p: Prefix) -> RuntimeMetrics {
    RuntimeMetrics {
        log_dropped: described_counter(
            p,
            "log_messages_dropped_total",
            "Log messages dropped because whoever reads stderr did not take them in time.",
        ),
    }
}
