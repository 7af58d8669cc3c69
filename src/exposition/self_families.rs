//! The self-families: families of the facade, of the process, and families that the registry counts by name.

use std::collections::BTreeMap;

use crate::engine::Engine;
use crate::options::Prefix;
use crate::registry::{Registry, push_label};
use crate::telemetry::{SampleRejection, SelfFamily, SelfKind, SelfSeries, SelfValue, process_families};
use crate::time::Timestamp;

/// The number of families that are counted by name. The others are counted together.
const NAMED_FAMILIES: usize = 100;

/// The label value for the other families.
const OTHER: &str = "_other_";

/// All self-families, sorted by name.
pub(crate) fn self_families(engine: &Engine) -> Vec<SelfFamily> {
    let (registry, telemetry) = (engine.registry(), engine.telemetry());
    let mut families = telemetry.families();
    if !engine.options().without_process_metrics {
        families.extend(process_families());
    }
    families.extend(registry_families(registry, telemetry.prefix()));
    // A family that has counted nothing yet has no series, and is left out.
    families.retain(|family| !family.series.is_empty());
    families.sort_by(|a, b| a.name().cmp(b.name()));
    families
}

/// The time when the counting of a self-family began. The `process_*` families have none, because the system counts them from
/// before the bridge started.
pub(crate) fn created_of(engine: &Engine, family: &SelfFamily) -> Option<Timestamp> {
    engine.options().started.filter(|_| !family.name().starts_with("process_"))
}

fn registry_families(registry: &Registry, prefix: Prefix) -> [SelfFamily; 8] {
    let limits = registry.limits();
    let gauge = |name: &str, help: &'static str| Rows::new(prefix.as_str(), name, help, SelfKind::Gauge);
    // statsd_exporter has this name, although the metric is a gauge.
    let name = if prefix == Prefix::Exporter { "metrics_total" } else { "families" };
    let mut families = gauge(name, "Families by type.");
    let mut series = gauge("series", "Series, without overflow series.");
    let mut bytes = gauge("series_bytes", "Bytes of all series and of what is kept for them, as the limit counts them.");
    let mut resting = gauge("resting_series", "Expired series in their grace period, whose values are kept for a return.");
    let mut limit = gauge("limit", "Limits in force.");
    series.row(&[], registry.series() as f64);
    bytes.row(&[], registry.series_bytes() as f64);
    resting.row(&[], registry.in_grace() as f64);
    for (name, value) in [
        ("exemplar_series", limits.exemplar_series as f64),
        ("families", limits.families as f64),
        ("labels_per_family", limits.labels_per_family as f64),
        ("line_bytes", limits.line_bytes as f64),
        ("name_bytes", limits.name_bytes as f64),
        ("resting_series", limits.resting_series as f64),
        ("sample_value", limits.sample_value.get()),
        ("series", limits.series as f64),
        ("series_bytes", limits.series_bytes as f64),
        ("series_per_family", limits.series_per_family as f64),
        ("tags", limits.tags as f64),
        ("tags_bytes", limits.tags_bytes as f64),
        ("values_per_label", limits.values_per_label as f64),
    ] {
        limit.row(&[("limit", name)], value);
    }
    for (kind, count) in families_by_type(registry) {
        families.row(&[("type", kind)], count);
    }
    [
        families.0,
        series.0,
        bytes.0,
        resting.0,
        limit.0,
        conflicts(registry, prefix.as_str()),
        limited(registry, prefix.as_str()),
        coarsened(registry, prefix.as_str()),
    ]
}

fn families_by_type(registry: &Registry) -> BTreeMap<&'static str, f64> {
    let mut by_type = BTreeMap::from([("counter", 0.0), ("gauge", 0.0), ("histogram", 0.0), ("set", 0.0), ("summary", 0.0)]);
    for family in registry.families() {
        *by_type.entry(family.kind().as_str()).or_default() += 1.0;
    }
    by_type
}

fn conflicts(registry: &Registry, prefix: &str) -> SelfFamily {
    let help = "Samples rejected because their name conflicts with another family. Part of events_error_total.";
    let mut rows = Rows::new(prefix, "events_conflict_total", help, SelfKind::Counter);
    let mut sums: BTreeMap<(Box<str>, &str), f64> = BTreeMap::new();
    for conflict in registry.conflicts().iter().filter(|conflict| conflict.reason.rejection() == Some(SampleRejection::Conflict)) {
        // statsd_exporter counts histograms and summaries as observers.
        let kind = if matches!(conflict.came.kind, "histogram" | "summary") { "observer" } else { conflict.came.kind };
        *sums.entry((conflict.name.clone(), kind)).or_default() += conflict.samples() as f64;
    }
    for ((name, kind), samples) in &sums {
        rows.row(&[("metric_name", name), ("type", kind)], *samples);
    }
    rows.0
}

fn limited(registry: &Registry, prefix: &str) -> SelfFamily {
    let help = "Samples of new series that a limit folded into the overflow series, or rejected.";
    let mut rows = Rows::new(prefix, "limited_samples_total", help, SelfKind::Counter);
    let mut sums: BTreeMap<[String; 4], f64> = BTreeMap::new();
    let mut named = 0;
    let of_families = registry.families().into_iter().map(|family| family.limited());
    for limited in of_families.chain([registry.limited()]) {
        named += usize::from(!limited.is_empty());
        for hit in limited {
            let (name, label) = if named <= NAMED_FAMILIES { (&*hit.family, &*hit.label) } else { (OTHER, "") };
            let action = hit.action.as_str();
            let key = [name, label, hit.limit.as_str(), action].map(str::to_owned);
            *sums.entry(key).or_default() += hit.samples() as f64;
        }
    }
    for ([family, label, limit, action], samples) in &sums {
        rows.row(&[("action", action), ("family", family), ("label", label), ("limit", limit)], *samples);
    }
    rows.0
}

fn coarsened(registry: &Registry, prefix: &str) -> SelfFamily {
    let help = "Sketches, sets and native histograms made coarser because memory was short.";
    let mut rows = Rows::new(prefix, "cells_coarsened_total", help, SelfKind::Counter);
    let coarse = registry.families().into_iter().map(|family| (family.coarsened(), family)).filter(|(count, _)| *count > 0);
    let (mut named, mut others) = (0, 0);
    for (count, family) in coarse {
        named += 1;
        if named <= NAMED_FAMILIES {
            rows.row(&[("family", family.name().as_str())], count as f64);
        } else {
            others += count;
        }
    }
    if others > 0 {
        rows.row(&[("family", OTHER)], others as f64);
    }
    rows.0
}

/// A family that gets its series one by one, each with its labels sorted by name. These names are constants and need no escaping.
struct Rows(SelfFamily);

impl Rows {
    fn new(prefix: &str, name: &str, help: &'static str, kind: SelfKind) -> Self {
        Self(SelfFamily::new(kind, format!("{prefix}{name}"), help))
    }

    fn row(&mut self, labels: &[(&str, &str)], value: f64) {
        let mut text = String::new();
        for (name, value) in labels {
            if !text.is_empty() {
                text.push(',');
            }
            push_label(name, value, &mut text);
        }
        self.0.series.push(SelfSeries { labels: text.into(), value: SelfValue::Number(value) });
    }
}
