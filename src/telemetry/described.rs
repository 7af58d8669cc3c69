//! Registers a self-metric together with its help text. Call these functions under the recorder of the metric.

use metrics::{Counter, Gauge, counter, describe_counter, describe_gauge, gauge};

use crate::options::Prefix;

/// A counter with its help.
pub(super) fn described_counter(prefix: Prefix, name: &'static str, help: &'static str) -> Counter {
    let full = format!("{}{name}", prefix.as_str());
    describe_counter!(full.clone(), help);
    counter!(full)
}

/// A counter for each value of a label, all with one help.
pub(super) fn described_counters<const N: usize>(
    prefix: Prefix,
    (name, help): (&'static str, &'static str),
    label: &'static str,
    values: [&'static str; N],
) -> [Counter; N] {
    let full = format!("{}{name}", prefix.as_str());
    describe_counter!(full.clone(), help);
    values.map(|value| counter!(full.clone(), label => value))
}

/// A gauge with its help.
pub(super) fn described_gauge(prefix: Prefix, name: &'static str, help: &'static str) -> Gauge {
    let full = format!("{}{name}", prefix.as_str());
    describe_gauge!(full.clone(), help);
    gauge!(full)
}

/// Adds 1 to the counter at the place of an enum's value.
pub(super) fn count_at(counters: &[Counter], place: usize) {
    debug_assert!(place < counters.len(), "no counter for reason {place}");
    if let Some(counter) = counters.get(place) {
        counter.increment(1);
    }
}
