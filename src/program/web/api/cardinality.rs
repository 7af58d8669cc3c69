//! `/api/v1/cardinality`: series and their limits, the largest families, and the offenders of limits that were hit. Modelled on the
//! `/api/v1/status/tsdb` endpoint of Prometheus.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::growth::{forecasts, new_series};
use super::listing::{ListRules, Listing};
use super::live::Live;
use super::reply::{ApiData, ApiError, time_of};
use super::saving::suggestion;
use super::shape::shape;
use crate::arrivals::ArrivedName;
use crate::name::FamilyName;
use crate::program::family_history::Growth;
use crate::registry::{Family, FamilyReport, Limited};

/// In JSON: 10 families, at most 1,000.
pub(super) const RULES: ListRules = ListRules { sorts: &["series", "bytes", "growth", "name"], limit: (10, 1_000), more: &[] };

/// The report. Its cost is proportional to the number of series; do not call it on an async thread.
pub(super) fn cardinality(live: &Live, query: Option<&str>, rules: ListRules) -> Result<ApiData, ApiError> {
    let (listing, _) = rules.read(query)?;
    let totals = live.bridge.cardinality(0);
    let now = (live.clock)();
    let past = live.history.until_now(&live.bridge, now);
    let growth = live.history.families().all(now);
    let found = found(live, &listing, &growth);
    let raw = raw_names(live);
    let families = found.iter().take(listing.limit).map(|known| {
        let name = known.name().as_str();
        let of_family = raw.get(name).into_iter().flatten();
        family(known, &known.in_report(), growth.get(name), of_family)
    });
    Ok(ApiData::new(json!({
        "totals": {
            "series": totals.series,
            "series_limit": totals.series_limit,
            "series_bytes": totals.series_bytes,
            "series_bytes_limit": totals.series_bytes_limit,
            "families": totals.families,
            "families_limit": totals.families_limit,
            "resting_series": totals.in_grace,
            "full_in_seconds": forecasts(&past, live.bridge.registry().limits()),
        },
        "families": families.collect::<Vec<_>>(),
        "families_kept_out": totals.limited.iter().map(|hit| limited(hit)).collect::<Vec<_>>(),
        "list": listing.state(found.len()),
    })))
}

/// The families that match, in their order. Those at a limit come first where the number of series decides.
fn found(live: &Live, listing: &Listing, growth: &HashMap<Box<str>, Growth>) -> Vec<Arc<Family>> {
    let mut found = live.bridge.registry().families();
    if !listing.is_all() {
        found.retain(|family| listing.matches([family.name().as_str()]) || listing.matches(family.label_names()));
    }
    match listing.sort {
        // They are sorted by name already.
        "name" => {}
        "bytes" => found.sort_by_cached_key(|family| Reverse(family.bytes())),
        "growth" => found.sort_by_cached_key(|family| Reverse(growth.get(family.name().as_str()).map(|growth| growth.new))),
        _ => found.sort_by_cached_key(|family| Reverse((!family.limited().is_empty(), family.len()))),
    }
    found
}

/// The raw names that are known, by family.
fn raw_names(live: &Live) -> HashMap<String, Vec<ArrivedName>> {
    let mut names: HashMap<String, Vec<ArrivedName>> = HashMap::new();
    for known in live.bridge.engine().arrivals().all().0 {
        let Some(family) = FamilyName::new(&known.family, live.bridge.options().names) else { continue };
        names.entry(family.as_str().to_owned()).or_default().push(known);
    }
    names
}

fn family<'n>(family: &Family, report: &FamilyReport, growth: Option<&Growth>, raw: impl Iterator<Item = &'n ArrivedName>) -> Value {
    let labels = report
        .labels
        .iter()
        .map(|label| json!({ "name": label.name, "values": label.values, "examples": label.examples, "shape": shape(&label.examples) }));
    json!({
        "name": report.name,
        "type": report.kind,
        "series": report.series,
        "series_bytes": report.bytes,
        "new_series": new_series(growth),
        "labels": labels.collect::<Vec<_>>(),
        "suggestion": suggestion(family, report, raw),
        "limits_hit": report.limited.iter().map(|hit| limited(hit)).collect::<Vec<_>>(),
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
