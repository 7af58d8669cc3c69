//! The series that tells that the bridge is up, which a scrape would add.

use super::options::WriteOptions;
use crate::telemetry::{SelfFamily, SelfKind, SelfSeries, SelfValue};

/// Its name.
pub(super) const NAME: &str = "up";

/// Adds it to self-families that are sorted by name, unless a sender sends it or a selector excludes it.
pub(super) fn add(options: &WriteOptions, is_sent: bool, families: &mut Vec<SelfFamily>) {
    if is_sent || options.exclude.iter().any(|selector| selector.matches(NAME, &[])) {
        return;
    }
    let mut up = SelfFamily::new(SelfKind::Gauge, NAME, "1 in each push of statsd-bridge.");
    up.series.push(SelfSeries { labels: "".into(), value: SelfValue::Number(1.0) });
    let place = families.partition_point(|family| family.name() < NAME);
    families.insert(place, up);
}
