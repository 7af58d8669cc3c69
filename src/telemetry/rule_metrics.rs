//! Metrics of the mapping rules.

use metrics::{Counter, Gauge};

use super::described::{described_counters, described_gauge};
use crate::options::Prefix;

/// Metrics of the mapping rules in force and of reloads.
pub(crate) struct RuleMetrics {
    /// Successful reloads.
    pub reloads_good: Counter,
    /// Reloads rejected because of an error in a mapping file.
    pub reloads_bad: Counter,
    /// 1 if the last reload, or the start, was successful.
    pub last_was_good: Gauge,
    /// The time of the last successful reload, or of the start.
    pub last_good_time: Gauge,
    /// Hash of the mapping files in force.
    pub hash: Gauge,
    /// Rules in force.
    pub loaded: Gauge,
}

pub(super) fn rule_metrics(p: Prefix) -> RuleMetrics {
    let gauge = |name, help| described_gauge(p, name, help);
    let reloads = ("config_reloads_total", "Reloads of the mapping files, by outcome. The start does not count.");
    let [reloads_good, reloads_bad] = described_counters(p, reloads, "outcome", ["success", "failure"]);
    RuleMetrics {
        reloads_good,
        reloads_bad,
        last_was_good: gauge("config_last_reload_successful", "1 if the last reload of the mapping files, or the start, was successful."),
        last_good_time: gauge(
            "config_last_reload_success_timestamp_seconds",
            "Time of the last successful reload of the mapping files, or of the start.",
        ),
        hash: gauge("config_hash", "Hash of the mapping files in force. Equal files have equal hashes."),
        loaded: gauge("loaded_mappings", "Mapping rules in force."),
    }
}
