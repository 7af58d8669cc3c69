//! What is known of the mapping rules in force.

use metrics::{Counter, Gauge};

use super::described::{described_counters, described_gauge};
use crate::options::Prefix;

/// What is known of the mapping rules in force.
pub(crate) struct RuleMetrics {
    /// Reloads that put rules in force.
    pub reloads_good: Counter,
    /// Reloads refused for a mistake.
    pub reloads_bad: Counter,
    /// 1 if the last reload, or the start, was good.
    pub last_was_good: Gauge,
    /// When rules were last put in force.
    pub last_good_time: Gauge,
    /// Hash of the texts in force.
    pub hash: Gauge,
    /// Rules in force.
    pub loaded: Gauge,
}

pub(super) fn rule_metrics(p: Prefix) -> RuleMetrics {
    let gauge = |name, help| described_gauge(p, name, help);
    let reloads = ("config_reloads_total", "Reloads of the mapping files, by outcome; the start is none.");
    let [reloads_good, reloads_bad] = described_counters(p, reloads, "outcome", ["success", "failure"]);
    RuleMetrics {
        reloads_good,
        reloads_bad,
        last_was_good: gauge("config_last_reload_successful", "1 if the last reload of the mapping files, or the start, was good."),
        last_good_time: gauge("config_last_reload_success_timestamp_seconds", "When mapping rules, or none, were last put in force."),
        hash: gauge("config_hash", "Hash of the mapping files in force, the same for the same texts."),
        loaded: gauge("loaded_mappings", "Mapping rules in force."),
    }
}
