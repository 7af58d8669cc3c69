//! `/api/v1/series`: the families with type, number of series and age; of one family its labels, their values and its series.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::growth::{new_series, rate_of};
use super::listing::{ListRules, Listing};
use super::live::Live;
use super::reply::{ApiData, ApiError, time_of};
use crate::name::series_text;
use crate::program::family_history::{Growth, MINUTES};
use crate::registry::{Family, Series, ShownValue, split};
use crate::time::Timestamp;

/// Series and values of a label in one answer.
const SHOWN: usize = 200;

/// In JSON: 200 families, at most 1,000.
pub(super) const RULES: ListRules =
    ListRules { sorts: &["name", "series", "bytes", "rate", "growth"], limit: (200, 1_000), more: &["search", "family", "label", "value"] };

/// Series that are read for ages and for values of a label. Beyond, ages are left out and values are those of the first series.
const READ: usize = 50_000;

/// Bytes of a text that a sender chose.
const TEXT_BYTES: usize = 1024;

/// The families that match `q`, or the family of this name. `search` is an earlier name of `q`.
pub(in crate::program::web) fn series(live: &Live, query: Option<&str>, rules: ListRules) -> Result<ApiData, ApiError> {
    let (mut listing, parameters) = rules.read(query)?;
    let get = |name: &str| parameters.last(name).filter(|text| !text.is_empty());
    if let Some(search) = get("search").filter(|_| listing.is_all()) {
        listing.search(search);
    }
    let (search, now) = (&*listing.q, (live.clock)());
    let growth = live.history.families().all(now);
    let Some(name) = get("family") else { return Ok(ApiData::new(families(live, &listing, &growth, now))) };
    let Some(family) = live.bridge.registry().family(name) else {
        return Ok(ApiData::new(json!({ "family": { "name": name, "exists": false } })));
    };
    let growth = growth.get(family.name().as_str());
    Ok(ApiData::new(json!({ "family": one_family(&family, growth, (search, get("label"), get("value")), now) })))
}

fn families(live: &Live, listing: &Listing, growth: &HashMap<Box<str>, Growth>, now: Timestamp) -> Value {
    let mut found = live.bridge.registry().families();
    if !listing.is_all() {
        found.retain(|family| listing.matches([family.name().as_str(), family.first().0]) || listing.matches(family.label_names()));
    }
    let of = |family: &Arc<Family>| growth.get(family.name().as_str());
    match listing.sort {
        "series" => found.sort_by_cached_key(|family| Reverse(family.len())),
        "bytes" => found.sort_by_cached_key(|family| Reverse(family.bytes())),
        // Rates are not negative, so that their bits have their order.
        "rate" => found.sort_by_cached_key(|family| Reverse(of(family).and_then(|growth| growth.rate).map(f64::to_bits))),
        "growth" => found.sort_by_cached_key(|family| Reverse(of(family).map(|growth| growth.new))),
        // They are sorted by name already.
        _ => {}
    }
    let mut left = READ;
    let rows: Vec<Value> = found.iter().take(listing.limit).map(|family| row(family, of(family), &mut left, now)).collect();
    let series_of_more: usize = found.iter().skip(listing.limit).map(|family| family.len()).sum();
    let state = listing.state(found.len());
    json!({
        "search": listing.q, "families": rows, "found": found.len(), "more": state["more"], "series_of_more": series_of_more,
        "time_ms": time_of(now).0, "list": state,
    })
}

fn row(family: &Family, growth: Option<&Growth>, left: &mut usize, now: Timestamp) -> Value {
    let size = family.len();
    let is_read = size <= *left;
    let age = is_read.then(|| family.series().iter().filter_map(|series| series.last_sample()).max()).flatten();
    if is_read {
        *left -= size;
    }
    let (first, source) = family.first();
    json!({
        "name": family.name().as_str(),
        "type": family.kind().as_str(),
        "series": size,
        "series_bytes": family.bytes(),
        "rate": growth.and_then(|growth| growth.rate),
        "rate_of": rate_of(family.kind()),
        "new_series": new_series(growth),
        "age_seconds": age.map(|last| seconds(now, last)),
        "rule": family.rule(),
        "first_sample": first,
        "first_source": source.to_string(),
        "help": family.help().as_deref().map(|help| short(help).to_owned()),
    })
}

