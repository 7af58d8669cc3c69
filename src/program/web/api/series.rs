//! `/api/v1/series`: the families with type, number of series and age; of one family its labels, their values and its series.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::live::Live;
use super::parameters::Parameters;
use super::reply::{ApiData, ApiError, time_of};
use crate::name::series_text;
use crate::registry::{Family, Series, ShownValue, split};
use crate::time::Timestamp;

/// Families, series and values of a label in one answer.
const SHOWN: usize = 200;

/// Series that are read for ages and for values of a label. Beyond, ages are left out and values are those of the first series.
const READ: usize = 50_000;

/// Bytes of a text that a sender chose.
const TEXT_BYTES: usize = 1024;

/// The families that match `search`, or the family of this name.
pub(in crate::program::web) fn series(live: &Live, query: Option<&str>) -> Result<ApiData, ApiError> {
    let parameters = Parameters::read(&[query.unwrap_or_default()], &["search", "family", "label", "value"])?;
    let get = |name: &str| parameters.last(name).filter(|text| !text.is_empty());
    let (search, now) = (get("search").unwrap_or_default(), (live.clock)());
    let Some(name) = get("family") else { return Ok(ApiData::new(families(live, search, now))) };
    let Some(family) = live.bridge.registry().family(name) else {
        return Ok(ApiData::new(json!({ "family": { "name": name, "exists": false } })));
    };
    Ok(ApiData::new(json!({ "family": one_family(&family, (search, get("label"), get("value")), now) })))
}

fn families(live: &Live, search: &str, now: Timestamp) -> Value {
    let all = live.bridge.registry().families();
    let wanted = search.to_lowercase();
    let is_meant = |family: &&Arc<Family>| {
        wanted.is_empty()
            || family.name().as_str().to_lowercase().contains(&wanted)
            || family.first().0.to_lowercase().contains(&wanted)
            || family.in_report().labels.iter().any(|label| label.name.to_lowercase().contains(&wanted))
    };
    let found: Vec<&Arc<Family>> = all.iter().filter(is_meant).collect();
    let mut left = READ;
    let rows: Vec<Value> = found.iter().take(SHOWN).map(|family| row(family, &mut left, now)).collect();
    let more = found.len().saturating_sub(SHOWN);
    let series_of_more: usize = found.iter().skip(SHOWN).map(|family| family.len()).sum();
    json!({ "search": search, "families": rows, "found": found.len(), "more": more, "series_of_more": series_of_more, "time_ms": time_of(now).0 })
}

fn row(family: &Family, left: &mut usize, now: Timestamp) -> Value {
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
        "age_seconds": age.map(|last| seconds(now, last)),
        "rule": family.rule(),
        "first_sample": first,
        "first_source": source.to_string(),
        "help": family.help().as_deref().map(|help| short(help).to_owned()),
    })
}

fn one_family(family: &Family, (search, label, value): (&str, Option<&str>, Option<&str>), now: Timestamp) -> Value {
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
    let mut shown = row(family, &mut left, now);
    if let Value::Object(entries) = &mut shown {
        let more = json!({
            "exists": true,
            "search": search,
            "unit": family.unit(),
            "series_bytes": report.bytes,
            "labels": labels.collect::<Vec<_>>(),
            "label": label.map(|name| values(&all, name)),
            "label_value": value,
            "found": found.len(),
            "rows": found.iter().take(SHOWN).map(|series| series_row(family, series, now)).collect::<Vec<_>>(),
        });
        entries.extend(more.as_object().cloned().unwrap_or_default());
    }
    shown
}

/// The values of a label, those with the most series first.
fn values(all: &[Arc<Series>], label: &str) -> Value {
    let mut counts: HashMap<String, usize> = HashMap::new();
    for series in all.iter().take(READ) {
        let value = split(series.labels()).find(|(name, _)| name == label).map(|(_, value)| value);
        *counts.entry(value.unwrap_or_default()).or_default() += 1;
    }
    let mut counts: Vec<(String, usize)> = counts.into_iter().collect();
    counts.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    let others: usize = counts.iter().skip(SHOWN).map(|(_, series)| series).sum();
    let rows: Vec<Value> = counts.iter().take(SHOWN).map(|(value, series)| json!({ "value": value, "series": series })).collect();
    json!({ "name": label, "values": rows, "distinct": counts.len(), "series_of_others": others, "read": all.len().min(READ) })
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
