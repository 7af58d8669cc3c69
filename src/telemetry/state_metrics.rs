//! Metrics of snapshots.

use metrics::{Counter, Gauge};

use super::described::{described_counters, described_gauge};
use crate::options::Prefix;

/// Snapshots of the state file, and the restore at start.
pub(crate) struct StateMetrics {
    /// Snapshots written.
    pub written: Counter,
    /// Snapshots that could not be written.
    pub failed: Counter,
    /// Duration of the last snapshot in seconds.
    pub seconds: Gauge,
    /// Size of the last snapshot.
    pub bytes: Gauge,
    /// Time of the last snapshot.
    pub time: Gauge,
    /// Series restored at start, folded ones included.
    pub restored: Gauge,
    /// Series not restored at start because of a limit or a conflict.
    pub rejected: Gauge,
}

pub(super) fn state_metrics(p: Prefix) -> StateMetrics {
    let gauge = |name, help| described_gauge(p, name, help);
    let snapshots = ("state_snapshots_total", "Snapshots of all series for the state file, by outcome.");
    let [written, failed] = described_counters(p, snapshots, "outcome", ["success", "failure"]);
    StateMetrics {
        written,
        failed,
        seconds: gauge("state_snapshot_seconds", "Duration of the last snapshot."),
        bytes: gauge("state_snapshot_bytes", "Size of the last snapshot."),
        time: gauge("state_snapshot_timestamp_seconds", "Time of the last snapshot."),
        restored: gauge("state_restored_series", "Series restored from the state file at start, folded ones included."),
        rejected: gauge("state_refused_series", "Series of the state file rejected at start because of a limit or a conflict."),
    }
}