fn one_family(
    family: &Family,
    growth: Option<&Growth>,
    (search, label, value): (&str, Option<&str>, Option<&str>),
    now: Timestamp,
) -> Value {
    let all = family.series();
    let report = family.in_report();
    let wanted = search.to_lowercase();
    let is_meant = |series: &&Arc<Series>| {
        let has_value = match (label, value) {
            (Some(label), Some(value)) => split(series.labels()).any(|(name, own)| name == label && own == value),
            _ => true,
        };
        has_value && (wanted.is_empty() || series.labels().to_lowercase().contains(&wanted))
    };
    let found: Vec<&Arc<Series>> = all.iter().filter(is_meant).collect();
    let labels = report.labels.iter().map(|label| json!({ "name": label.name, "values": label.values, "examples": label.examples }));
    let mut left = READ;
    let mut shown = row(family, growth, &mut left, now);
    if let Value::Object(entries) = &mut shown {
        let more = json!({
            "exists": true,
            "search": search,
            "unit": family.unit(),
            "labels": labels.collect::<Vec<_>>(),
            "label": label.map(|name| values(&all, name, now)),
            "label_value": value,
            "found": found.len(),
            "rows": found.iter().take(SHOWN).map(|series| series_row(family, series, now)).collect::<Vec<_>>(),
        });
        entries.extend(more.as_object().cloned().unwrap_or_default());
    }
    shown
}

/// The values of a label, those with the most series first, each with the age of its first series that is still there.
fn values(all: &[Arc<Series>], label: &str, now: Timestamp) -> Value {
    let mut counts: HashMap<String, (usize, u64)> = HashMap::new();
    for series in all.iter().take(READ) {
        let value = split(series.labels()).find(|(name, _)| name == label).map(|(_, value)| value);
        let (count, first) = counts.entry(value.unwrap_or_default()).or_insert((0, u64::MAX));
        (*count, *first) = (*count + 1, (*first).min(series.created().as_millis()));
    }
    let mut counts: Vec<(String, (usize, u64))> = counts.into_iter().collect();
    counts.sort_by(|a, b| b.1.0.cmp(&a.1.0).then_with(|| a.0.cmp(&b.0)));
    let others: usize = counts.iter().skip(SHOWN).map(|(_, (series, _))| series).sum();
    // Series state when they were created in wall time.
    let now = time_of(now).0;
    let age = |first: u64| now.saturating_sub(first) as f64 / 1000.0;
    let new = MINUTES.map(|minutes| {
        let count = counts.iter().filter(|(_, (_, first))| age(*first) < (minutes * 60) as f64).count();
        (format!("{minutes}m"), json!(count))
    });
    let rows = counts.iter().take(SHOWN);
    let rows = rows.map(|(value, (series, first))| json!({ "value": value, "series": series, "first_series_age_seconds": age(*first) }));
    json!({
        "name": label, "values": rows.collect::<Vec<_>>(), "distinct": counts.len(), "series_of_others": others,
        "new_values": new.into_iter().collect::<serde_json::Map<_, _>>(), "read": all.len().min(READ),
    })
}

/// One series with its value and its age.
pub(super) fn series_row(family: &Family, series: &Series, now: Timestamp) -> Value {
    let text = series_text(family.name().as_str(), series.labels());
    let mut row = match series.shown_value(family.kind(), now) {
        ShownValue::Number(number) => json!({ "value": number }),
        ShownValue::Observed { count, sum } => json!({ "count": count, "sum": sum }),
    };
    row["series"] = short(&text).into();
    row["age_seconds"] = series.last_sample().map(|last| seconds(now, last)).into();
    row["created_ms"] = series.created().as_millis().into();
    row["ttl_seconds"] = (series.ttl_ms() > 0).then(|| series.ttl_ms() as f64 / 1000.0).into();
    row
}

/// Seconds since `last`.
pub(super) fn seconds(now: Timestamp, last: Timestamp) -> f64 {
    now.millis_since(last) as f64 / 1000.0
}

/// The first part of a text.
fn short(text: &str) -> &str {
    let end = (0..=TEXT_BYTES.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    end.and_then(|end| text.get(..end)).unwrap_or_default()
}
