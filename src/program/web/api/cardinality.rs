//! `/api/v1/cardinality`: series and their limits, the largest families, and the offenders of limits that were hit. Modelled on the
//! `/api/v1/status/tsdb` endpoint of Prometheus.

use serde_json::{Value, json};

use super::parameters;
use super::reply::{ApiData, ApiError, time_of};
use super::shape::shape;
use crate::bridge::Bridge;
use crate::registry::{Cardinality, FamilyReport, Limited};

/// The default of `limit`.
const DEFAULT_FAMILIES: usize = 10;
/// The maximum of `limit`.
const MAX_FAMILIES: usize = 1000;

/// The `limit` parameter: the number of families to list.
pub(super) fn limit(query: Option<&str>) -> Result<usize, ApiError> {
    parameters::limit(query, DEFAULT_FAMILIES, MAX_FAMILIES)
}

/// The report. Its cost is proportional to the number of series; do not call it on an async thread.
pub(super) fn report(bridge: &Bridge, limit: usize) -> ApiData {
    ApiData::new(totals_and_families(&bridge.cardinality(limit)))
}

fn totals_and_families(all: &Cardinality) -> Value {
    json!({
        "totals": {
            "series": all.series,
            "series_limit": all.series_limit,
            "series_bytes": all.series_bytes,
            "series_bytes_limit": all.series_bytes_limit,
            "families": all.families,
            "families_limit": all.families_limit,
            "resting_series": all.in_grace,
        },
        "families": all.top.iter().map(family).collect::<Vec<_>>(),
        "families_kept_out": all.limited.iter().map(|hit| limited(hit)).collect::<Vec<_>>(),
    })
}

fn family(family: &FamilyReport) -> Value {
    let labels = family
        .labels
        .iter()
        .map(|label| json!({ "name": label.name, "values": label.values, "examples": label.examples, "shape": shape(&label.examples) }));
    json!({
        "name": family.name,
        "type": family.kind,
        "series": family.series,
        "series_bytes": family.bytes,
        "labels": labels.collect::<Vec<_>>(),
        "limits_hit": family.limited.iter().map(|hit| limited(hit)).collect::<Vec<_>>(),
    })
}

/// One limit that was hit.
fn limited(hit: &Limited) -> Value {
    let (millis, text) = time_of(hit.first);
    json!({
        "limit": hit.limit.as_str(),
        "label": *hit.label,
        "action": hit.action.as_str(),
        "samples": hit.samples(),
        "distinct_values_refused": hit.distinct().map(|distinct| distinct.round() as u64),
        "examples": hit.examples(),
        "first_hit": text,
        "first_hit_ms": millis,
        "first_source": hit.source.to_string(),
    })
}
